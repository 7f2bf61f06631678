"""What a run found, in words: sentences from its figures as they stand in JSON, and from nothing else.

A panel's figure stands beside the reference's, which is raw's, or the first panel's. Where their
intervals overlap, the sentence says that they are equal. "Because" names what the run has counted:
threads, switches, system calls, CPU time; and only what differs clearly in the same direction.
"""

from __future__ import annotations

import math
from typing import Any

from bench.stats import Interval, equal_groups, median

LOST_MIN = 0.01  # of the messages: a sentence tells of losses from here on
LOST_MUCH = 0.2  # of the messages: so many are a reason why fewer arrive
CLEARLY = 1.25  # times the reference's: what is counted so much more often can be a reason
HALVES_MIN = 2  # runs: one has no halves to be compared
RATIO_METRICS = {"latency": "p50", "connections": "p50", "throughput": "rate", "fanout": "rate"}
LOWER_IS_BETTER = {"latency", "connections"}
CASE = ("bench", "transport", "placement", "size", "queue", "rate", "peers")
QUEUES = {-1: "queues as long as the run", 0: "each library's own queues"}

Cell = dict[str, Any]
Results = dict[str, Any]


def number(value: float) -> str:
    """Three digits that count, with k or M from ten thousand on."""
    for limit, divisor, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            value, suffix = value / divisor, letter
            break
    else:
        suffix = ""
    size = abs(value)
    digits = 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}{suffix}"


def times(value: float) -> str:
    """A ratio for a sentence: two digits that count."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1.95 else f"{value:.2f}"


def length(size: int) -> str:
    """Of a body, as people say it."""
    for shift, unit in ((20, "MiB"), (10, "KiB")):
        if size >= 1 << shift and size % (1 << shift) == 0:
            return f"{size >> shift} {unit}"
    return f"{size} B"


def protocol(transport: str) -> str:
    return "TCP" if transport == "tcp" else transport


def counted_as(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def joined(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def figure(cell: Cell, name: str) -> Interval | None:
    found = cell["metrics"].get(name)
    return Interval(**found) if found else None


def lost_share(cell: Cell) -> float:
    lost = figure(cell, "lost_share")
    return lost.median if lost else 0.0


def publishes(cell: Cell) -> bool:
    return cell["bench"] in ("throughput", "fanout")


def groups_of(results: Results) -> list[list[Cell]]:
    """The cells by case, in the order in which they were measured."""
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in results["cells"]:
        groups.setdefault(tuple(cell[name] for name in CASE), []).append(cell)
    return list(groups.values())


def reference_of(panels: list[Cell]) -> Cell | None:
    """What the others are compared with: raw, or else the first."""
    return next((cell for cell in panels if cell["competitor"] == "raw"), panels[0] if panels else None)


def measured(group: list[Cell]) -> list[Cell]:
    """The panels that have a figure in this case."""
    return [cell for cell in group if cell["kind"] == "panel" and figure(cell, RATIO_METRICS[cell["bench"]])]


def where(cell: Cell) -> str:
    """A case, as a sentence begins with it."""
    words = [cell["placement"].capitalize(), protocol(cell["transport"]), length(cell["size"])]
    if cell["placement"] == "free":
        words[0] = "Cores as the kernel chooses"
    if cell["bench"] == "fanout":
        words.append(counted_as(cell["peers"], "subscriber"))
    if cell["bench"] == "connections":
        words.append(counted_as(cell["peers"], "idle client"))
    if publishes(cell):
        words.append(QUEUES.get(cell["queue"], f"queues of {cell['queue']} messages"))
    if cell["rate"]:
        words.append(f"{cell['rate']} a second asked for")
    what = "messages delivered" if publishes(cell) else "median round trip"
    return f"{', '.join(words)}, {what}"


def plainest(cell: Cell) -> bool:
    """Whether a sentence tells of this case: 64 B, or between hosts, and no other variation."""
    usual = not publishes(cell) or cell["queue"] == (-1 if cell["bench"] == "fanout" else 1000)
    return (cell["size"] == 64 or cell["placement"] == "between hosts") and not cell["rate"] and usual


# Reasons.


def counted(cell: Cell, costs: dict[str, Any]) -> list[tuple[str, Interval]]:
    """What a message has taken, as far as it was counted: a text with %s for the number, and the count."""
    found: list[tuple[str, Interval | None]] = []
    if publishes(cell):
        found += [("%s us of CPU", figure(cell, "cpu_us")), ("%s context switches", figure(cell, "switches"))]
    else:
        cost = costs.get(cell["competitor"], {})
        if cell["transport"] == "tcp" and cell["size"] == 64:  # what the separate runs were about
            found.append(("%s threads", both_roles(cost.get("threads", {}), "working")))
        found.append(("%s context switches", figure(cell, "switches")))
        if cell["transport"] == "tcp" and cell["size"] == 64:
            found.append(("%s system calls", both_roles(cost.get("calls", {}), "all")))
    return [(text, value) for text, value in found if value]


def both_roles(counts: dict[str, Any], name: str) -> Interval | None:
    """The sum of both sides, counted once."""
    if not {"req", "rep"} <= set(counts):
        return None
    value = float(counts["req"][name] + counts["rep"][name])
    return Interval(value, value, value, 0.0, 1)


def brief(value: float) -> str:
    """A count: whole from ten on, and where it nearly is."""
    if value < 1:
        return number(value)
    return f"{value:.0f}" if value >= 10 or round(value, 1) == round(value) else f"{value:.1f}"


def because(cell: Cell, reference: Cell, costs: dict[str, Any]) -> str:
    """Why this is the slower of the two, by what was counted; or that nothing counted explains it."""
    theirs = dict(counted(reference, costs))
    pairs = [(text, mine, theirs[text]) for text, mine in counted(cell, costs) if text in theirs]
    more = [
        (text, mine.median, other.median)
        for text, mine, other in pairs
        if mine.median >= CLEARLY * other.median and not mine.overlaps(other)
    ]
    what = "an event that arrives takes" if publishes(cell) else "a round trip takes"
    lost = lost_share(cell)
    much = lost >= LOST_MUCH and lost > CLEARLY * lost_share(reference)
    reason = f", because {lost:.0%} of the events were lost" if much else ""
    if more:
        reasons = joined([text.replace("%s", brief(mine)) for text, mine, _ in more])
        others = joined([brief(other) for *_, other in more])
        reason += ": with the work for those," if much else ", because"
        return f"{reason} {what} {reasons} ({reference['label']}: {others})"
    if pairs and not much:
        alike = joined([text.replace("%s", brief(mine.median)) for text, mine, _ in pairs])
        others = joined([brief(other.median) for *_, other in pairs])
        return f", and what was counted does not say why: {what} {alike} ({reference['label']}: {others})"
    return reason


# Sentences.


def comparison(cell: Cell, reference: Cell, costs: dict[str, Any]) -> str:
    """How far a panel is from the reference; empty for the reference itself."""
    metric = RATIO_METRICS[cell["bench"]]
    mine, other = figure(cell, metric), figure(reference, metric)
    value = cell["ratios"].get(reference["competitor"])
    if cell is reference or not mine or not other:
        return ""
    if mine.overlaps(other):
        return f" (equal to {reference['label']})"
    ratio = value["median"] if value else mine.median / other.median if other.median else math.inf
    slower = (ratio > 1) == (cell["bench"] in LOWER_IS_BETTER)
    if publishes(cell):
        text = f" ({times(1 / ratio)} times fewer)" if ratio < 1 else f" ({times(ratio)} times as many)"
    else:
        text = f" ({times(ratio)} times)"
    return text + (because(cell, reference, costs) if slower else "")


def finding(group: list[Cell], costs: dict[str, Any]) -> str:
    """A case in words: the panels, the best first."""
    metric = RATIO_METRICS[group[0]["bench"]]
    panels = measured(group)
    reference = reference_of(panels)
    if reference is None:
        return ""
    unit = "/s" if publishes(group[0]) else " us"
    panels.sort(key=lambda cell: figure(cell, metric).median, reverse=publishes(group[0]))  # type: ignore[union-attr]
    parts = []
    for cell in panels:
        text = f"{cell['label']} {number(figure(cell, metric).median)}{unit}"  # type: ignore[union-attr]
        lost = lost_share(cell)
        text += f" with {lost:.0%} lost" if lost >= LOST_MIN else ""
        parts.append(text + comparison(cell, reference, costs))
    intervals = {cell["label"]: figure(cell, metric) for cell in panels if cell is not reference}
    ends = [f"{joined(names)} are equal" for names in equal_groups(intervals)]  # type: ignore[arg-type]
    return f"{where(group[0])}: {'; '.join(parts + ends)}."


def by_idle(groups: list[list[Cell]]) -> str:
    """What idle clients change: from the fewest to the most, of whose case there is a sentence already."""
    several = sorted((group for group in groups if group[0]["bench"] == "connections"), key=lambda group: group[0]["peers"])
    if len(several) < 2:
        return ""
    few, many = several[0], several[-1]
    parts = []
    for cell in measured(many):
        other = next((one for one in measured(few) if one["competitor"] == cell["competitor"]), None)
        figures = [figure(one, "p50") for one in (other, cell) if one]
        if len(figures) == 2 and all(figures):
            first, last = figures
            equal = " (equal)" if first.overlaps(last) else ""  # type: ignore[union-attr]
            parts.append(f"{cell['label']} {number(first.median)} us, then {number(last.median)}{equal}")  # type: ignore[union-attr]
    ends = [counted_as(group[0]["peers"], "idle client") for group in (few, many)]
    return f"Median round trip first with {ends[0]}, then with {ends[1]}: {'; '.join(parts)}." if parts else ""


def by_size(groups: list[list[Cell]]) -> list[str]:
    """How the ratios to the reference change from the smallest bodies to the largest."""
    chosen: dict[str, list[list[Cell]]] = {}
    for group in groups:
        cell = group[0]
        if cell["bench"] == "latency" and cell["placement"] == "one core" and not cell["rate"] and measured(group):
            chosen.setdefault(cell["transport"], []).append(group)
    told = []
    for transport, several in chosen.items():
        several.sort(key=lambda group: group[0]["size"])
        ends = [several[0], several[-1]]
        if len(several) < 3:
            continue
        parts = []
        for small in measured(ends[0]):
            large = next((c for c in measured(ends[1]) if c["competitor"] == small["competitor"]), None)
            reference = [reference_of(measured(end)) for end in ends]
            both = [c["ratios"].get(r["competitor"]) for c, r in zip((small, large), reference) if c and r]
            if len(both) == 2 and all(both):
                parts.append(f"{small['label']} {times(both[0]['median'])} times as long, then {times(both[1]['median'])}")
        if parts:
            sizes = [length(end[0]["size"]) for end in ends]
            whose = reference_of(measured(ends[0]))
            beside = whose["label"] if whose else "the first"
            told.append(
                f"Round trips over {protocol(transport)} beside those of {beside}, first with {sizes[0]}, "
                f"then with {sizes[1]}: {'; '.join(parts)}."
            )
    return told


def beside_baselines(results: Results) -> str:
    """How each panel stands to its own baseline, over all cases with a sentence."""
    parts = []
    for name in dict.fromkeys(cell["competitor"] for cell in results["cells"] if cell["kind"] == "panel"):
        cells = [cell for cell in results["cells"] if cell["competitor"] == name and plainest(cell)]
        ratios = [
            (value, cell["bench"] in LOWER_IS_BETTER)
            for cell in cells
            for other, value in cell["ratios"].items()
            if other.startswith("baseline") and value
        ]
        # As times of the baseline's time: of rates the inverse.
        costs = [value["median"] if lower else 1 / value["median"] for value, lower in ratios if value["median"]]
        if not costs:
            continue
        equal = sum(value["low"] <= 1 <= value["high"] for value, _ in ratios)
        span = times(min(costs)) if len(costs) == 1 else f"{times(min(costs))} to {times(max(costs))}"
        parts.append(f"{cells[0]['label']} {span} times (equal in {equal} of {len(costs)} cases)")
    if not parts:
        return ""
    return f"A message takes so many times as long as in the baseline, the bare loop over the same library: {'; '.join(parts)}."


def lossless(results: Results) -> list[str]:
    """The highest rate without loss, by size."""
    told = []
    for size in sorted({one["size"] for one in results.get("lossless", [])}):
        labels = {cell["competitor"]: cell["label"] for cell in results["cells"]}
        found = [one for one in results["lossless"] if one["size"] == size and one["rate"] is not None]
        found.sort(key=lambda one: one["rate"], reverse=True)
        parts = [
            f"{labels.get(one['panel'], one['panel'])} {'at least ' if one.get('at_least') else ''}{number(one['rate'])}/s"
            for one in found
        ]
        told += [f"Highest rate at which nothing was lost, {length(size)}: {'; '.join(parts)}."] if parts else []
    return told


def failures(results: Results) -> str:
    """What has no figure, and why."""
    gone = [cell for cell in results["cells"] if not cell["counting"]]
    others = results.get("failed", [])
    if not gone:
        return f"Failed, while all figures stand: {'; '.join(others)}." if others else ""
    parts = [f"{where(cell)}, {cell['competitor']}: {(cell['failures'] or ['not run'])[-1]}" for cell in gone]
    have = "has" if len(gone) == 1 else "have"
    return f"{len(gone)} of {len(results['cells'])} rows {have} no figure; the others stand. {'; '.join(parts + others)}."


# Disturbance.


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


def found(results: Results) -> list[str]:
    """All that is said at the end of a run, a sentence or paragraph each."""
    costs = results.get("costs", {})
    groups = groups_of(results)
    told = [disturbance(results)]
    most = max((group[0]["peers"] for group in groups if group[0]["bench"] == "connections"), default=0)
    told += [
        finding(group, costs)
        for group in groups
        if plainest(group[0]) and (group[0]["bench"] != "connections" or group[0]["peers"] == most)
    ]
    told += [by_idle(groups), *by_size(groups), *lossless(results)]
    return [one for one in [*told, beside_baselines(results), failures(results)] if one]


