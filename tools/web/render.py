"""Makes HTML of a page: its template, its data, and the panels' colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from check.clauses import CLAUSES
from harness.panels import read_panels
from lab.search import entry
from web.code import listing
from web.document import inline
from web.page import Json, Page, Query
from web.pages import PAGES
from web.sentence import clause, linked, term

LOOKS = ("auto", "light", "dark")
STYLES = ("style.css", "head.css", "panels.css")  # of every page
SCRIPTS = ("frame.js",)

templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("pages")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def embedded(data: Json) -> Markup:
    """JSON inside an HTML document: nothing in it ends the script element or begins a comment."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def chosen(panels: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """The panels of these names, in their order."""
    known = {panel["name"]: panel for panel in panels}
    return [known[name] for name in names if name in known]


templates.filters |= {
    "chosen": chosen, "embedded": embedded, "inline": inline, "linked": linked, "listing": listing,
}
templates.globals |= {
    "clause": clause, "term": term, "entry": entry,
    "titles": {name: one.title for name, one in CLAUSES.items()},
}


def panel_list() -> list[dict[str, Any]]:
    """What every page knows of the panels."""
    return [
        {
            "name": panel.name,
            "heading": panel.heading,
            "mark": panel.mark,
            "kind": panel.kind,
            "colour": panel.rgb,
            "built": panel.built,
            "speaks": list(panel.speaks),
        }
        for panel in read_panels()
    ]


def panel_colours() -> str:
    """A class for each panel. Whoever draws uses var(--panel), and var(--mark) as `content`."""
    return "".join(
        f'.panel-{panel.name} {{ --panel: {panel.rgb}; --mark: "\\{ord(panel.mark):x} "; }}\n'
        for panel in read_panels()
    )


def fragment(template: str, **shown: Any) -> str:
    """A part of a page, for a script that puts it in place of another."""
    return templates.get_template(template).render(panels=panel_list(), **shown)


def for_scripts(data: dict[str, Json]) -> dict[str, Json]:
    """Without what is for the template alone: the names with a _."""
    return {name: value for name, value in data.items() if name[0] != "_"}


def shown(page: Page, data: dict[str, Json], query: Query, report: bool = False) -> Markup:
    """What a page shows, without what stands around it."""
    template = templates.get_template(f"{page.name}.html")
    return Markup(
        template.render(page=page, data=data, query=query, panels=panel_list(), report=report)
    )


def styles(page: Page) -> list[str]:
    return [*STYLES, *page.styles]


def scripts(page: Page) -> list[str]:
    return [*SCRIPTS, f"{page.name}.js"]


def render(page: Page, data: dict[str, Json], query: Query) -> str:
    """The page as HTML. Its script finds data of its own in the document: for_scripts()."""
    known = {"panels": panel_list(), "page": page.name, "data": for_scripts(data)}
    return framed(
        query, page=page, styles=styles(page), scripts=scripts(page), known=known,
        main=shown(page, data, query),
    )


def refused(page: Page | None, sentence: str, query: Query) -> str:
    """What stands in place of a page that cannot be shown: why, and the way to the others."""
    main = fragment("refused.html", page=page, sentence=sentence)
    there = {"name": page.name if page else "", "title": page.title if page else "Not found"}
    return framed(
        query, page=there, styles=STYLES, scripts=SCRIPTS,
        known={"panels": [], "page": "", "data": {}}, main=Markup(main),
    )


def framed(query: Query, **parts: Any) -> str:
    look = query.get("look", "auto")
    return templates.get_template("base.html").render(
        pages=PAGES, look=look if look in LOOKS else "auto", big=query.get("big") == "1", **parts
    )
