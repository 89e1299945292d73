#!/usr/bin/env python3
"""roofline.py [--json] COUNTS TABLE: what our kernels should take on GPUs that are not here, as Markdown.

--json writes JSON instead, for the GPUs that the kernels were compiled for; bench/gpu/ compares measurements with it.

COUNTS is what roofline_counts wrote, TABLE the compiler's registers and shared memory (kernel_resources.md). A time is
predicted as the launches' overhead and, beside it, the longest of what the kernels ask for: the memory's bandwidth, the
loads that fit into flight, the units for exponentials and those for shuffles. Nothing here was measured."""

import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import resources  # noqa: E402

# Start values, to be replaced by what the first card shows.
LAUNCH_US = 2.5   # from one kernel's end to the next one's first load, and its last store
LATENCY_US = 0.8  # of a load under full traffic
# CUDA C++ Programming Guide, throughput of arithmetic instructions: results a clock and multiprocessor, the same from
# compute capability 8.0 to 12.0.
EXPONENTIALS_A_CLOCK = 16
SHUFFLING_WARPS_A_CLOCK = 1


def predict(gpu, kernels, known):
    """Microseconds by what bounds them, and the kernel's warps a multiprocessor as a share of what fits."""
    terms = {"launch": 0, "memory": 0, "loads in flight": 0, "exponentials": 0, "shuffles": 0}
    occupancy = []
    clocks = gpu["multiprocessors"] * gpu["GHz"] * 1e3  # a microsecond, of all multiprocessors
    for kernel in kernels:
        name = resources.short(kernel["name"])
        if (name, gpu["arch"]) not in known:
            raise SystemExit(f"roofline.py: {name} is not among the kernels compiled for sm_{gpu['arch']}")
        compiled = known[name, gpu["arch"]]
        blocks = resources.blocks_of(compiled, kernel["threads"], kernel["shared"])
        threads = min(math.ceil(kernel["blocks"]), blocks * gpu["multiprocessors"]) * kernel["threads"]
        flight = threads * (resources.flight_of_thread(compiled) or 16)
        terms["launch"] += LAUNCH_US * kernel["launches"]
        terms["memory"] += (kernel["load_bytes"] + kernel["store_bytes"]) / gpu["GBps"] / 1e3
        terms["loads in flight"] += LATENCY_US * max(1, kernel["load_bytes"] / flight)
        terms["exponentials"] += kernel["exponentials"] / EXPONENTIALS_A_CLOCK / clocks
        terms["shuffles"] += kernel["collectives"] / SHUFFLING_WARPS_A_CLOCK / clocks
        occupancy.append(blocks * kernel["threads"] / resources.LIMITS[gpu["arch"]][0])
    return terms, min(occupancy)


def prediction(gpu, entry, known):
    """Predicted us, GB/s of the bytes that must move, what bounds them, and the occupancy."""
    terms, occupancy = predict(gpu, entry["kernels"], known)
    work = max(value for name, value in terms.items() if name != "launch")
    total = terms["launch"] + work
    return {"us": total, "GBps": entry["bytes"] / total / 1e3, "bound": max(terms, key=terms.get), "occupancy": occupancy}


def cell(gpu, entry, known):
    p = prediction(gpu, entry, known)
    return f"{p['us']:,.1f} us, {p['GBps']:,.0f} GB/s, {p['bound']}, {p['occupancy']:.0%}"


def print_json(counts, known):
    compiled = {arch for _, arch in known}
    gpus = {gpu["name"]: gpu for gpu in counts["gpus"] if gpu["arch"] in compiled}
    predictions = [{key: entry[key] for key in ("gpu", "op", "type", "shape")}
                   | prediction(gpus[entry["gpu"]], entry, known)
                   for entry in counts["entries"] if entry["gpu"] in gpus]
    json.dump({"launch_us": LAUNCH_US, "latency_us": LATENCY_US, "gpus": list(gpus.values()),
               "predictions": predictions}, sys.stdout, indent=1)
    print()


def print_page(counts, known):
    gpus = counts["gpus"]
    print("# Roofline: predicted, not measured\n")
    print(f"Each cell: predicted time, GB/s of the bytes that must move, the larger of the launch overhead ({LAUNCH_US} "
          "us a kernel) and\nwhat bounds the work, occupancy. Bytes, exponentials and shuffles as the simulator counts "
          f"them, registers as\nthe compiler gives them out; a load takes {LATENCY_US} us; data that lies in no cache.\n")
    print("| GPU | GB/s | multiprocessors | GHz |\n|---|---|---|---|")
    for gpu in gpus:
        print(f"| {gpu['name']} | {gpu['GBps']:,.0f} | {gpu['multiprocessors']} | {gpu['GHz']} |")
    tasks = {}
    for entry in counts["entries"]:
        tasks.setdefault((entry["op"], entry["type"], entry["shape"]), {})[entry["gpu"]] = entry
    previous = None
    for (op, kind, shape), entries in sorted(tasks.items(), key=lambda item: item[0][:2]):
        if (op, kind) != previous:
            print(f"\n## {op}, {kind}\n\n| shape | bytes moved / needed | ex2 | "
                  + " | ".join(gpu["name"] for gpu in gpus) + " |\n" + "|---" * (3 + len(gpus)) + "|")
        previous = op, kind
        # The plan, and with it what is moved, differs between GPUs: the least and the most.
        moved = [sum(k["load_bytes"] + k["store_bytes"] for k in e["kernels"]) / e["bytes"] for e in entries.values()]
        powers = [sum(k["exponentials"] for k in e["kernels"]) for e in entries.values()]
        span = [f"{min(values):.3g}" + (f" to {max(values):.3g}" if max(values) > 1.01 * min(values) else "")
                for values in (moved, powers)]
        print(f"| {shape} | " + " | ".join(span + [cell(gpu, entries[gpu["name"]], known) for gpu in gpus]) + " |")


def main(arguments):
    printer = print_page
    if arguments[:1] == ["--json"]:
        printer = print_json
        del arguments[0]
    if len(arguments) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    with open(arguments[0], encoding="utf-8") as counts, open(arguments[1], encoding="utf-8") as table:
        printer(json.load(counts), resources.read_table(table))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
