"""The benchmark's tables, in the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.goals import Goal
from bench.kinds import Case
from bench.results import ratio_targets
from bench.run import OTHERS_MAX, SLOW_MAX, STEAL_MAX
from bench.session import EXTRA_ROUNDS, Cell, ratio_of
from bench.stats import Interval, equal_groups
from bench.words import RATIO_METRICS, number
from harness.panels import Panel
from harness.terminal import BROWN, GREEN, RED, TEXT_WIDTH

QUEUES = {-1: "queue as long as the run", 0: "each library's own queue"}
WIDE = 150  # columns from which a table has all that it can have
BEHIND = 0.95  # of the rate asked for: below, a row says what it kept


def with_interval(figure: Interval | None, write: Callable[[float], str] = number) -> str:
    if figure is None:
        return "-"
    if figure.n == 1:
        return write(figure.median)
    return f"{write(figure.median)} [dim]{write(figure.low)}..{write(figure.high)}[/]"


def plain(cell: Cell, name: str) -> str:
    figure = cell.figure(name)
    return number(figure.median) if figure else "-"


def both(cell: Cell, name: str) -> str:
    return f"{plain(cell, 'client_' + name)} + {plain(cell, 'server_' + name)}"


def memory(cell: Cell, name: str) -> str:
    figure = cell.figure(name)
    return f"{figure.median / 1024:.1f}" if figure else "-"


def share(cell: Cell, name: str) -> str:
    figure = cell.figure(name)
    return f"{figure.median:.1%}" if figure else "-"


@dataclass(frozen=True)
class Column:
    heading: str
    write: Callable[[Cell], str]
    always: bool = False  # in a narrow table, too


ROUND_TRIP_COLUMNS = [
    Column("min", lambda c: plain(c, "min")),
    Column("p50 us", lambda c: with_interval(c.figure("p50")), True),
    Column("p90", lambda c: plain(c, "p90")),
    Column("p99", lambda c: plain(c, "p99"), True),
    Column("p99.9", lambda c: plain(c, "p999")),
    Column("max", lambda c: plain(c, "max")),
    Column("mean", lambda c: plain(c, "mean")),
    Column("jitter", lambda c: plain(c, "jitter")),
    Column("CPU us/msg", lambda c: both(c, "cpu_us")),
    Column("switches/msg", lambda c: both(c, "switches")),
    Column("MiB", lambda c: memory(c, "server_resident_kib"), True),
]
PUBLISH_COLUMNS = [
    Column("delivered/s", lambda c: with_interval(c.figure("rate")), True),
    Column("bytes/s", lambda c: plain(c, "bytes_rate")),
    Column("lost", lambda c: share(c, "lost_share"), True),
    Column("CPU us/msg", lambda c: both(c, "cpu_us")),
    Column("pub's CPU", lambda c: share(c, "server_cpu_share")),
    Column("switches/msg", lambda c: both(c, "switches")),
    Column(
        "MiB sub + pub",
        lambda c: f"{memory(c, 'client_memory_kib')} + {memory(c, 'server_memory_kib')}",
    ),
]
FANOUT_COLUMNS = [
    *PUBLISH_COLUMNS[:3],
    Column("worst one's/s", lambda c: plain(c, "worst"), True),
    *PUBLISH_COLUMNS[3:],
]
COLUMNS = {
    "latency": ROUND_TRIP_COLUMNS,
    "connections": ROUND_TRIP_COLUMNS,
    "throughput": PUBLISH_COLUMNS,
    "fanout": FANOUT_COLUMNS,
}


def times(value: float) -> str:
    """A ratio."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def ratios(cell: Cell, group: list[Cell], wide: bool) -> list[str]:
    """To its own baseline and to raw; a baseline has no baseline."""
    targets = ratio_targets(cell, group)
    shown = []
    own = next((name for name in targets if name.startswith("baseline")), None)
    for name in (own, "raw"):
        other = next((c for c in group if c.competitor.name == name), None)
        value = None
        if other and other is not cell:
            value = ratio_of(cell, other, RATIO_METRICS[cell.case.bench])
        if wide:
            shown.append(with_interval(value, times))
        else:
            shown.append(times(value.median) if value else "-")
    return shown


def title_of(cell: Cell) -> str:
    case = cell.case
    words = [case.bench, case.transport, f"{case.size} B bodies", case.placement]
    if case.bench == "fanout":
        words.append(f"{case.peers} subscriber{'s' if case.peers > 1 else ''}")
    if case.bench == "connections":
        words.append(f"{case.peers} idle clients")
    if case.publishes:
        words.append(QUEUES.get(case.queue, f"queue {case.queue}"))
    if case.rate:
        words.append(f"open loop, {case.rate}/s from the intended time")
    elif case.bench == "latency":
        words.append("closed loop")
    return ", ".join(words)


def name_of(cell: Cell) -> str:
    """What stands in front of a row: who, and what to know of its figures."""
    who = cell.competitor
    name = f"  {who.name} ({who.heading})" if cell.kind == "baseline" else who.heading
    name += "*" if cell.disturbed else ""
    notes = []
    if cell.kind != "tool" and 0 < len(cell.counting) < cell.wanted:
        notes.append(f"{len(cell.counting)} runs")
    kept = cell.figure("rate")
    if cell.case.rate and kept and kept.median < BEHIND * cell.case.rate:
        notes.append(f"kept {number(kept.median)}/s")
    style = who.colour if cell.kind == "panel" else f"dim {who.colour}"
    return f"[{style}]{name}{' (' + ', '.join(notes) + ')' if notes else ''}[/]"


def show_group(console: Console, group: list[Cell]) -> None:
    """One case: a row a competitor, and who cannot be told apart."""
    wide = console.width >= WIDE
    columns = [column for column in COLUMNS[group[0].case.bench] if wide or column.always]
    table = Table(title=title_of(group[0]), title_justify="left", box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for column in columns:
        table.add_column(column.heading, justify="right", no_wrap=True)
    for heading in ("/baseline", "/raw"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in group:
        if cell.counting:
            table.add_row(
                name_of(cell), *[c.write(cell) for c in columns], *ratios(cell, group, wide)
            )
    console.print(table)
    metric = RATIO_METRICS[group[0].case.bench]
    figures = {c.competitor.name: c.figure(metric) for c in group if c.kind == "panel"}
    for equal in equal_groups({name: figure for name, figure in figures.items() if figure}):
        console.print(f"[dim]equal: {', '.join(equal)} (their intervals overlap)[/]")
    for cell in group:
        if cell.failures:
            again = "" if cell.counting else ", and there is no figure"
            last = escape(cell.failures[-1])
            console.print(
                f"[dim]{cell.competitor.name}: {len(cell.failures)} runs failed{again}: {last}[/]"
            )
    console.print()


def shorter(cpu: str) -> str:
    """A processor's name without what says nothing."""
    return re.sub(r"\((R|TM)\)|\b(CPU|Processor)\b|@.*", "", cpu).strip() or cpu


def show_opening(console: Console, results: dict[str, Any], seconds: float) -> None:
    """One line: where it runs, what a figure is, and how long it takes."""
    info = results["machine"]
    virtual = "virtual " if info["hypervisor"] else ""
    took = f"{math.ceil(seconds / 10) * 10} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
    text = (
        f"{' '.join(shorter(info['cpu']).split())}, {info['cpus']} {virtual}processors, load {info['load_before'][0]:.1f}; "
        f"each figure: median of {results['method']['rounds']} runs; up to {took}"
    )
    console.print(f"[bold]{escape(text)}[/]\n", soft_wrap=True)


def show_method(console: Console, results: dict[str, Any]) -> None:
    """What was measured with, and how the tables are read."""
    info, method = results["machine"], results["method"]
    virtual = "virtual, " if info["hypervisor"] else ""
    load = " ".join(map(str, info["load_before"]))
    console.print(
        f"{escape(info['cpu'])} ({virtual}{info['cpus']} processors), {info['kernel']}, {info['system']}\n"
        f"load before: {load}; clock {info['clock']}; TCP {info['congestion_control']}; built as {results['build']}; "
        f"{', '.join(f'{name}: {version}' for name, version in results['versions'].items())}",
        width=min(console.width, TEXT_WIDTH),
    )
    rounds = method["rounds"]
    console.print(
        f"[dim]Each row: {rounds} to {rounds + EXTRA_ROUNDS} runs, in turns, in a new order each round. The {rounds} "
        f"least disturbed count; a figure is their median, and the interval holds the true median with "
        f"{method['coverage']:.0%}. Sizes are of the body; a message has 25 bytes more. "
        f"*: in one of the runs other programs used more than {OTHERS_MAX:.0%} of the CPU, or the hypervisor "
        f"took {STEAL_MAX:.0%}, or the processor was {SLOW_MAX:.0%} slower than it can be. Jitter: p99 - p50. "
        f"CPU and switches: client + server, or subscribers + publisher, for each message received and sent.[/]\n",
        width=min(console.width, TEXT_WIDTH),
    )


def show_costs(console: Console, costs: dict[str, Any], competitors: list[Panel]) -> None:
    table = Table(
        title="cost of a message with a body of 64 B, over TCP",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("", overflow="fold")
    for heading in ("system calls req", "rep", "pub", "sub", "bytes request", "reply", "event"):
        table.add_column(heading, justify="right")
    failed = []
    working: dict[str, list[str]] = {}
    for one in competitors:
        cost = costs[one.name]
        calls, wire = cost["calls"], cost["wire"]
        row = [
            f"{calls[role]['all']:.1f}" if role in calls else "-"
            for role in ("req", "rep", "pub", "sub")
        ]
        for roles, way in (
            ("reqrep", "to_server"),
            ("reqrep", "from_server"),
            ("pubsub", "from_server"),
        ):
            row.append(f"{wire[roles][way]:.0f}" if roles in wire else "-")
        name = one.heading or f"  {one.name}"
        style = one.colour if one.heading else f"dim {one.colour}"
        table.add_row(f"[{style}]{name}[/]", *row)
        failed += cost["failed"]
        for role, threads in cost.get("threads", {}).items():
            working.setdefault(one.name, []).append(f"{role} {threads['working']} of {threads['all']}")
    console.print(table)
    console.print(
        "[dim]a separate run under strace, all threads; the panels' pub paced at 2000/s, a baseline's at full speed. "
        "Bytes from the tap, framing included[/]"
    )
    told = "; ".join(f"{name}: {', '.join(roles)}" for name, roles in working.items())
    console.print(f"[dim]threads that a message passes, of all: {told or '-'}[/]")
    for reason in failed:
        console.print(f"[dim]{escape(reason)}[/]")
    console.print()


def show_options(console: Console, options: dict[str, Any]) -> None:
    console.print("options in force, read back from running programs:")
    for panel, found in options.items():
        for role, values in found.items():
            text = ", ".join(f"{name} {value}" for name, value in values.items())
            console.print(f"[dim]{panel:13} {role:4} {text or 'not readable'}[/]")
    console.print()


def show_words(console: Console, sentences: list[str]) -> None:
    """What was found, a paragraph each."""
    console.print("[bold]What was found[/]")
    for sentence in sentences:
        console.print(escape(sentence), width=min(console.width, TEXT_WIDTH))
        console.print()


def show_goals(console: Console, goals: list[Goal], disturbance: str) -> None:
    """The table; above it, once, how far disturbances may have changed what is in it."""
    if disturbance:
        hit = sum(goal.disturbed for goal in goals)
        console.print(f"{disturbance} {hit} of {len(goals)} goals rest on such runs.\n", width=min(console.width, TEXT_WIDTH))
    table = Table(title="goals", title_justify="left", box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for heading in ("goal", "measured", "interval", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for goal in goals:
        value = goal.value
        sign = ">=" if goal.at_least else "<="
        colour = {True: GREEN, False: RED, None: BROWN}[goal.met]
        table.add_row(
            goal.what,
            f"{sign} {goal.bound:.3g}{goal.unit}",
            f"{value.median:.2f}{goal.unit}" if value else "-",
            f"{value.low:.2f}..{value.high:.2f}" if value and value.n > 1 else "",
            f"[{colour}]{goal.verdict()}[/]",
            f"[dim]{escape(goal.note)}[/]",
        )
    console.print(table)


def show_changes(console: Console, changes: list[dict[str, Any]], differences: list[str]) -> None:
    table = Table(
        title="compared with the earlier run", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("", overflow="fold")
    for heading in ("before", "now", "change", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    colours = {"better": GREEN, "worse": RED, "equal": "dim"}
    for change in changes:
        cell = change["cell"]
        case = Case(**{field.name: cell[field.name] for field in fields(Case)})
        what = f"{case}: {cell['competitor']} {change['metric']}"
        colour = colours[change["verdict"]]
        before, now = number(change["before"]), number(change["after"])
        table.add_row(
            what, before, now, f"{change['change']:+.1%}", f"[{colour}]{change['verdict']}[/]"
        )
    console.print(table)
    for difference in differences:
        console.print(f"[bold]not the same: {escape(difference)}[/]")
    if not changes:
        console.print("nothing that both runs have measured")


def show_lossless(console: Console, found: list[dict[str, Any]], panels: list[Panel]) -> None:
    table = Table(
        title="lossless rate: the highest at which two runs of a second in a row lost nothing, queue 1000",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("")
    sizes = sorted({one["size"] for one in found})
    for size in sizes:
        table.add_column(f"{size} B: messages/s", justify="right")
    for panel in panels:
        row = []
        for size in sizes:
            one = next(one for one in found if one["panel"] == panel.name and one["size"] == size)
            at_least = "at least " if one.get("at_least") else ""
            row.append(one.get("failed") or at_least + number(one["rate"]))
        table.add_row(f"[{panel.colour}]{panel.heading}[/]", *row)
    console.print(table)
    console.print()
