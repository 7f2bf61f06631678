"""What a sheet's source asks for: blocks `run`, whose command is run,
and `write`, lines to fill in.

    ```run
    ./triptych steps echo
    status: 0
    from: 1. a message
    to: Repaired by
    lines: 20
    expect: returned 5, 5 and 2 bytes
    ```

The first line is the command. `from` and `to` choose the lines that are shown, from the first with
the one text to the next with the other; `lines` limits them. Each `expect` must be in the output;
... stands for anything short. A block `write` holds one label for each line to fill in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

LINES = 24  # shown of an output, unless said
NUMBERS = ("status", "lines")
WORDS = ("from", "to", "expect")
BLOCK = re.compile(r"^```(run|write)[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
WILD = r".{0,40}?"  # what ... stands for


class Wrong(Exception):
    """A source that says something that is not understood, in a sentence."""


@dataclass
class Run:
    """One command that is quoted, and what is expected of it."""

    place: str  # file:line
    command: str
    status: int = 0
    lines: int = LINES
    begin: str = ""
    end: str = ""
    expected: list[str] = field(default_factory=list)

    def wrong_with(self, status: int | None, output: str) -> list[str]:
        """What differs from what is said, one sentence each."""
        if status is None:
            return [f"{self.place}: {self.command}: did not end in time"]
        wrong = []
        if status != self.status:
            wrong.append(
                f"{self.place}: {self.command}: ended with status {status}, not {self.status}"
            )
        for phrase in (*self.expected, self.begin, self.end):
            if not matches(phrase, output):
                wrong.append(f'{self.place}: {self.command}: "{phrase}" is not in its output')
        return wrong

    def shown(self, output: str) -> list[str]:
        """The lines that the sheet shows."""
        lines = output.strip("\n").splitlines()
        first = next((i for i, line in enumerate(lines) if self.begin in line), 0)
        last = len(lines)
        if self.end:
            last = next(
                (i for i, line in enumerate(lines) if i >= first and self.end in line), last - 1
            ) + 1  # fmt: skip
        chosen = lines[first:last]
        if len(chosen) > self.lines:
            more = len(chosen) - self.lines
            chosen = [*chosen[: self.lines], f"... {more} more line{'s' * (more > 1)}"]
        return chosen


def matches(phrase: str, output: str) -> bool:
    """Whether the output says it, wherever its lines break."""
    pattern = WILD.join(re.escape(" ".join(part.split())) for part in phrase.split("..."))
    return re.search(pattern, " ".join(output.split())) is not None


def read_run(block: str, place: str) -> Run:
    command, *rest = [line.strip() for line in block.strip().splitlines()] or [""]
    if not command or re.match(rf"({'|'.join(NUMBERS + WORDS)}):", command):
        raise Wrong(f"{place}: a block `run` begins with its command")
    run = Run(place, command)
    for line in rest:
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not value or key not in NUMBERS + WORDS:
            raise Wrong(f"{place}: '{line}': none of {', '.join(NUMBERS + WORDS)}")
        if key in NUMBERS:
            if not value.isdecimal():
                raise Wrong(f"{place}: '{line}': no number")
            setattr(run, key, int(value))
        elif key == "expect":
            run.expected.append(value)
        else:
            setattr(run, "begin" if key == "from" else "end", value)
    return run


@dataclass
class Source:
    """A sheet: its text with a mark for each block, and the blocks."""

    path: Path
    text: str
    blocks: list[Run | list[str]]

    @property
    def runs(self) -> list[Run]:
        return [block for block in self.blocks if isinstance(block, Run)]


def mark_of(number: int) -> str:
    return f"@@block{number}@@"


def read(path: Path) -> Source:
    text = path.read_text("utf-8")
    blocks: list[Run | list[str]] = []

    def take(found: re.Match[str]) -> str:
        place = f"{path.parent.name}/{path.name}:{text.count(chr(10), 0, found.start()) + 1}"
        if found[1] == "run":
            blocks.append(read_run(found[2], place))
        else:
            blocks.append([line.strip() for line in found[2].splitlines() if line.strip()])
        return f"\n{mark_of(len(blocks) - 1)}\n"

    return Source(path, BLOCK.sub(take, text), blocks)
