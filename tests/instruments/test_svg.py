"""A chart as SVG: every point where its value is, said in words, and perhaps a link."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml

import pytest

from harness.chart import Chart, Line
from harness.svg import Axis, short, svg_text

SVG = "{http://www.w3.org/2000/svg}"


def chart(**more: object) -> Chart:
    line = Line("raw & <b>", "#0072B2", [(16, 10), (64, 20), (1024, 80)], ranges=[(9, 12), (18, 21), (70, 90)], mark="●")
    settings = {"name": "name", "title": "it's <a> title", "x": "bytes", "y": "us", "lines": [line], **more}
    return Chart(**settings)  # type: ignore[arg-type]


def circles(text: str) -> list[tuple[float, float]]:
    found = xml.fromstring(text).iter(f"{SVG}circle")
    return [(float(one.get("cx", "")), float(one.get("cy", ""))) for one in found]


def test_a_point_stands_where_its_value_is() -> None:
    """Twice as much is the same distance further on a logarithmic axis, and more is higher."""
    (x1, y1), (x2, y2), (x3, y3) = circles(svg_text(chart()))
    assert (x3 - x2) / (x2 - x1) == pytest.approx(2, abs=0.01) and (y2 - y3) / (y1 - y2) == pytest.approx(2, abs=0.01)
    (x1, y1), (x2, y2), (x3, y3) = circles(svg_text(chart(log_x=False, log_y=False)))
    assert (x3 - x2) / (x2 - x1) == pytest.approx(20, abs=0.1) and (y2 - y3) / (y1 - y2) == pytest.approx(6, abs=0.1)


def test_an_interval_reaches_from_its_low_to_its_high_value() -> None:
    text = svg_text(chart(log_x=False, log_y=False))
    heights = [y for _, y in circles(text)]
    spans = [(float(a), float(b)) for a, b in re.findall(r'd="M[\d.]+ ([\d.]+)V([\d.]+)m', text)]
    assert len(spans) == 3
    scale = (heights[0] - heights[1]) / 10  # pixels for one
    for (low, high), y, (from_, to) in zip(spans, heights, [(1, 2), (2, 1), (10, 10)]):
        assert low - y == pytest.approx(from_ * scale, abs=0.2) and y - high == pytest.approx(to * scale, abs=0.2)


def test_a_point_says_what_it_is_without_scripts() -> None:
    titles = [one.text for one in xml.fromstring(svg_text(chart())).iter(f"{SVG}title")]
    assert titles == ["it's <a> title", "raw & <b>: 10 at 16; from 9 to 12", "raw & <b>: 20 at 64; from 18 to 21",
                      "raw & <b>: 80 at 1,024; from 70 to 90"]  # fmt: skip


def test_links_stand_on_a_page_alone_and_no_styles() -> None:
    line = Line("raw", "#0072B2", [(1, 1), (2, 2)], names=["● raw-1", "● raw-2"], titles=["one", "two"], links=["/a?b=1&c", ""])
    drawn = chart(lines=[line], log_x=False, log_y=False, reach=(3, 3), key=False)
    assert "<a " not in svg_text(drawn) and "currentColor" not in svg_text(drawn)
    inline = svg_text(drawn, inline=True)
    (link,) = xml.fromstring(inline).iter(f"{SVG}a")
    assert link.get("href") == "/a?b=1&c" and link.get("aria-label") == "one"
    for text in (inline, svg_text(chart())):
        assert not re.search(r"style=|<style|\son\w+=", text)
    assert "#ffffff" not in inline and ">raw-2<" in inline


def test_a_name_whose_point_is_covered_is_led_to_it_and_has_no_mark() -> None:
    """A mark beside the name would look like another point."""
    lines = [Line(name, colour, [(50, 20), (x, 90)], names=[f"● {name}-1", f"● {name}"])
             for name, colour, x in (("a", "#111111", 100), ("b", "#222222", 101))]  # fmt: skip
    text = svg_text(chart(lines=lines, log_x=False, log_y=False, reach=(200, 100), key=False))
    assert text.count("●") == 4
    for line in lines:
        leads = re.findall(rf'd="M([\d.]+) ([\d.]+)L[\d. ]+" stroke="{line.colour}"', text)
        assert leads and set(leads) <= {(f"{a:.1f}", f"{b:.1f}") for a, b in circles(text)}


def test_dashed_lines_of_one_colour_differ() -> None:
    lines = [Line(str(n), colour, [(1, 1), (2, 2)], dashed=n > 0) for n, colour in enumerate(("#111111",) * 3 + ("#222222",))]
    dashes = [re.findall(r'stroke="(#\w+)" stroke-width="2.5" stroke-dasharray="([\d ]+)"', svg_text(chart(lines=lines)))]
    assert len(set(dashes[0])) == 3 and len(dashes[0]) == 6, "each in the chart, and beside its label"


def test_nothing_to_draw() -> None:
    assert svg_text(chart(lines=[])) == "" and svg_text(chart(lines=[Line("a", "#000000", [])])) == ""


@pytest.mark.parametrize(
    "value, said, of_bytes",
    [(0, "0", "0"), (64, "64", "64"), (1000, "1 k", "1 k"), (65536, "65.536 k", "64 Ki"), (2.5e6, "2.5 M", "2.5 M")],
)
def test_ticks_are_short(value: float, said: str, of_bytes: str) -> None:
    assert (short(value), short(value, binary=True)) == (said, of_bytes)


@pytest.mark.parametrize("values", [[5.0], [1.0, 1e9], [64.0, 65536.0], [0.5, 3.0]])
@pytest.mark.parametrize("log", [True, False])
def test_ticks_are_few_and_all_values_are_inside(values: list[float], log: bool) -> None:
    axis = Axis(values, 0, 100, log, 0)
    assert 1 < len(axis.ticks) <= 11 and len(axis.names) == len(axis.ticks)
    assert all(-0.01 <= axis(value) <= 100.01 for value in values)
