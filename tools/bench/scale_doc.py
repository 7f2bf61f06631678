"""The document SCALE.md, made from the JSON of bench --scale, and from nothing else."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.results import harmless
from bench.scale import (
    CHECKS, FEW, FORMAT, FULL_PEERS, MANY, VERSION, Point, line, predicted_cpu, predicted_kib,
)
from bench.stats import median

COLUMNS = 100
WANTED = (1, 100, 10_000)  # events a second
LINE_BYTES = 125e6  # a second: 1 Gbit/s
HEADERS = 90  # bytes of a segment that are not its data: Ethernet 38 (with the gap), IP 20, TCP 32
SEGMENT = 1448  # bytes of data of a full segment, Ethernet's 1500 less IP and TCP
MEMORY_KIB = 1 << 20  # 1 GiB
ALL = 1_000_000  # subscribers of the tree
HALF = 0.5  # of its capacity: what a relay of the tree is planned with

Results = dict[str, Any]


def read(path: Path) -> Results:
    """ValueError with one sentence if the file is none of ours."""
    try:
        results = json.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (UnicodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not JSON") from error
    if (
        not isinstance(results, dict)
        or (results.get("format"), results.get("version")) != (FORMAT, VERSION)
    ):
        raise ValueError(f"{path}: not written by bench --scale --json")
    found: Results = harmless(results)
    return found


def paragraph(*sentences: str) -> list[str]:
    return textwrap.wrap(" ".join(filter(None, sentences)), COLUMNS, break_on_hyphens=False)


def rounded(count: int) -> str:
    """Two digits that count: a model is not surer than that."""
    unit = 10 ** max(0, len(str(count)) - 2)
    return f"{round(count / unit) * unit:,}"


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|",
        *("| " + " | ".join(r) + " |" for r in rows), "",
    ]


def points(panel: dict[str, Any], rate: int) -> list[Point]:
    """The two ends of the line at that rate;
    empty where they, or an event's bytes, were not measured."""
    return (
        [Point(**point) for point in panel["lines"].get(str(rate), [])]
        if panel.get("bytes") else []
    )


def full_cost(panel: dict[str, Any]) -> float | None:
    """Microseconds of CPU of an event that arrived at one subscriber, at full speed."""
    full = panel.get("full")
    if not full or not panel.get("bytes") or not full["bytes_rate"]:
        return None
    return float(full["cpu"] / (full["bytes_rate"] / panel["bytes"]) * 1e6)


def kib_each(panel: dict[str, Any]) -> float | None:
    ends = points(panel, 10)
    return (predicted_kib(ends, MANY + 1000) - predicted_kib(ends, MANY)) / 1000 if ends else None


def bounds(panel: dict[str, Any], rate: int) -> dict[str, float]:
    """By what limits it: how many subscribers one publisher serves at that rate."""
    found: dict[str, float] = {}
    if rate <= 100:
        ends = points(panel, 10 if rate < 10 else 100)
        if ends:
            event, each = line(ends, panel["bytes"])
            found["CPU"] = max(0.0, (1e6 / rate - event) / each) if each > 0 else math.inf
    elif cost := full_cost(panel):
        found["CPU"] = 1e6 / rate / cost
    if (each_kib := kib_each(panel)) and each_kib > 0:
        found["memory"] = MEMORY_KIB / each_kib
    if size := panel.get("bytes"):
        # Alone an event is a segment of its own; at 10,000 a second several share one.
        sent = size + HEADERS if rate <= 100 else size * (1 + HEADERS / SEGMENT)
        found["line"] = LINE_BYTES / (rate * sent)
    return found


def capacity(panel: dict[str, Any], rate: int) -> tuple[int, str] | None:
    """How many subscribers, and what limits them."""
    found = bounds(panel, rate)
    if "CPU" not in found:
        return None
    limit = min(found, key=lambda name: found[name])
    return int(found[limit]), limit


def shown(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def costs(results: Results) -> list[str]:
    rows = []
    for panel in results["panels"]:
        row = [panel["label"]]
        for rate in (10, 100):
            ends = points(panel, rate)
            event, each = line(ends, panel["bytes"]) if ends else (None, None)
            row += [f"{shown(event, 1)} + {shown(each)}"]
        row += [shown(full_cost(panel), 3), shown(kib_each(panel)), shown(panel.get("bytes"), 0)]
        rows.append(row)
    heads = ["panel", "CPU us at 10/s", "at 100/s", "at full speed", "KiB", "bytes"]
    return [
        "## What was measured",
        "",
        *paragraph(
            "CPU time of the publisher, all threads and the kernel's work for them: "
            "of an event, and of each",
            f"subscriber more (a straight line through {FEW} and {MANY} subscribers). At full "
            "speed events are collected and",
            f"written together: the CPU time of an event that arrived at one of {FULL_PEERS} "
            "subscribers. KiB: resident memory",
            "of each connection more, files not counted. Bytes: of an event on the wire, framing "
            "included, counted by the tap.",
        ),
        *table(heads, rows),
    ]


def served(results: Results) -> list[str]:
    rows = []
    for panel in results["panels"]:
        found = [capacity(panel, rate) for rate in WANTED]
        rows.append(
            [panel["label"], *(f"{rounded(one[0])} ({one[1]})" if one else "-" for one in found)]
        )
    return [
        "## How many subscribers one publisher serves",
        "",
        *paragraph(
            "Three limits are computed from these costs: one processor fully used, 1 GiB of",
            f"memory, and a line of 1 Gbit/s ({HEADERS} bytes of headers for each segment). The",
            "table has the smallest of the three, and its name. For 1/s the costs at 10/s count,",
            "for 10,000/s those at full speed.",
            colder(results),
        ),
        *table(["panel", *(f"at {rate:,}/s" for rate in WANTED)], rows),
    ]


def tree_of(fan: int) -> tuple[int, int] | None:
    """Levels below the publisher, and relays, of the smallest tree for ALL subscribers."""
    if fan < 2:
        return None
    levels, relays, nodes = 1, 0, ALL
    while nodes > fan:
        nodes = math.ceil(nodes / fan)
        relays += nodes
        levels += 1
    return levels, relays


def trees(results: Results) -> list[str]:
    rows = []
    for panel in results["panels"]:
        row = [panel["label"]]
        for rate in WANTED:
            found = capacity(panel, rate)
            tree = tree_of(int(found[0] * HALF)) if found else None
            row.append(
                "-" if tree is None
                else f"{tree[0]} levels, {rounded(tree[1])} relays" if tree[1]
                else "1 level"
            )
        rows.append(row)
    return [
        f"## A tree for {ALL:,} subscribers",
        "",
        *paragraph(
            "A relay is a subscriber and a publisher in one process. Each serves half of the "
            "number above, so that half of",
            "its processor, memory or line is left; receiving is not counted. Levels: how often an "
            "event is sent on its way.",
        ),
        *table(["panel", *(f"at {rate:,}/s" for rate in WANTED)], rows),
    ]


def filtering(results: Results) -> list[str]:
    rows = []
    for panel in results["panels"]:
        everything, one = panel.get("all_topics"), panel.get("one_topic")
        if not everything or not one:
            continue
        sent = [point["bytes_rate"] / point["rate"] / point["peers"] for point in (everything, one)]
        cpu = [point["cpu"] / point["rate"] * 1e6 / point["peers"] for point in (everything, one)]
        where = "publisher" if sent[1] < HALF * sent[0] else "subscriber"
        saved = [
            f"{1 - after / before:.0%}" if where == "publisher" else "nothing"
            for before, after in (sent, cpu)
        ]
        rows.append([panel["label"], where, f"{sent[0]:.0f}, {sent[1]:.0f}", saved[0],
                     f"{cpu[0]:.2f}, {cpu[1]:.2f}", saved[1]])  # fmt: skip
    return [
        "## What filtering at the publisher saves",
        "",
        *paragraph(
            f"{FULL_PEERS} subscribers at 100/s want everything, then one of {results['topics']}",
            "topics. Bytes and CPU time (us) are of each event that was published, and of each",
            "subscriber: first for everything, then for one topic. Where the subscriber filters,",
            "the publisher sends it all events, and saves nothing.",
        ),
        *table(["panel", "filters at the", "bytes", "saved", "CPU us", "saved"], rows),
    ]


@dataclass
class Check:
    """A run with many subscribers, and what the line said of it."""

    label: str
    point: Point
    cpu: float  # predicted
    kib: float

    @property
    def cpu_error(self) -> float:
        return self.cpu / self.point.cpu - 1

    @property
    def memory_error(self) -> float:
        return self.kib / self.point.memory_kib - 1


ERRORS: list[tuple[str, Callable[[Check], float]]] = [
    ("CPU time", lambda check: check.cpu_error),
    ("memory", lambda check: check.memory_error),
]


def all_checks(results: Results) -> list[Check]:
    found = []
    for panel in results["panels"]:
        for check in panel["checks"]:
            point = Point(**check)
            ends = points(panel, point.asked)
            cpu = predicted_cpu(ends, panel["bytes"], point.peers, point.events(panel["bytes"]))
            found.append(Check(panel["label"], point, cpu, predicted_kib(ends, point.peers)))
    return found


def signed(share: float) -> str:
    return f"{round(100 * share):+d}%"


def error_of(what: str, errors: list[float]) -> str:
    sizes = [abs(error) for error in errors]
    return f"{what}: median {median(sizes):.0%}, at most {max(sizes):.0%}"


def checks(results: Results) -> list[str]:
    done = all_checks(results)
    rows = [
        [one.label, f"{one.point.asked}", f"{one.point.peers}",
         f"{one.cpu:.1%}", f"{one.point.cpu:.1%}", signed(one.cpu_error),
         f"{one.kib / 1024:.1f}", f"{one.point.memory_kib / 1024:.1f}", signed(one.memory_error)]
        for one in done
    ]  # fmt: skip
    heads = ["panel", "events/s", "subscribers", "CPU predicted", "CPU measured", "error"]
    heads += ["MiB predicted", "MiB measured", "error"]
    many = " and ".join(map(str, CHECKS))
    told = [
        "## Is the model right?",
        "",
        *paragraph(
            f"The same lines, drawn on to {many} subscribers, beside runs with so many. An error",
            "of +10% means that the model predicts a tenth too much. No run was made that needs",
            "more than 0.7 of a processor.",
        ),
        *table(heads, rows),
    ]
    errors = [
        error_of(f"Error of the {what} with {peers} subscribers", [error(one) for one in some])
        for what, error in ERRORS
        for peers in CHECKS
        if (some := [one for one in done if one.point.peers == peers])
    ]
    return [*told, *(f"- {error}." for error in errors)]


def from_to(found: list[tuple[int, str]]) -> str:
    """The least and the most of some numbers, and whose they are."""
    ends = dict.fromkeys(rounded(number) for number, _ in sorted(found))
    least, *_, most = [*ends] * 2
    if least == most:
        return least
    whose = [
        " and ".join(label for number, label in found if rounded(number) == end)
        for end in (least, most)
    ]
    return f"{least} ({whose[0]}) to {most} ({whose[1]})"


def in_short(results: Results) -> list[str]:
    """The answers, before the tables that they come from."""
    told = []
    for rate in WANTED:
        found = [
            (one[0], panel["label"].partition(" (")[0])
            for panel in results["panels"]
            if (one := capacity(panel, rate))
        ]
        if found:
            what = "event" if rate == 1 else "events"
            serves = f"one publisher serves {from_to(found)} subscribers"
            told.append(f"At {rate:,} {what} a second {serves}.")
    told.append(
        "What ends it first is one processor, 1 GiB of memory, or the line; the table below says "
        "which. But each subscriber needs a file descriptor. The panels' programs raise the limit "
        "of these as far as the system allows. In a program that does not, that limit may come "
        "first (`ulimit -n`, often 1024)."
    )
    sizes = [abs(one.cpu_error) for one in all_checks(results)]
    if not sizes:
        return items(told)
    factor = max(max(1 + one.cpu_error, 1 / (1 + one.cpu_error)) for one in all_checks(results))
    return items(
        [
            *told,
            f"The model is checked by runs with {' and '.join(map(str, CHECKS))} subscribers: the "
            f"CPU time that it predicts is wrong by {median(sizes):.0%} in the median, and by "
            f"{max(sizes):.0%} at most. So a number that the CPU limits is right "
            f"within a factor of {factor:.1f}, as far as these runs tell.",
        ]
    )


def colder(results: Results) -> str:
    """Whether a subscriber costs more where events are rarer; empty: not so, or not known."""
    pairs = [
        (line(points(panel, 10), panel["bytes"])[1], line(points(panel, 100), panel["bytes"])[1])
        for panel in results["panels"]
        if points(panel, 10) and points(panel, 100)
    ]
    if not pairs or not all(slow > fast for slow, fast in pairs):
        return ""
    return (
        "With every panel a subscriber costs more CPU time an event at 10/s than at 100/s. At 1/s, "
        "which was not measured, it may cost more again, and then these numbers are too high."
    )


LIMITS = (
    "All of it ran on one machine over the loopback interface. There the kernel's work for the "
    "receiving end is done in the sender's call and counted as the publisher's CPU time. On a "
    "network the receiver does that part, and the driver of a network card adds its own.",
    "The subscribers are connections of one program that reads and throws away. Nothing was slow, "
    "and no line delayed anything.",
    "The kernel's memory for a connection is not counted.",
    "One processor: a library whose I/O threads share the work over "
    "several processors serves more.",
)


def items(sentences: Iterable[str]) -> list[str]:
    return [
        line
        for text in sentences
        for line in textwrap.wrap(
            text, COLUMNS, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
    ]


def document(results: Results) -> str:
    info = results["machine"]
    known = [results["versions"].get(panel["panel"], "?") for panel in results["panels"]]
    told = [
        "# Past one machine, on paper",
        "",
        *paragraph(
            "How many subscribers could one publisher serve? This document computes it from "
            "measured costs, and checks the",
            "model against runs. A command made it; nobody wrote a figure in it by hand:",
        ),
        "",
        "```",
        "./triptych bench --scale --json tools/bench/SCALE.json > tools/bench/SCALE.md",
        "```",
        "",
        *paragraph(
            f"Run of {results['started'][:10]}, {results['seconds'] / 60:.0f} minutes. "
            f"{info['cpu']}, {info['cpus']} processors; load before:",
            f"{info['load_before'][0]:.1f}. {'; '.join(known)}. Bodies of",
            f"{results['size']} bytes. Each figure is the median of {results['times']} windows of "
            f"{results['window_seconds']} s.",
        ),
        "",
        "## In short",
        "",
        *in_short(results),
        "",
        *costs(results),
        *served(results),
        *trees(results),
        *filtering(results),
        *checks(results),
    ]
    missing = [
        f"{panel['label']}: {what}" for panel in results["panels"] for what in panel["failed"]
    ]
    told += ["", "Not measured:", "", *items(missing)] if missing else []
    told += ["", "## What this does not tell", "", *items(LIMITS)]
    return "\n".join(told).replace("\n\n\n", "\n\n") + "\n"
