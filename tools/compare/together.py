"""Two panels or more, aligned by function, as data: what `diff --json` prints.

A row has a cell for each panel: a line, or nothing. Each panel's lines are aligned with those of
the panel to its left that has the same block, so two panels give the rows of the side-by-side view.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from typing import Any

from compare.alignment import align, count, merge, paired, rows_of
from compare.glossary import clauses_of, entries_of, spans
from compare.marked import LIBRARIES, left_out, served
from compare.sources import Line, Source

COUNTS = ("alike", "changed", "only_left", "only_right")


@dataclass
class Cell:
    """A line of one panel, and what differs from the lines of its neighbours in this row."""

    line: Line
    resembles: bool = False  # the line of a neighbour
    changed: list[tuple[int, int]] = field(default_factory=list)  # from and to, in its text


Together = dict[int, Cell]  # a row: by the panel's place


def weave(columns: list[list[Line]]) -> list[Together]:
    """The rows of one block. A column without lines has no such block, and is passed over."""
    there = [place for place, lines in enumerate(columns) if lines]
    rows: list[Together] = [{there[0]: Cell(line)} for line in columns[there[0]]] if there else []
    for left, right in pairwise(there):
        rows = _joined(rows, columns, left, right)
    return rows


def _joined(
    rows: list[Together], columns: list[list[Line]], left: int, right: int
) -> list[Together]:
    """The rows with one panel more, each of its lines in the row of the
    line that it is opposite."""
    found: list[Together] = []
    at = 0
    for pair in align(columns[left], columns[right]):
        if pair.left:
            while left not in rows[at]:
                found.append(rows[at])
                at += 1
        if pair.left or (at < len(rows) and left not in rows[at]):  # a row that has room for it
            row = rows[at]
            at += 1
        else:
            row = {}
        if pair.right:
            row[right] = Cell(pair.right, pair.mark in " |", list(pair.right_words))
        if pair.left and pair.right and pair.mark in " |":
            row[left].resembles = True
            row[left].changed = union(row[left].changed + pair.left_words)
        found.append(row)
    return found + rows[at:]


def union(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without overlaps, in order."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def row_json(row: Together, panels: int) -> list[dict[str, Any] | None]:
    """A cell a panel. Alike: the same line in every panel;
    alone: no line of another resembles it."""
    same = len(row) == panels and len({cell.line.text for cell in row.values()}) == 1

    def cell_json(cell: Cell) -> dict[str, Any]:
        mark = "alike" if same else "changed" if cell.resembles else "alone"
        text = cell.line.text
        return {
            "number": cell.line.number, "text": text, "mark": mark, "changed": cell.changed,
            "words": spans(text),
        }

    return [cell_json(row[place]) if place in row else None for place in range(panels)]


def section_json(sources: list[Source], name: str, asked: bool = False) -> dict[str, Any]:
    """asked: for this section alone, with the helpers that it calls."""
    found = [source.asked_for(name) if asked else source.section(name) for source in sources]
    blocks = [
        {block.name: block.lines for block in section.blocks} if section else {}
        for section in found
    ]
    names: list[str] = reduce(merge, [list(of_one) for of_one in blocks])
    pairs = [count(rows_of(a, b)) for a, b in pairwise(found)]
    return {
        "name": name,
        "counts": [dict(zip(COUNTS, counts)) for counts in pairs],
        "blocks": [
            {
                "name": block,
                "rows": [
                    row_json(row, len(sources)) for row in weave([b.get(block, []) for b in blocks])
                ],
            }
            for block in names
        ],
    }


def as_json(sources: list[Source], pattern: str, name: str | None) -> dict[str, Any]:
    """All sections, or the one of this name."""
    names: list[str] = (
        [name] if name else reduce(merge, [[s.name for s in x.sections] for x in sources])
    )
    pairs = [[count(rows_of(a, b)) for _, a, b in paired(x, y, name)] for x, y in pairwise(sources)]
    totals = [map(sum, zip(*counts)) for counts in pairs]
    words = entries_of(line.text for source in sources for line in source.lines)
    return {
        "pattern": pattern,
        "panels": [
            {
                "name": source.panel.name,
                "heading": source.panel.heading,
                "folder": source.panel.folder,
                "file": source.name,
                "lines": len(source.lines),
                "library": source.panel.framing in LIBRARIES,
                "left_out": left_out(source.panel, pattern, source.lines),
                "served": served(source.panel, pattern, source.lines),
            }
            for source in sources
        ],
        "counts": [dict(zip(COUNTS, total)) for total in totals],
        "sections": [section_json(sources, section, section == name) for section in names],
        "words": words,
        "clauses": clauses_of(words),
    }
