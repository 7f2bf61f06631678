"""The benchmark's statistics: medians and their intervals, ratios, and a search.
No input, no output.

Repetitions are few and their noise has a long tail, so nothing here assumes a normal distribution.
The interval of a median comes from order statistics: of n independent runs, the number that fall
below the true median is binomial (n, 1/2), whatever the distribution. Five runs give 93.75 % at
best, six 96.9 %; the coverage that was reached is part of the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95  # asked for; few runs give less


@dataclass(frozen=True)
class Interval:
    """A median, and between which values the true one lies with that probability."""

    median: float
    low: float
    high: float
    coverage: float
    n: int

    def overlaps(self, other: Interval) -> bool:
        return self.low <= other.high and other.low <= self.high


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed: the programs' own rule."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a quantile of nothing")
    rank = math.ceil(share * len(ordered) - 1e-9)
    return ordered[max(rank, 1) - 1]


def median(values: Sequence[float]) -> float:
    """The middle value; of an even number, the mean of the two in the middle."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a median of nothing")
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def coverage_of(n: int, dropped: int) -> float:
    """How surely the median lies within n ordered values less `dropped` at each end."""
    outside = sum(math.comb(n, i) for i in range(dropped + 1))
    return max(0.0, 1.0 - 2.0 * outside / 2.0**n)


def interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """The median of these runs, and its interval: the narrowest that has the confidence.

    If all values together do not have it, the interval spans them all, and its coverage says so.
    """
    ordered = sorted(values)
    n = len(ordered)
    dropped = 0
    while dropped + 1 < (n + 1) // 2 and coverage_of(n, dropped + 1) >= confidence:
        dropped += 1
    coverage = coverage_of(n, dropped) if n > 1 else 0.0
    return Interval(median(ordered), ordered[dropped], ordered[n - 1 - dropped], coverage, n)


def ratio(
    above: Sequence[float], below: Sequence[float], confidence: float = CONFIDENCE
) -> Interval:
    """The ratio of two systems that took turns: round by round,
    so that what slows both cancels out."""
    pairs = [a / b for a, b in zip(above, below) if b > 0]
    if not pairs:
        raise ValueError("a ratio of nothing")
    return interval(pairs, confidence)


def equal_groups(intervals: dict[str, Interval]) -> list[list[str]]:
    """Which of these cannot be told apart: those whose intervals overlap pairwise,
    in larger groups first.

    In order of their medians, each group is as long as every two of its members overlap; a group
    inside another is left out, and so is one of a single member.
    """
    names = sorted(intervals, key=lambda name: intervals[name].median)
    groups: list[list[str]] = []
    for start in range(len(names)):
        group = [names[start]]
        for name in names[start + 1 :]:
            if all(intervals[name].overlaps(intervals[member]) for member in group):
                group.append(name)
            else:
                break
        if len(group) > 1 and not any(set(group) <= set(other) for other in groups):
            groups.append(group)
    return groups


def find_highest(
    works: Callable[[float], bool],
    start: float,
    *,
    low: float,
    high: float,
    precision: float = 0.05,
    confirm: int = 2,
) -> float:
    """The highest value at which something works, to that precision;
    0 if it does not even at `low`.

    Doubles or halves from `start` until the limit is between two values, then halves the ratio
    between them. A value works only if it does `confirm` times in a row, so that one lucky run does
    not count; a real system's limit is not sharp.
    """

    def good(value: float) -> bool:
        return all(works(value) for _ in range(confirm))

    value = min(max(start, low), high)
    if good(value):
        while value < high:
            above = min(value * 2, high)
            if not good(above):
                break
            value = above
        else:
            return value
        below = value
    else:
        above = value
        while True:
            if above <= low:
                return 0.0
            value = max(above / 2, low)
            if good(value):
                break
            above = value
        below = value
    while above / below > 1 + precision:
        middle = math.sqrt(above * below)
        if good(middle):
            below = middle
        else:
            above = middle
    return below
