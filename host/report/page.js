// The text of the report page, section by section.

const className = (c) => (report.class_names && report.class_names[c]) || String(c);

function showHead() {
  const { summary, history } = report;
  const title = `${summary.network} on ${summary.data}`;
  byId("title").textContent = title;
  document.title = `${percent(summary.accuracy)} \u00b7 ${title} \u00b7 softwarp`;
  const wrong = report.mistakes.of;
  const said = [`${counted(wrong)} of ${counted(summary.images)} test images are misclassified`];
  if (history.validation_loss && history.model !== summary.epochs)
    said.push(`the model is that of epoch ${history.model}, of the lowest validation loss`);
  if (summary.stopped) said.push(`stopped in epoch ${summary.epochs}`);
  byId("subtitle").textContent = said.join("; ") + ".";
  const entries = [
    ["test accuracy", percent(summary.accuracy)],
    ["test loss", decimal(summary.loss)],
    ["training time", duration(summary.seconds)],
    ["samples/s", counted(summary.samples_per_second)],
    ["parameters", counted(summary.parameters)],
    ["epochs", counted(summary.epochs)],
  ];
  byId("headline").append(...entries.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function showCurves() {
  const h = report.history;
  const pair = (what, of = (v) => v) => ["train", "validation"].filter((part) => h[`${part}_${what}`]).map((part) =>
    ({ name: part, style: part, values: h[`${part}_${what}`].map((v) => (v === null ? null : of(v))) }));
  const one = (name, values) => [{ name, style: "train", values }];
  const rate = shown((v) => v.toPrecision(4));
  const marker = h.validation_loss && h.model !== epochs[epochs.length - 1] ? h.model : undefined;
  const charts = [
    { title: "Accuracy", series: pair("accuracy"), format: percent, height: 250, tickFormat: plainPercent },
    { title: "Error, 1 \u2212 accuracy", series: pair("accuracy", (v) => 1 - v), format: percent, height: 250, log: true, tickFormat: plainPercent },
    { title: "Loss", series: pair("loss"), format: decimal, height: 250, zero: true, canLog: true, tickFormat: small },
    { title: "Learning rate", series: one("rate", h.learning_rate), format: rate, height: 160, zero: true, tickFormat: small },
  ];
  byId("charts").append(...charts.map((options) => new LineChart({ ...options, marker }).element));
  for (const chart of cursor.charts) chart.render();
  const said = ["By epoch. Train is the mean over the epoch, each batch measured before its step."];
  said.push("Error has a logarithmic axis.");
  if (marker !== undefined) said.push(`Dotted: epoch ${h.model}, which the model is of.`);
  if (h.every > 1) said.push(`Of ${counted(report.summary.epochs)} epochs, one in ${h.every} is shown.`);
  byId("curves-note").textContent = said.join(" ");
}

// Filled when it is opened.
function showEpochs() {
  const h = report.history;
  const names = ["epoch", "steps", "learning_rate", "train_loss", "train_accuracy", "validation_loss",
                 "validation_accuracy", "seconds", "samples_per_second"].filter((name) => h[name]);
  byId("epochs").addEventListener("toggle", () => {
    table(byId("epochs").querySelector("table"), names.map((name) => name.replaceAll("_", " ")),
          epochs.map((_, i) => names.map((name) => shown(String)(h[name][i]))));
  }, { once: true });
}

function showConfusion() {
  const n = report.classes.length, counts = report.confusion;
  const size = 36, side = 38, total = side + n * size;
  const svg = byId("confusion");
  svg.setAttribute("viewBox", `0 0 ${total} ${total}`);
  svg.setAttribute("aria-label", "Confusion matrix: a row for each label, a column for each prediction. Arrow keys name a cell.");
  const wrongs = counts.map((count, i) => ({ count, label: Math.floor(i / n), predicted: i % n }))
    .filter((c) => c.count > 0 && c.label !== c.predicted).sort((a, b) => b.count - a.count);
  const most = wrongs.length ? wrongs[0].count : 1;
  const text = (x, y, what, style) => draw("text", { x, y, class: style }, String(what));
  svg.append(text(side + n * size / 2, 9, "prediction", "side"),
             draw("text", { class: "side", transform: `translate(9 ${side + n * size / 2}) rotate(-90)` }, "label"));
  const cells = new Map();
  const every = Math.ceil(n / 20);
  for (let label = 0; label < n; ++label) {
    if (label % every === 0)
      svg.append(text(27, side + (label + 0.5) * size, label, "side"), text(side + (label + 0.5) * size, 27, label, "side"));
    for (let predicted = 0; predicted < n; ++predicted) {
      const count = counts[label * n + predicted];
      if (count === 0 && n > 20) continue;
      const right = label === predicted;
      const share = right ? count / report.classes[label].images : Math.sqrt(count / most);
      const cell = draw("rect", { class: "cell" + (count === 0 ? "" : right ? " right" : " wrong"),
                                  x: side + predicted * size + 1, y: side + label * size + 1, width: size - 2,
                                  height: size - 2, rx: 2 });
      if (count > 0) cell.style.fillOpacity = (0.1 + (right ? 0.35 : 0.55) * share).toFixed(3);
      svg.append(cell);
      cells.set(label * n + predicted, cell);
      if (n <= 20 && count > 0) svg.append(text(side + (predicted + 0.5) * size, side + (label + 0.5) * size, count));
    }
  }
  const usual = wrongs.length === 0 ? "No image was read as another class." : "Most often: " +
    wrongs.slice(0, 4).map((c) => `${className(c.label)} read as ${className(c.predicted)} (${counted(c.count)})`).join(", ") + ".";
  let at = null;
  const point = (index) => {
    if (at !== null && cells.has(at)) cells.get(at).classList.remove("at");
    at = index;
    byId("confusion-note").textContent = usual;
    if (at === null) return;
    const label = Math.floor(at / n), images = report.classes[label].images;
    if (cells.has(at)) cells.get(at).classList.add("at");
    byId("confusion-note").textContent = `${className(label)} read as ${className(at % n)}: ${counted(counts[at])} of ` +
      `${counted(images)} images, ${percent(images ? counts[at] / images : null)}.`;
  };
  const follow = (event) => {
    const box = svg.getBoundingClientRect();
    const place = (v) => Math.floor((v * total / box.width - side) / size);
    const x = place(event.clientX - box.left), y = place(event.clientY - box.top);
    point(x >= 0 && x < n && y >= 0 && y < n ? y * n + x : null);
  };
  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerdown", follow);
  svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(null));
  svg.addEventListener("blur", () => point(null));
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -n, ArrowDown: n }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    point(at === null ? 0 : Math.min(Math.max(at + step, 0), n * n - 1));
  });
  point(null);
}

function showClasses() {
  const share = shown((x) => x.toFixed(4));
  table(byId("classes"), ["class", "precision", "recall", "F1", "images"], report.classes.map((c, i) =>
    [className(i) === String(i) ? String(i) : `${i} ${className(i)}`, share(c.precision), share(c.recall), share(c.f1),
     counted(c.images)]));
}

// The reliability diagram of Guo et al., arXiv:1706.04599: a bar as high as the accuracy of a bin's images, a line at
// their mean confidence, and below a bar for their number.
function showCalibration() {
  const bins = report.calibration, n = bins.length, share = shown((x) => x.toFixed(4));
  const [left, side, top, foot, below] = [40, 300, 10, 364, 48], bottom = top + side, width = side / n;
  const x = (v) => left + side * v, y = (v) => bottom - side * v;
  const most = Math.max(1, ...bins.map((bin) => bin.images));
  const range = (i) => `${(i / n).toFixed(2)} to ${((i + 1) / n).toFixed(2)}`;
  const parts = [];
  for (const v of [0, 0.2, 0.4, 0.6, 0.8, 1])
    parts.push(draw("line", { class: "grid", x1: left, x2: left + side, y1: y(v), y2: y(v) }),
               draw("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, String(v)),
               draw("text", { x: x(v), y: bottom + 16, "text-anchor": "middle" }, String(v)));
  bins.forEach((bin, i) => {
    const at = x(i / n) + 1, height = below * Math.log1p(bin.images) / Math.log1p(most);
    parts.push(draw("rect", { class: "bin", x: at, y: foot + below - height, width: width - 2, height }));
    if (bin.accuracy === null) return;
    const name = draw("title", {}, `confidence ${range(i)}: ${counted(bin.images)} images, accuracy ${share(bin.accuracy)}`);
    parts.push(draw("rect", { class: "bin", x: at, y: y(bin.accuracy), width: width - 2, height: side * bin.accuracy }, name));
    if (bin.confidence !== null)
      parts.push(draw("line", { class: "mean", x1: at, x2: at + width - 2, y1: y(bin.confidence), y2: y(bin.confidence) }));
  });
  parts.push(draw("line", { class: "diagonal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
             draw("text", { x: left + 6, y: top + 14 }, "accuracy"),
             draw("text", { x: x(0.5), y: bottom + 34, "text-anchor": "middle" }, "confidence"),
             draw("text", { x: x(0.5), y: foot + below + 15, "text-anchor": "middle" }, "images (log scale)"));
  byId("reliability").append(...parts);
  const filled = bins.map((bin, i) => [range(i), share(bin.confidence), share(bin.accuracy), counted(bin.images)])
    .filter((_, i) => bins[i].images > 0);
  table(byId("bins"), ["confidence", "mean", "accuracy", "images"], filled);
  byId("calibration").textContent = `Expected calibration error ${share(report.calibration_error)} in ${n} bins: the ` +
    "distance from each bin's accuracy (bar) to its mean confidence (line), weighted by its images. Where bars end below the dashed diagonal, the model is too sure.";
}

// Paints each picture's bytes: 127 is 0, 0 and 254 are the limits, 255 is no number.
function showImages(box, pictures, caption, name, colours) {
  const paint = pictures.shown.map((picture) => {
    const canvas = make("canvas", { width: pictures.width, height: pictures.height, role: "img", "aria-label": name(picture) });
    box.append(make("figure", {}, canvas, make("figcaption", {}, ...caption(picture))));
    const bytes = Uint8Array.from(atob(picture.pixels), (c) => c.charCodeAt(0));
    return (style) => {
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, canvas.width, canvas.height);
      bytes.forEach((byte, i) => {
        if (byte === 255) return;
        context.fillStyle = style.getPropertyValue(byte < 127 ? colours[0] : colours[1]);
        context.globalAlpha = Math.abs(byte - 127) / 127;
        context.fillRect(i % canvas.width, Math.floor(i / canvas.width), 1, 1);
      });
    };
  });
  const all = () => {
    const style = getComputedStyle(document.documentElement);
    for (const one of paint) one(style);
  };
  all();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
}

// Only where images were deformed.
function showDeformed() {
  if (report.deformed)
    showImages(byId("deformed"), report.deformed, (p) => [className(p.label)],
      (p) => `a training image of ${className(p.label)} above its deformation`, ["--ink", "--ink"]);
  else
    for (const part of document.querySelectorAll("#deformed-section, nav a[href='#deformed-section']")) part.remove();
}

function showMistakes() {
  const m = report.mistakes;
  byId("mistakes-note").textContent = m.of === 0 ? "There are none."
    : `${m.shown.length} of ${counted(m.of)}, by the probability given to the wrong class.`;
  showImages(byId("mistakes"), m,
    (p) => [make("b", {}, className(p.label)), " read as ", make("b", {}, className(p.predicted)), make("br"), percent(p.probability)],
    (p) => `test image ${p.image}: ${className(p.label)} read as ${className(p.predicted)}`, ["--ink", "--ink"]);
}

function showWeights() {
  const w = report.weights;
  const name = (unit) => (w.classes ? `class ${className(unit)}` : `unit ${unit}`);
  byId("weights-note").textContent = `${w.shown.length} of ${counted(w.of)} ${w.classes ? "classes" : "units"}, ` +
    `those of largest norm: what each pixel is multiplied by. The colours end at the 99th percentile.`;
  const [low, , high] = byId("weights-legend").children;
  low.textContent = signed(w.limit === null ? null : -w.limit);
  high.textContent = "+" + decimal(w.limit);
  showImages(byId("weights"), w,
    (p) => [name(p.unit), make("br"), `norm ${shown((x) => x.toFixed(2))(p.norm)}`],
    (p) => `weights of ${name(p.unit)}`, ["--negative", "--positive"]);
}

function showPairs(element, pairs) {
  element.append(...pairs.map((p) => make("tr", p.chosen ? { class: "chosen" } : {},
    make("th", { scope: "row" }, p.name), make("td", {}, p.value))));
}

showHead();
showCurves();
showEpochs();
showConfusion();
showClasses();
showCalibration();
showDeformed();
showMistakes();
showWeights();
showPairs(byId("settings"), report.settings);
showPairs(byId("environment"), report.environment);
