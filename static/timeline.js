// The timeline of a workflow: which spans have a row, which stretch of time is in view, what was folded, found and
// chosen. That stays while fresh columns come, with the page or fetched from its address. Only rows in view exist.
(() => {
  "use strict";

  const { $, Axis, Card, Drags, Keys, Overview, PAD_PX, Row, Spans, ZOOM, clamp, exact, took } = window.timelineParts;
  const ROW_PX = { wide: 26, narrow: 42 };
  const SPARE_ROWS = 6;
  const LEAST_WINDOW_MS = 4;
  const NOTE_MS = 300;
  const SORT_ROWS_MS = 250;
  const narrow = matchMedia("(max-width: 700px)");
  const unmoved = matchMedia("(prefers-reduced-motion: reduce)");

  class Timeline {
    constructor(stage) {
      this.stage = stage;
      this.ticks = $(".timeline-ticks", stage);
      this.since = $(".timeline-since", stage);
      this.sum = $(".timeline-sum", stage);
      this.scroll = $(".timeline-scroll", stage);
      this.overlay = $(".timeline-overlay", stage);
      this.rows = $(".timeline-rows", stage);
      this.axis = new Axis(this);
      this.overview = new Overview(this);
      this.card = new Card(this, $(".timeline-card", stage));
      // Null until the first columns are there.
      this.spans = null;
      // Of which columns; null before.
      this.version = null;
      // Whether a span is folded, by its key; once it has been seen it stays as it is, after a reload as well.
      this.folds = new Map(Object.entries(history.state?.folds ?? {}));
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
      // The rows that there are elements for.
      this.pool = [];
      // Where the pointer is, in px from the left of the lanes; null while it is elsewhere.
      this.pointer = null;
      // Of the lanes, in px.
      this.width = 0;
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
        // What is drawn stays.
      }
      // Meanwhile there may be newer ones.
      if (this.version !== version) return;
      if (content) this.take(content);
      // The next refresh asks again.
      else this.version = null;
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
      this.overview.draw();
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
          if (!this.window) this.overview.draw();
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

    // The address has the stretch in view, so that it can be shared, and Back comes to it; to what is folded as well.
    note() {
      clearTimeout(this.noting);
      this.noting = setTimeout(() => {
        const hash = this.window ? `#from=${Math.floor(this.window[0])}&to=${Math.ceil(this.window[1])}` : "";
        const state = { ...history.state, folds: Object.fromEntries(this.folds) };
        history.replaceState(state, "", hash || window.location.pathname + window.location.search);
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
      this.axis.draw(from, to, scale);
      this.drawRows();
      this.overview.drawFrame();
      this.sum.textContent = `${this.spans.count.toLocaleString("en")} ${this.spans.count === 1 ? "span" : "spans"} in ${took(this.total)}`;
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
      const active = this.pool.find((row) => row.at !== null && this.spans.keys[row.at] === this.active);
      if (active) this.scroll.setAttribute("aria-activedescendant", active.element.id);
      else this.scroll.removeAttribute("aria-activedescendant");
      this.card.follow();
      clearTimeout(this.sorting);
      this.sorting = setTimeout(() => this.sortRows(), SORT_ROWS_MS);
    }

    // Who reads the page in its order finds the rows in theirs.
    sortRows() {
      const rows = this.pool.filter(({ at }) => at !== null).sort((one, other) => one.at - other.at);
      const elements = rows.map(({ element }) => element);
      const found = [...this.rows.children].filter(({ row }) => row && row.at !== null);
      if (found.some((element, index) => element !== elements[index])) this.rows.append(...elements);
    }

    rowOf(at) { return this.pool.find((row) => row.at === at); }

    // --- What the reader does ---

    fold(at, folded) {
      if (!this.spans.foldable(at)) return;
      this.folds.set(this.spans.keys[at], folded);
      // Who is inside comes out.
      if (folded && this.active?.startsWith(`${this.spans.keys[at]}/`)) this.active = this.spans.keys[at];
      this.list();
      this.note();
    }

    foldAll(folded) {
      for (let at = 0; at < this.spans.count; at += 1) {
        if (this.spans.foldable(at) && this.spans.depth[at]) this.folds.set(this.spans.keys[at], folded);
      }
      if (folded && this.active) this.active = `/${this.active.split("/")[1]}`;
      this.list();
      this.note();
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
        next: () => this.next((at) => this.spans.is(at, button.dataset.status)),
      };
      if (this.spans) actions[action]();
    }

    listen() {
      this.scroll.addEventListener("scroll", () => { this.card.leave(); this.draw(); }, { passive: true });
      new ResizeObserver(() => this.resized()).observe(this.stage);
      this.keys = new Keys(this);
      new Drags(this);
    }

    resized() {
      if (!this.spans) return;
      this.rows.style.height = `${this.shown.length * this.rowPx}px`;
      this.generation += 1;
      this.overview.draw();
      this.draw();
    }
  }

  Object.assign(window.timelineParts, { Timeline });
})();
