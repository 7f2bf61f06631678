#!/usr/bin/python3
"""./triptych bench - how fast, how steady, at what cost

Usage:  ./triptych bench [WHAT...] [PANEL...] [--quick] [--goals]
                         [--json FILE] [--compare FILE] [--svg FOLDER]

The panels' own programs, and beside each the least that could do the same on
its substrate (a floor, bench/): in turns, at least five runs each, medians and
their intervals, on a named placement. Figures marked * were disturbed by other
programs each time. bench/METHOD.md says how, and why so.

  WHAT           latency, throughput, fanout, connections, or all (default)
  PANEL...       these panels only; none: all that are built
  --quick        in some minutes: fewer sizes, short runs, 64 subscribers
  --goals        runs what the goals need, prints each ratio against its bound;
                 exit status 1 if one is missed
  --json FILE    writes all figures, each run's too (bench/results.schema.json)
  --compare FILE tells what has changed since the run that FILE was written by
  --svg FOLDER   where the charts go (default: build/bench)

Exit status: 0 done, 1 a goal was missed or a panel failed, 2 wrong command
line, 130 stopped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console

import bench_chart
import bench_costs
import bench_results
import bench_show
from bench_goals import Goal, run_goals
from bench_kinds import Case, run_publishing
from bench_machine import build_type, library_options, machine, options_in_force, versions
from bench_run import ALL_CPUS, OTHERS_MAX, STEAL_MAX, Failed
from bench_session import TOOLS, Session, floors_of
from bench_stats import find_highest, interval
from panels import BUILD, Panel, choose_panels, complain, read_panels
from processes import end_on_signals

BENCHES = ("latency", "throughput", "fanout", "connections")
QUICK_SECONDS, FULL_SECONDS = 110.0, 2300.0
BUILDS = ("debugoptimized", "release", "minsize")
SIZES = (16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
PUBLISH_SIZES = (16, 64, 256, 1024, 4096, 16384, 65536)
RATES = (1000, 5000, 20000)
LOSSLESS_SIZES = (64, 4096)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        complain(2, f"bench: {message}; ./triptych bench --help")


class Bar:
    """One line of progress on standard error: what runs, and how much time is left."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.told = 0.0

    def __call__(self, what: str, done: float, planned: float) -> None:
        now = time.monotonic()
        share = min(1.0, done / planned) if planned else 0.0
        left = (now - self.began) * (1 - share) / share if share > 0.02 else planned
        text = f"{share:4.0%}  {int(left) // 60}:{int(left) % 60:02} left  {what}"
        if sys.stderr.isatty():
            print(f"\r\033[K{text[:100]}", end="", file=sys.stderr, flush=True)
        elif now - self.told > 10:
            self.told = now
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def cases(benches: list[str], quick: bool) -> list[Case]:
    """What is measured, in order."""
    found: list[Case] = []
    one, two, free = ("one core", "two cores", "free") if len(ALL_CPUS) > 1 else ("one core",) * 3
    if "latency" in benches and quick:
        found += [Case("latency", "tcp", one), Case("latency", "ipc", one)]
    elif "latency" in benches:
        found += [Case("latency", transport, one, size) for transport in ("tcp", "ipc") for size in SIZES]
        found += [Case("latency", transport, where) for transport in ("tcp", "ipc") for where in sorted({two, free} - {one})]
        found += [Case("latency", "tcp", one, rate=rate) for rate in RATES]
    if "throughput" in benches:
        sizes = (64,) if quick else PUBLISH_SIZES
        found += [Case("throughput", "tcp", two, size) for size in sizes]
        if not quick:
            found += [Case("throughput", "tcp", two, size, -1) for size in (64, 4096)]
            found += [Case("throughput", "tcp", two, size, 0) for size in (64, 4096)]
    if "fanout" in benches:
        peers = (64,) if quick else (1, 8, 64, 256, 512)
        found += [Case("fanout", "tcp", free, 64, -1, peers=n) for n in peers]
    if "connections" in benches:
        found += [Case("connections", peers=n) for n in ((1000,) if quick else (0, 100, 1000, 5000))]
    return found


def competitors(case: Case, panels: list[Panel], quick: bool) -> list[tuple[Panel, str]]:
    """Who takes part in a case: the panels, their floors, an independent tool."""
    chosen: list[tuple[Panel, str]] = []
    floors = case.rate == 0 and case.queue != 0 and case.bench in ("latency", "throughput")
    if quick and case.transport == "ipc":
        floors = False
    for panel in panels:
        chosen.append((panel, "panel"))
        own = floors_of(panel.name, case.bench)
        if floors:
            chosen += [(floor, "floor") for floor in (own[:1] if quick else own)]
        elif own and panel.name == "raw" and case.rate == 0 and case.queue != 0 and not (quick and case.peers > 1):
            chosen.append((own[0], "floor"))
    usual = case.transport == "tcp" and case.rate == 0
    if usual and case.bench == "latency" and case.placement == "one core" and case.size == 64 and not quick:
        chosen.append((TOOLS["sockperf"], "tool"))
    if usual and case.bench == "throughput" and case.size == 65536:
        chosen.append((TOOLS["iperf3"], "tool"))
    return chosen


def lossless_rates(panels: list[Panel], session: Session) -> list[dict[str, Any]]:
    """For each panel and size, the highest rate at which nothing is lost, found by search."""
    found = []
    for size in LOSSLESS_SIZES:
        for panel in panels:
            case = Case("throughput", "tcp", "two cores" if len(ALL_CPUS) > 1 else "one core", size, 1000)

            def works(rate: float, panel: Panel = panel, case: Case = case) -> bool:
                session.progress(f"lossless rate: {panel.name} {case.size} B {rate:.0f}/s", session.done, session.planned)
                count = max(200, round(rate * 0.4))
                try:
                    metrics = run_publishing(panel, replace(case, rate=round(rate)), count).metrics
                except Failed:
                    return False
                # Kept up with, too: not merely queued by a publisher that fell behind.
                return metrics["lost_share"] == 0 and metrics["sending_rate"] >= 0.95 * round(rate)

            rate = find_highest(works, 50_000, low=1000, high=4_000_000, precision=0.1)
            found.append({"panel": panel.name, "size": size, "rate": rate})
            session.done += 15
    return found


def measure_costs(panels: list[Panel], quick: bool, session: Session) -> dict[str, Any]:
    """System calls and bytes a message, panel by panel."""
    costs: dict[str, Any] = {}
    for panel in panels:
        session.progress(f"system calls and bytes: {panel.name}", session.done, session.planned)
        cost: dict[str, Any] = {"calls": {}, "wire": {}}
        for name, roles in (("reqrep", ("rep", "req")), ("pubsub", ("pub", "sub"))):
            if quick and name == "pubsub":
                continue
            try:
                cost["calls"] |= bench_costs.system_calls(panel, roles)
                cost["wire"][name] = bench_costs.wire_bytes(panel, roles)
            except (Failed, OSError, subprocess.TimeoutExpired) as error:
                cost["failed"] = str(error)
        costs[panel.name] = cost
        session.done += 2 if quick else 8
    return costs


def read_options(panels: list[Panel]) -> dict[str, Any]:
    """By panel and role: the sockets' options, and what the library says through its floor."""
    found: dict[str, Any] = {panel.name: options_in_force(panel) for panel in panels}
    for panel in panels:
        own = floors_of(panel.name, "throughput")[:1]
        if own and own[0].built and not own[0].framed:
            found[own[0].name] = library_options(own[0], 1000)
    return found


def head(console: Console, results: dict[str, Any], session: Session) -> None:
    info, method = results["machine"], results["method"]
    virtual = "virtual, " if info["hypervisor"] else ""
    console.print(f"[bold]{info['cpu']}[/] ({virtual}{info['cpus']} processors), {info['kernel']}, {info['system']}")
    console.print(f"load before: {' '.join(map(str, info['load_before']))}; clock {info['clock']}; TCP {info['congestion_control']}; built as {results['build']}")
    for name, version in results["versions"].items():
        console.print(f"  {name}: {version}")
    console.print(
        f"[dim]{method['rounds']} runs each, in turns, in a new order each round, after one that is thrown away; median and the interval "
        f"that holds the true one with {method['coverage']:.0%}; sizes are of the body, a message is 25 bytes more; * others used more than "
        f"{OTHERS_MAX:.0%} of the CPU, or the hypervisor {STEAL_MAX:.0%}, in a run that counts; jitter: p99 - p50; CPU and switches: client + server[/]\n"
    )


def new_results(panels: list[Panel], session: Session) -> dict[str, Any]:
    return {
        "format": bench_results.FORMAT,
        "version": bench_results.VERSION,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "build": build_type(),
        "versions": versions(panels),
        "method": {
            "rounds": session.rounds,
            "run_seconds": session.seconds,
            "coverage": interval([float(i) for i in range(session.rounds)]).coverage,
            "warm_up": session.warm_up,
            "placements": "one core: both sides on the last processor; two cores: server or publisher on the last, the others on the first; free: the kernel's choice",
        },
    }


def knows_warm_up(panel: Panel) -> bool:
    done = subprocess.run([str(panel.program("req")), "-h"], capture_output=True, check=False, timeout=10)
    return b"--warm-up" in done.stdout


def run_benches(console: Console, session: Session, benches: list[str], panels: list[Panel], quick: bool, results: dict[str, Any]) -> None:
    groups = [(case, competitors(case, panels, quick)) for case in cases(benches, quick)]
    lossless = "throughput" in benches and not quick
    session.planned = sum(session.plan(case, len(who)) for case, who in groups)
    session.planned += len(panels) * ((2 if quick else 8) + (15 * len(LOSSLESS_SIZES) if lossless else 0))
    results["options"] = read_options(panels)
    console.print("options in force, read back from running programs:")
    bench_show.show_options(console, results["options"])
    for case, who in groups:
        if time.monotonic() > session.deadline:
            console.print(f"left out, no time: {case.title()}\n")
            continue
        bench_show.show_group(console, session.group(case, who))
    if lossless:
        results["lossless"] = lossless_rates(panels, session)
        bench_show.show_lossless(console, results["lossless"], panels)
    results["costs"] = measure_costs(panels, quick, session)
    bench_show.show_costs(console, results["costs"], panels)


def draw_charts(console: Console, session: Session, folder: Path) -> None:
    for chart in bench_chart.charts(session.cells):
        text = bench_chart.terminal_chart(chart, console.width, console.is_terminal)
        if text:
            sys.stdout.write(text + "\n")
            console.print(f"[dim]{bench_chart.svg_chart(chart, folder)}[/]\n")


def goal_dict(goal: Goal) -> dict[str, Any]:
    kept = asdict(goal)
    return {**kept, "value": bench_results.as_dict(goal.value), "met": goal.met}


def main() -> int:
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--goals", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--compare", type=Path, metavar="FILE")
    parser.add_argument("--svg", type=Path, metavar="FOLDER", default=BUILD / "bench")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_intermixed_args()
    if arguments.help:
        print((__doc__ or "").rstrip())
        return 0
    names = [word for word in arguments.words if word not in (*BENCHES, "all")]
    benches = [bench for bench in BENCHES if bench in arguments.words] or list(BENCHES)
    known = [panel.name for panel in read_panels()]
    for name in names:
        if name not in known:
            complain(2, f"bench: '{name}' is neither {', '.join(BENCHES)}, all, nor a panel ({' '.join(known)})")
    panels, left_out = choose_panels(names, "bench")
    earlier = None
    if arguments.compare:
        try:
            earlier = bench_results.read(arguments.compare)
        except ValueError as error:
            complain(2, f"bench: --compare {error}")
    if not build_type() in BUILDS:
        complain(1, f"bench: built as {build_type()}; only {', '.join(BUILDS)} without sanitizers are measured")
    for panel in left_out:
        print(f"triptych: {panel.name} is left out: not built", file=sys.stderr)

    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    bar = Bar()
    allowed = QUICK_SECONDS if arguments.quick else FULL_SECONDS
    session = Session(
        rounds=5,
        seconds=0.12 if arguments.quick else 0.4,
        deadline=time.monotonic() + allowed,
        progress=bar,
        warm_up=all(knows_warm_up(panel) for panel in panels),
    )
    began = time.monotonic()
    results = new_results(panels, session)
    head(console, results, session)
    goals: list[Goal] = []
    if arguments.goals:
        goals = run_goals(session, panels)
    else:
        run_benches(console, session, benches, panels, arguments.quick, results)
    bar.end()
    if goals:
        bench_show.show_goals(console, goals)
        results["goals"] = [goal_dict(goal) for goal in goals]
    else:
        draw_charts(console, session, arguments.svg)
    results["cells"] = [bench_results.cell_dict(cell, session.cells) for cell in session.cells]
    results["seconds"] = round(time.monotonic() - began, 1)
    if arguments.json:
        bench_results.write(results, arguments.json)
        console.print(f"written: {arguments.json}")
    if earlier:
        bench_show.show_changes(console, bench_results.compare(earlier, results))
    failed = [cell for cell in session.cells if cell.kind == "panel" and not cell.good]
    for cell in failed:
        print(f"triptych: {cell.case.title()}: {cell.competitor.name}: {cell.failed}", file=sys.stderr)
    return 1 if failed or any(goal.met is not True for goal in goals) else 0


if __name__ == "__main__":
    end_on_signals()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ntriptych: stopped", file=sys.stderr)
        sys.exit(130)
