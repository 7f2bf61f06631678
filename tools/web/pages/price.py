"""The page Price: lines against clauses, what each panel takes, and the newest measurements.

A build that has measured nothing shows the run that is committed: tools/bench/RESULTS.json.gz.
"""

from __future__ import annotations

import asyncio
from typing import Any

from markupsafe import Markup

from bench import results as bench_results
from bench import words as bench_words
from bench.chart import charts
from bench.summary import summary
from compare.picture import picture
from harness.chart import Chart
from harness.command import PATTERNS
from harness.panels import BUILD, ROOT
from harness.svg import exact, svg_text
from web.document import section
from web.kept import kept, known, stamp
from web.page import Json, Page, Query, Site, View
from web.pages.read import counted, sources, steps
from web.serving import serving, whole

SECONDS = 180.0  # the programs run with strace, panel after panel
FOLDER = BUILD / "bench"  # where bench keeps its newest figures
RECORDED = ROOT / "tools" / "bench" / "RESULTS.json.gz"
# Of a run too short for a summary, a sentence of each
ANSWERS = ("median round trip:", "messages delivered:")
GUARANTEES = "The price of each guarantee"  # a heading of CHOOSING.md
BIG = 64 << 20  # bytes of a file that is no such figures


def drawn(chart: Chart) -> Json:
    """A chart and the table behind it: a row for each place on its axis."""
    at = sorted({x for line in chart.lines for x, _ in line.points})
    names = dict(read_ticks(chart.x_ticks))
    rows = []
    for x in at:
        cells = []
        for line in chart.lines:
            found = [n for n, (a, _) in enumerate(line.points) if a == x]
            if not found:
                cells.append(None)
                continue
            ranges = line.ranges[found[0]] if line.ranges else None
            cells.append({
                "value": exact(line.points[found[0]][1]),
                "range": f"{exact(ranges[0])} to {exact(ranges[1])}" if ranges else "",
            })  # fmt: skip
        rows.append({"x": names.get(x, f"{x:g}"), "cells": cells})
    lines = [{"label": line.label, "mark": line.mark} for line in chart.lines]
    svg = Markup(svg_text(chart, inline=True))
    return {
        "name": chart.name, "title": chart.title, "x": chart.x, "y": chart.y, "lines": lines,
        "rows": rows, "svg": svg,
    }


def read_ticks(ticks: str) -> list[tuple[float, str]]:
    """The names on an axis: "'min' 1, '50' 2"."""
    pairs = (tick.strip().rsplit(" ", 1) for tick in ticks.split(",") if tick.strip())
    return [(float(at), name.strip("'")) for name, at in pairs]


def newest() -> dict[str, Any] | None:
    """The figures that bench wrote last; none: it has not run, or they cannot be read."""
    found = []
    for path in FOLDER.glob("*.json") if FOLDER.is_dir() else []:
        stat = path.stat()
        if path.is_file() and stat.st_size < BIG:
            found.append((stat.st_mtime, path))
    for _, path in sorted(found, reverse=True):
        try:
            return bench_results.read(path)
        except ValueError:
            continue
    return None


def recorded() -> dict[str, Any] | None:
    """The committed run."""
    try:
        return bench_results.read(RECORDED)
    except (OSError, ValueError):
        return None


def measured() -> Json:
    """What stands on the page of the newest figures; None: there are none at all."""
    own = newest()
    results = own or recorded()
    if results is None:
        return None
    found = bench_words.found(results)
    answers = summary(results) or [
        text for part in ANSWERS for text in [t for t in found if part in t][:1]
    ]
    machine = {
        name: str(value) for name, value in results["machine"].items()
        if isinstance(value, (str, int, float))
    }
    return {
        "started": results["started"],
        "quick": bool(results.get("quick")),
        "interrupted": bool(results.get("interrupted")),
        "machine": machine,
        "versions": results["versions"],
        "here": own is not None,
        "commit": str(results.get("commit") or ""),
        "remarks": list(map(str, results.get("remarks", []))),
        "answers": answers,
        "found": [text for text in found if text not in answers],
        "charts": [drawn(chart) for chart in charts(results["cells"])],
    }


def files() -> Any:
    """Changes when there are other figures."""
    return stamp([*FOLDER.glob("*.json"), RECORDED])


async def data(site: Site, query: Query) -> dict[str, Json]:
    now = sources()
    found = counted(site)
    size = known(site, "size of the running programs", now) or known(site, "size", now)
    rows = known(site, "marked", now)
    return {
        "counted": found is not None,
        "marked": rows is not None,
        "sized": size is not None,
        "_picture": pictured(found) if found else None,
        "_guarantees": section(ROOT / "CHOOSING.md", GUARANTEES),
        "_rows": rows,
        "_size": size,
        "_bench": await kept(site, "measured", files(), lambda: asyncio.to_thread(measured)),
    }


def pictured(by_name: dict[str, Json]) -> Json:
    found = list(by_name.values())
    svg = Markup(svg_text(picture(found), inline=True))
    return {"svg": svg, "steps": found, "clauses": list(found[0]["clauses"])}


async def lines(site: Site, asked: dict[str, Json]) -> Json:
    """The steps' picture and its table. Their lines are counted once."""
    return {"html": site.fragment("price_steps.html", shown=pictured(await steps(site, {})))}


async def marked(site: Site, asked: dict[str, Json]) -> Json:
    """What serves each clause, in every panel that keeps all: of its lines, calls and files."""
    names = whole()

    async def count() -> Json:
        said = [await site.verb("compare.diff", one, *names, "--json") for one in PATTERNS]
        return [row for one in said for row in serving(one, here=False)]

    rows = await kept(site, "marked", sources(), count)
    return {"html": site.fragment("serving.html", rows=rows, key="")}


async def size(site: Site, asked: dict[str, Json]) -> Json:
    """What each panel takes: its sources, and, when it is asked for, its programs as they run."""
    runs = asked.get("runs") is True
    name, words = ("size of the running programs", []) if runs else ("size", ["--source"])
    said = await kept(
        site, name, sources(), lambda: site.verb("compare.size", *words, "--json", seconds=SECONDS)
    )
    return {"html": site.fragment("price_size.html", said=said)}


async def views(site: Site) -> list[View]:
    """For a report: all of it; the programs are run, if there is time."""
    await lines(site, {})
    await marked(site, {})
    await size(site, {"runs": not site.quick})
    return [View({})]


PAGE = Page(
    name="price",
    title="Price",
    about="What each guarantee costs: lines, libraries, memory and time.",
    find="cost costs guarantee each overhead lines code libraries memory threads size system "
        "calls latency throughput speed fast fastest time performance benchmark charts",
    styles=("price.css",),
    data=data,
    answers={"lines": lines, "marked": marked, "size": size},
    views=views,
)
