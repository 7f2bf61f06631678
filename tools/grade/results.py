"""What became of a submission, and the files that say so: CSV, JSON, a page each, an overview."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from check.clauses import CLAUSES
from check.contract import BROKEN, KEPT, NOT_REACHED
from check.rubric import Item, Rubric
from harness.files import replace

PAGES = Path(__file__).resolve().parent / "pages"


@dataclass
class Student:
    """One submission, marked. It is what is kept between two runs."""

    name: str
    digest: str  # of the submission and the rubric
    panel: str = ""
    problem: str = ""  # why it could not be marked, or not to the end
    words: list[str] = field(default_factory=list)  # the compiler's, or the log's
    items: list[Item] = field(default_factory=list)
    check: dict[str, Any] | None = None
    again: list[str] = field(default_factory=list)  # clauses that failed first, and passed again
    seconds: float = 0.0

    @property
    def points(self) -> float:
        return round(sum(item.points for item in self.items), 2)

    @property
    def most(self) -> float:
        return round(sum(item.most for item in self.items), 2)

    @staticmethod
    def of(given: dict[str, Any]) -> Student:
        items = [Item(**item) for item in given.pop("items")]
        return Student(**given, items=items)


def merged(first: dict[str, Any], again: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The report in which what passed at the second try counts as kept; and those clauses.

    A test that fails and passes when it is run again has failed by the machine's timing. What
    fails twice has failed.
    """
    changed = []
    for clause, about in again["clauses"].items():
        for transport, result in about["results"].items():
            old = first["clauses"][clause]["results"][transport]
            if old["result"] in (BROKEN, NOT_REACHED) and result["result"] == KEPT:
                first["clauses"][clause]["results"][transport] = result
                changed.append(f"{clause} over {transport}")
            elif old["result"] == NOT_REACHED:
                first["clauses"][clause]["results"][transport] = result
    words = {r["result"] for a in first["clauses"].values() for r in a["results"].values()}
    first["kept"] = KEPT in words and not words & {BROKEN, NOT_REACHED}
    return first, changed


def slug(name: str, taken: Iterable[str] = ()) -> str:
    """A file name for a student: letters, digits and - of any name; never one that is taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    base = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-")[:60] or "student"
    chosen, number = base, 1
    while chosen.lower() in {one.lower() for one in taken}:
        number += 1
        chosen = f"{base}-{number}"
    return chosen


def clean(text: str) -> str:
    """A peer's text for a terminal or a page: its control and direction characters are shown."""
    return "".join(
        c
        if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs")
        else f"\\u{ord(c):04x}"
        for c in text
    )


def one_line(text: str) -> str:
    return clean(text).replace("\n", " ").replace("\t", " ")


def cell(text: str) -> str:
    """A spreadsheet takes a text that begins like this for a formula: also after blanks, or with
    the wide characters of East Asian keyboards
    (https://owasp.org/www-community/attacks/CSV_Injection)."""
    text = one_line(text)
    first = unicodedata.normalize("NFKC", text).lstrip()[:1]
    return f"'{text}" if first in tuple("=+-@") else text


def figure(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def as_csv(students: list[Student]) -> str:
    names = [item.name for item in (students[0].items if students else [])]
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)  # some spreadsheets divide cells at ";"
    writer.writerow(["student", "points", "of", *names, "failed at first", "problem"])
    for student in students:
        marks = {item.name: figure(item.points) for item in student.items}
        writer.writerow(
            [cell(student.name), figure(student.points), figure(student.most)]
            + [marks.get(name, "") for name in names]
            + ["; ".join(student.again), cell(student.problem)]
        )
    return out.getvalue()


def as_json(rubric: Rubric, students: list[Student]) -> dict[str, Any]:
    return {
        "rubric": {"title": rubric.title, "most": rubric.most, "transports": rubric.transports},
        "students": [
            {**asdict(student), "points": student.points, "most": student.most}
            for student in students
        ],
    }


def per_item(students: list[Student]) -> list[dict[str, Any]]:
    """How the class did: of each item how many have all of its points, some, none."""
    rows = []
    for n, item in enumerate(students[0].items if students else []):
        got = [student.items[n].points for student in students]
        rows.append(
            {
                "name": item.name,
                "title": item.title,
                "all": sum(points >= item.most for points in got),
                "some": sum(0 < points < item.most for points in got),
                "none": sum(points <= 0 < item.most for points in got),
                "of": len(students),
            }
        )
    return rows


def put(path: Path, text: str) -> None:
    replace(path, text.encode("utf-8", "replace"))


def write(out: Path, rubric: Rubric, students: list[Student], files: dict[str, str]) -> None:
    """All files of the results; files: of each student's sheet the name, without .html."""
    import jinja2

    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"figure": figure, "clean": clean}
    sheets = out / "sheets"
    sheets.mkdir(exist_ok=True)
    put(out / "marks.csv", as_csv(students))
    put(out / "results.json", json.dumps(as_json(rubric, students), indent=1) + "\n")
    about = {"rubric": rubric, "clauses": CLAUSES}
    for student in students:
        page = pages.get_template("sheet.html").render(student=student, **about)
        put(sheets / f"{files[student.name]}.html", page)
    page = pages.get_template("overview.html")
    put(
        out / "index.html",
        page.render(students=students, files=files, rows=per_item(students), **about),
    )
