#!/usr/bin/env python3
"""browser_test.py PROGRAM DIGITS OUT: trains on a copy of the digits, opens the report in headless Chromium, as
wide as a desk's screen and a phone's, light and dark, points at what it shows, and looks for it on screenshots.
"""
import base64
import csv
import gzip
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM, DIGITS, OUT = (os.path.abspath(path) for path in sys.argv[1:4])
try:
    import numpy
    import PIL
except ImportError as error:
    print(f"skipped: {error} (Debian packages python3-pil, python3-numpy)")
    sys.exit(77)
from browser import Browser, SCHEMES, find_chromium, write_framed, write_with

CHROMIUM = find_chromium()
if CHROMIUM is None:
    print("skipped: found no Chromium or Chrome that starts (Debian package chromium)")
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
# A name that would be a picture and run a script if the page took it for markup.
DATA = "digits<img src=x onerror=document.title=1>"
EPOCHS, WIDTH, PHONE = 12, 1280, 390
FIRST = ("window.seenErrors=[];addEventListener('error',e=>seenErrors.push(e.message));"
         "addEventListener('securitypolicyviolation',e=>seenErrors.push(e.violatedDirective))")


def train():
    os.mkdir(DATA)
    for name in os.listdir(DIGITS):
        if "ubyte" in name:
            shutil.copy(os.path.join(DIGITS, name), DATA)
    subprocess.run([PROGRAM, "train", "--device", "cpu", "--threads", "1", "--data", DATA, "--hidden", "24",
                    "--epochs", str(EPOCHS), "--validation", "0.2", "--lr", "0.01", "--augment", "affine", "--degrees", "5",
                    "--shear", "5", "--scale", "0.95,1.05", "--output", "run"],
                   check=True, stdout=subprocess.DEVNULL)


def rows_of(file):
    with open(file) as lines:
        return list(csv.DictReader(lines))


def equal(found, expected, what):
    assert found == expected, f"{what}: expected {expected}, found {found}"


def check_words(said, report, width):
    equal(said["errors"], [], "errors")
    equal(said["requests"], [], "requests")
    equal(said["images"], 0, "pictures made of a name")
    equal(said["width"], width, "the window's width")
    equal(said["wide"], [], f"wider than {width} pixels")
    assert said["pageWidth"] <= width, f"the page is {said['pageWidth']} pixels wide of {width}"
    with open("run/summary.json") as file:
        accuracy = json.load(file)["test_accuracy"]
    equal(said["title"], f"{100 * accuracy:.2f} % \u00b7 64-24-10 on {DATA} \u00b7 softwarp", "title")
    equal(said["nameless"], [], "lines without a dash or a name of their own")
    for word in ("--lr0.01", "--hidden24", "--dropout0.2"):
        assert word in said["settings"], said["settings"]
    assert DATA in said["environment"], said["environment"]

    n = 10
    equal(len(said["cells"]), n * n, "cells")
    for i, cell in enumerate(said["cells"]):
        count = report["confusion"][i]
        assert cell["note"].startswith(f"{i // n} read as {i % n}: {count} of "), cell["note"]
    assert said["usual"].startswith("Most often: "), said["usual"]
    shown = report["mistakes"]["shown"]
    assert len(shown) > 0
    equal(said["captions"], [f"{m['label']} read as {m['predicted']}{100 * m['probability']:.2f} %" for m in shown], "captions")
    equal(len(said["weights"]), 24, "units")
    equal(len(said["deformed"]), 16, "deformed images")
    check_deformed(report["deformed"])
    # The reliability diagram, in its own units: bars as high as accuracies, lines at mean confidences.
    bins = report["calibration"]
    filled = [b for b in bins if b["images"] > 0]
    equal(len(bins), 15, "bins")
    equal(sum(b["images"] for b in bins), sum(report["confusion"]), "images in bins")
    equal(len(said["bins"]), len(filled) + 1, "rows of bins")
    for found, b in zip(said["bins"][1:], filled):
        equal(found[1:], [f"{b['confidence']:.4f}", f"{b['accuracy']:.4f}", str(b["images"])], "a bin's numbers")
    diagonal = said["diagonal"]
    place = lambda share: diagonal[0] + share * (diagonal[1] - diagonal[0])
    for (bar, mean), b in zip(said["reliability"], filled):
        assert abs(bar - place(b["accuracy"])) < 0.01 and abs(mean - place(b["confidence"])) < 0.01, (bar, mean, b)
    error = sum(b["images"] * abs(b["accuracy"] - b["confidence"]) for b in filled) / sum(b["images"] for b in filled)
    assert f"error {error:.4f}" in said["calibration"], (error, said["calibration"])
    equal(said["broken"], [], "contents that lead nowhere")


def check_deformed(pictures):
    """Above, the first training images that are not held out; below, what softwarp makes of each."""
    equal((pictures["height"], pictures["width"]), (8 + 1 + 8, 8), "size of an image and its deformation")
    with gzip.open(os.path.join(DIGITS, "train-images-idx3-ubyte.gz")) as file:
        images = numpy.frombuffer(file.read(), numpy.uint8, offset=16).reshape(-1, 8, 8)
    at = -1
    for picture in pictures["shown"]:
        both = numpy.frombuffer(base64.b64decode(picture["pixels"]), numpy.uint8).reshape(17, 8)
        original = (both[:8].astype(int) - 127) * 16 / 127
        at += 1
        while numpy.abs(images[at] - original).max() > 0.5:  # held out
            at += 1
        equal(set(both[8]), {127}, "the row between")
        assert (both[:8] != both[9:]).any(), picture
    assert 16 <= at < 40, at


def check_phone(said):
    """Folded but for the first section, and each part of it for a thumb."""
    equal(said["folded"], [False] + [True] * 6, "folded sections")
    print(f"the page is {said['firstHeight']} pixels high on a phone, {said['openHeight']} unfolded", flush=True)
    assert said["firstHeight"] < 2600, said["firstHeight"]
    equal(said["small"], [], "less than 44 pixels to touch")


def check_curves(said):
    """Every number that a pointer or a key brings up is that of metrics.csv."""
    metrics, times = rows_of("run/metrics.csv"), rows_of("run/times.csv")
    columns = {"Accuracy": ["train_accuracy", "validation_accuracy"],
               "Error, 1 \u2212 accuracy": ["train_error", "validation_error"],
               "Loss": ["train_loss", "validation_loss"], "Learning rate": ["learning_rate"]}
    for row in metrics:
        row.update({f"{part}_error": 1 - float(row[f"{part}_accuracy"]) for part in ("train", "validation")})
    equal([chart["title"] for chart in said["charts"]], list(columns), "charts")
    for chart in said["charts"]:
        names = columns[chart["title"]]
        expected = [[float(row["epoch"])] + [float({**row, **time}[name]) for name in names]
                    for row, time in zip(metrics, times)]
        numbers = lambda readout: [float(value) for value, _ in readout]
        equal([numbers(readout) for readout in chart["hovered"]], expected, chart["title"])
        equal(numbers(chart["atRest"]), expected[-1], chart["title"] + " at rest")
        equal(numbers(chart["afterwards"]), expected[-1], chart["title"] + " without a pointer")
        equal(numbers(chart["second"]), expected[1], chart["title"] + " by keys")
        equal(chart["marks"], len(names), "marks")
        assert chart["spoken"].startswith("epoch 2"), chart["spoken"]
    accuracy, error, loss = said["charts"][:3]
    # On a log axis, what halves the error moves the curve as far wherever it is.
    heights = [(math.log(row["train_error"]), spot[1]) for row, spot in zip(metrics, error["spots"])]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(heights, heights[3:]) if abs(b[0] - a[0]) > 0.2]
    assert len(slopes) > 2 and max(slopes) - min(slopes) < 0.05 * abs(slopes[0]) and slopes[0] < 0, slopes
    for i, row in enumerate(metrics):
        equal(loss["hovered"][i][1][1], f"{float(row['train_loss']):.4f}", "the loss as text")
        equal(accuracy["hovered"][i][2][1], f"{100 * float(row['validation_accuracy']):.2f} %", "the accuracy as text")
    # The curve is at the right height: lower loss is lower on the page.
    by_loss = sorted(range(EPOCHS), key=lambda i: float(metrics[i]["train_loss"]))
    heights = [loss["spots"][i][1] for i in by_loss]
    equal(heights, sorted(heights, reverse=True), "the heights of the curve")
    assert said["logMoves"] and said["logReturns"], "the log scale does nothing, or cannot be undone"
    equal(len(said["rows"]), EPOCHS + 1, "rows of numbers")
    for row, cells in zip(metrics, said["rows"][1:]):
        equal([float(cell) for cell in cells[:7]], [float(row[name]) for name in list(row)[:7]], "the table's numbers")


def colour(text):
    return numpy.array([int(text.strip()[i:i + 2], 16) for i in (1, 3, 5)], float)


def contrast(a, b):
    """Of the WCAG: 1 to 21."""
    def luminance(rgb):
        share = rgb / 255
        return numpy.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    bright, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def cut(photo, place):
    left, top, width, height = (round(v) for v in place)
    return photo[top:top + height, left:left + width]


def check_photo(photo, said, report, scheme):
    colours = {name: colour(text) for name, text in said["colours"].items()}
    paper = colours["paper"]
    assert (paper.mean() > 128) == (scheme == "light"), f"the paper is {paper} in the {scheme} scheme"
    equal(photo[2, 2].tolist(), paper.tolist(), "the paper")
    for name in ("ink", "muted", "train", "validation"):
        assert contrast(colours[name], paper) >= 4.5, f"{name} on paper: {contrast(colours[name], paper):.2f}"

    # The curves cross their charts from the first spot to the last.
    for chart in said["charts"]:
        inside = cut(photo, chart["place"])
        for name in ("train", "validation")[:len(chart["atRest"]) - 1]:
            columns = (numpy.abs(inside - colours[name]).sum(axis=2) < 60).any(axis=0)
            first, last = (round(spot[0]) for spot in (chart["spots"][0], chart["spots"][-1]))
            share = columns[first:last].mean()
            # A dashed line has gaps, and names have its colour.
            assert share > (0.9 if name == "train" else 0.5), f"{chart['title']}: {name} is seen in {share:.0%} of the columns"
            assert not columns[:first - 6].any(), f"{chart['title']}: {name} left of the first epoch"

    # Beside a cell's number: diagonal blue, mistakes red, nothing grey.
    for i, cell in enumerate(said["cells"]):
        pixel = cut(photo, cell["place"])[5, 5]
        tint = pixel[2] - pixel[0]
        if report["confusion"][i] == 0:
            assert abs(tint) < 16, f"cell {i} is empty and {pixel}"
        elif i // 10 == i % 10:
            assert tint > 40, f"cell {i} is right and {pixel}"
        else:
            assert tint < -30, f"cell {i} is wrong and {pixel}"

    # Each image, pixel by pixel, where it lies on the page.
    for name, positive, negative in (("mistakes", "ink", "ink"), ("deformed", "ink", "ink"), ("weights", "positive", "negative")):
        pictures = report[name]
        for place, picture in zip(said[name], pictures["shown"]):
            share = (numpy.frombuffer(base64.b64decode(picture["pixels"]), numpy.uint8).astype(float) - 127) / 127
            share = share.reshape(pictures["height"], pictures["width"], 1)
            expected = paper + numpy.abs(share) * (numpy.where(share < 0, colours[negative], colours[positive]) - paper)
            left, top, width, height = place
            rows = top + 1 + (numpy.arange(pictures["height"]) + 0.5) * (height - 2) / pictures["height"]
            cols = left + 1 + (numpy.arange(pictures["width"]) + 0.5) * (width - 2) / pictures["width"]
            found = photo[numpy.ix_(rows.astype(int), cols.astype(int))]
            worst = numpy.abs(found - expected).max()
            assert worst < 12, f"{name}: a pixel is {worst:.0f} away from what it shows"


def check_blanks(browser, text, report):
    """A report of which few numbers are finite, of no mistake and of more classes than have room for their counts."""
    blank = json.loads(json.dumps(report))
    for key in ("accuracy", "loss", "samples_per_second"):
        blank["summary"][key] = None
    history = blank["history"]
    for key, values in history.items():
        if isinstance(values, list):
            history[key] = values[:5] if key in ("epoch", "steps") else [None] * 5
    history["train_loss"] = [4, 2, None, 3, None]
    history["train_accuracy"] = [0.5, 1, None, 0.98, 1]
    blank["calibration"] = [{"confidence": None, "accuracy": None, "images": 0}] * 14 + [
        {"confidence": None, "accuracy": 0.5, "images": 4}]
    blank["class_names"] = ["plane", "<b>", "bird"]
    n = 30
    blank["classes"] = [{"precision": None, "recall": None, "f1": None, "images": 0}] * n
    blank["confusion"] = [0] * (n * n)
    blank["confusion"][2 * n + 1] = 7
    blank["mistakes"] = {"height": 8, "width": 8, "of": 0, "shown": []}
    del blank["deformed"]
    blank["weights"]["limit"] = None
    blank["weights"]["shown"][0]["norm"] = None
    blank["weights"]["shown"][0]["pixels"] = base64.b64encode(bytes([255] * 64)).decode()
    before, after = text.split('id="report">')
    with open("blank.html", "w") as file:
        file.write(before + 'id="report">' + json.dumps(blank).replace("<", "\\u003c") + after[after.index("</script>"):])
    write_with("blank.html", "blank_probed.html", FIRST, """
        document.querySelector(".chart button").click();
        const readout = document.querySelectorAll(".readout")[2];
        const error = document.querySelectorAll(".plot")[1];
        const pre = document.createElement("pre");
        pre.id = "probe";
        pre.textContent = JSON.stringify({ errors: seenErrors, headline: document.querySelector("#headline dd").textContent,
          readout: readout.textContent, curves: [...document.querySelectorAll("path.curve")].map((c) => c.getAttribute("d")),
          dots: document.querySelectorAll(".chart circle").length, errorTicks: [...error.querySelectorAll("text")].map((t) => t.textContent), firstClasses: document.querySelector("#classes tbody").textContent,
          usual: document.getElementById("confusion-note").textContent, cells: document.querySelectorAll(".cell").length, head: document.title, deformed: [...document.querySelectorAll("[id^=deformed], [href^='#deformed']")].length,
          broken: /NaN|undefined|null|Infinity/.test(document.querySelector("main").outerHTML) });
        document.body.append(pre);""")
    said = json.loads(browser.text_of("blank_probed.html", "probe", WIDTH, 2000))
    equal(said["errors"], [], "errors")
    equal(said["headline"], "\u2013", "what stands for no number")
    equal([re.sub("[^ML]", "", curve) for curve in said["curves"]], ["MLML", "", "MLML", "", "MLM", "", ""], "curves with gaps")
    equal(said["dots"], 11, "dots")
    # An error of 0 stands at the foot of the axis.
    assert "0 %" in said["errorTicks"] and "50 %" in said["errorTicks"], said["errorTicks"]
    error = [[float(v) for v in point.split()] for point in re.findall("[ML]([^ML]*)", said["curves"][2])]
    assert error[1][1] == error[3][1] == 226 and error[0][1] < error[2][1] < 200, error
    equal(said["usual"], "Most often: bird read as <b> (7).", "names of classes")
    assert said["firstClasses"].startswith("0 plane\u2013"), said["firstClasses"][:40]
    equal(said["readout"], "epoch 5train \u2013validation \u2013", "what stands for no number in a chart")
    equal(said["deformed"], 0, "what stands for no deformation")
    equal(said["cells"], 1, "cells of a matrix that is nearly empty")
    equal(said["broken"], False, "words of JavaScript on the page")


def check_comparison(browser):
    """Four runs of different length: every number of their charts, and lines that differ without their colours."""
    runs = {"short": ["--epochs", "2"], "a-run-with-a-long-name": ["--hidden", "4"], "third": ["--seed", "3"],
            "plain": ["--validation", "0"]}
    for name, flags in runs.items():
        subprocess.run([PROGRAM, "train", "--device", "cpu", "--threads", "1", "--data", "digits", "--hidden", "8", "--epochs",
                        "4", "--validation", "0.2", "--output", name, *flags], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([PROGRAM, "compare", *runs], check=True, stdout=subprocess.DEVNULL)
    probed = write_with("compare.html", "compare_probed.html", FIRST, COMPARISON)
    write_framed(probed, "compare_phone.html", PHONE, 800,
                 "addEventListener('message',e=>{const p=document.createElement('pre');p.id='answer';"
                 "p.textContent=e.data;document.body.append(p)})")
    metrics = {name: rows_of(f"{name}/metrics.csv") for name in runs}

    def value(name, epoch, column, of=lambda v: v):
        text = metrics[name][epoch][column] if epoch < len(metrics[name]) else ""
        return of(float(text)) if text else None
    error = lambda v: 1 - v
    for page, element, width in (("compare_probed.html", "probe", WIDTH), ("compare_phone.html", "answer", PHONE)):
        for scheme in SCHEMES:
            said = json.loads(browser.text_of(page, element, max(width, 500), 900, scheme))
            equal(said["errors"], [], "errors")
            equal(said["folded"], [False] + [width == PHONE] * 2, "folded sections")
            assert said["pageWidth"] <= width, said["pageWidth"]
            equal([row[0] for row in said["runs"][1:]], [f"{i + 1} {name}" for i, name in enumerate(runs)], "runs")
            equal([chart["title"] for chart in said["charts"]],
                  ["Error, validation", "Loss, validation", "Error, train", "Loss, train"], "charts")
            for chart, (column, of) in zip(said["charts"], (("validation_accuracy", error), ("validation_loss", float),
                                                            ("train_accuracy", error), ("train_loss", float))):
                expected = [[epoch + 1.0] + [value(name, epoch, column, of) for name in runs] for epoch in range(4)]
                equal([[float(v) if v else None for v in readout] for readout in chart["hovered"]], expected, chart["title"])
                equal(len(set(chart["dashes"])), len(runs), "dashes")
                equal(chart["names"], [str(i + 1) for i, name in enumerate(runs) if expected[0][i + 1] is not None],
                      "names at the lines' ends")
            assert ["--seed", "1", "1", "3", "1"] in said["settings"], said["settings"]
            for name in said["colours"][1:]:
                assert contrast(colour(name), colour(said["colours"][0])) >= 4.5, (name, scheme)
    print("passed: comparison", flush=True)


COMPARISON = """
setTimeout(() => {
  const folded = sections.map((section) => !section.open);
  for (const section of sections) section.open = true;
  const style = getComputedStyle(document.documentElement);
  const rows = (id) => [...document.querySelectorAll(id + " tr")].map((tr) => [...tr.children].map((c) => c.textContent));
  setTimeout(() => {
    const charts = [...document.querySelectorAll(".chart")].map((chart) => ({
      title: chart.querySelector("h3").textContent,
      hovered: epochs.map((_, i) => {
        pointAt(i);
        return [...chart.querySelectorAll(".readout data")].map((d) => d.value);
      }),
      dashes: [...chart.querySelectorAll("path.curve")].map((line) => getComputedStyle(line).strokeDasharray),
      names: [...chart.querySelectorAll("text.name")].map((name) => name.textContent).sort(),
    }));
    const pre = document.createElement("pre");
    pre.id = "probe";
    pre.textContent = JSON.stringify({ errors: seenErrors, folded, charts, runs: rows("#runs"), settings: rows("#settings"),
      pageWidth: document.documentElement.scrollWidth,
      colours: ["paper", "train", "validation", "third", "fourth", "fifth", "ink"].map((c) => style.getPropertyValue("--" + c)) });
    document.body.append(pre);
    parent.postMessage(pre.textContent, "*");
  }, 300);
}, 300);"""


def main():
    browser = Browser(CHROMIUM)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        train()
        with open("run/report.html") as file:
            text = file.read()
        report = json.loads(text.split('id="report">')[1].split("</script>")[0])
        with open(os.path.join(HERE, "probe.js")) as file:
            probed = write_with("run/report.html", "probed.html", FIRST, file.read())
        write_framed(probed, "phone_probed.html", PHONE, 800,
                     "addEventListener('message',e=>{const p=document.createElement('pre');p.id='answer';"
                     "p.textContent=e.data;document.body.append(p)})")
        write_with("run/report.html", "unfolded.html", "", "for (const section of sections) section.open = true")
        with open("unfolded.html") as file:
            write_framed(file.read(), "phone.html", PHONE, 6500)
        check_blanks(browser, text, report)
        print("passed: blanks", flush=True)
        check_comparison(browser)
        for scheme in SCHEMES:
            said = json.loads(browser.text_of("probed.html", "probe", WIDTH, 4000, scheme))
            check_words(said, report, WIDTH)
            check_curves(said)
            photo = browser.photograph("run/report.html", f"{OUT}/desk-{scheme}.png", WIDTH, said["height"], scheme)
            check_photo(photo, said, report, scheme)
            print(f"passed: {WIDTH} pixels, {scheme}", flush=True)
            said = json.loads(browser.text_of("phone_probed.html", "answer", 500, 900, scheme))
            check_phone(said)
            check_words(said, report, PHONE)
            check_curves(said)
            photo = browser.photograph("phone.html", f"{OUT}/phone-{scheme}.png", 500, 6500, scheme)
            check_photo(photo, said, report, scheme)
            print(f"passed: {PHONE} pixels, {scheme}", flush=True)


os.makedirs(OUT, exist_ok=True)
main()
