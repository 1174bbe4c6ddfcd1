// The spans of a timeline as they come from the server, in columns, and the words for times and durations.
// Draws nothing. The other scripts of the timeline take what they need from window.timelineParts.
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

  const make = (tag, className = "", text = "") => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text) element.textContent = text;
    return element;
  };

  const KIND_WORDS = {
    workflow: "workflow", child: "child workflow", step: "step", sleep: "sleep", delay: "delay", queue: "queue wait",
    wait: "wait", internal: "SDK step",
  };

  // --- Words: durations as console/formatting.py has them -----------------------------------------------------------

  const UNITS = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]];

  const took = (ms) => {
    if (ms < 1000) return `${Math.round(ms)} ms`;
    if (ms < 9950 && ms % 1000) return `${(ms / 1000).toFixed(1)} s`;
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

  const zone = document.documentElement.dataset.zone || undefined;
  const CLOCK = { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  const clock = new Intl.DateTimeFormat("en-GB", { ...CLOCK, fractionalSecondDigits: 3 });
  const date = new Intl.DateTimeFormat("sv-SE", { timeZone: zone });
  const day = (epoch) => date.format(epoch);
  // Nobody's clock shows what lies beyond the last date.
  const exact = (epoch) => (Math.abs(epoch) < 8.64e15 ? `${day(epoch)} ${clock.format(epoch)}` : "never");

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

    // As the legend has it: retried ones are failed as well.
    is(at, word) { return word === "retried" ? at in this.retries : this.statusOf(at) === word; }

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

  window.timelineParts = { $, KIND_WORDS, STEPS, Spans, clamp, clock, exact, make, offset, took };
})();
