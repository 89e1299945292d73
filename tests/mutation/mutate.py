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
import fnmatch
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTS = ROOT / "tests/mutation/mutants"
REPORT = ROOT / "build/mutation/report.md"
# Above a planted source; errors keep their line numbers.
HEAD = '#include "tests/mutation/mutant.h"\n#line 1\n'


class Failure(Exception):
    """One line for whoever called."""


@dataclasses.dataclass
class Mutant:
    name: str
    file: str
    tests: list  # program:filter
    where: str  # in the list
    number: int = 0  # from 1
    old: str = ""
    new: str = ""
    context: str = ""
    kind: str = ""  # text: built alone
    survives: str = ""  # the reason why no test can notice

    @property
    def alone(self):
        return self.kind == "text"

    def find(self, source):
        """Begin and end of the old text. Spaces stand for any white space, so that lines may be wrapped otherwise."""
        begin, end = 0, len(source)
        for text in filter(None, (self.context, self.old)):
            hits = list(pattern_of(text).finditer(source, begin, end))
            if len(hits) != 1:
                raise Failure(f"{self.where}: {self.name}: expected `{text}` once in {self.file}, found {len(hits)}")
            begin, end = hits[0].span()
        return begin, end

    def planted(self, old):
        """Both texts and the switch between them."""
        switch = f"::mutation::on({self.number})"
        if self.alone:
            return self.new
        if old.endswith((";", "}")):
            return f"{{ if ({switch}) {{ {self.new} }} else {{ {old} }} }}"
        return f"({switch} ? ({self.new}) : ({old}))"


FIELDS = {"-": "old", "+": "new", "in": "context", "kind": "kind", "survives": "survives"}


def pattern_of(text):
    whole = r"\s+".join(re.escape(word) for word in text.split())
    return re.compile((r"(?<!\w)" if text[0].isalnum() else "") + whole + (r"(?!\w)" if text[-1].isalnum() else ""))


def parse(path):
    mutants, file, tests = [], "", []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path.relative_to(ROOT)}:{number}"
        key, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if not key or key.startswith("#"):
            continue
        if line[0] != " ":
            if key == "file":
                file = rest
            elif key == "tests":
                tests = rest.split()
            elif rest or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key):
                raise Failure(f"{where}: expected file, tests or a name-like-this, found `{line}`")
            else:
                mutants.append(Mutant(key, file, tests, where))
        elif not mutants or (key not in FIELDS and key != "tests"):
            raise Failure(f"{where}: expected {', '.join(FIELDS)} or tests, found `{line.strip()}`")
        elif key == "tests":
            mutants[-1].tests = rest.split()
        else:
            before = getattr(mutants[-1], FIELDS[key])
            setattr(mutants[-1], FIELDS[key], f"{before} {rest}".strip())
    return mutants


def read_lists():
    mutants = [mutant for path in sorted(LISTS.glob("*.txt")) for mutant in parse(path)]
    for number, mutant in enumerate(mutants, 1):
        mutant.number = number
    return mutants


def choose(mutants, which):
    for pattern in which:
        if not any(fnmatch.fnmatch(text, pattern) for m in mutants for text in (m.name, m.file)):
            raise Failure(f"expected a mutant or a source, found {pattern}")
    return [m for m in mutants if not which or any(fnmatch.fnmatch(t, p) for p in which for t in (m.name, m.file))]


def plant(mutants, sources):
    """The sources by their file, with all of these mutants in them. Each text has one mutant at most."""
    texts = {}
    for file in {m.file for m in mutants}:
        text, end_of_last = sources[file], len(sources[file])
        spans = sorted(((*m.find(text), m) for m in mutants if m.file == file), key=lambda span: -span[0])
        for begin, end, mutant in spans:
            if end > end_of_last:
                raise Failure(f"{mutant.where}: {mutant.name}: expected a text that no other mutant changes")
            text = text[:begin] + mutant.planted(text[begin:end]) + text[end:]
            end_of_last = begin
        texts[file] = HEAD + text
    return texts


def read_sources(mutants):
    return {file: (ROOT / file).read_text(encoding="utf-8") for file in {m.file for m in mutants}}


def breaches(mutants):
    """What is wrong with the list, a line each."""
    known = " ".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").glob("*/*") if p.suffix in (".cpp", ".txt"))
    names = set()
    for m in mutants:
        if m.name in names:
            yield f"{m.where}: expected another name than {m.name}, which is taken"
        names.add(m.name)
        if not m.old or m.old == m.new or not m.tests or m.kind not in ("", "text"):
            yield f"{m.where}: {m.name}: expected an old text, another new one, tests, and a kind of text or none"
        elif not m.new and not m.old.endswith(";") and not m.alone:
            yield f"{m.where}: {m.name}: expected a new text in place of an expression"
        elif not (ROOT / m.file).is_file():
            yield f"{m.where}: {m.name}: expected a source, found no {m.file}"
        for word in re.findall(r"[A-Za-z_]\w*", " ".join(m.tests)):
            if word not in known:
                yield f"{m.where}: {m.name}: expected a test program, suite or test, found {word}"


def check(mutants):
    wrong = list(breaches(mutants))
    if not wrong:
        sources = read_sources(mutants)
        for group in [[m for m in mutants if not m.alone]] + [[m] for m in mutants if m.alone]:
            for file in {m.file for m in group}:
                try:
                    plant([m for m in group if m.file == file], sources)
                except Failure as failure:
                    wrong.append(str(failure))
    print("\n".join(wrong) if wrong else f"{len(mutants)} mutants fit the sources")
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


def draw(mutants, options):
    """So many that to plant them compiles no more objects than it may."""
    objects, drawn, together, alone = dependents(options.build), [], set(), 0
    pool = [m for m in mutants if not m.survives]
    random.Random(options.seed).shuffle(pool)
    for mutant in pool:
        of_mutant = objects.get(mutant.file, set())
        more_together = together if mutant.alone else together | of_mutant
        more_alone = alone + len(of_mutant) if mutant.alone else alone
        if len(drawn) < options.draw and len(more_together) + more_alone <= options.compile:
            drawn.append(mutant)
            together, alone = more_together, more_alone
    print(f"seed {options.seed} draws {len(drawn)} of {len(mutants)} mutants", flush=True)
    return drawn


def commit():
    done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or time.strftime("%Y-%m-%d")


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
        mutants = draw(mutants, options)
    with tempfile.TemporaryDirectory(prefix="softwarp-mutants-") as temporary:
        report = pathlib.Path(temporary) / "report.md"
        overlay = ["unshare", "--mount", "--propagation", "private", "sh", "-c", OVERLAY, "sh", ROOT, temporary]
        tree = ROOT
        probe = subprocess.run([*overlay, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if probe.returncode != 0:
            overlay, tree = [], pathlib.Path(temporary) / "tree"
            print("no private file system here: a copy is built anew, which takes longer", flush=True)
            for file in subprocess.run([ROOT / "cmake/list_files.sh"], capture_output=True, text=True,
                                       check=True).stdout.splitlines():
                (tree / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, tree / file)
        command = [sys.executable, "-B", tree / "tests/mutation/mutate.py", "inside", "--build",
                   build.relative_to(ROOT), "--jobs", str(options.jobs), "--report", report]
        done = subprocess.run([*overlay, *command, *(m.name for m in mutants)], check=False,
                              env=dict(os.environ, SOFTWARP_MUTATION_TREE=str(tree)))
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
    for file, text in plant(together, sources).items():
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
        for file, text in plant(together, sources).items():
            if (ROOT / file).read_text(encoding="utf-8") != text:
                (ROOT / file).write_text(text, encoding="utf-8")
        (ROOT / mutant.file).write_text(plant([mutant], sources)[mutant.file], encoding="utf-8")
        compile_programs(build, [mutant], options.jobs)
        results.append(run_mutant(build, mutant, usual, marker / mutant.name))
    caught = sum("caught" in line[1] for line, _ in results)
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
    parser.add_argument("--seed", default=commit(), help="of the draw; the commit unless given")
    parser.add_argument("--compile", type=int, default=40, metavar="N", help="draw what N objects (40) are compiled for")
    parser.add_argument("--build", default="build/dev", help="the build directory to go on from (build/dev)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--report", help=argparse.SUPPRESS)
    options = parser.parse_intermixed_args()
    try:
        mutants = choose(read_lists(), options.which)
        if options.command == "list":
            print("\n".join(f"{m.name}  {m.file}" for m in mutants))
            return 0
        return {"check": check, "run": run, "inside": inside}[options.command](*(
            [mutants] if options.command == "check" else [mutants, options]))
    except Failure as failure:
        print(f"mutate.py: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
