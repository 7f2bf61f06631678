"""The figures of the recorded run that stand in documents: where, and how each is made from it.

tools/bench/publish writes them there; a test holds the documents against the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cases import number, times
from harness.files import OutputFile
from harness.panels import ROOT

RECORDED = ROOT / "tools" / "bench" / "RESULTS.json.gz"
PANELS = ("raw", "zmq", "nanomsg", "nng")
LIBRARIES = PANELS[1:]
USUAL = {
    "transport": "tcp",
    "placement": "one core",
    "size": 64,
    "queue": 1000,
    "rate": 0,
    "peers": 1,
}

Results = dict[str, Any]


@dataclass(frozen=True)
class Stated:
    """A text in a document, with a group for each figure; a space stands for any white space."""

    document: str
    pattern: str
    figures: Callable[[Results], list[str]]

    def find(self, text: str) -> re.Match[str] | None:
        return re.search(self.pattern.replace(" ", r"\s+"), text)


def cell_of(results: Results, panel: str, **case: Any) -> dict[str, Any]:
    """A panel's figures in a case."""
    wanted = {**USUAL, **case, "competitor": panel}
    return next(
        cell for cell in results["cells"] if all(cell[key] == wanted[key] for key in wanted)
    )


def median_of(results: Results, panel: str, metric: str, **case: Any) -> float:
    return float(cell_of(results, panel, **case)["metrics"][metric]["median"])


def of_panels(name: str, figure: Callable[[Results, str], str]) -> Stated:
    """A row of CHOOSING.md's table: a figure of each panel."""
    pattern = re.escape(name).replace(r"\ ", " ") + r" \|" + r" (\S+) \|" * len(PANELS)

    def figures(results: Results) -> list[str]:
        return [figure(results, panel) for panel in PANELS]

    return Stated("CHOOSING.md", pattern, figures)


def row(name: str, metric: str, write: Callable[[float], str] = number, **case: Any) -> Stated:
    return of_panels(name, lambda results, of: write(median_of(results, of, metric, **case)))


ONE_SUBSCRIBER = {"bench": "throughput", "placement": "two cores", "queue": -1}
SHORT_QUEUES = {"bench": "throughput", "placement": "two cores"}
MANY_SUBSCRIBERS = {"bench": "fanout", "placement": "free", "queue": -1, "peers": 256}


def lossless_rate(results: Results, panel: str) -> str:
    (one,) = (one for one in results["lossless"] if (one["panel"], one["size"]) == (panel, 64))
    return "-" if one.get("failed") else ">=" * bool(one.get("at_least")) + number(one["rate"])


def losses(results: Results) -> list[str]:
    shares = (
        median_of(results, "nng", "lost_share", **case)
        for case in (ONE_SUBSCRIBER, MANY_SUBSCRIBERS)
    )
    return [f"{100 * share:.0f}" for share in shares]


def round_trips_beside_baselines(results: Results) -> list[str]:
    """Of the libraries, 64 B on one core: the least and the most."""
    found = [
        value["median"]
        for transport in ("tcp", "ipc")
        for panel in LIBRARIES
        for cell in [cell_of(results, panel, bench="latency", transport=transport)]
        for name, value in cell["ratios"].items()
        if name.startswith("baseline")
    ]
    return [times(min(found)), times(max(found))]


STATED = [
    row("round trip on one core, p50, us", "p50", bench="latency"),
    row("round trip on two cores, p50, us", "p50", bench="latency", placement="two cores"),
    row(
        "round trip on any cores, not pinned, p50, us",
        "p50",
        bench="latency",
        placement="free",
    ),
    row(
        "round trip at 1000 requests a second, one core, p50, us",
        "p50",
        bench="latency",
        rate=1000,
    ),
    row(
        "processor time of these, both ends, % of one core",
        "cpu_us",
        lambda us: f"{us / 10:.1f}",
        bench="latency",
        rate=1000,
    ),
    row("events delivered a second to one subscriber, queues of 1000", "rate", **SHORT_QUEUES),
    row(
        "events lost of these, queues of 1000, %",
        "lost_share",
        lambda share: f"{100 * share:.0f}",
        **SHORT_QUEUES,
    ),
    of_panels("highest rate at which none is lost, queues of 1000, events a second", lossless_rate),
    row("events delivered a second to one subscriber, long queues", "rate", **ONE_SUBSCRIBER),
    row(
        "events delivered a second to 256 subscribers, all together, long queues",
        "rate",
        **MANY_SUBSCRIBERS,
    ),
    row(
        "server's memory with 5000 idle clients, MiB",
        "server_resident_kib",
        lambda kib: f"{kib / 1024:.1f}",
        bench="connections",
        peers=5000,
    ),
    Stated(
        "CHOOSING.md",
        r"`nng` lost (\d+) % of the events to one subscriber and (\d+) % of those to 256",
        losses,
    ),
    Stated(
        "tools/bench/README.md",
        r"a round trip of 64 B with a library takes ([\d.]+) to ([\d.]+) times as long as the "
        r"library's baseline",
        round_trips_beside_baselines,
    ),
]


def restate(results: Results, root: Path = ROOT) -> list[str]:
    """Writes the figures into the documents; returns what was changed, or not found, in lines."""
    told = []
    for one in STATED:
        path = root / one.document
        text = path.read_text()
        match = one.find(text)
        if match is None:
            told.append(f"{one.document}: has no text like: {one.pattern}")
            continue
        figures = one.figures(results)
        for group in range(len(figures), 0, -1):
            if match[group] != figures[group - 1]:
                told.append(f"{one.document}: {match[group]}, now {figures[group - 1]}")
            text = text[: match.start(group)] + figures[group - 1] + text[match.end(group) :]
        OutputFile(one.document, path).write(text)
    return told
