"""Headless Chromium: opens a page, says what it said, and photographs it."""
import html
import os
import re
import shutil
import subprocess
import tempfile

import numpy
from PIL import Image

SCHEMES = {"light": "1", "dark": "0"}


def find_chromium():
    """The path of a Chromium or Chrome that starts, or None: Ubuntu's package is a stub that asks for a snap."""
    for name in ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser"):
        path = shutil.which(name)
        try:
            if path and re.search(r"Chrom(e|ium) \d", subprocess.run([path, "--version"], stdout=subprocess.PIPE,
                                                                      stderr=subprocess.DEVNULL, text=True,
                                                                      timeout=60).stdout):
                return path
        except (OSError, subprocess.TimeoutExpired):
            pass
    return None


class Browser:
    def __init__(self, chromium):
        self.chromium = chromium

    def run(self, page, width, height, scheme, *flags):
        with tempfile.TemporaryDirectory() as profile:
            ended = subprocess.run(
                [self.chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 "--force-color-profile=srgb", "--enable-logging=stderr", f"--user-data-dir={profile}",
                 f"--window-size={width},{height}", "--virtual-time-budget=5000",
                 f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", *flags, "file://" + os.path.abspath(page)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        console = [line for line in ended.stderr.splitlines() if ":CONSOLE" in line]
        assert not console, "the page complains: " + "\n".join(console)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def text_of(self, page, element, width, height, scheme="light"):
        """What the page's scripts leave in <pre id=element>."""
        dom = self.run(page, width, height, scheme, "--dump-dom")
        opening = f'<pre id="{element}">'
        assert opening in dom, f"the page has no {opening}: its scripts did not run to their end"
        return html.unescape(dom.split(opening)[1].split("</pre>")[0])

    def photograph(self, page, to, width, height, scheme):
        """An array of [rows, columns, 3]."""
        self.run(page, width, height, scheme, "--screenshot=" + os.path.abspath(to))
        return numpy.asarray(Image.open(to).convert("RGB")).astype(float)


def write_with(page, to, first, last):
    """A copy of a page with a script before all of its own and one after them."""
    with open(page) as file:
        text = file.read()
    for mark in ("<style>", "</body>"):
        assert text.count(mark) == 1, f"expected one {mark}"
    text = text.replace("<style>", f"<script>{first}</script><style>").replace("</body>", f"<script>{last}</script></body>")
    with open(to, "w") as file:
        file.write(text)
    return text


def write_framed(text, to, width, height, script=""):
    """A page that shows another in a frame of its own width, for windows have a least one."""
    with open(to, "w") as file:
        file.write('<!doctype html><meta name="color-scheme" content="light dark"><body style="margin:0">'
                   f'<iframe style="border:0;display:block;width:{width}px;height:{height}px" '
                   f'srcdoc="{html.escape(text, quote=True)}"></iframe><script>{script}</script></body>')
