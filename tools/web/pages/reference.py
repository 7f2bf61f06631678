"""The page Reference: the words that the other pages use;
and the index of all that can be searched for."""

from __future__ import annotations

from typing import Any

from harness.panels import ROOT
from web.document import section
from web.kept import kept, stamp
from web.page import Json, Page, Query, Site, View
from web.pages.read import sources

GROUPS = {  # by the kind of a find: the heading, and what stands below it
    "term": ("Terms", "The field's terms, as these pages use them."),
    "clause": (
        "The contract",
        "What every panel promises; tests check each clause. common/CONTRACT.md has the whole.",
    ),
    "function": (
        "The interface",
        "The functions that every panel implements, in the order of common/pattern.h.",
    ),
    "call": ("Calls and options", "What the panels call and set, and what for."),
    "verb": ("Commands", "What ./triptych does in a terminal."),
    "page": (
        "Choosing, and running it elsewhere",
        "Sections of the project's CHOOSING.md, README.md and SCALE.md.",
    ),
}


def files() -> Any:
    """Changes when something does that can be found."""
    patterns = ("lab/experiments/*.py", "common/*", "CHOOSING.md", "README.md", "triptych",
                "panels.txt", "tools/compare/*.txt", "tools/check/clauses.py",
                "tools/web/pages/*.py", "raw/steps/0-echo/*.c")  # fmt: skip
    return sources(), stamp(path for pattern in patterns for path in ROOT.glob(pattern))


async def index(site: Site) -> Json:
    """What `lab --index` says: all that words can find, and how a search ranks it."""
    return await kept(site, "index", files(), lambda: site.verb("lab.lab", "--index"))


async def finds(site: Site, asked: dict[str, Json]) -> Json:
    """The same for a search: it shows no code."""
    found = await index(site)
    return {**found, "finds": [{**find, "code": ""} for find in found["finds"]]}


async def data(site: Site, query: Query) -> dict[str, Json]:
    known = (await index(site))["finds"]
    documents = {
        find["title"]: section(ROOT / find["command"].split()[-1], find["title"]) for find in known
        if find["kind"] == "page"
    }
    groups = [
        {
            "kind": kind, "title": title, "about": about,
            "finds": [find for find in known if find["kind"] == kind],
        }
        for kind, (title, about) in GROUPS.items()
    ]
    return {
        "_groups": groups, "_documents": documents,
        "_experiments": [find["title"] for find in known if find["kind"] == "lab"],
    }


async def views(site: Site) -> list[View]:
    """For a report: the page, and the index, with which every page's search works."""
    return [View({}, [("finds", {}, await finds(site, {}))])]


PAGE = Page(
    name="reference",
    title="Reference",
    about="What the terms mean, what each clause promises, and what every function, "
        "call and command is for.",
    find="glossary dictionary choose choosing terms words definitions meaning clauses contract "
        "interface functions options commands",
    styles=("reference.css",),
    data=data,
    answers={"finds": finds},
    views=views,
)
