"""bench --scale: its model, the document made from it, and the subscribers that read and throw away."""

import json
from typing import Any

import pytest

from bench import scale, scale_doc
from bench.scale import Point
from conftest import ROOT
from harness.panels import BUILD, Panel, read_panels

FOLDER = ROOT / "tools" / "bench"


def test_the_document_is_what_the_command_makes_of_its_json() -> None:
    results = scale_doc.read(FOLDER / "SCALE.json")
    assert scale_doc.document(results) == (FOLDER / "SCALE.md").read_text()
    assert not any(panel["failed"] for panel in results["panels"])


def point(peers: int, rate: float, cpu: float, kib: float = 1000.0, bytes_rate: float = 0.0, topics: int = 1) -> dict[str, Any]:
    return {"peers": peers, "asked": round(rate), "rate": rate, "cpu": cpu, "memory_kib": kib, "bytes_rate": bytes_rate, "topics": topics}


def panel_of(event_us: float, each_us: float, kib: float = 1.0, full_us: float = 0.1, size: float = 110.0) -> dict[str, Any]:
    """A panel whose publisher costs exactly this."""

    def at(peers: int, rate: float) -> dict[str, Any]:
        return point(peers, rate, rate * (event_us + each_us * peers) * 1e-6, 1000.0 + kib * peers, rate * peers * size)

    return {
        "panel": "raw",
        "label": "raw sockets",
        "lines": {str(rate): [at(scale.FEW, rate), at(scale.MANY, rate)] for rate in scale.RATES},
        "checks": [at(512, 10.0), at(2000, 10.0)],
        "full": point(64, 1e5, 0.5, bytes_rate=0.5 / full_us * 1e6 * size),
        "bytes": size,
        "failed": [],
        "all_topics": point(64, 100.0, 0.1, bytes_rate=64 * 100.0 * size),
        "one_topic": point(64, 100.0, 0.02, bytes_rate=64 * 10.0 * size),
    }


def test_the_line_goes_through_both_points() -> None:
    # At the second point only eight of ten events have arrived in time, and cost something.
    points = [
        Point(32, 10, 10, 10 * (20 + 32 * 5) * 1e-6, 1064, 10 * 32 * 93),
        Point(256, 10, 10, 8 * (20 + 256 * 5) * 1e-6, 1512, 8 * 256 * 93),
    ]
    event, each = scale.line(points, 93)
    assert event == pytest.approx(20) and each == pytest.approx(5)
    assert scale.predicted_cpu(points, 93, 2000, 10) == pytest.approx(10 * (20 + 2000 * 5) * 1e-6)
    assert scale.predicted_kib(points, 2000) == pytest.approx(1000 + 2 * 2000)


def test_a_publisher_serves_what_its_smallest_limit_allows() -> None:
    costly = panel_of(event_us=100, each_us=10)
    # A second has 10,000 us for each of 100 events: 100 for the event, 10 for each subscriber.
    assert scale_doc.capacity(costly, 100) == (990, "CPU")
    # A line of 125 MB a second, 110 bytes and 90 of headers: 625,000, less than the memory.
    assert scale_doc.capacity(panel_of(0, 0.1), 1) == (625_000, "line")
    assert scale_doc.capacity(panel_of(0, 0.1, kib=8.0), 1) == ((1 << 20) // 8, "memory")
    # At full speed: 100 us for each of 10,000 events, 0.1 for each subscriber; the line is shorter.
    assert scale_doc.capacity(panel_of(0, 0.1, full_us=1.0), 10_000) == (100, "CPU")
    assert scale_doc.capacity(panel_of(0, 0.1), 10_000) == (int(125e6 / 1e4 / 110 / (1 + 90 / 1448)), "line")
    assert scale_doc.capacity({**costly, "lines": {}}, 100) is None


@pytest.mark.parametrize("fan, tree", [(1_000_000, (1, 0)), (999_999, (2, 2)), (1000, (2, 1000)), (100, (3, 10_100)), (1, None)])
def test_a_tree_is_as_small_as_it_can_be(fan: int, tree: tuple[int, int] | None) -> None:
    assert scale_doc.tree_of(fan) == tree


def test_errors_and_savings_are_told() -> None:
    panel = panel_of(event_us=100, each_us=10)
    panel["checks"][1]["cpu"] /= 2  # it needed half of what was predicted
    results = json.loads((FOLDER / "SCALE.json").read_text()) | {"panels": [panel]}
    text = scale_doc.document(results)
    assert "| raw sockets | 10 | 512 | 5.2% | 5.2% | +0% |" in text
    assert "| raw sockets | 10 | 2000 | 20.1% | 10.0% | +100% |" in text
    assert "- Error of the CPU time with 512 subscribers: median 0%, at most 0%." in text
    assert "- Error of the CPU time with 2000 subscribers: median 100%, at most 100%." in text
    assert "| raw sockets | publisher | 110, 11 | 90% |" in text and "| 80% |" in text
    panel["one_topic"] = {**panel["all_topics"], "cpu": panel["all_topics"]["cpu"] * 1.04}
    assert "| raw sockets | subscriber | 110, 110 | nothing |" in scale_doc.document(results)


def test_the_answers_stand_before_the_tables() -> None:
    """And how far they may be wrong: a prediction of half the CPU time allows for twice the subscribers."""
    one, other = panel_of(event_us=100, each_us=10), {**panel_of(event_us=100, each_us=20), "label": "a third"}
    other["checks"][0]["cpu"] *= 2
    results = json.loads((FOLDER / "SCALE.json").read_text()) | {"panels": [one, other]}
    text = " ".join(scale_doc.document(results).partition("## What was measured")[0].split())
    assert "At 100 events a second one publisher serves 500 (a third) to 990 (raw sockets) subscribers." in text
    assert "right within a factor of 2.0" in text and "50% at most" in text
    alike = json.loads((FOLDER / "SCALE.json").read_text()) | {"panels": [one, {**one, "label": "another"}, other]}
    assert "990 (raw sockets and another)" in " ".join(scale_doc.document(alike).split())


def test_that_rare_events_cost_more_is_said_where_it_is_so() -> None:
    panel = panel_of(event_us=100, each_us=10)
    results = json.loads((FOLDER / "SCALE.json").read_text()) | {"panels": [panel]}
    assert "At 1/s, which was not measured" not in scale_doc.document(results)
    panel["lines"]["10"] = panel_of(event_us=100, each_us=12)["lines"]["10"]
    assert "At 1/s, which was not measured" in " ".join(scale_doc.document(results).split())


def test_what_was_not_measured_is_told() -> None:
    panel = {**panel_of(100, 10), "full": None, "failed": ["full speed: no memory"]}
    del panel["all_topics"]
    text = scale_doc.document(json.loads((FOLDER / "SCALE.json").read_text()) | {"panels": [panel]})
    assert "- raw sockets: full speed: no memory" in text


def panels() -> list[Panel]:
    return [panel for panel in read_panels() if panel.name in scale.PROTOCOLS]


@pytest.mark.parametrize("publisher", panels(), ids=lambda one: one.name)
def test_subscribers_that_throw_away_receive_every_byte(publisher: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """89 of a message, and 2 to 8 of framing; with prefixes, where publishers filter, of a tenth of the events.

    The bounds are wide, and there are three tries: a busy machine changes the rate for a moment.
    """
    if not publisher.built or not (BUILD / "bench-idle").exists():
        pytest.skip(f"{publisher.name} is not built")
    monkeypatch.setattr(scale, "WINDOW_SECONDS", 0.8)
    filters = publisher.name in ("raw", "zmq")
    for _ in range(3):
        everything, one = scale.measure(publisher, 3, 200), scale.measure(publisher, 3, 200, topics=10)
        each = everything.bytes_rate / everything.rate / 3
        few = one.bytes_rate / one.rate < 0.4 * everything.bytes_rate / everything.rate
        if 60 < each < 140 and few == filters:
            break
    assert 60 < each < 140 and everything.cpu > 0 and everything.memory_kib > 100
    assert few == filters
