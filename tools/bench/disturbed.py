"""How much it matters that other programs, or other guests, disturbed a run: said once, for all figures."""

from __future__ import annotations

import math

from bench.cases import LOWER_IS_BETTER, RATIO_METRICS, Cell, Results, groups_of, measured, reference_of, times
from bench.stats import median

HALVES_MIN = 2  # runs: one has no halves to be compared


def halves(values: list[tuple[float, float]]) -> float | None:
    """Of (disturbance, value): the value of the more disturbed half over that of the less disturbed."""
    if len(values) < HALVES_MIN:
        return None
    ordered = [value for _, value in sorted(values)]
    half = len(ordered) // 2
    below = median(ordered[:half])
    return median(ordered[-half:]) / below if below else None


def middle(values: list[float | None]) -> float | None:
    known = [value for value in values if value]
    return median(known) if known else None


def scored(cell: Cell) -> list[tuple[float, float] | None]:
    """Of each run: how disturbed it was, and how long a message took."""
    metric, lower = RATIO_METRICS[cell["bench"]], cell["bench"] in LOWER_IS_BETTER
    found: list[tuple[float, float] | None] = []
    for run in cell["runs"]:
        value = run["metrics"].get(metric) if run else None
        found.append((run.get("score", float(run["disturbed"])), value if lower else 1 / value) if value else None)
    return found


def disturbance(results: Results) -> str:
    """How many runs were disturbed, and how much that matters: said once."""
    runs = [run for cell in results["cells"] for run in cell["runs"] if run]
    disturbed = sum(run["disturbed"] for run in runs)
    if not disturbed:
        return ""
    alone = middle([halves([one for one in scored(cell) if one]) for cell in results["cells"]])
    pairs: list[float | None] = []
    for group in groups_of(results):
        reference = reference_of(measured(group))
        for cell in group:
            if reference and cell is not reference:
                both = [(a, b) for a, b in zip(scored(cell), scored(reference)) if a and b]
                change = halves([(max(a[0], b[0]), a[1] / b[1]) for a, b in both])
                pairs.append(math.exp(abs(math.log(change))) if change else None)
    told = f"Other programs or guests disturbed {disturbed} of {len(runs)} runs."
    if alone:
        told += f" A message took {times(alone)} times as long in the more disturbed half of a row's runs as in the other half"
        ratio = middle(pairs)
        told += f"; a ratio to the reference differed by {ratio - 1:.0%}" if ratio else ""
        told += " (medians over the rows)."
    return told
