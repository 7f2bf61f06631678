"""The lines that answer "which is fastest, and why?": of figures that made_up.py makes up."""

from typing import Any

import pytest

from bench import words
from bench.cases import CASE, groups_of
from bench.results import read
from bench.summary import KINDS, summary
from harness.panels import ROOT
from made_up import cell, interval, publishing

RESULTS = ROOT / "tools" / "bench" / "RESULTS.json.gz"


def several(ratios: tuple[tuple[float, float], ...] = ((2.0, 4.0), (3.0, 5.0), (2.5, 3.0), (1.5, 6.0))) -> list[dict[str, Any]]:
    """Round trips of some sizes: how many times as long as raw's ZeroMQ's and nanomsg's take."""
    cells = []
    for number, (zmq, nanomsg) in enumerate(ratios):
        case = {"size": 16 << number}
        cells.append(cell("raw", {"p50": (9.9, 10.0, 10.1), "switches": (2.0,) * 3}, **case))  # type: ignore[dict-item]
        for name, ratio in (("zmq", zmq), ("nanomsg", nanomsg)):
            figures = {"p50": (9.9 * ratio, 10.0 * ratio, 10.1 * ratio), "switches": (2.2 * ratio,) * 3}
            cells.append(cell(name, figures, ratios={"raw": interval(ratio, ratio, ratio)}, **case))  # type: ignore[arg-type]
    return cells


def in_short(cells: list[dict[str, Any]], costs: dict[str, Any] | None = None) -> list[str]:
    return summary({"cells": cells, "costs": costs or {}})


def test_the_summary_answers_which_is_fastest_and_why() -> None:
    assert in_short(several()) == [
        "Over all: raw is the fastest in all 4 cases.",
        "Round trips: raw is the fastest in all 4 cases. ZeroMQ takes 1.50 to 3.0 times as long as raw for a message and nanomsg "
        "3.0 to 6.0. The reason: ZeroMQ takes 5.5 context switches, nanomsg 6.6 and raw 2 for a round trip (TCP, 64 B, one core).",
    ]


def test_the_summary_counts_who_wins_and_where_nobody_does() -> None:
    """Once ZeroMQ is faster, and once its interval and raw's overlap."""
    over_all, round_trips = in_short(several(((0.5, 4.0), (1.01, 5.0), (2.5, 3.0), (1.5, 6.0))))
    assert over_all == "Over all: raw is the fastest in 2 of 4 cases; ZeroMQ is the fastest in 1; raw and ZeroMQ are equally fast in 1."
    assert "ZeroMQ takes 0.50 to 2.5 times as long as raw for a message" in round_trips


def test_the_summary_names_those_who_are_equal_case_by_case() -> None:
    """Who is equal in one case is not said to be so in another; its ratio there is no part of the range."""
    over_all, round_trips = in_short(several(((1.01, 4.0), (1.01, 1.0), (2.5, 1.01), (1.5, 6.0))))
    assert over_all == (
        "Over all: raw is the fastest in 1 of 4 cases; raw and ZeroMQ are equally fast in 1; raw, ZeroMQ and nanomsg are "
        "equally fast in 1; raw and nanomsg are equally fast in 1."
    )
    assert "ZeroMQ takes 1.50 to 2.5 times as long as raw for a message and nanomsg 4.0 to 6.0." in round_trips
    assert "This leaves out where one is as fast as raw: ZeroMQ in 2 cases and nanomsg in 2 cases." in round_trips
    _, round_trips = in_short(several(((1.01, 4.0), (1.01, 5.0), (0.99, 3.0), (1.0, 6.0))))
    assert "as raw for a message. This leaves out where one is as fast as raw: ZeroMQ in 4 cases." in round_trips


def test_the_summary_names_no_reason_that_was_not_counted() -> None:
    cells = several()
    for one in cells:
        if one["competitor"] == "nanomsg":
            one["metrics"]["switches"] = interval(2.0, 2.0, 2.0)
    assert in_short(cells)[1].endswith(
        "The reason: ZeroMQ takes 5.5 context switches and raw 2 for a round trip (TCP, 64 B, one core). The counts do not show "
        "why nanomsg takes longer."
    )
    for one in cells:
        del one["metrics"]["switches"]
    assert in_short(cells)[1].endswith("nanomsg 3.0 to 6.0. The counts do not show why.")


def test_the_summary_tells_of_publishing_what_an_event_takes_and_what_was_lost() -> None:
    cells = []
    for peers in (8, 64, 256, 512):
        for one in (publishing("raw", 1e7, 0.05, 0.0), publishing("zmq", 1e6, 0.5, 0.03 * peers / 64, 0.1)):
            one["metrics"]["switches"] = interval(0.5, 0.5, 0.5) if one["competitor"] == "zmq" else interval(1e-3, 1e-3, 1e-3)
            cells.append({**one, "peers": peers})
    assert in_short(cells)[1] == (
        "Publishing to many subscribers: raw is the fastest in all 4 cases. ZeroMQ takes 10 times as long as raw for an event "
        "that arrives. ZeroMQ lost up to 24% of the events. The reason: ZeroMQ takes 0.5 us of processor time and raw 0.05 for an event (TCP, "
        "64 B, 8 subscribers). Between two context switches raw handles 1,000 events and ZeroMQ 2."
    )


def test_the_summary_says_that_large_messages_take_their_time_with_everybody() -> None:
    cells = several()
    for name, p50, ratio in (("raw", 90.0, 1.0), ("zmq", 99.0, 1.1)):
        figures = {"p50": (p50 * 0.99, p50, p50 * 1.01)}
        cells.append(cell(name, figures, size=1 << 20, ratios={"raw": interval(ratio, ratio, ratio)} if ratio > 1 else {}))
    large = next(one for one in in_short(cells) if one.startswith("Large messages, from 64 KiB on: "))
    assert large.endswith("with raw itself a round trip of 1 MiB takes 9.0 times as long as one of 16 B (TCP, one core).")
    cells = [one for one in cells if one["size"] != 1 << 20 or one["competitor"] == "zmq"]
    assert not any("The bytes take" in one for one in in_short(cells))


@pytest.mark.parametrize("ratio, near", [(1.1, True), (1.2, True), (1.3, False), (0.7, False)])
def test_the_summary_says_how_near_the_panels_are_to_their_libraries(ratio: float, near: bool) -> None:
    cells = several()
    for one in cells:
        if one["competitor"] == "zmq":
            one["ratios"]["baseline-zmq"] = interval(ratio, ratio, ratio)
    assert ("What you see is the library" in in_short(cells)[-1]) == near
    assert f"ZeroMQ takes {words.times(ratio)} times as long for a message" in in_short(cells)[-1]


def test_each_case_is_in_one_kind_of_conversation() -> None:
    """So the counts of all kinds add up to that over all: of the committed run, which has every kind."""
    groups = [group for group in groups_of(read(RESULTS)) if not group[0]["rate"]]
    assert {group[0]["bench"] for group in groups} == {"latency", "connections", "throughput", "fanout"}
    for group in groups:
        kinds = [title for title, chosen in KINDS if chosen(group[0])]
        assert len(kinds) == 1, (kinds, {name: group[0][name] for name in CASE})


def test_a_few_cases_have_their_sentences_and_no_summary() -> None:
    assert in_short(several(((2.0, 4.0), (3.0, 5.0), (2.5, 3.0)))) == []
