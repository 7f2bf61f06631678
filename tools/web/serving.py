"""What serves each clause, as diff --json says it, with links to the lines."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from check.clauses import CLAUSES
from check.kept import BROKEN, KEPT, LUCK, NOT_REACHABLE, read_kept
from harness.panels import read_panels
from web.page import Json

INSTEAD = {  # of lines, by the word of kept.txt
    BROKEN: "not kept",
    LUCK: "kept with luck alone",
    NOT_REACHABLE: "no test of it can run",
}
IN_LIBRARY, UNMARKED = "in the library", "no line is marked with it"


def whole() -> list[str]:
    """The panels that keep all clauses: those that ship, and the step that ends the way."""
    return [
        panel.name
        for panel in read_panels()
        if panel.kind in ("shipped", "step")
        and all(claim.word == KEPT for claim in read_kept(panel).values())
    ]


def serving(said: Json, here: bool) -> Json:
    """A row a clause, a cell a panel. here: the page shows the lines of these files itself."""
    if not said["panels"]:
        return []
    sections = section_of(said) if here else {}
    return [
        {"clause": clause, "cells": [cell(panel, clause, sections) for panel in said["panels"]]}
        for clause in CLAUSES
        if clause in said["panels"][0]["served"]
    ]


def section_of(said: Json) -> dict[tuple[str, int], int]:
    """By panel and line: the section that shows it."""
    return {
        (said["panels"][place]["name"], cell["number"]): at
        for at, section in enumerate(said["sections"], 1)
        for block in section["blocks"]
        for row in block["rows"]
        for place, cell in enumerate(row)
        if cell
    }


def cell(panel: Json, clause: str, sections: dict[tuple[str, int], int]) -> Json:
    one = panel["served"][clause]

    def links(found: list[Json]) -> list[Json]:
        """By file; the file that the page shows has no name."""
        return [
            {
                "name": "" if file == panel["file"] and sections else Path(file).name,
                "links": [
                    link(panel, file, mark["first"], mark.get("last"), sections) for mark in marks
                ],
            }
            for file, marks in groupby(found, lambda mark: mark["file"])
        ]

    calls = [dict(call, first=call["line"]) for call in one["calls"]]
    words = dict.fromkeys(call["word"] for call in calls)
    anything = one["marks"] or one["calls"] or one["files"]
    instead = "" if anything else IN_LIBRARY if panel["library"] else UNMARKED
    return {
        "panel": panel["name"],
        "instead": INSTEAD.get(one["kept"], instead),
        "marked": sum(mark["lines"] for mark in one["marks"] if not inside(mark, one["marks"])),
        "marks": links(one["marks"]),
        "calls": {word: links([c for c in calls if c["word"] == word]) for word in words},
        "files": [
            {**file, "link": read(f"{panel['folder']}/{Path(file['name']).stem}.c")}
            for file in one["files"]
        ],
    }


def inside(mark: Json, marks: list[Json]) -> bool:
    """Whether its lines are among those of another mark."""
    return any(
        other is not mark
        and other["file"] == mark["file"]
        and other["first"] <= mark["first"] <= mark["last"] <= other["last"]
        for other in marks
    )


def link(
    panel: Json, file: str, first: int, last: int | None, sections: dict[tuple[str, int], int]
) -> dict[str, Any]:
    text = f"{first} to {last}" if last and last != first else str(first)
    at = sections.get((panel["name"], first)) if file == panel["file"] else None
    return {"text": text, "line": first, "at": at, "link": read(file, first)}


def read(file: str, line: int = 0) -> str:
    """The page that shows a file, and a line of it."""
    return f"/read?file={file}" + (f"&line={line}#line-{line}" if line else "")
