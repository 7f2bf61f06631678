"""What an exchange cost in bytes, segments and round trips, counted from the decoder's elements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wire.view.exchange import UNWANTED, WANTED, Event
from harness.panels import Panel


@dataclass
class Message:
    """One message as it crossed: its own bytes, and those that carried it."""

    direction: str
    topic: str
    kind: int
    itself: int
    body: int
    framing: int


@dataclass
class Observed:
    """One panel's exchange, decoded."""

    panel: Panel
    pattern: str
    version: str
    recording: Path
    events: list[Event]
    far: list[Event]  # once more, over a long way
    round_trip: float  # of that way, in seconds

    @cached_property
    def opened(self) -> float:
        """When the connection was there."""
        return first(self.events, "open")

    @cached_property
    def elements(self) -> list[Event]:
        """In the order of their first bytes."""
        return sorted(
            (e for e in self.events if e["event"] == "element"), key=lambda e: int(e["record"])
        )

    @cached_property
    def messages(self) -> list[Message]:
        found: dict[tuple[int, str, int], Message] = {}
        for e in self.elements:
            if e["message"]:
                key = (e["connection"], e["direction"], e["message"])
                message = found.setdefault(key, Message(e["direction"], "", 0, 0, 0, 0))
                if e["part"] == "message":
                    message.itself += e["length"]
                else:
                    message.framing += e["length"]
                if e["field"] == "message.body":
                    message.body = e["length"]
                if e["field"] == "message.topic":
                    message.topic = e["text"]
                if e["field"] == "message.kind":
                    message.kind = e["value"]
        return list(found.values())

    def bytes_of(self, part: str, direction: str) -> int:
        return sum(
            e["length"] for e in self.elements if (e["part"], e["direction"]) == (part, direction)
        )

    def segments(self, direction: str) -> int:
        return sum(e["segments"] for e in self.events
                   if e["event"] == "totals" and e["direction"] == direction)  # fmt: skip

    @cached_property
    def round_trips(self) -> int:
        """Before the request leaves; before an event can be there. Counted over the long way.

        What the client sends depends on what it has received: it is one round trip later than the
        latest of that, which depends in turn on what the server had received when it sent it.
        """
        known = -1  # the most round trips behind anything that has come back to the client
        asked = 0  # behind anything that has gone to the server
        answers: list[tuple[int, int]] = []  # on the way back: offset, round trips
        last = needed = 0
        record = self.deciding_record
        for event in self.far:
            up = event.get("direction") == "up"
            if event["event"] == "segment" and up:
                last = max(asked, known + 1)
                if event["record"] == record:
                    needed = last
            elif event["event"] == "segment":
                answers.append((event["offset"], asked))
            elif event["event"] == "pass" and up:
                asked = max(asked, last)
            elif event["event"] == "pass":
                reach = event["offset"] + event["length"]
                known = max([known, *(trips for offset, trips in answers if offset < reach)])
        return needed + (self.pattern == "pubsub")

    @property
    def deciding_record(self) -> int:
        """The segment that carries the request, or the last bytes that ask for events."""
        up = [e for e in self.far if e["event"] == "element" and e["direction"] == "up"]
        if self.pattern == "reqrep":
            return next((int(e["record"]) for e in up if e["message"]), 0)
        return max(
            (int(e["record"]) for e in up if e["part"] in ("handshake", "control")), default=0
        )

    @property
    def doubtful(self) -> bool:
        """Did it take longer than so many ways? Then something was late, and may have misled."""
        record = self.deciding_record
        times = [e["time"] for e in self.far if e["event"] == "segment" and e["record"] == record]
        trips = self.round_trips - (self.pattern == "pubsub")
        return not times or times[0] - first(self.far, "open") > (trips + 0.5) * self.round_trip

    def as_json(self, ipc: bool) -> dict[str, Any]:
        return {
            "panel": self.panel.name,
            "version": self.version,
            "pattern": self.pattern,
            "transport": "ipc" if ipc else "tcp",
            "totals": totals(self),
            "events": [e for e in self.events if e["event"] not in ("element", "totals")],
            "elements": self.elements,
        }


def first(events: list[Event], kind: str) -> float:
    times = [float(e["time"]) for e in events if e["event"] == kind]
    return times[0] if times else 0.0


def totals(observed: Observed) -> dict[str, Any]:
    """The measures, by the names that --json gives them."""
    found: dict[str, Any] = {
        "handshake_up": observed.bytes_of("handshake", "up"),
        "handshake_down": observed.bytes_of("handshake", "down"),
        "round_trips": observed.round_trips,
        "segments_up": observed.segments("up"),
        "segments_down": observed.segments("down"),
        "unknown": observed.bytes_of("unknown", "up") + observed.bytes_of("unknown", "down"),
    }
    messages = observed.messages
    if observed.pattern == "reqrep":
        for name, kind in (("request", 1), ("reply", 2)):
            of_kind = [m for m in messages if m.kind == kind]
            found[name] = of_kind[0].itself if of_kind else None
            found[name + "_body"] = of_kind[0].body if of_kind else None
            found[name + "_framing"] = of_kind[0].framing if of_kind else None
        return found
    control = [e for e in observed.elements if e["part"] == "control" and e["direction"] == "up"]
    arrived = [e["record"] for e in observed.elements if e["message"]]
    border = min(arrived, default=0)
    found["subscribe"] = sum(e["length"] for e in control if e["record"] < border)
    found["unsubscribe"] = sum(e["length"] for e in control if e["record"] > border)
    wanted = [m for m in messages if m.topic == WANTED]
    unwanted = [m for m in messages if m.topic == UNWANTED]
    found["event"] = wanted[0].itself if wanted else None
    found["event_body"] = wanted[0].body if wanted else None
    found["event_framing"] = wanted[0].framing if wanted else None
    found["unwanted_event"] = sum(m.itself + m.framing for m in unwanted)
    return found
