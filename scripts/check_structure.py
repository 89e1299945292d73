#!/usr/bin/env python3
"""check_structure.py [ROOT]: holds how much a reader has to open. The sources of this project that kernels/softmax.cu
includes, directly or not, are at most 16 files with 1,200 lines of code (blank lines and lines of comment not counted).
An op, of which softmax_backward stands for all, is declared or defined in at most 8 files."""

import pathlib
import re
import sys

FILES, LINES, DECLARATIONS = 16, 1200, 8
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"((?:core|kernels|host)/[^"]+)"|<(softwarp/[^>]+)>)', re.M)
COMMENT = re.compile(r"\s*(//.*)?")
DECLARATION = re.compile(r"^\s*(?:template |SOFTWARP_NODISCARD )*(?:void|softwarp_status) (?:softwarp_)?softmax_backward[(<]",
                         re.M)


def closure(root, first):
    texts, names = {}, [first]
    while names:
        name = names.pop()
        if name in texts:
            continue
        texts[name] = (root / name).read_text(encoding="utf-8")
        names += [ours or f"include/{public}" for ours, public in INCLUDE.findall(texts[name])]
    return texts


def main(root):
    texts = closure(root, "kernels/softmax.cu")
    lines = sum(not COMMENT.fullmatch(line) for text in texts.values() for line in text.splitlines())
    sources = [p for room in ("include", "core", "kernels", "host") for p in sorted((root / room).rglob("*"))
               if p.suffix in (".h", ".cuh", ".cu", ".cpp")]
    declarations = [p for p in sources if DECLARATION.search(p.read_text(encoding="utf-8"))]
    print(f"kernels/softmax.cu includes {len(texts)} files of ours with {lines} lines of code")
    print(f"softmax_backward is declared or defined in {len(declarations)} files")
    failures = 0
    for what, found, most, names in (("files", len(texts), FILES, texts), ("lines of code", lines, LINES, texts),
                                     ("files that declare softmax_backward", len(declarations), DECLARATIONS,
                                      [p.relative_to(root) for p in declarations])):
        if found > most or found == 0:
            failures += 1
            print(f"check_structure.py: expected 1 to {most} {what}, found {found}: {', '.join(map(str, names))}")
    return failures


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])) > 0)
