"""What became of each message of one panel: who sent it, who received it and when, what was lost.

The programs say what they send and receive. A message is known by its kind, its topic, its sequence
number and the time at which its sender made it. The two ends are different processes, so the line
that says "received" may be read before the line that says "sent".

A journal knows more than the programs: what was not received, what was never answered, what ran
twice. For each message `Sent.owed` says who still has to receive it, and whether the counters say
so. `miss()` and `settle()` alone change that, and have `marks.py` tell it to the page, for its
diagram.

Everything is counted. What is told to the page is a sample, so that a flood does not drown it: of
each topic every n-th message, n a power of two, and the same messages at both ends. What is lost is
marked, whether it was told or not.
"""

from __future__ import annotations

import bisect
import collections
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from web.play.marks import LOST, WAITS, Marks

Event = dict[str, Any]
Key = tuple[str, str, int, int]

TOLD_A_SECOND = 60  # messages of a panel that are told, once the flood is noticed
WINDOW_MS = 250.0
WINDOW_MOST = 40  # messages in one window, before it is noticed
STRIDE_MOST = 1 << 14
REMEMBERED = 8192  # messages whose sending is remembered
OWED_MOST = 1 << 16  # older ones that somebody still lacks
ANSWERED = 1024  # requests that a server remembers, as programs/recent.c does
UNHEARD_MS = 1000.0  # nobody has received it
TEXT_TOLD = 256  # characters; ours say no more, a panel of programs may
WAITS_MS = 300.0  # a "received" waits so long for its "sent"
TOPICS_MOST = 1024
TOPICS_TOLD = 64  # whose lost messages are told one by one
GAP_TOLD = 150  # lost messages of one gap that are told one by one
TOLD_KEPT = 600  # told messages of a topic that are found again when they are lost


@dataclass
class Sent:
    who: str
    key: Key
    t: float
    told: bool  # whether the page knows of it
    number: int  # for the page: which message
    life: int  # of the publisher
    taken: int = 0  # how often it was received
    # By recipient and counter, its mark: "" while that counter does not count it
    owed: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass
class Counts:
    """Of one role of one panel."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    duplicates: int = 0
    timeouts: int = 0
    # What the programs do not know. It is counted a second after the sender's "sent", or once a
    # later event has come, and no longer when it comes after all.
    missed: int = 0  # messages for this role that it has not received
    fresh: int = 0  # of these, the events that the publisher has sent since its last start
    unanswered: int = 0  # requests of this role
    again: int = 0  # requests that this role has received, and a server had them before
    unsent: int = 0  # time-outs of requests that could not even be sent


class Journal:
    """One panel's messages. `tell` is given what the page is told."""

    def __init__(self, panel: str, tell: Callable[[Event], None], server: str = "",
                 prefixes: dict[str, str] | None = None):  # fmt: skip
        self.panel = panel
        self.tell = tell
        self.server = server  # requests are for it
        self.prefixes = prefixes or {}  # by subscriber
        self.over = math.inf  # what was open then stays open
        self.sent: collections.OrderedDict[Key, Sent] = collections.OrderedDict()
        self.marks = Marks(panel, tell)
        # By recipient, sender, topic: what is marked as not received so far
        self.waiting: dict[tuple[str, str, str], collections.OrderedDict[int, Sent]] = {}
        # Request or reply that came, by recipient and sender
        self.newest: dict[tuple[str, str], int] = {}
        # These are not in `sent`
        self.owing: collections.OrderedDict[Key, Sent] = collections.OrderedDict()
        self.told_of: dict[str, list[tuple[int, Sent]]] = {}  # by topic, in the order of sequence
        self.recent: collections.deque[Sent] = collections.deque()  # of the last second
        self.early: collections.deque[tuple[float, str, Key, Event]] = collections.deque()
        self.counts: dict[str, Counts] = {}
        # Sequence and life of the publisher, by subscriber and topic
        self.last: dict[tuple[str, str], tuple[int, int]] = {}
        self.life = 0  # of the publisher
        self.answered: collections.OrderedDict[tuple[str, Key], None] = collections.OrderedDict()
        self.asked: dict[str, Sent] = {}  # by client, the request whose reply it waits for
        self.number = 0
        self.stride = 1
        self.window = 0.0
        self.in_window = 0  # messages sent, all
        self.told_in_window = 0
        self.seen = 0
        self.told = 0

    def of(self, who: str) -> Counts:
        return self.counts.setdefault(who, Counts())

    def message(self, who: str, event: Event, t: float) -> None:
        """What a program says of a message, in its own words; t: ms since the run began."""
        kind, topic = (
            str(event.get("kind", ""))[:TEXT_TOLD], str(event.get("topic") or "")[:TEXT_TOLD],
        )
        sequence = int(event.get("sequence") or 0)
        sent = int(event.get("sent") or 0)
        key = (kind, topic, sequence, sent)
        told = {
            "kind": kind, "topic": topic, "n": sequence,
            "sent": str(sent)[:20],  # a script has 53 bits
            "length": int(event.get("length") or 0),
            "text": str(event.get("text") or "")[:TEXT_TOLD],
        }  # fmt: skip
        if event.get("direction") == "sent":
            self.was_sent(who, key, told, t)
        else:
            self.was_received(who, key, told, t)

    def described(self, who: str, direction: str, told: Event, t: float, number: int) -> Event:
        return {
            "k": "message", "p": self.panel, "r": who, "d": direction, **told, "t": t, "id": number,
        }

    def sampled(self, sequence: int, t: float) -> bool:
        """Whether this message is told; adapts the stride to what was sent lately."""
        if t - self.window >= WINDOW_MS:
            self.window, rate = t, self.in_window * 1000 / max(WINDOW_MS, t - self.window)
            self.in_window = self.told_in_window = 0
            self.stride = 1
            while rate / self.stride > TOLD_A_SECOND and self.stride < STRIDE_MOST:
                self.stride *= 2
        self.in_window += 1
        self.seen += 1
        if sequence % self.stride or self.told_in_window >= WINDOW_MOST:
            return False
        self.told_in_window += 1
        self.told += 1
        return True

    def was_sent(self, who: str, key: Key, message: Event, t: float) -> None:
        self.of(who).sent += 1
        told = self.sampled(key[2], t)
        self.number += 1
        one = Sent(who, key, t, told, self.number, self.life)
        if told:
            self.tell(self.described(who, "sent", message, t, one.number))
            self.keep(key, one)
        if key[0] == "request":
            self.asked[who] = one
        one.owed = dict.fromkeys(self.owed(who, key), "")
        self.recent.append(one)
        self.sent.pop(key, None)
        self.sent[key] = one
        if len(self.sent) > REMEMBERED:
            old_key, old = self.sent.popitem(last=False)
            if old.owed:
                self.owing[old_key] = old
            if len(self.owing) > OWED_MOST:
                self.owing.popitem(last=False)

    def find(self, key: Key) -> Sent | None:
        return self.sent.get(key) or self.owing.get(key)

    def owed(self, who: str, key: Key) -> set[tuple[str, str]]:
        """Who has to receive it, and that a request has to be answered."""
        kind, topic, *rest = key
        if kind == "request":
            return {(self.server, "missed"), (who, "unanswered")} if self.server else set()
        if kind == "event":
            return {
                (name, "missed") for name, prefix in self.prefixes.items()
                if topic.startswith(prefix)
            }
        asked = self.find(("request", topic, rest[0], rest[1]))
        return {(asked.who, "missed")} if asked else set()

    def decide(self, t: float) -> None:
        """What has not been received a second later is missed; some of it comes after all."""
        while self.recent and min(t, self.over) - self.recent[0].t > UNHEARD_MS:
            one = self.recent.popleft()
            for who, counter in one.owed:
                self.miss(one, who, counter, t)

    def miss(self, one: Sent, who: str, counter: str, t: float) -> None:
        """It is owed, and counted from now on.
        The page marks the same: as lost, if a later one has come."""
        old, new = one.owed[who, counter], LOST if self.passed(one, who) else WAITS
        one.owed[who, counter] = new
        if not old:
            self.add(one, who, counter, 1)
        if counter == "missed" and old != new:
            self.wait(one, who, new == WAITS)
            self.marks.change(one, who, old, new, t)

    def wait(self, one: Sent, who: str, on: bool) -> None:
        """Whether a later message would make this one lost."""
        way = who, one.who, one.key[1]
        if on and (way in self.waiting or len(self.waiting) < TOPICS_MOST):
            waiting = self.waiting.setdefault(way, collections.OrderedDict())
            waiting[one.number] = one
            if len(waiting) > REMEMBERED:
                waiting.popitem(last=False)
        elif not on and (known := self.waiting.get(way)):
            known.pop(one.number, None)
            if not known:
                del self.waiting[way]

    def passed(self, one: Sent, who: str) -> bool:
        """Whether a later message of this sender, an event of the same topic,
        has come to this role."""
        if one.key[0] != "event":
            return self.newest.get((who, one.who), 0) > one.number
        last, life = self.last.get((who, one.key[1]), (0, 0))
        return (life, last) > (one.life, one.key[2])

    def pass_over(self, who: str, one: Sent, t: float) -> None:
        """This message has come: those that were sent before it,
        and that this role still waits for, are lost."""
        if one.key[0] != "event":
            self.newest[who, one.who] = max(one.number, self.newest.get((who, one.who), 0))
        waiting = self.waiting.get((who, one.who, one.key[1]), {})
        for number in [*itertools.takewhile(lambda number: number < one.number, waiting)]:
            self.miss(waiting[number], who, "missed", t)

    def settle(self, one: Sent, who: str, counter: str, t: float) -> bool:
        """It is owed no longer; whether it was counted until now."""
        mark = one.owed.pop((who, counter), "")
        if mark:
            self.add(one, who, counter, -1)
        if mark and counter == "missed":
            self.wait(one, who, False)
            self.marks.change(one, who, mark, "", t)
        return bool(mark)

    def add(self, one: Sent, who: str, counter: str, n: int) -> None:
        counts = self.of(who)
        setattr(counts, counter, getattr(counts, counter) + n)
        if counter == "missed" and one.life == self.life:
            counts.fresh += n

    def timed_out(self, who: str) -> Sent | None:
        """Whose time-out this is: of the request whose reply `who` waits for.
        None: it waits for no reply, since it could not send its request."""
        one = self.asked.pop(who, None)
        self.of(who).timeouts += 1
        self.of(who).unsent += one is None
        return one

    def keep(self, key: Key, one: Sent) -> None:
        if key[1] not in self.told_of and len(self.told_of) >= TOPICS_TOLD:
            return
        kept = self.told_of.setdefault(key[1], [])
        if kept and kept[-1][0] >= key[2]:
            kept.clear()  # the sender counts from 1 again
        kept.append((key[2], one))
        if len(kept) > 2 * TOLD_KEPT:
            del kept[:TOLD_KEPT]

    def was_received(self, who: str, key: Key, message: Event, t: float) -> None:
        counts = self.of(who)
        counts.received += 1
        kind, topic, sequence, sent = key
        if (
            kind != "event"
            and (asked := self.find(("request", topic, sequence, sent)))
            and asked.who == who
        ):
            self.settle(asked, who, "unanswered", t)
            self.asked.pop(who, None)
        if kind == "event":
            self.note_gap(who, topic, sequence, t)
        elif kind == "request":
            self.note_again(who, key)
        if one := self.find(key):
            self.pair(who, key, one, message, t)
        elif len(self.early) < REMEMBERED:
            self.early.append((t, who, key, message))

    def pair(self, who: str, key: Key, one: Sent, message: Event, t: float) -> None:
        if key[0] == "request" and one.taken:
            self.of(who).again += 1
        one.taken += 1
        late = self.settle(one, who, "missed", t)
        if one.told:
            told = self.described(who, "received", message, t, one.number)
            more = {"missed": self.marks.shown[who]} if late else {}
            self.tell({**told, "from": one.who, "t0": one.t, **more})
        self.pass_over(who, one, t)

    def note_gap(self, who: str, topic: str, sequence: int, t: float) -> None:
        """Counts what a subscriber misses, as the program itself counts it."""
        at = (who, topic)
        last = self.last.get(at)
        if last is None and len(self.last) >= TOPICS_MOST:
            return
        counts = self.of(who)
        if last is not None and sequence > last[0] + 1:
            counts.lost += sequence - last[0] - 1
            self.last[at] = (sequence, self.life)
            self.tell_gap(who, topic, last[0] + 1, sequence, t)
        elif last is not None and sequence <= last[0] and self.life == last[1]:
            counts.duplicates += 1
            return
        self.last[at] = (sequence, self.life)

    def tell_gap(self, who: str, topic: str, first: int, after: int, t: float) -> None:
        """Messages that others were sent, and this one never got: the next one has come."""
        kept = self.told_of.get(topic, [])
        low, high = (bisect.bisect_left(kept, n, key=lambda pair: pair[0]) for n in (first, after))
        for _, one in kept[max(low, high - GAP_TOLD) : high]:
            if (who, "missed") in one.owed:
                self.miss(one, who, "missed", t)
        count = after - first
        self.tell({"k": "gap", "p": self.panel, "r": who, "topic": topic, "first": first,
                   "last": after - 1, "count": count, "t": t})  # fmt: skip

    def note_again(self, who: str, key: Key) -> None:
        """The same request at the same server twice."""
        at = (who, key)
        if at in self.answered:
            self.of(who).duplicates += 1
        self.answered[at] = None
        if len(self.answered) > ANSWERED:
            self.answered.popitem(last=False)

    def new_life(self, who: str) -> None:
        """A program was started again: it remembers nothing of what it had."""
        for at in [at for at in self.last if at[0] == who]:
            del self.last[at]
        if who == "pub":
            self.life += 1
            for counts in self.counts.values():
                counts.fresh = 0
        self.answered.clear()
        self.asked.pop(who, None)

    def look(self, t: float) -> None:
        """What time alone shows: who waited for a "sent" in vain, and what nobody has received."""
        waiting = len(self.early)
        for _ in range(waiting):
            when, who, key, message = self.early.popleft()
            if one := self.find(key):
                self.pair(who, key, one, message, when)
            elif t - when < WAITS_MS:
                self.early.append((when, who, key, message))
            elif self.stride == 1:
                self.tell(self.described(who, "received", message, when, 0))
        self.decide(t)
        self.marks.flush(t)
