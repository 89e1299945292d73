"""Tests on_device.sh with programs that only pretend to measure (program.py): on_device_test.py SOURCE"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv.pop()).resolve()
HERE = pathlib.Path(__file__).resolve().parent
STAGES = ["machine", "train", "agree", "tests", "softmax", "linear", "training", "peers", "sanitize"]


class OnDevice(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = pathlib.Path(directory.name)
        self.out = self.folder / "out"
        root = self.folder / "bundle"
        shutil.copytree(SOURCE / "bench" / "gpu", root)
        (root / "commit").write_text("0000000 Made for a test\n", encoding="utf-8")
        fixture = json.loads((HERE / "fixture.json").read_text(encoding="utf-8"))
        (root / "prediction.json").write_text(json.dumps(fixture["prediction"]), encoding="utf-8")
        for folder, names in (("bin", ["softwarp", "softmax_bench", "softmax_bench_without_cudnn", "linear_bench", "training_bench", "ops_test_gpu",
                                       "kernels_gpu_test"]),
                              ("tools", ["nvidia-smi", "compute-sanitizer", "nproc"])):
            (root / folder).mkdir()
            for name in names:
                (root / folder / name).symlink_to(HERE / "program.py")
        self.script, self.tools = root / "on_device.sh", root / "tools"

    def run_it(self, *stages, **environment):
        # No GPU for whatever PyTorch there is.
        run = subprocess.run([self.script, self.out, *stages], capture_output=True, text=True, check=False, cwd=self.folder,
                             env=os.environ | {"PATH": f"{self.tools}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": ""}
                             | environment)
        self.said = run.stdout + run.stderr
        self.last = run.stdout.split("== summary\n")[-1].splitlines()
        results = {}
        for line in (self.out / "summary.txt").read_text(encoding="utf-8").splitlines() if self.out.exists() else ():
            if line.startswith("== ") and line.split()[1].rstrip(":") in STAGES:
                results[line.split()[1].rstrip(":")] = line.split(": ", 1)[1].split(",")[0]
        return run.returncode, results

    def test_runs_every_stage_and_writes_the_page_last(self):
        code, results = self.run_it()
        self.assertEqual(code, 0, self.said)
        self.assertEqual(results, dict.fromkeys(STAGES, "passed") | {"peers": "not run"}, self.said)
        self.assertEqual(sorted(p.name for p in self.out.iterdir()),
                         ["fixture-9.json", "fixture-9.md", "logs.tar.gz", "summary.txt"])
        summary = (self.out / "summary.txt").read_text(encoding="utf-8")
        self.assertEqual(self.last[0], "tests: 6 passed, 0 failed, 0 skipped", self.said)
        self.assertEqual([line.split(":")[0] for line in self.last if line.startswith("== ")][:-1],
                         [f"== {stage}" for stage in STAGES], self.said)
        self.assertEqual(self.last[-1], "== 8 stages passed, 0 failed, 1 not run")
        self.assertIn("ops_test_gpu: ", summary)
        self.assertIn("kernels_gpu_test: ", summary)
        self.assertTrue(summary.endswith(self.last[-1] + "\n"), summary)
        with tarfile.open(self.out / "logs.tar.gz") as logs:
            self.assertIn("./tests_ops_test_gpu.3.log", logs.getnames())

    def test_a_program_that_hangs_does_not_hide_the_others(self):
        code, results = self.run_it("machine", "linear", "agree", FIXTURE_HANG="linear_bench", SOFTWARP_STAGE_SECONDS="6")
        self.assertEqual(code, 1)
        self.assertEqual(results, {"machine": "passed", "linear": "failed", "agree": "passed"}, self.said)
        self.assertIn("FAULT linear_forward: stopped at its time limit", self.said)
        self.assertIn("== 2 stages passed, 1 failed, 0 not run", self.said)
        self.assertLess(int(re.search(r"== linear: failed, (\d+) s", self.said)[1]), 15)

    def test_a_test_that_fails_is_named(self):
        code, results = self.run_it("tests", "agree", FIXTURE_FAIL="ops_test_gpu")
        self.assertEqual((code, results), (1, {"tests": "failed", "agree": "passed"}), self.said)
        self.assertIn("FAULT ops_test_gpu: Suite.Changes failed", self.said)

    def test_a_test_that_is_skipped_is_a_fault(self):
        code, results = self.run_it("tests", FIXTURE_SKIP="ops_test_gpu")
        self.assertEqual((code, results), (1, {"tests": "failed"}), self.said)
        self.assertIn("FAULT ops_test_gpu: Suite.Changes skipped", self.said)

    def test_a_program_that_dies_is_said_to_have_died_where(self):
        code, results = self.run_it("tests", FIXTURE_CRASH="kernels_gpu_test")
        self.assertEqual((code, results), (1, {"tests": "failed"}), self.said)
        self.assertIn("ended in Suite.PassesToo, without a report", self.said)

    def test_goes_on_without_a_cudnn_that_fails(self):
        code, results = self.run_it("softmax", FIXTURE_CRASH="softmax_bench")
        self.assertEqual((code, results), (1, {"softmax": "failed"}), self.said)
        self.assertEqual(self.said.count("exit code 1, cuDNN: is told to"), 2, self.said)  # now, and in the summary
        self.assertIn("cuda/float/softmax/4096x10: ours_us", self.said)
        self.assertIn("cuda/bfloat16/softmax/1335x50257: ours_us", self.said)

    def test_what_a_sanitizer_finds_is_a_fault(self):
        code, results = self.run_it("sanitize", FIXTURE_FAIL="compute-sanitizer")
        self.assertEqual((code, results), (1, {"sanitize": "failed"}), self.said)
        self.assertIn("memcheck: ERROR SUMMARY: 1 errors", self.said)

    def test_refuses_what_it_does_not_know(self):
        code, results = self.run_it("machine", "mystery")
        self.assertEqual((code, results), (2, {}))
        self.assertIn("on_device.sh: no stage mystery", self.said)

    def test_may_take_nine_minutes(self):
        limits = (SOURCE / "bench" / "gpu" / "on_device.sh").read_text(encoding="utf-8")
        seconds = [int(word.split("=")[1]) for word in limits.split("limits=(")[1].split("\n\n")[0].replace(")", " ").split()
                   if "=" in word and word.split("=")[1].isdigit()]
        self.assertEqual(len(seconds), len(STAGES) + 1)
        self.assertLessEqual(sum(seconds), 540)


if __name__ == "__main__":
    unittest.main()
