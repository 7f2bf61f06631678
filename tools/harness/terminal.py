"""The terminal, or what stands in its place: its width, its colours,
and output that nobody takes."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import tty
from typing import IO, Any, cast

from rich.console import Console

from harness.panels import complain

TEXT_WIDTH = 100  # columns without a terminal: a pipe, a file

# Colours that can be read on a black ground and on a white one (tests/instruments/test_pipes.py
# computes both contrasts). By number: what a name like "yellow" looks like each terminal decides.
RED, GREEN, BLUE = "color(160)", "color(28)", "color(27)"
BROWN, VIOLET, TEAL = "color(130)", "color(164)", "color(30)"


def columns(default: int = TEXT_WIDTH) -> int:
    """How wide output may be: COLUMNS if that is set, else the terminal's width,
    else the default."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    try:
        return os.get_terminal_size(1).columns or default
    except OSError:
        return default


class Trimmed:
    """A file or pipe whose lines end with their last character:
    tables pad their cells with blanks."""

    def __init__(self, file: IO[str]):
        self.file = file
        self.begun = ""

    def write(self, text: str) -> int:
        *lines, self.begun = (self.begun + text).split("\n")
        self.file.write("".join(line.rstrip(" ") + "\n" for line in lines))
        return len(text)

    def flush(self) -> None:
        self.file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class Output(Console):
    """Standard output: in colour on a terminal, plain and trimmed elsewhere."""

    def __init__(self, default: int = TEXT_WIDTH):
        if sys.stdout.isatty():
            super().__init__(highlight=False)
        else:
            file = cast(IO[str], Trimmed(sys.stdout))
            super().__init__(file=file, width=columns(default), highlight=False)


def progress(text: str) -> None:
    """What is being done, on a terminal; the next replaces it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def need_terminal(verb: str) -> None:
    """--step waits for a key. Ends the program with one line and status 2
    where nobody can press one."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        complain(2, f"{verb}: --step waits for a key: it needs a terminal for input and output")


def wait_for_key(console: Console, text: str) -> None:
    """Waits for one key; what was typed before does not count. Ctrl-C stops the program."""
    console.print()
    console.print(f"-- {text} --", style="dim", end="", markup=False)
    before = termios.tcgetattr(0)
    try:
        tty.setcbreak(0, termios.TCSAFLUSH)
        with contextlib.suppress(OSError):
            os.read(0, 64)  # an arrow key is several bytes
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
    console.file.write("\r" + " " * (len(text) + 6) + "\r")
