"""The rubric: which clauses give how many points, and what a panel's results are worth by it.

    title = "Framing"
    start = "raw-1"                     # the panel that ./triptych new --assignment copies
    solution = "raw-2"                  # a panel that gets all points; .ci/run teach tries it
    framing = "raw"                     # as in panels.txt; default: none, then garbage is not tried
    transports = ["tcp", "ipc"]         # default: tcp tcp6 ipc; the points of a clause are shared
                                        # among those over which the contract has tests of it
    [clauses]
    R1 = 6                              # shared evenly
    P1 = { tcp = 3, ipc = 1 }           # or as said
    [tests]                             # of these clauses only these tests count
    P1 = ["test_P1_unsubscribe"]
    [extra]                             # off unless named
    lines = { most = 400, points = 1 }  # lines of code of the panel, without comments and blanks
    warnings = 1                        # points if the compiler has none
    [limits]                            # of the sandbox
    seconds = 240

A panel's folder may have a rubric, rubric.toml: check follows it.
grade takes it from whoever marks.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from check.clauses import CLAUSES
from check.contract import BROKEN, KEPT, NO_TEST, NOT_REACHABLE, NOT_REACHED
from harness.panels import SPEAKS

KEYS = (
    "title", "start", "solution", "framing", "transports", "clauses", "tests", "extra", "limits",
)


NOTHING = "No clause is kept."


class BadRubric(Exception):
    """What is wrong with the file."""


@dataclass(frozen=True)
class Limits:
    """Of one submission in its sandbox."""

    seconds: int = 240  # wall time, the second try included
    memory: int = 2048  # MiB
    disk: int = 512  # MiB of files, which count as memory too
    processes: int = 300  # at a time; a clean check has about 80


@dataclass(frozen=True)
class Rubric:
    title: str
    start: str
    solution: str
    framing: str
    transports: tuple[str, ...]
    clauses: dict[str, float | dict[str, float]]
    tests: tuple[str, ...] = ()  # of the clauses that they belong to, only they
    lines: tuple[int, float] | None = None  # the most, and the points
    warnings: float = 0.0
    limits: Limits = field(default_factory=Limits)

    @property
    def most(self) -> float:
        """All points that can be had."""
        extra = (self.lines[1] if self.lines else 0.0) + self.warnings
        return sum(points if isinstance(points, (int, float)) else sum(points.values())
                   for points in self.clauses.values()) + extra  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One line of a student's marks."""

    name: str  # R1; lines; warnings
    title: str
    points: float
    most: float
    results: dict[str, str]  # by transport, in words
    why: str = ""  # where points are missing


def number(what: str, value: object, least: float = 0.0) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= 1e6:
        raise BadRubric(f"{what}: {value!r} is no number of at least {least:g}")
    return float(value)


def read(path: Path) -> Rubric:
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadRubric(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRubric(f"{path}: {error}") from None
    try:
        return understood(given, path.parent.name)
    except BadRubric as error:
        raise BadRubric(f"{path}: {error}") from None


def understood(given: dict[str, Any], name: str) -> Rubric:
    for key in given:
        if key not in KEYS:
            raise BadRubric(f"no key '{key}'; there are: {' '.join(KEYS)}")
    transports = given.get("transports", ["tcp", "tcp6", "ipc"])
    if not isinstance(transports, list) or not transports or set(transports) - set(SPEAKS):
        raise BadRubric(f"transports: {transports!r}; a list of: {' '.join(SPEAKS)}")
    clauses: dict[str, float | dict[str, float]] = {}
    for clause, points in table(given, "clauses").items():
        if clause not in CLAUSES:
            raise BadRubric(f"no clause '{clause}'; there are: R1 to R11, P1 to P9")
        if isinstance(points, dict):
            if set(points) - set(transports):
                raise BadRubric(f"{clause}: {' '.join(points)}; transports: {' '.join(transports)}")
            clauses[clause] = {t: number(f"{clause}, {t}", p) for t, p in points.items()}
        else:
            clauses[clause] = number(clause, points)
    if not clauses:
        raise BadRubric("no clause gives points: it needs a table [clauses]")
    tests: list[str] = []
    for clause, names in table(given, "tests").items():
        good = isinstance(names, list) and all(str(n).startswith(f"test_{clause}_") for n in names)
        if clause not in clauses or not good or not names:
            raise BadRubric(f"[tests]: {clause} = {names!r}; tests of a clause that gives points")
        tests += names
    extra = table(given, "extra")
    for key in extra:
        if key not in ("lines", "warnings"):
            raise BadRubric(f"[extra]: no '{key}'; there are: lines warnings")
    lines = extra.get("lines")
    if lines is not None:
        if not isinstance(lines, dict) or set(lines) != {"most", "points"}:
            raise BadRubric("[extra]: lines = { most = 400, points = 1 }")
        lines = (int(number("most", lines["most"], 1)), number("points", lines["points"]))
    limits = table(given, "limits")
    for key in limits:
        if key not in (one.name for one in fields(Limits)):
            raise BadRubric(f"[limits]: no '{key}'; there are: "
                            f"{' '.join(one.name for one in fields(Limits))}")  # fmt: skip
    return Rubric(
        str(given.get("title", name)),
        word(given, "start"),
        word(given, "solution"),
        word(given, "framing"),
        tuple(transports),
        {clause: clauses[clause] for clause in CLAUSES if clause in clauses},
        tuple(tests),
        lines,
        number("warnings", extra.get("warnings", 0.0)),
        Limits(**{key: int(number(key, value, 1)) for key, value in limits.items()}),
    )


def word(given: dict[str, Any], name: str) -> str:
    found = given.get(name, "")
    if not isinstance(found, str) or (found and not found.replace("-", "").isalnum()):
        raise BadRubric(f"{name}: {found!r} is no word")
    return found


def table(given: dict[str, Any], name: str) -> dict[str, Any]:
    found = given.get(name, {})
    if not isinstance(found, dict):
        raise BadRubric(f"'{name}' is to be a table: [{name}]")
    return found


def shares(rubric: Rubric, clause: str, results: dict[str, Any]) -> dict[str, float]:
    """The points of a clause by transport. Without results: by what the rubric alone says."""
    points = rubric.clauses[clause]
    if isinstance(points, dict):
        return points
    tested = [t for t in rubric.transports
              if not results or results.get(t, {}).get("result", BROKEN) != NO_TEST]  # fmt: skip
    tested = tested or list(rubric.transports)
    return {t: points / len(tested) for t in tested}


def mark_clause(rubric: Rubric, clause: str, results: dict[str, Any]) -> Item:
    """results: of the clause in check's JSON, by transport."""
    got = 0.0
    words, why = {}, ""
    for transport, points in shares(rubric, clause, results).items():
        result = results.get(transport)
        word = result["result"] if result else "not spoken"
        words[transport] = word
        if word == KEPT:
            got += points
        elif not why and result and result["failures"]:
            failure = result["failures"][0]
            why = f"{failure['done']}. Expected: {failure['expected']}. Came: {failure['came']}."
        elif not why and word == NOT_REACHED:
            why = "Not tried: the first exchange of this pattern failed."
        elif not why and word == NOT_REACHABLE:
            why = "; ".join(result["reasons"]) if result else ""
        elif not why and not result:
            why = f"The panel does not speak {transport}."
    points = rubric.clauses[clause]
    most = sum(points.values()) if isinstance(points, dict) else points
    return Item(clause, CLAUSES[clause].title, round(got, 2), most, words, why)


def mark(
    rubric: Rubric, check: dict[str, Any] | None, lines: int, warnings: int | None
) -> list[Item]:
    """check: the JSON of ./triptych check; None: there is none, because the panel does not build.
    warnings: how many the compiler had; None: it was not run."""
    clauses = check["clauses"] if check else {}
    items = [mark_clause(rubric, c, clauses[c]["results"] if c in clauses else {})
             for c in rubric.clauses]  # fmt: skip
    if not check:
        items = [Item(i.name, i.title, 0.0, i.most, {}, "") for i in items]
    works = any(item.points > 0 for item in items)  # style alone is worth nothing
    if rubric.lines:
        most, points = rubric.lines
        good = works and lines <= most
        why = "" if good else f"It has {lines} lines of code." if works else NOTHING
        items.append(Item("lines", f"at most {most} lines of code", points * good, points, {}, why))
    if rubric.warnings:
        good = works and warnings == 0
        why = "" if good else f"The compiler warns {warnings} times." if warnings else NOTHING
        items.append(
            Item(
                "warnings", "no warning of the compiler", rubric.warnings * good, rubric.warnings,
                {}, why,
            )
        )
    return items
