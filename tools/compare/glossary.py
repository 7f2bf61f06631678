"""The words that are explained, with their clauses and experiments.

glossary.txt: what the calls and options of the panels are for. terms.txt: the field's terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from check.clauses import CLAUSES, texts

FILE = Path(__file__).with_name("glossary.txt")
TERMS = Path(__file__).with_name("terms.txt")


class Entry(NamedTuple):
    says: str
    clauses: list[str]
    experiment: str  # empty: none
    forms: list[str] = []  # of a term: the words that are marked in a text


def lines_of(path: Path) -> list[str]:
    lines = path.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def listed(words: str) -> list[str]:
    return [] if words == "-" else [word.strip() for word in words.split(",")]


@cache
def glossary() -> dict[str, Entry]:
    found = {}
    for line in lines_of(FILE):
        name, clauses, experiment, says = line.split(None, 3)
        found[name] = Entry(says, listed(clauses), "" if experiment == "-" else experiment)
    return found


@cache
def terms() -> dict[str, Entry]:
    found = {}
    for line in lines_of(TERMS):
        name, forms, clauses, experiment, says = (part.strip() for part in line.split(";", 4))
        entry = Entry(says, listed(clauses), "" if experiment == "-" else experiment, listed(forms))
        found[name] = entry
    return found


@cache
def _forms() -> tuple[re.Pattern[str], dict[str, str]]:
    """What finds a term in a text, and the term of each form."""
    names = {form.lower(): name for name, entry in terms().items() for form in entry.forms}
    longest = sorted(names, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-])", re.I), names


def terms_in(text: str) -> list[tuple[int, int, str]]:
    """Where a text uses a term for the first time: from, to, and the term."""
    pattern, names = _forms()
    found: dict[str, tuple[int, int, str]] = {}
    for match in pattern.finditer(text):
        name = names[match[0].lower()]
        found.setdefault(name, (match.start(), match.end(), name))
    return list(found.values())


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
        name: {
            "title": clause.title, "text": said[name], "experiment": clause.experiment,
            "step": clause.step,
        }
        for name, clause in CLAUSES.items()
        if name in named
    }
