"""What the benchmark makes of its figures: results, comparisons, goals, tables, charts; and its
command line.
"""

import io
import json
import signal
import subprocess
from pathlib import Path

import pytest

from bench import results as bench_results
from bench import show as bench_show
from bench.chart import charts
from bench import goals
from bench.goals import Goal, lossless, ratio_goal, run_goals
from bench.kinds import Case, Outcome
from bench.run import EITHER, Baseline, Disturbance, Speed
from bench.session import Cell
from bench.cases import RATIO_METRICS, groups_of, number
from conftest import ROOT
from harness.chart import Chart, Line, script
from harness.svg import svg_text
from harness.panels import BUILD, Panel, read_panels
from harness.stage import Stage
from pretend import FAST, RAW, SLOW, outcome, run_group, session


def results(p50: float, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count: outcome(p50, count))
    run_group(done, Case("latency"), [(FAST, "panel"), (RAW, "panel")])
    cells = [bench_results.cell_dict(cell, done.cells) for cell in done.cells]
    return {
        "format": "triptych-bench",
        "version": bench_results.VERSION,
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "machine": {},
        "versions": {},
        "method": {},
        "cells": cells,
    }


def test_results_follow_their_schema_and_survive_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "tools/bench/results.schema.json").read_text())
    written = results(10.0, monkeypatch)
    (tmp_path / "results.json").write_text(bench_results.text_of(written))
    read = bench_results.read(tmp_path / "results.json")
    jsonschema.validate(read, schema)
    assert read["cells"][0]["ratios"]["raw"]["median"] == 1.0
    read["cells"][0]["metrics"]["p50"] = {"median": "fast"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read, schema)


def test_compare_tells_change_from_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, fast = results(20.0, monkeypatch), results(10.0, monkeypatch)
    assert {change["verdict"] for change in bench_results.compare(slow, fast)} == {"better"}
    assert {change["verdict"] for change in bench_results.compare(fast, slow)} == {"worse"}
    same = bench_results.compare(fast, fast)
    assert [change["verdict"] for change in same] == ["equal", "equal"] and same[0]["change"] == 0
    for cell in fast["cells"]:  # type: ignore[attr-defined]
        cell["size"] = 65
    assert bench_results.compare(slow, fast) == []


def publishing(rate: float, low: float, high: float) -> dict[str, object]:
    """Results of one publisher at that rate."""
    key = {"bench": "throughput", "transport": "tcp", "placement": "free", "size": 64, "queue": 1000, "rate": 0, "peers": 1}
    figure = {"median": rate, "low": low, "high": high}
    return {"cells": [{**key, "competitor": "raw", "metrics": {"rate": figure, "p50": {"median": 1, "low": 1, "high": 1}}}]}


def test_compare_knows_rates_from_times() -> None:
    (change,) = bench_results.compare(publishing(100, 90, 110), publishing(200, 190, 210))
    assert (change["verdict"], change["metric"], change["change"]) == ("better", "rate", 1.0)
    (change,) = bench_results.compare(publishing(200, 190, 210), publishing(100, 90, 110))
    assert (change["verdict"], change["change"]) == ("worse", -0.5)


@pytest.mark.parametrize("name", bench_results.KEYS)
def test_compare_pairs_what_was_measured_alike(name: str) -> None:
    """What differs in one of these was another measurement."""
    before, after = publishing(100, 90, 110), publishing(200, 190, 210)
    cell: dict[str, object] = after["cells"][0]  # type: ignore[index]
    other = {int: 7, str: "other"}[bench_results.KEYS[name]]
    cell[name] = next(b for b in RATIO_METRICS if b != "throughput") if name == "bench" else other
    assert bench_results.compare(before, after) == []


@pytest.mark.parametrize("now", [(120, 105, 130), (80, 70, 95), (120, 110, 130), (80, 70, 90)])
def test_compare_calls_overlapping_intervals_equal(now: tuple[float, float, float]) -> None:
    (change,) = bench_results.compare(publishing(100, 90, 110), publishing(*now))
    assert change["verdict"] == "equal"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": "other"}',
        '{"format": "triptych-bench", "version": 99}',
        '{"format": "triptych-bench", "version": 2}',
    ],
)
def test_a_file_that_is_no_earlier_run_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(ValueError, match="file"):
        bench_results.read(path)


def test_charts_are_drawn_in_the_panels_colours(tmp_path: Path) -> None:
    line = Line("raw", "#0072B2", [(16, 10), (64, 12), (1024, 30)])
    chart = Chart("name", "it's a title", "x", "y", [line, Line("none", "#D55E00", [])])
    text = script(chart, "dumb size 78,27 mono")
    assert "#0072B2" in text and "it''s" in text
    drawn = svg_text(chart)
    assert 'stroke="#0072B2"' in drawn and "it&#x27;s a title" in drawn and "#D55E00" not in drawn


def test_what_was_not_the_same_in_two_runs_is_told() -> None:
    before = {
        "machine": {"cpu": "A", "kernel": "6"},
        "versions": {"zmq": "4.3.4"},
        "build": "b",
        "quick": True,
    }
    after = {
        **before,
        "machine": {"cpu": "B", "kernel": "6"},
        "versions": {"zmq": "4.3.5"},
        "quick": False,
    }
    assert bench_results.differences(before, before) == []
    told = " ".join(bench_results.differences(before, after))
    assert "cpu: A, now B" in told and "zmq: 4.3.4, now 4.3.5" in told and "quick: True" in told
    assert "quick: False, now True" in bench_results.differences(after, before)


def test_a_chart_does_not_mix_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count: outcome(10.0, count))
    for size, queue in ((64, 1000), (4096, 1000), (4096, -1), (64, 0)):
        metrics = {"rate": float(size + queue)}
        run = Outcome(metrics, Disturbance(), {}, {})
        done.cells.append(
            Cell(Case("throughput", size=size, queue=queue), RAW, "panel", runs=[run] * 5)
        )
    (chart,) = charts([bench_results.cell_dict(cell, done.cells) for cell in done.cells])
    assert chart.lines[0].points == [(64, 1064), (4096, 5096)]


def test_each_baselines_costs_are_counted_in_its_own_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    from bench import bench

    monkeypatch.setattr(Baseline, "built", True)
    counted = {one.name: patterns for one, patterns in bench.costed(read_panels(), False).items()}
    assert counted["baseline-epoll"] == ["reqrep"] and counted["baseline-batch"] == ["pubsub"]
    assert counted["zmq"] == counted["baseline-zmq"] == ["reqrep", "pubsub"]
    assert all(patterns == ["reqrep"] for patterns in bench.costed(read_panels(), True).values())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.05, "0.050"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (123.4, "123"),
        (12345, "12.3k"),
        (2.5e6, "2.50M"),
        (0.9996, "1.00"),
        (9.996, "10.0"),
    ],
)
def test_three_digits_count(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize("width", [80, 200])
def test_a_table_fits_its_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    from rich.console import Console

    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count: outcome(12.5, count))
    group = run_group(done, Case("latency"), [(FAST, "panel"), (RAW, "panel")])
    group[0].failures.append("fast: [x] came too late")
    console = Console(width=width, record=True, file=io.StringIO())
    bench_show.show_group(console, group)
    text = console.export_text()
    assert "12.5  12.5..12.5" in text and "1.00" in text and "[x] came too late" in text
    assert "…" not in text and max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [80, 120, 150])
def test_each_table_of_the_published_run_is_whole_at_any_width(width: int) -> None:
    """A line for each row, none longer than the terminal; what has no room is named, and 150 columns have room for all."""
    pytest.importorskip("rich")
    from rich.console import Console

    from bench import tables

    run = bench_results.read(ROOT / "tools/bench/RESULTS.json.gz")
    for group in groups_of(run):
        console = Console(width=width, record=True, file=io.StringIO())
        tables.show_table(console, group, 5)
        lines = console.export_text().splitlines()
        title, heading, *rows = lines[: 2 + sum(bool(cell["counting"]) for cell in group)]
        assert title == tables.title_of(group[0])
        assert max(map(len, lines[: 2 + len(rows)])) <= width and "…" not in "".join(lines), lines
        for row, cell in zip(rows, [cell for cell in group if cell["counting"]]):
            assert row.startswith(tables.short_name(cell)), row
        columns = tables.COLUMNS[group[0]["bench"]]
        shown = tables.fitting(columns, width)
        assert heading.split()[-1].startswith("/") or width > 100
        assert (shown == columns) == (tables.left_out([group[0]["bench"]], width) == "") == (width == 150)
        for column in columns:
            told = column in shown or column.heading in tables.left_out([group[0]["bench"]], width)
            assert told and (column.heading in heading or column not in shown or column.heading == tables.REFERENCE)


def test_figures_are_aligned_at_their_points() -> None:
    from bench import tables

    assert tables.aligned(["14.0", "9.12", "105", "-"]) == [" 14.0 ", "  9.12", "105   ", "     -"]
    assert tables.aligned(["26.9M", "245k"]) == ["26.9M", " 245k"]
    assert tables.in_two_parts(["9.06..9.57", "105..109", "-"], "..") == ["9.06..9.57", " 105..109 ", "-"]


def test_a_long_heading_is_replaced_by_the_panels_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import tables

    cell = results(10.0, monkeypatch)["cells"][0]  # type: ignore[index]
    assert tables.short_name(cell) == "fast"
    assert tables.short_name({**cell, "label": "raw, a panel of my own with a long heading"}) == "fast"
    assert tables.short_name({**cell, "kind": "baseline", "label": "bare REQ/REP", "disturbed": True}) == "  bare REQ/REP*"


def test_what_is_to_be_known_of_a_row_stands_below_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import tables

    cell = results(10.0, monkeypatch)["cells"][0]  # type: ignore[index]
    few = {**cell, "counting": 3, "rate": 200_000, "failures": ["fast: came too late"]}
    assert tables.notes([cell], 5) == []
    assert tables.notes([few], 5) == ["fast: 3 runs of 5", "fast: kept 100k/s of 200000/s", "fast: 1 run failed: fast: came too late"]
    assert tables.notes([{**few, "counting": 0, "rate": 0}], 5) == ["fast: 1 run failed, and there is no figure: fast: came too late"]


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


@pytest.mark.heavy
def test_what_was_measured_before_it_was_stopped_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("rich")
    if not RAW.built:
        pytest.skip("raw is not built")
    path = tmp_path / "results.json"
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools"), "bench.bench", "--json", str(path)]
    command += ["--svg", str(tmp_path), "latency", "raw"]
    with Stage() as stage:
        bench = stage.start(*command)
        shown = b""
        while b"16 B bodies" not in shown:  # until a first case is shown
            shown = bench.line(60)
            assert shown is not None, bench.stderr()
        bench.signal(signal.SIGINT)
        bench.text(20)
        assert bench.wait() == 130
    kept = bench_results.read(path)
    assert (
        kept["interrupted"]
        and kept["cells"][0]["size"] == 16
        and kept["cells"][0]["metrics"]["p50"]
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--compare", "/nowhere"],
        ["--what"],
        ["--json", "/nowhere/file"],
        ["--svg", "/proc/nowhere"],
        ["--read", "/nowhere"],
        ["--read", "/nowhere", "--quick"],
        ["--scale", "--quick"],
        ["--scale", "latency"],
        ["--goals", "latency"],
        ["--goals", "--quick"],
    ],
)
def test_wrong_usage_is_told_in_one_line(arguments: list[str]) -> None:
    pytest.importorskip("rich")
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools"), "bench.bench", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if not BUILD.exists():
        pytest.skip("nothing is built")
    assert (
        done.returncode == 2
        and done.stderr.startswith("triptych: bench: ")
        and done.stderr.count("\n") == 1
    )
