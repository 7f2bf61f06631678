"""A stream of events: one writes them, in any thread; pages read them, each at its own pace.

The newest events are kept. A page that comes later, or comes back, begins with the oldest of
these. A page that is slower than the events misses some, and is told how many.
"""

from __future__ import annotations

import collections
import itertools
import json
import threading
from typing import Any

Event = dict[str, Any]

KEPT = 20000  # events
KEPT_SIZE = 8 << 20  # characters of them: a run may say long texts
AT_ONCE = 400  # events that are given to a page together


def encoded(event: Event) -> str:
    """Kept as JSON: smaller than the objects, and made once for all pages."""
    return json.dumps(event, separators=(",", ":"))


class Stream:
    def __init__(self, name: str, kept: int = KEPT, kept_size: int = KEPT_SIZE):
        self.name = name
        self.events: collections.deque[str] = collections.deque()
        self.kept, self.kept_size = kept, kept_size
        self.size = 0  # of these
        self.count = 0  # of all events so far
        self.latest: dict[str, str] = {}  # by key: what a newer one replaces, such as counters
        self.changes: dict[str, int] = {}  # by key: how often it was replaced
        self.places: dict[str, int] = {}  # by key: how many events had been told before it
        self.readers = 0
        self.ended = False
        self.lock = threading.Lock()

    def tell(self, event: Event) -> None:
        line = encoded(event)
        with self.lock:
            self.events.append(line)
            self.size += len(line)
            self.count += 1
            while len(self.events) > self.kept or self.size > self.kept_size:
                self.size -= len(self.events.popleft())

    def show(self, key: str, event: Event) -> None:
        """An event of which only the newest matters.
        A page gets it behind the events told before it."""
        line = encoded(event)
        with self.lock:
            self.latest[key] = line
            self.changes[key] = self.changes.get(key, 0) + 1
            self.places[key] = self.count

    def end(self) -> None:
        self.ended = True


class Reader:
    """Where one page stands in a stream."""

    def __init__(self, stream: Stream):
        self.stream = stream
        self.at = 0
        self.seen: dict[str, int] = {}

    def next(self) -> list[str]:
        """What the page has not had yet, in JSON: none, some,
        or AT_ONCE events and the newest of each key."""
        stream = self.stream
        with stream.lock:
            oldest = stream.count - len(stream.events)
            missed = max(0, oldest - self.at)
            start = max(self.at, oldest)
            found = list(itertools.islice(stream.events, start - oldest, start - oldest + AT_ONCE))
            first = self.at == 0
            self.at = start + len(found)
            newest = [
                key for key, n in stream.changes.items()
                if self.seen.get(key) != n and stream.places[key] <= self.at
            ]
            for key in sorted(newest, key=lambda key: stream.places[key], reverse=True):
                found.insert(max(0, stream.places[key] - start), stream.latest[key])
            self.seen.update((key, stream.changes[key]) for key in newest)
        if missed:
            found.insert(0, encoded({"k": "skipped", "count": missed, "before": first}))
        return found

    @property
    def done(self) -> bool:
        """Whether the stream has ended and the page has had all of it."""
        return self.stream.ended and self.at >= self.stream.count
