"""The steps' picture, from what steps --json says: lines of code against clauses kept."""

from __future__ import annotations

from typing import Any

from harness.chart import Chart, Line
from harness.panels import read_panels

Json = dict[str, Any]
HOLLOW = "○"


def picture(steps: list[Json]) -> Chart:
    """A line from the first step to the panel that keeps all; a sibling stands for itself."""
    known = {panel.name: panel for panel in read_panels()}
    most = max(step["lines"] for step in steps)
    clauses = len(steps[0]["clauses"])
    chart = Chart(
        "steps",
        "What the lines buy",
        "lines of code, net of template",
        "clauses kept",
        log_x=False,
        log_y=False,
        key=False,
        reach=(most * 1.15, clauses + 1),
    )
    ways = [
        [step for step in steps if step["towards"] == towards and not step["sibling"]]
        for towards in dict.fromkeys(step["towards"] for step in steps)
    ]
    ways += [[step] for step in steps if step["sibling"]]
    for way in filter(None, ways):
        towards = known[way[0]["towards"]]
        chart.lines.append(
            Line(
                towards.heading,
                towards.rgb,
                [(step["lines"], step["kept"]) for step in way],
                names=[named(step, towards.mark) for step in way],
                titles=[
                    f"{step['name']}, {step['heading']}: {step['lines']:,} lines, {step['kept']} "
                    f"of {clauses} clauses kept"
                    + (
                        f", {step['not_reachable']} cannot be tested here"
                        if step["not_reachable"] else ""
                    )
                    for step in way
                ],
                links=[link(step, way, steps) for step in way],
            )
        )
    return chart


def named(step: Json, mark: str) -> str:
    """Of the clauses that are not reachable nobody knows whether they are kept: a hollow mark,
    and how many more it may be."""
    more = step["not_reachable"]
    return f"{HOLLOW} {step['name']} +{more}?" if more else f"{mark} {step['name']}"


def beside(step: Json, steps: list[Json]) -> str:
    """The panel that a sibling stands beside: programs for another system repeat the last step,
    datagrams the whole."""
    known = {panel.name: panel for panel in read_panels()}
    before = [
        one["name"]
        for one in steps
        if one["towards"] == step["towards"]
        and known[one["name"]].kind == "step"
        and not one["sibling"]
    ]
    return str(before[-1] if known[step["name"]].kind == "programs" and before else step["towards"])


def link(step: Json, way: list[Json], steps: list[Json]) -> str:
    """The page that shows what it adds; of a first step, what the next one adds;
    of a sibling, the panel beside it."""
    if step["adds"]:
        return f"/read?panels={step['adds']['to']}+{step['name']}"
    if len(way) > 1:
        return f"/read?panels={step['name']}+{way[1]['name']}"
    return f"/read?panels={beside(step, steps)}+{step['name']}"
