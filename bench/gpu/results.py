#!/usr/bin/env python3
"""results.py FOLDER STAGE: prints in a few lines what a stage of on_device.sh left in FOLDER. Each fault is a line on the
standard error, and then the exit code is 1."""

import csv
import json
import pathlib
import re
import sys

# Test accuracies that a run must reach. On the CPU the default network reaches 98.5 to 98.7 % (docs/benchmarks.md), the small one
# 98.0 and 98.2 % (two seeds).
LEAST_ACCURACY = {"small": 0.97}
LEAST_ACCURACY_OF_DEFAULTS = 0.98
# The devices add up in different orders, over 120 steps that build on one another. tests/cuda/ allows the same for 200.
LOSS_BOUND = 5e-4
# Google Benchmark's own counters, which say nothing here.
IGNORED = {"family_index", "per_family_instance_index", "repetitions", "repetition_index", "threads", "iterations",
           "real_time", "cpu_time"}


def text_of(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def last_line_of(path):
    return (text_of(path).strip().splitlines() or ["nothing"])[-1][:200]


def json_of(path, log, faults):
    """The file's content, or None and a fault if the program did not finish the file. The fault quotes the end of the
    program's log, unless on_device.sh has already noted one for that program."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        if not re.search(rf"^{re.escape(log.stem)}: ", text_of(log.parent / "faults"), re.M):
            faults.append(f"{log.stem}: no result; its log ends in: {last_line_of(log)}")
        return None


def read_machine(folder, faults):
    """The first CUDA device, as softwarp names it, and the driver's version, as nvidia-smi does."""
    found = re.search(r"^cuda \d+ (.+) \(compute capability ([\d.]+), (\d+) multiprocessors, ([\d.]+) GiB, "
                      r"driver for CUDA ([\d.]+)\), (.*)$", text_of(folder / "devices.log"), re.M)
    if not found:
        refusal = re.search(r"^no CUDA device: (.*)$", text_of(folder / "devices.log"), re.M)
        faults.append("no GPU: " + (refusal[1] if refusal else "softwarp devices names none"))
    elif found[6] != "usable":
        faults.append(f"{found[1]}: {found[6]}")
    machine = {"device": found[1], "capability": found[2], "multiprocessors": int(found[3]), "GiB": float(found[4]),
               "cuda": found[5]} if found else {"device": "no GPU"}
    rows = list(csv.DictReader(text_of(folder / "nvidia-smi.csv").splitlines(), skipinitialspace=True))
    if rows and rows[0].get("driver_version"):
        machine["driver"] = rows[0]["driver_version"]
    toolkit = re.search(r"release ([\d.]+)", text_of(folder / "machine.log"))
    if toolkit:
        machine["toolkit"] = toolkit[1]
    return machine


def read_train(folder, faults):
    runs = []
    for log in sorted(folder.glob("train_*.log")):
        name = log.stem.removeprefix("train_")
        summary = json_of(folder / log.stem / "summary.json", log, faults)
        if summary is None:
            continue
        runs.append({"name": name} | {key: summary[key] for key in (
            "network", "test_accuracy", "test_loss", "epochs", "train_seconds", "samples_per_second")})
        least = LEAST_ACCURACY.get(name, LEAST_ACCURACY_OF_DEFAULTS)
        if not summary["test_accuracy"] >= least:
            faults.append(f"train_{name}: test accuracy {summary['test_accuracy']:.4f}, expected at least {least}")
    return runs


def read_agree(folder, faults):
    """The loss of each epoch, on both devices."""
    losses = {}
    for device in ("cpu", "cuda"):
        rows = csv.DictReader(text_of(folder / f"agree_{device}" / "metrics.csv").splitlines())
        losses[device] = [float(row["train_loss"]) for row in rows]
    pairs = list(zip(losses["cpu"], losses["cuda"]))
    if not pairs or len(losses["cpu"]) != len(losses["cuda"]):
        faults.append(f"agree: {len(losses['cpu'])} losses of the CPU, {len(losses['cuda'])} of the GPU")
    for epoch, (cpu, cuda) in enumerate(pairs, 1):
        if not abs(cpu - cuda) <= LOSS_BOUND:
            faults.append(f"agree: losses of epoch {epoch} differ by more than {LOSS_BOUND}: CPU {cpu}, GPU {cuda}")
    return losses


def read_report(path, begun):
    """Counts passed, failed and skipped tests of a report and names those that did not pass. GoogleTest reports tests as
    completed even if a global set-up skipped them all, so a test that never began counts as skipped."""
    counts, names = {"passed": 0, "failed": 0, "skipped": 0}, []
    for suite in json.loads(path.read_text(encoding="utf-8"))["testsuites"]:
        for test in suite["testsuite"]:
            if test.get("status") == "NOTRUN":
                continue
            name = f"{suite['name']}.{test['name']}"
            result = ("failed" if test.get("failures") else
                      "passed" if test.get("result") == "COMPLETED" and name in begun else "skipped")
            counts[result] += 1
            if result != "passed":
                names.append(f"{name} {result}")
    return counts, names


def read_tests(folder, faults):
    """Counts by program. A shard without a report is known only by the test in which it ended."""
    programs = {}
    for log in sorted(folder.glob("tests_*.log")):
        name = log.name.removeprefix("tests_").removesuffix(".log").rsplit(".", 1)[0]
        program = programs.setdefault(name, {"program": name, "passed": 0, "failed": 0, "skipped": 0, "unfinished": []})
        begun = re.findall(r"^\[ RUN      \] (\S+)", text_of(log), re.M)
        try:
            counts, names = read_report(log.with_suffix(".json"), set(begun))
        except (OSError, ValueError, KeyError):
            program["unfinished"].append(begun[-1] if begun else "its start")
            faults.append(f"{log.stem}: ended in {program['unfinished'][-1]}, without a report")
            continue
        for result, count in counts.items():
            program[result] += count
        reason = re.search(r"no GPU: .*", text_of(log))
        if counts["skipped"] and reason:
            faults.append(f"{name}: {reason[0]}")
        faults += [f"{name}: {test}" for test in names[:3]]
        if len(names) > 3:
            faults.append(f"{name}: {len(names) - 3} more failed or skipped")
    for program in programs.values():
        if not program["passed"] + program["failed"] + program["skipped"] and not program["unfinished"]:
            faults.append(f"{program['program']}: ran no test")
    if not programs:
        faults.append("no test programs")
    return list(programs.values())


def read_benchmarks(folder, pattern, faults):
    """Each benchmark's counters, by its name without Google Benchmark's endings."""
    benchmarks = {}
    for path in sorted(folder.glob(pattern + ".log")):
        content = json_of(path.with_suffix(".json"), path, faults)
        entries = content["benchmarks"] if content else []
        if content and not entries:
            faults.append(f"{path.stem}: no benchmark of that name")
        for entry in entries:
            name = entry["name"].split("/manual_time")[0].split("/iterations:")[0]
            if entry.get("error_occurred"):
                faults.append(f"{name}: {entry.get('error_message')}")
                continue
            benchmarks[name] = {key: value for key, value in entry.items()
                                if isinstance(value, (int, float)) and key not in IGNORED}
    if not benchmarks:
        faults.append("nothing was measured")
    return benchmarks


def read_softmax(folder, faults):
    return read_benchmarks(folder, "softmax_*", faults)


def read_linear(folder, faults):
    return read_benchmarks(folder, "linear_*", faults)


def read_training(folder, faults):
    return read_benchmarks(folder, "training_*", faults)


def read_peers(folder, _):
    """PyTorch's times and errors. The errors are no faults of ours; a line that was cut off is left out."""
    peers = []
    for line in text_of(folder / "peers.jsonl").splitlines():
        try:
            peers.append(json.loads(line))
        except ValueError:
            continue
    return peers


def read_sanitize(folder, faults):
    """Each tool's own summary; on_device.sh judges the exit codes."""
    tools = {}
    for name in ("memcheck", "racecheck", "initcheck"):
        text = text_of(folder / f"{name}.log")
        said = re.findall(r"^=+ ((?:ERROR|RACECHECK) SUMMARY: .*)$", text, re.M)
        if said:
            tools[name] = said[-1]
        elif text:
            tools[name] = "no summary"
            faults.append(f"{name}: no summary")
        if "] Running 0 tests" in text:
            faults.append(f"{name}: its filter names no test")
    return tools


READERS = {"machine": read_machine, "train": read_train, "agree": read_agree, "tests": read_tests,
           "softmax": read_softmax, "linear": read_linear, "training": read_training, "peers": read_peers,
           "sanitize": read_sanitize}


def figure(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def lines_of(stage, data):
    if stage == "machine":
        yield ", ".join(f"{key} {value}" for key, value in data.items())
    elif stage == "train":
        for run in data:
            yield (f"{run['name']}: {run['network']}, test accuracy {run['test_accuracy']:.2%}, "
                   f"{run['train_seconds']:.2f} s, {run['samples_per_second']:,.0f} samples/s")
    elif stage == "agree":
        yield "losses of the epochs, CPU and GPU: " + "; ".join(f"{a:.6f} {b:.6f}" for a, b in zip(data["cpu"], data["cuda"]))
    elif stage == "tests":
        for p in data:
            unfinished = f", ended in {', '.join(p['unfinished'])}" if p["unfinished"] else ""
            yield f"{p['program']}: {p['passed']} passed, {p['failed']} failed, {p['skipped']} skipped{unfinished}"
    elif stage in ("softmax", "linear", "training"):
        for name, counters in data.items():
            shown = {k: v for k, v in counters.items()
                     if k.endswith(("_us", "_GBps", "_s")) or k in ("GFLOPs", "samples/s", "ratio")}
            yield f"{name}: " + ", ".join(f"{key} {figure(value)}" for key, value in shown.items())
    elif stage == "peers":
        for r in data:
            yield ", ".join(figure(v) + " us" if k == "us" else f"{v}" for k, v in r.items() if k != "what")
    elif stage == "sanitize":
        for name, said in data.items():
            yield f"{name}: {said}"


def main(arguments):
    if len(arguments) != 2 or arguments[1] not in READERS:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    faults = []
    data = READERS[arguments[1]](pathlib.Path(arguments[0]), faults)
    for line in lines_of(arguments[1], data):
        print(line)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
