// Draws charts from their data-chart attribute, anew when a refresh has changed it. What is under the pointer is
// read out in the legend, on every chart of the page at the same moment; a drag chooses the stretch of time.
(() => {
  "use strict";

  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;
  const zone = root.dataset.zone || undefined;
  const LEAST_DRAG_PX = 6;

  // --- Words: durations and numbers as console/formatting.py has them ---------------------------------------------

  const SIZES = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];

  const duration = (secs) => {
    if (secs === 0) return "0 s";
    if (secs < 0.01) return `${(secs * 1000).toFixed(1).replace(".0", "")} ms`;
    if (secs < 1) return `${Math.round(secs * 1000)} ms`;
    if (secs < 10 && !Number.isInteger(secs)) return `${secs.toFixed(1)} s`;
    const whole = Math.round(secs);
    for (const [size, unit, small, smallUnit] of SIZES) {
      if (whole < size) continue;
      const rest = Math.floor((whole % size) / small);
      return rest ? `${Math.floor(whole / size)} ${unit} ${rest} ${smallUnit}` : `${Math.floor(whole / size)} ${unit}`;
    }
    return `${whole} s`;
  };

  const number = (value) =>
    value.toLocaleString("en", { maximumFractionDigits: Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : 1 });

  const measure = (value, unit) => (value == null ? "–" : unit === "secs" ? duration(value) : number(value));

  // Short, for the axis.
  const brief = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const briefly = (value, unit) => {
    if (unit !== "secs") return brief.format(value);
    if (value === 0) return "0";
    if (value < 1) return `${+(value * 1000).toFixed(1)} ms`;
    for (const [size, name] of SIZES) if (value >= size) return `${+(value / size).toFixed(1)} ${name}`;
    return `${+value.toFixed(1)} s`;
  };

  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  const day = new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short" });
  const timeOf = (secs) => clock.format(secs * 1000);
  const dayOf = (secs) => day.format(secs * 1000);

  const onAxis = (secs, step) => (step >= 86400 || timeOf(secs) === "00:00" ? dayOf(secs) : timeOf(secs));

  const stretch = (from, to) => {
    const begin = `${dayOf(from)} ${timeOf(from)}`;
    return dayOf(from) === dayOf(to) ? `${begin} – ${timeOf(to)}` : `${begin} – ${dayOf(to)} ${timeOf(to)}`;
  };

  // --- One chart --------------------------------------------------------------------------------------------------

  const drawn = new Map();
  const sync = uPlot.sync("page");
  let leaving = false;

  const colour = (element) => getComputedStyle(element).color;

  class Drawing {
    constructor(figure, canvas) {
      this.figure = figure;
      this.canvas = canvas;
      this.read();
      this.plot = new uPlot(this.options(), this.data(), canvas);
      this.observer = new ResizeObserver(() => this.fit());
      this.observer.observe(canvas);
    }

    read() {
      this.source = this.figure.dataset.chart;
      this.chart = JSON.parse(this.source);
    }

    // What cannot change in a chart that is drawn already.
    get make() {
      const { unit, kind, lines } = this.chart;
      return JSON.stringify([unit, kind, lines.map(({ label, dash }) => [label, dash])]);
    }

    get steps() { return this.chart.lines[0].values.length; }

    // Where the chart ends: with its last step, or earlier, when that one is not over.
    get end() { return Math.min(Math.max(this.chart.end, this.chart.start + 1), this.chart.start + this.steps * this.chart.step); }

    // What is counted in a step, or was there during it, is drawn from its beginning to its end; the point in
    // its middle is the one that is read out. The longest of a step is one point.
    get perStep() { return this.chart.kind === "longest" ? [0.5] : [0, 0.5, 1]; }

    data() {
      const { start, step, lines } = this.chart;
      const times = Array.from({ length: this.steps }, (_, number) => {
        const from = start + number * step;
        // The last step may not be over.
        return this.perStep.map((part) => from + part * (Math.min(from + step, Math.max(this.end, from)) - from));
      });
      return [times.flat(), ...lines.map(({ values }) => values.flatMap((value) => this.perStep.map(() => value)))];
    }

    // What is to be marked by a point: a step alone among unknown ones has no line to lie on.
    alone(values) {
      if (this.chart.kind !== "longest") return [];
      return [...values.keys()].filter((at) => values[at] != null && values[at - 1] == null && values[at + 1] == null);
    }

    // The step that a moment lies in.
    stepAt(secs) {
      return Math.max(0, Math.min(this.steps - 1, Math.floor((secs - this.chart.start) / this.chart.step)));
    }

    refresh() {
      if (this.figure.dataset.chart === this.source) return this.readOut();
      const make = this.make;
      this.read();
      if (this.make === make) {
        this.plot.setData(this.data());
        this.readOut();
      } else {
        this.plot.destroy();
        this.plot = new uPlot(this.options(), this.data(), this.canvas);
      }
    }

    fit() {
      const width = this.canvas.clientWidth;
      if (width && width !== this.plot.width) this.plot.setSize({ width, height: this.canvas.clientHeight });
    }

    remove() {
      this.observer.disconnect();
      this.plot.destroy();
    }

    // --- What is under the pointer ---

    readOut() {
      const { start, step, end, unit, lines } = this.chart;
      const at = this.plot?.cursor.idx;
      const moment = this.figure.querySelector("[data-chart-moment]");
      const words = $$("[data-chart-value]", this.figure);
      if (at == null) {
        if (moment.textContent) moment.textContent = "";
      } else {
        const number = Math.floor(at / this.perStep.length);
        const from = start + number * step;
        moment.textContent = from + step > end ? `${stretch(from, end)}, so far` : stretch(from, from + step);
        lines.forEach(({ values }, index) => this.say(words[index], measure(values[number], unit)));
        return;
      }
      // What the server wrote is said again.
      words.forEach((word) => word.whole !== undefined && this.say(word, word.whole, true));
    }

    say(word, text, back = false) {
      // A refresh may have put the whole there again, perhaps another one.
      if (word.said === undefined || word.textContent !== word.said) word.whole = word.textContent;
      word.textContent = text;
      word.said = back ? undefined : text;
    }

    choose() {
      const { left, width } = this.plot.select;
      if (width < LEAST_DRAG_PX || leaving) return;
      const { start, step } = this.chart;
      const whole = (px, round) => start + round((this.plot.posToVal(px, "x") - start) / step) * step;
      const url = new URL(document.getElementById("live").dataset.url, window.location.href);
      for (const name of ["range", "page", "zone"]) url.searchParams.delete(name);
      const told = (secs) => new Date(secs * 1000).toISOString().replace(":00.000Z", "Z");
      url.searchParams.set("start", told(whole(left, Math.floor)));
      url.searchParams.set("end", told(Math.min(whole(left + width, Math.ceil), Math.ceil(this.end / 60) * 60)));
      leaving = true;
      window.location.assign(url);
    }

    // --- What uPlot is told ---

    options() {
      const { unit, kind, lines } = this.chart;
      const tones = $$(".chart-swatch", this.figure);
      const line = colour.bind(null, this.figure.querySelector(".quiet"));
      const font = `11px ${getComputedStyle(this.figure).fontFamily}`;
      const axis = { stroke: line, font, ticks: { show: false } };
      const grid = { stroke: () => getComputedStyle(this.figure).borderTopColor, width: 1 };
      return {
        width: this.canvas.clientWidth || 300,
        height: this.canvas.clientHeight || 172,
        tzDate: (secs) => (zone ? uPlot.tzDate(new Date(secs * 1000), zone) : new Date(secs * 1000)),
        // Half of the last moment on the axis is to the right of its place.
        padding: [8, 20, 0, 0],
        legend: { show: false },
        cursor: {
          y: false,
          drag: { x: true, y: false, setScale: false },
          points: { size: 7 },
          dataIdx: (_, __, ___, secs) => this.stepAt(secs) * this.perStep.length + (this.perStep.length >> 1),
          sync: { key: sync.key },
        },
        select: { show: true },
        scales: {
          x: { range: () => [this.chart.start, this.end] },
          y: { range: (_, least, most) => [0, most > 0 ? most * 1.08 : 1] },
        },
        axes: [
          { ...axis, grid: { show: false }, size: 26, gap: 7, space: 64, values: (_, splits, __, ___, step) => splits.map((secs) => onAxis(secs, step)) },
          { ...axis, grid, size: 52, space: 28, incrs: unit === "secs" ? CLOCK : WHOLE, values: (_, splits) => splits.map((value) => briefly(value, unit)) },
        ],
        series: [
          {},
          ...lines.map(({ label, dash }, index) => ({
            label,
            stroke: () => colour(tones[index]),
            width: 1.75,
            dash,
            paths: uPlot.paths.linear(),
            points: {
              show: true,
              size: 5,
              stroke: () => colour(tones[index]),
              fill: () => colour(tones[index]),
              filter: (plot, number) => this.alone(plot.data[number]),
            },
          })),
        ],
        hooks: { setCursor: [() => this.readOut()], setSelect: [() => this.choose()] },
      };
    }
  }

  // Things come whole.
  const WHOLE = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

  // Seconds in steps that people count time in.
  const CLOCK = [
    ...[-4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power)),
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200,
    ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((days) => days * 86400),
  ];

  // --- All of them ------------------------------------------------------------------------------------------------

  const drawAll = () => {
    for (const [canvas, drawing] of drawn) {
      if (canvas.isConnected) continue;
      drawing.remove();
      drawn.delete(canvas);
    }
    for (const figure of $$("figure[data-chart]")) {
      const canvas = figure.querySelector(".chart-canvas");
      if (!canvas) continue;
      const drawing = drawn.get(canvas);
      if (drawing) drawing.refresh();
      else drawn.set(canvas, new Drawing(figure, canvas));
    }
  };

  const recolour = () => { for (const drawing of drawn.values()) drawing.plot.redraw(false); };
  new MutationObserver(recolour).observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  document.addEventListener("console:refreshed", drawAll);
  // Coming back to a page that was left by a drag: choose again.
  window.addEventListener("pageshow", () => { leaving = false; });
  drawAll();
})();
