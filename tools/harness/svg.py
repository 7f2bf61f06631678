"""A chart as SVG: the one maker for bench, for steps and for the page.

It answers to the pointer without scripts: a point has a title, and may be a link. Colours stand in
attributes, so that a page's content policy needs no exception. Inline, the text has the page's
colour.
"""

from __future__ import annotations

import math
import re
from html import escape

from harness.chart import Chart, Line, places_of

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 48, 62
KEY = 310  # pixels to the right of the axes for the lines' labels
INK, PAPER = "#17191c", "#ffffff"
FONT = 14
COLUMNS, ROWS = 110, 28  # letters and lines that have room inside the axes
TICKS_MOST = 9
DASHES = ("7 5", "2 4", "12 4 2 4")


class Axis:
    """Values to pixels, and where its ticks stand."""

    def __init__(
        self, values: list[float], first: float, last: float, log: bool, reach: float,
        ticks: str = "", unit: str = "",
    ):
        self.first, self.last, self.log = first, last, log
        named = [(float(at), name) for name, at in re.findall(r"'([^']*)' ([\d.]+)", ticks)]
        if log:
            good = [value for value in values if value > 0] + [at for at, _ in named]
            self.low, self.high = min(good), max(good)
            base = 10 if self.high / self.low > 300 or named else 2
            if not named:
                self.low = base ** math.floor(math.log(self.low, base) + 1e-9)
                self.high = base ** math.ceil(math.log(self.high, base) - 1e-9)
            if self.low == self.high:
                self.high *= base
            steps = round(math.log(self.high / self.low, base))
            every = max(1, math.ceil(steps / TICKS_MOST))
            self.ticks = [self.low * base**n for n in range(0, steps + 1, every)]
        else:
            self.low, self.high = 0.0, reach or max(values) * 1.05
            step = nice((self.high - self.low) / TICKS_MOST)
            self.ticks = [n * step for n in range(int(self.high / step + 1e-9) + 1)]
        self.names = [name for _, name in named] or [
            short(at, "bytes" in unit) for at in self.ticks
        ]
        if named:
            self.ticks = [at for at, _ in named]

    def __call__(self, value: float) -> float:
        if self.log:
            value = max(value, self.low / 2)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)


def nice(step: float) -> float:
    """The next of 1, 2, 5, 10, ... and at least 1."""
    power = 10.0 ** math.floor(math.log10(max(step, 1)))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= step)


def short(value: float, binary: bool = False) -> str:
    """1000 is 1 k; of bytes, 65536 is 64 Ki."""
    for size, letter in ((2**20, "Mi"), (2**10, "Ki")):
        if binary and value >= size and value % size == 0:
            return f"{value / size:g} {letter}"
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g} {letter}"
    return f"{value:g}"


def exact(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def text(
    x: float, y: float, words: str, anchor: str = "start", colour: str = "", **more: object
) -> str:
    given = "".join(
        f' {name.replace("_", "-")}="{escape(str(value))}"' for name, value in more.items()
    )
    fill = f' fill="{colour}"' if colour else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}{given}>{escape(words)}</text>'
    )


def svg_text(chart: Chart, inline: bool = False) -> str:
    """The text of an SVG file, or of an element of a page. Empty: there is nothing to draw."""
    lines = [line for line in chart.lines if line.points]
    if not lines:
        return ""
    ink = "currentColor" if inline else INK
    right = WIDTH - RIGHT - (KEY if chart.key else 0)
    points = [point for line in lines for point in line.points]
    heights = [y for _, y in points] + [
        value for line in lines for pair in line.ranges for value in pair if value > 0
    ]
    x = Axis(
        [x for x, _ in points], LEFT, right, chart.log_x, chart.reach[0], chart.x_ticks, chart.x
    )
    y = Axis(heights, HEIGHT - BOTTOM, TOP, chart.log_y, chart.reach[1])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="{"group" if inline else "img"}" aria-label="{escape(chart.title)}" '
        f'font-family="system-ui, sans-serif" font-size="{FONT}" fill="{ink}">',
        f"<title>{escape(chart.title)}</title>" if not inline else "",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>' if not inline else "",
        text(LEFT, 26, chart.title, font_weight="600", font_size=FONT + 2),
        *grid(x, y, ink),
        text((LEFT + right) / 2, HEIGHT - 14, chart.x, "middle"),
        text(
            0, 0, chart.y, "middle",
            transform=f"translate(18 {(TOP + HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)",
        ),
    ]
    dashes = dashed(lines)
    for line, dash in zip(lines, dashes):
        parts.append(curve(line, dash, x, y, inline))
    if chart.key:
        parts += key(lines, dashes, right + 24)
    if any(line.names for line in lines):
        parts += names(chart, x, y, ink)
    return "\n".join(filter(None, parts)) + "\n</svg>\n"


def grid(x: Axis, y: Axis, ink: str) -> list[str]:
    parts = []
    for at, name in zip(y.ticks, y.names):
        parts.append(
            f'<path d="M{x.first} {y(at):.1f}H{x.last}" stroke="{ink}" stroke-opacity="0.18"/>'
        )
        parts.append(text(x.first - 8, y(at) + 5, name, "end"))
    for at, name in zip(x.ticks, x.names):
        parts.append(f'<path d="M{x(at):.1f} {y.first}v6" stroke="{ink}"/>')
        parts.append(text(x(at), y.first + 22, name, "middle"))
    return [
        *parts,
        f'<path d="M{x.first} {y.last}V{y.first}H{x.last}" fill="none" stroke="{ink}"/>',
    ]


def dashed(lines: list[Line]) -> list[str]:
    """How each line is dashed: those of one colour differ."""
    found, used = [], dict.fromkeys((line.colour for line in lines), 0)
    for line in lines:
        found.append(f' stroke-dasharray="{DASHES[used[line.colour] % len(DASHES)]}"' * line.dashed)
        used[line.colour] += line.dashed
    return found


def curve(line: Line, dash: str, x: Axis, y: Axis, inline: bool) -> str:
    """The line, its intervals, and its points: each with a title, each perhaps a link."""
    colour = escape(line.colour)
    path = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in line.points)
    parts = (
        [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2.5"{dash}/>']
        if len(line.points) > 1 else []
    )
    for (low, high), (a, _) in zip(line.ranges, line.points):
        parts.append(
            f'<path d="M{x(a):.1f} {y(low):.1f}V{y(high):.1f}m-5 0h10'
            f'M{x(a) - 5:.1f} {y(low):.1f}h10" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        )
    for number, (a, b) in enumerate(line.points):
        name = line.names[number].partition(" ")[2] if line.names else line.label
        says = f"{name}: {exact(b)} at {exact(a)}"
        if line.ranges:
            says += f"; from {exact(line.ranges[number][0])} to {exact(line.ranges[number][1])}"
        says = line.titles[number] if line.titles else says
        mark = line.names[number][0] if line.names else line.mark
        opacity = ' fill-opacity="0.75"' if line.dashed else ""
        dot = text(x(a), y(b) + 6, mark, "middle", colour, font_size=18 if not line.dashed else 14)
        dot = (
            f'<g{opacity}><title>{escape(says)}</title><circle cx="{x(a):.1f}" cy="{y(b):.1f}" '
            f'r="13" fill-opacity="0"/>{dot}</g>'
        )
        link = line.links[number] if line.links and inline else ""
        parts.append(
            f'<a href="{escape(link)}" aria-label="{escape(says)}">{dot}</a>' if link else dot
        )
    return "\n".join(parts)


def key(lines: list[Line], dashes: list[str], left: float) -> list[str]:
    """Each line's label."""
    parts = []
    for number, (line, dash) in enumerate(zip(lines, dashes)):
        at, colour = TOP + 12 + number * 24, escape(line.colour)
        parts.append(f'<path d="M{left} {at}h30" stroke="{colour}" stroke-width="2.5"{dash}/>')
        parts.append(text(left + 15, at + 6, line.mark, "middle", colour, font_size=16))
        parts.append(text(left + 38, at + 5, line.label, font_size=FONT - 1))
    return parts


def names(chart: Chart, x: Axis, y: Axis, ink: str) -> list[str]:
    """The points' names, each where there is room. A thin line leads to one that stands apart, and
    to one whose mark another point covers, in the colour of its point."""
    parts = []
    for place in places_of(chart, COLUMNS, ROWS):
        letter = (x.last - x.first) / COLUMNS
        line_height = (y.first - y.last) / ROWS
        at = x.first + place.start * letter
        height = y(place.y) + place.down * line_height + 5
        left = at < x(place.x)  # letters are of many widths: its end is beside the point
        at = x(place.x) - (2 if not place.down else 4) * letter if left else at
        if place.apart or place.covered:
            end = at + (3 if left else -3)
            colour = escape(place.line.colour) if place.covered else ink
            parts.append(
                f'<path d="M{x(place.x):.1f} {y(place.y):.1f}L{end:.1f} {height - 5:.1f}" '
                f'stroke="{colour}" stroke-width="{2 if place.covered else 1}" '
                f'stroke-opacity="{1 if place.covered else 0.55}"/>'
            )
        parts.append(text(at, height, place.text, "end" if left else "start"))
    return parts
