#!/usr/bin/env python3
"""What the benchmarks measured, for people.

report.py table DIRECTORY   the JSON files of a run as Markdown tables, and softmax.svg beside them
report.py compare OLD NEW   two JSON files of one program: what got slower or faster beyond noise; exit code 1 if slower
"""

import json
import pathlib
import subprocess
import sys

# The baselines that measure the machine, not softwarp.
ROOFS = ("memcpy", "copy", "bare", "products")


def load(path):
    """The benchmarks of a result file by name, each a dictionary of its counters, and the file's context."""
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    benchmarks = {}
    for entry in content["benchmarks"]:
        if entry.get("error_occurred"):
            raise SystemExit(f"{path}: {entry['name']}: {entry['error_message']}")
        name = entry["name"].replace("/manual_time", "").split("/iterations:")[0]
        benchmarks[name] = {k: v for k, v in entry.items() if isinstance(v, (int, float))}
    return benchmarks, content["context"]


def figure(value):
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(title, columns, benchmarks):
    """Markdown; columns are (heading, counter). Columns that no benchmark has are left out, and tables without any."""
    if not benchmarks:
        return
    columns = [c for c in columns if any(c[1] in b for b in benchmarks.values())]
    print(f"\n## {title}\n")
    print("| " + " | ".join(["benchmark"] + [heading for heading, _ in columns]) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, counters in benchmarks.items():
        print("| " + " | ".join([name] + [figure(counters.get(key)) for _, key in columns]) + " |")


def gpu_over_cpu(benchmarks, key):
    """The fastest CPU entry's time divided by the GPU's, where both did the same."""
    ratios = {}
    for name, counters in benchmarks.items():
        if not name.startswith("cuda/"):
            continue
        task = name.split("/", 1)[1]
        cpu = [b[key] for n, b in benchmarks.items() if n.startswith("cpu") and task in n]
        if cpu:
            ratios[task] = {"speed-up": min(cpu) / counters[key]}
    if ratios:
        table("GPU over CPU", [("times faster", "speed-up")], ratios)


def plot(benchmarks, directory):
    """GB/s over columns for each series (device, type, op), the copy of the same bytes as a dashed roof."""
    series = {}
    for name, counters in benchmarks.items():
        parts = name.split("/")
        rows, cols = (int(n) for n in parts[3].split("x"))
        if rows < 128:
            continue
        label = " ".join(parts[:3] + [p.replace("threads:", "threads ") for p in parts[4:]])
        roof = next(r for r in ("memcpy", "copy") if r + "_GBps" in counters)
        series.setdefault(label, []).append((cols, counters["ours_GBps"], counters[roof + "_GBps"]))
    # One device at a time: the GPU if there is one, otherwise all threads of the CPU.
    devices = sorted({label.split()[0] for label in series})
    shown = {l: p for l, p in series.items() if l.split()[0] == devices[-1] and not l.endswith("threads 1")}
    script = ["set terminal svg size 960,600 dynamic background rgb 'white'", "set key below", "set termoption noenhanced",
              "set logscale x 2", "set xlabel 'columns'", "set ylabel 'GB/s'", "set yrange [0:*]", "set grid"]
    curves = []
    for color, (label, points) in enumerate(shown.items(), 1):
        script.append(f"$s{color} << EOD\n" + "\n".join("%d %g %g" % p for p in sorted(points)) + "\nEOD")
        curves.append(f"$s{color} using 1:2 with linespoints lc {color} title '{label}'")
        curves.append(f"$s{color} using 1:3 with lines lc {color} dt 2 notitle")
    script.append("set title 'solid: ours; dashed: a copy of as many bytes'")
    script.append("plot " + ", ".join(curves))
    with open(directory / "softmax.svg", "wb") as file:
        subprocess.run(["gnuplot"], input="\n".join(script).encode(), stdout=file, check=True)


def print_tables(directory):
    directory = pathlib.Path(directory)
    softmax, context = load(directory / "softmax_bench.json")
    print(f"# Benchmarks\n\n{context['date'][:10]}, {context['host_name']}, {context['num_cpus']} CPUs; "
          f"CPU backend: {context['cpu']}; GPU: {context['gpu']}")
    print("\nTimes in us. vs: our time divided by theirs, measured in turns; below 1 ours is faster.")
    table("Softmax", [("us", "ours_us"), ("GB/s", "ours_GBps"), ("vs copy", "vs_copy"), ("vs memcpy", "vs_memcpy"),
                      ("vs oneDNN", "vs_onednn"), ("vs cuDNN", "vs_cudnn"), ("vs loops", "vs_naive"), ("host us", "host_us")], softmax)
    gpu_over_cpu(softmax, "ours_us")
    linear, _ = load(directory / "linear_bench.json")
    table("Linear layers", [("us", "ours_us"), ("GFLOP/s", "GFLOPs"), ("vs bare", "vs_bare"), ("vs tuned", "vs_tuned")],
          linear)
    gpu_over_cpu(linear, "ours_us")
    training, _ = load(directory / "training_bench.json")
    steps = {n: b for n, b in training.items() if "/step/" in n}
    table("Training steps", [("us", "step_us"), ("samples/s", "samples/s"), ("layers", "layers_us"), ("loss", "loss_us"),
                             ("optimizer", "update_us"), ("gather", "gather_us"), ("other", "other_us"),
                             ("bare products", "products_us"), ("step / products", "ratio")], steps)
    gpu_over_cpu(steps, "step_us")
    table("Until 98 % of the test images are right",
          [("median s", "median_s"), ("least s", "min_s"), ("most s", "max_s"), ("epochs", "epochs")],
          {n: b for n, b in training.items() if "time_to_98" in n})
    plot(softmax, directory)


def compare(old_path, new_path):
    """Each benchmark's time, new over old, divided by the same of the roof that was measured in turns with it."""
    (old, _), (new, _) = load(old_path), load(new_path)
    shared = [name for name in new if name in old]
    if not shared:
        raise SystemExit(f"{old_path} and {new_path} have no benchmark in common")
    slower = []
    for name in shared:
        a, b = old[name], new[name]
        ours = "step_us" if "step_us" in b else "ours_us" if "ours_us" in b else "median_s"
        roof = next((r + "_us" for r in ROOFS if r + "_us" in a and r + "_us" in b), None)
        drift = b[roof] / a[roof] if roof else 1
        change = b[ours] / a[ours] / drift
        noise = max(0.05, a.get("spread", 0), b.get("spread", 0))
        verdict = "slower" if change > 1 + noise else "faster" if change < 1 / (1 + noise) else "the same"
        if verdict != "the same":
            print(f"{name}: {verdict}, {change:.2f} times the time (noise {noise:.0%})")
        if verdict == "slower":
            slower.append(name)
    print(f"{len(shared)} compared, {len(slower)} slower")
    return 1 if slower else 0


def main(arguments):
    if len(arguments) == 2 and arguments[0] == "table":
        print_tables(arguments[1])
        return 0
    if len(arguments) == 3 and arguments[0] == "compare":
        return compare(arguments[1], arguments[2])
    print(__doc__.strip(), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
