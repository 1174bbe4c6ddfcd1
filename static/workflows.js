// The workflow table's own doings: its tree, menus, selecting by keyboard, suggestions, files to import.
// Everything here but reading files works without scripts as well.
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  // --- Folding: the address changes by one workflow, and only what changed is drawn anew ---------------------------

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-fold]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    // From this page's own address: the link may be older than what was opened a moment ago.
    const url = new URL($("#live").dataset.url, window.location.href);
    const opened = url.searchParams.getAll("open");
    const id = link.dataset.fold;
    const others = opened.filter((other) => other !== id);
    url.searchParams.delete("open");
    for (const other of others) url.searchParams.append("open", other);
    if (others.length === opened.length) url.searchParams.append("open", id);
    history.replaceState(history.state, "", url);
    $("#live").dataset.url = url.pathname + url.search;
    document.dispatchEvent(new CustomEvent("console:refresh"));
  });

  // --- Menus close when one turns to something else -----------------------------------------------------------------

  const closeMenus = (except) => {
    for (const menu of $$("details.menu[open]")) if (menu !== except) menu.open = false;
  };

  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest("a, button") ? null : event.target.closest("details.menu"));
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-opens]");
    if (!link) return;
    event.preventDefault();
    const menu = document.getElementById(link.dataset.opens);
    menu.open = true;
    menu.scrollIntoView({ block: "nearest" });
    $("summary", menu).focus();
  });

  // --- Keyboard: x selects the row that has the focus ---------------------------------------------------------------

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || $("dialog[open]")) return;
    const menu = $("details.menu[open]");
    if (event.key === "Escape" && menu) {
      closeMenus();
      $("summary", menu).focus();
      return;
    }
    if (event.key !== "x" || event.target.matches("textarea, select, input:not([type=checkbox])")) return;
    const row = event.target.closest("tr");
    const box = row && $("[data-select]", row);
    if (box) {
      event.preventDefault();
      // As a click, so that it counts like one.
      box.click();
    }
  });

  // --- Suggestions: asked for once, when somebody turns to a filter that has any ------------------------------------

  const suggest = async (url) => {
    try {
      const response = await fetch(url, { headers: { Accept: "application/json" } });
      if (!response.ok) return;
      const known = await response.json();
      const words = { ...known, names: Object.keys(known.names) };
      for (const kind of ["names", "queues", "versions", "executors"]) {
        const list = document.createElement("datalist");
        list.id = `known-${kind}`;
        list.append(...words[kind].map((word) => Object.assign(document.createElement("option"), { value: word })));
        // Outside of the part that is refreshed.
        document.body.append(list);
      }
    } catch {
      // Whoever knows the word types it.
    }
  };

  let asked = false;
  document.addEventListener("focusin", (event) => {
    if (asked || !event.target.matches("[data-known]")) return;
    asked = true;
    suggest(event.target.closest("[data-known-at]").dataset.knownAt);
  });

  // --- Import: the file is read here, and sent as text --------------------------------------------------------------

  document.addEventListener("change", async (event) => {
    if (!event.target.matches("[data-import-file]")) return;
    const input = event.target;
    const [file] = input.files;
    // What is sent grows a little on its way.
    const fits = !file || file.size * 1.1 < Number(input.dataset.maxBytes);
    input.setCustomValidity(fits ? "" : "This file is larger than the server takes (max_body_bytes).");
    input.reportValidity();
    $("[data-import-text]", input.form).value = file && fits ? await file.text() : "";
  });
})();
