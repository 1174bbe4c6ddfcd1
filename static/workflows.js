// The workflow table's own doings: folding its tree without leaving the page, the zone of typed times.
// Everything here works without scripts as well.
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  // --- Folding: the link's address becomes this page's, and only what changed is drawn anew ------------------------

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-fold]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.replaceState(history.state, "", link.href);
    $("#live").dataset.url = link.pathname + link.search;
    document.dispatchEvent(new CustomEvent("console:refresh"));
  });

  // --- The zone of the times rides along only where there are any ---------------------------------------------------

  const placeZone = () => {
    const zone = $("[data-zone]");
    if (zone) zone.disabled = !$$("[data-time]").some((input) => input.value);
  };
  // Before console.js reads the form.
  document.addEventListener("input", placeZone, { capture: true });
  document.addEventListener("console:refreshed", placeZone);
  placeZone();
})();
