"""./triptych bench --scale: what an event costs a publisher,
and how many subscribers it could serve.

Measures each panel's publisher in front of up to 2000 connections of one program that reads and
throws away (bench-idle). Costs at few subscribers become a model, which is a straight line; runs
with many check it. scale_doc.py says what follows, as a document made from the JSON alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from bench.costs import wire_bytes
from bench.kinds import Case, stage_for
from bench.machine import build_type, machine
from bench.run import RUN_SECONDS, TWO, Baseline, BenchStage, Failed, possible, summary_of
from bench.session import why
from bench.stats import median
from harness.here import versions
from harness.panels import Panel
from harness.stage import Player
from harness.threads import cpu_seconds

FORMAT = "triptych-scale"
VERSION = 1
SIZE = 64  # bytes of a body
QUEUE = 1000
RATES = (10, 100)  # events a second at which the line is drawn: each event is sent alone
FEW, MANY = 32, 256  # subscribers at its two ends
CHECKS = (512, 2000)  # subscribers for which the line is checked
FULL_PEERS = 64  # subscribers of a publisher at full speed
TOPICS = 10  # of which a subscriber wants one, where filtering is measured
TIMES = 3  # each is measured so often; the median counts
FAILURES_MAX = 2  # windows that may fail and be measured again
WINDOW_SECONDS = 1.2  # over which CPU time is counted
SETTLE_SECONDS = 0.3
BUSY_MAX = 0.7  # of a processor: more is not asked of a publisher that is to keep its rate
KEPT = 0.5  # of the rate: a publisher that had less sent several events at once
PROTOCOLS = {"raw": "raw-sub", "zmq": "zmtp-sub", "nanomsg": "sp-sub", "nng": "sp-sub"}

Results = dict[str, Any]


@dataclass
class Point:
    """One measurement: what a publisher with so many subscribers used."""

    peers: int
    asked: int  # events a second; 0: as fast as it can
    rate: float  # and what it sent
    cpu: float  # processors' time in use: 0.5 is half of one
    memory_kib: float  # resident, and its own: not what it maps of files
    bytes_rate: float  # bytes a second that arrived at all subscribers
    topics: int = 1

    def events(self, size: float) -> float:
        """Events a second that arrived at each subscriber, of so many bytes. On a busy machine they
        are fewer than were published for a while, and the CPU time is of these."""
        return self.bytes_rate / size / self.peers


@contextlib.contextmanager
def publishing(panel: Panel, rate: int, topics: int) -> Iterator[tuple[BenchStage, Player, str]]:
    """A publisher that publishes until it is stopped."""
    with stage_for(Case("fanout", placement=possible(TWO))) as stage:
        url = stage.url("tcp")
        arguments = ["--quiet", "-u", url, "-n", "0", "-s", str(SIZE), "-q", str(QUEUE)]
        arguments += [word for i in range(topics) for word in ("-T", f"{i}.")] if topics > 1 else []
        publisher = stage.play(
            panel, "pub", "publisher", *arguments, *(["-r", str(rate)] if rate else [])
        )
        stage.need_ready(publisher)
        yield stage, publisher, url


def measure(panel: Panel, peers: int, rate: int, topics: int = 1) -> Point:
    """One window of a publisher with so many subscribers; rate 0: as fast as it can."""
    reader = Baseline("bench-idle", "tools/bench", "subscribers", "white")
    with publishing(panel, rate, topics) as (stage, publisher, url):
        wanted = ["-T", "0."] if topics > 1 else []
        subscribers = stage.play(
            reader, PROTOCOLS[panel.name], "subscribers", "-u", url, "-c", str(peers), *wanted
        )
        stage.need_ready(subscribers, RUN_SECONDS)
        stage.pause(SETTLE_SECONDS)
        subscribers.events.clear()
        used, began = cpu_seconds(publisher.pid), time.monotonic()
        stage.pause(WINDOW_SECONDS)
        used, seconds = cpu_seconds(publisher.pid) - used, time.monotonic() - began
        memory = publisher.figure("RssAnon")
        told = [event for event in subscribers.events if event.get("event") == "bytes"]
        stage.stop([publisher, subscribers])
        kept = summary_of(publisher)["rate"] or 0.0
    if len(told) < 2:
        raise Failed(f"{panel.name}: the subscribers have not told what they received")
    if rate and kept < KEPT * rate:
        raise Failed(
            f"{panel.name}: {kept:.0f} events a second of {rate}, with {peers} subscribers"
        )
    received = [told[-1][name] - told[0][name] for name in ("received", "us")]
    return Point(peers, rate, kept, used / seconds, memory, received[0] / received[1] * 1e6, topics)


def repeated(panel: Panel, peers: int, rate: int, topics: int = 1) -> Point:
    """The median of some windows, figure by figure."""
    points: list[Point] = []
    failures: list[Exception] = []
    while len(points) < TIMES:
        try:
            points.append(measure(panel, peers, rate, topics))
        except (Failed, OSError) as error:
            failures.append(error)
            if len(failures) > FAILURES_MAX:
                raise
    names = ("rate", "cpu", "memory_kib", "bytes_rate")
    middle = {name: round(median([getattr(point, name) for point in points]), 6) for name in names}
    return Point(peers, rate, topics=topics, **middle)


def line(points: list[Point], size: float) -> tuple[float, float]:
    """Microseconds of CPU of an event, and of each subscriber more: the line through two points."""
    few, many = sorted(points, key=lambda point: point.peers)
    cost = [point.cpu / point.events(size) * 1e6 for point in (few, many)]
    each = (cost[1] - cost[0]) / (many.peers - few.peers)
    return max(0.0, cost[0] - each * few.peers), each


def predicted_cpu(points: list[Point], size: float, peers: int, rate: float) -> float:
    """Of a processor, by the line."""
    event, each = line(points, size)
    return rate * (event + each * peers) * 1e-6


def predicted_kib(points: list[Point], peers: int) -> float:
    """Resident memory, by the line through the same points."""
    few, many = sorted(points, key=lambda point: point.peers)
    each = (many.memory_kib - few.memory_kib) / (many.peers - few.peers)
    return few.memory_kib + each * (peers - few.peers)


def measure_panel(panel: Panel, progress: Callable[[str], None]) -> dict[str, Any]:
    """All that the document needs of one panel; "failed" says what is missing, and why."""
    found: dict[str, Any] = {
        "panel": panel.name, "label": panel.heading, "lines": {}, "checks": [], "failed": [],
    }

    @contextlib.contextmanager
    def going_on(what: str) -> Iterator[None]:
        progress(f"{panel.name}: {what}")
        try:
            yield
        except Exception as error:  # whatever it is: the rest is measured
            found["failed"].append(f"{what}: {why(error)}")

    with going_on("bytes of an event"):
        found["bytes"] = wire_bytes(panel, ("pub", "sub"))["from_server"]
    for rate in RATES:
        with going_on(f"{rate}/s"):
            points = [repeated(panel, peers, rate) for peers in (FEW, MANY)]
            found["lines"][str(rate)] = [asdict(point) for point in points]
            for peers in CHECKS:
                if predicted_cpu(points, found["bytes"], peers, rate) > BUSY_MAX:
                    continue
                with going_on(f"{rate}/s to {peers}"):
                    check = asdict(repeated(panel, peers, rate))
                    found["checks"].append(check)
    with going_on("full speed"):
        found["full"] = asdict(repeated(panel, FULL_PEERS, 0))
    with going_on("one topic of ten"):
        found["all_topics"] = asdict(repeated(panel, FULL_PEERS, RATES[-1]))
        found["one_topic"] = asdict(repeated(panel, FULL_PEERS, RATES[-1], TOPICS))
    return found


def measure_all(panels: list[Panel], progress: Callable[[str], None]) -> Results:
    began = time.monotonic()
    found = [measure_panel(panel, progress) for panel in panels if panel.name in PROTOCOLS]
    return {
        "format": FORMAT,
        "version": VERSION,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - began, 1),
        "machine": machine(),
        "build": build_type(),
        "versions": versions(panels),
        "size": SIZE,
        "times": TIMES,
        "window_seconds": WINDOW_SECONDS,
        "topics": TOPICS,
        "panels": found,
    }
