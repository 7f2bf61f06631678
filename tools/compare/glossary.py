"""glossary.txt: what the calls and options of the panels are for, with their clauses and experiments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from check.clauses import CLAUSES, texts

FILE = Path(__file__).with_name("glossary.txt")


class Entry(NamedTuple):
    says: str
    clauses: list[str]
    experiment: str  # empty: none


@cache
def glossary() -> dict[str, Entry]:
    found = {}
    for line in FILE.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, clauses, experiment, says = line.split(None, 3)
            named = [] if clauses == "-" else clauses.split(",")
            found[name] = Entry(says, named, "" if experiment == "-" else experiment)
    return found


def spans(line: str) -> list[tuple[int, int]]:
    """Where a line of C has names of the glossary: a call's name before a parenthesis alone."""
    return [
        (found.start(1), found.end(1))
        for found in re.finditer(r"(?<![\w>.])([A-Za-z]\w+)(\(?)", line)
        if found[1] in glossary() and (found[2] or found[1].isupper())
    ]


def entries_of(lines: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What the glossary says of the names that these lines have."""
    used = {line[start:end] for line in lines for start, end in spans(line)}
    return {name: as_json(glossary()[name]) for name in sorted(used)}


def as_json(entry: Entry) -> dict[str, Any]:
    clauses = {clause: CLAUSES[clause].title for clause in entry.clauses}
    return {"says": entry.says, "clauses": clauses, "experiment": entry.experiment or None}


def clauses_of(words: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """The clauses that these entries name, in the contract's order."""
    named = {clause for word in words.values() for clause in word["clauses"]}
    said = texts()
    return {
        name: {"title": clause.title, "text": said[name], "experiment": clause.experiment, "step": clause.step}
        for name, clause in CLAUSES.items()
        if name in named
    }
