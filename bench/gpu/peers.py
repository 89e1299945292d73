#!/usr/bin/env python3
"""Times PyTorch on the same card: softmax, its backward, cross-entropy with its gradient (eager, and some compiled), a copy,
and training steps of the same networks (eager, as a CUDA graph, and as a CUDA graph of compiled code). Writes medians in
microseconds to OUT, one JSON object a line, each as soon as it is known. Buffers rotate, so that none stays in the L2 cache.

Exit code 77, with one line: this Python has no PyTorch, or its PyTorch sees no GPU."""

import argparse
import json
import statistics
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError as missing:
    print(f"no PyTorch: {missing}")
    sys.exit(77)

NETWORKS = ((784, 128, 10), (784, 512, 512, 10), (784, 1024, 1024, 10))
BATCHES = (128, 512, 2048)
TYPES = {"float": torch.float32, "bfloat16": torch.bfloat16}


class Peers:
    def __init__(self, options):
        self.device, self.small, self.seconds = options.device, options.small, options.seconds
        self.end = time.monotonic() + options.seconds
        self.file = open(options.out, "w", encoding="utf-8")  # pylint: disable=consider-using-with
        name = torch.cuda.get_device_name() if self.on_gpu() else "cpu"
        self.write(torch=torch.__version__, device=name)

    def on_gpu(self):
        return self.device == "cuda"

    def write(self, **entry):
        print(json.dumps(entry), file=self.file, flush=True)

    def left(self):
        return self.end - time.monotonic()

    def wait(self):
        if self.on_gpu():
            torch.cuda.synchronize()

    def seconds_of(self, work, runs):
        """The time of one run: the median of five series of runs, on a GPU by its own clock."""
        times = []
        for _ in range(5):
            self.wait()
            if self.on_gpu():
                start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                start.record()
            begun = time.perf_counter()
            for i in range(runs):
                work(i)
            if self.on_gpu():
                end.record()
                end.synchronize()
                times.append(start.elapsed_time(end) / 1e3 / runs)
            else:
                times.append((time.perf_counter() - begun) / runs)
        return statistics.median(times)

    def timed(self, work, sets, runs=20):
        """Microseconds of work, which takes the sets in turn."""
        for arguments in sets[:3]:
            work(*arguments)
        return 1e6 * self.seconds_of(lambda i: work(*sets[i % len(sets)]), 2 if self.small else runs)

    def attempt(self, work, *arguments):
        """Calls work; an exception becomes one line of the results, so that the other parts still run."""
        try:
            work(*arguments)
        except Exception as error:  # pylint: disable=broad-exception-caught
            said = (str(error).strip().splitlines() or [""])[0]
            self.write(error=f"{work.__name__} {' '.join(map(str, arguments))}: {type(error).__name__}, {said[:150]}")

    def matrices(self, shape, dtype):
        rows, cols = map(int, shape.split("x"))
        count = 2 if self.small else max(2, min(16, (256 << 20) // (rows * cols * dtype.itemsize) + 1))
        return [torch.randn(rows, cols, device=self.device, dtype=dtype) for _ in range(count)]

    def softmax(self, shape, kind):
        dtype = TYPES[kind]
        xs = self.matrices(shape, dtype)
        outs = [torch.empty_like(x) for x in xs]

        def report(what, work, sets):
            self.write(what=what, type=kind, shape=shape, how="eager", us=self.timed(work, sets))

        report("copy", lambda x, out: out.copy_(x), list(zip(xs, outs)))
        report("softmax", lambda x, out: torch.softmax(x, 1, out=out), list(zip(xs, outs)))
        # pylint: disable-next=protected-access
        report("softmax_backward", lambda g, y: torch._softmax_backward_data(g, y, 1, dtype), list(zip(xs, outs)))
        report("cross_entropy", self.cross_entropy(F.cross_entropy), self.losses(xs))

    def losses(self, xs):
        rows, cols = xs[0].shape
        targets = torch.randint(cols, (rows,), device=self.device)
        return [(x.detach().requires_grad_(), targets) for x in xs]

    @staticmethod
    def cross_entropy(loss):
        def run(x, targets):
            x.grad = None
            loss(x, targets).backward()
        return run

    def compiled(self, shape, kind):
        xs = self.matrices(shape, TYPES[kind])
        torch.compiler.reset()
        softmax = torch.compile(lambda x: torch.softmax(x, 1), dynamic=False)
        us = self.timed(softmax, [(x,) for x in xs])
        self.write(what="softmax", type=kind, shape=shape, how="compiled", us=us)
        us = self.timed(self.cross_entropy(torch.compile(F.cross_entropy, dynamic=False)), self.losses(xs))
        self.write(what="cross_entropy", type=kind, shape=shape, how="compiled", us=us)

    def network(self, widths):
        layers = []
        for i in range(len(widths) - 1):
            layers.append(torch.nn.Linear(widths[i], widths[i + 1]))
            if i + 2 < len(widths):
                layers.append(torch.nn.ReLU())
        return torch.nn.Sequential(*layers).to(self.device)

    def train(self, widths, batch, compile_it):
        """Times steps of SGD, each on a batch that is gathered on the device by a permutation."""
        images = torch.rand(60000, widths[0], device=self.device)
        labels = torch.randint(widths[-1], (60000,), device=self.device)
        order = torch.randperm(60000, device=self.device)
        net = self.network(widths)
        forward = torch.compile(net, dynamic=False) if compile_it else net
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, fused=True)
        x, y = images[:batch].clone(), labels[:batch].clone()

        def step():
            optimizer.zero_grad(set_to_none=False)
            F.cross_entropy(forward(x), y).backward()
            optimizer.step()

        def run(i, work):
            at = order[i * batch % 50000:][:batch]
            torch.index_select(images, 0, at, out=x)
            torch.index_select(labels, 0, at, out=y)
            work()

        def report(how, work):
            for i in range(3):
                run(i, work)
            seconds = self.seconds_of(lambda i: run(i, work), 2 if self.small else 100)
            self.write(what="step", network="-".join(map(str, widths)), batch=batch, how=how, us=1e6 * seconds)

        if not compile_it:
            report("eager", step)
        if not self.on_gpu():
            return step()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        report("compiled graph" if compile_it else "graph", graph.replay)

    def run(self, shapes):
        """Runs the quick parts first. A compilation takes seconds, so none begins in the last third of the time."""
        batches = BATCHES[:1] if self.small else BATCHES
        for widths in NETWORKS:
            for batch in batches:
                self.attempt(self.train, widths, batch, False)
        for shape in shapes:
            for kind in TYPES:
                self.attempt(self.softmax, shape, kind)
        work = [(self.train, widths, batch, True) for widths in NETWORKS[:2] for batch in batches[:1]]
        work += [(self.compiled, shape, kind) for shape in shapes for kind in TYPES]
        for function, *arguments in work:
            if self.left() > self.seconds / 3:
                self.attempt(function, *arguments)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: to try the script")
    parser.add_argument("--small", action="store_true", help="few runs: to try the script")
    parser.add_argument("out")
    parser.add_argument("shapes", nargs="*", metavar="ROWSxCOLUMNS")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print(f"PyTorch {torch.__version__} sees no GPU")
        return 77
    torch.backends.cuda.matmul.allow_tf32 = False
    Peers(options).run(options.shapes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
