// The test asks the open report these questions; the answers are JSON in an element of the id probe.
setTimeout(() => {
  // Before it is unfolded.
  const folds = [...document.querySelectorAll("details.section")];
  const folded = folds.map((d) => !d.open), firstHeight = document.documentElement.scrollHeight;
  const small = [...document.querySelectorAll("a, button, summary")].filter((e) => e.getClientRects().length > 0)
    .filter((e) => e.getBoundingClientRect().height < 44 || e.getBoundingClientRect().width < 44).map((e) => e.textContent);
  // In a frame whose text is an attribute, a link leads to the page around it.
  document.querySelector("nav").addEventListener("click", (event) => parent !== window && event.preventDefault());
  const broken = [...document.querySelectorAll("nav a")].filter((a) => {
    a.click();
    return !document.querySelector(a.getAttribute("href")).open;
  }).map((a) => a.textContent);
  scrollTo(0, 0);
  for (const fold of folds) fold.open = true;
  const openHeight = document.documentElement.scrollHeight;

  const place = (element) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return [left + scrollX, top + scrollY, width, height];
  };
  const style = getComputedStyle(document.documentElement);
  const values = (chart) => [...chart.querySelectorAll(".readout data")].map((d) => [d.value, d.textContent]);
  const answer = { title: document.title, charts: [], colours: {}, errors: window.seenErrors, folded, firstHeight,
                   openHeight, small, broken };
  for (const name of ["paper", "ink", "muted", "train", "validation", "right", "wrong", "positive", "negative"])
    answer.colours[name] = style.getPropertyValue("--" + name);

  for (const chart of document.querySelectorAll(".chart")) {
    const svg = chart.querySelector("svg.plot"), box = svg.getBoundingClientRect();
    const path = svg.querySelector("path.curve").getAttribute("d");
    const spots = [...path.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map((m) => [Number(m[1]), Number(m[2])]);
    const said = { title: chart.querySelector("h3").textContent, place: place(svg), spots, atRest: values(chart) };
    said.hovered = spots.map(([x, y]) => {
      svg.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + x, clientY: box.top + y }));
      return values(chart);
    });
    said.marks = svg.querySelectorAll("circle.at").length;
    svg.dispatchEvent(new PointerEvent("pointerleave", { pointerType: "mouse" }));
    said.afterwards = values(chart);
    svg.focus();
    const press = (key) => svg.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
    press("Home");
    press("ArrowRight");
    said.second = values(chart);
    said.spoken = svg.getAttribute("aria-valuetext");
    svg.blur();
    answer.charts.push(said);
  }
  const log = document.querySelector(".chart button");
  const drawn = () => log.closest(".chart").querySelector("path.curve").getAttribute("d");
  const before = drawn();
  log.click();
  answer.logMoves = before !== drawn();
  log.click();
  answer.logReturns = before === drawn();
  // Lines of one chart: each dashed in its own way, in its legend too, and named at its end.
  answer.nameless = [...document.querySelectorAll(".chart")].filter((chart) => {
    const dashes = (what) => [...chart.querySelectorAll(what)].map((line) => getComputedStyle(line).strokeDasharray);
    const lines = dashes("path.curve");
    return new Set(lines).size !== lines.length || String(lines) !== String(dashes(".swatch line")) ||
      (lines.length > 1 && chart.querySelectorAll("text.name").length !== lines.length);
  }).map((chart) => chart.textContent);

  answer.bins = [...document.querySelectorAll("#bins tr")].map((tr) => [...tr.children].map((c) => c.textContent));
  const number = (element, name) => Number(element.getAttribute(name));
  const reliability = document.getElementById("reliability"), diagonal = reliability.querySelector(".diagonal");
  answer.diagonal = [number(diagonal, "y1"), number(diagonal, "y2")];
  const bars = [...reliability.querySelectorAll(".bin")].filter((bar) => bar.querySelector("title"));
  const means = reliability.querySelectorAll(".mean");
  answer.reliability = bars.map((bar, i) => [number(bar, "y"), number(means[i], "y1")]);
  answer.calibration = document.getElementById("calibration").textContent;

  const matrix = document.getElementById("confusion"), box = matrix.getBoundingClientRect();
  answer.matrix = place(matrix);
  answer.usual = document.getElementById("confusion-note").textContent;
  answer.cells = [...matrix.querySelectorAll(".cell")].map((cell) => {
    const at = cell.getBoundingClientRect();
    matrix.dispatchEvent(new PointerEvent("pointermove", { clientX: at.left + at.width / 2, clientY: at.top + at.height / 2 }));
    return { place: place(cell), note: document.getElementById("confusion-note").textContent };
  });
  matrix.dispatchEvent(new PointerEvent("pointerleave", { pointerType: "mouse" }));
  answer.mistakes = [...document.querySelectorAll("#mistakes canvas")].map(place);
  answer.deformed = [...document.querySelectorAll("#deformed canvas")].map(place);
  answer.weights = [...document.querySelectorAll("#weights canvas")].map(place);
  answer.captions = [...document.querySelectorAll("#mistakes figcaption")].map((c) => c.textContent);
  answer.settings = document.getElementById("settings").textContent;
  answer.environment = document.getElementById("environment").textContent;
  answer.images = document.images.length;
  answer.height = document.documentElement.scrollHeight;
  answer.requests = performance.getEntriesByType("resource").map((entry) => entry.name);

  document.getElementById("epochs").open = true;
  setTimeout(() => {
    answer.rows = [...document.querySelectorAll("#epochs tr")].map((tr) => [...tr.children].map((c) => c.textContent));
    // Not what a box that scrolls by itself holds.
    answer.wide = [...document.body.querySelectorAll("*")]
      .filter((e) => !e.closest(".scroll") || e.matches(".scroll"))
      .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5)
      .map((e) => `${e.tagName} ${e.id} ${e.className.baseVal ?? e.className}`);
    answer.pageWidth = document.documentElement.scrollWidth;
    answer.width = innerWidth;
    const pre = document.createElement("pre");
    pre.id = "probe";
    pre.textContent = JSON.stringify(answer);
    document.body.append(pre);
    parent.postMessage(pre.textContent, "*");
  }, 200);
}, 500);
