#!/usr/bin/env python3
"""ranks_test.py CASE PROGRAM WITH_MPI [KILLS]: trains on several ranks, which mpirun starts, and breaks them. Exits 77
where there is no MPI."""

import hashlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SMALL = ["train", "--device", "cpu", "--threads", "1", "--data", "digits", "--shards", "8", "--batch-size", "64",
         "--hidden", "8", "--epochs", "2"]  # 1617 images: the last batch has 17
ENDS_WITHIN = 10  # seconds, after a rank was killed


def environment(more=None):
    return {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **(more or {})}


class Run:
    """mpirun with a program for each rank, in this directory."""

    def __init__(self, name, *commands, programs=None):
        self.out, self.err = pathlib.Path(name + ".out"), pathlib.Path(name + ".err")
        programs = programs or [[program]] * len(commands)
        together = [word for start, (n, command) in zip(programs, commands, strict=True)
                    for word in [":", "-n", str(n), *start, *command]][1:]
        self.process = subprocess.Popen(["mpirun", "--oversubscribe", *together], stdin=subprocess.DEVNULL,
                                        stdout=self.out.open("w"), stderr=self.err.open("w"), env=environment())

    def ranks(self):
        """The process of each rank that runs."""
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                stat = (path / "stat").read_text()
                parent = int(stat[stat.rindex(")"):].split()[2])
                if parent != self.process.pid:
                    continue
                for variable in (path / "environ").read_text().split("\0"):
                    name, _, value = variable.partition("=")
                    if name == "OMPI_COMM_WORLD_RANK":
                        found[int(value)] = int(path.name)
            except (OSError, ValueError):
                pass
        return found

    def wait_for(self, path, after=0.0):
        deadline = time.monotonic() + 60
        while not pathlib.Path(path).exists():
            assert time.monotonic() < deadline and self.process.poll() is None, self.texts()
            time.sleep(0.01)
        time.sleep(after)

    def end(self, within=120):
        code = self.process.wait(timeout=within)
        return code, self.out.read_text(), self.err.read_text()

    def texts(self):
        return self.out.read_text() + self.err.read_text()


def lines_of_ours(err):
    return [line for line in err.splitlines() if line.startswith("softwarp: ")]


def expect_lost(run, rank, text, within):
    """The others end with one line, which names the rank."""
    start = time.monotonic()
    code, out, err = run.end(within)
    print(f"rank {rank} lost: the others ended after {time.monotonic() - start:.2f} s")
    ours = lines_of_ours(err)
    assert code != 0 and len(ours) == 1, out + err
    assert f"rank {rank}: " in ours[0] and text in ours[0], err
    assert "simulator: " not in err, err


def stop(run, rank, timeout):
    """The rank neither ends nor goes on."""
    victim = run.ranks()[rank]
    os.kill(victim, signal.SIGSTOP)
    try:
        expect_lost(run, rank, f"expected an answer within {timeout} s (--timeout), found none", timeout + ENDS_WITHIN)
    finally:
        if pathlib.Path(f"/proc/{victim}").exists():
            os.kill(victim, signal.SIGKILL)


def files(directory):
    return [hashlib.sha256((pathlib.Path(directory) / name).read_bytes()).hexdigest()
            for name in ("model.safetensors", "metrics.csv")]


def train_on(ranks, directory, flags):
    code, out, err = Run(directory, (ranks, [*flags, "--output", directory])).end()
    assert code == 0, out + err
    assert not err, err
    return out


def same_bits():
    variants = [["--validation", "0.2", "--ema-decay", "0.9", "--max-norm", "1.5"],
                ["--optimizer", "sgd", "--momentum", "0.9", "--lr", "0.1", "--activation", "gelu"],
                ["--augment", "affine,elastic", "--images", "200"],
                ["--batch-size", "0", "--images", "203"]]
    for variant, flags in enumerate(variants):
        found = {}
        for ranks in (1, 2, 4, 8):
            directory = f"run-{variant}-{ranks}"
            out = train_on(ranks, directory, SMALL + flags)
            assert out.count("test accuracy") == 1, "rank 0 alone prints: " + out
            assert f"8 shards, {8 // ranks} a rank" in out, out
            found[ranks] = files(directory)
        assert all(each == found[1] for each in found.values()), (flags, found)
    for directory in ("fast-1", "fast-2"):
        assert "depend on the number of ranks" in train_on(3, directory, [*SMALL, "--shards", "1"])
    assert files("fast-1") == files("fast-2"), "the same number of ranks"


LONG = [*SMALL, "--hidden", "64", "--epochs", "60", "--images", "500", "--validation", "0.1", "--ema-decay", "0.9"]


def killed(kills):
    start = time.monotonic()
    train_on(4, "whole", LONG)
    lasts = time.monotonic() - start
    number = 0
    while number < kills:
        directory = f"killed-{number}"
        run = Run(directory, (4, [*LONG, "--output", directory]))
        run.wait_for(directory + "/last.safetensors", random.uniform(0, lasts / 4))
        ranks, victim = run.ranks(), random.randrange(4)
        if victim not in ranks:  # this run was faster than the one before, and has ended
            assert run.end()[0] == 0, run.texts()
            shutil.rmtree(directory)
            lasts /= 2
            continue
        os.kill(ranks[victim], signal.SIGKILL)
        expect_lost(run, victim, "--resume", ENDS_WITHIN)
        size = (1, 2, 8)[number % 3]
        resume = ["train", "--device", "cpu", "--threads", "1", "--resume", directory]
        code, out, err = Run(f"resumed-{number}", (size, resume)).end()
        assert code == 0 and "resuming after epoch" in out, out + err
        assert files(directory) == files("whole"), f"killed in rank {victim}, resumed on {size}"
        number += 1


def signalled():
    train_on(4, "whole", LONG)
    run = Run("ended", (4, [*LONG, "--output", "ended"]))
    run.wait_for("ended/last.safetensors")
    os.kill(run.ranks()[2], signal.SIGINT)
    code, out, err = run.end(ENDS_WITHIN)
    assert code == 128 + signal.SIGINT, (code, out, err)
    assert "softwarp train --resume ended goes on after epoch" in out, out + err
    assert not lines_of_ours(err), err
    code, out, err = Run("resumed", (2, ["train", "--device", "cpu", "--threads", "1", "--resume", "ended"])).end()
    assert code == 0, out + err
    assert files("ended") == files("whole")


def stopped():
    """At moments at which the others may be in different calls."""
    for number in range(4):
        directory = f"stopped-{number}"
        run = Run(directory, (4, [*LONG, "--epochs", "10000", "--timeout", "1", "--output", directory]))
        run.wait_for(directory + "/last.safetensors", random.uniform(0, 0.1))
        stop(run, 1, 1)


def refused():
    data = source / "data" / "digits"
    other = pathlib.Path("other")
    shutil.copytree(data, other)
    labels = bytearray(subprocess.check_output(["gzip", "-dc", next(other.glob("train-labels*"))]))
    labels[-1] = (labels[-1] + 1) % 10
    next(other.glob("train-labels*")).unlink()
    (other / "train-labels-idx1-ubyte").write_bytes(labels)

    def expect(line, *commands):
        code, out, err = Run("refused", *commands).end(60)
        ours = lines_of_ours(err)
        assert code != 0 and len(ours) == 1 and line in ours[0], (line, out, err)
        assert not pathlib.Path("run").exists(), "a directory of a refused run"

    run = [*SMALL, "--output", "run"]
    expect("rank 1: expected --lr 0.003, which rank 0 has, found 0.002", (1, run), (1, [*run, "--lr", "0.002"]))
    expect("rank 2: expected --shards 8", (2, run), (2, [*run, "--shards", "4"]))
    expect("rank 1: expected training images of checksum", (1, run), (1, [*run, "--data", str(other)]))
    expect("rank 1: missing: expected", (1, run), (1, [*run, "--data", "missing"]))
    expect("--shards: expected a number that 3 ranks divide, found 8", (3, run))
    expect("--batch-size: expected a multiple of --shards 8, found 100 (the next is 104)",
           (2, [*run, "--batch-size", "100"]))
    launcher = {"RANK": "0", "WORLD_SIZE": "2"}
    alone = subprocess.run([program, *run], capture_output=True, text=True, env=environment(launcher), check=False)
    assert alone.returncode == 1, alone
    assert "WORLD_SIZE: expected 2 processes that MPI knows, found 1" in alone.stderr, alone.stderr


if __name__ == "__main__":
    case, program, with_mpi = sys.argv[1:4]
    source = pathlib.Path(__file__).resolve().parents[2]
    if with_mpi != "ON" or shutil.which("mpirun") is None:
        print("skipped: this build has no MPI, or there is no mpirun (libopenmpi-dev, openmpi-bin)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        if case == "killed":
            killed(int(sys.argv[4]) if len(sys.argv) > 4 else 3)
        else:
            {"same_bits": same_bits, "signalled": signalled, "stopped": stopped, "refused": refused}[case]()
        os.chdir("/")
