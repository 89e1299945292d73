"""Asks a shell what it offers, with what `softwarp completion SHELL` wrote: completion_test.py SHELL PROGRAM

Exit code 77: there is no such shell here.
"""
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM = sys.argv.pop()
SHELL = sys.argv.pop()


def said_by_program(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=True).stdout


def flags_of(command):
    """The long flags of its --help."""
    return set(re.findall(r"^  (?:-\w,)?(--[\w-]+)", said_by_program(*command, "--help"), re.MULTILINE))


SUBCOMMANDS = re.findall(r"^  (\w+) ", said_by_program("--help").split("Subcommands:")[1], re.MULTILINE)


class Offers(unittest.TestCase):
    known = tempfile.TemporaryDirectory()  # what zsh found out about other commands when it began

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.home = directory.name
        self.script = os.path.join(self.home, "script")
        written = said_by_program("completion", SHELL)
        for help_text in ("Passes over the training images", "Measure trained networks on a data set"):
            self.assertEqual(help_text in written, SHELL != "bash", help_text)  # which shows none
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(written)
        self.work = os.path.join(self.home, "work")
        os.makedirs(os.path.join(self.work, "some directory"))
        with open(os.path.join(self.work, "some picture.png"), "w", encoding="utf-8"):
            pass

    def offers(self, line):
        """What the shell offers for the last word of the line."""
        return {word.rstrip("/") for word in getattr(self, "ask_" + SHELL)(line) if word}

    def run_shell(self, *arguments):
        return subprocess.run([SHELL, *arguments], cwd=self.work, env={**os.environ, "HOME": self.home},
                              capture_output=True, text=True, check=False).stdout.splitlines()

    def ask_bash(self, line):
        words = re.split(r" |(?==)|(?<==)", line)  # bash takes = for a word
        quoted = " ".join(f"'{word}'" for word in words)
        return self.run_shell("--norc", "-c", f"source ../script; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
                              "_softwarp; printf '%s\\n' \"${COMPREPLY[@]}\"")

    def ask_fish(self, line):
        found = self.run_shell("--no-config", "-c", f"source ../script; complete -C '{line}'")
        return [re.sub("^--[a-z-]+=", "", each.split("\t")[0]) for each in found]

    def ask_zsh(self, line):
        """At a terminal, with a compadd that writes down what it is given."""
        path = os.path.join(self.home, "offered")
        with open(os.path.join(self.home, ".zshrc"), "w", encoding="utf-8") as file:
            file.write(f"""PS1= KEYTIMEOUT=1; unsetopt auto_list
autoload -Uz compinit && compinit -u -d {self.known.name}/zsh
source ../script
compadd() {{
  local -a matches
  [[ $* == *-[OAD]\\ * ]] || {{ builtin compadd -A matches "$@"; print -rl -- $matches >>{path}; }}
  builtin compadd "$@"
}}
finish() {{ print -r -- DONE >>{path}; exit; }}
zle -N finish; bindkey '^X' finish
""")
        master, slave = pty.openpty()
        with subprocess.Popen(["zsh", "-i"], cwd=self.work, stdin=slave, stdout=slave, stderr=slave,
                              start_new_session=True,
                              env={**os.environ, "HOME": self.home, "ZDOTDIR": self.home, "TERM": "dumb"}) as shell:
            os.close(slave)
            threading.Thread(target=drain, args=(master,), daemon=True).start()
            os.write(master, f"{line}\t\x18".encode())
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                words = read_lines(path)
                if words[-1:] == ["DONE"]:
                    break
                time.sleep(0.02)
            shell.kill()
        self.assertEqual(words[-1:], ["DONE"])
        os.remove(path)
        return [word.rstrip("=") for word in words[:-1]]

    def test_subcommands(self):
        self.assertLessEqual({"train", "predict", "softmax", "completion"}, set(SUBCOMMANDS))
        self.assertEqual(self.offers("softwarp "), set(SUBCOMMANDS))
        self.assertEqual(self.offers("softwarp tr"), {"train"})

    def test_every_flag(self):
        self.assertLessEqual({"--hidden", "--tensorboard", "--device"}, flags_of(["train"]))
        self.assertLessEqual(flags_of([]), self.offers("softwarp --"))
        for command in SUBCOMMANDS:
            with self.subTest(command):
                self.assertLessEqual(flags_of([command]), self.offers(f"softwarp {command} --"))
        self.assertEqual(self.offers("softwarp train --hid"), {"--hidden"})

    def test_short_flags(self):
        self.assertIn("-h", self.offers("softwarp -"))
        self.assertIn("-h", self.offers("softwarp train -"))

    def test_flags_of_the_subcommand_alone(self):
        self.assertNotIn("--epochs", self.offers("softwarp evaluate --split train --"))

    def test_choices(self):
        self.assertEqual(self.offers("softwarp train --activation "), {"identity", "relu", "gelu", "tanh", "sigmoid"})
        self.assertEqual(self.offers("softwarp train --hidden 3 --optimizer=s"), {"sgd"})
        self.assertEqual(self.offers("softwarp completion "), {"bash", "zsh", "fish"})

    def test_numbers_are_the_users_own(self):
        self.assertEqual(self.offers("softwarp train --epochs "), set())

    def test_files_and_directories(self):
        both = {"some picture.png", "some directory"}
        for files in ("predict", "evaluate", "softmax --input", "train --config"):
            found = self.offers(f"softwarp {files} so")
            self.assertEqual({word.replace("\\", "") for word in found}, both, files)
        for directories in ("train --output", "compare"):
            found = self.offers(f"softwarp {directories} so")
            self.assertEqual({word.replace("\\", "") for word in found}, both - {"some picture.png"}, directories)
        self.assertLessEqual({"mnist", "fashion-mnist", "digits"}, self.offers("softwarp train --data "))


def drain(file):
    try:
        while os.read(file, 4096):
            pass
    except OSError:
        pass


def read_lines(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


if shutil.which(SHELL) is None:
    print(f"there is no {SHELL} here")
    sys.exit(77)
unittest.main()
