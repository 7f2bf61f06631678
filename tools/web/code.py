"""Source code as HTML: coloured by pygments,
with the words that differ and those that explain themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from markupsafe import Markup, escape
from pygments.lexers import CLexer, PythonLexer
from pygments.token import Comment, Keyword, Name, Number, String, _TokenType

Json = Any
Piece = tuple[int, int, str]  # from, to, class

CLASSES: dict[_TokenType, str] = {  # the classes of code.css; the first that fits
    Comment.Preproc: "c-pre",
    Comment.PreprocFile: "c-str",
    Comment: "c-note",
    Keyword.Type: "c-type",
    Keyword: "c-key",
    Name.Builtin: "c-type",
    String: "c-str",
    Number: "c-num",
}
LANGUAGES = {"c": CLexer, "python": PythonLexer}


@cache
def lexer(language: str) -> Any:
    return LANGUAGES[language](stripnl=False, ensurenl=False)


def class_of(token: _TokenType) -> str:
    return next((name for kind, name in CLASSES.items() if token in kind), "")


def coloured_lines(lines: list[str], language: str) -> list[list[Piece]]:
    """For each line the pieces that have a colour. Only the whole file tells what is a comment."""
    found: list[list[Piece]] = [[]]
    at = 0
    for token, text in lexer(language).get_tokens("\n".join(lines)):
        for number, part in enumerate(text.split("\n")):
            if number:
                found.append([])
                at = 0
            name = class_of(token) if part else ""
            last = found[-1][-1] if found[-1] else (0, -1, "")
            if name and last[1:] == (at, name):  # the pieces of a string are one
                found[-1][-1] = (last[0], at + len(part), name)
            elif name:
                found[-1].append((at, at + len(part), name))
            at += len(part)
    return found[: len(lines)] + [[] for _ in range(len(lines) - len(found))]


def line_html(
    text: str, pieces: Iterable[Piece], changed: Iterable[Json] = (), words: Iterable[Json] = (),
    key: str = "",
) -> Markup:
    """A line as HTML: cut wherever a piece,
    a changed word or a word of the glossary begins or ends.

    A word of the glossary is a link to its entry, which has the id KEY-word-NAME.
    """
    pieces = list(pieces)
    differ = [(start, end) for start, end in changed]
    linked = {start: end for start, end in words}
    ends = [(start, end) for start, end, _ in pieces] + differ + list(linked.items())
    cuts = sorted({0, len(text), *(cut for span in ends for cut in span)})
    parts: list[Markup] = []
    for start, end in zip(cuts, cuts[1:]):
        if start in linked:
            link = Markup('<a class="word" href="#{0}-word-{1}" data-word="{1}">')
            parts.append(link.format(key, text[start : linked[start]]))
        names = " ".join(name for a, b, name in pieces if a <= start and end <= b)
        part = (
            Markup('<span class="{}">{}</span>').format(names, text[start:end])
            if names else escape(text[start:end])
        )
        parts.append(
            Markup("<mark>{}</mark>").format(part)
            if any(a <= start < b for a, b in differ) else part
        )
        if end in linked.values():
            parts.append(Markup("</a>"))
    return Markup("").join(parts)


def listing(text: str, language: str) -> Markup:
    """A whole file, coloured."""
    lines = text.splitlines()
    coloured = coloured_lines(lines, language)
    return Markup("\n").join(line_html(line, pieces) for line, pieces in zip(lines, coloured))


def colour_alignment(said: Json, key: str) -> Json:
    """What diff --json says, and `html` in each cell. `key` stands in the ids of its glossary."""
    for place in range(len(said["panels"])):
        cells = [
            row[place]
            for section in said["sections"]
            for block in section["blocks"]
            for row in block["rows"]
            if row[place]
        ]
        cells.sort(key=lambda cell: int(cell["number"]))
        for cell, pieces in zip(cells, coloured_lines([cell["text"] for cell in cells], "c")):
            cell["html"] = line_html(cell["text"], pieces, cell["changed"], cell["words"], key)
    return said


def colour_lines(lines: list[Json], key: str) -> None:
    """The same for some lines of a file that stand for themselves: `html` in each."""
    for line, pieces in zip(lines, coloured_lines([line["text"] for line in lines], "c")):
        line["html"] = line_html(line["text"], pieces, (), line["words"], key)
