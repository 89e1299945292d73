#!/usr/bin/env python3
"""Plants small bugs, mutants, and says which of them the tests do not notice: README.md.

mutate.py check                       fail unless each mutant of mutants/*.txt fits the sources
mutate.py list [WHICH...]             their names
mutate.py run [OPTIONS] [WHICH...]    plant them in a private copy of the sources and run the tests

WHICH is a mutant's name or a source, or a pattern of either; without one it is all of them.
"""

import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from mutant_list import ROOT, Failure, breaches, choose, plant, read_lists, read_sources  # noqa: E402

REPORT = ROOT / "build/mutation/report.md"


def show(mutants, _):
    print("\n".join(f"{m.name}  {m.file}" for m in mutants))
    return 0


def check(mutants, _):
    wrong, sources = list(breaches(mutants)), {}
    if not wrong:
        sources = read_sources(mutants)
    for file, source in sources.items():
        of_file = [m for m in mutants if m.file == file]
        for group in [[m] for m in of_file] + [[m for m in of_file if not m.alone]]:
            try:
                plant(group, {file: source})
            except Failure as failure:
                wrong.append(str(failure))
    print("\n".join(dict.fromkeys(wrong)) if wrong else f"{len(mutants)} mutants fit the sources")
    return 1 if wrong else 0


def dependents(build):
    """The objects that are compiled from each file of ours, as the last build left it."""
    objects, current = {}, ""
    done = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith(" "):
            file = os.path.relpath(os.path.join(build, line.strip()), ROOT)
            objects.setdefault(file, set()).add(current)
        else:
            current = line.partition(":")[0]
    return objects


def draw(mutants, build, options):
    """So many that to plant them compiles no more objects than it may."""
    seed = options.seed or commit()
    objects, drawn, together, alone = dependents(build), [], set(), 0
    pool = [m for m in mutants if not m.survives]
    random.Random(seed).shuffle(pool)
    for mutant in pool:
        of_mutant = objects.get(mutant.file, set())
        more_together = together if mutant.alone else together | of_mutant
        more_alone = alone + len(of_mutant) if mutant.alone else alone
        if len(drawn) < options.draw and len(more_together) + more_alone <= options.compile:
            drawn.append(mutant)
            together, alone = more_together, more_alone
    print(f"seed {seed} draws {len(drawn)} of {len(mutants)} mutants", flush=True)
    return drawn


def commit():
    git = ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]
    done = subprocess.run(git, capture_output=True, text=True, check=False) if shutil.which("git") else None
    return done.stdout.strip() if done and done.stdout else time.strftime("%Y-%m-%d")


# Over the project's root, at its own path, so that a build that is there goes on; what is written goes to $2.
OVERLAY = """mkdir -p "$2/upper" "$2/work"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$1" || exit 1
cd "$1" && shift 2 && exec "$@" """


def run(mutants, options):
    """Calls this script again, as `inside`, where it may write to the sources."""
    build = (ROOT / options.build).resolve()
    if ROOT not in build.parents:
        raise Failure(f"expected a build directory inside {ROOT}, found {build}")
    if options.draw:
        mutants = draw(mutants, build, options)
    with tempfile.TemporaryDirectory(prefix="softwarp-mutants-") as temporary:
        temporary = pathlib.Path(temporary).resolve()
        report = temporary / "report.md"
        overlay = ["unshare", "--mount", "--propagation", "private", "sh", "-c", OVERLAY, "sh", ROOT, temporary]
        tree = ROOT
        if not shutil.which("unshare") or subprocess.run([*overlay, "true"], stderr=subprocess.DEVNULL,
                                                         check=False).returncode != 0:
            overlay, tree = [], temporary / "tree"
            print("no private file system here: a copy is built anew, which takes longer", flush=True)
            for file in subprocess.run([ROOT / "scripts/list_files.sh"], capture_output=True, text=True,
                                       check=True).stdout.splitlines():
                (tree / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, tree / file)
        command = [sys.executable, "-B", tree / "tests/mutation/mutate.py", "inside", "--build",
                   build.relative_to(ROOT), "--jobs", str(options.jobs), "--report", report]
        done = subprocess.run([*overlay, *command, *(m.name for m in mutants)], check=False,
                              env=dict(os.environ, SOFTWARP_MUTATION_TREE=str(tree), SOFTWARP_MUTANT="0"))
        if report.exists():
            REPORT.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(report, REPORT)
            print(f"the table: {REPORT.relative_to(ROOT)}")
    return done.returncode


def compile_programs(build, mutants, jobs):
    programs = sorted({test.partition(":")[0] for m in mutants for test in m.tests})
    if not (build / "CMakeCache.txt").exists():
        quiet(["cmake", "--preset", build.name, "-DSOFTWARP_BENCHES=OFF"])
    quiet(["cmake", "--build", build, "--parallel", str(jobs), "--target", *programs, "--", "-k", "0"])


def quiet(command):
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if "error" in line]
        raise Failure("\n".join([f"failed: {' '.join(map(str, command))}", *(errors or [done.stdout])[:60]]))


@dataclasses.dataclass
class Outcome:
    by: str  # the test that noticed, and how; empty: none did
    seconds: float
    output: str = ""


def run_test(build, test, variables, limit=None):
    program, _, pattern = test.partition(":")
    path = next(build.glob(f"tests/*/{program}"), None)
    if path is None:
        raise Failure(f"expected a test program, found no {build}/tests/*/{program}")
    start = time.monotonic()
    process = subprocess.Popen([path, f"--gtest_filter={pattern or '*'}", "--gtest_fail_fast"], cwd=path.parent,
                               env={**os.environ, "OMP_WAIT_POLICY": "passive", **variables}, start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    late = False
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        late = True
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    seconds = time.monotonic() - start
    last = (re.findall(r"^\[ RUN      \] (.+)$", output, re.M) or [program])[-1]
    failed = re.search(r"^\[  FAILED  \] (.+?)(?:, where .*)?(?: \(\d+ ms\))?$", output, re.M)
    if late:
        return Outcome(f"{last}, which did not end", seconds, output)
    if process.returncode < 0:
        return Outcome(f"{last}, by {signal.Signals(-process.returncode).name}", seconds, output)
    if process.returncode > 0:
        return Outcome(failed.group(1) if failed else f"{last}, exit code {process.returncode}", seconds, output)
    if "[ RUN      ]" not in output:
        raise Failure(f"expected a filter that a test of {program} matches, found {pattern}")
    return Outcome("", seconds, output)


def baseline(build, mutants, jobs):
    """How long each of the tests takes when no mutant is on. All must pass then."""
    tests = sorted({test for m in mutants for test in m.tests})
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(lambda test: run_test(build, test, {"SOFTWARP_MUTANT": "0"}), tests))
    for test, outcome in zip(tests, outcomes):
        if outcome.by:
            raise Failure(f"{outcome.output[-4000:]}\n{test} fails without any mutant: {outcome.by}")
    return {test: outcome.seconds for test, outcome in zip(tests, outcomes)}


def run_mutant(build, mutant, usual, marker):
    """Its line of the report, and true if that is as the list says."""
    seconds = 0
    variables = {"SOFTWARP_MUTANT": str(mutant.number), "SOFTWARP_MUTANT_REACHED": str(marker)}
    for test in mutant.tests:
        outcome = run_test(build, test, variables, limit=10 + 5 * usual[test])
        seconds += outcome.seconds
        if outcome.by:
            break
    if outcome.by:
        result = f"caught by {outcome.by}" + (", but listed as a survivor" if mutant.survives else "")
    elif mutant.survives:
        result = f"survived, as listed: {mutant.survives}"
    else:
        result = "SURVIVED" + ("" if mutant.alone or marker.exists() else ", for no test reached it")
    print(f"{mutant.name}: {result} ({seconds:.1f} s)", flush=True)
    return (mutant, result, seconds), bool(outcome.by) != bool(mutant.survives)


def table(lines):
    rows = [f"| {m.name} | {m.file} | {result.replace('|', '/')} | {seconds:.1f} |" for m, result, seconds in lines]
    return "\n".join(["| mutant | source | result | seconds |", "|---|---|---|---|", *rows])


def inside(mutants, options):
    """In a tree of its own."""
    if os.environ.get("SOFTWARP_MUTATION_TREE") != str(ROOT):
        raise Failure("expected to be called by `mutate.py run`")
    build, sources, start = ROOT / options.build, read_sources(mutants), time.monotonic()
    together, alone = [m for m in mutants if not m.alone], [m for m in mutants if m.alone]
    planted = plant(together, sources)
    for file, text in planted.items():
        (ROOT / file).write_text(text, encoding="utf-8")
    compile_programs(build, mutants, options.jobs)
    print(f"built after {time.monotonic() - start:.0f} s", flush=True)
    # A mutant may ask for memory without end. (Too little for programs under AddressSanitizer.)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit, most in ((resource.RLIMIT_AS, pages * 3 // 4), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, resource.getrlimit(limit)[1]))
    usual = baseline(build, mutants, options.jobs)
    print(f"all tests pass without a mutant, after {time.monotonic() - start:.0f} s", flush=True)

    marker = pathlib.Path(options.report).parent
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda m: run_mutant(build, m, usual, marker / m.name), together))
    for mutant in alone:
        source = ROOT / mutant.file
        source.write_text(plant([mutant], sources)[mutant.file], encoding="utf-8")
        try:
            compile_programs(build, [mutant], options.jobs)
            results.append(run_mutant(build, mutant, usual, marker / mutant.name))
        except Failure as failure:
            print(failure)
            results.append(((mutant, "does not compile", 0), False))
        source.write_text(planted.get(mutant.file, sources[mutant.file]), encoding="utf-8")
    caught = sum(line[1].startswith("caught") for line, _ in results)
    wrong = [line[0].name for line, as_listed in results if not as_listed]
    summary = f"caught {caught} of {len(results)}" + (f"; not as listed: {', '.join(wrong)}" if wrong else "")
    pathlib.Path(options.report).write_text(f"{table([line for line, _ in results])}\n\n{summary}\n", encoding="utf-8")
    print(f"{summary}, after {time.monotonic() - start:.0f} s")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["check", "list", "run", "inside"], metavar="check|list|run")
    parser.add_argument("which", nargs="*", metavar="WHICH")
    parser.add_argument("--draw", type=int, metavar="N", help="of those, N drawn at random")
    parser.add_argument("--seed", help="of the draw; the commit unless given")
    parser.add_argument("--compile", type=int, default=40, metavar="N", help="draw what N objects compile for (40)")
    parser.add_argument("--build", default="build/dev", help="the build directory to go on from (build/dev)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--report", help=argparse.SUPPRESS)
    options = parser.parse_intermixed_args()
    try:
        mutants = choose(read_lists(), options.which)
        return {"check": check, "list": show, "run": run, "inside": inside}[options.command](mutants, options)
    except Failure as failure:
        print(f"mutate.py: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
