#!/usr/bin/env python3
"""against_torch.py [--dtypes float32,...] [--rounds 15]: softwarp and PyTorch on the CPU by turns, at the shapes of
bench/softmax_bench.cpp. Prints the medians in microseconds and their ratio, in which more than 1 means that softwarp is faster."""

import argparse
import statistics
import time

import torch
import torch.nn.functional as F

import softwarp

SHAPES = [(4096, 10), (4096, 128), (4096, 1024), (1024, 8192), (128, 131072), (16, 262144)]


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def cases(rows, cols, dtype):
    x = torch.randn(rows, cols).to(dtype)
    y, logs, dy = torch.softmax(x, -1), torch.log_softmax(x, -1), torch.randn(rows, cols).to(dtype)
    target = torch.randint(cols, (rows,))
    yield "softmax", lambda: softwarp.softmax(x), lambda: torch.softmax(x, -1)
    yield "log_softmax", lambda: softwarp.log_softmax(x), lambda: torch.log_softmax(x, -1)
    yield ("softmax_backward", lambda: softwarp.softmax_backward(y, dy),
           lambda: torch._softmax_backward_data(dy, y, -1, dtype))
    yield ("log_softmax_backward", lambda: softwarp.log_softmax_backward(logs, dy),
           lambda: torch._log_softmax_backward_data(dy, logs, -1, dtype))

    def theirs():
        leaf = x.detach().requires_grad_()
        F.cross_entropy(leaf, target).backward()

    yield "cross_entropy and gradient", lambda: softwarp.cross_entropy_with_gradient(x, target), theirs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtypes", default="float32,float64,float16,bfloat16")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, softwarp {softwarp.__version__}, {torch.get_num_threads()} threads")
    for dtype in options.dtypes.split(","):
        for rows, cols in SHAPES:
            for name, ours, theirs in cases(rows, cols, getattr(torch, dtype)):
                try:
                    theirs()
                except RuntimeError:  # this torch has no such op of 16 bits on the CPU
                    continue
                ours()
                times = [(seconds(ours), seconds(theirs)) for _ in range(options.rounds)]
                mine, other = (statistics.median(t) * 1e6 for t in zip(*times))
                print(f"{dtype:9} {rows:7} x {cols:<7} {name:27} {mine:10.1f} {other:10.1f} {other / mine:6.2f}", flush=True)


if __name__ == "__main__":
    main()
