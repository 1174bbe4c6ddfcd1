// Draws the timeline of a workflow: only the rows that are in view, from the columns that come with the page or
// are fetched from its address. What the reader folded, zoomed and chose stays while fresh columns come.
(() => {
  "use strict";

  const ROW_PX = { wide: 26, narrow: 42 };
  const SPARE_ROWS = 6;
  const PAD_PX = 6;
  const LEAST_WINDOW_MS = 4;
  const LEAST_DRAG_PX = 4;
  const ZOOM = 1.6;
  const PAN = 0.2;
  const INDENT_PX = 14;
  const SHOW_CARD_MS = 220;
  const HIDE_CARD_MS = 260;
  const NOTE_MS = 300;
  const LONGEST_LINKED_ID = 1500;
  const STEPS_PER_PAGE = 100;
  // In the order in which they are drawn over each other.
  const STATUSES = ["succeeded", "retried", "cancelled", "delayed", "waiting", "running", "failed"];
  const OF_INTEREST = new Set(["failed", "running", "waiting", "delayed", "cancelled", "retried"]);
  const KIND_WORDS = {
    workflow: "workflow", child: "child workflow", step: "step", sleep: "sleep", delay: "delay", queue: "queue wait",
    wait: "wait", internal: "SDK step",
  };

  const $ = (selector, root = document) => root.querySelector(selector);
  const narrow = matchMedia("(max-width: 700px)");
  const unmoved = matchMedia("(prefers-reduced-motion: reduce)");
  const zone = document.documentElement.dataset.zone || undefined;
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

  const make = (tag, className = "", text = "") => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text) element.textContent = text;
    return element;
  };

  // --- Words: durations as console/formatting.py has them -----------------------------------------------------------

  const UNITS = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]];

  const took = (ms) => {
    if (ms < 1000) return `${Math.round(ms)} ms`;
    if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
    const whole = Math.round(ms / 1000) * 1000;
    const at = UNITS.findIndex(([size]) => whole >= size);
    const [size, unit] = UNITS[at];
    const rest = at < 3 ? Math.floor((whole % size) / UNITS[at + 1][0]) : 0;
    return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${UNITS[at + 1][1]}` : ""}`;
  };

  // A place on the axis, no finer than the axis is divided.
  const offset = (ms, step) => {
    if (ms < 1) return "0";
    const digits = step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
    if (ms < 1000 && digits) return `${Math.round(ms)} ms`;
    const parts = [];
    let rest = ms;
    for (const [size, unit] of UNITS.slice(0, 3)) {
      if (rest >= size) parts.push(`${Math.floor(rest / size)} ${unit}`);
      rest %= size;
    }
    if (step < 60000 && (rest || !parts.length)) parts.push(`${(rest / 1000).toFixed(digits)} s`);
    return parts.slice(0, step < 3600000 ? 4 : 2).join(" ");
  };

  const STEPS = [
    1, 2, 5, 10, 20, 50, 100, 200, 500,
    ...[1, 2, 5, 10, 15, 30].map((secs) => secs * 1000),
    ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60000),
    ...[1, 2, 3, 6, 12].map((hours) => hours * 3600000),
    ...[1, 2, 7, 14, 30, 60, 120, 365, 730, 1825, 3650].map((days) => days * 86400000),
  ];

  const CLOCK = { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  const clock = new Intl.DateTimeFormat("en-GB", { ...CLOCK, fractionalSecondDigits: 3 });
  const date = new Intl.DateTimeFormat("sv-SE", { timeZone: zone });
  const day = (epoch) => date.format(epoch);
  const exact = (epoch) => `${day(epoch)} ${clock.format(epoch)}`;

  // --- The spans ----------------------------------------------------------------------------------------------------

  class Spans {
    constructor(columns) {
      Object.assign(this, columns);
      this.count = this.depth.length;
      this.guessedOnes = new Set(this.guessed);
      // The place after the last span that is in it.
      this.after = new Int32Array(this.count).fill(this.count);
      const open = [];
      for (let at = 0; at < this.count; at += 1) {
        while (open.length && this.depth[open.at(-1)] >= this.depth[at]) this.after[open.pop()] = at;
        open.push(at);
      }
      // What a span is called as long as it is there, whatever comes before it.
      this.keys = new Array(this.count);
      for (let at = 0; at < this.count; at += 1) {
        const own = this.step[at] < 0 ? this.kindOf(at) : this.step[at];
        this.keys[at] = this.parent[at] < 0 ? "" : `${this.keys[this.parent[at]]}/${own}`;
      }
    }

    kindOf(at) { return this.kinds[this.kind[at]]; }

    statusOf(at) { return this.statuses[this.status[at]]; }

    labelOf(at) { return this.labels[this.label[at]]; }

    workflowOf(at) { return this.workflows[this.workflow[at]]; }

    foldable(at) { return this.after[at] > at + 1; }

    isGoingOn(at) { return this.duration[at] < 0; }

    // Its place among the steps of the workflow that took it.
    placeOf(at) {
      let place = 0;
      for (let other = this.parent[at] + 1; other < at; other = this.after[other]) place += this.step[other] >= 0;
      return place;
    }

    find(key) { return this.keys.indexOf(key); }
  }

  // --- The drawing --------------------------------------------------------------------------------------------------

  class Timeline {
    constructor(stage) {
      this.stage = stage;
      this.map = $(".timeline-map", stage);
      this.canvas = $("canvas", stage);
      this.frame = $(".timeline-frame", stage);
      this.ticks = $(".timeline-ticks", stage);
      this.since = $(".timeline-since", stage);
      this.sum = $(".timeline-sum", stage);
      this.scroll = $(".timeline-scroll", stage);
      this.overlay = $(".timeline-overlay", stage);
      this.rows = $(".timeline-rows", stage);
      this.card = new Card(this, $(".timeline-card", stage));
      // Null until the first columns are there.
      this.spans = null;
      // Of which columns; null before.
      this.version = null;
      // Whether a span is folded, by its key; once it has been seen it stays as it is.
      this.folds = new Map();
      // Places of the spans that have a row now.
      this.shown = [];
      // Stretch of time in view, in ms after the start; null for all of it.
      this.window = null;
      // Key of the row that the keyboard is at; null before it was ever used.
      this.active = null;
      // Places of the spans that the reader looks for.
      this.found = new Set();
      // Grows when rows have to be written anew.
      this.generation = 0;
      this.pool = [];
      this.pointer = null;
      this.listen();
    }

    get source() { return document.getElementById("timeline"); }

    get rowPx() { return narrow.matches ? ROW_PX.narrow : ROW_PX.wide; }

    // --- Columns: with the page, or fetched ---

    async read() {
      const { version, spans, url } = this.source.dataset;
      if (version === this.version) return;
      this.version = version;
      let content = null;
      try {
        content = spans ? JSON.parse(spans) : (await (await fetch(url, { headers: { Accept: "application/json" } })).json()).content;
      } catch {
        // The next refresh asks again.
        this.version = null;
      }
      // Meanwhile there may be newer ones.
      if (content && this.version === version) this.take(content);
    }

    take({ timeline, folded }) {
      const isFirst = this.spans === null;
      this.spans = new Spans(timeline);
      const first = new Set(folded);
      for (let at = 0; at < this.spans.count; at += 1) {
        const key = this.spans.keys[at];
        if (this.spans.foldable(at) && !this.folds.has(key)) this.folds.set(key, first.has(at));
      }
      this.since.textContent = `from ${exact(timeline.start)}`;
      this.since.title = this.since.textContent;
      this.seek();
      this.list();
      if (isFirst) this.recall();
      this.tick();
    }

    // Which spans have a row.
    list() {
      const { spans } = this;
      this.shown = [];
      for (let at = 0; at < spans.count; at = this.isFolded(at) ? spans.after[at] : at + 1) this.shown.push(at);
      this.rows.style.height = `${this.shown.length * this.rowPx}px`;
      this.generation += 1;
      this.drawMap();
      this.draw();
    }

    isFolded(at) { return this.spans.foldable(at) && this.folds.get(this.spans.keys[at]); }

    // --- Time ---

    get now() {
      const live = document.getElementById("live");
      if (this.clockOf !== live.dataset.now) {
        this.clockOf = live.dataset.now;
        this.aheadMs = Date.parse(live.dataset.now) - Date.now();
      }
      return Date.now() + this.aheadMs - this.spans.start;
    }

    get total() {
      const { spans } = this;
      return Math.max(1, spans.span, spans.live ? this.now : 0);
    }

    get range() { return this.window ?? [0, this.total]; }

    endOf(at) {
      const { spans } = this;
      return spans.isGoingOn(at) ? Math.max(this.now, spans.begin[at]) : spans.begin[at] + spans.duration[at];
    }

    // Looks at what goes on as often as it moves by a pixel, at most a few times a second.
    tick() {
      clearTimeout(this.ticking);
      if (!this.spans?.live || !this.stage.isConnected) return;
      const [from, to] = this.range;
      const pause = clamp((to - from) / Math.max(this.width, 1), 100, 1000);
      this.ticking = setTimeout(() => {
        if (!document.hidden) {
          this.draw();
          if (!this.window) this.drawMap();
        }
        this.tick();
      }, unmoved.matches ? 1000 : pause);
    }

    show(from, to) {
      const { total } = this;
      const least = Math.min(LEAST_WINDOW_MS, total);
      const length = clamp(to - from, least, total);
      const begin = clamp(from, 0, total - length);
      this.window = length >= total ? null : [begin, begin + length];
      this.draw();
      this.tick();
      this.note();
    }

    // The address has the stretch in view, so that it can be shared, and Back comes to it.
    note() {
      clearTimeout(this.noting);
      this.noting = setTimeout(() => {
        const hash = this.window ? `#from=${Math.floor(this.window[0])}&to=${Math.ceil(this.window[1])}` : "";
        if (hash !== window.location.hash) history.replaceState(history.state, "", hash || window.location.pathname + window.location.search);
      }, NOTE_MS);
    }

    recall() {
      const [, from, to] = /^#from=(\d{1,15})&to=(\d{1,15})$/.exec(window.location.hash) ?? [];
      if (from && Number(to) > Number(from)) this.choose(Number(from), Number(to));
    }

    // Another stretch was chosen: where none of the rows in view has anything in it, others come into view.
    choose(from, to) {
      this.show(from, to);
      if (!this.window) return;
      const [begin, end] = this.window;
      const lies = (at) => this.endOf(at) >= begin && this.spans.begin[at] <= end;
      const first = Math.floor(this.scroll.scrollTop / this.rowPx);
      const inView = this.shown.slice(first, first + Math.ceil(this.scroll.clientHeight / this.rowPx));
      // A workflow around everything is no reason to stay.
      if (inView.some((at) => lies(at) && !this.spans.foldable(at))) return;
      const row = this.shown.findIndex((at) => lies(at) && !this.spans.foldable(at));
      if (row >= 0) this.scroll.scrollTop = Math.max(0, row - 2) * this.rowPx;
    }

    zoom(factor, at = null) {
      const [from, to] = this.range;
      const middle = at ?? (from + to) / 2;
      this.show(middle - (middle - from) / factor, middle + (to - middle) / factor);
    }

    pan(ms) {
      if (!this.window) return;
      const [from, to] = this.window;
      const by = clamp(ms, -from, this.total - to);
      this.window = [from + by, to + by];
      this.draw();
      this.note();
    }

    // With a little room on both sides.
    fit(at) {
      const [from, to] = [this.spans.begin[at], this.endOf(at)];
      const room = Math.max((to - from) * 0.08, LEAST_WINDOW_MS / 2);
      this.show(from - room, to + room);
    }

    // --- Drawing: once a frame ---

    draw() {
      this.drawing ??= requestAnimationFrame(() => {
        this.drawing = null;
        if (this.spans && this.stage.isConnected) this.drawNow();
      });
    }

    drawNow() {
      this.width = this.ticks.clientWidth;
      const [from, to] = this.range;
      const scale = (this.width - 2 * PAD_PX) / (to - from);
      this.toPx = (ms) => PAD_PX + (ms - from) * scale;
      this.toMs = (px) => from + (px - PAD_PX) / scale;
      this.drawAxis(from, to, scale);
      this.drawRows();
      this.drawFrame();
      this.sum.textContent = `${this.spans.count.toLocaleString("en")} ${this.spans.count === 1 ? "span" : "spans"} in ${took(this.total)}`;
    }

    drawAxis(from, to, scale) {
      const step = STEPS.find((each) => each * scale > offset(to, each).length * 6.4 + 26) ?? STEPS.at(-1);
      const marks = [];
      const lines = [];
      for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
        const text = offset(at, step);
        if (this.toPx(at) + text.length * 6.4 + 8 < this.width) marks.push([this.toPx(at), text]);
        lines.push([this.toPx(at), "timeline-line"]);
      }
      if (this.spans.live) lines.push([this.toPx(this.now), "timeline-line now"]);
      if (this.pointer !== null) {
        lines.push([this.pointer, "timeline-line here"]);
        const here = this.toMs(this.pointer);
        const finest = Math.max(1, 10 ** Math.floor(Math.log10(3 / scale)));
        marks.push([this.pointer, `${offset(Math.max(0, here), finest)} · ${clock.format(this.spans.start + here).slice(0, finest < 1000 ? 12 : 8)}`, "timeline-here"]);
      }
      const height = this.scroll.clientHeight;
      this.fillWith(this.ticks, marks.length, "span", (element, index) => {
        const [px, text, className = ""] = marks[index];
        element.className = className;
        element.textContent = text;
        element.style.translate = `${Math.round(className ? clamp(px - 50, 0, this.width - text.length * 6.6 - 8) : px)}px`;
      });
      this.fillWith(this.overlay, lines.length, "div", (element, index) => {
        const [px, className] = lines[index];
        element.className = className;
        element.style.height = `${height}px`;
        element.style.translate = `${Math.round(px)}px`;
        element.hidden = px < 0 || px > this.width;
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

    drawRows() {
      const px = this.rowPx;
      const first = Math.max(0, Math.floor(this.scroll.scrollTop / px) - SPARE_ROWS);
      const last = Math.min(this.shown.length, Math.ceil((this.scroll.scrollTop + this.scroll.clientHeight) / px) + SPARE_ROWS);
      const needed = last - first;
      while (this.pool.length < needed) this.pool.push(new Row(this));
      // A row keeps its element while it is in view, so that little is written anew.
      const size = this.pool.length;
      for (let index = 0; index < size; index += 1) {
        const row = this.pool[(first + index) % size];
        if (index < needed) row.show(first + index, this.shown[first + index], px);
        else row.hide();
      }
      this.scroll.setAttribute("aria-activedescendant", this.activeRow()?.element.id ?? "");
      if (!this.activeRow()) this.scroll.removeAttribute("aria-activedescendant");
      this.card.follow();
    }

    activeRow() {
      return this.pool.find((row) => row.at !== null && this.spans.keys[row.at] === this.active);
    }

    rowOf(at) { return this.pool.find((row) => row.at === at); }

    drawMap() {
      if (!this.spans) return;
      const { spans, canvas } = this;
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      const ratio = window.devicePixelRatio || 1;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      const pen = canvas.getContext("2d");
      pen.scale(ratio, ratio);
      const scale = (width - 2 * PAD_PX) / this.total;
      const room = height - 8;
      const thick = clamp(room / spans.count, 1, 5);
      for (const status of STATUSES) {
        pen.fillStyle = getComputedStyle($(`[data-mark="${status}"] svg`, this.stage)).color;
        const isCalm = status === "succeeded";
        pen.globalAlpha = isCalm ? 0.55 : 1;
        for (let at = 0; at < spans.count; at += 1) {
          if (spans.statusOf(at) !== status) continue;
          const x = PAD_PX + spans.begin[at] * scale;
          const long = Math.max((this.endOf(at) - spans.begin[at]) * scale, isCalm ? 1 : 3);
          // Among thousands, what is of interest is still to be seen.
          pen.fillRect(x, 4 + (room * at) / spans.count, long, isCalm ? thick : Math.max(thick, 3));
        }
      }
      this.drawFrame();
    }

    drawFrame() {
      this.frame.hidden = !this.window;
      if (!this.window) return;
      const { width, left } = this.onMap();
      const scale = (width - 2 * PAD_PX) / this.total;
      const [from, to] = this.window;
      this.frame.style.translate = `${left + PAD_PX + from * scale}px`;
      this.frame.style.width = `${Math.max((to - from) * scale, 3)}px`;
    }

    onMap() {
      return { left: this.canvas.offsetLeft, width: this.canvas.clientWidth };
    }

    // --- What the reader does ---

    fold(at, folded) {
      if (!this.spans.foldable(at)) return;
      this.folds.set(this.spans.keys[at], folded);
      // Who is inside comes out.
      if (folded && this.active?.startsWith(`${this.spans.keys[at]}/`)) this.active = this.spans.keys[at];
      this.list();
    }

    foldAll(folded) {
      for (let at = 0; at < this.spans.count; at += 1) {
        if (this.spans.foldable(at) && this.spans.depth[at]) this.folds.set(this.spans.keys[at], folded);
      }
      if (folded && this.active) this.active = `/${this.active.split("/")[1]}`;
      this.list();
    }

    // Row of the active span; -1 when there is none.
    get activeAt() {
      return this.active === null ? -1 : this.shown.findIndex((at) => this.spans.keys[at] === this.active);
    }

    activate(row, { card = true } = {}) {
      const at = this.shown[clamp(row, 0, this.shown.length - 1)];
      this.active = this.spans.keys[at];
      this.reveal(clamp(row, 0, this.shown.length - 1));
      this.generation += 1;
      this.drawNow();
      if (card) this.card.pin(at);
    }

    reveal(row) {
      const [top, px, { scrollTop, clientHeight }] = [row * this.rowPx, this.rowPx, this.scroll];
      if (top < scrollTop) this.scroll.scrollTop = top;
      else if (top + px > scrollTop + clientHeight) this.scroll.scrollTop = top + px - clientHeight;
    }

    goTo(at, { focus = true } = {}) {
      for (let up = this.spans.parent[at]; up >= 0; up = this.spans.parent[up]) this.folds.set(this.spans.keys[up], false);
      this.list();
      const row = this.shown.indexOf(at);
      const middle = row * this.rowPx - this.scroll.clientHeight / 2;
      if (!this.rowOf(at)) this.scroll.scrollTop = middle;
      if (this.window) {
        const [from, to] = this.window;
        const [begin, end] = [this.spans.begin[at], this.endOf(at)];
        if (end < from || begin > to) this.show((begin + end) / 2 - (to - from) / 2, (begin + end) / 2 + (to - from) / 2);
      }
      if (focus) this.scroll.focus({ preventScroll: true });
      this.activate(row, { card: focus });
    }

    // The next span below the active one, around the end; or the active one itself, where that will do.
    next(wanted, { first = 1, focus = true } = {}) {
      const start = this.active === null ? -first : this.spans.find(this.active);
      for (let step = first; step < this.spans.count + first; step += 1) {
        const at = (start + step + this.spans.count) % this.spans.count;
        if (wanted(at)) return this.goTo(at, { focus });
      }
    }

    // --- Looking for spans by name, or by the id of a child ---

    seek() {
      const words = $("#timeline-find").value.trim().toLowerCase();
      const { spans } = this;
      const holds = (text) => text.toLowerCase().includes(words);
      const [labels, workflows] = [spans.labels.map(holds), spans.workflows.map(holds)];
      this.found.clear();
      for (let at = 0; words && at < spans.count; at += 1) {
        if (labels[spans.label[at]] || (spans.kindOf(at) === "child" && workflows[spans.workflow[at]])) this.found.add(at);
      }
      $("#timeline-found").textContent = words ? this.found.size.toLocaleString("en") : "";
      this.generation += 1;
    }

    find(first) {
      if (!this.spans) return;
      this.seek();
      if (this.found.size) this.next((at) => this.found.has(at), { first, focus: false });
      this.draw();
    }

    perform(action, button) {
      const actions = {
        in: () => this.zoom(ZOOM),
        out: () => this.zoom(1 / ZOOM),
        all: () => this.show(0, Infinity),
        fold: () => this.foldAll(true),
        unfold: () => this.foldAll(false),
        next: () => this.next((at) => this.spans.statusOf(at) === button.dataset.status),
      };
      if (this.spans) actions[action]();
    }

    key(event) {
      const row = this.activeAt;
      const at = row < 0 ? -1 : this.shown[row];
      const page = Math.max(1, Math.floor(this.scroll.clientHeight / this.rowPx) - 1);
      const keys = {
        ArrowDown: () => this.activate(row + 1),
        ArrowUp: () => this.activate(row - 1),
        j: () => this.activate(row + 1),
        k: () => this.activate(row - 1),
        PageDown: () => this.activate(row + page),
        PageUp: () => this.activate(row - page),
        Home: () => this.activate(0),
        End: () => this.activate(this.shown.length - 1),
        ArrowRight: () => this.right(row, at),
        ArrowLeft: () => this.left(row, at),
        Enter: () => at >= 0 && this.card.open(at),
        Escape: () => this.card.hide(),
        "+": () => this.zoom(ZOOM, this.middleOf(at)),
        "=": () => this.zoom(ZOOM, this.middleOf(at)),
        "-": () => this.zoom(1 / ZOOM),
        0: () => this.show(0, Infinity),
        f: () => at >= 0 && this.fit(at),
        n: () => this.next((at) => OF_INTEREST.has(this.spans.statusOf(at))),
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
      if (at < 0) return null;
      const [from, to] = this.range;
      const middle = (this.spans.begin[at] + this.endOf(at)) / 2;
      return middle > from && middle < to ? middle : null;
    }

    panBy(part) {
      const [from, to] = this.range;
      this.pan((to - from) * part);
    }

    right(row, at) {
      if (at < 0) return this.activate(0);
      if (!this.spans.foldable(at)) return;
      if (!this.isFolded(at)) return this.activate(row + 1);
      this.fold(at, false);
      this.activate(this.activeAt);
    }

    left(row, at) {
      if (at < 0) return this.activate(0);
      if (this.spans.foldable(at) && !this.isFolded(at)) {
        this.fold(at, true);
        return this.activate(this.activeAt);
      }
      if (this.spans.parent[at] >= 0) this.activate(this.shown.indexOf(this.spans.parent[at]));
    }

    listen() {
      const { scroll, stage } = this;
      scroll.addEventListener("scroll", () => { this.card.leave(); this.draw(); }, { passive: true });
      scroll.addEventListener("keydown", (event) => {
        if (this.spans && !event.ctrlKey && !event.metaKey && !event.altKey) this.key(event);
      });
      scroll.addEventListener("focus", () => {
        if (this.spans && this.active === null && scroll.matches(":focus-visible")) this.activate(0);
      });
      stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
      new ResizeObserver(() => this.resized()).observe(stage);
      new Drags(this);
    }

    resized() {
      if (!this.spans) return;
      this.rows.style.height = `${this.shown.length * this.rowPx}px`;
      this.generation += 1;
      this.drawMap();
      this.draw();
    }

    wheel(event) {
      if (!this.spans) return;
      const box = this.ticks.getBoundingClientRect();
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        this.zoom(Math.exp(-clamp(event.deltaY, -120, 120) / 250), this.toMs(clamp(event.clientX - box.left, 0, box.width)));
      } else if (this.window && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
        event.preventDefault();
        const [from, to] = this.window;
        this.pan(((event.deltaX || event.deltaY) / box.width) * (to - from));
      }
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
      this.more.textContent = inside ? `+${inside.toLocaleString("en")}` : "";
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
      const room = text.length * 6.3 + 10;
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

  // --- The card: facts and links of one span; comes with the pointer or the keyboard, and stays while one is at it --------

  const PLAIN_ID = /^[A-Za-z0-9_~:@+=-][A-Za-z0-9_.~:@+=-]{0,255}$/;

  class Card {
    constructor(timeline, element) {
      this.timeline = timeline;
      this.element = element;
      // Key of its span; null while it is hidden.
      this.key = null;
      // Whether it stays when the pointer goes.
      this.pinned = false;
      // Where the pointer was, from the left of the stage; null for the beginning of the bar.
      this.x = null;
      element.addEventListener("pointerenter", () => clearTimeout(this.timer));
      element.addEventListener("pointerleave", () => this.leaveSoon());
      element.addEventListener("click", (event) => event.target.closest("[data-fit]") && timeline.fit(this.at));
      timeline.stage.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || this.key === null) return;
        event.preventDefault();
        if (element.contains(document.activeElement)) timeline.scroll.focus({ preventScroll: true });
        this.hide();
      });
    }

    get at() { return this.timeline.spans.find(this.key); }

    mark(status) {
      return $(`[data-mark="${status}"] svg`, this.timeline.stage).cloneNode(true);
    }

    hover(at, x) {
      clearTimeout(this.timer);
      if (this.pinned) return;
      this.timer = setTimeout(() => this.show(at, x), this.key === null ? SHOW_CARD_MS : 0);
    }

    leaveSoon() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.leave(), HIDE_CARD_MS);
    }

    leave() {
      clearTimeout(this.timer);
      if (!this.pinned) this.hide();
    }

    pin(at, x = null) {
      clearTimeout(this.timer);
      this.pinned = true;
      this.show(at, x);
    }

    hide() {
      clearTimeout(this.timer);
      this.key = null;
      this.pinned = false;
      this.element.hidden = true;
    }

    show(at, x) {
      this.key = this.timeline.spans.keys[at];
      this.x = x;
      this.written = null;
      this.follow();
    }

    // Called with every drawing: its row may have moved, its span may have ended.
    follow() {
      if (this.key === null) return;
      const at = this.at;
      if (at < 0) return this.hide();
      const row = this.timeline.rowOf(at);
      this.element.hidden = !row;
      if (!row) return;
      const { spans } = this.timeline;
      if (this.written !== spans) this.write(at);
      this.written = spans;
      if (spans.isGoingOn(at)) $("[data-took]", this.element).textContent = this.tookOf(at);
      this.placeAt(row);
    }

    placeAt(row) {
      const stage = this.timeline.stage.getBoundingClientRect();
      const line = row.element.getBoundingClientRect();
      const { offsetWidth: width, offsetHeight: height } = this.element;
      const wanted = this.x ?? (row.bar.hidden ? row.lane : row.bar).getBoundingClientRect().left - stage.left;
      const left = clamp(wanted - 24, 8, Math.max(8, stage.width - width - 8));
      // Below its row, or above it where it would stand below the window.
      const isAbove = line.bottom + height > window.innerHeight - 8 && line.top - height > 50;
      const top = isAbove ? line.top - stage.top - height : line.bottom - stage.top;
      this.element.style.translate = `${Math.round(left)}px ${Math.round(top)}px`;
    }

    tookOf(at) {
      const { spans } = this.timeline;
      if (spans.guessedOnes.has(at)) return "not on record";
      return `${took(this.timeline.endOf(at) - spans.begin[at])}${spans.isGoingOn(at) ? " so far" : ""}`;
    }

    write(at) {
      const { spans } = this.timeline;
      const [kind, status] = [spans.kindOf(at), spans.statusOf(at)];
      const title = make("div", "timeline-card-title");
      const state = make("span", `timeline-card-status is-${status}`);
      state.append(this.mark(status), status);
      const name = make("strong");
      name.append(make("bdi", "", spans.labelOf(at) || "without a name"));
      title.append(name, state, make("span", "quiet", KIND_WORDS[kind]));
      const facts = make("dl");
      for (const [term, text, key] of this.facts(at)) {
        const value = make("dd", "", text);
        if (key) value.dataset[key] = "";
        facts.append(make("dt", "", term), value);
      }
      const links = make("div", "timeline-card-links");
      for (const { text, href, modal } of this.links(at)) {
        const link = make("a", "", text);
        link.href = href;
        if (modal) link.dataset.modal = "";
        links.append(link);
      }
      const fit = make("button", "", "Zoom to it");
      fit.type = "button";
      fit.dataset.fit = "";
      links.append(fit);
      this.element.replaceChildren(title, facts, links);
    }

    facts(at) {
      const { spans } = this.timeline;
      const facts = [];
      const begun = spans.start + spans.begin[at];
      if (!spans.guessedOnes.has(at)) {
        facts.push(["Started", `${exact(begun)} (+${took(spans.begin[at])})`]);
        if (!spans.isGoingOn(at)) facts.push(["Ended", exact(begun + spans.duration[at])]);
      }
      facts.push(["Took", this.tookOf(at), "took"]);
      if (spans.until[at]) facts.push(["Until", exact(spans.until[at])]);
      if (spans.step[at] >= 0) facts.push(["Step", String(spans.step[at])]);
      if (spans.kindOf(at) === "child") facts.push(["Workflow", spans.workflowOf(at).slice(0, 120)]);
      const inside = spans.after[at] - at - 1;
      if (inside) facts.push(["Inside", `${inside.toLocaleString("en")} ${inside === 1 ? "span" : "spans"}`]);
      if (spans.notes[at]) facts.push(["Note", spans.notes[at]]);
      return facts;
    }

    links(at) {
      const { spans } = this.timeline;
      const links = [];
      if (spans.kindOf(at) === "child") {
        links.push({ text: "Open the child", href: this.address(spans.workflowOf(at), [], { view: "timeline" }) });
      }
      if (spans.step[at] >= 0 && spans.parent[at] >= 0) {
        const [owner, number] = [spans.workflowOf(spans.parent[at]), spans.step[at]];
        const page = Math.floor(spans.placeOf(at) / STEPS_PER_PAGE) + 1;
        const href = this.address(owner, [], page > 1 ? { page } : {});
        links.push({ text: `Result of step ${number}`, href: href && `${href}#step-${number}` });
        if ("forks" in this.timeline.source.dataset) {
          links.push({ text: "Fork from here", href: this.address(owner, ["fork"], { step: number }), modal: true });
        }
      }
      return links.filter(({ href }) => href);
    }

    // As console/urls.py writes it; empty where an id is too long to be in one.
    address(id, parts, query) {
      if (id.length > LONGEST_LINKED_ID) return "";
      const isPlain = id !== "~" && PLAIN_ID.test(id);
      const path = [this.timeline.source.dataset.workflows, isPlain ? encodeURIComponent(id) : "~", ...parts].join("/");
      const search = new URLSearchParams(isPlain ? query : { id, ...query });
      return search.size ? `${path}?${search}` : path;
    }

    open(at) {
      const [first] = this.links(at);
      if (first) window.location.assign(first.href);
    }
  }

  // --- Dragging: over the axis or the map it chooses a stretch of time, over the bars it pans, two fingers zoom -----------

  class Drags {
    constructor(timeline) {
      this.timeline = timeline;
      // What a move of the pointer does now; null when no button is down.
      this.grip = null;
      this.fingers = new Map();
      const { canvas, ticks, scroll } = timeline;
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
      const box = timeline.canvas.getBoundingClientRect();
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

  // --- The one on the page ----------------------------------------------------------------------------------------------

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
  document.addEventListener("focusin", (event) => {
    if (timeline && !timeline.stage.contains(event.target) && !event.target.closest("dialog, [data-timeline]")) timeline.card.hide();
  });
  const recolour = () => timeline?.drawMap();
  new MutationObserver(recolour).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  document.addEventListener("console:refreshed", start);
  start();
})();
