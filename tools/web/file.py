"""A file of a panel, or of common/, whole: as the page Read shows it for itself."""

from __future__ import annotations

import re
from pathlib import Path

from compare.glossary import clauses_of, entries_of, spans
from compare.marked import marks_in
from compare.sources import Line, lines_of_code
from harness.panels import ROOT, printable, read_panels
from web.code import colour_lines
from web.page import Json

COMMON = "common"
KEY = "file"  # in the ids of its glossary


def files() -> dict[str, list[str]]:
    """Every file that may be read, by its path; and the panels that compile it."""
    found: dict[str, list[str]] = {}
    for panel in read_panels():
        for path in panel.sources():
            found.setdefault(f"{panel.folder}/{path.name}", []).append(panel.name)
    for path in sorted((ROOT / COMMON).glob("*.[ch]")):
        found[f"{COMMON}/{path.name}"] = []
    return found


def beside(file: str) -> list[Json]:
    """The files of its folder, with what the folder's README says of each."""
    folder = Path(file).parent
    readme = ROOT / folder / "README.md"
    text = readme.read_text("utf-8") if readme.is_file() else ""
    _, _, table = text.partition("| file | what it is for |\n")
    says = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", table.partition("\n\n")[0], re.M))
    paths = [path for path in files() if Path(path).parent == folder]
    order = list(says)

    def place(path: str) -> tuple[int, str]:
        named = [name for name in (Path(path).stem, Path(path).name) if name in order]
        return order.index(named[0]) if named else len(order), path

    return [
        {
            "file": path,
            "name": Path(path).name,
            "says": says.get(Path(path).stem, says.get(Path(path).name, "")),
            "lines": lines_of_code((ROOT / path).read_text("utf-8", "replace")),
        }
        for path in sorted(paths, key=place)
    ]


def shown(file: str) -> Json:
    """Its lines, coloured; the words that are explained; what is marked with a clause."""
    text = [
        "\t".join(map(printable, line.split("\t")))
        for line in (ROOT / file).read_text("utf-8", "replace").splitlines()
    ]
    lines: list[Json] = [
        {"number": number, "text": line, "words": spans(line)}
        for number, line in enumerate(text, 1)
    ]
    colour_lines(lines, KEY)
    words = entries_of(text)
    around = beside(file)
    return {
        "key": KEY,
        "file": file,
        "panels": files()[file],
        "says": next(one["says"] for one in around if one["file"] == file),
        "lines": lines,
        "marks": [
            {"clause": mark.clause, "first": mark.first, "last": mark.last}
            for mark in marks_in([Line(n, line) for n, line in enumerate(text, 1)])
        ],
        "around": around,
        "words": words,
        "clauses": clauses_of(words),
    }
