#!/usr/bin/env python3
"""From the words of ptxas (-Xptxas=-v, demangled, on the standard input) to a table, one row for each of our kernels,
each architecture and size of block; what is wrong is said behind it, and then the exit status is 1."""

import re
import sys
from dataclasses import dataclass

# CUDA C++ Programming Guide, technical specifications: threads and KiB of shared memory of a multiprocessor. Needed:
# KiB that keep memory busy, by Little's law: bandwidth times about 0.8 us, for a multiprocessor. On B200 (100) that
# would be 43; two thirds of it are demanded.
LIMITS = {75: (1024, 64), 80: (2048, 164), 86: (1536, 100), 89: (1536, 100), 90: (2048, 228), 100: (2048, 228),
          103: (2048, 228), 120: (1536, 100)}
NEEDED = {75: 6, 80: 12, 86: 8, 89: 7, 90: 18, 100: 28, 103: 28, 120: 8}
HEAD = "| kernel | sm | registers | static shared | threads | dynamic shared | blocks | KiB in flight |"


@dataclass
class Kernel:
    name: str
    arch: int
    registers: int
    shared: int  # static, bytes
    frame: int = 0
    spills: int = 0


def blocks_of(kernel, threads, dynamic):
    """Blocks a multiprocessor: the fewest of those that threads, registers (given out to a warp in units of 256) and
    shared memory allow."""
    most_threads, kib = LIMITS[kernel.arch]
    of_warp = -(-kernel.registers * 32 // 256) * 256
    by_registers = 65536 // (of_warp * (threads // 32))
    by_shared = kib * 1024 // (kernel.shared + dynamic + 1024)
    return min(most_threads // threads, 32, by_registers, by_shared)


def form_of(kernel):
    """The plan's form: register, packed or two_pass; empty: it is no kernel on rows."""
    found = re.match(r"(register|packed|two_pass)_rows", kernel.name)
    return found[1] if found else ""


def flight_of_thread(kernel):
    """Bytes of global memory that a thread of a kernel on rows asks for before it waits for any."""
    inputs = 2 if "Backward" in kernel.name else 1
    # Of a vector of each input.
    narrow = re.search(r"(half|bfloat16), float|CrossEntropy<__(half|nv_bfloat16), true", kernel.name)
    vector = 8 if narrow else 16 * inputs
    vectors = int((re.search(r", (\d+)>$", kernel.name) or [0, 0])[1])
    return {"register": vectors * vector, "packed": 32 * inputs, "two_pass": 64}.get(form_of(kernel), 0)


def sizes_of(kernel):
    """The blocks that a kernel is launched in, as (threads, dynamic shared memory), the smallest and the largest."""
    form = form_of(kernel)
    if form == "register":
        return [(128, 0)] + [(512, 0)] * (not kernel.name.endswith(", 2>"))
    if form == "two_pass":  # a multiprocessor's shared memory for itself
        return [(512, 48 * 1024)]
    if form == "packed":
        return [(128, 4096 * (3 if "Backward" in kernel.name else 2))]
    return [(256, 0)]


def short(name):
    """void softwarp::register_rows_kernel<softwarp::Softmax<float, float, (bool)0>, (int)8>(...) without the noise."""
    name = re.sub(r"softwarp::|\(anonymous namespace\)::|_NV_ANON_NAMESPACE::|\(int\)", "", name)
    name = name.replace("(bool)1", "true").replace("(bool)0", "false").removeprefix("void ")
    name = re.sub(r">\(.*", ">", name)
    return name if name.endswith(">") else re.sub(r"\(.*", "", name)


def parse(lines):
    """The kernels of ours that ptxas speaks of."""
    kernels = []
    for line in lines:
        if found := re.search(r"Compiling entry function '(.*)' for 'sm_(\d+)", line):
            name, arch, frame, spills = found[1], int(found[2]), 0, 0
        elif found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            frame, spills = int(found[1]), int(found[2]) + int(found[3])
        elif (found := re.search(r"Used (\d+) registers", line)) and "softwarp::" in name:
            shared = re.search(r"(\d+) bytes smem", line)
            kernels.append(Kernel(short(name), arch, int(found[1]), int(shared[1]) if shared else 0, frame, spills))
    return kernels


def read_table(lines):
    """The kernels of a table that print_table wrote."""
    kernels = {}
    for line in lines:
        if line.startswith("| `"):
            name, arch, registers, shared = (cell.strip(" `") for cell in line.split("|")[1:5])
            kernels[name, int(arch)] = Kernel(name, int(arch), int(registers), int(shared))
    return kernels


def print_table(kernels):
    """Prints a row for each kernel and size of block; returns their number and what is wrong."""
    rows, faults = 0, []
    print(HEAD + "\n" + "|---" * 8 + "|")
    for k in kernels:
        if k.arch not in LIMITS:
            faults.append(f"{k.name}: resources.py does not know sm_{k.arch}")
            continue
        if k.frame or k.spills:
            faults.append(f"{k.name}, sm_{k.arch}: {k.frame} bytes of stack, {k.spills} bytes spilled")
        for threads, dynamic in sizes_of(k):
            blocks = blocks_of(k, threads, dynamic)
            flight = blocks * threads * flight_of_thread(k)
            print(f"| `{k.name}` | {k.arch} | {k.registers} | {k.shared} | {threads} | {dynamic} | {blocks} "
                  f"| {flight / 1024:.0f} |")
            rows += 1
            if blocks < 1:
                faults.append(f"{k.name}, sm_{k.arch}: no block of {threads} threads fits")
            # Threads that have one or two loads to make cannot have more: half of them will do. Arithmetic, not
            # memory, bounds double; and label smoothing reads weights beside the logits, which stay in the caches.
            exempt = re.search(r"<double|CrossEntropy<[^,]*, true", k.name)
            needed = 0 if exempt else min(NEEDED[k.arch] * 1024, LIMITS[k.arch][0] * flight_of_thread(k) // 2)
            if flight < needed:
                faults.append(f"{k.name}, sm_{k.arch}: {k.registers} registers leave {flight} bytes in flight, "
                              f"{needed} needed")
    return rows, faults


def main():
    rows, faults = print_table(parse(sys.stdin))
    for fault in faults:
        print(fault)
    if faults or not rows:
        print(f"check_resources: {len(faults)} faults in {rows} rows")
        return 1
    print(f"check_resources: {rows} rows, no spills, no local memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
