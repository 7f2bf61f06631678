"""Charts: what is in them. gnuplot draws them in the terminal, svg.py as SVG.

One colour and one mark a panel, as everywhere. A line's points may have names: each is written
beside its point, where there is room.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import NamedTuple

WIDTH_MOST = 100
ROWS = 27  # of a chart in the terminal
MARGINS = {"l": 8, "r": 3, "t": 2, "b": 3}  # columns or rows around it, where points have names

# Where a point's name may stand: so many rows below it, and so many columns right of it, or its
# end left of it.
RIGHT, LEFT, FARTHER = 2, -3, (5, 7)
PLACES = [(down, right) for down in (0, 1, -1) for right in (RIGHT, LEFT)]
PLACES += [(down, right) for down in (0, 1, -1) for right in FARTHER]
PLACES += [(down, right) for down in (2, -2, 3) for right in (RIGHT, LEFT)]


@dataclass
class Line:
    label: str
    colour: str
    points: list[tuple[float, float]]
    dashed: bool = False
    names: list[str] = field(default_factory=list)  # of the points, each after its mark
    mark: str = "●"  # of a line whose points have no names
    # Of the points' values, from and to
    ranges: list[tuple[float, float]] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)  # what a point says of itself
    links: list[str] = field(default_factory=list)  # where a point leads, on a page


@dataclass
class Chart:
    name: str  # of the file
    title: str
    x: str
    y: str
    lines: list[Line] = field(default_factory=list)
    x_ticks: str = ""
    log_x: bool = True
    log_y: bool = True
    key: bool = True
    reach: tuple[float, float] = (0, 0)  # the axes' last values; 0: as the points need


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def script(chart: Chart, terminal: str) -> str:
    """What gnuplot is told. Data stands in the script itself."""
    commands = [
        "set encoding utf8",
        f"set terminal {terminal}",
        f"set title {quoted(chart.title)}",
        f"set xlabel {quoted(chart.x)}",
        f"set ylabel {quoted(chart.y)}",
    ]
    if chart.log_y:
        commands += ["set logscale y", "set format y '%.0s%c'"]
    if chart.key:
        commands.append("set key outside bottom center")
    else:
        commands.append("unset key")
    if chart.log_x:
        commands.append("set logscale x 2" if not chart.x_ticks else "set logscale x")
    if chart.x_ticks:
        commands.append(f"set xtics ({chart.x_ticks})")
    for axis, last in zip("xy", chart.reach):
        if last:
            commands.append(f"set {axis}range [0:{last:g}]")
    if any(line.names for line in chart.lines):
        commands += named_points(chart, terminal)
    plots = []
    for index, line in enumerate(chart.lines):
        rows = "\n".join(f"{x:g} {y:g}" for x, y in line.points)
        commands.append(f"$data{index} << END\n{rows}\nEND")
        colour = quoted(line.colour)
        style = "lines" if line.names else "linespoints"
        plots.append(
            f"$data{index} using 1:2 with {style} linecolor rgb {colour} title {quoted(line.label)}"
        )
    commands.append("plot " + ", ".join(plots))
    return "\n".join(commands) + "\n"


class Place(NamedTuple):
    """Where a point's name stands: a column of the chart, and so many rows below its point."""

    line: Line
    mark: str
    text: str
    x: float
    y: float
    start: int
    down: int
    apart: bool  # so that a line has to lead there
    covered: bool  # the point, by another


def places_of(chart: Chart, columns: int, rows: int) -> list[Place]:
    """A place beside each point where no name, point or line is, if there is one."""
    taken: set[tuple[int, int]] = set()  # cells of a grid over the chart
    wanted = []

    def cell(x: float, y: float) -> tuple[int, int]:
        return round(x / chart.reach[0] * columns), round(y / chart.reach[1] * rows)

    for line in chart.lines:
        for name, (x, y) in zip(line.names, line.points):
            wanted.append((line, name, x, y, cell(x, y)))
            taken |= {(cell(x, y)[0] + i, cell(x, y)[1]) for i in (-1, 0, 1)}
        for (x, y), (to_x, to_y) in zip(line.points, line.points[1:]):
            taken |= {
                cell(x + (to_x - x) * i / columns, y + (to_y - y) * i / columns)
                for i in range(columns)
            }
    found: list[Place] = []
    named: list[tuple[int, int, float]] = []
    points = {(x, y) for _, _, x, y, _ in wanted}
    for line, name, x, y, (column, row) in wanted:
        mark, text = name.split(" ", 1)
        beside = [
            a for a, b in points - {(x, y)}
            if cell(a, b)[1] == row and abs(cell(a, b)[0] - column) < 4
        ]
        height = y / chart.reach[1] * rows
        for down, right in PLACES:
            start = column + right - (len(text) if right == LEFT else 0)
            cells = {(start + i - (right == LEFT), row - down) for i in range(len(text) + 1)}
            inside = start > 0 and start + len(text) <= columns and 0 < row - down <= rows
            # another point is nearer to it, or another name, as exactly as they are drawn
            near = down == 0 and any((a - x) * right >= 0 for a in beside)
            over = any(
                abs(at - height + down) < 1 and start < end + 2 and begin < start + len(text) + 2
                for begin, end, at in named
            )
            if inside and not near and not over and not cells & taken:
                break
        else:
            down, right, start = 0, RIGHT, column + RIGHT
        named.append((start, start + len(text), height - down))
        found.append(
            Place(line, mark, text, x, y, start, down, down != 0 or right in FARTHER, bool(beside))
        )
    return found


def named_points(chart: Chart, terminal: str) -> list[str]:
    """Labels for gnuplot, each beside its point."""
    size = re.match(r"dumb size (\d+),(\d+)", terminal)
    columns = int(size[1] if size else WIDTH_MOST) - MARGINS["l"] - MARGINS["r"] - 1
    rows = int(size[2] if size else ROWS) - MARGINS["t"] - MARGINS["b"] - 1
    commands = [f"set {side}margin {width}" for side, width in MARGINS.items()]
    for place in places_of(chart, columns, rows):
        at = (
            f"{place.start / columns * chart.reach[0]:g},"
            f"{place.y - place.down / rows * chart.reach[1]:g}"
        )
        colour = f"front textcolor rgb {quoted(place.line.colour)}"
        commands.append(f"set label {quoted(place.text)} at {at} {colour}")
        commands.append(
            f"set label {quoted(place.mark)} at {place.x:g},{place.y:g} center {colour}"
        )
    return commands


def draw(chart: Chart, terminal: str) -> str:
    """What gnuplot draws. Empty without gnuplot, or nothing to draw."""
    chart.lines = [line for line in chart.lines if line.points]
    if not chart.lines or not shutil.which("gnuplot"):
        return ""
    done = subprocess.run(
        ["gnuplot"],
        input=script(chart, terminal),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.stdout


def terminal_chart(chart: Chart, width: int, coloured: bool) -> str:
    size = f"{min(width, WIDTH_MOST)},{ROWS}"
    return draw(chart, f"dumb size {size} {'ansi256' if coloured else 'mono'} noenhanced")
