"""What became of each message of a run, as the journal tells it of what programs say. No program runs."""

from __future__ import annotations

import random
from typing import Any

import pytest

from site_client import of
from web.play.journal import Journal


def journal(**known: Any) -> tuple[Journal, list[Any]]:
    told: list[Any] = []
    return Journal("raw", told.append, **known), told


def event(direction: str, n: int, kind: str = "event", topic: str = "t", text: str = "x", sent: int = 0) -> Any:
    return {"direction": direction, "kind": kind, "topic": topic, "sequence": n, "sent": sent, "text": text,
            "length": len(text)}  # fmt: skip


def test_a_message_heard_before_it_was_said_to_be_sent() -> None:
    book, told = journal()
    book.message("sub", event("received", 1), 5.0)
    book.message("pub", event("sent", 1), 4.0)
    book.look(10.0)
    assert [(e["d"], e.get("from"), e.get("t0")) for e in told] == [("sent", None, None), ("received", "pub", 4.0)]


def test_two_clients_with_the_same_sequence_and_text() -> None:
    book, told = journal()
    for t, who in enumerate(("req A", "req B")):
        book.message(who, event("sent", 1, "request", "", sent=100 + t), t)
    for t, sent in enumerate((101, 100)):
        book.message("rep", event("received", 1, "request", "", sent=sent), 5 + t)
    assert [e["from"] for e in of(told, "message", d="received")] == ["req B", "req A"]
    assert book.of("rep").duplicates == 0


def test_a_gap_is_lost_and_a_restart_is_none() -> None:
    book, told = journal(prefixes={"sub": ""})
    for n in (1, 2, 3, 4):
        book.message("pub", event("sent", n), n)
    for n in (1, 4):
        book.message("sub", event("received", n), n)
    assert [e["n"] for e in of(told, "lost")] == [2, 3] and book.of("sub").lost == 2
    book.new_life("pub")
    book.message("pub", event("sent", 1), 9)
    book.message("sub", event("received", 1), 9)
    assert book.of("sub").lost == 2 and book.of("sub").duplicates == 0
    book.message("sub", event("received", 1), 10)
    assert book.of("sub").duplicates == 1


def test_what_nobody_received_is_told_once() -> None:
    book, told = journal(prefixes={"sub": ""})
    book.message("pub", event("sent", 1), 0.0)
    book.look(900.0)
    assert not of(told, "unheard")
    book.look(1100.0)
    book.look(2000.0)
    assert len(of(told, "unheard")) == 1


def test_an_event_is_missed_by_each_subscriber_that_wanted_it_until_it_comes() -> None:
    told: list[Any] = []
    book = Journal("raw", told.append, prefixes={"sub A": "t", "sub B": "", "sub C": "u"})
    for n in (1, 2):
        book.message("pub", event("sent", n), float(n))
    book.message("sub A", event("received", 2), 3.0)
    missed = lambda: [book.of(who).missed for who in ("sub A", "sub B", "sub C")]  # noqa: E731
    book.look(900.0)
    assert missed() == [0, 0, 0]
    book.look(1100.0)
    assert missed() == [1, 2, 0] and [(e["id"], e["r"]) for e in of(told, "unheard")] == [(1, "sub B"), (2, "sub B")]
    assert [(e["id"], e["r"]) for e in of(told, "lost")] == [(1, "sub A")], "a later one has come"
    book.message("sub B", event("received", 1), 1200.0)
    assert missed() == [1, 1, 0]
    book.over = 1300.0
    book.message("pub", event("sent", 3), 1200.0)
    book.look(9000.0)
    assert missed() == [1, 1, 0], "the run ended before a second was over"


@pytest.mark.parametrize("seed", range(5))
def test_the_picture_and_the_counter_say_the_same_at_every_moment(seed: int) -> None:
    """Events come late, or never, or before their "sent" was read; a mark in the picture is one in the counter."""
    dice = random.Random(seed)
    subscribers = ("sub A", "sub B")
    told: list[Any] = []
    marks: dict[tuple[int, str], str] = {}

    def draw(e: Any) -> None:
        told.append(e)
        if e["k"] in ("unheard", "lost"):
            marks[e["id"], e["r"]] = e["k"]
        elif e.get("d") == "received":
            marks.pop((e["id"], e["r"]), None)
        if "missed" in e:
            assert e["missed"] == book.of(e["r"]).missed == sum(who == e["r"] for _, who in marks), e

    book = Journal("raw", draw, prefixes=dict.fromkeys(subscribers, ""))
    said = []
    for n in range(1, 41):
        said.append((n * 50.0 + dice.choice((0, 0, 30)), "pub", "sent", n))
        late = 1500.0 if 10 < n < 35 else 0.0  # a stall
        said += [(n * 50.0 + late + dice.choice((1, 2, 90, 900)), who, "received", n) for who in subscribers if dice.random() < 0.8]
    for t, who, direction, n in sorted(said):
        book.look(t)
        book.message(who, event(direction, n), t)
        assert [book.of(who).missed for who in subscribers] == [sum(of == who for _, of in marks) for who in subscribers]
    book.look(5000.0)
    got = {(n, who) for _, who, direction, n in said if direction == "received"}
    lacks = {(n, who) for n in range(1, 41) for who in subscribers} - got
    assert {(e["n"], e["r"]) for e in told if (e.get("id"), e.get("r")) in marks} == lacks
    assert {"unheard", "lost"} <= {e["k"] for e in told} and any("missed" in e for e in of(told, "message"))


def test_what_a_sample_leaves_out_is_marked_with_its_number() -> None:
    """Of a flood few messages are told. Those that were lost are marked all the same, and add up to the counter."""
    told: list[Any] = []
    book = Journal("raw", told.append, prefixes={"sub": ""})
    for n in range(1, 2001):
        book.look(n * 5.0)
        book.message("pub", event("sent", n), n * 5.0)
        if not 500 < n < 1500 or n % 7 == 0:
            book.message("sub", event("received", n), n * 5.0 + 1)
    for n in range(501, 511):
        book.message("sub", event("received", n, sent=0), 9999.0)  # late, after all
    book.look(12000.0)
    marks: dict[Any, tuple[str, int]] = {}
    for e in told:
        if e["k"] in ("unheard", "lost"):
            marks[e["id"]] = (e["k"], e.get("count", 1))
        elif e.get("d") == "received":
            marks.pop(e["id"], None)
        assert e.get("missed") in (None, sum(count for _, count in marks.values())), e
    total = sum(count for _, count in marks.values())
    assert book.told < 1000 and total == book.of("sub").missed > 800
    assert sum(count for kind, count in marks.values() if kind == "lost") == total, "later ones have come"
    assert [e["missed"] for e in told if e["k"] in ("unheard", "lost")][-1] == total


def test_a_request_is_lost_when_a_later_one_has_come() -> None:
    """So is a reply. Until then it may still come."""
    told: list[Any] = []
    book = Journal("raw", told.append, server="rep")
    for n in (1, 2):
        book.message("req", event("sent", n, "request", "", sent=n), float(n))
    book.look(1100.0)
    assert [(e["k"], e["n"]) for e in told if "missed" in e] == [("unheard", 1), ("unheard", 2)]
    book.message("rep", event("received", 2, "request", "", sent=2), 1200.0)
    assert [(e["k"], e["n"]) for e in told if e["k"] == "lost"] == [("lost", 1)]
    book.message("rep", event("received", 1, "request", "", sent=1), 1300.0)
    assert book.of("rep").missed == 0, "it may come after all"


def test_a_request_is_not_answered_or_runs_twice() -> None:
    told: list[Any] = []
    book = Journal("raw", told.append, server="rep")
    for n in (1, 2, 3):
        book.message("req", event("sent", n, "request", "", sent=n), float(n))
    for n in (1, 2):
        book.message("rep", event("received", n, "request", "", sent=n), 5.0)
    book.new_life("rep")
    book.message("rep", event("received", 2, "request", "", sent=2), 6.0)
    assert (book.of("rep").again, book.of("rep").duplicates) == (1, 0), "a new server remembers nothing"
    book.message("rep", event("sent", 1, "reply", "", sent=1), 7.0)
    book.message("req", event("received", 1, "reply", "", sent=1), 8.0)
    book.message("rep", event("sent", 2, "reply", "", sent=2), 9.0)
    book.look(1100.0)
    assert book.of("req").unanswered == 2 and book.of("rep").missed == 1 and book.of("req").missed == 1
    book.message("req", event("received", 2, "reply", "", sent=2), 1200.0)
    assert book.of("req").unanswered == 1 and book.of("req").missed == 0


def test_what_is_missed_of_a_publisher_that_returns_is_counted_apart() -> None:
    """Its first events reach nobody; those that its first life lost are no answer to "how many"."""
    book, _ = journal(prefixes={"sub": ""})
    counts = lambda: (book.of("sub").missed, book.of("sub").fresh)  # noqa: E731
    for n in (1, 2, 3):
        book.message("pub", event("sent", n, sent=n), float(n))
    book.message("sub", event("received", 3, sent=3), 4.0)
    book.look(1100.0)
    assert counts() == (2, 2)
    book.new_life("pub")
    assert counts() == (2, 0)
    for n in (1, 2):
        book.message("pub", event("sent", n, sent=10 + n), 2000.0 + n)
    book.message("sub", event("received", 2, sent=12), 2003.0)
    book.look(3100.0)
    assert counts() == (3, 1)
    book.message("sub", event("received", 1, sent=1), 3200.0)
    assert counts() == (2, 1), "of the first life, late"


def test_a_reply_ends_the_wait_for_it() -> None:
    book, _ = journal(server="rep")
    book.message("req", event("sent", 1, "request", sent=1), 1.0)
    book.message("rep", event("sent", 1, "reply", sent=1), 2.0)
    book.message("req", event("received", 1, "reply", sent=1), 3.0)
    assert book.timed_out("req") is None and book.of("req").unsent == 1
    book.message("req", event("sent", 2, "request", sent=2), 4.0)
    assert (asked := book.timed_out("req")) and asked.t == 4.0 and book.of("req").unsent == 1


def test_what_is_owed_is_bounded() -> None:
    book = Journal("raw", lambda told: None, prefixes={"sub": ""})
    for n in range(1, 80001):
        book.message("pub", event("sent", n), n / 20)
    book.look(1e6)
    assert book.of("sub").missed == 80000 and len(book.owing) == 1 << 16 and not book.recent
    book.message("sub", event("received", 70000), 1e6)
    assert book.of("sub").missed == 79999


def test_a_journal_is_bounded() -> None:
    book, told = journal()
    for n in range(1, 100001):
        book.message("pub", event("sent", n, topic=f"t{n % 5000}"), n / 20)
        book.message("sub", event("received", n + 1, topic=f"t{n % 5000}"), n / 20)
    book.look(1e6)
    assert len(book.sent) <= 8192 and len(book.early) <= 8192 and len(book.last) <= 1024
    assert book.of("pub").sent == 100000 and len(told) < 20000
    assert len(book.told_of) <= 64 and sum(map(len, book.told_of.values())) <= 64 * 1200
    book.message("sub", event("received", 10**6, text="x" * 10**6), 1e6)
    assert len(str(book.early[-1])) < 1000
