"""The tables of the benchmark, from figures as they stand in JSON.

A table has as many columns as its terminal has room for. Which are left out depends on the
terminal's width alone, so that all tables of a run look the same; left_out() names them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.cases import Cell, figure, main_figure, measured, number, reference_of
from bench.stats import Interval, equal_groups
from harness.terminal import TEXT_WIDTH

QUEUE_TITLES = {-1: "queue as long as the run", 0: "each library's own queue"}
WIDE = 150  # columns from which a table has all that it can have
GAP = 2  # columns between two of a table
NAME_MAX = 17  # columns of the first: a longer heading is replaced by the panel's name
BEHIND = 0.95  # of the rate asked for: below, a note says what was kept
RANGE = ".."  # between the two ends of an interval
SUM = " + "  # between the two sides of a conversation


def as_ratio(value: float) -> str:
    """For a column of ratios: two decimals, and of small ones three."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def plain(name: str) -> Callable[[Cell], str]:
    def write(cell: Cell) -> str:
        found = figure(cell, name)
        return number(found.median) if found else "-"

    return write


def share(name: str) -> Callable[[Cell], str]:
    def write(cell: Cell) -> str:
        found = figure(cell, name)
        return f"{found.median:.1%}" if found else "-"

    return write


def mebibytes(name: str) -> Callable[[Cell], str]:
    def write(cell: Cell) -> str:
        found = figure(cell, name)
        return f"{found.median / 1024:.1f}" if found else "-"

    return write


def both(write: Callable[[str], Callable[[Cell], str]], name: str) -> Callable[[Cell], str]:
    return lambda cell: SUM.join(write(side + name)(cell) for side in ("client_", "server_"))


def ends(found: Interval | None, write: Callable[[float], str]) -> str:
    return f"{write(found.low)}{RANGE}{write(found.high)}" if found and found.n > 1 else "-"


def interval(name: str) -> Callable[[Cell], str]:
    return lambda cell: ends(figure(cell, name), number)


def first_ratio(cell: Cell, to_baseline: bool) -> Interval | None:
    for name, value in cell["ratios"].items():
        if value and name.startswith("baseline") == to_baseline:
            return Interval(**value)
    return None


def own_baseline(cell: Cell) -> Interval | None:
    return first_ratio(cell, True)


def to_reference(cell: Cell) -> Interval | None:
    return first_ratio(cell, False)


def ratio(target: Callable[[Cell], Interval | None]) -> Callable[[Cell], str]:
    def write(cell: Cell) -> str:
        found = target(cell)
        return as_ratio(found.median) if found else "-"

    return write


@dataclass(frozen=True)
class Column:
    heading: str  # REFERENCE becomes that of the reference
    write: Callable[[Cell], str]
    width: int  # of its figures, at most
    rank: int  # the lower, the narrower the table that still has it


REFERENCE = "/raw"
RATIOS = [
    Column("/baseline", ratio(own_baseline), 9, 3),
    Column("interval", lambda cell: ends(own_baseline(cell), as_ratio), 10, 10),
    Column(REFERENCE, ratio(to_reference), 8, 2),
    Column("interval", lambda cell: ends(to_reference(cell), as_ratio), 12, 11),
]
ROUND_TRIP = [
    Column("p50 us", plain("p50"), 6, 1),
    Column("interval", interval("p50"), 10, 4),
    Column("p90", plain("p90"), 6, 12),
    Column("p99", plain("p99"), 6, 5),
    Column("p99.9", plain("p999"), 6, 9),
    Column("max", plain("max"), 6, 13),
    Column("CPU us/msg", both(plain, "cpu_us"), 11, 7),
    Column("switches/msg", both(plain, "switches"), 12, 8),
    Column("MiB", mebibytes("server_resident_kib"), 5, 6),
    *RATIOS,
]
PUBLISHING = [
    Column("events/s", plain("rate"), 8, 1),
    Column("interval", interval("rate"), 12, 4),
    Column("lost", share("lost_share"), 6, 5),
    Column("CPU us/msg", both(plain, "cpu_us"), 13, 7),
    Column("switches/msg", both(plain, "switches"), 13, 8),
    Column("MiB", both(mebibytes, "memory_kib"), 13, 9),
    *RATIOS,
]
FANOUT = [*PUBLISHING[:3], Column("worst/s", plain("worst"), 7, 6), *PUBLISHING[3:]]
COLUMNS = {
    "latency": ROUND_TRIP,
    "connections": ROUND_TRIP,
    "throughput": PUBLISHING,
    "fanout": FANOUT,
}


def fitting(columns: list[Column], width: int) -> list[Column]:
    """Those for which there is room, the most important first chosen; in their order."""
    left = width - NAME_MAX
    chosen = []
    for column in sorted(columns, key=lambda column: column.rank):
        needed = GAP + max(column.width, len(column.heading))
        if needed <= left:
            left -= needed
            chosen.append(column)
    return [column for column in columns if column in chosen]


def left_out(benches: list[str], width: int) -> str:
    """Which columns the tables of this width lack, and how to see them; empty: they have all."""
    if width >= WIDE:
        return ""
    missing: dict[str, None] = {}
    for bench in benches:
        shown = fitting(COLUMNS[bench], width)
        for at, column in enumerate(COLUMNS[bench]):
            if column not in shown:
                name = column.heading
                if name == "interval":
                    name += f" of {COLUMNS[bench][at - 1].heading}"
                missing[name] = None
    if not missing:
        return ""
    return (
        f"With {width} columns the tables leave out: {', '.join(missing)}. COLUMNS={WIDE}, or a "
        f"terminal of {WIDE} columns, shows all; bench --read FILE --tables prints them again from "
        "the FILE of --json."
    )


def aligned(texts: list[str]) -> list[str]:
    """Right-justified, and the decimal points of plain numbers below each other."""
    if all(re.fullmatch(r"-|[\d.]+", text) for text in texts):
        tails = [len(text) - len(text.partition(".")[0]) for text in texts]
        texts = [
            text if text == "-" else text + " " * (max(tails) - tail)
            for text, tail in zip(texts, tails)
        ]
    return justified(texts)


def justified(texts: list[str]) -> list[str]:
    widest = max(map(len, texts))
    return [text.rjust(widest) for text in texts]


def in_two_parts(texts: list[str], mark: str) -> list[str]:
    """The mark between the two parts stands below that of the other rows."""
    parts = [text.split(mark) if mark in text else [text] for text in texts]
    widest = [max(len(part[side]) for part in parts if len(part) == 2) for side in (0, 1)]
    return [
        f"{part[0].rjust(widest[0])}{mark}{part[1].ljust(widest[1])}" if len(part) == 2 else part[0]
        for part in parts
    ]


def figures(column: Column, heading: str, group: list[Cell]) -> list[str]:
    """A column: its heading, and a figure for each row, all equally wide."""
    texts = [text if text.strip(" +-") else "-" for text in map(column.write, group)]
    mark = next((one for one in (RANGE, SUM) if any(one in text for text in texts)), "")
    found = in_two_parts(texts, mark) if mark else aligned(texts) if texts else []
    return justified([heading, *found])


def title_of(cell: Cell) -> str:
    words = [cell["bench"], cell["transport"], f"{cell['size']} B bodies", cell["placement"]]
    if cell["bench"] == "fanout":
        words.append(f"{cell['peers']} subscriber{'s' if cell['peers'] > 1 else ''}")
    if cell["bench"] == "connections":
        words.append(f"{cell['peers']} idle clients")
    if cell["bench"] in ("throughput", "fanout"):
        words.append(QUEUE_TITLES.get(cell["queue"], f"queue {cell['queue']}"))
    if cell["rate"]:
        words.append(f"open loop, {cell['rate']}/s from the intended time")
    elif cell["bench"] == "latency":
        words.append("closed loop")
    return ", ".join(words)


def short_name(cell: Cell) -> str:
    """Whose row it is, in a few letters; baselines stand below their panels."""
    label: str = cell["label"] or cell["competitor"]
    label = label if len(label) + 3 <= NAME_MAX else cell["competitor"].removeprefix("baseline-")
    indent = "  " if cell["kind"] == "baseline" else ""
    return f"{indent}{label}{'*' if cell.get('disturbed') else ''}"


def coloured(cell: Cell, text: str) -> str:
    style = cell.get("colour")
    if not style:
        return escape(text)
    return f"[{style if cell['kind'] == 'panel' else f'dim {style}'}]{escape(text)}[/]"


def notes(group: list[Cell], rounds: int) -> list[str]:
    """What to know of some rows' figures."""
    told = []
    few: dict[int, list[str]] = {}
    for cell in group:
        if cell["kind"] != "tool" and 0 < cell["counting"] < rounds:
            few.setdefault(cell["counting"], []).append(cell["competitor"])
    for count, names in few.items():
        tried = max(len(cell["runs"]) for cell in group if cell["competitor"] in names)
        why = ", since there was no time for more" if tried < rounds else ""
        told.append(f"{count} of {rounds} runs{why}: {', '.join(names)}")
    for cell in group:
        who, kept = cell["competitor"], figure(cell, "rate")
        if cell["rate"] and kept and kept.median < BEHIND * cell["rate"]:
            told.append(f"{who}: kept {number(kept.median)}/s of {cell['rate']}/s")
        if cell["failures"]:
            again = "" if cell["counting"] else ", and there is no figure"
            runs = f"{len(cell['failures'])} run{'s' if len(cell['failures']) > 1 else ''} failed"
            told.append(f"{who}: {runs}{again}: {cell['failures'][-1]}")
    return told


def new_table(console: Console, title: str, headings: list[str]) -> Table:
    """Its title above, as wide as the terminal; its figures are aligned already."""
    console.print(f"[italic]{escape(title)}[/]", width=min(console.width, TEXT_WIDTH))
    table = Table(box=None, pad_edge=False)
    table.add_column("", overflow="fold", max_width=NAME_MAX + 8)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def show_table(console: Console, group: list[Cell], rounds: int) -> None:
    """One case: a row a competitor; below, who cannot be told apart, and what is to be known."""
    rows = [cell for cell in group if cell["counting"]]
    reference = reference_of(measured(group))
    columns = []
    for column in fitting(COLUMNS[group[0]["bench"]], console.width):
        heading = column.heading
        if heading == REFERENCE and reference:
            heading = f"/{reference['competitor']}"
        heading, *texts = figures(column, heading, rows)
        if column.heading == "interval":
            texts = [f"[dim]{text}[/]" for text in texts]
        columns.append([heading, *texts])
    table = new_table(console, title_of(group[0]), [column[0] for column in columns])
    for at, cell in enumerate(rows, 1):
        table.add_row(coloured(cell, short_name(cell)), *[column[at] for column in columns])
    console.print(table)
    alike = {cell["competitor"]: found for cell in measured(group) if (found := main_figure(cell))}
    for equal in equal_groups(alike):
        console.print(f"[dim]equal: {', '.join(equal)} (their intervals overlap)[/]")
    for note in notes(group, rounds):
        console.print(f"[dim]{escape(note)}[/]")
    console.print()


def legend(cells: list[Cell]) -> str:
    """What the rows of the baselines are: their programs."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        if cell["kind"] == "baseline":
            programs = found.setdefault(short_name(cell).strip(" *"), [])
            programs += [cell["competitor"]] if cell["competitor"] not in programs else []
    return "; ".join(f"{label}: {', '.join(programs)}" for label, programs in found.items())


def in_order(results: dict[str, Any], names: list[str]) -> list[str]:
    """The names in the order in which the run had them: in JSON they stand by the alphabet."""
    order = list(dict.fromkeys(cell["competitor"] for cell in results["cells"]))
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


def show_costs(console: Console, results: dict[str, Any]) -> None:
    costs = results["costs"]
    headings = ["calls req", "rep", "pub", "sub", "bytes request", "reply", "event"]
    panels = {cell["competitor"]: cell for cell in results["cells"] if cell["kind"] == "panel"}
    columns: list[list[str]] = [[] for _ in range(7)]
    names = in_order(results, list(costs))
    for name in names:
        calls, wire = costs[name]["calls"], costs[name]["wire"]
        roles = ("req", "rep", "pub", "sub")
        told = [f"{calls[role]['all']:.1f}" if role in calls else "-" for role in roles]
        ways = (("reqrep", "to_server"), ("reqrep", "from_server"), ("pubsub", "from_server"))
        for pattern, way in ways:
            told.append(f"{wire[pattern][way]:.0f}" if pattern in wire else "-")
        for column, text in zip(columns, told):
            column.append(text)
    both = zip(headings, columns) if names else []
    columns = [justified([heading, *aligned(column)]) for heading, column in both]
    title = "cost of a message with a body of 64 B, over TCP"
    table = new_table(console, title, [column[0] for column in columns])
    for at, name in enumerate(names, 1):
        cell = panels.get(name)
        first = coloured(cell, short_name(cell).rstrip("*")) if cell else f"[dim]  {name}[/]"
        table.add_row(first, *[column[at] for column in columns])
    console.print(table)
    width = min(console.width, TEXT_WIDTH)
    console.print(
        "[dim]calls: system calls, in a separate run under strace, of all threads; the panels' pub "
        "paced at 2000/s, a baseline's at full speed. Bytes from the tap, framing included.[/]",
        width=width,
    )
    working = []
    for name in names:
        by_role = [
            f"{role} {found['working']} of {found['all']}"
            for role, found in costs[name].get("threads", {}).items()
        ]
        working += [f"{name}: {', '.join(by_role)}"] if by_role else []
    told_threads = "; ".join(working) or "-"
    console.print(f"[dim]Threads that a message passes, of all: {told_threads}.[/]", width=width)
    for name in names:
        for reason in costs[name]["failed"]:
            console.print(f"[dim]{escape(reason)}[/]", width=width)
    console.print()


def show_lossless(console: Console, results: dict[str, Any]) -> None:
    found = results["lossless"]
    title = (
        "lossless rate: the highest at which two runs of a second in a row lost nothing, queue 1000"
    )
    sizes = sorted({one["size"] for one in found})
    # The sentences say what limits them.
    table = new_table(console, title, [f"{size} B: messages/s" for size in sizes])
    cells = {cell["competitor"]: cell for cell in results["cells"]}
    for panel in dict.fromkeys(one["panel"] for one in found):
        row = []
        for size in sizes:
            one = next(one for one in found if one["panel"] == panel and one["size"] == size)
            at_least = "at least " if one.get("at_least") else ""
            row.append(escape(one.get("failed") or at_least + number(one["rate"])))
        cell = cells.get(panel)
        table.add_row(coloured(cell, short_name(cell).rstrip("*")) if cell else panel, *row)
    console.print(table)
    console.print()
