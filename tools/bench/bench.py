"""./triptych bench - how fast, how steady, at what cost

Usage:  ./triptych bench [WHAT...] [PANEL...] [--quick]
                         [--json FILE] [--compare FILE] [--svg FOLDER]
        ./triptych bench --goals [PANEL...] [--json FILE] [--compare FILE]
        ./triptych bench --hosts NAMES [WHAT...] [PANEL...] [--quick]
                         [--json FILE]
        ./triptych bench --scale [PANEL...] [--json FILE]
        ./triptych bench --read FILE [--tables] [--svg FOLDER]

Measures the panels' own programs. Beside each panel stands its baseline: the
smallest program that does the same on the same library
(tools/bench/baselines/). They run in turns, five times each or more, on named
processors; each figure is a median with its interval. On a busy machine the
time may be up sooner: then a line below the table says how many runs there are.
A row is marked * if other programs or other virtual machines disturbed one of
its runs. At the end sentences say what was found, why, as far as it was
counted, and how much the disturbances matter. tools/bench/METHOD.md says how it
is done, and why.

  WHAT           latency, throughput, fanout, connections, or all (default; of
                 --quick the first three)
  PANEL...       these panels only; without: all that are built
  --quick        64 B over TCP, short runs, 64 subscribers: about 90 seconds
                 instead of forty minutes
  --goals        measures only what the goals need and prints each ratio beside
                 its bound; nine runs each, ten minutes
  --hosts NAMES  runs servers and publishers on the first of these, the others
                 on the second: --hosts one,two (./triptych demo --help);
                 WHAT is then latency, throughput or fanout. A host that is
                 lost ends the run; --json has what was measured until then
  --json FILE    writes all figures, those of each run, too, to FILE
                 (its format: tools/bench/results.schema.json)
  --compare FILE says what has changed since the run that wrote FILE
  --scale        measures what an event costs a publisher for each subscriber,
                 and prints what follows for a million: a document, in five
                 minutes
  --read FILE    measures nothing; prints the sentences, or the document, of the
                 run that wrote FILE (which gzip may have made shorter: .gz)
  --tables       with --read: the tables, too, and all else that the run printed
  --svg FOLDER   writes charts and figures to FOLDER (default: build/bench);
                 with --read the charts alone

Without a terminal the tables are 150 columns wide; COLUMNS changes that.
If a run fails, the others go on, and a sentence says which failed and why.
A goal is met if its whole interval keeps to the bound, and missed if none of it
does. If the interval covers the bound, the goal cannot be told: measure again.
Exit status: 0 done, 1 a goal was missed or not measured, or a panel failed, 2
the command line was wrong, 130 stopped by Ctrl-C (the --json file has what was
measured until then), 141 the reader of the output has gone. A goal that
cannot be told leaves 0.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from bench import costs as bench_costs
from bench import results as bench_results
from bench import scale as bench_scale
from bench import scale_doc
from bench import search as bench_search
from bench import show as bench_show
from bench.between import complain_between, measure_between
from bench.chart import charts, in_letters
from bench.goals import RUNS as GOAL_ROUNDS
from bench.goals import MISSED, NOT_MEASURED, Goal, as_json, run_goals
from bench.kinds import Case
from bench.machine import build_type, library_options, options_in_force
from bench.reading import draw_file, read_out
from bench.record import Bar, Recorder
from bench.run import FREE, ONE, TWO, possible
from bench.session import ROUNDS, TOOLS, Session, baselines_of
from bench.tables import WIDE, show_costs, show_lossless
from harness.chart import terminal_chart
from harness.command import CommandLine
from harness.files import OutputFile, make_folder
from harness.panels import (
    BUILD,
    Panel,
    check_names,
    choose_panels,
    complain,
    printable,
    read_panels,
    warn,
)
from harness.terminal import Output

BENCHES = ("latency", "throughput", "fanout", "connections")
QUICK_BENCHES = BENCHES[:3]  # of --quick, where nothing else is asked for
BUILDS = ("debugoptimized", "release", "minsize")
SIZES = (16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
PUBLISH_SIZES = (16, 64, 256, 1024, 4096, 16384, 65536)
PUSH_SIZES = (64, 4096, 65536)  # at which the baselines of another pattern take part
QUEUE_SIZES = (64, 4096)  # with other queues, too
RATES = (1000, 5000, 20000)
PEERS = (1, 8, 64, 256, 512)
BASELINE_PEERS_MAX = 64  # above, the baselines are left out: forty minutes are not enough
IDLE = (0, 100, 1000, 5000)
COSTS_SECONDS = 3.0  # of one competitor and pattern
OPTIONS_SECONDS = 1.2  # to read a panel's options back


@dataclass(frozen=True)
class Depth:
    """How much is measured."""

    quick: bool
    total: float  # seconds that all may take
    run: float  # seconds of a run
    patience: float  # of the time planned, to wait for quiet moments
    rounds: int = ROUNDS  # runs that count


QUICK = Depth(True, 84.0, 0.1, 0.05)
GOALS = Depth(False, 600.0, 0.15, 0.5, GOAL_ROUNDS)
FULL = Depth(False, 2300.0, 0.15, 0.2)


def cases(benches: list[str], quick: bool) -> list[Case]:
    """What is measured, in order."""
    found: list[Case] = []
    two = possible(TWO)
    elsewhere = [place for place in (TWO, FREE) if possible(place) != ONE]
    if "latency" in benches and quick:
        found += [Case("latency", "tcp")]
    elif "latency" in benches:
        found += [
            Case("latency", transport, ONE, size) for transport in ("tcp", "ipc") for size in SIZES
        ]
        found += [
            Case("latency", transport, where) for transport in ("tcp", "ipc") for where in elsewhere
        ]
        found += [Case("latency", "tcp", ONE, rate=rate) for rate in RATES]
    if "throughput" in benches:
        sizes = (64,) if quick else PUBLISH_SIZES
        found += [Case("throughput", "tcp", two, size) for size in sizes]
        if not quick:
            found += [
                Case("throughput", "tcp", two, size, queue)
                for queue in (-1, 0)
                for size in QUEUE_SIZES
            ]
    if "fanout" in benches:
        peers = (64,) if quick else PEERS
        found += [Case("fanout", "tcp", FREE, 64, -1, peers=n) for n in peers]
    if "connections" in benches:
        found += [Case("connections", peers=n) for n in ((1000,) if quick else IDLE)]
    return found


def baselines_for(case: Case, panel: Panel, quick: bool) -> list[Panel]:
    """The baselines that stand beside a panel: its own, and where there is time the others."""
    baselines: list[Panel] = list(baselines_of(panel.name, case.bench))
    many = case.bench == "fanout" and case.peers > BASELINE_PEERS_MAX and panel.name != "raw"
    if many or (quick and case.bench in ("fanout", "connections")):
        return []
    if quick or case.bench in ("fanout", "connections") or case.rate or case.queue == 0:
        return baselines[:1]
    return [one for one in baselines if not one.name.endswith("-push") or case.size in PUSH_SIZES]


def tools_for(case: Case, quick: bool) -> list[Panel]:
    """The independent tools that can do the same."""
    if case.transport != "tcp" or case.rate or case.queue != 1000 or quick:
        return []
    if case.bench == "latency" and case.placement == ONE and case.size == 64:
        return [TOOLS["sockperf"]]
    return [TOOLS["iperf3"]] if case.bench == "throughput" and case.size == 65536 else []


def competitors(case: Case, panels: list[Panel], quick: bool) -> list[tuple[Panel, str]]:
    """Who takes part in a case, and as what."""
    chosen: list[tuple[Panel, str]] = []
    for panel in panels:
        chosen.append((panel, "panel"))
        chosen += [(baseline, "baseline") for baseline in baselines_for(case, panel, quick)]
    return chosen + [(tool, "tool") for tool in tools_for(case, quick)]


def costed(panels: list[Panel], quick: bool) -> dict[Panel, list[str]]:
    """Whose system calls and bytes are counted, and in which patterns."""
    chosen: dict[Panel, list[str]] = {}
    for panel in panels:
        chosen[panel] = ["reqrep"] if quick else ["reqrep", "pubsub"]
        for bench, pattern in (
            (("latency", "reqrep"), ("throughput", "pubsub")) if not quick else ()
        ):
            for baseline in baselines_of(panel.name, bench)[:1]:
                if baseline.built:
                    chosen.setdefault(replace(baseline, heading="", label=""), []).append(pattern)
    return chosen


def read_options(recorder: Recorder, panels: list[Panel]) -> dict[str, Any]:
    """By panel and role: the sockets' options, and what the library says through its baseline."""
    found: dict[str, Any] = {}
    for panel in panels:
        with recorder.going_on(f"options of {panel.name}"):
            found[panel.name] = options_in_force(panel)
            own = baselines_of(panel.name, "throughput")[:1]
            if own and own[0].built and not own[0].framed:
                found[own[0].name] = library_options(own[0], 1000)
    return found


def run_benches(
    console: Console, recorder: Recorder, bar: Bar, benches: list[str], panels: list[Panel]
) -> None:
    """Measures and prints case by case."""
    session, results = recorder.session, recorder.results
    quick = results["quick"]
    groups = [
        session.cells_for(case, competitors(case, panels, quick)) for case in cases(benches, quick)
    ]
    lossless = "throughput" in benches and not quick
    counted = costed(panels, quick)
    session.planned = sum(session.plan(cell) for group in groups for cell in group)
    session.planned += sum(map(len, counted.values())) * COSTS_SECONDS
    session.planned += bench_search.plan(len(panels)) if lossless else 0
    session.planned += len(panels) * OPTIONS_SECONDS
    results["options"] = read_options(recorder, panels)
    session.done += len(panels) * OPTIONS_SECONDS
    for group in groups:
        session.take_turns(group)
        bar.clear()
        bench_show.show_group(console, group)
        recorder.write()
    if lossless:
        results["lossless"] = bench_search.lossless_rates(panels, session)
        bar.clear()
        recorder.write()
        show_lossless(console, results)
    results["costs"] = {}
    for one, patterns in counted.items():
        bar(f"threads, system calls and bytes: {one.name}", session.done, session.planned)
        results["costs"][one.name] = bench_costs.costs_of(one, patterns)
        session.done += len(patterns) * COSTS_SECONDS
    bar.clear()
    recorder.write()
    show_costs(console, results)


def draw_charts(console: Console, results: dict[str, Any], folder: Path) -> None:
    """In the terminal, and into the folder;
    the figures as well: the page Price shows the newest."""
    OutputFile("bench: --svg", folder / "results.json").write(bench_results.text_of(results))
    for chart in charts(results["cells"]):
        text = terminal_chart(in_letters(chart), console.width, console.is_terminal)
        if text:
            console.file.write(text.strip("\f\n") + "\n")
        draw_file(console, chart, folder)


def read_command_line() -> argparse.Namespace:
    command = CommandLine("bench", __doc__)
    command.add_argument("--quick", action="store_true")
    command.add_argument("--goals", action="store_true")
    command.add_argument("--hosts", metavar="NAMES")
    command.add_argument("--json", type=Path, metavar="FILE")
    command.add_argument("--compare", type=Path, metavar="FILE")
    command.add_argument("--read", type=Path, metavar="FILE")
    command.add_argument("--tables", action="store_true")
    command.add_argument("--scale", action="store_true")
    command.add_argument("--svg", type=Path, metavar="FOLDER")
    command.add_argument("words", nargs="*")
    arguments = command.read()
    words = arguments.words
    known = [panel.name for panel in read_panels()]
    arguments.names = [word for word in words if word not in (*BENCHES, "all")]
    usual = QUICK_BENCHES if arguments.quick and "all" not in words else BENCHES
    arguments.benches = [bench for bench in BENCHES if bench in words] or list(usual)
    check_names("bench", "panel", arguments.names, known)
    if arguments.goals and (arguments.quick or len(arguments.names) < len(words)):
        complain(
            2,
            "bench: --goals runs what the goals need; it takes panels, "
            "and neither WHAT nor --quick",
        )
    otherwise = arguments.quick or arguments.goals or arguments.hosts
    if arguments.read and (words or otherwise or arguments.scale):
        complain(2, "bench: --read measures nothing and goes with no other word")
    if arguments.tables and not arguments.read:
        complain(2, "bench: --tables prints those of an earlier run: it goes with --read FILE")
    if arguments.scale and (otherwise or len(arguments.names) < len(words)):
        complain(
            2,
            "bench: --scale measures what its document needs; it takes panels, and no other way to "
            "measure",
        )
    if arguments.hosts is not None:
        complain_between(arguments)
    return arguments


def measure_scale(panels: list[Panel], output: OutputFile | None) -> int:
    """Measures, and prints the document on standard output."""

    def progress(what: str) -> None:
        print(f"scale: {what}", file=sys.stderr, flush=True)

    results = bench_scale.measure_all(panels, progress)
    if output:
        output.write(bench_results.text_of(results))
    sys.stdout.write(scale_doc.document(results))
    failed = [
        f"{panel['panel']}: {what}" for panel in results["panels"] for what in panel["failed"]
    ]
    for sentence in failed:
        warn(sentence)
    return 1 if failed else 0


def earlier_run(option: str, path: Path) -> dict[str, Any]:
    """The results in that file; ends the program if it is none."""
    try:
        return bench_results.read(path)
    except ValueError as error:
        complain(2, f"bench: {option} {error}")


def main() -> int:
    arguments = read_command_line()
    if arguments.read:
        return read_out(arguments.read, arguments.svg, arguments.tables)
    earlier = earlier_run("--compare", arguments.compare) if arguments.compare else None
    panels, left_out = choose_panels(arguments.names, "bench")
    if build_type() not in BUILDS:
        complain(
            1,
            f"bench: the programs were built as {build_type()}; bench measures only builds as "
            f"{', '.join(BUILDS)}, without sanitizers: set another build "
            "folder with TRIPTYCH_BUILD",
        )
    for panel in left_out:
        warn(f"panel {panel.name} is left out: {panel.left_out()}")
    # Better now than after forty minutes.
    output = OutputFile("bench: --json", arguments.json) if arguments.json else None
    if arguments.scale:
        return measure_scale(panels, output)
    folder = arguments.svg or BUILD / "bench"
    if not arguments.goals and arguments.hosts is None:
        make_folder("bench: --svg", folder)

    console = Output(WIDE)
    if arguments.hosts is not None:
        return measure_between(console, Bar(), arguments, panels, output)
    depth = GOALS if arguments.goals else QUICK if arguments.quick else FULL
    bar = Bar()
    session = Session(depth.run, time.monotonic() + depth.total, bar, patience=depth.patience)
    recorder = Recorder(session, panels, depth.rounds, depth.quick, output)
    bench_show.show_opening(console, recorder.results, depth.total)
    goals: list[Goal] = []
    try:
        if arguments.goals:
            goals = run_goals(session, panels)
            recorder.results["goals"] = [as_json(goal) for goal in goals]
        else:
            run_benches(console, recorder, bar, arguments.benches, panels)
        recorder.results["interrupted"] = False
    finally:
        bar.clear()
        recorder.write(last=True)
    if not goals:
        with recorder.going_on("charts"):
            draw_charts(console, recorder.results, folder)
        bench_show.show_options(console, recorder.results["options"])
    bench_show.show_method(console, recorder.results)
    if goals:
        bench_show.show_goals(console, recorder.results)
    else:
        bench_show.show_short(console, recorder.results)
        bench_show.show_cases(console, recorder.results)
    if arguments.json:
        console.print(f"written: {escape(printable(str(arguments.json)))}", soft_wrap=True)
    if earlier:
        changes = bench_results.compare(earlier, recorder.results)
        bench_show.show_changes(
            console, changes, bench_results.differences(earlier, recorder.results)
        )
    failed = [cell for cell in session.cells if cell.kind == "panel" and not cell.counting]
    for cell in failed:
        warn(f"{cell}: {cell.failed}")
    return 1 if failed or any(goal.verdict() in (MISSED, NOT_MEASURED) for goal in goals) else 0
