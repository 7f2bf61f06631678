"""A benchmark session of pretended runs: what its bookkeeping makes of them can be told exactly."""

import time

from bench.kinds import Case, Outcome
from bench.run import Disturbance
from bench.session import Cell, Session
from harness.panels import Panel, read_panels

RAW = read_panels()[0]
FAST = Panel("fast", "", "fast", "blue")
SLOW = Panel("slow", "", "slow", "vermillion")
BARE = Panel("bare", "", "bare", "purple")


def outcome(p50: float, count: int, disturbed: float = 0.0) -> Outcome:
    """A run whose messages cost 0.4 and 0.6 of the time, and starting a millisecond a side."""
    names = ("p50", "min", "p90", "p99", "p999", "max", "mean")
    metrics = {name: p50 * (1 + i / 10) for i, name in enumerate(names)}
    metrics |= {"rate": 1e6 / p50, "jitter": 1.0, "count": float(count)}
    for side in ("client", "server"):
        metrics |= {f"{side}_voluntary": 2.0 * count + 7, f"{side}_involuntary": 0.0}
    cpu = {"client": 0.001 + count * p50 * 0.4e-6, "server": 0.001 + count * p50 * 0.6e-6}
    messages = {"client": float(count), "server": float(count)}
    return Outcome(metrics, Disturbance(others=disturbed), cpu, messages)


def run_group(done: Session, case: Case, competitors: list[tuple[Panel, str]]) -> list[Cell]:
    return done.take_turns(done.cells_for(case, competitors))


def session(run: object, seconds: float = 0.4) -> Session:
    ready = Session(seconds, time.monotonic() + 100, lambda what, done, planned: None, run=run)  # type: ignore[arg-type]
    ready.planned = 1.0
    return ready
