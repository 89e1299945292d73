#!/usr/bin/env python3
"""page.py FOLDER PREDICTION OUT: writes a page about a run of on_device.sh, and the same as JSON, named after the device:
OUT/h100.md and OUT/h100.json. They are meant for bench/results/. FOLDER holds the run's files (logs.tar.gz, unpacked, will
do), PREDICTION is the output of roofline.py --json. Prints the run's outcome in a few lines."""

import csv
import json
import pathlib
import re
import sys

import results

OFF = 1.3  # the page names each prediction that is off by more than this factor


def slug_of(device):
    """NVIDIA H100 80GB HBM3 is h100, NVIDIA GeForce RTX 4080 SUPER is rtx-4080-super."""
    words = [w for w in re.split(r"[^0-9a-z]+", device.lower()) if w not in ("", "nvidia", "geforce", "tesla")]
    numbered = [i for i, word in enumerate(words) if re.search(r"\d", word)]
    end = numbered[1] if len(numbered) > 1 else len(words)
    return "-".join(words[:end]) or "no-name"


def predicted_gpu(machine, prediction):
    """The roofline's entry for this GPU, or None and the reason."""
    if "multiprocessors" not in machine:
        return None, "there is none"
    for gpu in prediction["gpus"]:
        if re.search(rf"\b{re.escape(gpu['name'])}\b", machine["device"], re.I):
            if gpu["multiprocessors"] == machine["multiprocessors"]:
                return gpu, ""
            return None, (f"the roofline's {gpu['name']} has {gpu['multiprocessors']} multiprocessors, this one "
                          f"{machine['multiprocessors']}")
    names = ", ".join(gpu["name"] for gpu in prediction["gpus"]) or "none"
    return None, f"the roofline knows no {machine['device']}; of this architecture it knows: {names}"


def measured_times(found):
    """Measured microseconds by (op, type, shape) as the roofline names them."""
    times = {}
    for name, counters in found.get("softmax", {}).items():
        _, kind, op, shape = name.split("/")
        times[op, kind, shape] = counters["ours_us"]
    for name, counters in found.get("training", {}).items():
        if (batch := re.search(r"/batch:(\d+)$", name)) and "gather_us" in counters:
            times["gather_batch, 784 pixels", "float", f"batch {batch[1]}"] = counters["gather_us"]
    return times


def compare(found, prediction):
    """Pairs predictions with measurements, the worst first. The ratio is measured / predicted."""
    gpu, why_not = predicted_gpu(found["machine"], prediction)
    times, rows = measured_times(found), []
    for p in prediction["predictions"] if gpu else ():
        key = (p["op"], p["type"], p["shape"])
        if p["gpu"] == gpu["name"] and key in times:
            ratio = times[key] / p["us"]
            rows.append({"op": p["op"], "type": p["type"], "shape": p["shape"], "predicted_us": p["us"],
                         "bound": p["bound"], "measured_us": times[key], "ratio": ratio,
                         "off": not 1 / OFF <= ratio <= OFF})
    rows.sort(key=lambda row: -max(row["ratio"], 1 / row["ratio"]))
    return {"gpu": gpu, "why_not": why_not, "rows": rows}


def collect(folder, prediction):
    """All data of the page, by stage; a stage that did not run has none."""
    with open(folder / "stages.tsv", encoding="utf-8", newline="") as file:
        stages = [dict(zip(("stage", "result", "seconds", "reason"), row))
                  for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    found = {"date": results.text_of(folder / "date").strip(), "commit": results.text_of(folder / "commit").strip(),
             "stages": [stage | {"seconds": int(stage["seconds"])} for stage in stages]}
    ignored = []  # faults are in stages.tsv already
    run = [stage["stage"] for stage in stages if stage["result"] != "not run"]
    found["machine"] = results.read_machine(folder, ignored)
    for stage in run:
        found[stage] = results.READERS[stage](folder, ignored)
    found["softmax_left_out"] = results.text_of(folder / "softmax_left_out").split()
    found["predictions"] = compare(found, prediction) | {key: prediction[key] for key in ("launch_us", "latency_us")}
    return found


def peer_times(found):
    """PyTorch's microseconds by (op, type, shape) or (network, batch), and by how it ran."""
    times = {}
    for peer in found.get("peers", ()):
        if "us" in peer:
            key = ((peer["network"], peer["batch"]) if peer["what"] == "step"
                   else (peer["what"], peer["type"], peer["shape"]))
            times.setdefault(key, {})[peer["how"]] = peer["us"]
    return times


def cell(value):
    return "" if value is None else value if isinstance(value, str) else results.figure(value)


def table(headings, rows):
    """Markdown. Columns that no row has a value for are left out."""
    kept = [i for i in range(len(headings)) if not rows or any(row[i] is not None for row in rows)]
    yield "| " + " | ".join(headings[i] for i in kept) + " |"
    yield "|---" * len(kept) + "|"
    for row in rows:
        yield "| " + " | ".join(cell(row[i]) for i in kept) + " |"
    yield ""


def prediction_lines(found):
    p = found["predictions"]
    if p["gpu"] is None:
        yield f"No prediction for this device: {p['why_not']}."
        return
    off = sum(row["off"] for row in p["rows"])
    yield f"{off} of {len(p['rows'])} predictions were off by more than a factor of {OFF}."


def predictions(found):
    p = found["predictions"]
    yield "## Predicted and measured\n"
    yield from prediction_lines(found)
    if p["gpu"] is None:
        yield ""
        return
    g = p["gpu"]
    yield (f"Predicted by `make roofline`'s model for {g['name']}: {g['GBps']:,.0f} GB/s, "
           f"{g['multiprocessors']} multiprocessors at {g['GHz']} GHz, {p['launch_us']} us a launch, {p['latency_us']} "
           "us a load.\n")
    yield from table(["op", "type", "shape", "predicted us", "bound by", "measured us", "measured / predicted", "off"],
                     [[r["op"], r["type"], r["shape"], r["predicted_us"], r["bound"], r["measured_us"], f"{r['ratio']:.2f}",
                       "**off**" if r["off"] else ""] for r in p["rows"]])


def checks(found):
    if found.get("tests"):
        yield "## Tests\n"
        yield from table(["program", "passed", "failed", "skipped", "ended in"],
                         [[p["program"], str(p["passed"]), str(p["failed"]), str(p["skipped"]),
                           ", ".join(p["unfinished"]) or None] for p in found["tests"]])
    if found.get("train"):
        yield "## Training on MNIST\n"
        yield from table(["run", "network", "epochs", "test accuracy", "seconds", "samples/s"],
                         [[r["name"], r["network"], str(r["epochs"]), f"{r['test_accuracy']:.2%}",
                           r["train_seconds"], r["samples_per_second"]] for r in found["train"]])
    if found.get("agree", {}).get("cuda"):
        pairs = zip(found["agree"]["cpu"], found["agree"]["cuda"])
        yield "## The same training on both devices: losses\n"
        yield from table(["epoch", "CPU", "GPU", "difference"],
                         [[str(i), f"{a:.6f}", f"{b:.6f}", f"{b - a:+.1e}"] for i, (a, b) in enumerate(pairs, 1)])
    if found.get("sanitize"):
        yield "## compute-sanitizer\n"
        yield from table(["tool", "says"], [[name, f"`{said}`"] for name, said in found["sanitize"].items()])


def figures(found):
    peers = peer_times(found)
    if found.get("softmax"):
        yield "## Softmax family\n"
        yield ("Times in us. vs: our time divided by theirs, measured in turns; below 1 ours is faster. PyTorch's were "
               "measured by themselves,\nwith its own allocations and, eager, a launch a call: at 4096x10 its host is what "
               "takes time.\n")
        rows = []
        for name, c in found["softmax"].items():
            _, kind, op, shape = name.split("/")
            peer = peers.get((op, kind, shape), {})
            rows.append([op, kind, shape, c["ours_us"], c.get("ours_GBps"), c.get("copy_GBps"), c.get("vs_copy"),
                         c.get("vs_cudnn"), c.get("host_us"), peer.get("eager"), peer.get("compiled")])
        yield from table(["op", "type", "shape", "us", "GB/s", "copy GB/s", "vs copy", "vs cuDNN", "host us",
                          "PyTorch us", "compiled us"], rows)
        if found["softmax_left_out"]:
            yield f"Left out for lack of time: {', '.join(found['softmax_left_out'])}.\n"
    if found.get("linear"):
        yield "## Linear layers\n"
        yield from table(["benchmark", "us", "GFLOP/s", "vs bare products", "vs tuned"],
                         [[name.removeprefix("cuda/"), c["ours_us"], c.get("GFLOPs"), c.get("vs_bare"), c.get("vs_tuned")]
                          for name, c in found["linear"].items()])
    steps, until = [], []
    for name, c in found.get("training", {}).items():
        if "step_us" not in c:
            until.append([name.removeprefix("cuda/"), c.get("median_s"), c.get("min_s"), c.get("max_s"), c.get("epochs")])
            continue
        _, _, network, batch = name.split("/")
        batch = int(batch.removeprefix("batch:"))
        peer = peers.get((network, batch), {})
        steps.append([network, str(batch), c["step_us"], c.get("samples/s"), c.get("products_us"), c.get("ratio"),
                      c.get("layers_us"), c.get("loss_us"), c.get("update_us"), c.get("gather_us"), peer.get("eager"),
                      peer.get("graph"), peer.get("compiled graph")])
    if steps:
        yield "## Training steps\n"
        yield ("SGD, fp32, random data that lies on the device; ours as bytes, PyTorch's as floats. Times in us a step; "
               "the parts by themselves.\n")
        yield from table(["network", "batch", "step", "samples/s", "bare products", "step / products", "layers", "loss",
                          "optimizer", "gather", "PyTorch", "its graph", "compiled, graph"], steps)
    if until:
        yield "## Until 98 % of the test images are right\n"
        yield from table(["benchmark", "median s", "least s", "most s", "epochs"], until)
    for error in [peer["error"] for peer in found.get("peers", ()) if "error" in peer]:
        yield f"PyTorch failed: {error}\n"


def page_of(found):
    m = found["machine"]
    torch = next((f"; PyTorch {p['torch']}" for p in found.get("peers", ()) if "torch" in p), "")
    yield f"# softwarp on {m['device']}\n"
    yield f"{found['date']}, commit {found['commit']}. Written by bench/gpu/page.py, measured by bench/gpu/on_device.sh.\n"
    if "cuda" in m:
        yield (f"Device: {m['device']}, compute capability {m['capability']}, {m['multiprocessors']} multiprocessors, "
               f"{m['GiB']} GiB; driver {m.get('driver', 'unknown')}, for CUDA {m['cuda']}; toolkit "
               f"{m.get('toolkit', 'unknown')}{torch}.\n")
    yield from table(["stage", "result", "seconds", "why"],
                     [[s["stage"], s["result"], str(s["seconds"]), s["reason"].replace("|", "/") or None]
                      for s in found["stages"]])
    yield from checks(found)
    yield from predictions(found)
    yield from figures(found)


def summary_of(found):
    tests = found.get("tests", ())
    if tests:
        yield "tests: " + ", ".join(f"{sum(p[result] for p in tests)} {result}" for result in ("passed", "failed", "skipped"))
    for line in prediction_lines(found):
        yield "roofline: " + line
    for r in [row for row in found["predictions"]["rows"] if row["off"]][:8]:
        yield (f"   {r['op']}, {r['type']}, {r['shape']}: predicted {results.figure(r['predicted_us'])} us, measured "
               f"{results.figure(r['measured_us'])} us, {r['ratio']:.2f} times")


def rounded(value):
    """Keeps four digits of each number; no measurement has more."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, (list, tuple)) else value


def main(arguments):
    if len(arguments) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    folder, prediction, out = map(pathlib.Path, arguments)
    found = collect(folder, json.loads(prediction.read_text(encoding="utf-8")))
    name = out / slug_of(found["machine"]["device"])
    name.with_suffix(".md").write_text("\n".join(page_of(found)).rstrip() + "\n", encoding="utf-8")
    kept = {key: value if key == "agree" else rounded(value) for key, value in found.items()}  # losses: all digits
    name.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    for line in summary_of(found):
        print(line)
    print(f"page: {name}.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
