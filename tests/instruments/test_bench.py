"""The benchmark's bookkeeping: turns, rounds, costs, failures, searches. All runs are pretended."""

import io
import time

import pytest

from bench import kinds
from bench import results as bench_results
from bench import search as bench_search
from bench import words as bench_words
from bench.chart import charts
from bench.kinds import Case, Outcome
from bench.run import Disturbance, Failed
from bench.session import find_cell, limit, ratio_of
from harness.panels import Panel
from pretend import BARE, FAST, RAW, SLOW, outcome, run_group, session


def test_competitors_take_turns_and_a_first_run_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[tuple[str, int]] = []

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        order.append((panel.name, count))
        return outcome(10.0 if panel is FAST else 20.0, count)

    monkeypatch.setattr(Panel, "built", True)
    done = session(run)
    cells = run_group(done, Case("latency"), [(FAST, "panel"), (SLOW, "panel"), (BARE, "baseline")])
    rounds = [sorted(name for name, _ in order[-15:][i : i + 3]) for i in range(0, 15, 3)]
    assert rounds == [["bare", "fast", "slow"]] * 5
    assert all(len(cell.runs) == 5 for cell in cells)
    assert cells[0].count == pytest.approx(0.4 / 10e-6, rel=0.01)  # 0.4 s at 10 us each
    value = ratio_of(cells[1], cells[0], "p50")
    assert value and value.median == pytest.approx(2.0)


def test_a_run_of_many_programs_is_not_taken_for_what_waking_them_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short fan-out lasts 20 ms however few events it has; a run that counts lasts 0.4 s."""
    monkeypatch.setattr(Panel, "built", True)

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        made = outcome(10.0, count)
        made.metrics["seconds"] = made.metrics["sending_seconds"] = 0.02 + count * 5e-6
        return made

    (cell,) = run_group(session(run), Case("fanout", peers=64), [(FAST, "panel")])
    assert 0.3 < 0.02 + cell.count * 5e-6 < 0.5


def test_waking_many_subscribers_is_not_taken_for_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 60 ms, however many events there are; each event takes ten microseconds."""
    monkeypatch.setattr(Panel, "built", True)
    lasted: list[float] = []

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        lasted.append(0.06 + count * 1e-5)
        return Outcome({"rate": 1e5, "seconds": lasted[-1], "sending_seconds": 0.001}, Disturbance(), {}, {})

    (cell,) = run_group(session(run, 0.15), Case("fanout", peers=512), [(FAST, "panel")])
    assert cell.counting and min(lasted[-5:]) > 0.3


def test_costs_are_a_difference_of_two_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    (cell,) = run_group(
        session(lambda panel, case, count: outcome(10.0, count)), Case("latency"), [(FAST, "panel")]
    )
    figure = cell.figure("client_cpu_us")
    assert figure and figure.median == pytest.approx(
        4.0
    )  # without the millisecond that starting costs
    figure = cell.figure("server_switches")
    assert figure and figure.median == pytest.approx(2.0)


def test_disturbed_runs_are_made_up_for_and_the_least_disturbed_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Panel, "built", True)
    calls = {"fast": 0, "slow": 0}

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        calls[panel.name] += 1
        slower = panel is SLOW or calls["fast"] == 4
        return outcome(20.0 if slower else 10.0, count, 0.5 if slower else 0.01)

    fast, slow = run_group(session(run), Case("latency"), [(FAST, "panel"), (SLOW, "panel")])
    assert not fast.disturbed and fast.values("p50") == [10.0] * 5
    assert slow.disturbed and len(slow.runs) == 15 and len(slow.counting) == 5
    figure = ratio_of(slow, fast, "p50")
    assert figure and figure.n == 5 and figure.median == 2.0


def test_undisturbed_runs_are_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    (cell,) = run_group(
        session(lambda panel, case, count: outcome(10.0, count)), Case("latency"), [(FAST, "panel")]
    )
    assert len(cell.runs) == 5


def test_more_rounds_do_not_wait_for_who_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count: outcome(10.0, count))
    done.deadline = time.monotonic() + 2
    fast, gone = done.cells_for(Case("latency"), [(FAST, "panel"), (SLOW, "panel")])
    fast.count = gone.count = 100
    gone.failures = ["slow: it ended"] * 4
    done.again([fast, gone], 9)
    assert (len(fast.runs), len(gone.runs)) == (9, 0) and gone.given_up


def test_behind_its_time_a_session_makes_fewer_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    late = session(lambda panel, case, count: outcome(10.0, count))
    late.planned, late.deadline = 100.0, time.monotonic()
    (cell,) = run_group(late, Case("latency"), [(FAST, "panel")])
    assert len(cell.runs) == 2


def test_a_failing_competitor_spoils_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        if panel is SLOW:
            raise Failed("slow: did not start")
        return outcome(10.0, count)

    fast, slow = run_group(session(run), Case("latency"), [(FAST, "panel"), (SLOW, "panel")])
    assert len(fast.counting) == 5
    assert slow.failed == "slow: did not start" and not slow.counting


def test_a_case_in_which_all_fail_is_told_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        if case.bench == "fanout":
            raise Failed(f"{panel.name}: subscriber 33 came too late")
        return outcome(10.0, count)

    done = session(run)
    groups = [run_group(done, case, [(FAST, "panel"), (RAW, "panel")]) for case in (Case("fanout", peers=64), Case("latency"))]
    pytest.importorskip("rich")
    from rich.console import Console

    from bench import show as bench_show

    text = io.StringIO()
    console = Console(file=text, width=200)
    for group in groups:
        bench_show.show_group(console, group)
    cells = [bench_results.cell_dict(cell, done.cells) for cell in done.cells]
    charts(cells)
    assert [cell["counting"] for cell in cells] == [0, 0, 5, 5]
    assert text.getvalue().count("there is no figure: ") == 2
    said = " ".join(bench_words.found({"cells": cells}))
    assert "median round trip: " in said and "2 of 4 rows have no figure" in said
    assert "raw: subscriber 33 came too late" in said


def test_a_publisher_waits_longer_where_a_subscriber_came_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[int] = []
    needed = 0

    def publish(panel: Panel, case: Case, count: int, delay: int) -> Outcome:
        delays.append(delay)
        if delay < needed:
            raise kinds.Late("raw: subscriber 33 came too late")
        return outcome(1.0, count)

    monkeypatch.setattr(kinds, "publish", publish)
    monkeypatch.setattr(kinds, "delays", {})
    needed = 1000
    kinds.run_case(RAW, Case("fanout", peers=64), 100)
    assert len(delays) == 2 and delays[1] >= 4 * delays[0]
    kinds.run_case(RAW, Case("fanout", peers=64), 100)  # the next run begins with what sufficed
    kinds.run_case(RAW, Case("fanout", peers=1), 100)  # and with fewer there is no need
    assert delays[2] == delays[1] and delays[3] < needed <= delays[4]
    needed = 1_000_000
    with pytest.raises(kinds.Late):
        kinds.run_case(RAW, Case("fanout", peers=64), 100)
    assert max(delays) == kinds.DELAY_MAX


def test_a_failed_attempt_is_made_again_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    calls: list[int] = []

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        calls.append(count)
        if len(calls) == 4:
            raise Failed("fast: came too late")
        return outcome(10.0, count)

    (cell,) = run_group(session(run), Case("latency"), [(FAST, "panel")])
    assert len(cell.counting) == 5 and cell.failures == ["fast: came too late"] and not cell.failed


def test_an_error_that_nobody_foresaw_spoils_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        if panel is SLOW:
            raise KeyError("first_us")
        return outcome(10.0, count)

    fast, slow = run_group(session(run), Case("latency"), [(FAST, "panel"), (SLOW, "panel")])
    assert len(fast.counting) == 5 and slow.failed == "KeyError: 'first_us'"


def test_a_paced_case_is_not_calibrated_at_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    counts: list[int] = []

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        counts.append(count)
        return outcome(10.0, count)

    run_group(session(run), Case("latency", rate=1000), [(FAST, "panel")])
    assert counts == [100] + [1200] * 5


def test_a_length_that_does_not_end_in_time_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few messages fit into queues and seem fast; twenty times as many take longer than a run may."""
    monkeypatch.setattr(Panel, "built", True)
    counts: list[int] = []

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        counts.append(count)
        if count >= 600:
            raise Failed("slow: subscribers still received after 30 s")
        return Outcome({"rate": 1e5, "seconds": 0.001, "sending_seconds": 0.001}, Disturbance(), {}, {})

    (cell,) = run_group(session(run), Case("fanout", peers=64), [(FAST, "panel")])
    assert max(counts) >= 600 and len(cell.counting) == 5 and not cell.failed


def test_limits_bound_memory() -> None:
    assert limit(Case("throughput", size=65536, queue=-1)) * 65536 <= 512 << 20
    assert limit(Case("fanout", peers=64)) * 64 <= 20_000_000


def test_the_lossless_search_needs_both_ends_to_keep_up() -> None:
    fine = {"lost_share": 0.0, "sending_rate": 1000.0, "rate": 990.0}
    quiet = Disturbance()
    assert not bench_search.limit_in(Outcome(fine, quiet, {}, {}), 1000)
    for worse, limit in (
        ({"lost_share": 0.001}, bench_search.LOST),
        ({"sending_rate": 900.0}, bench_search.SLOW_PUBLISHER),
        ({"rate": 900.0}, bench_search.SLOW_SUBSCRIBER),
        ({"sending_rate": 900.0, "rate": 900.0}, bench_search.SLOW_PUBLISHER),
    ):
        assert bench_search.limit_in(Outcome({**fine, **worse}, quiet, {}, {}), 1000) == limit


def test_the_lossless_search_says_what_its_limit_is() -> None:
    """Above 200,000/s the publisher is too slow; far above, events are lost as well, which is not the limit."""

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        sent = min(case.rate, 200_000.0)
        lost = 0.5 if case.rate > 1_000_000 else 0.0
        return Outcome({"lost_share": lost, "sending_rate": sent if not lost else float(case.rate), "rate": sent}, Disturbance(), {}, {})

    found = bench_search.lossless_rates([FAST], session(run))
    assert {entry["limit"] for entry in found} == {bench_search.SLOW_PUBLISHER}

    def losing(panel: Panel, case: Case, count: int) -> Outcome:
        slow = case.rate <= 40_000
        lost = 0.5 if case.rate > 20_000 else 0.0
        return Outcome({"lost_share": lost, "sending_rate": float(case.rate) if slow else 1.0, "rate": float(case.rate)}, Disturbance(), {}, {})

    found = bench_search.lossless_rates([FAST], session(losing))
    assert {entry["limit"] for entry in found} == {bench_search.LOST}


def test_the_lossless_search_finds_a_capacity_and_says_when_there_is_none() -> None:
    capacity = 200_000.0
    runs: list[int] = []

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        runs.append(case.rate)
        kept = min(case.rate, capacity)
        metrics = {"lost_share": 0.0, "sending_rate": float(case.rate), "rate": kept}
        # A loss in a run that was disturbed is no evidence: every third is.
        disturbed = len(runs) % 3 == 0
        if disturbed:
            metrics["lost_share"] = 0.5
        return Outcome(metrics, Disturbance(others=1.0 if disturbed else 0.0), {}, {})

    found = bench_search.lossless_rates([FAST], session(run))
    assert all(0.85 * capacity < entry["rate"] <= capacity / 0.95 for entry in found)
    assert not any(entry["at_least"] for entry in found)
    capacity = 1e9
    assert all(entry["at_least"] for entry in bench_search.lossless_rates([FAST], session(run)))

    def broken(panel: Panel, case: Case, count: int) -> Outcome:
        raise Failed("fast: did not start")

    found = bench_search.lossless_rates([FAST], session(broken))
    assert {entry["failed"] for entry in found} == {"fast: did not start"}


def test_find_cell_by_competitor_and_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count: outcome(1.0, count))
    run_group(done, Case("latency", size=16), [(FAST, "panel")])
    assert find_cell(done.cells, "fast", size=16) and not find_cell(done.cells, "fast", size=17)
