// The text of the page that compares runs.

const { runs } = report;
// Charts have room for short names; else for numbers.
const short = runs.every((run) => run.run.length <= 14);
const label = (i) => (short ? runs[i].run : String(i + 1));
const fullName = (i) => (short ? runs[i].run : `${i + 1} ${runs[i].run}`);
const styleOf = (i) => `run${i % 6} dash${i % 5}`;

function showRuns() {
  byId("title").textContent = document.title = `${runs.length} runs compared`;
  const interval = (run) => (run.test_error_low === null ? none : `${percent(run.test_error_low)} to ${percent(run.test_error_high)}`);
  table(byId("runs"), ["run", "test error", "95 % interval", "accuracy", "loss", "data", "network", "parameters", "epochs", "time"],
    runs.map((run, i) => [fullName(i), percent(run.test_error), interval(run), percent(run.test_accuracy), decimal(run.test_loss),
      `${run.data}, ${counted(run.test_images)}`, run.network, counted(run.parameters),
      counted(run.epochs) + (run.stopped ? ", stopped" : ""), duration(run.train_seconds)]));
  [...byId("runs").querySelectorAll("tbody tr")].forEach((row, i) => row.firstChild.prepend(swatch(styleOf(i))));
  byId("notes").append(...report.notes.map((note) => make("li", {}, note)));
}

function showCurves() {
  const lines = (part, what, of) => runs.map((run, i) => ({ name: label(i), style: styleOf(i),
    values: run.curves[`${part}_${what}`].map((v) => (v === null ? null : of(v))) }));
  for (const part of ["validation", "train"]) {
    if (!runs.some((run) => run.curves[part + "_loss"].some((v) => v !== null))) continue;
    const charts = [
      { title: `Error, ${part}`, series: lines(part, "accuracy", (v) => 1 - v), format: percent, log: true, tickFormat: plainPercent },
      { title: `Loss, ${part}`, series: lines(part, "loss", (v) => v), format: decimal, zero: true, canLog: true, tickFormat: small },
    ];
    byId("charts").append(...charts.map((options) => new LineChart({ ...options, height: 300 }).element));
  }
  for (const chart of cursor.charts) chart.render();
}

function showSettings() {
  if (report.settings.length === 0) byId("settings").replaceWith(make("p", { class: "note" }, "There are none."));
  else table(byId("settings"), ["", ...runs.map((_, i) => fullName(i))],
    report.settings.map(({ name, values }) => [name, ...values.map((value) => value || none)]));
}

showRuns();
showCurves();
showSettings();
