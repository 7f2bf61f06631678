"""The goals: ratios that hold in one run, each against its bound."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from bench_kinds import Case
from bench_session import Cell, Session, find_cell, floors_of, ratio_of
from bench_stats import Interval
from panels import BUILD, Panel

GOAL_SIZE = 39  # of the body: 64 bytes is the whole message
LIBRARIES = ("zmq", "nanomsg", "nng")
LIBRARY_SIZES = (GOAL_SIZE, 1024, 65536)


@dataclass
class Goal:
    """What is asked for: at least, or at most, a bound."""

    what: str
    bound: float
    at_least: bool
    unit: str = ""
    value: Interval | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value.median >= self.bound if self.at_least else self.value.median <= self.bound

    def verdict(self) -> str:
        return {True: "met", False: "missed", None: "not measured"}[self.met]


@dataclass
class Task:
    """A group to be run, and the goals that follow from it."""

    case: Case
    competitors: list[tuple[Panel, str]]
    conclude: Callable[[list[Cell]], list[Goal]]


def exact(value: float) -> Interval:
    return Interval(value, value, value, 0.0, 1)


def goal_ratio(cells: list[Cell], what: str, above: str, below: str, metric: str, bound: float, at_least: bool) -> Goal:
    one, other = find_cell(cells, above), find_cell(cells, below)
    goal = Goal(what, bound, at_least)
    if one and other:
        goal.value = ratio_of(one, other, metric)
        goal.note = one.failed or other.failed
        if one.disturbed or other.disturbed:
            goal.note = (goal.note + " disturbed").strip()
        lost = max(one.values("lost_share") + other.values("lost_share"), default=0.0)
        if lost > 0:
            goal.note = f"{goal.note} up to {lost:.1%} lost".strip()
    return goal


def lossless(goal: Goal, cells: list[Cell], name: str) -> Goal:
    """The goal counts only if all that was sent arrived."""
    cell = find_cell(cells, name)
    if cell and max(cell.values("lost_share"), default=0.0) > 0:
        goal.value = exact(0.0)
        goal.note = "messages were lost"
    return goal


def raw_tasks(panels: dict[str, Panel]) -> list[Task]:
    raw = (panels["raw"], "panel")
    epoll = (floors_of("raw", "latency")[0], "floor")
    batch = (floors_of("raw", "throughput")[0], "floor")
    tasks = []
    for transport in ("tcp", "ipc"):
        case = Case("latency", transport, "one core", GOAL_SIZE)
        what = f"raw round trip 64 B {transport} one core, p50 / bare epoll"
        tasks.append(Task(case, [raw, epoll], lambda cells, what=what: [goal_ratio(cells, what, "raw", "floor-epoll", "p50", 1.15, False)]))

    push = (floors_of("zmq", "throughput")[1], "floor")
    case = Case("throughput", "tcp", "two cores", GOAL_SIZE, -1)
    tasks.append(
        Task(
            case,
            [raw, batch, push],
            lambda cells: [
                lossless(goal_ratio(cells, "raw publish 64 B lossless / bare batches", "raw", "floor-batch", "rate", 0.5, True), cells, "raw"),
                lossless(goal_ratio(cells, "raw publish 64 B lossless / bare ZeroMQ PUSH/PULL", "raw", "floor-zmq-push", "rate", 2.0, True), cells, "raw"),
            ],
        )
    )
    case = Case("throughput", "tcp", "two cores", 65536, -1)
    tasks.append(Task(case, [raw, batch], lambda cells: [goal_ratio(cells, "raw publish 64 KiB / bare sender", "raw", "floor-batch", "rate", 0.8, True)]))
    if "zmq" in panels:
        case = Case("fanout", "tcp", "free", GOAL_SIZE, -1, peers=64)
        competitors = [raw, (panels["zmq"], "panel")]
        tasks.append(Task(case, competitors, lambda cells: [goal_ratio(cells, "raw publish 64 B to 64 subscribers / ZeroMQ's panel", "raw", "zmq", "rate", 4.0, True)]))
    return tasks


def library_tasks(panels: dict[str, Panel]) -> list[Task]:
    tasks = []
    for name in LIBRARIES:
        if name not in panels:
            continue
        for size in LIBRARY_SIZES:
            shown = "64 B" if size == GOAL_SIZE else f"{size >> 10} KiB"
            for bench, placement, metric, bound in (
                ("latency", "one core", "p50", 0.9),
                ("throughput", "two cores", "rate", 0.85),
            ):
                own = floors_of(name, bench)[0]
                word = "round trip" if bench == "latency" else "publish"
                what = f"{name} {word} {shown} / bare loop"
                # Of two times, the floor's over the panel's: more is better, as for a rate.
                above, below = (own.name, name) if bench == "latency" else (name, own.name)
                tasks.append(
                    Task(
                        Case(bench, "tcp", placement, size, -1),
                        [(panels[name], "panel"), (own, "floor")],
                        lambda cells, w=what, a=above, b=below, m=metric, bound=bound: [goal_ratio(cells, w, a, b, m, bound, True)],
                    )
                )
    return tasks


def idle_goals(session: Session, raw: Panel) -> list[Goal]:
    """5000 idle clients: both cases take turns, since their ratio counts."""
    cells = {peers: Cell(Case("connections", peers=peers), raw, "panel") for peers in (0, 5000)}
    for cell in cells.values():
        session.calibrate(cell, session.seconds)
    for _ in range(session.rounds):
        for cell in cells.values():
            session.tell(cell)
            cell.runs.append(None if cell.failed else session.once(cell, cell.count))
    session.cells += cells.values()
    latency = Goal("raw p50 with 5000 idle connections / with none", 1.2, False)
    latency.value = ratio_of(cells[5000], cells[0], "p50")
    latency.note = cells[5000].failed or ("disturbed" if cells[5000].disturbed else "")
    memory = Goal("raw server's memory with 5000 idle connections", 12.0, False, " MB")
    kib = cells[5000].values("server_resident_kib")
    if kib:
        memory.value = exact(max(kib) * 1024 / 1e6)
    return [latency, memory]


def codec_goal() -> Goal:
    goal = Goal("common: encode + decode of a 64 B message", 40.0, False, " ns")
    done = subprocess.run([str(BUILD / "bench-codec")], capture_output=True, check=False, timeout=60)
    if done.returncode == 0:
        goal.value = exact(json.loads(done.stdout)["ns"])
    return goal


def run_goals(session: Session, panels: list[Panel]) -> list[Goal]:
    """Runs all that the goals need, and judges."""
    by_name = {panel.name: panel for panel in panels}
    tasks = raw_tasks(by_name) if "raw" in by_name else []
    tasks += library_tasks(by_name)
    session.planned = sum(session.plan(task.case, len(task.competitors)) for task in tasks) + 15
    goals = []
    for task in tasks:
        goals += task.conclude(session.group(task.case, task.competitors))
    if "raw" in by_name:
        goals += idle_goals(session, by_name["raw"])
    goals.append(codec_goal())
    return goals
