"""Which is fastest, and why: a few lines over all cases of a run, for who reads only these.

Each line is about one kind of conversation. It counts who was fastest in how many cases, gives the
range of the ratios to the reference over these cases, and names the cause if one was counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.cases import (
    LOST_MIN,
    LOWER_IS_BETTER,
    Cell,
    Results,
    best_first,
    brief,
    counted_as,
    equal,
    figure,
    groups_of,
    joined,
    length,
    lost_share,
    measured,
    name_of,
    protocol,
    publishes,
    reference_of,
    slowness,
    times,
    typical,
)
from bench.reasons import counted, explains
from bench.stats import median

LARGE = 1 << 16  # bytes of a body, from which on messages are large
CASES_MIN = 4  # fewer have their sentences, which are short enough
GROWN_MIN = 3.0  # times as long as with the smallest body: then the bytes take most of the time
NEAR = 1.25  # times the baseline's time, or its inverse: a panel so near to it shows its library

Group = list[Cell]


def fastest(groups: list[Group]) -> str:
    """Who was fastest, in how many of these cases."""
    first: dict[str, int] = {}
    shared: dict[tuple[str, ...], int] = {}  # those who are the fastest together
    for group in groups:
        panels = best_first(group)
        alike = [cell for cell in panels if cell is panels[0] or equal(cell, panels[0])]
        if len(alike) == 1:
            first[name_of(alike[0])] = first.get(name_of(alike[0]), 0) + 1
        else:
            names = tuple(name_of(cell) for cell in measured(group) if cell in alike)
            shared[names] = shared.get(names, 0) + 1
    if not shared and len(first) == 1:
        everywhere = f" in all {len(groups)} cases" if len(groups) > 1 else ""
        return f"{next(iter(first))} is the fastest{everywhere}"
    ordered = sorted(first.items(), key=lambda one: -one[1])
    told = [f"{name} is the fastest in {count}" for name, count in ordered]
    ties = sorted(shared.items(), key=lambda one: -one[1])
    told += [f"{joined([*names])} are equally fast in {count}" for names, count in ties]
    told[0] += f" of {counted_as(len(groups), 'case')}"
    return "; ".join(told)


def told_of(found: dict[str, str], verb: str, unit: str) -> str:
    """ZeroMQ takes 8.1 context switches, nanomsg 18 and raw 2."""
    (name, value), *others = found.items()
    return joined([f"{name} {verb} {value} {unit}", *(f"{other} {text}" for other, text in others)])


def span(found: list[float]) -> str:
    ends = [times(min(found)), times(max(found))]
    return " to ".join(dict.fromkeys(ends))


def ranges(groups: list[Group]) -> str:
    """How far the others are from the reference over these cases, and what they lost.

    A case in which one of them equals the reference is counted, and left out of its range.
    """
    spans: dict[str, list[float]] = {}
    same: dict[str, int] = {}
    lost: dict[str, float] = {}
    references = set()
    for group in groups:
        panels = measured(group)
        reference = reference_of(panels)
        for cell in panels:
            lost[name_of(cell)] = max(lost.get(name_of(cell), 0.0), lost_share(cell))
            if reference and cell is not reference and (ratio := slowness(cell, reference)):
                references.add(name_of(reference))
                if equal(cell, reference):
                    same[name_of(cell)] = same.get(name_of(cell), 0) + 1
                else:
                    spans.setdefault(name_of(cell), []).append(ratio)
    if len(references) != 1:
        return ""
    what = "an event that arrives" if all(publishes(group[0]) for group in groups) else "a message"
    whose = references.pop()
    told = ""
    if spans:
        shown = {name: span(spans[name]) for name in lost if name in spans}
        told += f" {told_of(shown, 'takes', f'times as long as {whose} for {what}')}."
    if spans and same:
        counts = joined([f"{name} in {counted_as(count, 'case')}" for name, count in same.items()])
        told += f" This leaves out where one is as fast as {whose}: {counts}."
    losses = {name: f"up to {share:.0%}" for name, share in lost.items() if share >= LOST_MIN}
    return told + (f" {told_of(losses, 'lost', 'of the events')}." if losses else "")


def explained(group: Group, costs: dict[str, Any]) -> tuple[str, dict[str, float]]:
    """The count that explains most panels' distance from the reference in this case.

    A text, and how much of it each panel took; the reference comes last.
    """
    panels = measured(group)
    reference = reference_of(panels)
    best: tuple[str, dict[str, float]] = ("", {})
    if not reference:
        return best
    others = [cell for cell in panels if cell is not reference and not equal(cell, reference)]
    for text, theirs in counted(reference, costs):
        found = {}
        for cell in others:
            ratio, mine = slowness(cell, reference), dict(counted(cell, costs)).get(text)
            if ratio and mine and explains(mine, theirs, ratio):
                found[name_of(cell)] = mine.median
        if found and len(found) + 1 > len(best[1]):
            best = (text, {**found, name_of(reference): theirs.median})
    return best


def why(groups: list[Group], costs: dict[str, Any]) -> str:
    """What was counted in the case in which it explains most; of such cases one with few losses."""

    def rank(group: Group) -> tuple[int, float, bool]:
        lost = round(sum(map(lost_share, group)), 1)
        return len(explained(group, costs)[1]), -lost, group[0]["size"] == 64

    chosen = max(groups, key=rank)
    text, found = explained(chosen, costs)
    if not found:
        return " The counts do not show why."
    case = chosen[0]
    fanout = case["bench"] == "fanout"
    place = counted_as(case["peers"], "subscriber") if fanout else case["placement"]
    what = "an event" if publishes(case) else "a round trip"
    named = f"{protocol(case['transport'])}, {length(case['size'])}, {place}"
    shown = {name: brief(value) for name, value in found.items()}
    told = f" The reason: {told_of(shown, 'takes', text.removeprefix('%s '))} for {what} ({named})."
    if publishes(case):
        served = {
            name_of(cell): brief(1 / count.median)
            for cell in measured(chosen)
            if (count := figure(cell, "switches")) and count.median
        }
        handled = told_of(served, "handles", "events") if len(served) > 1 else ""
        told += f" Between two context switches {handled}." if handled else ""
    rest = [name_of(cell) for cell in measured(chosen) if name_of(cell) not in found]
    return told + (f" The counts do not show why {joined(rest)} takes longer." if rest else "")


def grown(groups: list[Group]) -> str:
    """With large messages: how much longer the reference itself takes than with the smallest."""
    alike: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        if group[0]["bench"] == "latency":
            alike.setdefault((group[0]["transport"], group[0]["placement"]), []).append(group)
    for (transport, placement), same in alike.items():
        same.sort(key=lambda group: group[0]["size"])
        small, large = (reference_of(measured(same[end])) for end in (0, -1))
        if not small or not large or small["competitor"] != large["competitor"]:
            continue
        ratio = typical(large) / typical(small)
        if ratio >= GROWN_MIN:
            return (
                f" The bytes take most of the time: with {name_of(large)} itself a round trip of "
                f"{length(large['size'])} takes {times(ratio)} times as long as one of "
                f"{length(small['size'])} ({protocol(transport)}, {placement})."
            )
    return ""


def near_library(results: Results) -> str:
    """How long a panel takes beside the smallest program on its library: medians of all cases."""
    middles: dict[str, float] = {}
    for cell in results["cells"]:
        name = name_of(cell)
        if cell["kind"] != "panel" or name in middles:
            continue
        found = [
            value["median"] if one["bench"] in LOWER_IS_BETTER else 1 / value["median"]
            for one in results["cells"]
            if one["competitor"] == cell["competitor"]
            for other, value in one["ratios"].items()
            if other.startswith("baseline") and value and value["median"]
        ]
        if found:
            middles[name] = median(found)
    if not middles:
        return ""
    near = all(1 / NEAR <= value <= NEAR for name, value in middles.items() if name != "raw")
    told = "What you see is the library, not the panel: " if near else ""
    shown = {name: times(value) for name, value in middles.items()}
    return (
        f"{told}beside the smallest program on the same library "
        f"{told_of(shown, 'takes', 'times as long')} for a message (the median of all cases)."
    )


Chosen = Callable[[Cell], bool]
# Each case is in one of them, so that their counts add up to that over all.
KINDS: list[tuple[str, Chosen]] = [
    ("Round trips", lambda c: c["bench"] == "latency" and c["size"] < LARGE),
    (
        "Round trips beside idle clients",
        lambda c: c["bench"] == "connections" and c["size"] < LARGE,
    ),
    (
        "Publishing to one subscriber",
        lambda c: publishes(c) and c["peers"] == 1 and c["size"] < LARGE,
    ),
    ("Publishing to many subscribers", lambda c: c["bench"] == "fanout" and c["peers"] > 1),
    (f"Large messages, from {length(LARGE)} on", lambda c: c["size"] >= LARGE),
]


def summary(results: Results) -> list[str]:
    """A line for each kind of conversation; none for few cases, which have their sentences."""
    groups = [
        group for group in groups_of(results) if not group[0]["rate"] and len(measured(group)) > 1
    ]
    if len(groups) < CASES_MIN:
        return []
    told = [f"Over all: {fastest(groups)}."]
    for title, chosen in KINDS:
        some = [group for group in groups if chosen(group[0])]
        if some:
            large = some[0][0]["size"] >= LARGE
            cause = grown(groups) if large else why(some, results.get("costs", {}))
            told.append(f"{title}: {fastest(some)}.{ranges(some)}{cause}")
    return [one for one in [*told, near_library(results)] if one]
