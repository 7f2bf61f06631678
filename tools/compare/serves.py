"""What each file of a panel is for: which pattern it serves, and which clauses it buys.

Which pattern: what reqrep.c and pubsub.c include, directly or through others. A file that neither
includes is linked into every program, and serves both.

Which clauses: the table "| clause | kept by |" in the README of the panel's folder. A cell names
its files in backticks: `log` for log.c and log.h, `reqrep.c` for that file. A panel without such a
table says nothing about clauses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from harness import panels
from harness.panels import Panel

from compare.sources import engine_text, lines_of_code

REQREP, PUBSUB, BOTH = SERVES = ("request/reply", "publish/subscribe", "both")
ROOTS = {"reqrep": REQREP, "pubsub": PUBSUB}


@dataclass
class Unit:
    """A .c file with its .h file."""

    name: str  # log for the two, log.c where there is one alone
    lines: int = 0
    serves: str = BOTH
    clauses: list[str] = field(default_factory=list)


def units_of(panel: Panel) -> list[Unit]:
    """A panel's files, by the pattern that they serve."""
    files: dict[str, list[Path]] = {}
    for path in panel.sources():
        files.setdefault(path.stem, []).append(path)
    text = {
        stem: "".join(engine_text(path, panel) for path in paths) for stem, paths in files.items()
    }
    included = {
        stem: set(re.findall(r'^\s*#\s*include\s*"(\w+)\.h"', text[stem], re.M)) for stem in files
    }
    reached = {pattern: closure(root, included) for root, pattern in ROOTS.items()}
    bought = clauses_of(panel)
    found = []
    for stem, paths in files.items():
        by = [pattern for pattern, stems in reached.items() if stem in stems]
        name = stem if len(paths) > 1 else paths[0].name
        unit = Unit(name, lines_of_code(text[stem]), by[0] if len(by) == 1 else BOTH)
        unit.clauses = [
            clause for clause, names in bought.items() if {stem, *(p.name for p in paths)} & names
        ]
        found.append(unit)
    return sorted(found, key=lambda unit: SERVES.index(unit.serves))


def closure(root: str, included: dict[str, set[str]]) -> set[str]:
    """The files that this one includes, itself among them."""
    found: set[str] = set()
    new = {root} & set(included)
    while new:
        found |= new
        new = {name for stem in new for name in included[stem] if name in included} - found
    return found


def clauses_of(panel: Panel) -> dict[str, set[str]]:
    """By clause: the names in backticks of its row; nothing where the folder has no such table."""
    path = panels.ROOT / panel.folder / "README.md"
    if not path.exists():
        return {}
    _, _, table = path.read_text("utf-8").partition("| clause | kept by |\n")
    rows = re.findall(r"^\| ([RP]\d+) \|(.*)\|$", table.partition("\n\n")[0], re.M)
    return {clause: set(re.findall(r"`([\w.]+)`", cell)) for clause, cell in rows}
