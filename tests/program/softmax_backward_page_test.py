"""docs/softmax_backward.md does what it says: softmax_backward_page_test.py runs|says SOURCE SOFTWARP [--write]

runs: the page's Python and softwarp commands run in an empty directory, print what the page shows, and the gradients that
they write agree with softwarp's. says: each row of the tables of wrong answers gives the sentence that stands there;
--write replaces the sentences and outputs in the page by the present ones."""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError as error:
    sys.exit(f"expected numpy (Debian package python3-numpy): {error}")

mode, source, softwarp = sys.argv[1:4]
write = "--write" in sys.argv
PAGE = os.path.join(source, "docs/softmax_backward.md")
page = open(PAGE, encoding="utf-8").read()
np.seterr(all="ignore")
failures = []


def expect(holds, what):
    if not holds:
        failures.append(what)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def call(*arguments):
    return subprocess.run([softwarp, *arguments, "--device", "cpu"], capture_output=True, text=True)


def output_of(code, names):
    """What a block prints; it runs as the main program."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "softmax_backward.md", "exec"), names)
    return out.getvalue()


def same(shown, printed):
    """Equal texts, but for the last digits of numbers; those below 1e-8 are rounding."""
    number = r"-?\d+\.?\d*(?:e[-+]?\d+)?"
    if re.sub(number, "0", shown) != re.sub(number, "0", printed):
        return False
    pairs = zip(re.findall(number, shown), re.findall(number, printed))
    return all(abs(float(a) - float(b)) <= max(1e-8, 2e-6 * abs(float(a))) for a, b in pairs)


def commands():
    return [line.split("#")[0].split() for block in blocks("sh") for line in block.splitlines()]


def sentence_of(run):
    """What follows the place of the largest difference, in a refusal of one line."""
    if run.returncode != 1 or run.stderr.count("\n") != 1:
        return f"exit code {run.returncode}: {run.stdout}{run.stderr}"
    return run.stderr.strip()[re.search(r"found .*?; ", run.stderr).end():]


def check_output(code, shown, names):
    global page
    printed = output_of(code, names)
    if write:
        page = page.replace(f"```text\n{shown}```", f"```text\n{printed}```")
    elif not same(shown, printed):
        expect(False, f"printed:\n{printed}the page shows:\n{shown}")


def test_runs():
    gradcheck = [command for command in commands() if command[1] == "gradcheck"]
    expect(len(gradcheck) == 2, f"expected two gradcheck commands, found {gradcheck}")
    written = call(*gradcheck[0][1:])
    expect(written.returncode == 0, written.stderr)
    names = {"__name__": "__main__"}
    outputs = re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", page, re.M | re.S)
    expect(len(outputs) == 5 and sum(shown != "" for _, shown in outputs) == 3, "expected 5 blocks, 3 that print")
    for code, shown in outputs:
        check_output(code, shown, names)
    compared = call(*gradcheck[1][1:])
    expect(compared.returncode == 0 and "mine.safetensors: agrees" in compared.stdout, compared.stdout + compared.stderr)

    # The other commands compare right answers of the rows that they name.
    s, g = names["softmax"](np.array([[1.0, 2.0, 3.0]])), np.array([[0.5, -1.0, 2.0]])
    answers = [s, np.diag(s[0]) - np.outer(s[0], s[0]), names["softmax_backward"](s, g),
               (names["s"] - names["onehot"]) / names["B"]]
    np.savetxt("x.csv", names["x"], delimiter=",")
    softmax = [command for command in commands() if command[1] == "softmax"]
    expect(len(softmax) == len(answers), f"expected {len(answers)} softmax commands, found {softmax}")
    for command, answer in zip(softmax, answers):
        np.savetxt("mine.csv", answer, delimiter=",")
        agreed = call(*command[1:])
        expect(agreed.returncode == 0 and "mine.csv: agrees" in agreed.stdout, agreed.stdout + agreed.stderr)


def check_row(row, cells, said):
    global page
    if write:
        page = page.replace(row, "| " + " | ".join(cells[:-1] + [said]) + " |")
    else:
        expect(said == cells[-1], f"{row}\n  softwarp says: {said}")


def rows(columns, head):
    table = page[page.index(head):].split("\n\n")[0].splitlines()[2:]
    return [(row, [cell.strip() for cell in row.strip("|").split(" | ")]) for row in table]


def test_softmax_says(names):
    flags = {"values": [], "--jacobian": ["--jacobian"],
             "--vjp": ["--vjp", ",".join(str(v) for v in names["g"].ravel())],
             "--cross-entropy": ["--cross-entropy", "2,0", "--reduction", "mean"]}
    found = rows(3, "| asked for |")
    expect(len(found) >= 25, f"expected 25 wrong answers, found {len(found)}")
    for row, cells in found:
        asked, of = (cells[0].replace("`", "") + " of x").split(" of ")[:2]
        np.savetxt("x.csv", names[of], delimiter=",")
        np.savetxt("mine.csv", np.atleast_2d(eval(cells[1].strip("`"), names)), delimiter=",")
        check_row(row, cells, sentence_of(call("softmax", "--input", "x.csv", *flags[asked], "--compare", "mine.csv")))


def test_gradcheck_says(names, code):
    program = next(block for block in code if "def backward(p" in block)
    export = next(block for block in code if "write_safetensors(" in block)
    command, compare = [each[1:] for each in commands() if each[1] == "gradcheck"]
    expect(call(*command).returncode == 0, "gradcheck --write failed")
    found = rows(2, "| line written")
    expect(len(found) >= 17, f"expected 17 wrong lines, found {len(found)}")
    for row, cells in found:
        line = cells[0].strip("`")
        changed, count = re.subn(rf"^    {line.split(' = ')[0]} = .*$", lambda _: "    " + line, program, flags=re.M)
        expect(count == 1, f"{line}: expected one such line in the program, found {count}")
        exec(changed, names)
        exec(export, names)
        check_row(row, cells, sentence_of(call(*compare)))


def test_says():
    names = {"__name__": "page"}
    code = blocks("python")
    for block in code:
        if "net.safetensors" not in block:
            output_of(block, names)
    test_softmax_says(names)
    test_gradcheck_says(names, code)


with tempfile.TemporaryDirectory() as directory:
    os.chdir(directory)
    test_runs() if mode == "runs" else test_says()
    os.chdir(source)
if write:
    open(PAGE, "w", encoding="utf-8").write(page)
if failures:
    sys.exit("docs/softmax_backward.md: " + "\n".join(failures))
