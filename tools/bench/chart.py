"""The benchmark's charts: which there are, and what is in them. harness/chart.py draws them."""

from __future__ import annotations

from bench.kinds import Case
from bench.run import ONE
from bench.session import Cell
from harness.chart import Chart, Line

PERCENTILES = (
    ("min", 1.0),
    ("p50", 2.0),
    ("p90", 10.0),
    ("p99", 100.0),
    ("p999", 1000.0),
)  # x: 1 / (1 - share)


def label(cell: Cell) -> str:
    return (
        cell.competitor.heading
        if cell.kind == "panel"
        else f"{cell.competitor.name} ({cell.competitor.heading})"
    )


def distribution(group: list[Cell], name: str, title: str) -> Chart:
    """Latency by percentile: each step to the right is ten times rarer."""
    chart = Chart(
        name, title, "percentile", "us", x_ticks="'min' 1, '50' 2, '90' 10, '99' 100, '99.9' 1000"
    )
    for cell in group:
        figures = [(x, cell.figure(metric)) for metric, x in PERCENTILES]
        points = [(x, figure.median) for x, figure in figures if figure and figure.median > 0]
        chart.lines.append(Line(label(cell), cell.competitor.rgb, points, cell.kind != "panel"))
    return chart


def by(
    cells: list[Cell], attribute: str, metric: str, name: str, title: str, x: str, y: str
) -> Chart:
    """One line a competitor: a figure by the cases' size, or number of peers."""
    chart = Chart(name, title, x, y)
    lines: dict[str, Line] = {}
    for cell in cells:
        figure = cell.figure(metric)
        if figure and figure.median > 0 and getattr(cell.case, attribute) > 0:
            line = lines.setdefault(
                cell.competitor.name,
                Line(label(cell), cell.competitor.rgb, [], cell.kind != "panel"),
            )
            line.points.append((float(getattr(cell.case, attribute)), figure.median))
    for line in lines.values():
        line.points.sort()
    chart.lines = list(lines.values())
    return chart


def charts(cells: list[Cell]) -> list[Chart]:
    """All that these cells give rise to."""
    made = []
    groups: dict[Case, list[Cell]] = {}
    for cell in cells:
        if cell.counting:
            groups.setdefault(cell.case, []).append(cell)
    for case, group in groups.items():
        if case.bench == "latency" and case.size == 64 and case.placement == ONE and not case.rate:
            title = f"round trip, 64 B, {case.transport}, one core"
            made.append(distribution(group, f"latency-{case.transport}", title))
    good = [cell for group in groups.values() for cell in group]
    for bench, attribute, metric, x, y in (
        ("latency", "size", "p50", "bytes of the body", "p50, us"),
        ("throughput", "size", "rate", "bytes of the body", "delivered/s"),
        ("fanout", "peers", "rate", "subscribers", "delivered/s in all"),
        ("connections", "peers", "p50", "idle clients", "p50, us"),
    ):
        chosen = [
            cell
            for cell in good
            if cell.case.bench == bench
            and cell.case.transport == "tcp"
            and not cell.case.rate
            and cell.case.queue == (-1 if bench == "fanout" else 1000)
            and (bench != "latency" or cell.case.placement == ONE)
        ]
        if len({getattr(c.case, attribute) for c in chosen if getattr(c.case, attribute) > 0}) > 1:
            made.append(
                by(
                    chosen,
                    attribute,
                    metric,
                    f"{bench}-by-{attribute}",
                    f"{bench} by {x}, tcp",
                    x,
                    y,
                )
            )
    return made
