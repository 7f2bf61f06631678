"""The benchmark's charts, from its figures as they stand in JSON: which there are,
and what is in them.

harness/chart.py draws them in the terminal, harness/svg.py as SVG.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench.cases import length
from harness.chart import Chart, Line
from harness.panels import read_panels

Cell = dict[str, Any]

ONE = "one core"
HOLLOW = "○□△"  # marks of baselines
PERCENTILES = (
    ("min", 1.0),
    ("p50", 2.0),
    ("p90", 10.0),
    ("p99", 100.0),
    ("p999", 1000.0),
)  # x: 1 / (1 - share)


CASE = ("bench", "transport", "placement", "size", "queue", "rate", "peers")


def line_of(cell: Cell) -> Line:
    """Without points yet. A baseline has the colour of its panel, and a dashed line."""
    known = {panel.name: panel for panel in read_panels()}
    panel = known.get(cell["competitor"])
    label = cell["label"] if cell["kind"] == "panel" else f"{cell['competitor']} ({cell['label']})"
    colour = cell.get("colour") or (panel.rgb if panel else "#808080")
    return Line(label, colour, [], cell["kind"] != "panel", mark=panel.mark if panel else "○")


def told_apart(lines: list[Line]) -> list[Line]:
    """Baselines of one colour have a mark each."""
    number = dict.fromkeys((line.colour for line in lines), 0)
    for line in lines:
        if line.dashed:
            line.mark = HOLLOW[number[line.colour] % len(HOLLOW)]
            number[line.colour] += 1
    return lines


def take(line: Line, x: float, figure: dict[str, float] | None) -> None:
    """A point of the line, with its interval, if there is a figure."""
    if figure and figure["median"] > 0:
        line.points.append((x, figure["median"]))
        line.ranges.append((figure["low"], figure["high"]))


def distribution(group: list[Cell], name: str, title: str) -> Chart:
    """Latency by percentile: each step to the right is ten times rarer."""
    chart = Chart(
        name, title, "percentile", "us", x_ticks="'min' 1, '50' 2, '90' 10, '99' 100, '99.9' 1000"
    )
    for cell in group:
        line = line_of(cell)
        for metric, x in PERCENTILES:
            take(line, x, cell["metrics"].get(metric))
        chart.lines.append(line)
    told_apart(chart.lines)
    return chart


def by(
    cells: list[Cell], attribute: str, metric: str, name: str, title: str, x: str, y: str
) -> Chart:
    """One line a competitor: a figure by the cases' size, or number of peers."""
    chart = Chart(name, title, x, y)
    lines: dict[str, Line] = {}
    for cell in sorted(cells, key=lambda cell: int(cell[attribute])):
        if cell[attribute] > 0:
            take(
                lines.setdefault(cell["competitor"], line_of(cell)), float(cell[attribute]),
                cell["metrics"].get(metric),
            )
    order = dict.fromkeys(cell["competitor"] for cell in cells)
    chart.lines = told_apart([lines[one] for one in order if one in lines])
    return chart


def charts(cells: list[Cell]) -> list[Chart]:
    """All that these cells give rise to."""
    made = []
    good = [cell for cell in cells if cell["counting"]]
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in good:
        groups.setdefault(tuple(cell[key] for key in CASE), []).append(cell)
    for group in groups.values():
        case = group[0]
        if (
            case["bench"] == "latency"
            and case["size"] == 64
            and case["placement"] == ONE
            and not case["rate"]
        ):
            title = f"round trip, 64 B, {case['transport']}, one core"
            made.append(distribution(group, f"latency-{case['transport']}", title))
    for bench, attribute, metric, x, y in (
        ("latency", "size", "p50", "bytes of the body", "p50, us"),
        ("throughput", "size", "rate", "bytes of the body", "delivered/s"),
        ("fanout", "peers", "rate", "subscribers", "delivered/s in all"),
        ("connections", "peers", "p50", "idle clients", "p50, us"),
    ):
        chosen = [
            cell
            for cell in good
            if cell["bench"] == bench
            and cell["transport"] == "tcp"
            and not cell["rate"]
            and cell["queue"] == (-1 if bench == "fanout" else 1000)
            and (bench != "latency" or cell["placement"] == ONE)
        ]
        if len({cell[attribute] for cell in chosen if cell[attribute] > 0}) > 1:
            title = f"{bench} by {x}, tcp"
            made.append(by(chosen, attribute, metric, f"{bench}-by-{attribute}", title, x, y))
    return made


def in_letters(chart: Chart) -> Chart:
    """The panels alone, as a terminal draws them: in letters, eight curves cannot be told apart."""
    lines = [line for line in chart.lines if not line.dashed]
    places = sorted({x for line in lines for x, _ in line.points})
    name = length if "bytes" in chart.x else str
    ticks = chart.x_ticks or ", ".join(f"'{name(int(x))}' {x:.0f}" for x in places)
    return replace(chart, lines=lines, x_ticks=ticks)
