#!/usr/bin/env python3
"""Pretends to be any program of a bundle: writes the file that it is asked for, with the content that fixture.json has for
it. The variables FIXTURE_HANG, FIXTURE_CRASH, FIXTURE_FAIL and FIXTURE_SKIP name a program that does so."""
import json
import os
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
FIXTURE = json.loads((HERE / "fixture.json").read_text(encoding="utf-8"))
NAME = pathlib.Path(sys.argv[0]).name
ARGUMENTS = " ".join(sys.argv[1:])


def is_told_to(what):
    return os.environ.get("FIXTURE_" + what) == NAME


def keep(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


if is_told_to("HANG"):
    time.sleep(600)
if NAME.startswith("softmax_bench") and is_told_to("CRASH"):
    sys.exit("cuDNN: is told to")
if NAME == "nvidia-smi":
    print(FIXTURE["nvidia-smi"], end="")
elif NAME == "nproc":
    print(8)
elif NAME == "compute-sanitizer":
    tool = "RACECHECK" if "racecheck" in ARGUMENTS else "ERROR"
    print(f"========= {tool} SUMMARY: {int(is_told_to('FAIL'))} errors")
    sys.exit(is_told_to("FAIL"))
elif ARGUMENTS == "devices":
    print(FIXTURE["devices.log"], end="")
elif run := re.search(r"--output (\S+)", ARGUMENTS):
    for file in ("summary.json", "metrics.csv"):
        keep(pathlib.Path(run[1]) / file, FIXTURE[file])
elif out := re.search(r"--benchmark_out=(\S+)", ARGUMENTS):
    path = pathlib.Path(out[1])
    if path.name.startswith("softmax"):
        _, shape, kind = path.stem.split("_")
        keep(path, json.dumps(FIXTURE["softmax.json"]).replace("4096x10", shape).replace("float", kind))
    else:
        keep(path, FIXTURE[path.name])
elif report := re.search(r"--gtest_output=json:(\S+)", ARGUMENTS):
    shards, shard = (int(os.environ[f"GTEST_{name}"]) for name in ("TOTAL_SHARDS", "SHARD_INDEX"))
    suite = FIXTURE["gtest"]["testsuites"][0]
    suite["testsuite"][2] |= {"failures": [{"failure": "is told to"}]} if is_told_to("FAIL") else {}
    suite["testsuite"][2] |= {"result": "SKIPPED"} if is_told_to("SKIP") else {}
    suite["testsuite"] = [test for i, test in enumerate(suite["testsuite"]) if i % shards == shard]
    for test in suite["testsuite"]:
        print(f"[ RUN      ] {suite['name']}.{test['name']}", flush=True)
        if is_told_to("CRASH"):
            sys.exit(9)
    keep(pathlib.Path(report[1]), FIXTURE["gtest"])
    sys.exit(any("failures" in test for test in suite["testsuite"]))
