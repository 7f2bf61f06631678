"""What the benchmark makes of its figures: results, comparisons, tables, charts; and its
command line.
"""

import io
import json
import signal
from pathlib import Path

import pytest

import tool
from bench import results as bench_results
from bench import show as bench_show
from bench.cases import RATIO_METRICS, groups_of, number
from bench.chart import charts, in_letters
from bench.kinds import Case, Outcome
from bench.run import Baseline, Disturbance
from bench.session import Cell
from bench.stated import RECORDED
from conftest import ROOT
from harness.chart import Chart, Line, script
from harness.panels import BUILD, Panel, read_panels
from harness.stage import Stage
from harness.svg import svg_text
from pretend import FAST, RAW, outcome, run_group, session


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


def test_a_chart_in_letters_has_the_panels_alone() -> None:
    """Eight curves and more cannot be told apart on a terminal; a file has them all."""
    drawn = charts(bench_results.read(RECORDED)["cells"])
    for chart in drawn:
        panels = [line.label for line in in_letters(chart).lines]
        assert panels == ["raw sockets", "ZeroMQ", "nanomsg", "NNG (nn_ API)"] and len(chart.lines) > len(panels)
    by_size = in_letters(next(chart for chart in drawn if chart.name == "latency-by-size"))
    assert by_size.x_ticks.startswith("'16 B' 16, ") and by_size.x_ticks.endswith("'1 MiB' 1048576")
    by_peers = in_letters(next(chart for chart in drawn if chart.name == "fanout-by-peers"))
    assert by_peers.x_ticks.startswith("'1' 1, '8' 8, ")


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


def test_the_other_tables_fit_80_columns() -> None:
    """Each line, whatever stands in it but the reasons of failures."""
    pytest.importorskip("rich")
    from rich.console import Console

    from bench import tables

    run = bench_results.read(ROOT / "tools/bench/RESULTS.json.gz")
    run["lossless"] = [{**one, "limit": "above it the publisher does not keep the rate"} for one in run["lossless"]]
    console = Console(width=80, record=True, file=io.StringIO())
    tables.show_lossless(console, run)
    tables.show_costs(console, run)
    text = console.export_text()
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    assert sum(line.startswith(("raw sockets ", "ZeroMQ ", "nanomsg ", "NNG (nn_ API) ")) for line in text.splitlines()) == 8


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
    late = "3 of 5 runs, since there was no time for more: fast"
    others = ["fast: kept 100k/s of 200000/s", "fast: 1 run failed: fast: came too late"]
    assert tables.notes([{**few, "runs": few["runs"][:3]}], 5) == [late, *others]
    assert tables.notes([{**few, "runs": [*few["runs"][:3], None, None]}], 5) == ["3 of 5 runs: fast", *others]
    many = [{**cell, "competitor": name, "counting": n, "runs": cell["runs"][:n]} for name, n in zip("abcd", (2, 3, 2, 5))]
    assert tables.notes(many, 5) == [
        "2 of 5 runs, since there was no time for more: a, c", "3 of 5 runs, since there was no time for more: b",
    ]  # fmt: skip
    assert tables.notes([{**few, "counting": 0, "rate": 0}], 5) == ["fast: 1 run failed, and there is no figure: fast: came too late"]


@pytest.mark.heavy
def test_what_was_measured_before_it_was_stopped_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("rich")
    if not RAW.built:
        pytest.skip("raw is not built")
    path = tmp_path / "results.json"
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools"), "bench.bench", "--json", str(path)]
    command += ["--svg", str(tmp_path), "--quick", "latency", "throughput", "raw"]
    with Stage() as stage:
        bench = stage.start(*command)
        shown = b""
        while b"64 B bodies" not in shown:  # until a first case is shown
            shown = bench.line(60)
            assert shown is not None, bench.stderr()
        bench.signal(signal.SIGINT)
        bench.text(20)
        assert bench.wait() == 130
    kept = bench_results.read(path)
    assert (
        kept["interrupted"]
        and kept["cells"][0]["size"] == 64
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
    status, _, told = tool.run("bench.bench", *arguments)
    if not BUILD.exists():
        pytest.skip("nothing is built")
    assert status == 2 and told.startswith("triptych: bench: ") and told.count("\n") == 1
