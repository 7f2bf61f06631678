"""The benchmark's statistics against exact values and known distributions, and its searches."""

import random

import pytest

from bench.stats import (
    Interval,
    coverage_of,
    equal_groups,
    find_highest,
    interval,
    median,
    quantile,
    ratio,
)


def test_quantiles_are_the_exact_ranks() -> None:
    values = [float(n) for n in range(1, 1001)]
    random.Random(1).shuffle(values)
    assert [quantile(values, q) for q in (0.5, 0.9, 0.99, 0.999, 1.0)] == [500, 900, 990, 999, 1000]
    assert quantile([7.0], 0.001) == 7.0
    with pytest.raises(ValueError):
        quantile([], 0.5)


def test_median_of_odd_and_even_numbers() -> None:
    assert median([3, 1, 2]) == 2
    assert median([4, 1, 3, 2]) == 2.5


@pytest.mark.parametrize(
    ("n", "dropped", "coverage"),
    [
        (5, 0, 0.9375),
        (6, 0, 0.96875),
        (9, 1, 0.9609375),
        (10, 1, 0.978515625),
        (20, 5, 0.9586105346679688),
    ],
)
def test_coverage_is_binomial(n: int, dropped: int, coverage: float) -> None:
    assert coverage_of(n, dropped) == pytest.approx(coverage, abs=1e-12)


def test_few_runs_span_them_all_and_say_how_sure_that_is() -> None:
    found = interval([5, 1, 4, 2, 3])
    assert (found.median, found.low, found.high, found.n) == (3, 1, 5, 5)
    assert found.coverage == 0.9375
    assert interval([8.0]) == Interval(8, 8, 8, 0.0, 1)


def test_many_runs_drop_the_extremes() -> None:
    found = interval([float(n) for n in range(1, 21)])
    assert (found.low, found.high) == (6, 15)
    assert found.coverage >= 0.95


@pytest.mark.parametrize("name", ["normal", "exponential", "lognormal"])
@pytest.mark.parametrize("n", [5, 9, 20])
def test_intervals_cover_the_true_median_as_often_as_they_say(name: str, n: int) -> None:
    source = random.Random(n)
    draw, true = {
        "normal": (lambda: source.gauss(10, 3), 10.0),
        "exponential": (lambda: source.expovariate(1.0), 0.6931471805599453),
        "lognormal": (lambda: source.lognormvariate(0, 2), 1.0),  # latency's kind of tail
    }[name]
    trials = 4000
    found = [interval([draw() for _ in range(n)]) for _ in range(trials)]
    share = sum(one.low <= true <= one.high for one in found) / trials
    assert share == pytest.approx(found[0].coverage, abs=0.015)


def test_a_ratio_cancels_what_slows_both() -> None:
    slowness = [1.0, 5.0, 2.0, 9.0, 1.5]  # of the machine, round by round
    panel = [1.2 * s for s in slowness]
    found = ratio(panel, slowness)
    assert found.median == pytest.approx(1.2)
    assert found.high - found.low < 1e-9


def test_overlapping_intervals_are_equal() -> None:
    def at(low: float, high: float) -> Interval:
        return Interval((low + high) / 2, low, high, 0.94, 5)

    figures = {"a": at(1, 2), "b": at(1.9, 3), "c": at(5, 6), "d": at(5.5, 7), "e": at(20, 21)}
    assert equal_groups(figures) == [["a", "b"], ["c", "d"]]
    # Overlap is not transitive: a = b and b = c, but a is not c.
    assert equal_groups({"a": at(1, 2), "b": at(1.5, 4), "c": at(3, 5)}) == [["a", "b"], ["b", "c"]]


@pytest.mark.parametrize("limit", [1500.0, 37_000.0, 50_000.0, 999_999.0])
def test_the_search_finds_a_sharp_limit(limit: float) -> None:
    asked: list[float] = []

    def works(rate: float) -> bool:
        asked.append(rate)
        return rate <= limit

    found = find_highest(works, 50_000, low=1000, high=4_000_000, precision=0.05)
    assert limit / 1.06 <= found <= limit
    assert len(asked) < 40


def test_the_search_at_its_bounds() -> None:
    assert find_highest(lambda rate: False, 50_000, low=1000, high=4e6) == 0
    assert find_highest(lambda rate: True, 50_000, low=1000, high=4e6) == 4e6


def test_one_lucky_run_does_not_count() -> None:
    """A simulated system: below its capacity nothing is lost, above it now and then nothing."""
    source = random.Random(3)
    capacity = 200_000

    def works(rate: float) -> bool:
        return rate <= capacity or source.random() < 0.1

    found = [
        find_highest(works, 50_000, low=1000, high=4e6, precision=0.05, confirm=3)
        for _ in range(200)
    ]
    assert sum(rate > 1.1 * capacity for rate in found) < 10
    assert min(found) > capacity / 1.1
