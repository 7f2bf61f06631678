"""Which lines of a panel keep a clause, as far as its sources say so.

A comment names a clause in parentheses, after a colon, or alone: "(R2)", "out of turn: R9", "R11".
Above a function it marks the function, behind code the statement that begins there, and within a
function the statement below.
A mark says where the idea stands: other lines that the clause needs may carry no mark.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import Any

from check.clauses import CLAUSES
from check.kept import KEPT, kept_file, read_kept
from compare.glossary import glossary, spans
from compare.serves import BOTH, ROOTS, units_of
from compare.sources import Line, engine_lines, lines_of_code
from harness import panels
from harness.panels import Panel

ERRNO = {*errno.errorcode.values(), "EFSM"}
NAME = r"[RP]\d{1,2}"
NAMED = re.compile(rf"(?:^|\(|: )({NAME}(?:, {NAME})*)(?=\)|\.|$)")
LETTERS = {"reqrep": "R", "pubsub": "P"}
LIBRARIES = ("zmtp", "sp")  # framings that a library makes: such a panel stands on one


@dataclass(frozen=True)
class Mark:
    """Lines that a comment marks with a clause."""

    clause: str
    first: int
    last: int
    lines: int  # of code among them


def named(comment: str) -> list[str]:
    """The clauses that a comment names."""
    text = " ".join(line.strip(" *") for line in comment.splitlines()).strip()
    found = (name for names in NAMED.findall(text) for name in names.split(", "))
    return [name for name in dict.fromkeys(found) if name in CLAUSES]


def uncommented(lines: list[Line]) -> tuple[list[str], list[tuple[int, int, str]]]:
    """The lines without comments and without what stands in quotes; and the comments: the places
    of their first and last line, and their text."""
    text = "\n".join(line.text for line in lines)
    comments: list[tuple[int, int, str]] = []

    def without(match: re.Match[str]) -> str:
        found = match.group()
        if found.startswith("/*"):
            at = text.count("\n", 0, match.start())
            comments.append((at, at + found.count("\n"), found[2:-2]))
            return re.sub(r"[^\n]", " ", found)
        return found[0] * len(found)

    tokens = r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    return re.sub(tokens, without, text, flags=re.DOTALL).split("\n"), comments


def statement(code: list[str], first: int) -> int:
    """Where the statement, or the function, that begins in this line ends."""
    function = bool(re.match(r"[A-Za-z_]", code[first]))
    depth = 0
    for at in range(first, len(code)):
        depth += len(re.findall(r"[({]", code[at])) - len(re.findall(r"[)}]", code[at]))
        text = code[at].rstrip()
        ends = text == "}" if function else text.endswith((";", "}", ","))
        if depth <= 0 and ends and not re.match(r"\s*else\b", (code[at + 1 :] or [""])[0]):
            return at
    return len(code) - 1


def marks_in(lines: list[Line]) -> list[Mark]:
    """The marks of a file, from top to bottom."""
    code, comments = uncommented(lines)
    found = []
    for begin, end, text in comments:
        if not (clauses := named(text)):
            continue
        if code[begin].strip():
            first = begin  # it stands behind code
        else:
            first = next((at for at in range(end + 1, len(code)) if code[at].strip()), -1)
            if first < 0:
                continue
        last = statement(code, first)
        count = lines_of_code("\n".join(line.text for line in lines[first : last + 1]))
        numbers = lines[first].number, lines[last].number
        found += [Mark(clause, *numbers, count) for clause in clauses]
    return found


def calls_in(lines: list[Line], clause: str) -> list[tuple[str, int]]:
    """The calls and options of the glossary that serve a clause, and their lines. What errno says
    is neither."""
    return [
        (text[start:end], line.number)
        for line, text in zip(lines, uncommented(lines)[0])
        for start, end in spans(text)
        if clause in glossary()[text[start:end]].clauses and text[start:end] not in ERRNO
    ]


def kept_words(panel: Panel, pattern: str) -> dict[str, str | None]:
    """What its kept.txt says of each clause of a pattern; None: a reader's own panel has none."""
    clauses = [clause for clause in CLAUSES if clause[0] == LETTERS[pattern]]
    if panel.kind != "shipped" and not kept_file(panel).is_file():
        return dict.fromkeys(clauses)
    claims = read_kept(panel)
    return {clause: claims[clause].word for clause in clauses}


def left_out(panel: Panel, pattern: str, lines: list[Line]) -> list[list[int]]:
    """The lines of the file, from and to, that this panel's engine does not compile."""
    path = panels.ROOT / panel.folder / f"{pattern}.c"
    there = {line.number for line in lines}
    missing: list[list[int]] = []
    for number in range(1, len(path.read_text("utf-8", "replace").splitlines()) + 1):
        if number in there:
            continue
        if missing and missing[-1][1] == number - 1:
            missing[-1][1] = number
        else:
            missing.append([number, number])
    return missing


def needless(lines: list[Line]) -> bool:
    """Whether the head of a file says that no clause needs it, as zmq/refusals.c does."""
    heads = [text for begin, _, text in uncommented(lines)[1] if begin == 0]
    return any("no clause needs it" in " ".join(text.replace("*", " ").split()) for text in heads)


def served(panel: Panel, pattern: str, lines: list[Line]) -> dict[str, Any]:
    """By clause of this pattern: whether the panel keeps it, and if it does, by what.

    marks and calls: in the file of this pattern, whose lines are given, and in the panel's others
    that serve this pattern; files: those that its README names for the clause.
    """
    main = f"{pattern}.c"
    files = {main: lines}
    units = [unit for unit in units_of(panel) if unit.serves in (ROOTS[pattern], BOTH)]
    for unit in units:
        for path in panel.sources():
            if path.stem == unit.name.partition(".")[0] and path.name not in (main, "panel.c"):
                files[path.name] = engine_lines(path, panel)
    files = {name: there for name, there in files.items() if not needless(there)}
    marks = [(name, mark) for name, there in files.items() for mark in marks_in(there)]
    found = {}
    for clause, word in kept_words(panel, pattern).items():
        one: dict[str, Any] = {"kept": word, "marks": [], "calls": [], "files": []}
        if word in (KEPT, None):
            one["marks"] = [
                {
                    "file": f"{panel.folder}/{name}", "first": mark.first, "last": mark.last,
                    "lines": mark.lines,
                }
                for name, mark in marks
                if mark.clause == clause
            ]
            one["calls"] = [
                {"word": word, "file": f"{panel.folder}/{name}", "line": number}
                for name, there in files.items()
                for word, number in calls_in(there, clause)
            ]
            one["files"] = [
                {"name": unit.name, "lines": unit.lines}
                for unit in units
                if clause in unit.clauses and unit.name != main
            ]
        found[clause] = one
    return found
