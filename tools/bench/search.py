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


LOST = "above it events are lost"
SLOW_PUBLISHER = "above it the publisher does not keep the rate"
SLOW_SUBSCRIBER = "above it the subscriber does not keep the rate"


def limit_in(outcome: Outcome, rate: int) -> str:
    """Why this rate is too high; empty: it is not."""
    metrics = outcome.metrics
    if metrics["sending_rate"] < KEPT_UP * rate:
        return SLOW_PUBLISHER
    if metrics["lost_share"] > 0:
        return LOST
    return SLOW_SUBSCRIBER if metrics["rate"] < KEPT_UP * rate else ""


def why_not(session: Session, panel: Panel, case: Case) -> str:
    """Why something is lost, or late, in a run at that rate; empty: nothing is.

    What is lost in a disturbed run may be the disturbance's: it is tried again, in a quieter moment
    if one comes; the third time it counts.
    """
    count = max(200, round(case.rate * RUN_SECONDS))
    used = PLACEMENTS[case.placement].used()
    limit = LOST
    for attempt in range(ATTEMPTS):
        session.progress(f"lossless rate: {case}: {panel.name}", session.done, session.planned)
        if attempt:
            Speed.await_best(used, WAIT_SECONDS)
        try:
            outcome = session.run(panel, case, count)
        except Lost:
            return LOST
        except (Failed, subprocess.TimeoutExpired, OSError):
            if attempt == ATTEMPTS - 1:
                raise
            continue
        limit = limit_in(outcome, case.rate)
        if not limit or not outcome.disturbed:
            return limit
    return limit


def lossless_rates(panels: list[Panel], session: Session) -> list[dict[str, Any]]:
    """By panel and size; "at_least" where the search has found no limit.
    "failed": why there is none."""
    found = []
    for size in SIZES:
        for panel in panels:
            case = Case("throughput", "tcp", possible(TWO), size)
            entry: dict[str, Any] = {"panel": panel.name, "size": size, "rate": None}
            found.append(entry)
            if time.monotonic() > session.deadline:
                entry["failed"] = "no time was left"
                continue
            limits: list[str] = []

            def works(
                rate: float, who: Panel = panel, case: Case = case, limits: list[str] = limits
            ) -> bool:
                limit = why_not(session, who, replace(case, rate=round(rate)))
                limits += [limit] if limit else []
                return not limit

            try:
                entry["rate"] = find_highest(
                    works,
                    START,
                    low=LOW,
                    high=HIGH,
                    precision=PRECISION,
                )
                entry["at_least"] = entry["rate"] >= HIGH
                if limits:
                    entry["limit"] = limits[-1]
            except Exception as error:  # whatever it is: the others go on
                entry["failed"] = why(error)
            session.done += SEARCH_SECONDS
    return found
