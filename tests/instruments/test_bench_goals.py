"""The goals of bench --goals: how they are judged, by runs that are pretended."""

import io

import pytest

from bench import goals
from bench.goals import Goal, lossless, ratio_goal, run_goals
from bench.kinds import Case, Outcome
from bench.run import EITHER, Baseline, Disturbance, Speed
from bench.session import Cell
from bench.stats import Interval
from harness.panels import BUILD, Panel, read_panels
from pretend import FAST, SLOW, outcome, run_group, session


def goal_cells(raw: list[float], bare: list[float], lost: float = 0.0) -> list[Cell]:
    cells = []
    for name, rates in (("raw", raw), ("bare", bare)):
        runs = [
            Outcome({"rate": rate, "lost_share": lost}, Disturbance(), {}, {}) for rate in rates
        ]
        cells.append(Cell(Case("throughput"), Panel(name, "", name), "panel", runs=list(runs)))
    return cells


@pytest.mark.parametrize(
    "bound, verdict",
    [(0.4, "met"), (0.5, "met"), (0.6, "cannot be told"), (0.8, "cannot be told"), (0.9, "missed"), (1.0, "missed")],
)
def test_a_goal_is_judged_by_the_interval_of_the_ratios(bound: float, verdict: str) -> None:
    """The interval is 0.5 to 0.9: a bound within it is neither kept nor missed."""
    cells = goal_cells([5, 6, 7, 8, 9], [10] * 5)
    goal = ratio_goal(cells, "what", ("raw", "bare"), "rate", bound)
    assert goal.value and (goal.value.low, goal.value.median, goal.value.high) == (0.5, 0.7, 0.9) and not goal.note
    assert goal.verdict() == verdict
    told = {"met": "missed", "missed": "met"}.get(verdict, verdict)
    if bound not in (0.5, 0.9):  # of times, what is below the bound is good
        assert Goal("what", bound, False, value=goal.value).verdict() == told


def test_a_goal_without_figures_was_not_measured_and_one_with_losses_is_missed() -> None:
    assert Goal("what", 1.0, True).verdict() == "not measured"
    lossy = goal_cells([5] * 5, [10] * 5, 0.25)
    goal = lossless(ratio_goal(lossy, "what", ("raw", "bare"), "rate", 0.1), lossy)
    assert goal.value and goal.value.median == 0 and "25.0% lost" in goal.note and goal.verdict() == "missed"
    gone = goal_cells([], [10] * 5)
    gone[0].failures.append("raw: did not start")
    goal = ratio_goal(gone, "what", ("raw", "bare"), "rate", 0.1)
    assert goal.verdict() == "not measured" and "did not start" in goal.note


def test_of_times_a_goal_is_an_upper_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count: outcome(12.0 if panel is SLOW else 10.0, count))
    cells = run_group(done, Case("latency"), [(SLOW, "panel"), (FAST, "panel")])
    assert ratio_goal(cells, "what", ("slow", "fast"), "p50", 1.2).verdict() == "met"
    assert ratio_goal(cells, "what", ("slow", "fast"), "p50", 1.19).verdict() == "missed"


def test_a_goal_that_nine_runs_leave_open_gets_more_and_then_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """raw's fan-out and its baseline's are as fast in one run, and half as fast in the next."""
    monkeypatch.setattr(Panel, "built", True)
    monkeypatch.setattr(Baseline, "built", True)
    monkeypatch.setattr(goals, "codec_goal", lambda: Goal("codec", 1.0, False))
    runs: dict[tuple[str, str], int] = {}

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        made = outcome(10.0, count)
        made.metrics |= {"lost_share": 0.0, "server_resident_kib": 1000.0}
        made.metrics |= {"seconds": count * 1e-5, "sending_seconds": count * 1e-5}
        number = runs[panel.name, case.bench] = runs.get((panel.name, case.bench), 0) + 1
        if case.bench == "fanout" and panel.name == "raw":
            made.metrics["rate"] *= 1.0 if number % 2 else 0.5
        return made

    (raw,) = [panel for panel in read_panels() if panel.name == "raw"]
    found = run_goals(session(run), [raw])
    assert [goal.verdict() for goal in found if "64 subscribers / bare" in goal.what] == ["cannot be told"]
    assert runs["raw", "fanout"] >= goals.MORE_RUNS and runs["raw", "connections"] < goals.MORE_RUNS


def test_the_goals_that_rest_on_disturbed_runs_are_known_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the processors can do at best shows late; which runs they slowed is known only then."""
    monkeypatch.setattr(Panel, "built", True)
    monkeypatch.setattr(Baseline, "built", True)
    monkeypatch.setattr(goals, "codec_goal", lambda: Goal("codec", 1.0, False))
    monkeypatch.setattr(Speed, "best", {(0, 0): 1.0})

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        made = outcome(10.0, count)
        made.metrics |= {"lost_share": 0.0, "server_resident_kib": 1000.0}
        made.metrics |= {"seconds": count * 1e-5, "sending_seconds": count * 1e-5}
        made.disturbance = Disturbance(probes=({(0, 0): 1.0}, {(0, 0): 1.0}))
        if case.bench == "fanout":
            Speed.best[0, 0] = 0.5
        return made

    (raw,) = [panel for panel in read_panels() if panel.name == "raw"]
    found = run_goals(session(run), [raw])[:-1]
    assert all(goal.disturbed for goal in found if goal.unit != " MB")


def test_all_goals_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each goal has a figure when every run has, and the same for panel and baseline."""
    asked: list[Case] = []
    monkeypatch.setattr(Panel, "built", True)
    monkeypatch.setattr(Baseline, "built", True)

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        asked.append(case)
        made = outcome(10.0, count)
        made.metrics |= {"lost_share": 0.0, "server_resident_kib": 4000.0}
        made.metrics |= {"seconds": count * 1e-5, "sending_seconds": count * 1e-5}
        return made

    found = run_goals(session(run), read_panels())
    assert len(found) == 10 + 18 + 1
    fanouts = {case.placement for case in asked if case.bench == "fanout"}
    assert fanouts == {EITHER}, "on any machine as on one with two cores"
    ratios = [
        round(goal.value.median, 9) for goal in found[:-1] if goal.value and goal.unit != " MB"
    ]
    assert ratios == [1.0] * 27
    if (BUILD / "bench-codec").exists():
        assert found[-1].value and 1 < found[-1].value.median < 10_000


def test_the_table_says_which_verdicts_rest_on_disturbed_runs() -> None:
    pytest.importorskip("rich")
    from rich.console import Console

    from bench import show

    value = Interval(0.7, 0.5, 0.9, 0.96, 9)
    judged = [Goal("slow", 1.0, True, value=value, disturbed=True), Goal("fine", 0.4, True, value=value, disturbed=True, note="a note"),
              Goal("open", 0.6, True, value=value), Goal("gone", 1.0, True, note="did not start")]  # fmt: skip
    console = Console(width=100, record=True, file=io.StringIO())
    show.show_goals(console, {"goals": [goals.as_json(goal) for goal in judged], "cells": []})
    text = " ".join(console.export_text().split())
    for row in ("slow >= 1 0.7 0.5..0.9 missed (on disturbed runs)", "fine >= 0.4 0.7 0.5..0.9 met (a note)",
                "open >= 0.6 0.7 0.5..0.9 cannot be told", "gone >= 1 - not measured (did not start)",
                "1 met, 1 missed, 1 cannot be told, 1 not measured."):  # fmt: skip
        assert row in text, text
