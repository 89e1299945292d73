#!/usr/bin/env python3
"""softmax_cpu.py BENCHMARKS: prints README.md's chart of the CPU's softmax as SVG, from the table in docs/benchmarks.md.

    docs/softmax_cpu.py docs/benchmarks.md >docs/softmax_cpu.svg
"""
import re
import sys

RATIO = r"[\d.]+ / ([\d.]+) \|"
ROW = re.compile(rf"\| (\d+x\d+) \| {RATIO} {RATIO} {RATIO} {RATIO} {RATIO}")
# In the light, in the dark: those of the report (host/report/page.css).
COLOURS = {"paper": ("#fbfbfa", "#15171b"), "ink": ("#1d2024", "#e5e7ea"), "muted": ("#5b626c", "#9ba3ae"),
           "line": ("#dfe1e4", "#343941"), "forward": ("#2563c9", "#6aa9ff"), "backward": ("#c2500a", "#ff9d4d")}
LEFT, SCALE, TOP, STEP = 130, 520, 76, 44


def style(i):
    c = {name: pair[i] for name, pair in COLOURS.items()}
    return (f".paper{{fill:{c['paper']};stroke:{c['line']}}}text{{fill:{c['ink']}}}.muted{{fill:{c['muted']}}}"
            f".one{{stroke:{c['muted']}}}.forward{{fill:{c['forward']}}}.backward{{fill:{c['backward']}}}")


def draw(rows):
    bottom = TOP + STEP * len(rows)
    said = ", ".join(f"{shape} {forward} and {backward}" for shape, forward, backward in rows)
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {bottom + 20}" width="800" height="{bottom + 20}" '
           'role="img" aria-labelledby="title desc">')
    yield "<title id=\"title\">softwarp's softmax on the CPU beside oneDNN's</title>"
    yield ("<desc id=\"desc\">Time of softwarp's float softmax on two CPU cores, oneDNN's time being 1. "
           f"Forward and backward: {said}.</desc>")
    yield (f'<style>text{{font:15px system-ui,-apple-system,"Segoe UI","Noto Sans",sans-serif}}.head{{font-weight:600}}'
           f".end{{text-anchor:end}}.mid{{text-anchor:middle}}{style(0)}@media(prefers-color-scheme:dark){{{style(1)}}}</style>")
    yield f'<rect class="paper" x=".5" y=".5" width="799" height="{bottom + 19}" rx="8"/>'
    yield '<text class="head" x="24" y="34">Time on the CPU: softwarp / oneDNN, float, 2 cores. Shorter is faster.</text>'
    yield f'<path class="one" d="M{LEFT + SCALE} {TOP - 6}V{bottom}" stroke-dasharray="4 4"/>'
    yield f'<text class="muted mid" x="{LEFT + SCALE}" y="{TOP - 14}">oneDNN</text>'
    for at, name in ((LEFT, "forward"), (LEFT + 110, "backward")):
        yield f'<rect class="{name}" x="{at}" y="51" width="12" height="12"/><text x="{at + 18}" y="62">{name}</text>'
    for n, (shape, *ratios) in enumerate(rows):
        y = TOP + STEP * n
        yield f'<text class="end" x="{LEFT - 10}" y="{y + 22}">{shape}</text>'
        for i, (name, ratio) in enumerate(zip(("forward", "backward"), ratios)):
            width = SCALE * float(ratio)
            yield f'<rect class="{name}" x="{LEFT}" y="{y + 17 * i}" width="{width:.1f}" height="15"/>'
            yield f'<text class="muted" x="{LEFT + width + 8:.1f}" y="{y + 17 * i + 13}">{ratio}</text>'
    yield "</svg>"


def main(arguments):
    if len(arguments) != 1:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    with open(arguments[0], encoding="utf-8") as file:
        rows = [(m[1], m[2], m[5]) for m in map(ROW.match, file) if m]
    if not rows:
        print(f"softmax_cpu.py: {arguments[0]}: expected the table of softmax_bench", file=sys.stderr)
        return 1
    print("\n".join(draw(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
