"""The goals: ratios that hold in one run, each against its bound.

A verdict is about the interval, not about its median: two runs of the same programs on one machine
differ by as much. A goal that cannot be told after the usual runs gets MORE_RUNS, once: to look
again and again would find at last what chance has to offer.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.kinds import Case
from bench.results import as_dict
from bench.run import ALL_CPUS, EITHER, ONE, TWO, possible
from bench.session import Cell, Session, find_cell, baselines_of, ratio_of
from bench.stats import Interval, interval, median
from harness.panels import BUILD, Panel

GOAL_SIZE = 39  # of the body: 64 bytes is the whole message
LIBRARIES = ("zmq", "nanomsg", "nng")
LIBRARY_SIZES = (GOAL_SIZE, 1024, 65536)
IDLE = 5000  # clients
CODEC_RUNS = 5
RUNS = 9  # that count: a verdict hangs on them
MORE_RUNS = 27  # that count, where nine leave the verdict open
FANOUT_SECONDS = 0.5  # of a run: starting 65 programs costs as much CPU time as many events
BATCHES = "bare batches of 64 KiB"  # raw's own are larger: METHOD.md


MET, MISSED, NOT_TOLD, NOT_MEASURED = "met", "missed", "cannot be told", "not measured"
VERDICTS = (MET, MISSED, NOT_TOLD, NOT_MEASURED)


@dataclass
class Goal:
    """What is asked for: at least, or at most, a bound."""

    what: str
    bound: float
    at_least: bool
    unit: str = ""
    value: Interval | None = None
    note: str = ""
    disturbed: bool = False  # any of the runs that it rests on

    def verdict(self) -> str:
        if self.value is None:
            return NOT_MEASURED
        if self.value.low < self.bound < self.value.high:
            return NOT_TOLD
        low_enough, high_enough = self.value.high <= self.bound, self.value.low >= self.bound
        return MET if (high_enough if self.at_least else low_enough) else MISSED


def as_json(goal: Goal) -> dict[str, Any]:
    verdict = goal.verdict()
    met = {MET: True, MISSED: False}.get(verdict)
    return {**asdict(goal), "value": as_dict(goal.value), "verdict": verdict, "met": met}


@dataclass
class Task:
    """Cells to be run in turns, and the goals that follow from them."""

    cells: list[Cell]
    conclude: Callable[[list[Cell]], list[Goal]]
    seconds: float = 0.0  # of a run, if it must be longer than others


def cells_of(case: Case, *competitors: Panel) -> list[Cell]:
    return [
        Cell(case, one, "baseline" if one.folder == "tools/bench" else "panel", wanted=RUNS)
        for one in competitors
    ]


def notes_of(cells: list[Cell]) -> str:
    """What a reader of the figure has to know."""
    notes = [f"{cell.competitor.name}: {cell.failed}" for cell in cells if cell.failed]
    lost = max((share for cell in cells for share in cell.values("lost_share")), default=0.0)
    notes += [f"up to {lost:.1%} lost"] if lost > 0 else []
    return ", ".join(notes)


def ratio_goal(
    cells: list[Cell], what: str, pair: tuple[str, str], metric: str, bound: float
) -> Goal:
    """The ratio of two of these: of rates at least the bound, of times at most."""
    found = [cell for name in pair if (cell := find_cell(cells, name))]
    goal = Goal(what, bound, metric == "rate", note=notes_of(found))
    goal.disturbed = any(cell.disturbed for cell in found)
    if len(found) == 2:
        goal.value = ratio_of(found[0], found[1], metric)
    return goal


def lossless(goal: Goal, cells: list[Cell]) -> Goal:
    """Counts only if raw lost nothing."""
    cell = find_cell(cells, "raw")
    if cell and max(cell.values("lost_share"), default=0.0) > 0:
        goal.value = interval([0.0])
    return goal


def raw_tasks(raw: Panel, zmq: Panel | None) -> list[Task]:
    epoll = baselines_of("raw", "latency")[0]
    batch = baselines_of("raw", "throughput")[0]
    push = baselines_of("zmq", "throughput")[1]
    two = possible(TWO)

    def round_trips(transport: str) -> Task:
        what = f"raw: round trip 64 B, {transport}, one core, p50 / bare epoll"
        return Task(
            cells_of(Case("latency", transport, ONE, GOAL_SIZE), raw, epoll),
            lambda cells: [ratio_goal(cells, what, ("raw", epoll.name), "p50", 1.08)],
        )

    def publishing(cells: list[Cell]) -> list[Goal]:
        what = "raw: publish 64 B, nothing lost"
        bare = ratio_goal(cells, f"{what} / {BATCHES}", ("raw", batch.name), "rate", 0.6)
        other = ratio_goal(cells, f"{what} / ZeroMQ PUSH/PULL", ("raw", push.name), "rate", 5.0)
        return [lossless(bare, cells), lossless(other, cells)]

    def large(cells: list[Cell]) -> list[Goal]:
        what = "raw: publish 64 KiB / bare sender"
        return [ratio_goal(cells, what, ("raw", batch.name), "rate", 0.8)]

    def fanout(cells: list[Cell]) -> list[Goal]:
        what = "raw: publish 64 B to 64 subscribers"
        goals = [ratio_goal(cells, f"{what} / {BATCHES}", ("raw", batch.name), "rate", 0.6)]
        if zmq:
            # The rate depends on what else the machine does; what an event costs, hardly.
            goals.append(ratio_goal(cells, f"{what} / ZeroMQ's panel", ("raw", "zmq"), "rate", 8.0))
            cost = f"{what}, CPU time of an event / ZeroMQ's panel"
            goals.append(ratio_goal(cells, cost, ("raw", "zmq"), "cpu_us", 1 / 8))
        return goals

    def idle(cells: list[Cell]) -> list[Goal]:
        none, many = (cell for peers in (0, IDLE) if (cell := find_cell(cells, "raw", peers=peers)))
        what = f"raw: p50 with {IDLE} idle connections / with none"
        latency = Goal(what, 1.05, False, value=ratio_of(many, none, "p50"), note=notes_of(cells))
        latency.disturbed = any(cell.disturbed for cell in cells)
        what = f"raw: the server's memory with {IDLE} idle connections"
        memory = Goal(what, 3.0, False, " MB", note=many.failed)
        resident = many.values("server_resident_kib")
        if resident:
            memory.value = interval([kib * 1024 / 1e6 for kib in resident])
        return [latency, memory]

    many = [raw, batch, *([zmq] if zmq else [])]
    return [
        round_trips("tcp"),
        round_trips("ipc"),
        Task(cells_of(Case("throughput", "tcp", two, GOAL_SIZE, -1), raw, batch, push), publishing),
        Task(cells_of(Case("throughput", "tcp", two, 65536, -1), raw, batch), large),
        Task(
            [cell for n in (0, IDLE) for cell in cells_of(Case("connections", peers=n), raw)], idle
        ),
        Task(
            cells_of(Case("fanout", "tcp", EITHER, GOAL_SIZE, -1, peers=64), *many),
            fanout,
            FANOUT_SECONDS,
        ),
    ]


def library_tasks(panel: Panel) -> list[Task]:
    """A library's panel beside the bare loops over it: round trips, and publishing."""

    def task(bench: str, size: int) -> Task:
        own = baselines_of(panel.name, bench)[0]
        shown = "64 B" if size == GOAL_SIZE else f"{size >> 10} KiB"
        case = Case(bench, "tcp", ONE if bench == "latency" else possible(TWO), size, -1)
        metric, bound = ("p50", 1 / 0.92) if bench == "latency" else ("rate", 0.92)
        what = "round trip" if bench == "latency" else "publish"
        what = f"{panel.name}: {what} {shown}, {metric} / bare loop"
        return Task(
            cells_of(case, panel, own),
            lambda cells: [ratio_goal(cells, what, (panel.name, own.name), metric, bound)],
        )

    return [task(bench, size) for size in LIBRARY_SIZES for bench in ("latency", "throughput")]


def codec_goal() -> Goal:
    """A ratio taken within one program: nanoseconds alone are those of a processor."""
    goal = Goal(
        "common: encode + decode of a 64 B message / its fields stored and loaded", 2.5, False
    )
    command = ["taskset", "-c", str(ALL_CPUS[-1]), str(BUILD / "bench-codec")]
    ratios, times = [], []
    for _ in range(CODEC_RUNS):
        try:
            done = subprocess.run(command, capture_output=True, check=True, timeout=60)
            found = json.loads(done.stdout)
            ratios.append(found["ns"] / found["bare_ns"])
            times.append(found["ns"])
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            goal.note = str(error)
    if ratios:
        goal.value, goal.note = interval(ratios), f"here {median(times):.1f} ns"
    return goal


def run_goals(session: Session, panels: list[Panel]) -> list[Goal]:
    """Runs all that the goals of these panels need, and judges."""
    by_name = {panel.name: panel for panel in panels}
    tasks = raw_tasks(by_name["raw"], by_name.get("zmq")) if "raw" in by_name else []
    for name in LIBRARIES:
        tasks += library_tasks(by_name[name]) if name in by_name else []
    for task in tasks:
        task.cells = [cell for cell in task.cells if cell.competitor.built]
    usual = session.seconds
    for task in tasks:
        session.seconds = task.seconds or usual
        session.planned += sum(session.plan(cell) for cell in task.cells)
    for task in tasks:
        session.seconds = task.seconds or usual
        session.take_turns(task.cells)
    open_ones = [
        task
        for task in tasks
        if any(goal.verdict() == NOT_TOLD for goal in task.conclude(task.cells))
    ]
    for task in open_ones:
        session.again(task.cells, MORE_RUNS)
    # Only now: what is known of the processors' best speed says which runs were disturbed.
    goals = [goal for task in tasks for goal in task.conclude(task.cells)]
    return [*goals, codec_goal()]
