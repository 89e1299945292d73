// The test asks the open report these questions; the answers are JSON in an element of the id probe.
setTimeout(() => {
  const place = (element) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return [left + scrollX, top + scrollY, width, height];
  };
  const style = getComputedStyle(document.documentElement);
  const values = (chart) => [...chart.querySelectorAll(".readout data")].map((d) => [d.value, d.textContent]);
  const answer = { title: document.title, charts: [], colours: {}, errors: window.seenErrors };
  for (const name of ["paper", "ink", "muted", "train", "validation", "right", "wrong", "positive", "negative"])
    answer.colours[name] = style.getPropertyValue("--" + name);

  for (const chart of document.querySelectorAll(".chart")) {
    const svg = chart.querySelector("svg"), box = svg.getBoundingClientRect();
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
  const before = document.querySelector(".curve").getAttribute("d");
  log.click();
  answer.logMoves = before !== document.querySelector(".curve").getAttribute("d");
  log.click();
  answer.logReturns = before === document.querySelector(".curve").getAttribute("d");

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
