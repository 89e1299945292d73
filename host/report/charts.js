"use strict";
// Elements, numbers and line charts. What comes from the report reaches the page as text, never as markup.

const report = JSON.parse(document.getElementById("report").textContent);
const byId = (id) => document.getElementById(id);
const svgNames = byId("confusion").namespaceURI;

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

// The epoch that all charts point at; without one they name the last.
const epochs = report.history.epoch;
const cursor = { index: null, charts: [] };
function pointAt(index) {
  cursor.index = index === null ? null : Math.min(Math.max(index, 0), epochs.length - 1);
  for (const chart of cursor.charts) chart.point();
}

class LineChart {
  // series: [{name, style, values}]; zero: the axis begins there.
  constructor({ title, series, format, height, zero, canLog, tickFormat }) {
    Object.assign(this, { title, series, format, height, zero, tickFormat, log: false });
    this.svg = draw("svg", { tabindex: 0, height, role: "slider", "aria-label": title + " by epoch",
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
    const all = this.series.flatMap((s) => s.values).filter((v) => v !== null && (!this.log || v > 0));
    let low = Math.min(...all), high = Math.max(...all);
    if (all.length === 0) [low, high] = this.log ? [0.1, 1] : [0, 1];
    if (this.log) [low, high] = [low / 1.1, high * 1.1];
    else if (this.zero) low = Math.min(low, 0);
    if (high === low) high = low + (Math.abs(low) || 1) * 0.1;
    if (!this.log) high += (high - low) * 0.04;
    if (!this.log && !this.zero) low -= (high - low) * 0.04;
    const width = this.svg.clientWidth;
    const [left, right, top, bottom] = [52, width - 18, 10, this.height - 24];
    const span = Math.max(epochs[epochs.length - 1] - epochs[0], 1);
    const middle = epochs.length === 1 ? 0.5 : 0;
    const place = this.log ? Math.log : (v) => v;
    this.x = (epoch) => left + (right - left) * ((epoch - epochs[0]) / span + middle);
    this.y = (v) => (v === null || (this.log && v <= 0) ? null
      : bottom - (bottom - top) * (place(v) - place(low)) / (place(high) - place(low)));
    return { low, high, left, right, top, bottom };
  }

  render() {
    const { low, high, left, right, top, bottom } = this.scale();
    if (right - left < 40) return;
    const parts = [];
    for (const v of this.log ? logTicks(low, high) : ticks(low, high, this.height / 45)) {
      const y = this.y(v);
      parts.push(draw("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }),
                 draw("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, this.tickFormat(v)));
    }
    parts.push(draw("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }));
    const wanted = Math.min((right - left) / 60, epochs[epochs.length - 1] - epochs[0]);
    const marks = wanted < 1 ? [epochs[0]] : ticks(epochs[0], epochs[epochs.length - 1], wanted);
    for (const e of marks.filter(Number.isInteger))
      parts.push(draw("text", { x: this.x(e), y: bottom + 17, "text-anchor": "middle" }, counted(e)));
    if (report.history.validation_loss && report.history.model !== epochs[epochs.length - 1]) {
      const x = this.x(report.history.model);
      parts.push(draw("line", { class: "model", x1: x, x2: x, y1: top, y2: bottom }));
    }
    for (const s of this.series) parts.push(...this.curve(s));
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

  point() {
    if (!this.mark) return;
    const i = cursor.index === null ? epochs.length - 1 : cursor.index;
    const words = this.series.map((s) => make("span", {},
      make("span", { class: "swatch " + s.style }), s.name + " ",
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
