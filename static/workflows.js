// The workflow table's own doing: folding its tree without leaving the page.
// Everything here works without scripts as well.
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);

  // --- Folding: the link's address becomes this page's, and only what changed is drawn anew ------------------------

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-fold]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(history.state, "", link.href);
    $("#live").dataset.url = link.pathname + link.search;
    document.dispatchEvent(new CustomEvent("console:refresh"));
  });
})();
