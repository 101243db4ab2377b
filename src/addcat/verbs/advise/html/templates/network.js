// The drawing: boxes and arrows that can be panned, zoomed, walked through with the keyboard and looked into. Names are
// put in as texts only, never as markup.

const network = (() => {
  const data = JSON.parse(document.getElementById("network-data").textContent);
  const drawing = document.getElementById("drawing");
  const minimap = document.getElementById("minimap");
  const details = document.getElementById("details");
  const stage = drawing.parentElement;
  const boxes = data.nodes.map(box);
  const feeds = data.nodes.map(() => []);
  const readers = data.nodes.map(() => []);
  data.edges.forEach((edge) => { feeds[edge.to].push(edge); readers[edge.from].push(edge); });
  const merges = data.nodes.filter((node) => node.kind === "merge").map((node) => node.id);
  const made = {};
  const TOOLBAR = 46;
  let layout, shapes, lines, viewport, frame;
  let chosen = -1;
  let view = { x: 0, y: 0, k: 1 };

  function make(name, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function tell(name, text, ...children) {
    const element = document.createElement(name);
    element.append(text, ...children);
    return element;
  }

  // drawing ---------------------------------------------------------------------------------------------------------

  const sign = (op) => (op === "concat" ? "concat" : /add$/.test(op) ? "add" : "other");

  function shape(node) {
    const { title, note, signs, width, height } = boxes[node.id];
    const { x, y } = layout.nodes[node.id];
    const own = node.kind === "merge" ? [node.choice ?? "", node.action ?? ""] : [];
    const radius = sign(node.op ?? "") === "add" ? height / 2 : node.kind === "merge" ? 4 : 7;
    const group = make("g", {
      class: ["node", node.kind, ...own].join(" ").trim(),
      transform: `translate(${(x - width / 2).toFixed(1)} ${(y - height / 2).toFixed(1)})`,
      role: "button",
      tabindex: -1,
      "aria-label": [node.label ?? node.kind, node.title, node.words ?? "", node.note].filter(Boolean).join(", "),
      "data-id": node.id,
    });
    const ring = { x: -4, y: -4, width: width + 8, height: height + 8, rx: radius + 4, class: "ring" };
    group.append(make("title", {}, `${node.title}\n${node.note}`), make("rect", ring), make("rect", { width, height, rx: radius, class: "box" }));
    const put = (op, left) => group.append(make("use", { href: `#sign-${op}`, x: left, y: height / 2 - 9, width: 18, height: 18, class: "glyph" }));
    if (node.kind === "merge") put(sign(node.op), 11);
    if (node.action === "switch") {
      group.append(make("path", { d: `M31 ${height / 2 - 3}l4 3l-4 3`, class: "line arrow" }));
      put(node.choice, 37);
    }
    const left = 12 + signs + (signs ? 2 : 0);
    group.append(make("text", { x: left, y: height / 2 - 3, class: "title" }, title));
    group.append(make("text", { x: left, y: height / 2 + 12, class: "note" }, note));
    return group;
  }

  function draw() {
    const marker = make("marker", { id: "arrowhead", viewBox: "0 0 8 8", refX: 7.5, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" }, make("path", { d: "M0 .5 8 4 0 7.5z" }));
    lines = data.edges.map((edge, place) => {
      const { points, fold } = layout.edges[place];
      return make("path", { d: path(points, fold ? 10 : Infinity), class: fold ? "edge fold" : "edge", "marker-end": "url(#arrowhead)" });
    });
    shapes = data.nodes.map(shape);
    const picture = make("g", { id: "picture" }, ...lines, ...shapes);
    viewport = make("g", { id: "viewport" }, picture);
    drawing.replaceChildren(make("defs", {}, marker), viewport);
    frame = make("rect", { class: "view" });
    minimap.replaceChildren(make("use", { href: "#picture" }), frame);
    shapes[Math.max(chosen, 0)]?.setAttribute("tabindex", 0);
    if (chosen >= 0) mark(true);
  }

  function arrange() {
    const { clientWidth: width, clientHeight: height } = stage;
    if (!width || !data.nodes.length) return;
    const next = layOut(data, boxes, made, width, height - TOOLBAR);
    if (next === layout) return;
    layout = next;
    draw();
    const scale = Math.min(150 / layout.width, 130 / layout.height);
    minimap.setAttribute("viewBox", `-20 -20 ${layout.width + 40} ${layout.height + 40}`);
    minimap.setAttribute("width", Math.max(24, scale * layout.width));
    minimap.setAttribute("height", Math.max(24, scale * layout.height));
    const start = chosen >= 0 ? chosen : first();
    // smaller than this, the whole network says less than a part of it
    if (fitting() < (width < 600 ? 0.7 : 0.5)) centre(start, 0.85); else fit();
  }

  const first = () => (data.nodes.find((node) => node.action === "switch") ?? data.nodes.find((node) => node.section) ?? data.nodes[0]).id;

  // view ------------------------------------------------------------------------------------------------------------

  const fitting = () => 0.95 * Math.min(stage.clientWidth / layout.width, (stage.clientHeight - TOOLBAR) / layout.height, 1.25);

  function show({ x, y, k }) {
    const { clientWidth: width, clientHeight: height } = stage;
    k = Math.min(2.5, Math.max(Math.min(fitting(), 0.4), k));
    const within = (offset, size, length) => Math.min(length - 60, Math.max(60 - size * k, offset));
    view = { x: within(x, layout.width, width), y: within(y, layout.height, height), k };
    viewport.setAttribute("transform", `translate(${view.x.toFixed(1)} ${view.y.toFixed(1)}) scale(${k.toFixed(4)})`);
    minimap.toggleAttribute("hidden", k < 1.2 * fitting());
    const seen = { x: -view.x / k, y: -view.y / k, width: width / k, height: height / k };
    for (const [key, value] of Object.entries(seen)) frame.setAttribute(key, value.toFixed(1));
  }

  function fit() {
    const k = fitting();
    show({ x: (stage.clientWidth - layout.width * k) / 2, y: (stage.clientHeight + TOOLBAR - layout.height * k) / 2, k });
  }

  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const k = Math.min(2.5, Math.max(Math.min(fitting(), 0.4), view.k * factor));
    show({ x: x - ((x - view.x) * k) / view.k, y: y - ((y - view.y) * k) / view.k, k });
  }

  function centre(id, k = view.k) {
    const { x, y } = layout.nodes[id];
    show({ x: stage.clientWidth / 2 - x * k, y: stage.clientHeight / 2 - y * k, k });
  }

  function uncover(id) {
    const { x, y } = layout.nodes[id];
    const [left, top] = [view.x + x * view.k, view.y + y * view.k];
    const out = left < 90 || top < 40 || left > stage.clientWidth - 90 || top > stage.clientHeight - 40;
    if (out) centre(id);
  }

  // choosing --------------------------------------------------------------------------------------------------------

  function mark(on) {
    shapes[chosen].classList.toggle("chosen", on);
    shapes[chosen].setAttribute("tabindex", on ? 0 : -1);
    data.edges.forEach((edge, place) => {
      if (edge.from === chosen || edge.to === chosen) lines[place].classList.toggle("lit", on);
    });
  }

  function choose(id, { focus = true, reveal = true } = {}) {
    if (!shapes) return;
    shapes.forEach((element) => element.setAttribute("tabindex", -1));
    if (chosen >= 0) mark(false);
    chosen = id;
    mark(true);
    if (reveal) uncover(id);
    if (focus) shapes[id].focus({ preventScroll: true });
    describe(data.nodes[id]);
  }

  function neighbours(title, edges, other) {
    if (!edges.length) return [];
    const items = edges.map((edge) => {
      const button = tell("button", data.nodes[edge[other]].title);
      button.type = "button";
      button.addEventListener("click", () => choose(edge[other]));
      return tell("li", button, tell("span", edge.shape));
    });
    return [tell("h4", title), tell("ul", "", ...items)];
  }

  function describe(node) {
    const kinds = { merge: node.label, input: "Input", output: "Output", layers: "Between merges" };
    const parts = [tell("p", kinds[node.kind]), tell("h3", node.title), tell("p", node.note)];
    if (node.section) {
      const verdict = tell("span", node.words);
      verdict.className = `verdict ${node.choice} ${node.action}`;
      const glyph = make("svg", { class: `glyph ${node.choice}`, viewBox: "0 0 20 20", "aria-hidden": true }, make("use", { href: `#sign-${node.choice}` }));
      verdict.prepend(glyph);
      const link = tell("a", "Evidence and price");
      link.href = `#${node.section}`;
      parts.push(tell("p", verdict), tell("p", link));
    } else if (node.kind === "merge") parts.push(tell("p", "Not judged."));
    if (node.layers.length > 1) {
      const items = node.layers.map(([name, kind, size]) => tell("li", tell("b", name), tell("span", `${kind}, ${size}`)));
      if (node.more) items.push(tell("li", `and ${node.more} more`));
      parts.push(tell("h4", "Layers"), tell("ul", "", ...items));
    }
    parts.push(...neighbours("Reads", feeds[node.id], "from"), ...neighbours("Read by", readers[node.id], "to"));
    parts[0].className = "muted";
    details.replaceChildren(...parts);
    details.scrollTop = 0;
  }

  /** The nearest box in a direction, those straight ahead first. */
  function toward(dx, dy) {
    const here = layout.nodes[chosen];
    let best = chosen;
    let least = Infinity;
    layout.nodes.forEach(({ x, y }, id) => {
      const ahead = (x - here.x) * dx + (y - here.y) * dy;
      const aside = Math.abs((x - here.x) * dy) + Math.abs((y - here.y) * dx);
      if (ahead > 4 && ahead + 2.5 * aside < least) [best, least] = [id, ahead + 2.5 * aside];
    });
    choose(best);
  }

  function step(by) {
    if (!merges.length) return;
    const after = by > 0 ? merges.find((id) => id > chosen) : merges.findLast((id) => id < chosen);
    choose(after ?? (by > 0 ? merges[0] : merges.at(-1)));
  }

  const ACTIONS = {
    ArrowLeft: () => toward(-1, 0),
    ArrowRight: () => toward(1, 0),
    ArrowUp: () => toward(0, -1),
    ArrowDown: () => toward(0, 1),
    n: () => step(1),
    p: () => step(-1),
    "+": () => zoom(1.3),
    "=": () => zoom(1.3),
    "-": () => zoom(1 / 1.3),
    0: fit,
    Enter: () => { const link = details.querySelector("a"); if (link) link.click(); },
  };
  const TOOLS = { next: ACTIONS.n, previous: ACTIONS.p, in: ACTIONS["+"], out: ACTIONS["-"], fit };

  // listening -------------------------------------------------------------------------------------------------------

  function listen() {
    drawing.addEventListener("keydown", (event) => {
      const action = ACTIONS[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      action();
    });
    drawing.addEventListener("focusin", (event) => {
      const node = event.target.closest(".node");
      if (node && Number(node.dataset.id) !== chosen) choose(Number(node.dataset.id));
    });
    stage.querySelector(".tools").addEventListener("click", (event) => TOOLS[event.target.closest("button")?.dataset.do]?.());
    drawing.addEventListener("wheel", (event) => {
      const hint = document.getElementById("hint");
      if (!event.ctrlKey && !event.metaKey) {
        hint.classList.add("shown");
        clearTimeout(hint.timer);
        hint.timer = setTimeout(() => hint.classList.remove("shown"), 900);
        return;
      }
      event.preventDefault();
      const { left, top } = drawing.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0025)), event.clientX - left, event.clientY - top);
    }, { passive: false });
    drag();
    minimap.addEventListener("pointerdown", (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(minimap.getScreenCTM().inverse());
      show({ x: stage.clientWidth / 2 - point.x * view.k, y: stage.clientHeight / 2 - point.y * view.k, k: view.k });
    });
    new ResizeObserver(arrange).observe(stage);
  }

  /** One finger or the mouse moves the drawing, two zoom it; a press that does not move chooses a box. */
  function drag() {
    const down = new Map();
    let moved = 0;
    drawing.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      if (!down.size) moved = 0;
      down.set(event.pointerId, { x: event.clientX, y: event.clientY, node: event.target.closest(".node") });
    });
    addEventListener("pointermove", (event) => {
      const was = down.get(event.pointerId);
      if (!was) return;
      const now = { ...was, x: event.clientX, y: event.clientY };
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
      down.set(event.pointerId, now);
      moved += Math.hypot(now.x - was.x, now.y - was.y);
      if (other) {
        const { left, top } = drawing.getBoundingClientRect();
        const far = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
        zoom(far(now) / far(was), (now.x + other.x) / 2 - left, (now.y + other.y) / 2 - top);
      } else if (moved > 4) {
        drawing.classList.add("dragging");
        show({ x: view.x + now.x - was.x, y: view.y + now.y - was.y, k: view.k });
      }
    });
    const up = (event) => {
      const was = down.get(event.pointerId);
      down.delete(event.pointerId);
      drawing.classList.remove("dragging");
      if (was?.node && moved <= 4 && event.type === "pointerup") choose(Number(was.node.dataset.id), { reveal: false });
    };
    addEventListener("pointerup", up);
    addEventListener("pointercancel", up);
  }

  function start() {
    arrange();
    document.getElementById("waiting").remove();
    if (!layout) return;
    listen();
    choose(first(), { focus: false, reveal: false });
  }

  /** Go to the merge that a section tells of. */
  function find(section) {
    const node = data.nodes.find((one) => one.section === section);
    if (node) { centre(node.id); choose(node.id); }
  }

  requestAnimationFrame(() => setTimeout(start));
  return { find };
})();
