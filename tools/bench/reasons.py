"""Why a panel is slower than the reference, as far as the run has counted it.

A count is named as the cause only if it can explain the difference. Part of the time of a message
is the same for all, so the time grows by no more than the count that causes it. A count that grows
much less than the time explains too little of it; one that grows much more would have cost more.
"""

from __future__ import annotations

from typing import Any

from bench.cases import Cell, brief, figure, lost_share, publishes, times
from bench.stats import Interval

CLEARLY = 1.25  # times the reference's count: less is no difference to speak of
LESS, MORE = 2.0, 3.0  # the count's ratio over the time's: from 1 / LESS to MORE it is a cause
LOST_MUCH = 0.2  # of the messages: so many can be a reason why fewer arrive

Count = tuple[str, Interval]


def both_roles(counts: dict[str, Any], name: str) -> Interval | None:
    """The sum of both sides, counted once."""
    if not {"req", "rep"} <= set(counts):
        return None
    value = float(counts["req"][name] + counts["rep"][name])
    return Interval(value, value, value, 0.0, 1)


def separately(cell: Cell, costs: dict[str, Any], what: str, name: str) -> Interval | None:
    """Of both sides, from the separate runs; those were about 64 B over TCP."""
    if publishes(cell) or cell["transport"] != "tcp" or cell["size"] != 64:
        return None
    return both_roles(costs.get(cell["competitor"], {}).get(what, {}), name)


def counted(cell: Cell, costs: dict[str, Any]) -> list[Count]:
    """What a message has taken, the likeliest cause first: a text, %s for the count, and that."""
    cpu = ("%s us of processor time", figure(cell, "cpu_us"))
    switches = ("%s context switches", figure(cell, "switches"))
    calls = ("%s system calls", separately(cell, costs, "calls", "all"))
    found = [cpu] if publishes(cell) else [switches, calls, cpu]
    return [(text, value) for text, value in found if value]


def explains(mine: Interval, other: Interval, ratio: float) -> bool:
    """Whether a count that differs so can be the cause of a time that is `ratio` times as long."""
    if not other.median or mine.overlaps(other) or mine.median < CLEARLY * other.median:
        return False
    return ratio / LESS <= mine.median / other.median <= MORE * ratio


def cause(
    cell: Cell, reference: Cell, costs: dict[str, Any], ratio: float
) -> tuple[str, float, float] | None:
    """The likeliest cause: a text, its count and the reference's."""
    theirs = dict(counted(reference, costs))
    for text, mine in counted(cell, costs):
        other = theirs.get(text)
        if other and explains(mine, other, ratio):
            return text, mine.median, other.median
    return None


def loss_factor(cell: Cell, reference: Cell) -> float:
    """How many times fewer events arrive for what was lost alone."""
    mine, other = lost_share(cell), lost_share(reference)
    return (1 - other) / (1 - mine) if mine < 1 else 1.0


def part_of_it(cell: Cell, reference: Cell, what: str, ratio: float) -> str:
    """How much of the difference the processor time explains, if it is more, and not by enough."""
    mine, other = figure(cell, "cpu_us"), figure(reference, "cpu_us")
    if not mine or not other or mine.overlaps(other):
        return ""
    if not CLEARLY * other.median <= mine.median < ratio * other.median:
        return ""
    beside = f"({reference['competitor']}: {brief(other.median)})"
    took = f"{what} {brief(mine.median)} us of processor time {beside}"
    return f"; {took}, which explains only a factor of {times(mine.median / other.median)}"


def because(cell: Cell, reference: Cell, costs: dict[str, Any], ratio: float) -> str:
    """Why this is the slower of the two; or that nothing counted explains it."""
    much = lost_share(cell) >= LOST_MUCH and loss_factor(cell, reference) >= CLEARLY
    if much and loss_factor(cell, reference) >= ratio / LESS:
        return ", because full queues dropped the rest"
    found = cause(cell, reference, costs, ratio)
    if not found and much:
        part = times(loss_factor(cell, reference))
        return f"; the losses alone explain a factor of {part}, and the counts do not show the rest"
    what = "an event that arrives takes" if publishes(cell) else "a round trip takes"
    if not found:
        return part_of_it(cell, reference, what, ratio) or "; the counts do not show why"
    text, mine, other = found
    threads, fewer = (separately(one, costs, "threads", "working") for one in (cell, reference))
    passed, through = "", f"{reference['competitor']}: "
    if "switches" in text and threads and fewer and threads.median > fewer.median:
        what, passed = "a round trip passes", f"{brief(threads.median)} threads with "
        through += f"{brief(fewer.median)} threads with "
    took = text.replace("%s", brief(mine))
    work = ", the work for lost ones included" if much else ""
    return f", because {what} {passed}{took} ({through}{brief(other)}){work}"
