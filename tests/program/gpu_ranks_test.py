#!/usr/bin/env python3
"""gpu_ranks_test.py CASE SIMULATED_PROGRAM WITH_MPI: trains on several ranks, each with a simulated GPU, and breaks
them. Exits 77 where there is no MPI."""

import os
import random
import re
import shutil
import signal
import sys
import tempfile

import ranks_test
from ranks_test import ENDS_WITHIN, Run, expect_lost, files, lines_of_ours, stop, train_on

SMALL = ["train", "--device", "cuda", "--threads", "1", "--data", "digits", "--shards", "8", "--batch-size", "32",
         "--hidden", "8", "--images", "72", "--epochs", "2"]  # the last batch has 8


def same_bits():
    for variant, flags in enumerate([["--dropout", "0.2"], ["--optimizer", "sgd", "--lr", "0.1", "--batch-size", "0"]]):
        found = {}
        for ranks in (1, 2, 4):
            directory = f"run-{variant}-{ranks}"
            out = train_on(ranks, directory, SMALL + flags)
            assert out.count("test accuracy") == 1, "rank 0 alone prints: " + out
            assert f"8 shards, {8 // ranks} a rank" in out, out
            assert ranks == 1 or "rank 1 on cuda 1 Simulated sm_90" in out, out
            found[ranks] = files(directory)
        assert all(each == found[1] for each in found.values()), (flags, found)


def any_order():
    """Without --shards: NCCL's own order, and each layer's sum while the layers below are differentiated."""
    out = train_on(2, "fast", [*SMALL, "--shards", "1", "--hidden", "8,8"])
    assert "depend on the number of ranks" in out, out
    accuracy = float(re.search(r"test accuracy ([\d.]+) %", out)[1])
    alone = float(re.search(r"test accuracy ([\d.]+) %", train_on(1, "alone", [*SMALL, "--shards", "1", "--hidden",
                                                                              "8,8"]))[1])
    assert abs(accuracy - alone) < 1, (accuracy, alone)


def counts():
    """Of calls of the host: a step is one, which adds no wait and no call of NCCL."""
    os.environ["SOFTWARP_COUNTS"] = "1"
    # Two rounds of four ranks; three weights and all biases.
    for shards, ranks, sums, sends in (("8", 4, 0, 2), ("1", 2, 4, 0)):
        of_set_up = set()
        for epochs in (1, 3):
            directory = f"counted-{shards}-{epochs}"
            flags = [*SMALL, "--hidden", "8,8", "--shards", shards, "--images", "64", "--epochs", str(epochs),
                     "--output", directory]
            code, out, err = Run(directory, (ranks, flags)).end()
            assert code == 0, out + err
            lines = re.findall(r"counts: waits (\d+), launches (\d+), sums (\d+), sends (\d+)", err)
            assert len(lines) == ranks, err
            for line in lines:
                waits, launches, of_sums, of_sends = map(int, line)
                of_set_up.add(waits)
                assert launches == 2 * epochs, err
                assert (of_sums, of_sends) == (2 * sums, 2 * sends), f"once run and once recorded: {err}"
        assert len(of_set_up) == 1, f"waits of an epoch: {of_set_up}"


LONG = [*SMALL, "--epochs", "10000", "--checkpoint-every", "1"]


def killed():
    for number in range(3):
        directory = f"killed-{number}"
        run = Run(directory, (4, [*LONG, "--output", directory]))
        run.wait_for(directory + "/last.safetensors", random.uniform(0, 2))
        victim = random.randrange(4)
        os.kill(run.ranks()[victim], signal.SIGKILL)
        expect_lost(run, victim, "--resume", ENDS_WITHIN)


def stopped():
    run = Run("stopped", (2, [*LONG, "--timeout", "2", "--output", "run"]))
    run.wait_for("run/last.safetensors")
    stop(run, 1, 2)


def refused():
    os.environ["SOFTWARP_DEVICES"] = "1"
    code, out, err = Run("refused", (2, [*SMALL, "--output", "run"])).end(60)
    ours = lines_of_ours(err)
    assert code != 0 and len(ours) == 1, out + err
    assert "ranks 0 and 1: expected a GPU each, found 0000:00:00.0 of" in ours[0], err
    os.environ["SOFTWARP_DEVICES"] = "2"
    code, out, err = Run("few", (3, [*SMALL, "--shards", "1", "--output", "run"])).end(60)
    ours = lines_of_ours(err)
    assert code != 0 and len(ours) == 1, out + err
    assert "rank 2: no CUDA device: number 2: expected a device, found 2 of them" in ours[0], err


# Those that several ranks add to a training on one GPU.
CALLS = ["cudaDeviceGetPCIBusId", "ncclGetUniqueId", "ncclCommInitRankConfig", "ncclCommGetAsyncError", "ncclGroupStart",
         "ncclSend", "ncclRecv", "ncclGroupEnd", "ncclAllReduce", "cudaStreamWaitEvent", "cudaStreamQuery"]


def faults():
    """The first calls of each function fail in turn, on one of two ranks."""
    os.environ["OMPI_MCA_odls_base_sigkill_timeout"] = "1"
    for function in CALLS:
        shards = "1" if function in ("ncclAllReduce", "cudaStreamWaitEvent") else "8"
        flags = [*SMALL, "--epochs", "1", "--images", "16", "--batch-size", "16", "--shards", shards, "--output"]
        for call in range(3):
            directory = f"{function}-{call}"
            broken = 0 if function == "ncclGetUniqueId" else call % 2
            fault = ["env", f"SOFTWARP_FAULT_CALL={call}", f"SOFTWARP_FAULT_FUNCTION={function}", ranks_test.program]
            run = Run(directory, *[(1, [*flags, directory])] * 2,
                      programs=[fault if rank == broken else [ranks_test.program] for rank in range(2)])
            code, out, err = run.end(60)
            assert "simulator: " not in err, (function, call, err)
            if f"fault: {function}" not in err:
                assert call > 0 and code == 0, (function, call, out, err)
                break
            assert code != 0 and len(lines_of_ours(err)) == 1, (function, call, out, err)


if __name__ == "__main__":
    case, ranks_test.program, with_mpi = sys.argv[1:4]
    if with_mpi != "ON" or shutil.which("mpirun") is None:
        print("skipped: this build has no MPI, or there is no mpirun (libopenmpi-dev, openmpi-bin)")
        sys.exit(77)
    os.environ["SOFTWARP_DEVICES"] = "4"
    # The queue of a simulated device may take longer to run out than the second that mpirun leaves. mpirun then always
    # leaves this long.
    os.environ["OMPI_MCA_odls_base_sigkill_timeout"] = "5"
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        {"same_bits": same_bits, "any_order": any_order, "counts": counts, "killed": killed, "stopped": stopped,
         "refused": refused, "faults": faults}[case]()
        os.chdir("/")
