// The rest of the page: theme, copying, sections that open when something points at them.

(() => {
  const root = document.documentElement;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("addcat-theme", root.dataset.theme); } catch { /* storage is refused: this page only */ }
  });

  async function copy(text, place) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      getSelection().selectAllChildren(place); // no clipboard: mark it, so that the keyboard can copy it
      return false;
    }
  }

  function open(id) {
    const section = id && document.getElementById(id);
    if (section instanceof HTMLDetailsElement) section.open = true;
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      const place = button.previousElementSibling;
      button.textContent = (await copy(place.textContent, place)) ? "copied" : "selected";
      setTimeout(() => { button.textContent = "copy"; }, 1600);
    }
    const all = event.target.closest("[data-sections]");
    if (all) document.querySelectorAll("details.site").forEach((section) => { section.open = all.dataset.sections === "open"; });
    const shown = event.target.closest("[data-show]");
    if (shown) network.find(shown.dataset.show);
    const link = event.target.closest('a[href^="#"]');
    if (link) open(link.getAttribute("href").slice(1));
  });
  addEventListener("hashchange", () => open(location.hash.slice(1)));
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((section) => { section.open = true; }));
  open(location.hash.slice(1));
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
})();
