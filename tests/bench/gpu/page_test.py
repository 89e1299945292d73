"""Tests results.py and page.py with numbers made by hand (fixture.json): page_test.py SOURCE"""
import json
import pathlib
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(sys.argv.pop()).resolve()
sys.path.insert(0, str(SOURCE / "bench" / "gpu"))
import page  # noqa: E402
import results  # noqa: E402

FIXTURE = json.loads((pathlib.Path(__file__).parent / "fixture.json").read_text(encoding="utf-8"))


class OfAFolder(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = pathlib.Path(directory.name) / "results"
        self.out = pathlib.Path(directory.name)
        self.keep("prediction.json", FIXTURE["prediction"])
        self.keep("commit", "0000000 Made for a test\n")
        self.keep("date", "2001-01-01\n")
        self.keep("stages.tsv", "".join(f"{s}\tpassed\t1\t\n" for s in results.READERS if s != "sanitize")
                  + "sanitize\tnot run\t0\tno compute-sanitizer\n")
        self.keep("devices.log", FIXTURE["devices.log"])
        self.keep("nvidia-smi.csv", FIXTURE["nvidia-smi"])
        self.keep("machine.log", "Cuda compilation tools, release 0.0, V0.0.0\n")
        for name in ("softmax", "linear_forward", "linear_backward", "training_steps", "training_time"):
            file = "softmax_4096x10_float" if name == "softmax" else name
            self.keep(file + ".log", "")
            self.keep(file + ".json", FIXTURE[name + ".json"])
        self.keep("softmax_left_out", "1x1/float\n2x2/float\n")
        self.keep("tests_a_test_gpu.0.log", "".join(f"[ RUN      ] Suite.{n}\n" for n in ("Passes", "PassesToo", "Changes")))
        self.keep("tests_a_test_gpu.0.json", FIXTURE["gtest"])
        self.keep("train_fp32.log", "")
        self.keep("train_fp32/summary.json", FIXTURE["summary.json"])
        for device in ("cpu", "cuda"):
            self.keep(f"agree_{device}/metrics.csv", FIXTURE["metrics.csv"])
        self.keep("peers.jsonl", "".join(json.dumps(p) + "\n" for p in FIXTURE["peers"]) + '{"what": "cut o')

    def keep(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    def written(self):
        """The page and the JSON beside it."""
        self.assertEqual(page.main([self.folder, self.folder / "prediction.json", self.out]), 0)
        names = sorted(p.name for p in self.out.iterdir() if p.is_file())
        self.assertEqual(len(names), 2, names)
        return (self.out / names[1]).read_text(encoding="utf-8"), json.loads((self.out / names[0]).read_text(encoding="utf-8"))

    def faults_of(self, stage):
        faults = []
        results.READERS[stage](self.folder, faults)
        return faults

    def test_has_no_fault_to_begin_with(self):
        for stage in results.READERS:
            self.assertEqual(self.faults_of(stage), [], stage)

    def test_names_machine_date_and_commit(self):
        text, _ = self.written()
        self.assertTrue(text.startswith("# softwarp on Fixture 9 1GB\n\n2001-01-01, commit 0000000 Made for a test."), text)
        self.assertIn("Device: Fixture 9 1GB, compute capability 0.1, 7 multiprocessors, 1.0 GiB; driver 000.00, for CUDA "
                      "0.0; toolkit 0.0; PyTorch 0.0.\n", text)
        self.assertIn("\n| sanitize | not run | 0 | no compute-sanitizer |\n", text)

    def test_holds_measurements_against_predictions(self):
        text, data = self.written()
        self.assertIn("2 of 3 predictions were off by more than a factor of 1.3.\n", text)
        for row in ("| gather_batch, 784 pixels | float | batch 128 | 100 | launch | 50 | 0.50 | **off** |",
                    "| cross_entropy | float | 4096x10 | 100 | memory | 131 | 1.31 | **off** |",
                    "| softmax | float | 4096x10 | 100 | launch | 120 | 1.20 |  |"):
            self.assertIn(f"\n{row}\n", text)
        self.assertEqual([row["off"] for row in data["predictions"]["rows"]], [True, True, False])
        self.assertEqual(data["predictions"]["gpu"]["name"], "Fixture 9")

    def test_predicts_nothing_for_another_card(self):
        self.keep("devices.log", FIXTURE["devices.log"].replace("7 multi", "8 multi"))
        text, data = self.written()
        self.assertIn("No prediction for this device: the roofline's Fixture 9 has 7 multiprocessors, this one 8.", text)
        self.assertEqual(data["predictions"]["rows"], [])
        self.keep("devices.log", FIXTURE["devices.log"].replace("Fixture 9", "Fixture 8"))
        self.assertIn("the roofline knows no Fixture 8 1GB; of this architecture it knows: Fixture 9", "".join(
            page.prediction_lines(page.collect(self.folder, FIXTURE["prediction"]))))

    def test_shows_ours_beside_theirs(self):
        text, _ = self.written()
        for row in ("| a_test_gpu | 3 | 0 | 0 |",
                    "| fp32 | 1-1-1 | 1 | 99.00% | 1,000 | 1,000 |",
                    "| 2 | 0.250000 | 0.250000 | +0.0e+00 |",
                    "| op | type | shape | us | GB/s | copy GB/s | vs copy | vs cuDNN | host us | PyTorch us |",
                    "| softmax | float | 4096x10 | 120 | 1 | 2 | 2 | 0.5 | 10 | 1,000 |",
                    "| cross_entropy | float | 4096x10 | 131 | 1 | 2 | 2 |  | 10 |  |",
                    "| forward/batch:1/1-1 | 100 | 1 | 1 | 1 |",
                    "| network | batch | step | samples/s | bare products | step / products | layers | loss | optimizer | gather | its graph |",
                    "| 1-1-1 | 128 | 1,000 | 1,000 | 500 | 2 | 1 | 1 | 1 | 50 | 2,000 |",
                    "| time_to_98 | 1,000 | 1,000 | 1,000 | 1 |"):
            self.assertIn(f"\n{row}\n", text)
        self.assertIn("Left out for lack of time: 1x1/float, 2x2/float.", text)
        self.assertIn("\nPyTorch failed: compiled 1x1: no compiler\n", text)

    def test_keeps_the_same_as_json(self):
        _, data = self.written()
        self.assertEqual(data["machine"]["driver"], "000.00")
        self.assertEqual(data["softmax"]["cuda/float/softmax/4096x10"]["ours_us"], 120)
        self.assertEqual(data["tests"], [{"program": "a_test_gpu", "passed": 3, "failed": 0, "skipped": 0, "unfinished": []}])
        self.assertEqual(data["peers"], FIXTURE["peers"])

    def test_of_half_a_run_shows_that_half(self):
        self.keep("stages.tsv", "machine\tpassed\t1\t\nsoftmax\tfailed\t1\ta | b\n")
        text, data = self.written()
        self.assertIn("\n| softmax | failed | 1 | a / b |\n", text)
        self.assertNotIn("## Tests", text)
        self.assertNotIn("train", data)

    def test_of_no_gpu_is_still_a_page(self):
        self.keep("devices.log", "cpu (1 thread)\nno CUDA device: there is no driver\n")
        self.keep("softmax_4096x10_float.json", {"benchmarks": []})
        for name in ("forward", "backward"):
            (self.folder / f"linear_{name}.json").unlink()
        (self.folder / "linear_backward.log").unlink()
        self.assertEqual(self.faults_of("machine"), ["no GPU: there is no driver"])
        self.assertEqual(self.faults_of("softmax"), ["softmax_4096x10_float: no benchmark of that name", "nothing was measured"])
        self.assertEqual(self.faults_of("linear"), ["linear_forward: no result; its log ends in: nothing", "nothing was measured"])
        self.keep("linear_forward.log", "one\ntwo\n")
        self.assertEqual(self.faults_of("linear")[0], "linear_forward: no result; its log ends in: two")
        self.keep("faults", "linear_forward: exit code 9, two\n")
        self.assertEqual(self.faults_of("linear"), ["nothing was measured"])
        text, _ = self.written()
        self.assertTrue(text.startswith("# softwarp on no GPU\n"))

    def test_wants_accuracy(self):
        self.keep("train_fp32/summary.json", FIXTURE["summary.json"] | {"test_accuracy": 0.9799})
        self.assertEqual(self.faults_of("train"), ["train_fp32: test accuracy 0.9799, expected at least 0.98"])

    def test_wants_losses_that_agree(self):
        self.keep("agree_cuda/metrics.csv", FIXTURE["metrics.csv"].replace("0.25", "0.2506"))
        self.assertEqual(self.faults_of("agree"),
                         ["agree: losses of epoch 2 differ by more than 0.0005: CPU 0.25, GPU 0.2506"])
        self.keep("agree_cuda/metrics.csv", FIXTURE["metrics.csv"].replace("0.25", "nan"))
        self.assertEqual(len(self.faults_of("agree")), 1)
        self.keep("agree_cuda/metrics.csv", "")
        self.assertEqual(self.faults_of("agree"), ["agree: 2 losses of the CPU, 0 of the GPU"])

    def test_wants_results_that_are_right(self):
        wrong = {"name": "cuda/float/softmax/4096x10/manual_time", "error_occurred": True, "error_message": "ours is wrong"}
        self.keep("softmax_4096x10_float.json", {"benchmarks": [wrong, FIXTURE["softmax.json"]["benchmarks"][1]]})
        self.assertEqual(self.faults_of("softmax"), ["cuda/float/softmax/4096x10: ours is wrong"])

    def test_says_why_tests_were_skipped_and_that_none_ran(self):
        skipped = [{"name": f"Test{i}", "status": "RUN", "result": "SKIPPED"} for i in range(5)]
        self.keep("tests_a_test_gpu.0.json", {"testsuites": [{"name": "Suite", "testsuite": skipped}]})
        self.keep("tests_a_test_gpu.0.log", "tests/x.cpp:1: Skipped\nno GPU: there is no driver\n")
        self.assertEqual(self.faults_of("tests"),
                         ["a_test_gpu: no GPU: there is no driver"] + [f"a_test_gpu: Suite.Test{i} skipped" for i in range(3)]
                         + ["a_test_gpu: 2 more failed or skipped"])
        self.keep("tests_a_test_gpu.0.json", FIXTURE["gtest"])  # which calls them completed
        self.assertEqual(self.faults_of("tests"), ["a_test_gpu: no GPU: there is no driver"] + [
            f"a_test_gpu: Suite.{name} skipped" for name in ("Passes", "PassesToo", "Changes")])
        self.keep("tests_a_test_gpu.0.json", {"testsuites": []})
        self.assertEqual(self.faults_of("tests"), ["a_test_gpu: ran no test"])

    def test_says_what_a_sanitizer_did_not_say(self):
        self.keep("memcheck.log", "========= COMPUTE-SANITIZER\n")
        self.assertEqual(self.faults_of("sanitize"), ["memcheck: no summary"])
        self.keep("memcheck.log", "[==========] Running 0 tests from 0 test suites.\n========= ERROR SUMMARY: 0 errors\n")
        self.assertEqual(self.faults_of("sanitize"), ["memcheck: its filter names no test"])


class Names(unittest.TestCase):
    def test_are_those_of_the_device(self):
        for device, name in (("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA H100 PCIe", "h100-pcie"), ("NVIDIA H200", "h200"),
                             ("NVIDIA A100-SXM4-80GB", "a100"), ("NVIDIA GeForce RTX 4090", "rtx-4090"),
                             ("NVIDIA GeForce RTX 4080 SUPER", "rtx-4080-super"), ("Tesla T4", "t4"), ("no GPU", "no-gpu")):
            self.assertEqual(page.slug_of(device), name)


if __name__ == "__main__":
    unittest.main()
