// Zooms and pans the graph of a workflow. It is drawn by the server and scrolls without this; zooming changes the
// size it is shown at, panning scrolls, so that keys, wheels and fingers do what they do everywhere. As long as the
// reader has not zoomed, the style sheet fits it into the width, so that nothing moves when this begins.
(() => {
  "use strict";

  const STEP = 1.25;
  const LEAST = 0.2;
  const MOST = 3;

  const box = () => document.querySelector(".graph-box");
  const picture = () => document.querySelector(".graph");
  // 1 shows letters at their natural size; null as long as it is fitted into the width.
  let scale = null;

  const natural = () => picture().viewBox.baseVal;
  const shown = () => scale ?? picture().getBoundingClientRect().width / natural().width;

  const size = (factor) => {
    picture().setAttribute("width", String(Math.round(natural().width * factor)));
    picture().setAttribute("height", String(Math.round(natural().height * factor)));
  };

  const tell = () => {
    const words = document.querySelector("[data-graph-scale]");
    if (words) words.textContent = `${Math.round(shown() * 100)} %`;
  };

  const show = (wanted, focus) => {
    const next = Math.min(MOST, Math.max(LEAST, wanted));
    const frame = box();
    const before = shown();
    // What is under the pointer, or in the middle, stays where it is.
    const x = focus?.x ?? frame.clientWidth / 2;
    const y = focus?.y ?? frame.clientHeight / 2;
    const [left, top] = [frame.scrollLeft + x, frame.scrollTop + y];
    scale = next;
    picture().dataset.zoomed = "yes";
    size(next);
    frame.scrollTo({ left: (left * next) / before - x, top: (top * next) / before - y, behavior: "instant" });
    tell();
  };

  const fit = () => {
    scale = null;
    delete picture().dataset.zoomed;
    size(1);
    tell();
  };

  const ACTIONS = {
    in: () => show(shown() * STEP),
    out: () => show(shown() / STEP),
    natural: () => show(1),
    fit,
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-graph]");
    if (button && picture()) ACTIONS[button.dataset.graph]();
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !picture()) return;
    // Elsewhere these keys are another's.
    const free = event.target === document.body && !document.querySelector("dialog[open]");
    if (!free && !event.target.closest?.(".graph-box")) return;
    const action = { "+": "in", "=": "in", "-": "out", 0: "natural", f: "fit" }[event.key];
    if (!action) return;
    event.preventDefault();
    ACTIONS[action]();
  });

  document.addEventListener("wheel", (event) => {
    if (!(event.ctrlKey || event.metaKey) || !event.target.closest?.(".graph-box")) return;
    event.preventDefault();
    const frame = box().getBoundingClientRect();
    const focus = { x: event.clientX - frame.left, y: event.clientY - frame.top };
    show(shown() * Math.exp(-event.deltaY / 300), focus);
  }, { passive: false });

  // --- Panning: a drag scrolls; one of a few pixels is a click ------------------------------------------------------

  let grip = null;

  document.addEventListener("pointerdown", (event) => {
    // Fingers scroll by themselves.
    if (event.button || event.pointerType !== "mouse" || !event.target.closest?.(".graph-box")) return;
    const frame = box();
    grip = { x: event.clientX, y: event.clientY, left: frame.scrollLeft, top: frame.scrollTop, moved: false };
  });

  document.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
    grip.moved ||= Math.hypot(dx, dy) > 4;
    if (!grip.moved) return;
    box().classList.add("dragging");
    box().scrollTo({ left: grip.left - dx, top: grip.top - dy, behavior: "instant" });
  });

  document.addEventListener("pointerup", () => {
    const moved = grip?.moved;
    grip = null;
    box()?.classList.remove("dragging");
    if (!moved) return;
    // The click that ends a drag, if one does, opens nothing.
    const swallow = (event) => event.preventDefault();
    window.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => window.removeEventListener("click", swallow, { capture: true }), 0);
  });

  document.addEventListener("dragstart", (event) => {
    if (event.target.closest?.(".graph-box")) event.preventDefault();
  });

  // A fresh picture comes fitted, and one that grew has the size of the one before.
  document.addEventListener("console:refreshed", () => {
    if (!picture()) return;
    if (scale === null) fit();
    else if (Number(picture().getAttribute("width")) !== Math.round(natural().width * scale)) show(scale);
  });

  window.addEventListener("resize", () => { if (picture()) tell(); });
  if (picture()) tell();
})();
