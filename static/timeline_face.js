// What of a timeline is drawn: its axis, the map of everything, and the rows that are in view. Decides nothing.
(() => {
  "use strict";

  const { $, KIND_WORDS, STEPS, clamp, clock, make, offset, took } = window.timelineParts;
  const PAD_PX = 6;
  const INDENT_PX = 14;
  // What letters of the axis and of durations take at most, in pixels.
  const LETTER_PX = 6.4;
  // In the order in which they are drawn over each other.
  const STATUSES = ["succeeded", "repeated", "cancelled", "delayed", "waiting", "running", "failed"];

  // --- The axis, and the lines that go from it through the rows ------------------------------------------------------

  class Axis {
    constructor(timeline) { this.timeline = timeline; }

    draw(from, to, scale) {
      const { timeline } = this;
      const step = STEPS.find((each) => each * scale > offset(to, each).length * LETTER_PX + 26) ?? STEPS.at(-1);
      const marks = [];
      const lines = [];
      for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
        const text = offset(at, step);
        if (timeline.toPx(at) + text.length * LETTER_PX + 8 < timeline.width) marks.push([timeline.toPx(at), text]);
        lines.push([timeline.toPx(at), "timeline-line"]);
      }
      if (timeline.spans.live) lines.push([timeline.toPx(timeline.now), "timeline-line now"]);
      if (timeline.pointer !== null) {
        lines.push([timeline.pointer, "timeline-line here"]);
        const here = timeline.toMs(timeline.pointer);
        const finest = Math.max(1, 10 ** Math.floor(Math.log10(3 / scale)));
        marks.push([timeline.pointer, `${offset(Math.max(0, here), finest)} · ${clock.format(timeline.spans.start + here).slice(0, finest < 1000 ? 12 : 8)}`, "timeline-here"]);
      }
      const height = timeline.scroll.clientHeight;
      this.fillWith(timeline.ticks, marks.length, "span", (element, index) => {
        const [px, text, className = ""] = marks[index];
        element.className = className;
        element.textContent = text;
        element.style.translate = `${Math.round(className ? clamp(px - 50, 0, timeline.width - text.length * LETTER_PX - 8) : px)}px`;
      });
      this.fillWith(timeline.overlay, lines.length, "div", (element, index) => {
        const [px, className] = lines[index];
        element.className = className;
        element.style.height = `${height}px`;
        element.style.translate = `${Math.round(px)}px`;
        element.hidden = px < 0 || px > timeline.width;
      });
    }

    fillWith(box, count, tag, write) {
      const children = [...box.children].filter((element) => !element.matches(".timeline-choice"));
      for (const spare of children.splice(count)) spare.remove();
      while (children.length < count) {
        const element = make(tag);
        box.append(element);
        children.push(element);
      }
      children.forEach(write);
    }
  }

  // --- The map: every span, and a frame around the stretch in view -----------------------------------------------------

  class Overview {
    constructor(timeline) {
      this.timeline = timeline;
      this.canvas = $(".timeline-map canvas", timeline.stage);
      this.frame = $(".timeline-frame", timeline.stage);
    }

    draw() {
      const { canvas, timeline } = this;
      const { spans } = timeline;
      if (!spans) return;
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      const ratio = window.devicePixelRatio || 1;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      const pen = canvas.getContext("2d");
      pen.scale(ratio, ratio);
      const scale = (width - 2 * PAD_PX) / timeline.total;
      const room = height - 8;
      const thick = clamp(room / spans.count, 1, 5);
      for (const status of STATUSES) {
        pen.fillStyle = getComputedStyle($(`[data-mark="${status}"] svg`, timeline.stage)).color;
        const isCalm = status === "succeeded";
        pen.globalAlpha = isCalm ? 0.55 : 1;
        for (let at = 0; at < spans.count; at += 1) {
          if (spans.statusOf(at) !== status) continue;
          const x = PAD_PX + spans.begin[at] * scale;
          const long = Math.max((timeline.endOf(at) - spans.begin[at]) * scale, isCalm ? 1 : 3);
          // Among thousands, what is of interest is still to be seen.
          pen.fillRect(x, 4 + (room * at) / spans.count, long, isCalm ? thick : Math.max(thick, 3));
        }
      }
      this.drawFrame();
    }

    drawFrame() {
      const { canvas, timeline } = this;
      this.frame.hidden = !timeline.window;
      if (!timeline.window) return;
      const scale = (canvas.clientWidth - 2 * PAD_PX) / timeline.total;
      const [from, to] = timeline.window;
      this.frame.style.translate = `${canvas.offsetLeft + PAD_PX + from * scale}px`;
      this.frame.style.width = `${Math.max((to - from) * scale, 3)}px`;
    }
  }

  // --- One row: written when another span comes into it, placed whenever time moves -----------------------------------

  let rowsMade = 0;

  class Row {
    constructor(timeline) {
      this.timeline = timeline;
      // Place of its span; null while it shows none.
      this.at = null;
      this.element = make("div");
      this.element.id = `timeline-row-${rowsMade += 1}`;
      this.element.setAttribute("role", "treeitem");
      this.name = make("div", "timeline-name");
      this.arrow = make("i", "timeline-fold");
      this.mark = make("span");
      this.label = make("bdi");
      this.more = make("small");
      this.name.append(this.arrow, this.mark, this.label, this.more);
      this.lane = make("div", "timeline-lane");
      this.bar = make("div");
      this.took = make("span");
      this.lane.append(this.bar, this.took);
      this.element.append(this.name, this.lane);
      this.element.row = this;
      timeline.rows.append(this.element);
    }

    hide() {
      this.at = null;
      this.element.hidden = true;
    }

    show(number, at, px) {
      if (this.at !== at || this.generation !== this.timeline.generation) this.write(number, at, px);
      this.place(at);
    }

    write(number, at, px) {
      const { timeline, element } = this;
      const { spans } = timeline;
      const [kind, status] = [spans.kindOf(at), spans.statusOf(at)];
      const foldable = spans.foldable(at);
      const isActive = spans.keys[at] === timeline.active;
      this.at = at;
      this.generation = timeline.generation;
      element.hidden = false;
      element.className = `timeline-row kind-${kind} is-${status}${foldable ? " can-fold" : ""}${isActive ? " is-active" : ""}${timeline.found.has(at) ? " is-found" : ""}`;
      element.style.translate = `0 ${number * px}px`;
      element.setAttribute("aria-level", spans.depth[at] + 1);
      element.setAttribute("aria-selected", String(isActive));
      if (foldable) element.setAttribute("aria-expanded", String(!timeline.isFolded(at)));
      else element.removeAttribute("aria-expanded");
      element.setAttribute("aria-label", this.sentence(at));
      this.name.style.paddingLeft = `${8 + spans.depth[at] * INDENT_PX}px`;
      this.mark.replaceChildren(timeline.card.mark(status));
      this.label.textContent = spans.labelOf(at) || "without a name";
      const inside = timeline.isFolded(at) ? spans.after[at] - at - 1 : 0;
      const retries = spans.retries[at];
      this.more.textContent = inside ? `+${inside.toLocaleString("en")}` : retries === undefined ? "" : `↻ ${retries}`;
      this.bar.className = `span-bar kind-${kind} is-${status}${spans.guessedOnes.has(at) ? " is-guessed" : ""}`;
    }

    // What a screen reader says of it.
    sentence(at) {
      const { spans } = this.timeline;
      const words = [spans.labelOf(at), KIND_WORDS[spans.kindOf(at)], spans.statusOf(at)];
      if (spans.guessedOnes.has(at)) words.push("times not on record");
      else if (spans.isGoingOn(at)) words.push(`began after ${took(spans.begin[at])}`);
      else words.push(`after ${took(spans.begin[at])}, took ${took(spans.duration[at])}`);
      if (spans.notes[at]) words.push(spans.notes[at]);
      return words.join(", ");
    }

    place(at) {
      const { timeline } = this;
      const { spans, width } = timeline;
      const [begin, end] = [timeline.toPx(spans.begin[at]), timeline.toPx(timeline.endOf(at))];
      const isOut = end < 0 || begin > width;
      this.bar.hidden = isOut;
      if (isOut) return this.tell(end < 0 ? "‹" : "›", end < 0 ? 0 : width - 12);
      const [left, right] = [Math.max(begin, -12), Math.min(end, width + 12)];
      this.bar.style.translate = `${left.toFixed(1)}px`;
      this.bar.style.width = `${Math.max(right - left, 3).toFixed(1)}px`;
      const text = spans.guessedOnes.has(at) ? "no times" : took(timeline.endOf(at) - spans.begin[at]);
      const room = text.length * LETTER_PX + 10;
      if (end + room < width) this.tell(text, Math.max(end, begin + 3) + 4);
      else if (begin - room > 0) this.tell(text, begin - room);
      else this.tell(text, Math.min(end, width) - room - 4, true);
    }

    tell(text, px, inside = false) {
      this.took.textContent = text;
      this.took.className = inside ? "timeline-took inside" : "timeline-took";
      this.took.style.translate = `${px.toFixed(1)}px`;
    }
  }

  Object.assign(window.timelineParts, { Axis, Overview, PAD_PX, Row });
})();
