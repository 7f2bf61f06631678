"""What an act came to on each panel, and whether the panels differed: built from what was observed.

Each function takes what the programs of one panel said, and returns an Outcome: a word for the
table at the end, and a sentence. Panels with the same sentence stand together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LATE = 10  # messages: a count taken while a flood goes on may be so many behind
UNWANTED_BYTES = 20  # a message has a header of this length at least (common/message.h)


@dataclass(frozen=True)
class Outcome:
    """What came of an act on one panel."""

    word: str
    sentence: str


@dataclass(frozen=True)
class Client:
    """What a client has said about one request."""

    got: str | None = None  # the text of the reply that it received
    timed_out: bool = False
    ended: str = ""  # how the program ended before its time; empty: it goes on


def what_differed(outcomes: dict[str, Outcome], clause: str, experiment: str) -> str:
    """The line below an act: by panel, what came of it, its clause and what explains it."""
    groups: dict[str, list[str]] = {}
    for name, outcome in outcomes.items():
        groups.setdefault(outcome.sentence, []).append(name)
    where = f"Clause {clause}; explained by: ./triptych lab {experiment}"
    if len(groups) == 1:
        (sentence,) = groups
        who = "All alike" if len(outcomes) > 1 else next(iter(outcomes))
        return f"{who}: {sentence}. {where}"
    said = "; ".join(f"{listed(names)}: {sentence}" for sentence, names in groups.items())
    return f"What differed: {said}. {where}"


def listed(names: list[str]) -> str:
    """raw; raw and zmq; raw, zmq and nng."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def asked(requests: int, replies: int, ended: str) -> Outcome:
    """Several requests to a server that lives; how the client ended, if before its time."""
    word = f"{replies} of {requests}"
    if replies == requests:
        return Outcome(word, "every request was answered")
    return Outcome(
        word, f"{word} requests were answered" + (f"; the client {ended}" if ended else "")
    )


def killed(
    runs: int, client: Client, back: bool, after: Client, early: bool = False
) -> Outcome:
    """A request whose server is killed: how often it was begun, and what its client learned.

    back: another server came to the same address; after: the next request; early: the server had
    replied before it was killed.
    """
    if early:
        return Outcome(
            "-", "the request was answered before the server was killed, so that nothing is shown"
        )
    if client.got is not None:
        told = "and the client was answered"
    elif client.ended:
        told = f"and the client {client.ended}"
    elif client.timed_out:
        told = "and the client knows only that its time is over"
    else:
        told = "and the client still waits for the reply"
    if runs == 0:
        word, fate = "not run", "the request reached no server"
    elif runs == 1:
        word, fate = "reply lost", "the request was begun once, its reply lost"
        if client.got is not None:
            word, fate = "run once", "the request ran once"
    else:
        times = "twice" if runs == 2 else f"{runs} times"
        word, fate = f"run {times}", f"the request ran {times}"
    sentence = f"{fate}, {told}"
    if not back:
        sentence += "; the server could not start again"
    elif after.got is None and not client.ended:
        sentence += (
            "; the next request was not answered"
            f"{f', the client {after.ended}' if after.ended else ''}"
        )
    return Outcome(word, sentence)


def late(first: str, second: str, one: Client, two: Client, sent: bool) -> Outcome:
    """The client gives up on request `first`; its reply comes late; the client asks `second`.

    sent: the server had sent the late reply by then.
    """
    if one.ended:
        return Outcome("ended", f"the client {one.ended} instead of waiting")
    if not one.timed_out and one.got is None:
        return Outcome("no time-out", "the client has no time-out: it still waits for the reply")
    if not one.timed_out:
        return Outcome("no time-out", "the client has no time-out: it waited for the late reply")
    if not sent:
        return Outcome("-", "the server sent no late reply, so that nothing is shown")
    if two.got == second:
        return Outcome("its own", "the late reply was dropped, and the next request got its own")
    if two.got == first:
        return Outcome("the late one", "the next request got the late reply: the wrong one")
    if two.got is not None:
        return Outcome("another", "the next request got a reply that belongs to no request")
    if two.ended:
        return Outcome("ended", f"at the next request the client {two.ended}")
    return Outcome("none", "the next request got no reply")


def filtered(got: dict[str, int], wanted: dict[str, int], unwanted_bytes: int | None) -> Outcome:
    """What each subscriber got and wanted; the bytes that C got of what it did not want."""
    if got != wanted:
        counts = ", ".join(f"{name} {got[name]} of {count}" for name, count in wanted.items())
        return Outcome("-", f"not every subscriber got what it wants ({counts})")
    if unwanted_bytes is None:
        return Outcome("-", "every subscriber got what it wants and nothing else")
    if unwanted_bytes < UNWANTED_BYTES:
        return Outcome("publisher", "the publisher filters, and sends C only what C wants")
    return Outcome("subscriber", "the subscriber filters: C is sent what it does not want, too")


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Numbers as runs without a gap: 1 2 3 7 8 are (1, 3) and (7, 8)."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def flooded(
    received: Sequence[int], stopped: int, continued: int, sent: int, expected: int, steady: int
) -> Outcome:
    """What B, which was stopped, received, by its sequence numbers; and how many A received.

    stopped, continued: the number that had been sent when B was stopped and continued. expected:
    the number that the publisher was to send meanwhile. sent: all that it sent.
    """
    missed = sent - steady
    of_a = "A missed nothing" if missed <= 0 else f"A missed {missed}"
    if steady == 0:
        of_a = "A received nothing"
    meanwhile = continued - stopped
    if meanwhile <= LATE:
        return Outcome("waited", f"the publisher stood still while B was stopped, {of_a}")
    if meanwhile < expected / 2:
        slow = (
            f"the publisher sent {meanwhile} of the {expected} messages that "
            "were due while B was stopped"
        )
        return Outcome("slowed", f"{slow}, {of_a}")
    if continued >= sent:
        return Outcome(
            "unknown",
            f"B went on only after the last message, so this says nothing about queues, {of_a}",
        )
    if not received:
        return Outcome("nothing", f"B received nothing, {of_a}")
    ends = [(0, 0), *runs(received), (sent + 1, sent + 1)]
    gaps = [(left[1] + 1, right[0] - 1) for left, right in zip(ends, ends[1:])]
    low, high = max(gaps, key=lambda gap: gap[1] - gap[0])
    if high < low:
        return Outcome("all", f"B missed nothing: buffers held all, {of_a}")
    if high <= continued - LATE:
        return Outcome("newest", f"full queues kept the newest and dropped the oldest, {of_a}")
    if low > stopped + LATE:
        return Outcome("oldest", f"full queues kept the oldest and dropped the newest, {of_a}")
    return Outcome("none", f"B lost all that was sent while it was stopped, {of_a}")
