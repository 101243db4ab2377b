"use strict";
// Where the boxes of the network go. dagre lays them out in ranks; of the ways to turn and fold its result, the one that
// can be shown largest is taken.

const LONG = 26;

/** A text that fits a box; of a path, the end says more than the beginning. */
function shortened(text, most = LONG) {
  if (text.length <= most) return text;
  return text.includes("/") ? `…${text.slice(1 - most)}` : `${text.slice(0, most - 1)}…`;
}

/** What a box says, and its size. */
function box(node) {
  const merge = node.kind === "merge";
  const title = shortened(node.title);
  const note = merge ? (node.words || node.label) : shortened(node.note, LONG + 6);
  const signs = merge ? (node.action === "switch" ? 48 : 22) : 0;
  const width = Math.max(64, 7.3 * title.length, (signs > 40 ? 6.9 : 6.2) * note.length) + 24 + signs;
  return { title, note, signs, width: Math.round(width), height: merge ? 44 : 38 };
}

/** One layout by dagre: boxes with their middle, edges with their points, and the size of it all. */
function place(data, boxes, direction) {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  const ranker = data.nodes.length > 250 ? "tight-tree" : "network-simplex";
  const ranksep = (direction === "TB" ? 30 : 38) + (data.edges.length > 1.5 * data.nodes.length ? 25 : 0);
  graph.setGraph({ rankdir: direction, nodesep: 22, edgesep: 14, ranksep, ranker });
  data.nodes.forEach((node, place) => graph.setNode(String(node.id), { width: boxes[place].width, height: boxes[place].height }));
  data.edges.forEach((edge, place) => graph.setEdge(String(edge.from), String(edge.to), {}, String(place)));
  dagre.layout(graph);
  return {
    nodes: data.nodes.map((node) => { const { x, y } = graph.node(String(node.id)); return { x, y }; }),
    edges: data.edges.map((edge, place) => ({ points: graph.edge(String(edge.from), String(edge.to), String(place)).points })),
    width: graph.graph().width,
    height: graph.graph().height,
  };
}

/** Where a tall layout may be cut into columns of about the same height: between ranks, where few edges cross. */
function cuts(layout, data, columns) {
  const ranks = [...new Set(layout.nodes.map((node) => node.y))].sort((a, b) => a - b);
  const between = ranks.slice(1).map((y, place) => (y + ranks[place]) / 2);
  const crossing = (y) => data.edges.filter((edge) => (layout.nodes[edge.from].y < y) !== (layout.nodes[edge.to].y < y)).length;
  const found = [];
  for (let column = 1; column < columns; column += 1) {
    const wanted = (column * layout.height) / columns;
    const near = between.filter((y) => Math.abs(y - wanted) < (0.3 * layout.height) / columns);
    const ways = near.map((y) => [crossing(y), Math.abs(y - wanted), y]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    if (!ways.length || ways[0][0] > 2) return null;
    found.push(ways[0][2]);
  }
  return found;
}

/** A tall layout as columns side by side, read like those of a newspaper; null where too many edges would be cut. */
function folded(layout, data, boxes, aspect) {
  const gap = 70;
  const columns = Math.round(Math.sqrt((aspect * layout.height) / (layout.width + gap)));
  const at = columns > 1 ? cuts(layout, data, columns) : null;
  if (!at) return null;
  const column = (y) => at.filter((cut) => cut < y).length;
  const spans = Array.from({ length: columns }, () => [Infinity, -Infinity]);
  layout.nodes.forEach((node, place) => {
    const span = spans[column(node.y)];
    span[0] = Math.min(span[0], node.x - boxes[place].width / 2);
    span[1] = Math.max(span[1], node.x + boxes[place].width / 2);
  });
  layout.edges.forEach((edge) => edge.points.forEach(({ x, y }) => {
    const span = spans[column(y)];
    span[0] = Math.min(span[0], x);
    span[1] = Math.max(span[1], x);
  }));
  const top = 40;
  const lefts = [];
  let width = 0;
  spans.forEach(([low, high]) => { lefts.push(width - low); width += high - low + gap; });
  const starts = [0, ...at];
  const height = Math.max(...starts.map((start, place) => (at[place] ?? layout.height) - start));
  const move = ({ x, y }, into) => ({ x: x + lefts[into], y: y - starts[into] + top });
  const nodes = layout.nodes.map((node) => move(node, column(node.y)));
  let rails = 0;
  const edges = layout.edges.map((edge, place) => {
    const from = column(layout.nodes[data.edges[place].from].y);
    const to = column(layout.nodes[data.edges[place].to].y);
    if (from === to) return { points: edge.points.map((point) => move(point, from)) };
    const first = edge.points.filter((point) => column(point.y) === from).map((point) => move(point, from));
    const last = edge.points.filter((point) => column(point.y) === to).map((point) => move(point, to));
    const offset = 9 * (rails++ % 3);
    const gutter = lefts[to] + spans[to][0] - gap / 2 - 9 + offset;
    const low = height + top + 4 + offset;
    const high = top - 14 - offset;
    const way = [{ x: first.at(-1).x, y: low }, { x: gutter, y: low }, { x: gutter, y: high }, { x: last[0].x, y: high }];
    return { points: [...first, ...way, ...last], fold: true };
  });
  return { nodes, edges, width: width - gap, height: height + top + 40 };
}

/** The layout that fills a window of this size best. */
function layOut(data, boxes, made, width, height) {
  const scale = (layout) => Math.min(1, width / layout.width, height / layout.height);
  made.TB ??= place(data, boxes, "TB");
  if (data.nodes.length <= 150) made.LR ??= place(data, boxes, "LR");
  const ways = [made.TB, made.LR, folded(made.TB, data, boxes, width / height)].filter(Boolean);
  return ways.reduce((best, way) => (scale(way) > 1.05 * scale(best) ? way : best));
}

/** A path through points, its corners rounded: as far as they go for edges, less where an edge goes round a fold. */
function path(points, radius = Infinity) {
  const toward = (from, to) => {
    const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
    const share = Math.min(radius, length / 2) / length;
    return `${(from.x + share * (to.x - from.x)).toFixed(1)} ${(from.y + share * (to.y - from.y)).toFixed(1)}`;
  };
  const inner = points.slice(1, -1).map((point, place) => `L${toward(point, points[place])}Q${point.x.toFixed(1)} ${point.y.toFixed(1)} ${toward(point, points[place + 2])}`);
  const [first, last] = [points[0], points.at(-1)];
  return `M${first.x.toFixed(1)} ${first.y.toFixed(1)}${inner.join("")}L${last.x.toFixed(1)} ${last.y.toFixed(1)}`;
}
