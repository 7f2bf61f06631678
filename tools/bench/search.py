"""The lossless rate: the highest at which nothing is lost, found by search."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from typing import Any

from bench.kinds import Case, Lost, Outcome
from bench.run import PLACEMENTS, TWO, Failed, Speed, possible
from bench.session import Session, why
from bench.stats import find_highest
from harness.panels import Panel

SIZES = (64, 4096)
START, LOW, HIGH = 50_000, 1000, 100_000_000  # messages a second; nobody reaches the last
PRECISION = 0.1
RUN_SECONDS = 1.0  # what buffers hold, of the kernel and of both queues, is gone long before
KEPT_UP = 0.95  # of the rate, by both ends: not merely queued
ATTEMPTS = 3  # of a run that failed, or lost something while it was disturbed
WAIT_SECONDS = 1.0  # for a quieter moment
SEARCH_SECONDS = 30.0  # of one search, about


def plan(panels: int) -> float:
    """Seconds that the searches should take."""
    return panels * len(SIZES) * SEARCH_SECONDS


def holds(outcome: Outcome, rate: int) -> bool:
    metrics = outcome.metrics
    return metrics["lost_share"] == 0 and all(
        metrics[name] >= KEPT_UP * rate for name in ("sending_rate", "rate")
    )


def works(session: Session, panel: Panel, case: Case) -> bool:
    """Whether nothing is lost in one run at that rate.

    What is lost in a disturbed run may be the disturbance's: it is tried again, in a quieter moment
    if one comes; the third time it counts.
    """
    count = max(200, round(case.rate * RUN_SECONDS))
    used = PLACEMENTS[case.placement].used()
    for attempt in range(ATTEMPTS):
        session.progress(f"lossless rate: {case}: {panel.name}", session.done, session.planned)
        if attempt:
            Speed.await_best(used, WAIT_SECONDS)
        try:
            outcome = session.run(panel, case, count)
        except Lost:
            return False
        except (Failed, subprocess.TimeoutExpired, OSError):
            if attempt == ATTEMPTS - 1:
                raise
            continue
        if holds(outcome, case.rate):
            return True
        if not outcome.disturbed:
            return False
    return False


def lossless_rates(panels: list[Panel], session: Session) -> list[dict[str, Any]]:
    """By panel and size; "at_least" where the search has found no limit. "failed": why there is none."""
    found = []
    for size in SIZES:
        for panel in panels:
            case = Case("throughput", "tcp", possible(TWO), size)
            entry: dict[str, Any] = {"panel": panel.name, "size": size, "rate": None}
            found.append(entry)
            if time.monotonic() > session.deadline:
                entry["failed"] = "no time was left"
                continue
            try:
                entry["rate"] = find_highest(
                    lambda rate, who=panel, case=case: works(
                        session, who, replace(case, rate=round(rate))
                    ),
                    START,
                    low=LOW,
                    high=HIGH,
                    precision=PRECISION,
                )
                entry["at_least"] = entry["rate"] >= HIGH
            except Exception as error:  # whatever it is: the others go on
                entry["failed"] = why(error)
            session.done += SEARCH_SECONDS
    return found
