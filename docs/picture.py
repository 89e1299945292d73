#!/usr/bin/env python3
"""picture.py RUN PREDICTION IMAGES SVG: draws the losses of a training run and a prediction for one digit.

The picture in docs/benchmarks.md is generated, and kept because the page shows it. It was made by

    build/train/softwarp train --seed 1 --threads 2 --validation 0.1
    build/train/softwarp predict --index 4966 --top 10 --json >prediction.json
    docs/picture.py softwarp-run prediction.json data/mnist/t10k-images-idx3-ubyte.gz docs/picture.svg
"""

import csv
import gzip
import json
import math
import os
import struct
import sys
import zlib
from html import escape

# Those of the report (host/report/page.css): in the light, in the dark.
COLOURS = {"paper": ("#fbfbfa", "#15171b"), "ink": ("#1d2024", "#e5e7ea"), "muted": ("#5b626c", "#9ba3ae"),
           "line": ("#dfe1e4", "#343941"), "train": ("#2563c9", "#6aa9ff"), "validation": ("#c2500a", "#ff9d4d")}
CLASSES = 10
LEFT, RIGHT, TOP, BOTTOM = 76, 360, 84, 288  # of the curves
DIGIT_X, DIGIT_SIZE = 404, 140
BAR_X, BAR_WIDTH, BAR_Y, BAR_STEP = 588, 110, 92, 26


class BadInput(Exception):
    pass


def expects(condition, what):
    if not condition:
        raise BadInput(what)


def is_number(x, kind=(int, float)):
    return isinstance(x, kind) and not isinstance(x, bool)


def read_losses(path):
    """[(epoch, train, validation)]"""
    with open(path, newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        names = ("epoch", "train_loss", "validation_loss")
        for name in names:
            expects(name in (table.fieldnames or []),
                    f"{path}: expected a column {name} (train with --validation), found {table.fieldnames}")
        rows = []
        for row in table:
            try:
                rows.append(tuple(float(row[name]) for name in names))
            except (TypeError, ValueError):
                raise BadInput(f"{path}:{table.line_num}: expected numbers, found {list(row.values())}") from None
            expects(all(math.isfinite(x) and x > 0 for x in rows[-1]),
                    f"{path}:{table.line_num}: expected an epoch and losses above 0, found {rows[-1]}")
    expects(len(rows) > 1, f"{path}: expected at least two epochs, found {len(rows)}")
    return rows


def read_prediction(path):
    """What predict --json says of the first image, its probabilities in the order of the classes."""
    with open(path, encoding="utf-8") as file:
        try:
            said = json.load(file)
        except ValueError as error:
            raise BadInput(f"{path}: expected JSON, found {error}") from None
    entry = said[0] if isinstance(said, list) and said else said
    for key in ("index", "label", "predicted"):
        expects(isinstance(entry, dict) and is_number(entry.get(key), int) and entry[key] >= 0,
                f"{path}: expected a count as {key} (predict --index N --json)")
    top = entry.get("top")
    expects(isinstance(top, list) and all(isinstance(c, dict) and is_number(c.get("class"), int)
                                          and is_number(c.get("probability")) for c in top),
            f"{path}: expected a list of classes and probabilities as top (predict --json)")
    probabilities = {c["class"]: c["probability"] for c in top}
    expects(sorted(probabilities) == list(range(CLASSES)) and abs(sum(probabilities.values()) - 1) < 1e-3,
            f"{path}: expected the probabilities of {CLASSES} classes, which add up to 1 (predict --top {CLASSES}), "
            f"found {len(top)} that add up to {sum(probabilities.values()):.3f}")
    return {**entry, "data": str(entry.get("data", "")), "probabilities": [probabilities[c] for c in range(CLASSES)]}


def read_image(path, index):
    """Its rows of pixels, from 0 to 1."""
    with open(path, "rb") as file:
        content = file.read()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise BadInput(f"{path}: expected a gzipped file, found {error}") from None
    expects(len(content) >= 16 and content[:4] == b"\0\0\x08\x03", f"{path}: expected an IDX file of images of bytes")
    count, height, width = struct.unpack(">3I", content[4:16])
    pixels = content[16:]
    expects(height * width > 0 and len(pixels) == count * height * width,
            f"{path}: expected {count} images of {height}x{width}, found {len(pixels)} bytes")
    expects(index < count, f"{path}: expected an index of at most {count - 1}, the last image, found {index}")
    image = pixels[index * height * width:][:height * width]
    return [[x / max(1, max(pixels)) for x in image[y * width:][:width]] for y in range(height)]


def decades(low, high, steps):
    """Round numbers from the last below `low` to the first above `high`."""
    ticks = [s * 10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for s in steps]
    return ticks[max(i for i, t in enumerate(ticks) if t <= low):1 + next(i for i, t in enumerate(ticks) if t >= high)]


def draw_curves(rows):
    lowest, highest = (f(x for row in rows for x in row[1:]) for f in (min, max))
    ticks = decades(lowest, highest, (1, 2, 5))
    if len(ticks) > 8:
        ticks = decades(lowest, highest, (1,))
    first, last = rows[0][0], rows[-1][0]
    x = lambda epoch: LEFT + (RIGHT - LEFT) * (epoch - first) / (last - first)
    y = lambda loss: BOTTOM - (BOTTOM - TOP) * math.log(loss / ticks[0]) / math.log(ticks[-1] / ticks[0])
    yield '<text class="head" x="24" y="38">Cross-entropy, log scale</text>'
    for tick in ticks:
        yield (f'<path class="line" d="M{LEFT} {y(tick):.1f}H{RIGHT}"/>'
               f'<text class="muted end" x="{LEFT - 9}" y="{y(tick):.1f}" dy=".35em">{tick:g}</text>')
    step = next(s * 10**e for e in range(9) for s in (1, 2, 5) if (last - first) / (s * 10**e) <= 6)
    for epoch in range(math.ceil(first / step) * step, int(last) + 1, step):
        yield f'<text class="muted mid" x="{x(epoch):.1f}" y="{BOTTOM + 24}">{epoch}</text>'
    yield f'<text class="muted mid" x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 48}">epoch</text>'
    for column, name, at in ((1, "train", LEFT + 28), (2, "validation", LEFT + 128)):
        points = " ".join(f"{x(row[0]):.2f},{y(row[column]):.2f}" for row in rows)
        yield f'<polyline class="curve {name}" points="{points}"/>'
        yield f'<path class="curve {name}" d="M{at - 28} 62h20"/><text x="{at}" y="62" dy=".35em">{name}</text>'


def draw_digit(image):
    """A path for each of 15 shades, of runs of pixels."""
    shades = {}
    for y, row in enumerate(image):
        begin = 0
        for x in range(1, len(row) + 1):
            shade = round(15 * row[begin])
            if x == len(row) or round(15 * row[x]) != shade:
                if shade:
                    shades.setdefault(shade, []).append(f"M{begin} {y}h{x - begin}v1h-{x - begin}z")
                begin = x
    scale = DIGIT_SIZE / max(len(image), len(image[0]))
    yield f'<g class="digit" transform="translate({DIGIT_X} {TOP}) scale({scale:g})">'
    for shade, runs in sorted(shades.items()):
        yield f'<path fill-opacity="{shade / 15:.2f}" d="{"".join(runs)}"/>'
    yield f'</g><rect class="frame" x="{DIGIT_X}" y="{TOP}" width="{DIGIT_SIZE}" height="{DIGIT_SIZE}" rx="3"/>'


def draw_prediction(prediction, image):
    label, predicted, probabilities = (prediction[key] for key in ("label", "predicted", "probabilities"))
    yield f'<text class="head" x="{DIGIT_X}" y="38">Test image {prediction["index"]}</text>'
    yield from draw_digit(image)
    for word, value, y in (("labelled", label, TOP + DIGIT_SIZE + 30), ("predicted", predicted, TOP + DIGIT_SIZE + 57)):
        yield f'<text class="muted" x="{DIGIT_X}" y="{y}">{word} <tspan class="strong">{value}</tspan></text>'
    for c, p in enumerate(probabilities):
        y, width = BAR_Y + c * BAR_STEP, BAR_WIDTH * p / max(probabilities)
        seen = "strong" if c == predicted else "muted"
        share = f"{100 * p:.0f} %" if p >= 0.005 else "&lt; 1 %"
        yield (f'<text class="{seen} end" x="{BAR_X - 10}" y="{y}" dy=".35em">{c}</text>'
               f'<rect class="bar {seen}" x="{BAR_X}" y="{y - 8}" width="{width:.2f}" height="16">'
               f'<title>{c}: {100 * p:.2f} %</title></rect>'
               f'<text class="{seen}" x="{BAR_X + width + 8:.1f}" y="{y}" dy=".35em">{share}</text>')


def style():
    def rules(i):
        c = {name: pair[i] for name, pair in COLOURS.items()}
        return (f".paper{{fill:{c['paper']};stroke:{c['line']}}}text,.digit,.strong{{fill:{c['ink']}}}"
                f".muted{{fill:{c['muted']}}}.line,.frame{{stroke:{c['line']}}}"
                f".train{{stroke:{c['train']}}}.validation{{stroke:{c['validation']}}}")
    # Small on a page, the text is larger in it.
    return (f'text{{font:15px system-ui,-apple-system,"Segoe UI","Noto Sans",sans-serif}}'
            f".head{{font-size:17px}}.head,text.strong,tspan{{font-weight:600}}.end{{text-anchor:end}}.mid{{text-anchor:middle}}"
            f".line,.frame,.curve{{fill:none}}.curve{{stroke-width:2.5;stroke-linejoin:round;stroke-linecap:round}}"
            f".digit{{shape-rendering:crispEdges}}.bar.muted{{fill-opacity:.6}}{rules(0)}"
            f"@media(max-width:560px){{text{{font-size:20px}}.head{{font-size:21px}}.curve{{stroke-width:3.5}}}}"
            f"@media(prefers-color-scheme:dark){{{rules(1)}}}")


def draw(rows, prediction, image):
    likely = sorted(range(CLASSES), key=lambda c: -prediction["probabilities"][c])[:3]
    says = ", ".join(f"{c} with {100 * prediction['probabilities'][c]:.0f} %" for c in likely)
    description = (f"Left, cross-entropy over {len(rows)} epochs: it falls from {rows[0][1]:.2g} to {rows[-1][1]:.2g} in training "
                   f"and from {rows[0][2]:.2g} to {rows[-1][2]:.2g} in validation. Right, test image {prediction['index']} of "
                   f"{prediction['data']}, labelled {prediction['label']}, and what the network takes it for: {says}.")
    yield ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 360" width="800" height="360" role="img" '
           'aria-labelledby="title desc">')
    yield '<title id="title">A training run and a prediction of softwarp</title>'
    yield f'<desc id="desc">{escape(description)}</desc>'
    yield f"<style>{style()}</style>"
    yield '<rect class="paper" x=".5" y=".5" width="799" height="359" rx="8"/>'
    yield from draw_curves(rows)
    yield from draw_prediction(prediction, image)
    yield "</svg>\n"


def main(arguments):
    if len(arguments) != 4:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    run, prediction_path, images, svg = arguments
    try:
        rows = read_losses(os.path.join(run, "metrics.csv"))
        prediction = read_prediction(prediction_path)
        text = "\n".join(draw(rows, prediction, read_image(images, prediction["index"])))
        with open(svg, "w", encoding="utf-8") as file:
            file.write(text)
    except (BadInput, OSError, UnicodeDecodeError, csv.Error) as error:
        print(f"picture.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
