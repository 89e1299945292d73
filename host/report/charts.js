"use strict";
// Elements, numbers, tables, line charts and folding. What comes from a report reaches the page as text, never as markup.

const report = JSON.parse(document.getElementById("report").textContent);
const byId = (id) => document.getElementById(id);
const svgNames = new DOMParser().parseFromString("<svg>", "text/html").querySelector("svg").namespaceURI;

function fill(element, attributes, ...children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const make = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, ...children);
const draw = (name, attributes = {}, ...children) =>
  fill(document.createElementNS(svgNames, name), attributes, ...children);

// Numbers that were not finite are null in the report.
const none = "\u2013";
const shown = (format) => (x) => (x === null || x === undefined ? none : format(x));
const counted = shown((x) => Math.round(x).toLocaleString("en-US"));
const percent = shown((x) => (100 * x).toFixed(2) + " %");
const decimal = shown((x) => (x === 0 || Math.abs(x) >= 1e-3 ? x.toFixed(4) : x.toExponential(3)));
const duration = shown((s) => (s < 60 ? `${s.toFixed(s < 1 ? 2 : 1)} s` : `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`));
const plain = (v) => String(+v.toPrecision(6));
const small = (v) => (v !== 0 && Math.abs(v) < 1e-3 ? v.toExponential().replace("e-", "e\u2212") : plain(v));
const plainPercent = (v) => plain(100 * v) + " %";
const signed = (x) => decimal(x).replace("-", "\u2212");

// About `count` round numbers from low to high.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((s) => s * power >= rough) || 10);
  const list = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) list.push(i * step);
  return list;
}

function logTicks(low, high) {
  const list = [];
  const decades = Math.log10(high / low);
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); ++e)
    for (const s of decades > 2 ? [1] : [1, 2, 5]) list.push(s * 10 ** e);
  const inside = list.filter((x) => x >= low && x <= high);
  return inside.length > 2 ? inside : ticks(low, high, 4);
}

function table(element, head, rows) {
  const row = (cell, texts) => make("tr", {}, ...texts.map((text) => make(cell, {}, text)));
  element.append(make("thead", {}, row("th", head)), make("tbody", {}, ...rows.map((texts) => row("td", texts))));
}

// A line as a chart draws it.
const swatch = (style) => draw("svg", { class: "swatch", width: 26, height: 8, "aria-hidden": "true" },
  draw("line", { class: "curve " + style, x1: 1, x2: 25, y1: 4, y2: 4 }));

// The epoch that all charts point at; without one they name the last.
const epochs = report.history.epoch;
const cursor = { index: null, charts: [] };
function pointAt(index) {
  cursor.index = index === null ? null : Math.min(Math.max(index, 0), epochs.length - 1);
  for (const chart of cursor.charts) chart.point();
}

class LineChart {
  // series: [{name, style, values}]; zero: the axis begins there; marker: an epoch.
  constructor({ title, series, format, height, zero, log = false, canLog, tickFormat, marker }) {
    Object.assign(this, { title, series, format, height, zero, log, tickFormat, marker });
    this.svg = draw("svg", { class: "plot", tabindex: 0, height, role: "slider", "aria-label": title + " by epoch",
                             "aria-valuemin": epochs[0], "aria-valuemax": epochs[epochs.length - 1] });
    this.readout = make("p", { class: "readout" });
    const header = make("header", {}, make("h3", {}, title));
    if (canLog) header.append(this.logButton());
    this.element = make("figure", { class: "chart" }, header, this.readout, this.svg);
    this.listen();
    cursor.charts.push(this);
  }

  logButton() {
    const button = make("button", { type: "button", "aria-pressed": "false" }, "log scale");
    button.addEventListener("click", () => {
      this.log = !this.log;
      button.setAttribute("aria-pressed", String(this.log));
      this.render();
    });
    return button;
  }

  listen() {
    const follow = (event) => pointAt(this.nearest(event.clientX - this.svg.getBoundingClientRect().left));
    this.svg.addEventListener("pointermove", follow);
    this.svg.addEventListener("pointerdown", follow);
    this.svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && pointAt(null));
    this.svg.addEventListener("blur", () => pointAt(null));
    this.svg.addEventListener("keydown", (event) => {
      const last = epochs.length - 1;
      const at = cursor.index === null ? last : cursor.index;
      const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: last,
                   PageDown: at - 10, PageUp: at + 10, Escape: null }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      pointAt(to);
    });
    new ResizeObserver(() => this.render()).observe(this.svg);
  }

  nearest(x) {
    let best = 0;
    epochs.forEach((e, i) => {
      if (Math.abs(this.x(e) - x) < Math.abs(this.x(epochs[best]) - x)) best = i;
    });
    return best;
  }

  scale() {
    const numbers = this.series.flatMap((s) => s.values).filter((v) => v !== null);
    const all = this.log ? numbers.filter((v) => v > 0) : numbers;
    let low = all.reduce((a, b) => Math.min(a, b), Infinity), high = all.reduce((a, b) => Math.max(a, b), -Infinity);
    if (all.length === 0) [low, high] = this.log ? [0.1, 1] : [0, 1];
    // A log scale has no 0: it stands at the foot, below what is positive.
    this.foot = this.log && numbers.includes(0);
    if (this.log) [low, high] = [low / (this.foot ? 3 : 1.1), high * 1.1];
    else if (this.zero) low = Math.min(low, 0);
    if (high === low) high = low + (Math.abs(low) || 1) * 0.1;
    if (!this.log) high += (high - low) * 0.04;
    if (!this.log && !this.zero) low -= (high - low) * 0.04;
    const width = this.svg.clientWidth;
    const named = this.series.length > 1 ? Math.max(...this.series.map((s) => s.name.length)) : 0;
    const [left, right, top, bottom] = [52, width - 18 - 6.5 * named, 10, this.height - 24];
    const span = Math.max(epochs[epochs.length - 1] - epochs[0], 1);
    const middle = epochs.length === 1 ? 0.5 : 0;
    const place = this.log ? (v) => Math.log(Math.max(v, low)) : (v) => v;
    this.x = (epoch) => left + (right - left) * ((epoch - epochs[0]) / span + middle);
    this.y = (v) => (v === null ? null
      : bottom - (bottom - top) * (place(v) - place(low)) / (place(high) - place(low)));
    return { low, high, left, right, top, bottom };
  }

  render() {
    const { low, high, left, right, top, bottom } = this.scale();
    if (right - left < 40) return;
    const parts = [];
    let steps = this.log ? logTicks(low, high) : ticks(low, high, this.height / 45);
    if (this.foot) steps = [0, ...steps.filter((v) => v > 1.6 * low)];
    for (const v of steps) {
      const y = this.y(v);
      parts.push(draw("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }),
                 draw("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, this.tickFormat(v)));
    }
    parts.push(draw("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }));
    const wanted = Math.min((right - left) / 60, epochs[epochs.length - 1] - epochs[0]);
    const marks = wanted < 1 ? [epochs[0]] : ticks(epochs[0], epochs[epochs.length - 1], wanted);
    for (const e of marks.filter(Number.isInteger))
      parts.push(draw("text", { x: this.x(e), y: bottom + 17, "text-anchor": "middle" }, counted(e)));
    if (this.marker !== undefined) {
      const x = this.x(this.marker);
      parts.push(draw("line", { class: "model", x1: x, x2: x, y1: top, y2: bottom }));
    }
    for (const s of this.series) parts.push(...this.curve(s));
    if (this.series.length > 1) parts.push(...this.names(top, bottom));
    this.mark = draw("g");
    this.svg.replaceChildren(...parts, this.mark);
    this.bounds = { top, bottom };
    this.point();
  }

  // Gaps where there is no number; a point alone is a dot.
  curve({ style, values }) {
    const dots = [];
    let path = "", drawing = false;
    values.forEach((v, i) => {
      const y = this.y(v);
      if (y !== null) {
        const x = this.x(epochs[i]);
        path += `${drawing ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
        const alone = !drawing && this.y(i + 1 < values.length ? values[i + 1] : null) === null;
        if (alone || values.length <= 30) dots.push(draw("circle", { class: style, cx: x, cy: y, r: 2 }));
      }
      drawing = y !== null;
    });
    return [draw("path", { class: "curve " + style, d: path }), ...dots];
  }

  // Each line's name at its end, moved up or down where names would cover each other.
  names(top, bottom) {
    const ends = this.series.map(({ name, style, values }) => {
      const last = values.findLastIndex((v) => this.y(v) !== null);
      return { name, style, x: this.x(epochs[last]), y: last < 0 ? null : this.y(values[last]) };
    }).filter((end) => end.y !== null).sort((a, b) => a.y - b.y);
    ends.forEach((end, i) => { end.y = Math.max(end.y, i > 0 ? ends[i - 1].y + 13 : top); });
    for (let i = ends.length - 1, limit = bottom; i >= 0; limit = ends[i--].y - 13) ends[i].y = Math.min(ends[i].y, limit);
    return ends.map(({ name, style, x, y }) => draw("text", { class: "name " + style, x: x + 7, y: y + 4 }, name));
  }

  point() {
    if (!this.mark) return;
    const i = cursor.index === null ? epochs.length - 1 : cursor.index;
    const words = this.series.map((s) => make("span", {},
      swatch(s.style), s.name + " ",
      make("data", { value: s.values[i] ?? "" }, this.format(s.values[i]))));
    this.readout.replaceChildren(make("span", {}, "epoch ", make("data", { value: epochs[i] }, counted(epochs[i]))), ...words);
    this.svg.setAttribute("aria-valuenow", epochs[i]);
    this.svg.setAttribute("aria-valuetext", this.readout.textContent);
    this.mark.replaceChildren();
    if (cursor.index === null) return;
    const x = this.x(epochs[i]);
    this.mark.append(draw("line", { class: "cursor", x1: x, x2: x, y1: this.bounds.top, y2: this.bounds.bottom }));
    for (const s of this.series) {
      const y = this.y(s.values[i]);
      if (y !== null) this.mark.append(draw("circle", { class: "at " + s.style, cx: x, cy: y, r: 4.5 }));
    }
  }
}

// A phone opens the first section alone. The contents open what they lead to; paper shows all.
const sections = [...document.querySelectorAll(".section")];
if (matchMedia("(max-width: 760px)").matches) for (const section of sections.slice(1)) section.open = false;
for (const link of document.querySelectorAll("nav a"))
  link.addEventListener("click", () => { document.querySelector(link.getAttribute("href")).open = true; });
addEventListener("beforeprint", () => { for (const section of sections) section.open = true; });
