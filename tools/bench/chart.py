"""The benchmark's charts, drawn by gnuplot: in the terminal, and as SVG files.

One colour a panel, as everywhere; a baseline has its panel's colour and a dashed line.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from bench.kinds import Case
from bench.run import ONE
from bench.session import Cell

PERCENTILES = (
    ("min", 1.0),
    ("p50", 2.0),
    ("p90", 10.0),
    ("p99", 100.0),
    ("p999", 1000.0),
)  # x: 1 / (1 - share)


@dataclass
class Line:
    label: str
    colour: str
    points: list[tuple[float, float]]
    dashed: bool = False


@dataclass
class Chart:
    name: str  # of the file
    title: str
    x: str
    y: str
    lines: list[Line] = field(default_factory=list)
    x_ticks: str = ""
    log_x: bool = True


def script(chart: Chart, terminal: str, output: str) -> str:
    """What gnuplot is told. Data stands in the script itself."""
    dumb = terminal.startswith("dumb")
    quote = lambda text: "'" + text.replace("'", "''") + "'"  # noqa: E731
    commands = [
        f"set terminal {terminal}",
        f"set title {quote(chart.title)}",
        f"set xlabel {quote(chart.x)}",
        f"set ylabel {quote(chart.y)}",
    ]
    if output:
        commands.append(f"set output {quote(output)}")
    commands += [
        "set logscale y",
        "set format y '%.0s%c'",
        "set key outside right top" if not dumb else "set key outside bottom center",
    ]
    if chart.log_x:
        commands.append("set logscale x 2" if not chart.x_ticks else "set logscale x")
    if chart.x_ticks:
        commands.append(f"set xtics ({chart.x_ticks})")
    if not dumb:
        commands.append("set grid")
    plots = []
    for index, line in enumerate(chart.lines):
        rows = "\n".join(f"{x:g} {y:g}" for x, y in line.points)
        commands.append(f"$data{index} << END\n{rows}\nEND")
        colour = quote(line.colour)
        dash = " dashtype 2" if line.dashed and not dumb else ""
        width = "" if dumb else " linewidth 2"
        plots.append(
            f"$data{index} using 1:2 with linespoints linecolor rgb {colour}{width}{dash} title {quote(line.label)}"
        )
    commands.append("plot " + ", ".join(plots))
    return "\n".join(commands) + "\n"


def draw(chart: Chart, terminal: str, output: str = "") -> str:
    """Draws; what a terminal should show is returned. Empty without gnuplot, or nothing to draw."""
    chart.lines = [line for line in chart.lines if line.points]
    if not chart.lines or not shutil.which("gnuplot"):
        return ""
    done = subprocess.run(
        ["gnuplot"],
        input=script(chart, terminal, output),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.stdout


def terminal_chart(chart: Chart, width: int, coloured: bool) -> str:
    return draw(
        chart, f"dumb size {min(width, 100)},26 {'ansi256' if coloured else 'mono'} noenhanced"
    )


def svg_chart(chart: Chart, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{chart.name}.svg"
    draw(
        chart,
        "svg size 900,520 dynamic noenhanced background rgb 'white' font 'sans,13'",
        str(path),
    )
    return path


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
