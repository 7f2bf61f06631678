"""./triptych report - the pages of ./triptych web in one file, to hand out

Usage:  ./triptych report FILE [--quick]

Runs the stories of Play and the experiments of the lab, and writes what
happened into one HTML file with all pages. The file needs no server and no
network: open it in a browser. A run has a slider for its time. An experiment
still asks for a prediction before it shows its outcome. Without scripts, all
texts and tables are there, one below the other.

  --quick   two stories, and of the lab the recorded outcomes: half a minute in
            place of several

Exit status: 0 done, 1 something failed, 2 the command line was wrong, 130
stopped by Ctrl-C.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import gzip
import hashlib
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from harness.command import CommandLine
from harness.files import OutputFile
from harness.here import machine, system, versions
from harness.panels import choose_panels, complain, printable, read_panels
from web import verbs
from web.page import Json, Page, Refused, Site, View
from web.pages import PAGES
from web.render import (
    for_scripts, fragment, panel_colours, panel_list, scripts, shown, styles, templates,
)
from web.stream import Stream

STATIC = Path(__file__).with_name("static")
POLICY = (
    "default-src 'none'; script-src {hashes} data:; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
LINK = re.compile(r'(?<= href=")/(\w+)(\?[^"#]*)?(?:#[^"]*)?(?=")')  # to a page


class Recorder:
    """The Site of a report's pages: what they show is recorded."""

    def __init__(self, quick: bool):
        self.quick = quick
        self.streams: dict[str, Stream] = {}
        self.state: dict[str, Any] = {}
        self.verb = verbs.verb
        self.fragment = fragment


class Report:
    """The views of all pages, and what these take from the server otherwise."""

    def __init__(self) -> None:
        self.views: list[dict[str, Json]] = []
        # By page: what source.js says in place of the server
        self.answers: dict[str, dict[str, Json]] = {}

    async def add(self, site: Site, page: Page, view: View) -> None:
        data = await page.data(site, view.query)
        words = urlencode(view.query)
        self.views.append({
            "key": f"{page.name}?{words}" if words else page.name,
            "page": page.name,
            "html": Markup(LINK.sub(inside, shown(page, data, view.query, report=True))),
            "packed": packed({
                "known": {"page": page.name, "data": for_scripts(data)},
                "streams": recorded(site, view),
            }),
        })  # fmt: skip
        answers = self.answers.setdefault(page.name, {})
        for name, question, answer in view.answers:
            # As JSON.stringify does
            asked = json.dumps(question, ensure_ascii=False, separators=(",", ":"))
            answers[f"{page.name}/{name} {asked}"] = answer

    def html(self, head: str) -> str:
        importmap = json.dumps({"imports": modules()}, separators=(",", ":"))
        start = 'import "triptych/report.js";'
        files = dict.fromkeys(name for page in PAGES for name in styles(page)) | {
            "report.css": None
        }
        users = {
            name: [page.name for page in PAGES if name in (*styles(page), "report.css")]
            for name in files
        }
        return templates.get_template("report.html").render(
            head=head,
            pages=PAGES,
            views=self.views,
            answers={page: packed(answers) for page, answers in self.answers.items()},
            styles=[(of, style_of(name)) for name, of in users.items()],
            importmap=Markup(importmap),
            start=Markup(start),
            policy=POLICY.format(hashes=" ".join(map(hashed, (importmap, start)))),
            common={
                "scripts": {page.name: scripts(page) for page in PAGES},
                "panels": panel_list(),
            },
        )


def recorded(site: Site, view: View) -> Json:
    """The events of the streams that a view listens to."""
    streams = {}
    for name in view.streams:
        stream = site.streams[name]
        streams[name] = [json.loads(line) for line in (*stream.events, *stream.latest.values())]
    return streams


def packed(data: Json) -> str:
    """For scripts alone, so it may be small: a tenth of the JSON."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def inside(link: re.Match[str]) -> str:
    """A link to another page, within the document:
    whoever has written it need not know of reports."""
    return f"#{link[1]}{link[2] or ''}"


def style_of(name: str) -> Markup:
    text = panel_colours() if name == "panels.css" else (STATIC / name).read_text("utf-8")
    return Markup(text.replace("</", "<\\/"))


def hashed(script: str) -> str:
    """How a content policy names a script that stands in the document."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def modules() -> dict[str, str]:
    """The pages' scripts as data, by names that do not depend on where the document lies."""
    return {
        f"triptych/{path.name}": "data:text/javascript;base64,"
        + base64.b64encode(
            path.read_text("utf-8").replace('from "./', 'from "triptych/').encode()
        ).decode()
        for path in sorted(STATIC.glob("*.js"))
    }


def about() -> str:
    """The versions, the machine, the date and the command."""
    shipped = [panel for panel in read_panels() if panel.built and panel.kind == "shipped"]
    libraries = "; ".join(f"{name}: {said}" for name, said in versions(shipped).items())
    command = "./triptych report " + printable(" ".join(map(shlex.quote, sys.argv[1:])))
    today = datetime.datetime.now().strftime("%Y-%m-%d %H:%M")
    return ". ".join([today, system(), machine(), libraries, f"Made by {command}"])


async def make(quick: bool) -> str:
    site, report = Recorder(quick), Report()
    try:
        for page in PAGES:
            print(f"report: {page.title}", file=sys.stderr, flush=True)
            for view in await page.views(site):
                await report.add(site, page, view)
    finally:
        verbs.stop()
        for page in PAGES:
            await asyncio.to_thread(page.close, site)
    return report.html(about())


def main() -> int:
    line = CommandLine("report", __doc__)
    line.add_argument("file", nargs="?")
    line.add_argument("--quick", action="store_true")
    options = line.read()
    if not options.file:
        complain(2, "report: which file? ./triptych report lesson.html")
    choose_panels([], "report")  # ends here if nothing is built
    out = OutputFile("report", options.file)
    try:
        out.write(asyncio.run(make(options.quick)))
    except Refused as problem:
        complain(1, f"report: {problem}")
    return 0
