// Starts the timeline of the page that is shown, and gives it what is done elsewhere on the page: buttons, the box to
// find spans with, keys, and other colours. What it does about them is its own business.
(() => {
  "use strict";

  const { Timeline } = window.timelineParts;
  const AT_ONCE = new Set(["n", "f", "+", "=", "-", "0"]);
  let timeline = null;

  const start = () => {
    const stage = document.getElementById("timeline-stage");
    if (!stage) return;
    if (timeline?.stage !== stage) timeline = new Timeline(stage);
    timeline.read();
  };

  document.addEventListener("click", (event) => {
    if (!timeline?.stage.isConnected) return;
    const button = event.target.closest("[data-timeline]");
    if (button) timeline.perform(button.dataset.timeline, button);
    else if (!timeline.stage.contains(event.target) && !event.target.closest("dialog")) timeline.card.hide();
  });
  document.addEventListener("input", (event) => {
    if (event.target.id === "timeline-find") timeline?.find(0);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "timeline-find" || event.isComposing) return;
    if (event.key === "Enter") timeline?.find(1);
    else if (event.key === "ArrowDown") timeline?.scroll.focus({ preventScroll: true });
    else return;
    event.preventDefault();
  });
  // What is done first to a timeline is done without going there first, unless one is elsewhere.
  document.addEventListener("keydown", (event) => {
    if (event.target !== document.body || event.ctrlKey || event.metaKey || event.altKey || !AT_ONCE.has(event.key)) return;
    if (!timeline?.spans || !timeline.stage.isConnected || document.querySelector("dialog[open]")) return;
    timeline.scroll.focus({ preventScroll: true });
    timeline.keys.key(event);
  });
  document.addEventListener("focusin", (event) => {
    if (timeline && !timeline.stage.contains(event.target) && !event.target.closest("dialog, [data-timeline]")) timeline.card.hide();
  });
  const recolour = () => timeline?.overview.draw();
  new MutationObserver(recolour).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  document.addEventListener("console:refreshed", start);
  start();
})();
