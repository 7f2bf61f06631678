"""A benchmark session: who competes, in which cases, in turns, until the figures are had.

In each case every competitor is first run once, short, and thrown away: that warms up and tells
how many messages fill a run. Then they take turns, in a new order each round, so that whatever
changes on the machine meets all of them. A run that others disturbed is repeated while there is
time; if none came undisturbed, the figure is marked.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bench_kinds import Case, Outcome, run_case
from bench_run import Failed, Floor, Metrics
from bench_stats import Interval, interval, ratio
from panels import Panel

COUNT_MAX = {"latency": 200_000, "connections": 100_000, "throughput": 4_000_000, "fanout": 20_000_000}
MEMORY_MAX = 512 << 20  # bytes that a queue without loss may hold, at 100 a message more than its body
ROUNDS_MIN = 2  # however late it is
REPEATS = 2  # of a disturbed run, at most
RUN_OVERHEAD = {"latency": 0.15, "connections": 0.6, "throughput": 0.75, "fanout": 0.6}  # seconds a run, besides


def floor(name: str, label: str, colour: str, framed: bool = False) -> Floor:
    return Floor(name, "bench", label, colour, label=label, framed=framed)


# Each panel's floors, the first of each kind being its own: what its ratio is to.
ROUND_TRIP_FLOORS: dict[str, list[Floor]] = {
    "raw": [
        floor("floor-epoll", "bare epoll", "green", True),
        floor("floor-block", "bare blocking", "green", True),
    ],
    "zmq": [floor("floor-zmq", "bare REQ/REP", "red")],
    "nanomsg": [floor("floor-nanomsg", "bare REQ/REP", "yellow")],
    "nng": [
        floor("floor-nng", "bare REQ/REP", "cyan"),
        floor("floor-nng-native", "native REQ/REP", "cyan"),
    ],
}
PUBLISH_FLOORS: dict[str, list[Floor]] = {
    "raw": [floor("floor-batch", "bare 64 KiB batches", "green", True)],
    "zmq": [
        floor("floor-zmq", "bare PUB/SUB", "red"),
        floor("floor-zmq-push", "bare PUSH/PULL", "red"),
    ],
    "nanomsg": [floor("floor-nanomsg", "bare PUB/SUB", "yellow")],
    "nng": [
        floor("floor-nng", "bare PUB/SUB", "cyan"),
        floor("floor-nng-native", "native PUB/SUB", "cyan"),
    ],
}
TOOLS = {
    "sockperf": Panel("sockperf", "", "sockperf", "white"),
    "iperf3": Panel("iperf3", "", "iperf3", "white"),
}


def floors_of(panel: str, bench: str) -> list[Floor]:
    table = ROUND_TRIP_FLOORS if bench in ("latency", "connections") else PUBLISH_FLOORS
    return table.get(panel, [])


@dataclass
class Cell:
    """One competitor in one case: all its runs, in the order of the rounds."""

    case: Case
    competitor: Panel
    kind: str  # panel, floor or tool
    count: int = 0
    runs: list[Outcome | None] = field(default_factory=list)  # None: the run failed
    short: Outcome | None = None  # the first, thrown away but for what starting costs
    repeated: int = 0
    failed: str = ""

    @property
    def good(self) -> list[Outcome]:
        return [run for run in self.runs if run is not None]

    @property
    def disturbed(self) -> bool:
        return any(run.disturbed for run in self.good)

    def values(self, name: str) -> list[float]:
        return [run.metrics[name] for run in self.good if name in run.metrics]

    def figure(self, name: str) -> Interval | None:
        values = self.values(name)
        return interval(values) if values else None


def cost_per_message(outcome: Outcome, short: Outcome | None, received: bool) -> None:
    """Adds to the figures what a message costs: CPU and switches of both sides, less a short run's."""
    metrics = outcome.metrics
    base = short.metrics if short else {}
    key = "received" if received else "count"
    if metrics.get(key, 0) < 4 * base.get(key, 0):  # too alike to tell a difference
        short, base = None, {}
    messages = metrics.get(key, 0) - base.get(key, 0)
    if messages <= 0 or not outcome.cpu:
        return
    for side in ("client", "server"):
        before = short.cpu.get(side, 0.0) if short else 0.0
        metrics[f"{side}_cpu_us"] = max(0.0, outcome.cpu[side] - before) / messages * 1e6
        switches = sum(metrics[f"{side}_{kind}"] - base.get(f"{side}_{kind}", 0.0) for kind in ("voluntary", "involuntary"))
        metrics[f"{side}_switches"] = max(0.0, switches) / messages
    metrics["cpu_us"] = metrics["client_cpu_us"] + metrics["server_cpu_us"]
    if received and metrics.get("seconds"):
        metrics["server_cpu_share"] = outcome.cpu["server"] / metrics["seconds"]


@dataclass
class Session:
    """Runs groups of cells within a time, and tells how far it is."""

    rounds: int
    seconds: float  # that a run should take
    deadline: float  # time.monotonic() at which all should be over
    progress: Callable[[str, float, float], None]  # what, seconds planned and done, seconds planned
    run: Callable[..., Outcome] = run_case
    warm_up: bool = False  # the programs know --warm-up
    planned: float = 0.0
    done: float = 0.0
    cells: list[Cell] = field(default_factory=list)

    def plan(self, case: Case, competitors: int) -> float:
        """Seconds that a group should take."""
        each = RUN_OVERHEAD[case.bench] + (0.02 * case.peers if case.bench == "fanout" else 0)
        each += 0.4 if case.bench == "connections" and case.peers else 0
        return competitors * ((self.rounds + 1) * each + self.rounds * self.seconds)

    def group(self, case: Case, competitors: list[tuple[Panel, str]]) -> list[Cell]:
        """Every competitor in this case, in turns."""
        cells = [Cell(case, competitor, kind) for competitor, kind in competitors if kind == "tool" or competitor.built]
        planned = self.plan(case, len(competitors))
        step = planned / max(1, len(cells) * (self.rounds + 1))
        # Behind the plan, the runs get shorter; if that does not suffice, fewer: the table says so.
        left = max(0.0, self.deadline - time.monotonic())
        pace = min(1.0, left / max(0.1, self.planned - self.done))
        group_end = time.monotonic() + planned * pace
        begun = self.done
        for cell in cells:
            self.tell(cell)
            self.calibrate(cell, max(0.05, self.seconds * pace))
            self.done += step
        for number in range(self.rounds):
            if number >= ROUNDS_MIN and time.monotonic() > group_end:
                break
            for cell in random.sample(cells, len(cells)):
                self.tell(cell)
                if not cell.failed:
                    cell.runs.append(self.once(cell, cell.count))
                self.done += step
        self.done = begun + planned
        for cell in cells:
            self.repeat(cell)
        self.cells += cells
        return cells

    def tell(self, cell: Cell) -> None:
        self.progress(f"{cell.case.title()}: {cell.competitor.name}", self.done, self.planned)

    def once(self, cell: Cell, count: int) -> Outcome | None:
        for _ in range(2):  # a port may have been taken meanwhile
            try:
                outcome = self.run(cell.competitor, cell.case, count, self.warm_up)
            except (Failed, subprocess.TimeoutExpired, OSError) as error:
                reason = str(error)
            else:
                cost_per_message(outcome, cell.short, "received" in outcome.metrics)
                return outcome
        if not cell.good and len(cell.runs) >= 1:
            cell.failed = reason
        cell.failed = cell.failed or (reason if cell.short is None else "")
        return None

    def calibrate(self, cell: Cell, seconds: float) -> None:
        case = cell.case
        count = 300 if case.size < 1 << 16 else 40
        if case.bench in ("throughput", "fanout"):
            count = max(200, 20_000 // case.peers) if case.size < 1 << 14 else 200
        for _ in range(2):
            outcome = self.once(cell, count)
            if outcome is None:
                cell.failed = cell.failed or "failed"
                return
            took = duration(outcome.metrics, case)
            want = round(count * seconds / took)
            cell.short = cell.short or outcome
            if want <= 10 * count:
                break
            count = min(want // 2, limit(case))
        cell.count = max(10, min(want, limit(case)))
        if case.rate:
            cell.count = max(50, round(case.rate * max(seconds, 0.3)))

    def repeat(self, cell: Cell) -> None:
        for index, run in enumerate(cell.runs):
            for _ in range(REPEATS):
                slack = self.deadline - time.monotonic() - (self.planned - self.done)
                if run is None or not run.disturbed or slack < 2 * self.seconds + 2:
                    break
                again = self.once(cell, cell.count)
                cell.repeated += 1
                if again and (not again.disturbed or again.others < run.others):
                    cell.runs[index] = run = again


def duration(metrics: Metrics, case: Case) -> float:
    """How long a run took, from its figures: what the slower side needed."""
    count = metrics.get("count", 1)
    if "seconds" in metrics:
        sending = count / metrics["sending_rate"] if metrics.get("sending_rate") else 0.0
        return max(metrics["seconds"], sending, 1e-5)
    if "p50" not in metrics:
        return 1.0  # iperf3: it runs for a second
    return max(count * metrics["p50"] * 1e-6, 1e-5)


def limit(case: Case) -> int:
    """The most messages of a run."""
    most = COUNT_MAX[case.bench] // (case.peers if case.bench == "fanout" else 1)
    if case.queue < 0:
        most = min(most, MEMORY_MAX // (case.size + 100))
    return most


def ratio_of(above: Cell, below: Cell, name: str) -> Interval | None:
    """How many times the one's figure is the other's, round by round."""
    pairs = [(a.metrics[name], b.metrics[name]) for a, b in zip(above.runs, below.runs) if a and b and name in a.metrics and name in b.metrics]
    pairs = [(a, b) for a, b in pairs if b > 0]
    return ratio([a for a, _ in pairs], [b for _, b in pairs]) if pairs else None


def find_cell(cells: list[Cell], competitor: str, **wanted: Any) -> Cell | None:
    """The cell of that competitor whose case has these values."""
    for cell in cells:
        if cell.competitor.name == competitor and replace(cell.case, **wanted) == cell.case:
            return cell
    return None
