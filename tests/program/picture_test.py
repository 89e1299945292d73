"""The picture in docs/benchmarks.md and the script that draws it: picture_test.py SOURCE PROGRAM"""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

PROGRAM = sys.argv.pop()
SOURCE = sys.argv.pop()
SVG = "{http://www.w3.org/2000/svg}"


def curves(svg):
    """The points of each polyline, by the name of its curve."""
    return {line.get("class").split()[1]: [tuple(map(float, p.split(","))) for p in line.get("points").split()]
            for line in svg.iter(SVG + "polyline")}


def bars(svg):
    """(class, per cent, width)"""
    found = []
    for bar in svg.iter(SVG + "rect"):
        if "bar" in bar.get("class").split():
            said = re.fullmatch(r"(\d): ([\d.]+) %", bar.find(SVG + "title").text)
            found.append((int(said[1]), float(said[2]), float(bar.get("width"))))
    return found


class ThePicture(unittest.TestCase):
    def setUp(self):
        self.path = os.path.join(SOURCE, "docs", "picture.svg")
        with open(self.path, encoding="utf-8") as file:
            self.text = file.read()
        self.svg = ElementTree.fromstring(self.text)

    def test_is_small_and_stands_alone(self):
        self.assertLess(os.path.getsize(self.path), 40000)
        for word in ("<script", "href", "url(", "@import", "<image"):
            self.assertNotIn(word, self.text)
        self.assertIn("prefers-color-scheme:dark", self.text)

    def test_holds_what_it_describes(self):
        self.assertTrue(self.svg.find(SVG + "title").text)
        description = self.svg.find(SVG + "desc").text
        epochs = int(re.search(r"over (\d+) epochs", description)[1])
        self.assertEqual({name: len(points) for name, points in curves(self.svg).items()},
                         {"train": epochs, "validation": epochs})
        self.assertEqual([c for c, _, _ in bars(self.svg)], list(range(10)))
        self.assertAlmostEqual(sum(share for _, share, _ in bars(self.svg)), 100, delta=0.1)
        likeliest = max(bars(self.svg), key=lambda bar: bar[1])
        self.assertIn(f"takes it for: {likeliest[0]} with {likeliest[1]:.0f} %", description)

    def test_is_shown_and_described_by_the_page(self):
        with open(os.path.join(SOURCE, "docs", "benchmarks.md"), encoding="utf-8") as file:
            shown = re.search(r'<img src="picture.svg"\s+alt="([^"]*)"', file.read())
        self.assertIsNotNone(shown)
        self.assertEqual(" ".join(shown[1].split()), self.svg.find(SVG + "desc").text)


class TheScript(unittest.TestCase):
    losses = [(1, 1.0, 0.5), (2, 0.1, 0.25), (3, 0.01, 0.05)]

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.write_metrics("epoch,train_loss,validation_loss", self.losses)
        self.write_prediction([0.05] * 9 + [0.55])
        with open(self.path("images"), "wb") as file:  # two of 2x2
            file.write(struct.pack(">4I", 0x803, 2, 2, 2) + bytes([0, 255, 0, 0, 255, 0, 0, 0]))

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_metrics(self, head, rows):
        with open(self.path("metrics.csv"), "w", encoding="utf-8") as file:
            file.write("\n".join([head] + [",".join(map(str, row)) for row in rows]) + "\n")

    def write_prediction(self, probabilities, index=1):
        top = [{"class": c, "probability": p} for c, p in enumerate(probabilities)]
        with open(self.path("prediction.json"), "w", encoding="utf-8") as file:
            json.dump([{"data": "x & y", "index": index, "label": 4, "predicted": 9, "top": top}], file)

    def run_script(self):
        script = os.path.join(SOURCE, "docs", "picture.py")
        return subprocess.run([sys.executable, script, self.directory, self.path("prediction.json"),
                               self.path("images"), self.path("out.svg")],
                              capture_output=True, text=True, check=False)

    def test_draws_the_numbers(self):
        run = self.run_script()
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        svg = ElementTree.parse(self.path("out.svg")).getroot()
        # A decade is as high as the next, an epoch as wide, on both curves.
        train, validation = curves(svg)["train"], curves(svg)["validation"]
        self.assertAlmostEqual(train[1][1] - train[0][1], train[2][1] - train[1][1], delta=0.02)
        self.assertGreater(train[1][1], train[0][1])
        self.assertAlmostEqual(train[1][0] - train[0][0], train[2][0] - train[1][0], delta=0.02)
        self.assertAlmostEqual((validation[2][1] - validation[0][1]) / (train[1][1] - train[0][1]), 1, delta=0.01)
        self.assertEqual([x for x, _ in train], [x for x, _ in validation])
        widths = {c: width for c, _, width in bars(svg)}
        self.assertAlmostEqual(widths[9] / widths[0], 11, delta=0.1)
        # Of the second image, the pixel that is set.
        self.assertEqual([p.get("d") for p in svg.iter(SVG + "path") if p.get("fill-opacity")], ["M0 0h1v1h-1z"])

    def test_draws_what_the_program_writes(self):
        digits = os.path.join(SOURCE, "data", "digits")
        subprocess.run([PROGRAM, "train", "--data", digits, "--epochs", "2", "--validation", "0.1", "--overwrite", "--output", "."],
                       cwd=self.directory, stdout=subprocess.DEVNULL, check=True)
        with open(self.path("prediction.json"), "w", encoding="utf-8") as file:
            subprocess.run([PROGRAM, "predict", "--model", ".", "--data", digits, "--index", "3", "--top", "10", "--json"],
                           cwd=self.directory, stdout=file, check=True)
        images = next(name for name in os.listdir(digits) if name.startswith("t10k-images"))
        shutil.copy(os.path.join(digits, images), self.path("images"))
        run = self.run_script()
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        svg = ElementTree.parse(self.path("out.svg")).getroot()
        self.assertEqual([len(points) for points in curves(svg).values()], [2, 2])
        self.assertEqual(len(bars(svg)), 10)

    def expect_refusal(self, *parts):
        run = self.run_script()
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        for part in parts:
            self.assertIn(part, run.stderr)
        self.assertFalse(os.path.exists(self.path("out.svg")))

    def test_refuses_a_training_without_validation(self):
        self.write_metrics("epoch,train_loss", [row[:2] for row in self.losses])
        self.expect_refusal("metrics.csv", "expected a column validation_loss")

    def test_refuses_a_loss_that_is_none(self):
        self.write_metrics("epoch,train_loss,validation_loss", [(1, 1, 1), (2, "nan", 1)])
        self.expect_refusal("metrics.csv:3", "expected an epoch and losses above 0")

    def test_refuses_some_of_the_probabilities(self):
        self.write_prediction([0.2, 0.3])
        self.expect_refusal("prediction.json", "expected the probabilities of 10 classes")

    def test_refuses_an_index_past_the_end(self):
        self.write_prediction([0.1] * 10, index=2)
        self.expect_refusal("images", "expected an index of at most 1", "found 2")


unittest.main()
