#!/usr/bin/env python3
"""softwarp.torch beside torch on the CPU: times of calls that take turns, medians, as a Markdown table.

torch_ops.py [--threads N] [--rounds N] [--dtypes float32,float64,bfloat16] [--overhead]

The shapes are softmax_bench's. `ratio` is the median of softwarp's time divided by torch's of the same round; below 1
softwarp is faster. With --overhead, the table is of one row of 10 columns, beside the bare call of libsoftwarp.so.
"""

import argparse
import os
import statistics
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--threads", type=int, default=0, help="of softwarp and of torch; 0: one for each core")
parser.add_argument("--rounds", type=int, default=15)
parser.add_argument("--dtypes", default="float32,float64,bfloat16")
parser.add_argument("--overhead", action="store_true")
arguments = parser.parse_args()
if arguments.threads:  # both libraries read it when they are loaded
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

import softwarp.torch  # noqa: E402
from softwarp._library import CPU, FLOAT32, check, library  # noqa: E402

SHAPES = [(4096, 10), (4096, 128), (4096, 1024), (1024, 8192), (128, 131072), (16, 262144)]


def seconds(run, calls=1):
    """Of a call that finds the caches as one before it left them."""
    run()
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def compare(runs, calls=1):
    """Medians of each run's seconds, and that of the quotients of the first two."""
    times = [[seconds(run, calls) for run in runs] for _ in range(arguments.rounds)]
    return [statistics.median(column) for column in zip(*times)], statistics.median(t[0] / t[1] for t in times)


def with_gradient(cross_entropy, x, target):
    return torch.autograd.grad(cross_entropy(x, target), x)


def contests(x, dy, target):
    """Of each op, the runs of softwarp and of torch."""
    y, log_y, ops, aten = torch.softmax(x, 1), torch.log_softmax(x, 1), torch.ops.softwarp, torch.ops.aten
    leaf = x.clone().requires_grad_()
    return {
        "softmax": (lambda: softwarp.torch.softmax(x, 1), lambda: torch.softmax(x, 1)),
        "log_softmax": (lambda: softwarp.torch.log_softmax(x, 1), lambda: torch.log_softmax(x, 1)),
        "softmax_backward": (lambda: ops.softmax_backward(y, dy, 1),
                             lambda: aten._softmax_backward_data(dy, y, 1, y.dtype)),
        "log_softmax_backward": (lambda: ops.log_softmax_backward(log_y, dy, 1),
                                 lambda: aten._log_softmax_backward_data(dy, log_y, 1, y.dtype)),
        "cross_entropy": (lambda: softwarp.torch.cross_entropy(x, target), lambda: F.cross_entropy(x, target)),
        "cross_entropy with gradient": (lambda: with_gradient(softwarp.torch.cross_entropy, leaf, target),
                                        lambda: with_gradient(F.cross_entropy, leaf, target))}


def compare_shapes():
    print("| dtype | op | shape | softwarp, us | torch, us | ratio |\n|---|---|---|---|---|---|")
    for dtype in arguments.dtypes.split(","):
        for rows, cols in SHAPES:
            torch.manual_seed(1)
            x, dy = torch.randn(2, rows, cols).to(getattr(torch, dtype))
            for op, runs in contests(2 * x, dy, torch.randint(cols, (rows,))).items():
                (ours, theirs), ratio = compare(runs)
                print(f"| {dtype} | {op} | {rows}x{cols} | {ours * 1e6:.0f} | {theirs * 1e6:.0f} | {ratio:.2f} |",
                      flush=True)


def compare_overhead():
    x, dy, target = torch.randn(1, 10), torch.randn(1, 10), torch.tensor([3])
    y = torch.empty_like(x)
    prepared = (CPU, FLOAT32, 1, 10, x.data_ptr(), 10, y.data_ptr(), 10, None, 0, None)
    print("| op, 1x10 float32 | softwarp, us | torch, us | libsoftwarp.so's softmax, us |\n|---|---|---|---|")
    for op, runs in contests(x, dy, target).items():
        (ours, theirs, bare), _ = compare((*runs, lambda: check(library.softwarp_softmax(*prepared))), calls=1000)
        print(f"| {op} | {ours * 1e6:.1f} | {theirs * 1e6:.1f} | {bare * 1e6:.1f} |", flush=True)


print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}\n")
compare_overhead() if arguments.overhead else compare_shapes()
