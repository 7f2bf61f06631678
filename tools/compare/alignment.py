"""Two lists of lines, each line opposite the one most like it. The comparing is difflib's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from compare.sources import Line, Section, Source

ALIKE_MIN = 0.6  # two lines with less in common (difflib's ratio of their words) are not a pair


@dataclass
class Row:
    """A line of each side; mark: " " alike, "|" changed, "<" only left, ">" only right,
    "<>" both, unlike."""

    mark: str
    left: Line | None
    right: Line | None
    left_words: list[tuple[int, int]] = field(default_factory=list)  # what differs, from and to
    right_words: list[tuple[int, int]] = field(default_factory=list)


def align(left: list[Line], right: list[Line]) -> list[Row]:
    """Rows for two pieces of code that have the same part to play."""
    a, b = [line.text for line in left], [line.text for line in right]
    rows: list[Row] = []
    matcher = SequenceMatcher(lambda text: not re.search(r"\w", text), a, b, autojunk=False)
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        if kind == "equal":
            rows += [Row(" ", x, y) for x, y in zip(left[a1:a2], right[b1:b2])]
        else:
            rows += _unlike(left[a1:a2], right[b1:b2])
    return rows


def _unlike(left: list[Line], right: list[Line]) -> list[Row]:
    """Pairs lines that resemble each other, in order, so that the sum of likenesses is greatest."""
    likeness = [[_ratio(x.text, y.text) for y in right] for x in left]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], likeness[i][j] + best[i + 1][j + 1])
    rows: list[Row] = []
    only_left: list[Line] = []
    only_right: list[Line] = []
    i = j = 0
    while i < len(left) and j < len(right):
        if likeness[i][j] and best[i][j] == likeness[i][j] + best[i + 1][j + 1]:
            rows += _opposite(only_left, only_right) + [_changed(left[i], right[j])]
            only_left, only_right = [], []
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            only_left.append(left[i])
            i += 1
        else:
            only_right.append(right[j])
            j += 1
    return rows + _opposite(only_left + left[i:], only_right + right[j:])


def _opposite(left: list[Line], right: list[Line]) -> list[Row]:
    """Lines that have no like on the other side: next to each other, to save room."""
    both = min(len(left), len(right))
    rows = [Row("<>", x, y) for x, y in zip(left, right)]
    return (
        rows + [Row("<", x, None) for x in left[both:]] + [Row(">", None, y) for y in right[both:]]
    )


def _changed(left: Line, right: Line) -> Row:
    if left.text == right.text:
        return Row(" ", left, right)
    a, b = _words(left.text), _words(right.text)
    row = Row("|", left, right)
    for kind, a1, a2, b1, b2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if kind != "equal":
            row.left_words += _span(a, a1, a2)
            row.right_words += _span(b, b1, b2)
    return row


def _span(words: list[str], first: int, last: int) -> list[tuple[int, int]]:
    start = len("".join(words[:first]))
    end = start + len("".join(words[first:last]))
    return [(start, end)] if end > start else []


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def _ratio(left: str, right: str) -> float:
    a, b = left.strip(), right.strip()
    if not a or not b:
        return float(a == b)
    ratio = SequenceMatcher(None, _words(a), _words(b), autojunk=False).ratio()
    return ratio if ratio >= ALIKE_MIN else 0.0


def count(rows: list[Row]) -> list[int]:
    """Lines alike, changed, only left, only right; blank ones do not count."""

    def filled(line: Line | None) -> bool:
        return line is not None and bool(line.text.strip())

    alike = sum(row.mark == " " and filled(row.left) for row in rows)
    changed = sum(row.mark == "|" for row in rows)
    only_left = sum("<" in row.mark and filled(row.left) for row in rows)
    only_right = sum(">" in row.mark and filled(row.right) for row in rows)
    return [alike, changed, only_left, only_right]


def merge(left: list[str], right: list[str]) -> list[str]:
    """The names of both in an order that keeps either's, as far as they agree."""
    merged: list[str] = []
    for kind, a1, a2, b1, b2 in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        merged += left[a1:a2] if kind == "equal" else left[a1:a2] + right[b1:b2]
    return list(dict.fromkeys(merged))


def paired(
    left: Source, right: Source, name: str | None
) -> list[tuple[str, Section | None, Section | None]]:
    """The sections of both, each opposite its like."""
    if name:
        return [(name, left.asked_for(name), right.asked_for(name))]
    names = merge([s.name for s in left.sections], [s.name for s in right.sections])
    return [(n, left.section(n), right.section(n)) for n in names]


def rows_of(left: Section | None, right: Section | None) -> list[Row]:
    """Two sections line by line, each block opposite the block of the same name."""
    here = {block.name: block.lines for block in left.blocks} if left else {}
    there = {block.name: block.lines for block in right.blocks} if right else {}
    rows: list[Row] = []
    for name in merge(list(here), list(there)):
        if rows:
            rows.append(Row(" ", None, None))
        rows += align(here.get(name, []), there.get(name, []))
    return rows
