// The card of a timeline: facts and links of one span. It comes with the pointer or the keyboard, and stays while
// one is at it.
(() => {
  "use strict";

  const { $, KIND_WORDS, clamp, exact, make, took } = window.timelineParts;
  const SHOW_CARD_MS = 220;
  const HIDE_CARD_MS = 260;
  const LONGEST_LINKED_ID = 1500;
  const STEPS_PER_PAGE = 100;
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
        facts.push(["Started", `${exact(begun)} (+${took(spans.begin[at]).replaceAll(" ", "\u00a0")})`]);
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

  Object.assign(window.timelineParts, { Card });
})();
