// What the reader does to a timeline by keyboard, wheel, mouse and fingers.
(() => {
  "use strict";

  const { PAD_PX, clamp, make } = window.timelineParts;
  const LEAST_DRAG_PX = 4;
  const ZOOM = 1.6;
  const PAN = 0.2;
  const OF_INTEREST = new Set(["failed", "running", "waiting", "delayed", "cancelled", "repeated"]);

  class Keys {
    constructor(timeline) {
      this.timeline = timeline;
      const { scroll, stage } = timeline;
      scroll.addEventListener("keydown", (event) => {
        if (timeline.spans && !event.ctrlKey && !event.metaKey && !event.altKey) this.key(event);
      });
      scroll.addEventListener("focus", () => {
        if (timeline.spans && timeline.active === null && scroll.matches(":focus-visible")) timeline.activate(0);
      });
      stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    }

    key(event) {
      const { timeline } = this;
      const row = timeline.activeAt;
      const at = row < 0 ? -1 : timeline.shown[row];
      const page = Math.max(1, Math.floor(timeline.scroll.clientHeight / timeline.rowPx) - 1);
      const keys = {
        ArrowDown: () => timeline.activate(row + 1),
        ArrowUp: () => timeline.activate(row - 1),
        j: () => timeline.activate(row + 1),
        k: () => timeline.activate(row - 1),
        PageDown: () => timeline.activate(row + page),
        PageUp: () => timeline.activate(row - page),
        Home: () => timeline.activate(0),
        End: () => timeline.activate(timeline.shown.length - 1),
        ArrowRight: () => this.right(row, at),
        ArrowLeft: () => this.left(row, at),
        Enter: () => at >= 0 && timeline.card.open(at),
        Escape: () => timeline.card.hide(),
        "+": () => timeline.zoom(ZOOM, this.middleOf(at)),
        "=": () => timeline.zoom(ZOOM, this.middleOf(at)),
        "-": () => timeline.zoom(1 / ZOOM),
        0: () => timeline.show(0, Infinity),
        f: () => at >= 0 && timeline.fit(at),
        n: () => timeline.next((at) => OF_INTEREST.has(timeline.spans.statusOf(at))),
      };
      const shifted = {
        ArrowRight: () => this.panBy(PAN),
        ArrowLeft: () => this.panBy(-PAN),
      };
      const action = event.shiftKey && Object.hasOwn(shifted, event.key) ? shifted[event.key]
        : Object.hasOwn(keys, event.key) ? keys[event.key] : null;
      if (!action) return;
      event.preventDefault();
      action();
    }

    // Zooming keeps in sight what one is at, when it is in sight.
    middleOf(at) {
      const { timeline } = this;
      if (at < 0) return null;
      const [from, to] = timeline.range;
      const middle = (timeline.spans.begin[at] + timeline.endOf(at)) / 2;
      return middle > from && middle < to ? middle : null;
    }

    panBy(part) {
      const { timeline } = this;
      const [from, to] = timeline.range;
      timeline.pan((to - from) * part);
    }

    right(row, at) {
      const { timeline } = this;
      if (at < 0) return timeline.activate(0);
      if (!timeline.spans.foldable(at)) return;
      if (!timeline.isFolded(at)) return timeline.activate(row + 1);
      timeline.fold(at, false);
      timeline.activate(timeline.activeAt);
    }

    left(row, at) {
      const { timeline } = this;
      if (at < 0) return timeline.activate(0);
      if (timeline.spans.foldable(at) && !timeline.isFolded(at)) {
        timeline.fold(at, true);
        return timeline.activate(timeline.activeAt);
      }
      if (timeline.spans.parent[at] >= 0) timeline.activate(timeline.shown.indexOf(timeline.spans.parent[at]));
    }

    wheel(event) {
      const { timeline } = this;
      if (!timeline.spans) return;
      const box = timeline.ticks.getBoundingClientRect();
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        timeline.zoom(Math.exp(-clamp(event.deltaY, -120, 120) / 250), timeline.toMs(clamp(event.clientX - box.left, 0, box.width)));
      } else if (timeline.window && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
        event.preventDefault();
        const [from, to] = timeline.window;
        timeline.pan(((event.deltaX || event.deltaY) / box.width) * (to - from));
      }
    }
  }

  // Over the axis or the map a drag chooses a stretch of time, over the bars it pans; two fingers zoom.
  class Drags {
    constructor(timeline) {
      this.timeline = timeline;
      // What a move of the pointer does now; null when no button is down.
      this.grip = null;
      this.fingers = new Map();
      const { overview: { canvas }, ticks, scroll } = timeline;
      canvas.addEventListener("pointerdown", (event) => this.begin(event, canvas, this.onMap(event)));
      ticks.addEventListener("pointerdown", (event) => this.begin(event, ticks, this.onAxis(event)));
      scroll.addEventListener("pointerdown", (event) => this.onRows(event));
      for (const element of [canvas, ticks, scroll]) {
        element.addEventListener("pointermove", (event) => this.move(event));
        element.addEventListener("pointerup", (event) => this.end(event, true));
        element.addEventListener("pointercancel", (event) => this.end(event, false));
      }
      for (const element of [ticks, scroll]) element.addEventListener("pointerleave", () => this.point(null));
      ticks.addEventListener("pointermove", (event) => this.point(event));
      scroll.addEventListener("pointermove", (event) => this.hover(event));
      scroll.addEventListener("pointerleave", () => timeline.card.leaveSoon());
      scroll.addEventListener("click", (event) => this.click(event));
      scroll.addEventListener("dblclick", (event) => this.doubleClick(event));
    }

    begin(event, element, grip) {
      if (event.button || !this.timeline.spans) return;
      element.setPointerCapture(event.pointerId);
      this.grip = { ...grip, x: event.clientX, moved: false };
      this.timeline.card.hide();
    }

    move(event) {
      if (this.fingers.has(event.pointerId)) {
        this.fingers.set(event.pointerId, event.clientX);
        if (this.fingers.size === 2) return this.pinch();
      }
      const { grip } = this;
      if (!grip) return;
      const by = event.clientX - grip.x;
      if (!grip.moved && Math.abs(by) < LEAST_DRAG_PX) return;
      if (!grip.moved) grip.start?.(event);
      grip.moved = true;
      grip.drag(by, event);
    }

    end(event, done) {
      this.fingers.delete(event.pointerId);
      const { grip } = this;
      this.grip = null;
      this.timeline.stage.classList.remove("is-panning");
      if (!grip) return;
      if (grip.moved) this.swallowed = performance.now();
      grip.end?.(event, done && grip.moved);
    }

    // On the map: its frame is moved, one of its edges is, or another stretch is chosen.
    onMap(event) {
      const { timeline } = this;
      if (!timeline.spans) return {};
      const box = timeline.overview.canvas.getBoundingClientRect();
      const perPx = timeline.total / (box.width - 2 * PAD_PX);
      const at = (clientX) => (clientX - box.left - PAD_PX) * perPx;
      const begun = at(event.clientX);
      const [from, to] = timeline.range;
      if (timeline.window) {
        const reach = 7 * perPx;
        if (Math.abs(begun - from) < reach) return { drag: (by) => timeline.show(Math.min(from + by * perPx, to - 1), to) };
        if (Math.abs(begun - to) < reach) return { drag: (by) => timeline.show(from, Math.max(to + by * perPx, from + 1)) };
        if (begun > from && begun < to) return { drag: (by) => timeline.choose(from + by * perPx, to + by * perPx) };
      }
      return {
        drag: (_, { clientX }) => timeline.choose(...[begun, at(clientX)].sort((one, other) => one - other)),
        end: (_, moved) => {
          if (!moved && timeline.window) timeline.choose(begun - (to - from) / 2, begun + (to - from) / 2);
        },
      };
    }

    // On the axis: a stretch is chosen, and shown when the button is up.
    onAxis(event) {
      const { timeline } = this;
      if (!timeline.spans) return {};
      const { left } = timeline.ticks.getBoundingClientRect();
      const begun = event.clientX - left;
      const choice = make("div", "timeline-choice");
      const ends = ({ clientX }) => [begun, clamp(clientX - left, 0, timeline.width)].sort((one, other) => one - other);
      return {
        start: () => timeline.ticks.append(choice),
        drag: (_, moved) => {
          const [from, to] = ends(moved);
          choice.style.translate = `${from}px`;
          choice.style.width = `${to - from}px`;
        },
        end: (ended, moved) => {
          choice.remove();
          if (moved) timeline.choose(...ends(ended).map(timeline.toMs));
        },
      };
    }

    onRows(event) {
      const { timeline } = this;
      if (event.pointerType === "touch") this.fingers.set(event.pointerId, event.clientX);
      this.spread = null;
      if (!timeline.window || !event.target.closest(".timeline-lane") || event.button) return;
      const [from, to] = timeline.window;
      const perPx = (to - from) / timeline.width;
      this.grip = {
        x: event.clientX,
        moved: false,
        start: () => {
          timeline.scroll.setPointerCapture(event.pointerId);
          timeline.stage.classList.add("is-panning");
          timeline.card.hide();
        },
        drag: (by) => timeline.pan(from - by * perPx - timeline.range[0]),
      };
    }

    pinch() {
      const { timeline } = this;
      this.grip = null;
      const [one, other] = [...this.fingers.values()];
      const spread = Math.max(20, Math.abs(one - other));
      const left = timeline.ticks.getBoundingClientRect().left;
      if (this.spread) timeline.zoom(spread / this.spread, timeline.toMs((one + other) / 2 - left));
      this.spread = spread;
    }

    // The line under the pointer, and the time it stands for.
    point(event) {
      const { timeline } = this;
      if (!timeline.spans || event?.pointerType === "touch") return;
      const box = timeline.ticks.getBoundingClientRect();
      const x = event ? event.clientX - box.left : -1;
      timeline.pointer = x < 0 || x > box.width ? null : x;
      timeline.draw();
    }

    hover(event) {
      this.point(event);
      const { timeline } = this;
      const row = event.target.closest(".timeline-row")?.row;
      if (!row || event.pointerType === "touch" || this.grip?.moved) return;
      if (timeline.spans.keys[row.at] === timeline.card.key) return clearTimeout(timeline.card.timer);
      timeline.card.hover(row.at, event.clientX - timeline.stage.getBoundingClientRect().left);
    }

    click(event) {
      const { timeline } = this;
      const row = event.target.closest(".timeline-row")?.row;
      // The click that ends a drag chooses nothing.
      if (!row || performance.now() - (this.swallowed ?? -1000) < 50) return;
      if (event.target.closest(".timeline-fold")) return timeline.fold(row.at, !timeline.isFolded(row.at));
      timeline.active = timeline.spans.keys[row.at];
      timeline.generation += 1;
      timeline.card.pin(row.at, event.clientX - timeline.stage.getBoundingClientRect().left);
      timeline.draw();
    }

    doubleClick(event) {
      const { timeline } = this;
      const row = event.target.closest(".timeline-row")?.row;
      if (!row || event.target.closest(".timeline-fold")) return;
      if (event.target.closest(".timeline-name")) timeline.fold(row.at, !timeline.isFolded(row.at));
      else timeline.fit(row.at);
    }
  }

  Object.assign(window.timelineParts, { Drags, Keys, ZOOM });
})();
