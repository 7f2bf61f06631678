"""The panels: what panels.txt lists, and what of it is built."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("TRIPTYCH_BUILD") or ROOT / "build").absolute()

# One fixed colour a panel, by its place in panels.txt; after the last, from the start.
COLOURS = ("green", "red", "yellow", "cyan", "magenta", "blue")


@dataclass(frozen=True)
class Panel:
    name: str
    folder: str
    heading: str
    colour: str

    def program(self, role: str) -> Path:
        """The program that plays this role: req, rep, pub, sub or driver."""
        return BUILD / f"{self.name}-{role}"

    @property
    def built(self) -> bool:
        return all(os.access(self.program(role), os.X_OK) for role in ("req", "rep", "pub", "sub"))

    def sources(self) -> list[Path]:
        """The panel's C files, in the order of their names."""
        return sorted((ROOT / self.folder).glob("*.[ch]"))

    def lines_of_code(self) -> int:
        """Lines of the panel's folder that are neither blank nor comment."""
        return sum(lines_of_code(path.read_text()) for path in self.sources())


def read_panels() -> list[Panel]:
    """Every panel of panels.txt, in its order."""
    panels: list[Panel] = []
    for line in (ROOT / "panels.txt").read_text().splitlines():
        words = line.split(maxsplit=2)
        if len(words) < 2 or line.startswith("#"):
            continue
        heading = words[2].strip() if len(words) == 3 else words[0]
        panels.append(Panel(words[0], words[1], heading, COLOURS[len(panels) % len(COLOURS)]))
    return panels


def choose_panels(names: list[str], verb: str) -> tuple[list[Panel], list[Panel]]:
    """The panels of these names (none: all of panels.txt): those built, and those left out.

    Ends the program with one line and status 2 if a name is unknown, 1 if nothing is left.
    """
    known = read_panels()
    unknown = [name for name in names if name not in (panel.name for panel in known)]
    if unknown:
        available = " ".join(panel.name for panel in known)
        complain(2, f"{verb}: no panel '{unknown[0]}'; there are: {available}")
    wanted = [panel for panel in known if not names or panel.name in names]
    if names:
        wanted.sort(key=lambda panel: names.index(panel.name))
    built = [panel for panel in wanted if panel.built]
    left_out = [panel for panel in wanted if not panel.built]
    if not built:
        missing = " ".join(panel.name for panel in left_out)
        complain(1, f"{verb}: not built: {missing}; ./triptych build says why")
    return built, left_out


def lines_of_code(source: str) -> int:
    """Lines of a C source that hold more than blanks and comments."""

    def without(match: re.Match[str]) -> str:
        text = match.group()
        return text if text[0] in "\"'" else "\n" * text.count("\n")

    tokens = r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    code = re.sub(tokens, without, source, flags=re.DOTALL)
    return sum(1 for line in code.splitlines() if line.strip())


def complain(status: int, text: str) -> NoReturn:
    """One line on standard error, and the end of the program."""
    print(f"triptych: {text}", file=sys.stderr)
    sys.exit(status)
