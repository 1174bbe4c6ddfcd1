// Payloads: loads long ones where they stand, finds in trees, folds and unfolds, copies the whole text.
// Everything here is a link that works as a page of its own as well.
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const tell = (text) => document.dispatchEvent(new CustomEvent("console:toast", { detail: { text, tone: "bad" } }));

  // --- Loading: the payload's own page is fetched, and the payload on it put in place -----------------------------

  const fetchPayload = async (url) => {
    const response = await fetch(url, {
      headers: { Accept: "text/html", "HX-Request": "true", "HX-Target": "div#live" },
    });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const found = $("[data-payload]", page);
    if (!found) throw new Error($(".problem p:not(.problem-status)", page)?.textContent ?? "It cannot be shown.");
    return found;
  };

  const put = async (box, url) => {
    if (box.dataset.busy) return;
    box.dataset.busy = "yes";
    box.setAttribute("aria-busy", "true");
    try {
      const found = await fetchPayload(url);
      const hadFocus = box.contains(document.activeElement);
      box.replaceChildren(...found.childNodes);
      if (hadFocus) ($("[data-swap]", box) ?? $("summary, a, button", box))?.focus();
    } catch (error) {
      tell(error instanceof TypeError ? "The server does not answer." : error.message);
    } finally {
      delete box.dataset.busy;
      box.removeAttribute("aria-busy");
    }
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const box = link.closest("[data-payload]");
    if (!box) return;
    event.preventDefault();
    put(box, link.href);
  });

  // What is looked for in a whole text is told in its place.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const box = form.matches("[data-find-all]") && form.closest("[data-payload]");
    if (!box || event.defaultPrevented) return;
    event.preventDefault();
    const url = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
    put(box, url).then(() => $("[data-find-all] input[type=search]", box)?.focus());
  });

  // The cell of a table fetches its payload when it is opened for the first time.
  document.addEventListener("toggle", (event) => {
    const cell = event.target;
    if (!cell.open || !cell.matches?.("details[data-load]") || cell.dataset.loaded) return;
    cell.dataset.loaded = "yes";
    put($("[data-payload]", cell), cell.dataset.load);
  }, true);

  // --- Copying ----------------------------------------------------------------------------------------------------

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy-from]");
    if (!button) return;
    try {
      const response = await fetch(button.dataset.copyFrom, { headers: { Accept: "text/plain" } });
      if (!response.ok) throw new Error();
      const text = await response.text();
      document.dispatchEvent(new CustomEvent("console:copy", { detail: { button, text } }));
    } catch {
      tell("It could not be fetched, so nothing was copied.");
    }
  });

  // --- Finding ----------------------------------------------------------------------------------------------------

  const LINES = ":scope > .key, :scope > .val, :scope > details > summary, :scope > details > pre";
  const SHOWN = 500;

  const find = (box, text) => {
    const tree = $(".tree", box);
    const wanted = text.trim().toLowerCase();
    for (const item of $$(".hit", tree)) item.classList.remove("hit");
    tree.classList.toggle("searched", wanted !== "");
    if (!wanted) return 0;
    let hits = 0;
    for (const item of $$("li", tree)) {
      const lines = $$(LINES, item).map((line) =>
        line.matches("summary") && !$(":scope > details > pre", item) ? ($(".key", line)?.textContent ?? "") : line.textContent);
      if (!lines.some((line) => line.toLowerCase().includes(wanted))) continue;
      hits += 1;
      if (hits > SHOWN) continue;
      item.classList.add("hit");
      for (let above = item.parentElement.closest("details"); above && tree.contains(above); above = above.parentElement.closest("details")) {
        above.open = true;
      }
    }
    $(".hit", tree)?.scrollIntoView({ block: "nearest" });
    return hits;
  };

  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-find]")) return;
    const box = event.target.closest("[data-payload]");
    const hits = find(box, event.target.value);
    $("[data-found]", box).textContent = event.target.value.trim() ? (hits === 1 ? "1 found" : `${hits} found`) : "";
  });

  // --- Folding by keyboard: all trees at once, or the one that has the focus -------------------------------------

  const fold = (open) => {
    const near = document.activeElement?.closest("[data-payload]");
    for (const tree of $$(".tree", near ?? $("#live"))) {
      for (const details of $$("details", tree)) details.open = open && !$(":scope > pre", details);
      // What is folded altogether shows nothing; its outermost level stays.
      if (!open) for (const details of $$(":scope > li > details", tree)) details.open = true;
    }
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing) return;
    if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select") || $("dialog[open]")) return;
    if (event.key !== "e" && event.key !== "c") return;
    event.preventDefault();
    fold(event.key === "e");
  });
})();
