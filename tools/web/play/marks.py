"""What the page's picture marks as not received, and which counter each mark carries.

A message that was told has a mark of its own. The page is told a sample; but what was lost is
marked all the same: messages that were not told share a mark with those that were sent to the same
role in the same SHARED_MS, and the mark says how many they are. Such a mark is told again when its
number has changed, by flush(), right before the counters are. So the numbers at the marks always
add up to the counter "not received" that the page shows.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]

WAITS, LOST = "unheard", "lost"  # as the page is told; "": not marked
SHARED_MS = 50.0
SHARED_MOST = 4096  # marks whose number can still change


@dataclass
class Shared:
    """The mark of several messages."""

    event: Event
    count: int = 0
    told: int = 0  # its number when it was last told


class Marks:
    def __init__(self, panel: str, tell: Callable[[Event], None]):
        self.panel = panel
        self.tell = tell
        self.shared: collections.OrderedDict[tuple[str, str, str, int], Shared] = (
            collections.OrderedDict()
        )
        self.changed: dict[tuple[str, str, str, int], Shared] = {}  # since the last flush
        self.shown: dict[str, int] = {}  # by role: what the marks in the picture add up to
        self.number = 0

    def change(self, one: Any, who: str, old: str, new: str, t: float) -> None:
        """The message `one`, which `who` has not received, had the mark `old` and gets `new`."""
        if one.told:
            self.shown[who] = self.shown.get(who, 0) + bool(new) - bool(old)
            if new:
                self.tell({**self.about(new, one, who, one.number, t), "missed": self.shown[who]})
            return
        for kind, step in ((old, -1), (new, 1)):
            if kind:
                self.count(one, who, kind, step, t)

    def about(self, kind: str, one: Any, who: str, number: int | str, t: float) -> Event:
        _, topic, sequence, _ = one.key
        return {"k": kind, "p": self.panel, "r": who, "from": one.who, "topic": topic,
                "n": sequence, "id": number, "t0": one.t, "t": t}  # fmt: skip

    def count(self, one: Any, who: str, kind: str, step: int, t: float) -> None:
        key = (who, one.who, kind, int(one.t // SHARED_MS))
        mark = self.shared.get(key)
        if mark is None:
            if step < 0:  # it is too old to change
                self.shown[who] = self.shown.get(who, 0) + step
                return
            self.number += 1
            mark = self.shared[key] = Shared(self.about(kind, one, who, f"s{self.number}", t))
            if len(self.shared) > SHARED_MOST:
                self.shared.popitem(last=False)
        mark.count += step
        self.changed[key] = mark

    def flush(self, t: float) -> None:
        """Tells the marks that have changed."""
        changed, self.changed = list(self.changed.values()), {}
        for mark in changed:
            who = mark.event["r"]
            self.shown[who] = self.shown.get(who, 0) + mark.count - mark.told
            mark.told = mark.count
            self.tell({**mark.event, "t": t, "count": mark.count, "missed": self.shown[who]})
