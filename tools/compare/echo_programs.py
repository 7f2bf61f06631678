"""The four programs of raw/steps/0-echo as data: what each cannot do, its lines,
and its like in raw-1."""

from __future__ import annotations

import re
from typing import Any

from compare.echo import BREAKS, FOLDER
from compare.glossary import clauses_of, entries_of, spans
from compare.sources import Line, Source, contract_functions, trimmed
from harness import panels
from harness.panels import read_panels

NAMES = ("stream_server", "stream_client", "datagram_server", "datagram_client")
FIRST = "raw-1"  # the same calls behind common/pattern.h
ROLES = {"stream_server": "rep_", "stream_client": "req_"}  # whose functions stand beside it


def as_json() -> dict[str, Any]:
    """Of `steps echo`, as echo.schema.json describes: the programs,
    and what explains their words."""
    found = [program_json(name) for name in NAMES]
    shown = [part for program in found for part in (program, program["beside"]) if part]
    words = entries_of(line["text"] for part in shown for line in part["lines"])
    return {"programs": found, "words": words, "clauses": clauses_of(words)}


def breaks_json() -> list[dict[str, Any]]:
    """The breaks, none of which was played."""
    return [
        chosen.as_json() | {"came_about": None, "after": "", "acts": [], "seconds": None}
        for chosen in BREAKS
    ]


def program_json(name: str) -> dict[str, Any]:
    path = panels.ROOT / FOLDER / f"{name}.c"
    lines = [
        Line(number, text) for number, text in enumerate(path.read_text("utf-8").splitlines(), 1)
    ]
    end = next(at for at, line in enumerate(lines) if line.text.endswith("*/"))
    head = [re.sub(r"^( \*|/\*) ?", "", line.text) for line in lines[:end]]
    says, _, cannot = "\n".join(head).partition("What it cannot do:")
    compiled = re.search(r"^ +(cc .+)$", says, re.M)
    first = re.split(r"\n\s*\n", says.strip())[0]
    return {
        "name": name,
        "file": f"{FOLDER}/{path.name}",
        "says": " ".join(first.split()),
        "compiled": compiled[1] if compiled else "",
        "cannot": [
            " ".join(text.split()).rstrip(";.")
            for text in re.split(r"^ +- ", cannot, flags=re.M)[1:]
        ],
        "lines": [line_json(line) for line in trimmed(lines[end + 1 :])],
        "beside": beside_json(ROLES[name]) if name in ROLES else None,
    }


def beside_json(prefix: str) -> dict[str, Any]:
    """The functions of one role in raw-1, in the order of pattern.h."""
    (panel,) = (panel for panel in read_panels() if panel.name == FIRST)
    source = Source(panel, "reqrep", contract_functions())
    found: list[Line] = []
    for section in source.sections:
        if section.name.startswith(prefix):
            found += [Line(0, ""), *section.lines] if found else section.lines
    return {"panel": panel.name, "file": source.name, "lines": [line_json(line) for line in found]}


def line_json(line: Line) -> dict[str, Any]:
    """Number 0: a blank line that stands for others."""
    return {"number": line.number, "text": line.text, "words": spans(line.text)}
