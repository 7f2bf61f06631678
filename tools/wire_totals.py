"""What an exchange cost in bytes, segments and round trips, counted from the decoder's elements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from exchange import UNWANTED, WANTED, Event
from panels import Panel

Cost = int | None  # bytes; None: there was no such thing


@dataclass
class Message:
    """One message as it crossed: its own bytes, and those that carried it."""

    direction: str
    topic: str
    kind: int
    itself: int
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
        return sorted((e for e in self.events if e["event"] == "element"), key=lambda e: int(e["record"]))

    @cached_property
    def messages(self) -> list[Message]:
        found: dict[tuple[int, str, int], Message] = {}
        for e in self.elements:
            if e["message"]:
                key = (e["connection"], e["direction"], e["message"])
                message = found.setdefault(key, Message(e["direction"], "", 0, 0, 0))
                if e["part"] == "message":
                    message.itself += e["length"]
                else:
                    message.framing += e["length"]
                if e["field"] == "message.topic":
                    message.topic = e["text"]
                if e["field"] == "message.kind":
                    message.kind = e["value"]
        return list(found.values())

    def bytes_of(self, part: str, direction: str) -> int:
        return sum(e["length"] for e in self.elements if (e["part"], e["direction"]) == (part, direction))

    def segments(self, direction: str) -> int:
        return sum(e["segments"] for e in self.events
                   if e["event"] == "totals" and e["direction"] == direction)  # fmt: skip

    @cached_property
    def way(self) -> float:
        """How often the long way had been gone: until the request left; until an event can be there.

        Only the way back is long. An event could set out when the last byte that the subscriber
        sends for it has come, and is there a way back later.
        """
        up = [e for e in self.far if e["event"] == "element" and e["direction"] == "up"]
        opened = first(self.far, "open")
        if self.pattern == "reqrep":
            times = [e["time"] for e in up if e["message"]][:1]
        else:
            times = [e["time"] for e in up if e["part"] in ("handshake", "control")][-1:]
        if not times:
            return float("nan")
        return (times[0] - opened) / self.round_trip + (self.pattern == "pubsub")

    @property
    def round_trips(self) -> int:
        """Whole ones: what a busy machine adds is less, and never takes any away."""
        return int(self.way + 0.05)

    @property
    def doubtful(self) -> bool:
        return self.way - self.round_trips > 0.5

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
    return next((float(e["time"]) for e in events if e["event"] == kind), 0.0)


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
    found["event_framing"] = wanted[0].framing if wanted else None
    found["unwanted_event"] = sum(m.itself + m.framing for m in unwanted)
    return found
