"""How much it matters that other programs, or other virtual machines, disturbed a run:
said once for all."""

from __future__ import annotations

import math

from bench.cases import (
    LOWER_IS_BETTER,
    RATIO_METRICS,
    Cell,
    Results,
    groups_of,
    measured,
    reference_of,
    times,
)
from bench.stats import median

QUIET_MIN = 0.1  # of the runs: with fewer undisturbed ones nothing is known of a quiet machine

Scored = tuple[bool, float]  # whether a run was disturbed, and how long a message took


def slowed(runs: list[Scored]) -> float | None:
    """How many times as long a message took in disturbed runs; None: nothing is to be compared."""
    disturbed, quiet = ([value for hit, value in runs if hit is which] for which in (True, False))
    return median(disturbed) / median(quiet) if disturbed and quiet and median(quiet) else None


def middle(values: list[float | None]) -> float | None:
    known = [value for value in values if value]
    return median(known) if known else None


def scored(cell: Cell) -> list[Scored | None]:
    metric, lower = RATIO_METRICS[cell["bench"]], cell["bench"] in LOWER_IS_BETTER
    found: list[Scored | None] = []
    for run in cell["runs"]:
        value = run["metrics"].get(metric) if run else None
        found.append((bool(run["disturbed"]), value if lower else 1 / value) if value else None)
    return found


def disturbance(results: Results) -> str:
    """How many runs were disturbed, and how much that matters: said once."""
    runs = [run for cell in results["cells"] for run in cell["runs"] if run]
    disturbed = sum(run["disturbed"] for run in runs)
    if not disturbed:
        return ""
    marked = sum(bool(cell.get("disturbed")) for cell in results["cells"])
    told = (
        f"Other programs, or other virtual machines on this processor, disturbed {disturbed} of "
        f"{len(runs)} runs; {marked} of {len(results['cells'])} rows rest on such runs (*)."
    )
    if len(runs) - disturbed < QUIET_MIN * len(runs):
        return (
            f"{told} So these figures are those of a busy machine, and cannot tell what a quiet "
            "one would give."
        )
    alone = middle([slowed([one for one in scored(cell) if one]) for cell in results["cells"]])
    pairs: list[float | None] = []
    for group in groups_of(results):
        reference = reference_of(measured(group))
        for cell in group:
            if reference and cell is not reference:
                both = [(a, b) for a, b in zip(scored(cell), scored(reference)) if a and b]
                change = slowed([(a[0] or b[0], a[1] / b[1]) for a, b in both])
                pairs.append(math.exp(abs(math.log(change))) if change else None)
    if alone:
        told += (
            f" In a disturbed run a message took {times(alone)} times as long as in an undisturbed "
            "one of the same row"
        )
        ratio = middle(pairs)
        told += f"; a ratio to the reference differed by {ratio - 1:.0%}" if ratio else ""
        told += " (medians over the rows that have both)."
    return told
