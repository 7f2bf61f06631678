"""./triptych bench --hosts: round trips, publishing and fan-out between hosts.

The same runs as on one machine; what differs is that the network takes part, and that the hosts are
not watched. No time from one host to the other is shown: it would be told by two clocks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from rich.console import Console

from bench import results as bench_results
from bench import show as bench_show
from bench import words as bench_words
from bench.kinds import Case
from bench.machine import build_type, machine
from bench.run import HOSTS
from bench.session import ROUNDS, Session, baselines_of
from harness.files import OutputFile
from harness.here import versions
from harness.hosts import Hosts, on_hosts
from harness.panels import Panel, complain, warn

WHAT = ("latency", "throughput", "fanout")
SIZES = (64, 1024, 16384)
PEERS = (1, 8, 64)
SHORT_SECONDS = 0.3  # of round trips, for a short run
FEW = 5  # of them at least
RUN_SECONDS, QUICK_SECONDS = 0.4, 0.15  # of a run
TOTAL_SECONDS, QUICK_TOTAL = 600.0, 100.0

Progress = Callable[[str, float, float], None]


def complain_between(arguments: argparse.Namespace) -> None:
    """What --hosts does not go with ends the program with one line and status 2."""
    if arguments.goals or arguments.compare:
        complain(
            2, "bench: --hosts goes with neither --goals nor --compare: the network takes part"
        )
    if "connections" in arguments.words:
        complain(
            2, "bench: connections are measured on one machine; --hosts takes " + ", ".join(WHAT)
        )
    arguments.benches = [bench for bench in arguments.benches if bench in WHAT]


def cases(benches: list[str], quick: bool) -> list[Case]:
    found: list[Case] = []
    for bench in benches:
        if bench == "fanout":
            peers = PEERS[-1:] if quick else PEERS
            found += [Case(bench, placement=HOSTS, queue=-1, peers=n) for n in peers]
        else:
            sizes = SIZES[:1] if quick else SIZES
            found += [Case(bench, placement=HOSTS, size=size) for size in sizes]
    return found


def measure_between(
    console: Console,
    progress: Any,
    arguments: argparse.Namespace,
    panels: list[Panel],
    output: OutputFile | None,
) -> int:
    total = QUICK_TOTAL if arguments.quick else TOTAL_SECONDS
    with on_hosts("bench", arguments.hosts, panels) as hosts:
        assert hosts
        seconds = QUICK_SECONDS if arguments.quick else RUN_SECONDS
        session = Session(seconds, time.monotonic() + total, progress)
        session.few = max(FEW, int(SHORT_SECONDS * 1e6 / hosts.reach_us))
        results = opening(console, hosts, panels, arguments.quick)
        groups = [
            session.cells_for(case, competitors(case, panels, arguments.quick))
            for case in cases(arguments.benches, arguments.quick)
        ]
        session.planned = sum(session.plan(cell) for group in groups for cell in group)
        try:
            for group in groups:
                session.take_turns(group)
                progress.clear()
                bench_show.show_group(console, group)
            results["interrupted"] = False
        finally:
            progress.clear()
            cells = session.cells
            results["cells"] = [bench_results.cell_dict(cell, cells) for cell in cells]
            results["seconds"] = round(time.monotonic() - results.pop("began"), 1)
            results["found"] = bench_words.found(results)
            if output:
                output.write(bench_results.text_of(results))
    bench_show.show_words(console, results["found"])
    failed = [cell for cell in session.cells if cell.kind == "panel" and not cell.counting]
    for cell in failed:
        warn(f"{cell}: {cell.failed}")
    return 1 if failed else 0


def competitors(case: Case, panels: list[Panel], quick: bool) -> list[tuple[Panel, str]]:
    """Each panel, and beside it its own baseline."""
    chosen: list[tuple[Panel, str]] = []
    for panel in panels:
        chosen.append((panel, "panel"))
        if not (quick and case.bench == "fanout"):
            chosen += [(one, "baseline") for one in baselines_of(panel.name, case.bench)[:1]]
    return chosen


def opening(console: Console, hosts: Hosts, panels: list[Panel], quick: bool) -> dict[str, Any]:
    """Says what runs where, and what is not known; returns the results, which are to be filled."""
    lines = [
        *hosts.describe(),
        f"Each row: {ROUNDS} runs, in turns. What else the hosts and the network "
        "do was not watched. Times are of round trips, by one clock; nothing is told of one way. "
        "/baseline: the smallest program that does the same on the same library, "
        "between the same hosts.",
    ]
    for line in lines:
        console.print(line, style="dim", markup=False)
    console.print()
    return {
        "format": bench_results.FORMAT,
        "version": bench_results.VERSION,
        "began": time.monotonic(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "quick": quick,
        "interrupted": True,
        "machine": machine(),
        "hosts": [{"name": host.name, "machine": host.hello["machine"]} for host in hosts.all],
        "connecting_us": round(hosts.reach_us, 1),
        "build": build_type(),
        "versions": versions(panels),
        "method": {
            "rounds": ROUNDS,
            "placements": f"{HOSTS}: each side where its host's kernel likes",
        },
    }
