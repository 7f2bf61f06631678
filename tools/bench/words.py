"""What a run found, in words: sentences from its figures as they stand in JSON, and nothing else.

A panel's figure stands beside the reference's, which is raw's, or the first panel's. Where their
intervals overlap, the sentence says that they are equal. reasons.py says what is a cause.
"""

from __future__ import annotations

from typing import Any

from bench.cases import (
    LOST_MIN,
    LOWER_IS_BETTER,
    Cell,
    Results,
    best_first,
    counted_as,
    equal,
    figure,
    groups_of,
    joined,
    length,
    lost_share,
    main_figure,
    measured,
    name_of,
    number,
    plainest,
    protocol,
    publishes,
    reference_of,
    slowness,
    times,
    typical,
    where,
)
from bench.disturbed import disturbance
from bench.reasons import because
from bench.stats import equal_groups
from bench.summary import summary


def comparison(cell: Cell, reference: Cell, costs: dict[str, Any]) -> str:
    """How far a panel is from the reference; empty for the reference itself."""
    ratio = slowness(cell, reference)
    if cell is reference or ratio is None:
        return ""
    if equal(cell, reference):
        return f", equal to {name_of(reference)}"
    if ratio <= 1:
        many = f", {times(1 / ratio)} times as many"
        return many if publishes(cell) else f", {times(ratio)} times as long"
    text = f", {times(ratio)} times fewer" if publishes(cell) else f", {times(ratio)} times as long"
    return text + because(cell, reference, costs, ratio)


def finding(group: list[Cell], costs: dict[str, Any]) -> str:
    """A case in words: the panels, the best first."""
    reference = reference_of(measured(group))
    if reference is None:
        return ""
    unit = "/s" if publishes(group[0]) else " us"
    panels = best_first(group)
    parts = []
    for cell in panels:
        text = f"{name_of(cell)} {number(typical(cell))}{unit}"
        lost = lost_share(cell)
        text += f" with {lost:.0%} lost" if lost >= LOST_MIN else ""
        parts.append(text + comparison(cell, reference, costs))
    intervals = {name_of(cell): main_figure(cell) for cell in panels if cell is not reference}
    ends = [
        f"{joined(names)} are equal"
        for names in equal_groups(intervals)  # type: ignore[arg-type]
    ]
    return f"{where(group[0])}: {'. '.join(parts + ends)}."


def by_idle(groups: list[list[Cell]]) -> str:
    """What idle clients change: from the fewest to the most,
    of whose case there is a sentence already."""
    several = sorted(
        (group for group in groups if group[0]["bench"] == "connections"),
        key=lambda group: group[0]["peers"],
    )
    if len(several) < 2:
        return ""
    few, many = several[0], several[-1]
    parts = []
    for cell in measured(many):
        other = next(
            (one for one in measured(few) if one["competitor"] == cell["competitor"]), None
        )
        first, last = (figure(one, "p50") if one else None for one in (other, cell))
        if first and last:
            same = " (equal)" if first.overlaps(last) else ""
            told = f"{number(first.median)} us, then {number(last.median)}{same}"
            parts.append(f"{name_of(cell)} {told}")
    ends = [counted_as(group[0]["peers"], "idle client") for group in (few, many)]
    return (
        f"Median round trip first with {ends[0]}, then with {ends[1]}: {'; '.join(parts)}."
        if parts else ""
    )


def how_long(cell: Cell, reference: Cell) -> str:
    """The ratio to the reference, and whether the run can tell the two apart;
    empty without figures."""
    ratio = slowness(cell, reference)
    return f"{times(ratio)}{' (equal)' if equal(cell, reference) else ''}" if ratio else ""


def by_size(groups: list[list[Cell]]) -> list[str]:
    """How the ratios to the reference change from the smallest bodies to the largest."""
    chosen: dict[str, list[list[Cell]]] = {}
    for group in groups:
        cell = group[0]
        if (
            cell["bench"] == "latency"
            and cell["placement"] == "one core"
            and not cell["rate"]
            and measured(group)
        ):
            chosen.setdefault(cell["transport"], []).append(group)
    told = []
    for transport, several in chosen.items():
        several.sort(key=lambda group: group[0]["size"])
        ends = [several[0], several[-1]]
        if len(several) < 3:
            continue
        parts = []
        for small in measured(ends[0]):
            large = next(
                (c for c in measured(ends[1]) if c["competitor"] == small["competitor"]), None
            )
            reference = [reference_of(measured(end)) for end in ends]
            first, last = (
                how_long(cell, beside) if cell and beside and cell is not beside else ""
                for cell, beside in zip((small, large), reference)
            )
            if first and last:
                parts.append(f"{name_of(small)} {first}, then {last}")
        if parts:
            sizes = [length(end[0]["size"]) for end in ends]
            whose = reference_of(measured(ends[0]))
            beside = name_of(whose) if whose else "the first"
            told.append(
                f"Round trips, {protocol(transport)}: how many times as long as "
                f"with {beside}, first with {sizes[0]}, then with {sizes[1]}: {'; '.join(parts)}."
            )
    return told


def beside_baselines(results: Results) -> str:
    """How each panel stands to its own baseline, over all cases with a sentence."""
    parts = []
    for name in dict.fromkeys(
        cell["competitor"] for cell in results["cells"] if cell["kind"] == "panel"
    ):
        cells = [cell for cell in results["cells"] if cell["competitor"] == name and plainest(cell)]
        ratios = [
            (value, cell["bench"] in LOWER_IS_BETTER)
            for cell in cells
            for other, value in cell["ratios"].items()
            if other.startswith("baseline") and value
        ]
        # As times of the baseline's time: of rates the inverse.
        costs = [
            value["median"] if lower else 1 / value["median"] for value, lower in ratios
            if value["median"]
        ]
        if not costs:
            continue
        same = sum(value["low"] <= 1 <= value["high"] for value, _ in ratios)
        span = (
            times(min(costs)) if len(costs) == 1 else f"{times(min(costs))} to {times(max(costs))}"
        )
        parts.append(f"{span} for {name_of(cells[0])} (equal in {same} of {len(costs)} cases)")
    if not parts:
        return ""
    return (
        "The time of a message, divided by that in the baseline (the bare loop over the same "
        f"library), is {', '.join(parts)}."
    )


def lossless(results: Results) -> list[str]:
    """The highest rate without loss, by size."""
    told = []
    for size in sorted({one["size"] for one in results.get("lossless", [])}):
        names = {cell["competitor"]: name_of(cell) for cell in results["cells"]}
        found = [
            one for one in results["lossless"] if one["size"] == size and one["rate"] is not None
        ]
        found.sort(key=lambda one: one["rate"], reverse=True)
        parts = [
            f"{names.get(one['panel'], one['panel'])} "
            f"{'at least ' if one.get('at_least') else ''}{number(one['rate'])}/s"
            + (f" ({one['limit']})" if one.get("limit") else "")
            for one in found
        ]
        told += (
            [f"Highest rate at which nothing was lost, {length(size)}: {'; '.join(parts)}."]
            if parts else []
        )
    return told


def failures(results: Results) -> str:
    """What has no figure, and why."""
    gone = [cell for cell in results["cells"] if not cell["counting"]]
    others = results.get("failed", [])
    if not gone:
        return f"Failed, while all figures stand: {'; '.join(others)}." if others else ""
    parts = [
        f"{where(cell)}, {cell['competitor']}: {(cell['failures'] or ['not run'])[-1]}"
        for cell in gone
    ]
    have = "has" if len(gone) == 1 else "have"
    return (
        f"{len(gone)} of {len(results['cells'])} rows {have} no figure; the others stand. "
        f"{'; '.join(parts + others)}."
    )


def by_case(results: Results) -> list[str]:
    """The sentences case by case, and what they have in common."""
    groups = groups_of(results)
    most = max(
        (group[0]["peers"] for group in groups if group[0]["bench"] == "connections"), default=0
    )
    told = [
        finding(group, results.get("costs", {}))
        for group in groups
        if plainest(group[0]) and (group[0]["bench"] != "connections" or group[0]["peers"] == most)
    ]
    told += [by_idle(groups), *by_size(groups), *lossless(results)]
    told += [beside_baselines(results), failures(results)]
    return [one for one in told if one]


def found(results: Results) -> list[str]:
    """All that is said at the end of a run, a sentence or paragraph each."""
    return [one for one in [disturbance(results), *summary(results), *by_case(results)] if one]
