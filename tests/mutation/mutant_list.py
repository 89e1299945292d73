"""The lists of mutants, and how their bugs are written into the sources: README.md."""

import dataclasses
import fnmatch
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTS = ROOT / "tests/mutation/mutants"
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
    files = [p for p in (ROOT / "tests").glob("*/*") if p.suffix in (".cpp", ".txt")]
    known = " ".join(p.read_text(encoding="utf-8") for p in files)
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
