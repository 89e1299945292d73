"""What the program writes to terminals: terminal_test.py PROGRAM"""
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

PROGRAM = os.path.abspath(sys.argv.pop())
CLEAR = "\r\x1b[K"
ENVIRONMENT = {**{k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}, "TERM": "xterm"}
DIGITS = ["train", "--device", "cpu", "--threads", "1", "--data", "digits", "--hidden", "32", "--batch-size", "16", "--overwrite",
          "--checkpoint-every", "0"]


def set_columns(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


class OnTerminals(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def run_on_terminal(self, columns, *arguments, resized=None, **environment):
        """All that is written; once `resized[0]` is, the terminal has resized[1] columns."""
        master, slave = pty.openpty()
        set_columns(master, columns)
        with subprocess.Popen([PROGRAM, *arguments], cwd=self.directory, stdin=slave, stdout=slave, stderr=slave,
                              env={**ENVIRONMENT, **environment}) as program:
            os.close(slave)
            written = b""
            try:
                while part := os.read(master, 65536):
                    written += part
                    if resized and resized[0].encode() in written:
                        set_columns(master, resized[1])
                        resized = None
            except OSError:
                pass  # the end
        os.close(master)
        self.assertEqual(program.returncode, 0, written)
        return written.decode().replace("\r\n", "\n")

    @staticmethod
    def redrawn(text):
        """The lines that did not stay."""
        return [line for each in text.split("\n") for line in each.split(CLEAR)[1:-1] if line]

    def test_progress_fits_into_the_columns(self):
        self.assertEqual(self.redrawn(self.run_on_terminal(1, *DIGITS, "--epochs", "30")), [])
        for columns in (20, 40, 80, 200):
            lines = self.redrawn(self.run_on_terminal(columns, *DIGITS, "--epochs", "600"))
            self.assertGreater(len(lines), 2)
            for line in lines:
                self.assertLess(len(line), columns)
            self.assertRegex(lines[-1], r"^epoch \d+/600  .* %")
        self.assertRegex(lines[-1], r"^epoch \d+/600  [█▉▊▋▌▍▎▏ ]{16}  +\d+ %  \d+ s left  loss [\d.]+  accuracy [\d.]+ %  "
                                    r"\d+ samples/s$")

    def test_progress_is_that_of_the_whole_training(self):
        lines = self.redrawn(self.run_on_terminal(80, *DIGITS, "--epochs", "40"))
        for line in lines:
            epoch, share = map(int, re.match(r"epoch (\d+)/40 .* (\d+) %  \d+ s left", line).groups())
            self.assertGreaterEqual(share, (epoch - 1) * 100 // 40)
            self.assertLessEqual(share, epoch * 100 // 40 + 1)

    def test_lines_that_stay_break_between_their_parts(self):
        text = self.run_on_terminal(40, *DIGITS, "--epochs", "2", "--validation", "0.2")
        self.assertRegex(text, r"epoch 2/2  loss [\d.]+  accuracy [\d.]+ %\n"
                               r"validation loss [\d.]+  accuracy [\d.]+ %\n")
        text = self.run_on_terminal(20, *DIGITS, "--epochs", "2")
        self.assertRegex(text, r"epoch 2/2\nloss [\d.]+\naccuracy [\d.]+ %\n")
        text = self.run_on_terminal(200, *DIGITS, "--epochs", "2", "--validation", "0.2")
        self.assertRegex(text, r"epoch 2/2  loss [\d.]+  accuracy [\d.]+ %  validation loss [\d.]+  accuracy [\d.]+ %  "
                               r"\d+ samples/s\n")

    def test_fewer_columns_count_at_once(self):
        text = self.run_on_terminal(100, *DIGITS, "--epochs", "300", "--report-every", "100", resized=("epoch 100/300  loss", 40))
        early, late = text.split("epoch 100/300  loss")[0], text.split("epoch 200/300  loss")[1]
        self.assertGreater(max(map(len, self.redrawn(early))), 60)
        self.assertLess(max(map(len, self.redrawn(late))), 40)

    def test_the_environment_may_ask_for_fewer_columns(self):
        lines = self.redrawn(self.run_on_terminal(80, *DIGITS, "--epochs", "30", COLUMNS="40"))
        self.assertLess(max(map(len, lines)), 40)
        lines = self.redrawn(self.run_on_terminal(40, *DIGITS, "--epochs", "30", COLUMNS="80"))
        self.assertLess(max(map(len, lines)), 40)
        self.assertTrue(self.redrawn(self.run_on_terminal(0, *DIGITS, "--epochs", "30", COLUMNS="x")))

    def test_nothing_is_rewritten_where_that_is_not_wanted(self):
        for environment in ({"TERM": "dumb"}, {"TERM": ""}, {"NO_COLOR": "1"}):
            text = self.run_on_terminal(80, *DIGITS, "--epochs", "30", **environment)
            self.assertNotIn("\x1b", text)
            self.assertNotIn("\r", text)
            self.assertIn("\nepoch 30/30  loss", text)
        piped = subprocess.run([PROGRAM, *DIGITS, "--epochs", "30"], cwd=self.directory, env=ENVIRONMENT, check=True,
                               capture_output=True, text=True)
        self.assertNotIn("\x1b", piped.stdout + piped.stderr)

    def test_many_epochs_do_not_flood(self):
        for epochs, every in ((1, 1), (12, 1), (20, 1), (21, 2), (100, 5), (101, 5), (105, 10), (2000, 100)):
            text = self.run_on_terminal(80, *DIGITS, "--batch-size", "0", "--epochs", str(epochs))
            lines = re.findall(rf"epoch (\d+)/{epochs}  loss", re.sub(r"\r\x1b\[K[^\r\n]*(?=\r)", "", text))
            self.assertEqual([int(line) for line in lines],
                             sorted({1, epochs, *range(every, epochs + 1, every)}))
        self.assertFalse([line for line in self.redrawn(text) if "100 %" in line[:40] and "2000/2000" not in line])
        text = self.run_on_terminal(80, *DIGITS, "--epochs", "25", "--report-every", "10", TERM="dumb")
        self.assertEqual(re.findall(r"\nepoch (\d+)/25", text), ["10", "20", "25"])

    def test_pictures_fit_into_the_columns(self):
        self.run_on_terminal(80, "train", "--device", "cpu", "--images", "500", "--hidden", "8", "--epochs", "1")
        whole = self.run_on_terminal(80, "predict", "--index", "0", "--model", "softwarp-run")
        self.assertGreater(max(map(len, whole.split("\n")[1:])), 22)
        for columns in (16, 20, 25):
            text = self.run_on_terminal(columns, "predict", "--index", "0", "--model", "softwarp-run")
            picture = [line for line in text.split("\n")[1:-1] if "%" not in line]
            self.assertTrue("".join(picture).strip())
            self.assertLessEqual(max(map(len, picture)), columns)
            for line in text.split("\n")[-4:]:
                self.assertLessEqual(len(line), columns)

    def softmax_of_a_late_file(self, wait, columns=80, **environment):
        os.mkfifo(os.path.join(self.directory, "late"))

        def write():
            with open(os.path.join(self.directory, "late"), "w", encoding="utf-8") as file:
                time.sleep(wait)
                file.write("1 2 3\n")
        writer = threading.Thread(target=write)
        writer.start()
        text = self.run_on_terminal(columns, "softmax", "--input", "late", **environment)
        writer.join()
        return text

    def test_a_long_wait_says_what_for(self):
        text = self.softmax_of_a_late_file(4)
        self.assertTrue(text.startswith(CLEAR + "reading late ...  2 s" + CLEAR), text)
        self.assertIn(CLEAR + "reading late ...  3 s" + CLEAR, text)
        self.assertNotIn("reading", text.split(CLEAR)[-1])  # it is gone at the end
        self.assertTrue(text.split(CLEAR)[-1].startswith("x "))

    def test_a_long_wait_says_so_in_few_columns(self):
        self.assertTrue(self.softmax_of_a_late_file(3, columns=10).startswith(CLEAR + "reading l" + CLEAR))

    def test_a_short_wait_says_nothing(self):
        self.assertNotIn("\x1b", self.softmax_of_a_late_file(0.2))

    def test_a_long_wait_says_nothing_where_that_cannot_be_removed(self):
        self.assertNotIn("reading", self.softmax_of_a_late_file(3, TERM="dumb"))

    def test_long_steps_and_checks_say_what_they_are(self):
        text = self.run_on_terminal(80, "train", "--device", "cpu", "--threads", "1", "--images", "30000",
                                    "--hidden", "2048,1024", "--batch-size", "0", "--epochs", "1", "--checkpoint-every", "0")
        self.assertIn(CLEAR + "the first step ...  2 s" + CLEAR, text)
        text = self.run_on_terminal(80, "gradcheck", "--device", "cpu", "--inputs", "500", "--hidden", "300,300",
                                    "--batch-size", "16", "--samples", "400")
        self.assertRegex(text, r"\x1b\[Kcomparing fc\d\.weight \.\.\.  2 s\r\x1b\[K")


unittest.main()
