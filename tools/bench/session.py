"""A benchmark session: who competes, in which cases, in turns, until the figures are had.

In each case every competitor first has a short run: it warms up, tells how many messages fill a run
and what starting and ending cost. Then they take turns, in a new order each round, so that whatever
changes on the machine meets all of them. While too few runs of a competitor were undisturbed, and
there is time, there is another round. The least disturbed runs count; where one of them was
disturbed nevertheless, the figure is marked.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bench.kinds import Case, Outcome, run_case
from bench.run import PLACEMENTS, Failed, Baseline, Speed
from bench.stats import Interval, interval, ratio
from harness.distant import HostFailed
from harness.panels import Panel

COUNT_MAX = {
    "latency": 200_000,
    "connections": 100_000,
    "throughput": 4_000_000,
    "fanout": 20_000_000,
}
COUNT_MIN = {
    "latency": 100,
    "connections": 100,
    "throughput": 2000,
    "fanout": 2000,
}  # of a short run
FANOUT_MIN = 32  # likewise, with many subscribers
GROWTH = 20  # times the messages of the run before, at most, while looking for their number ...
LASTING = 0.3  # ... until a run lasts this share of what it should
# Times as long as a short run, in which the kernel does little but wake subscribers, ...
WAKINGS = 5
WAKINGS_MAX = 0.5  # seconds: ... but no longer
LARGE, LARGE_MIN = 1 << 14, 20  # bytes of a body of which fewer messages will do
READ_AT_ONCE = 512 << 10  # bytes: more than the bare receiver reads
SHORTER = 10  # times, at least, that a run is longer than the short one: their difference counts
MEMORY_MAX = (
    512 << 20
)  # bytes that a queue as long as the run may hold, at 100 a message and its body
PACED_SECONDS = 1.2  # of a run in an open loop, so that there are some thousand round trips
ROUNDS = 5  # runs that count, of each competitor
ROUNDS_MIN = 2  # however late it is
EXTRA_ROUNDS = 10  # for runs that were disturbed, at most
PATIENCE = 1.0  # seconds to wait for a quiet moment before a run, at most
FAILURES_MAX = 4  # after so many and no run at all, there is no other attempt
SLOW_FAILURE = 5.0  # seconds: who hangs is not tried again at once
TOOL_SECONDS = 1.4  # an independent tool's run
BEHIND = 0.1  # of the plan: so far behind it, rounds are left out
RUN_OVERHEAD = {"latency": 0.09, "connections": 0.15, "throughput": 0.37, "fanout": 0.4}  # seconds
PEER_OVERHEAD = {"connections": 0.00015, "fanout": 0.01}  # seconds for each, more


def baseline(name: str, label: str, colour: str, framed: bool = False) -> Baseline:
    return Baseline(name, "tools/bench", label, colour, label=label, framed=framed)


# Each panel's baselines, the first of each kind being its own: what its ratio is to.
ROUND_TRIP_BASELINES: dict[str, list[Baseline]] = {
    "raw": [
        baseline("baseline-epoll", "bare epoll", "blue", True),
        baseline("baseline-block", "bare blocking", "blue", True),
    ],
    "zmq": [baseline("baseline-zmq", "bare REQ/REP", "vermillion")],
    "nanomsg": [baseline("baseline-nanomsg", "bare REQ/REP", "green")],
    "nng": [
        baseline("baseline-nng", "bare REQ/REP", "purple"),
        baseline("baseline-nng-native", "native REQ/REP", "purple"),
    ],
}
PUBLISH_BASELINES: dict[str, list[Baseline]] = {
    "raw": [baseline("baseline-batch", "bare batches", "blue", True)],
    "zmq": [
        baseline("baseline-zmq", "bare PUB/SUB", "vermillion"),
        baseline("baseline-zmq-push", "bare PUSH/PULL", "vermillion"),
    ],
    "nanomsg": [
        baseline("baseline-nanomsg", "bare PUB/SUB", "green"),
        baseline("baseline-nanomsg-push", "bare PUSH/PULL", "green"),
    ],
    "nng": [
        baseline("baseline-nng", "bare PUB/SUB", "purple"),
        baseline("baseline-nng-native", "native PUB/SUB", "purple"),
        baseline("baseline-nng-push", "bare PUSH/PULL", "purple"),
    ],
}
TOOLS = {
    "sockperf": Panel("sockperf", "", "sockperf", "grey"),
    "iperf3": Panel("iperf3", "", "iperf3", "grey"),
}


def baselines_of(panel: str, bench: str) -> list[Baseline]:
    table = ROUND_TRIP_BASELINES if bench in ("latency", "connections") else PUBLISH_BASELINES
    return table.get(panel, [])


@dataclass
class Cell:
    """One competitor in one case: all its runs, in the order of the rounds."""

    case: Case
    competitor: Panel
    kind: str  # panel, baseline or tool
    count: int = 0
    wanted: int = ROUNDS  # runs that count
    runs: list[Outcome | None] = field(default_factory=list)  # None: the run failed
    short: Outcome | None = None  # the first, thrown away but for what starting costs
    failures: list[str] = field(default_factory=list)  # why, of each attempt that failed

    def __str__(self) -> str:
        return f"{self.case}: {self.competitor.name}"

    @property
    def counting(self) -> list[Outcome]:
        """The runs that count: those undisturbed, as they came, then the least disturbed."""
        good = [run for run in self.runs if run is not None]
        return sorted(good, key=lambda run: max(1.0, run.disturbance.score))[: self.wanted]

    @property
    def disturbed(self) -> bool:
        return any(run.disturbed for run in self.counting)

    @property
    def lacking(self) -> bool:
        """Whether another round might help."""
        return bool(self.counting) and (len(self.counting) < self.wanted or self.disturbed)

    @property
    def given_up(self) -> bool:
        """Whether there is no other attempt: it has failed often, and no run has ended."""
        return len(self.failures) >= FAILURES_MAX and not self.counting

    @property
    def failed(self) -> str:
        """Why there is no figure at all."""
        return "" if self.counting else (self.failures or ["not run"])[-1]

    def values(self, name: str) -> list[float]:
        return [run.metrics[name] for run in self.counting if name in run.metrics]

    def figure(self, name: str) -> Interval | None:
        values = self.values(name)
        return interval(values) if values else None


def add_costs(outcome: Outcome, short: Outcome) -> None:
    """Adds to the figures what a message costs each side: CPU and switches, less a short run's.

    And both sides together, of each reply or event that arrived: this belongs to the programs, and
    depends much less on what else the machine does than the time does.
    """
    metrics = outcome.metrics
    total_cpu, total_switches = 0.0, 0.0
    for side, messages in outcome.messages.items():
        more = messages - short.messages[side]
        if messages < SHORTER / 2 * short.messages[side]:  # too alike to tell a difference
            continue
        cpu = outcome.cpu[side] - short.cpu[side]
        if cpu <= 0:  # starting alone varies by more than all the messages cost
            continue
        metrics[f"{side}_cpu_us"] = cpu / more * 1e6
        switches = 0.0
        for kind in (f"{side}_voluntary", f"{side}_involuntary"):
            switches += metrics[kind] - short.metrics[kind]
        metrics[f"{side}_switches"] = max(0.0, switches) / more
        total_cpu += cpu
        total_switches += max(0.0, switches)
        if side == "server" and "sending_seconds" in metrics:
            seconds = metrics["sending_seconds"] - short.metrics["sending_seconds"]
            metrics["server_cpu_share"] = cpu / seconds if seconds > 0 else 0.0
    if {"client_cpu_us", "server_cpu_us"} <= set(metrics):
        arrived = outcome.messages["client"] - short.messages["client"]
        metrics["cpu_us"] = total_cpu / arrived * 1e6
        metrics["switches"] = total_switches / arrived


@dataclass
class Session:
    """Runs groups of cells within a time, and tells how far it is."""

    seconds: float  # that a run should take
    deadline: float  # time.monotonic() at which all should be over
    progress: Callable[[str, float, float], None]  # what, seconds done, seconds planned
    run: Callable[[Panel, Case, int], Outcome] = run_case
    patience: float = 0.0  # of the time planned, to wait for quiet moments
    patience_left: float = 0.0
    planned: float = 0.0
    done: float = 0.0
    few: int = 1 << 30  # round trips of a short run, at most: a long line has its time for so many
    cells: list[Cell] = field(default_factory=list)

    def plan(self, cell: Cell) -> float:
        """Seconds that a cell should take."""
        case = cell.case
        if cell.kind == "tool":
            return (cell.wanted + 1) * TOOL_SECONDS
        each = RUN_OVERHEAD[case.bench] + PEER_OVERHEAD.get(case.bench, 0.0) * case.peers
        each += 0.3 if case.bench == "connections" and case.peers else 0
        seconds = PACED_SECONDS if case.rate else self.seconds
        return (cell.wanted + 1) * each + cell.wanted * seconds

    @property
    def slack(self) -> float:
        """Seconds left beyond what is planned."""
        return self.deadline - time.monotonic() - (self.planned - self.done)

    def cells_for(self, case: Case, competitors: list[tuple[Panel, str]]) -> list[Cell]:
        """Every competitor in this case that is there to take part."""
        return [
            Cell(case, competitor, kind)
            for competitor, kind in competitors
            if kind == "tool" or competitor.built
        ]

    def take_turns(self, cells: list[Cell]) -> list[Cell]:
        """Runs these, whose figures are to be compared, in turns; returns them."""
        planned = sum(self.plan(cell) for cell in cells)
        begun, end = self.done, self.done + planned
        rounds = max((cell.wanted for cell in cells), default=ROUNDS)
        step = planned / max(1, len(cells) * (rounds + 1))
        # What is left over is shared among the groups, as their plans are.
        share = planned / max(planned, self.planned - begun)
        spare = max(0.0, self.slack) * share
        late = time.monotonic() + planned + spare
        self.patience_left = self.patience * planned
        self.cells += cells
        for cell in cells:
            self.tell(cell)
            self.calibrate(cell)
            self.done += step
        able = [cell for cell in cells if cell.count]
        for number in range(rounds):
            # Far behind the plan, there are fewer rounds: the table says so.
            if number >= ROUNDS_MIN and self.slack < -BEHIND * self.planned:
                break
            self.round(able, step)
        for _ in range(EXTRA_ROUNDS):
            in_time = time.monotonic() < late and self.slack > 0
            if not in_time or not any(cell.lacking for cell in able):
                break
            self.round(able, 0.0)
        self.done = end
        return cells

    def again(self, cells: list[Cell], wanted: int) -> None:
        """More rounds of these, until so many runs count, as far as there is time."""
        able = [cell for cell in cells if cell.count]
        step = sum(self.plan(cell) / (cell.wanted + 1) for cell in able) / max(1, len(able))
        for cell in able:
            cell.wanted = wanted
            self.planned += step * max(0, wanted - len(cell.runs))
        while self.deadline > time.monotonic() and any(
            len(cell.runs) < wanted and not cell.given_up for cell in able
        ):
            self.round(able, step)

    def round(self, cells: list[Cell], step: float) -> None:
        for cell in random.sample(cells, len(cells)):
            if cell.given_up:
                continue
            self.tell(cell)
            if self.patience_left > 0:
                used = PLACEMENTS[cell.case.placement].used()
                self.patience_left -= Speed.await_best(used, min(PATIENCE, self.patience_left))
            outcome = self.once(cell, cell.count)
            if outcome and cell.short:
                add_costs(outcome, cell.short)
            cell.runs.append(outcome)
            self.done += step

    def tell(self, cell: Cell) -> None:
        self.progress(str(cell), self.done, self.planned)

    def once(self, cell: Cell, count: int) -> Outcome | None:
        for _ in range(2):  # a port may have been taken meanwhile
            began = time.monotonic()
            try:
                return self.run(cell.competitor, cell.case, count)
            except HostFailed:  # no other cell would fare better
                raise
            except Exception as error:  # whatever it is: the other cells go on
                cell.failures.append(why(error))
            if time.monotonic() - began > SLOW_FAILURE:
                break
        return None

    def calibrate(self, cell: Cell) -> None:
        """The short run, and how many messages the others have, so that they last long enough.

        A short run of many programs lasts as long as the kernel takes to wake them all, and says
        little of how fast they are: longer ones follow until one lasts beyond that, and none is
        much longer than the one before.
        """
        case = cell.case
        few = COUNT_MIN[case.bench] if case.size < LARGE else LARGE_MIN
        if case.bench == "fanout":
            few = max(FANOUT_MIN, few // case.peers)
        if case.publishes and isinstance(cell.competitor, Baseline) and cell.competitor.framed:
            few = max(few, READ_AT_ONCE // case.size)  # what comes in one read has no duration
        few = few if case.publishes else min(few, self.few)
        cell.short = self.once(cell, few)
        if cell.short is None:
            return
        count, outcome = few, cell.short
        want = round(case.rate * PACED_SECONDS)
        waking = duration(outcome, count) if case.bench == "fanout" else 0.0
        seconds = max(self.seconds, min(WAKINGS * waking, WAKINGS_MAX))
        while not case.rate:
            took = max(duration(outcome, count) - waking, seconds / GROWTH**2)
            want = round(count * seconds / took)
            if took >= LASTING * seconds or count >= limit(case):
                break
            more = min(want, limit(case), GROWTH * count)
            longer = self.once(cell, more) if more > count else None
            if longer is None:
                want = min(want, count)  # what has not ended in time would not in later rounds
                break
            count, outcome = more, longer
        cell.count = max(SHORTER * few, min(want, limit(case)))


def why(error: Exception) -> str:
    """What went wrong, in words: an error that nobody foresaw names its kind."""
    known = isinstance(error, (Failed, subprocess.TimeoutExpired, OSError))
    return str(error) if known else f"{type(error).__name__}: {error}"


def duration(outcome: Outcome, count: int) -> float:
    """How many seconds a run took: what the slower side needed."""
    metrics = outcome.metrics
    if "seconds" in metrics:
        return max(metrics["seconds"], metrics["sending_seconds"], 1e-5)
    if "p50" in metrics:
        return max(count * metrics["p50"] * 1e-6, 1e-5)
    return 1.0  # iperf3: it runs for a second


def limit(case: Case) -> int:
    """The most messages of a run."""
    most = COUNT_MAX[case.bench] // (case.peers if case.bench == "fanout" else 1)
    if case.queue < 0:
        most = min(most, MEMORY_MAX // (case.size + 100))
    return most


def ratio_of(above: Cell, below: Cell, name: str) -> Interval | None:
    """How many times the one's figure is the other's, between runs of like conditions.

    Those are the two of a round in which both were undisturbed; where there are not enough such
    rounds, the least disturbed run of the one and the least disturbed of the other, and so on.
    """
    both = [(one, other) for one, other in zip(above.runs, below.runs) if one and other]
    pairs = [pair for pair in both if not any(run.disturbed for run in pair)][: above.wanted]
    if len(pairs) < above.wanted:
        pairs = list(zip(above.counting, below.counting))
    values = [(one.metrics.get(name), other.metrics.get(name)) for one, other in pairs]
    values = [(one, other) for one, other in values if one is not None and other]
    return ratio([one for one, _ in values], [other for _, other in values]) if values else None


def find_cell(cells: list[Cell], competitor: str, **wanted: Any) -> Cell | None:
    """The cell of that competitor whose case has these values."""
    for cell in cells:
        if cell.competitor.name == competitor and replace(cell.case, **wanted) == cell.case:
            return cell
    return None
