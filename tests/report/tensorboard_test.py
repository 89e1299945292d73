#!/usr/bin/env python3
"""tensorboard_test.py PROGRAM VENV: reads the event files of trainings with TensorBoard's own reader and compares them
with metrics.csv: of a training that ended, of one that was resumed, while one runs, and after it was killed and went on.
"""
import csv
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM, VENV = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
PYTHON = VENV + "/bin/python"
TRAINING = ["train", "--device", "cpu", "--threads", "1", "--data", "digits", "--hidden", "16", "--tensorboard"]
# The columns of metrics.csv, and what TensorBoard calls them.
TAGS = {"train_loss": "loss/train", "train_accuracy": "accuracy/train", "learning_rate": "learning_rate",
        "validation_loss": "loss/validation", "validation_accuracy": "accuracy/validation"}


def same(found, expected):
    """Event files hold single precision."""
    return abs(found - expected) <= 6e-8 * abs(expected)


def run(*arguments):
    subprocess.run([PROGRAM, *arguments], check=True, stdout=subprocess.DEVNULL)


def rows_of(file):
    with open(file) as lines:
        return list(csv.DictReader(lines))


def read(directory):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    accumulator = EventAccumulator(directory, size_guidance={"scalars": 0})
    accumulator.Reload()
    return {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


def compare(directory, validates):
    metrics = rows_of(directory + "/metrics.csv")
    scalars = read(directory)
    expected = {tag for column, tag in TAGS.items() if validates or "validation" not in column}
    expected |= {"samples_per_second", "loss/test", "accuracy/test"}
    assert set(scalars) == expected, f"expected {sorted(expected)}, found {sorted(scalars)}"
    for column, tag in TAGS.items():
        if tag not in expected:
            continue
        steps = [step for step, _ in scalars[tag]]
        assert steps == [int(row["steps"]) for row in metrics], f"{tag} is of the steps {steps}"
        for (step, value), row in zip(scalars[tag], metrics):
            assert same(value, float(row[column])), f"{tag} at step {step}: {value}, {row[column]} in metrics.csv"
    for (step, value), row in zip(scalars["samples_per_second"], rows_of(directory + "/times.csv")):
        assert abs(value - float(row["samples_per_second"])) <= 1, f"samples_per_second at step {step}: {value}"
    assert len(scalars["samples_per_second"]) == len(metrics)
    last = int(metrics[-1]["steps"])
    for tag in ("loss/test", "accuracy/test"):
        assert [step for step, _ in scalars[tag]] == [last], f"{tag}: {scalars[tag]}"
    with open(directory + "/summary.json") as text:
        assert same(scalars["accuracy/test"][0][1], json.load(text)["test_accuracy"])
    return len(metrics)


def files_in(directory):
    return sorted(glob.glob(directory + "/events.out.tfevents.*"))


def test_that_it_reads_what_metrics_csv_says():
    run(*TRAINING, "--epochs", "4", "--output", "plain")
    assert compare("plain", validates=False) == 4
    run(*TRAINING, "--epochs", "3", "--validation", "0.2", "--output", "validated")
    assert compare("validated", validates=True) == 3


def test_that_a_resumed_training_goes_on_in_a_new_file():
    run("train", "--resume", "validated", "--epochs", "6", "--tensorboard", "--device", "cpu")
    assert len(files_in("validated")) == 2
    assert compare("validated", validates=True) == 6
    # With nothing left to do, it says the same once more.
    run("train", "--resume", "validated", "--tensorboard", "--device", "cpu")
    assert compare("validated", validates=True) == 6


def test_that_another_training_in_the_directory_takes_its_place():
    run(*TRAINING, "--epochs", "2", "--output", "plain", "--overwrite")
    assert len(files_in("plain")) == 1
    assert compare("plain", validates=False) == 2


def test_that_it_follows_a_training_and_survives_its_end():
    training = subprocess.Popen([PROGRAM, *TRAINING, "--epochs", "1000000", "--output", "killed"],
                                stdout=subprocess.DEVNULL)
    seen = 0
    while seen < 3:
        assert training.poll() is None, "the training ended by itself"
        if files_in("killed"):
            seen = len(read("killed").get("loss/train", []))
        time.sleep(0.02)
    training.send_signal(signal.SIGKILL)
    training.wait()
    # As if it had died in the middle of a record.
    with open(files_in("killed")[0], "ab") as file:
        file.write(b"\x20\x00\x00\x00\x00\x00\x00\x00\x01\x02")
    epochs = len(rows_of("killed/metrics.csv")) + 3
    run("train", "--resume", "killed", "--epochs", str(epochs), "--tensorboard", "--device", "cpu")
    assert compare("killed", validates=False) == epochs


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                test()
                print("passed:", name, flush=True)


if os.path.realpath(sys.prefix) != os.path.realpath(VENV):
    command = [PYTHON, "-c", "import tensorboard.version"]
    if not os.path.exists(PYTHON) or subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0:
        print("skipped: there is no TensorBoard in", VENV)
        sys.exit(77)
    os.execv(PYTHON, [PYTHON, "-B", *sys.argv])
main()
