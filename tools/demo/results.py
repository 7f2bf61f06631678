"""The end of the demo: the table of what it measured, how, and where to look next."""

from __future__ import annotations

import os
import platform
import textwrap
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from compare.sources import TEMPLATE, panel_lines
from demo.acts import FLOOD_BODY, FLOOD_QUEUE, FLOOD_RATE, MEASURE_BODY, Demo, Figures
from demo.scene import over
from harness.panels import Panel
from harness.stage import Stage
from harness.terminal import RED


def show_results(console: Console, panels: list[Panel], demo: Demo, seconds: float) -> None:
    console.print()
    console.print(Text("What it came to", style="bold"))
    show_table(console, panels, rows(panels, demo))
    console.print()
    for note in notes(panels, demo, seconds):
        if note.startswith("  "):
            console.print(note, markup=False, soft_wrap=True)
            continue
        for line in textwrap.wrap(
            note, min(console.width, 100), subsequent_indent="  ", break_on_hyphens=False
        ) or [""]:
            console.print(line, markup=False, soft_wrap=True)
    for program, failure in demo.failures.items():
        console.print(Text(f"failed: {program}: {failure}", style=f"bold {RED}"), soft_wrap=True)


def flood_rate(panels: int) -> float:
    """Mbit/s of the flood: A and B on each panel."""
    return panels * 2 * FLOOD_RATE * FLOOD_BODY * 8 / 1e6


def show_table(console: Console, panels: list[Panel], table: list[tuple[str, list[str]]]) -> None:
    """A row for each figure; where that is too wide, the figures stand below their label."""
    widths = [max(map(len, column)) for column in zip(*(cells for _, cells in table))]
    widths = [max(width, len(panel.name)) for width, panel in zip(widths, panels)]
    first = max(len(label) for label, _ in table)
    narrow = first + sum(widths) + 2 * len(widths) > console.width
    heading = Text(" " * (2 if narrow else first))
    for panel, width in zip(panels, widths):
        heading.append(f"  {panel.name:>{width}}", style=f"bold {panel.colour}")
    console.print(heading)
    for label, cells in table:
        values = "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths))
        line = f"{label}\n  {values}" if narrow else f"{label:<{first}}{values}"
        console.print(line, markup=False, soft_wrap=True)


def rows(panels: list[Panel], demo: Demo) -> list[tuple[str, list[str]]]:
    """The rows that this run has figures for: a label, and a cell for each panel."""

    def row(label: str, cell: Callable[[Panel, Figures], str]) -> None:
        cells = [cell(panel, demo.figures[panel.name]) for panel in panels]
        if any(text != "-" for text in cells):
            table.append((label, cells))

    def decimal(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f}"

    def number(value: int | None) -> str:
        return "-" if value is None else str(value)

    table: list[tuple[str, list[str]]] = []
    row("requests answered", lambda p, f: f.asked or "-")
    row("its server killed: the request", lambda p, f: f.killed or "-")
    row("late reply: next request gets", lambda p, f: f.late or "-")
    row("topics: who filters", lambda p, f: f.filtered or "-")
    row("flood: full queues keep", lambda p, f: f.kept or "-")
    row("  missed by A, never stopped", lambda p, f: "-" if f.missed is None else str(f.missed[0]))
    row("  missed by B, stopped", lambda p, f: "-" if f.missed is None else str(f.missed[1]))
    placed = "between the hosts" if Stage.hosts else "both on one core"
    row(f"p50 us, {placed}", lambda p, f: decimal(f.p50_us))
    row(f"p99 us, {placed}", lambda p, f: decimal(f.p99_us))
    row("lines of code, whole panel", lambda p, f: str(panel_lines(p) or "-"))  # "-": programs
    row("server: threads", lambda p, f: number(f.threads))
    row(
        "server: memory, MiB",
        lambda p, f: "-" if f.memory_kib is None else f"{f.memory_kib / 1024:.1f}",
    )
    return table


def notes(panels: list[Panel], demo: Demo, seconds: float) -> list[str]:
    """How the figures came about, and what to do now."""
    names = [panel.name for panel in panels]
    folders = {panel.folder: panel.name for panel in reversed(panels)}  # the first of each folder
    different = [name for name in names if name in folders.values()]
    pair = " ".join(different[:2]) if len(different) > 1 else f"{names[0]} zmq"
    said = (demo.versions.get(name) for name in names)
    versions = "; ".join(dict.fromkeys(version for version in said if version))
    text = [
        f"Round trips: {demo.count} of {MEASURE_BODY} bytes over {over(panels)}, one panel after "
        f"the other; {demo.placed}." + ("" if Stage.hosts else " On two cores the figures differ.")
        + " p50: half of them were faster; p99: 99 of 100 were."
        + (" The machine was busy meanwhile." if demo.disturbed else ""),
    ]
    if any(demo.figures[name].missed for name in names):
        without = [panel.name for panel in panels if "ipc" not in panel.speaks]
        way = "a UNIX socket" + (f" ({' and '.join(without)}: TCP)" if without else "")
        way = "TCP" if Stage.hosts else way
        text.append(
            f"Flood: {FLOOD_RATE}/s of {FLOOD_BODY} bytes over {way}, -q {FLOOD_QUEUE}, all "
            "panels at once. The kernel's buffers hold messages beside the queues; "
            "what they hold is the oldest. SIGSTOP stopped B's library as well. Where only the "
            "program pauses, a library's threads go on reading, so that others are lost: "
            "./triptych lab slow-subscriber."
            + f" A line slower than {flood_rate(len(names)):.0f} Mbit/s loses "
            "messages of A as well." * bool(Stage.hosts)
        )
    shared = {p.folder for p in panels if sum(q.folder == p.folder for q in panels) > 1}
    said = (
        "Lines of code: blank lines and comments do not count. "
        f"{panel_lines(TEMPLATE)} of them are those of template/, "
        "which ./triptych steps leaves out."
    )
    for folder in sorted(shared):
        sharing = " and ".join(p.name for p in panels if p.folder == folder)
        said += f" {sharing} have one source, {folder}/, which is built twice."
    text.append(said)
    text += [
        f"{versions}. {'This machine: ' if Stage.hosts else ''}{platform.system()} "
        f"{platform.release()}, {os.cpu_count()} cores. The demo took {seconds:.0f} s.",
        "",
    ]
    text += [
        "Where to go next:",
        "  from sockets to a panel  ./triptych steps",
        "  one question at a time   ./triptych lab killed-server",
        f"  sources side by side     ./triptych diff {pair}",
        f"  every byte               ./triptych wire {names[0]}",
    ]
    return text
