"""The panels: what panels.txt lists, and what of it is built."""

from __future__ import annotations

import difflib
import os
import re
import sys
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("TRIPTYCH_BUILD") or ROOT / "build").absolute()

# What panels.txt may name as a panel's colour: as documents show it, and on a terminal of 16
# colours. The first four are Okabe and Ito's, for colour-blind readers. Each contrasts with white
# and with black by 3:1 or more, so none is yellow or light green.
COLOURS = {
    "blue": ("#0072B2", "cyan"),
    "vermillion": ("#D55E00", "red"),
    "green": ("#009E73", "green"),
    "purple": ("#CC79A7", "magenta"),
    "violet": ("#8F6BD9", "blue"),
    "grey": ("#808080", "default"),
}
KINDS = ("shipped", "step", "own", "programs")
SPEAKS = ("tcp", "tcp6", "ipc", "udp", "udp6")
KEYS = ("kind", "speaks", "framing", "colour", "mark")
ROLES = {"reqrep": ("req", "rep"), "pubsub": ("pub", "sub")}  # by pattern

# A panel whose line names neither has the colour and the mark that its name leads to. A new line
# of panels.txt changes those of no other panel.
OTHER_COLOURS = ("violet", "grey")
OTHER_MARKS = "○△□◇★"


@dataclass(frozen=True)
class Panel:
    name: str
    folder: str
    heading: str
    hue: str = "grey"  # a name of COLOURS
    kind: str = "own"  # shipped; own: a reader's; step: shown when named; programs: without sources
    speaks: tuple[str, ...] = ("tcp", "tcp6", "ipc")
    framing: str | None = None  # raw, zmtp, sp ...; none: it has no frames; None: not known
    mark: str = "●"

    @property
    def rgb(self) -> str:
        """Its colour in a document."""
        return COLOURS[self.hue][0]

    @property
    def colour(self) -> str:
        """Its colour on this terminal, as rich names it."""
        kind = os.environ.get("COLORTERM", "") + os.environ.get("TERM", "")
        return COLOURS[self.hue][0 if re.search("256color|truecolor|24bit", kind) else 1]

    def hint(self, pattern: str) -> str:
        """How build/decode is told to read its bytes."""
        return "unknown" if self.framing is None else "bare" if self.framing == "none" else pattern

    def program(self, role: str) -> Path:
        """The program that plays this role: req, rep, pub, sub or driver."""
        name = f"{self.name}-{role}"
        beside = ROOT / self.folder / name
        return beside if self.kind == "programs" and beside.exists() else BUILD / name

    @property
    def built(self) -> bool:
        return self.plays(ROLES)

    def plays(self, patterns: Iterable[str]) -> bool:
        """Whether it has the programs of these patterns."""
        return not self.lacks(patterns)

    def lacks(self, patterns: Iterable[str]) -> list[Path]:
        """The programs of these patterns that it does not have, or that are not executable."""
        programs = [self.program(role) for pattern in patterns for role in ROLES[pattern]]
        return [path for path in programs if not os.access(path, os.X_OK)]

    def left_out(self, patterns: Iterable[str] = ROLES) -> str:
        """Why it cannot be run. Programs that a reader writes are named: nothing builds them."""
        wanted = list(patterns)
        lacks, folder = self.lacks(wanted), ROOT / self.folder
        if self.kind != "programs" or (folder / "meson.build").exists():
            return "it is not built; ./triptych build says why"
        if closed := [f"{self.folder}/{path.name}" for path in lacks if path.exists()]:
            return f"{closed[0]} is not executable: chmod +x {closed[0]}"
        without = " and ".join(pattern for pattern in wanted if not self.plays([pattern]))
        return (
            f"{self.folder}/ lacks {', '.join(path.name for path in lacks)}, needed for {without}"
        )

    def sources(self) -> list[Path]:
        """The panel's C files, in the order of their names."""
        return sorted((ROOT / self.folder).glob("*.[ch]"))


def read_panels() -> list[Panel]:
    """Every panel of panels.txt, in its order: steps too.

    Ends the program with one line and status 1 if a line is wrong.
    """
    try:
        lines = (ROOT / "panels.txt").read_text("utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        complain(1, f"panels.txt: {getattr(error, 'strerror', None) or 'not text in UTF-8'}")
    return [
        read_panel(line, number)
        for number, line in enumerate(lines, 1)
        if len(line.split()) >= 2 and not line.startswith("#")
    ]


@cache
def read_panel(line: str, number: int) -> Panel:
    """A line of panels.txt: NAME FOLDER [key=value...] HEADING."""
    name, folder, *words = line.split()
    given = {}
    while words and re.match("[a-z]+=", words[0]):
        key, _, value = words.pop(0).partition("=")
        given[key] = value
    hash_of_name = zlib.crc32(name.encode())
    speaks = tuple(given.get("speaks", "tcp,tcp6,ipc").split(","))
    hue = given.get("colour", OTHER_COLOURS[hash_of_name % len(OTHER_COLOURS)])
    mark = given.get("mark", OTHER_MARKS[hash_of_name % len(OTHER_MARKS)])
    kind = given.get("kind", "own")
    for wrong in (
        *(f"no key '{key}'; there are: {' '.join(KEYS)}" for key in given if key not in KEYS),
        *(f"speaks '{one}'? There are: {' '.join(SPEAKS)}" for one in speaks if one not in SPEAKS),
        *([f"no kind '{kind}'; there are: {' '.join(KINDS)}"] if kind not in KINDS else []),
        *([f"no colour '{hue}'; there are: {' '.join(COLOURS)}"] if hue not in COLOURS else []),
        *([f"mark '{mark}' is not one character"] if len(mark) != 1 else []),
    ):
        complain(1, f"panels.txt, line {number}: {wrong}")
    return Panel(
        name, folder, " ".join(words) or name, hue, kind, speaks, given.get("framing"), mark
    )


def choose_panels(
    names: list[str], verb: str, patterns: Sequence[str] = tuple(ROLES)
) -> tuple[list[Panel], list[Panel]]:
    """The panels of these names: those built, and those left out.

    patterns: whose programs a panel must have, for a verb that may do with one. No names: all that
    are shipped, and the reader's own; steps are shown when named. Ends the program with one line
    and status 2 if a name is unknown, 1 if nothing is left.
    """
    known = read_panels()
    check_names(verb, "panel", names, [panel.name for panel in known])
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        warn(f"{verb}: {name} is named more than once; it counts once")
    if names:
        wanted = sorted((p for p in known if p.name in names), key=lambda p: names.index(p.name))
    else:
        wanted = [panel for panel in known if panel.kind in ("shipped", "own")]
    built = [panel for panel in wanted if panel.plays(patterns)]
    left_out = [panel for panel in wanted if panel not in built]
    if len(left_out) == 1 and not built:
        complain(1, f"{verb}: panel {left_out[0].name}: {left_out[0].left_out(patterns)}")
    if not built:
        missing = " ".join(panel.name for panel in left_out)
        complain(1, f"{verb}: not built: {missing}; ./triptych build says why")
    return built, left_out


def unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """ "no panel 'rwa'; did you mean raw?", or which there are."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, 1)
    meant = f"did you mean {names[near[0]]}?" if near else f"there are: {' '.join(names.values())}"
    return f"no {kind} '{word}'; {meant}"


def check_names(verb: str, kind: str, words: Iterable[str], known: Iterable[str]) -> None:
    """Ends the program with one line and status 2 at the first word that is none of these names."""
    names = list(known)
    for word in words:
        if word not in names:
            complain(2, f"{verb}: {unknown(kind, word, names)}")


def printable(text: str) -> str:
    """The text on one line, with nothing in it that a terminal would obey:
    "\\x1b" for an escape."""
    return (
        text
        if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    )


def warn(text: str) -> None:
    """One line on standard error."""
    print(f"triptych: {printable(text)}", file=sys.stderr)


def complain(status: int, text: str) -> NoReturn:
    """One line on standard error, and the end of the program."""
    warn(text)
    sys.exit(status)
