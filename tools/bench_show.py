"""The benchmark's tables, in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from bench_goals import Goal
from bench_results import RATIO_METRICS, ratio_targets
from bench_session import Cell, ratio_of
from bench_stats import Interval, equal_groups
from panels import Panel

QUEUES = {-1: "queue as long as the run", 0: "each library's own queue"}


def number(value: float) -> str:
    """Three digits that count, with k or M from ten thousand on."""
    for limit, divisor, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            value, suffix = value / divisor, letter
            break
    else:
        suffix = ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}{suffix}"


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


def ratios(cell: Cell, group: list[Cell]) -> list[str]:
    """To its own floor and to raw; a floor has no floor."""
    targets = ratio_targets(cell)
    shown = []
    for name in (targets[0] if len(targets) > 1 or cell.competitor.name == "raw" else None, "raw"):
        other = next((c for c in group if c.competitor.name == name), None)
        value = ratio_of(cell, other, RATIO_METRICS[cell.case.bench]) if other and other is not cell else None
        shown.append(f"{value.median:.2f}" if value else "-")
    return shown


def memory(cell: Cell, name: str) -> str:
    figure = cell.figure(name)
    return f"{figure.median / 1024:.1f}" if figure else "-"


def share(cell: Cell, name: str) -> str:
    figure = cell.figure(name)
    return f"{figure.median:.1%}" if figure else "-"


LATENCY_COLUMNS: list[tuple[str, Callable[[Cell], str]]] = [
    ("min", lambda c: plain(c, "min")),
    ("p50 us", lambda c: with_interval(c.figure("p50"))),
    ("p90", lambda c: plain(c, "p90")),
    ("p99", lambda c: plain(c, "p99")),
    ("p99.9", lambda c: plain(c, "p999")),
    ("max", lambda c: plain(c, "max")),
    ("mean", lambda c: plain(c, "mean")),
    ("jitter", lambda c: plain(c, "jitter")),
    ("CPU us/msg", lambda c: both(c, "cpu_us")),
    ("switches/msg", lambda c: both(c, "switches")),
    ("MiB", lambda c: memory(c, "server_resident_kib")),
]
PUBLISH_COLUMNS: list[tuple[str, Callable[[Cell], str]]] = [
    ("delivered/s", lambda c: with_interval(c.figure("rate"))),
    ("bytes/s", lambda c: plain(c, "bytes_rate")),
    ("lost", lambda c: share(c, "lost_share")),
    ("worst/s", lambda c: plain(c, "worst")),
    ("CPU us/msg sub + pub", lambda c: both(c, "cpu_us")),
    ("pub's CPU", lambda c: share(c, "server_cpu_share")),
    ("switches/msg", lambda c: both(c, "switches")),
    ("MiB pub", lambda c: memory(c, "server_memory_kib")),
    ("MiB sub", lambda c: memory(c, "client_memory_kib")),
]


def title_of(cell: Cell) -> str:
    case = cell.case
    words = [case.bench, case.transport, f"{case.size} B bodies", case.placement]
    if case.bench == "fanout":
        words.append(f"{case.peers} subscribers")
    if case.bench == "connections":
        words.append(f"{case.peers} idle clients")
    if case.bench in ("throughput", "fanout"):
        words.append(QUEUES.get(case.queue, f"queue {case.queue}"))
    if case.rate:
        words.append(f"open loop, {case.rate}/s from the intended time")
    elif case.bench == "latency":
        words.append("closed loop")
    return ", ".join(words)


def show_group(console: Console, group: list[Cell]) -> None:
    """One case: a row a competitor, and who cannot be told apart."""
    columns = LATENCY_COLUMNS if group[0].case.bench in ("latency", "connections") else PUBLISH_COLUMNS
    table = Table(title=title_of(group[0]), title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("/floor", justify="right")
    table.add_column("/raw", justify="right")
    for cell in group:
        colour = cell.competitor.colour
        name = cell.competitor.heading if cell.kind != "floor" else f"  {cell.competitor.name} ({cell.competitor.heading})"
        mark = "*" if cell.disturbed else ""
        if cell.kind != "tool" and len(cell.good) < 5:
            mark += f" ({len(cell.good)} runs)"
        style = colour if cell.kind == "panel" else f"dim {colour}"
        if not cell.good:
            table.add_row(f"[{style}]{name}[/]", f"failed: {cell.failed}")
            continue
        table.add_row(f"[{style}]{name}{mark}[/]", *[write(cell) for _, write in columns], *ratios(cell, group))
    console.print(table)
    metric = RATIO_METRICS[group[0].case.bench]
    figures = {c.competitor.name: c.figure(metric) for c in group if c.kind == "panel"}
    for equal in equal_groups({name: figure for name, figure in figures.items() if figure}):
        console.print(f"[dim]equal (intervals overlap): {' = '.join(equal)}[/]")
    console.print()


def show_costs(console: Console, costs: dict[str, Any], panels: list[Panel]) -> None:
    table = Table(title="cost of a message with a body of 64 B, over TCP", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for heading in ("system calls req", "rep", "pub", "sub", "bytes request", "reply", "event"):
        table.add_column(heading, justify="right")
    for panel in panels:
        cost = costs.get(panel.name, {})
        calls, wire = cost.get("calls", {}), cost.get("wire", {})
        row = [f"{calls[role]['all']:.1f}" if role in calls else "-" for role in ("req", "rep", "pub", "sub")]
        for roles, way in (("reqrep", "to_server"), ("reqrep", "from_server"), ("pubsub", "from_server")):
            row.append(f"{wire[roles][way]:.0f}" if roles in wire else "-")
        table.add_row(f"[{panel.colour}]{panel.heading}[/]", *row)
    console.print(table)
    console.print("[dim]a separate run under strace, all threads; pub and sub paced at 2000/s. Bytes from the tap, framing included[/]\n")


def show_options(console: Console, options: dict[str, Any]) -> None:
    for panel, found in options.items():
        for role, values in found.items():
            text = ", ".join(f"{name} {value}" for name, value in values.items())
            console.print(f"[dim]{panel:8} {role:4} {text or 'not readable'}[/]")
    console.print()


def show_goals(console: Console, goals: list[Goal]) -> None:
    table = Table(title="goals", title_justify="left", box=None, pad_edge=False)
    for heading in ("", "goal", "measured", "interval", "", ""):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for goal in goals:
        value = goal.value
        sign = ">=" if goal.at_least else "<="
        colour = {True: "green", False: "red", None: "yellow"}[goal.met]
        table.add_row(
            goal.what,
            f"{sign} {goal.bound:g}{goal.unit}",
            f"{value.median:.2f}{goal.unit}" if value else "-",
            f"{value.low:.2f}..{value.high:.2f}" if value and value.n > 1 else "",
            f"[{colour}]{goal.verdict()}[/]",
            f"[dim]{goal.note}[/]",
        )
    console.print(table)


def show_changes(console: Console, changes: list[dict[str, Any]]) -> None:
    table = Table(title="compared with the earlier run", title_justify="left", box=None, pad_edge=False)
    for heading in ("", "before", "now", "change", ""):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    colours = {"better": "green", "worse": "red", "equal": "dim"}
    for change in changes:
        cell = change["cell"]
        what = f"{cell['bench']} {cell['transport']} {cell['size']} B {cell['placement']} {cell['peers']} {cell['competitor']} {change['metric']}"
        colour = colours[change["verdict"]]
        table.add_row(what, number(change["before"]), number(change["after"]), f"{change['change']:+.1%}", f"[{colour}]{change['verdict']}[/]")
    console.print(table)
    if not changes:
        console.print("nothing that both runs have measured")


def show_lossless(console: Console, found: list[dict[str, Any]], panels: list[Panel]) -> None:
    table = Table(title="lossless rate: the highest at which two runs in a row lost nothing, queue 1000", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    sizes = sorted({one["size"] for one in found})
    for size in sizes:
        table.add_column(f"{size} B: messages/s", justify="right")
    for panel in panels:
        row = [next((number(o["rate"]) for o in found if o["panel"] == panel.name and o["size"] == size), "-") for size in sizes]
        table.add_row(f"[{panel.colour}]{panel.heading}[/]", *row)
    console.print(table)
    console.print()
