"""The benchmark itself: its parsers, its bookkeeping, its results; and that it sees a pause.

Figures are not tested, the machine is noisy; that they are sane is.
"""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import bench_chart  # noqa: E402
import bench_kinds  # noqa: E402
import bench_results  # noqa: E402
import bench_run  # noqa: E402
import bench_search  # noqa: E402
import bench_show  # noqa: E402
from bench_goals import Goal, lossless, ratio_goal, run_goals  # noqa: E402
from bench_kinds import Case, Outcome  # noqa: E402
from bench_run import (  # noqa: E402
    FREE,
    ONE,
    PLACEMENTS,
    BenchStage,
    Disturbance,
    Failed,
    Floor,
    Speed,
    Usage,
    Watch,
    size_for,
    wait_quiet,
)
from bench_session import Cell, Session, find_cell, limit, ratio_of  # noqa: E402
from panels import BUILD, Panel, read_panels  # noqa: E402
from processes import Program, dying, free_port  # noqa: E402
from strace import calls  # noqa: E402

RAW = read_panels()[0]
FAST = Panel("fast", "", "fast", "green")
SLOW = Panel("slow", "", "slow", "red")
BARE = Panel("bare", "", "bare", "cyan")


def outcome(p50: float, count: int, disturbed: float = 0.0) -> Outcome:
    """A run whose messages cost 0.4 and 0.6 of the time, and starting a millisecond a side."""
    names = ("p50", "min", "p90", "p99", "p999", "max", "mean")
    metrics = {name: p50 * (1 + i / 10) for i, name in enumerate(names)}
    metrics |= {"rate": 1e6 / p50, "jitter": 1.0, "count": float(count)}
    for side in ("client", "server"):
        metrics |= {f"{side}_voluntary": 2.0 * count + 7, f"{side}_involuntary": 0.0}
    cpu = {"client": 0.001 + count * p50 * 0.4e-6, "server": 0.001 + count * p50 * 0.6e-6}
    messages = {"client": float(count), "server": float(count)}
    return Outcome(metrics, Disturbance(others=disturbed), cpu, messages)


def run_group(done: Session, case: Case, competitors: list[tuple[Panel, str]]) -> list[Cell]:
    return done.take_turns(done.cells_for(case, competitors))


def session(run: object) -> Session:
    ready = Session(0.4, time.monotonic() + 100, lambda what, done, planned: None, run=run)  # type: ignore[arg-type]
    ready.planned = 1.0
    return ready


def test_competitors_take_turns_and_a_first_run_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[tuple[str, int]] = []

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        order.append((panel.name, count))
        return outcome(10.0 if panel is FAST else 20.0, count)

    monkeypatch.setattr(Panel, "built", True)
    done = session(run)
    cells = run_group(done, Case("latency"), [(FAST, "panel"), (SLOW, "panel"), (BARE, "floor")])
    rounds = [sorted(name for name, _ in order[-15:][i : i + 3]) for i in range(0, 15, 3)]
    assert rounds == [["bare", "fast", "slow"]] * 5
    assert all(len(cell.runs) == 5 for cell in cells)
    assert cells[0].count == pytest.approx(0.4 / 10e-6, rel=0.01)  # 0.4 s at 10 us each
    value = ratio_of(cells[1], cells[0], "p50")
    assert value and value.median == pytest.approx(2.0)


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


def test_a_paced_case_is_not_calibrated_at_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    counts: list[int] = []

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        counts.append(count)
        return outcome(10.0, count)

    run_group(session(run), Case("latency", rate=1000), [(FAST, "panel")])
    assert counts == [100] + [1200] * 5


def test_limits_bound_memory() -> None:
    assert limit(Case("throughput", size=65536, queue=-1)) * 65536 <= 512 << 20
    assert limit(Case("fanout", peers=64)) * 64 <= 20_000_000


def test_sizes_are_those_of_the_same_bytes() -> None:
    bare = Floor("floor-batch", "bench", "", "green", framed=True)
    library = Floor("floor-zmq", "bench", "", "red")
    assert size_for(RAW, 39, "pub") == 39
    assert size_for(library, 39, "pub") == 64
    assert size_for(bare, 39, "pub") == 68
    assert size_for(bare, 39, "rep") == 72


def test_what_strace_counted_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text(
        "syscall          calls\n---------------- -----\nsendmsg           1000\nfutex 7\ntotal 1007\n"
    )
    assert calls(path) == {"sendmsg": 1000, "futex": 7}


def test_sockperf_is_understood() -> None:
    text = """sockperf: ====> avg-rtt=54.045 (std-dev=445.468)
sockperf: ---> <MAX> observation = 11942.655
sockperf: ---> percentile 99.900 = 6864.834
sockperf: ---> percentile 99.000 = 1313.893
sockperf: ---> percentile 90.000 =   15.783
sockperf: ---> percentile 50.000 =   13.449
sockperf: ---> <MIN> observation =   13.149
"""
    metrics = bench_kinds.parse_sockperf(text)
    assert (metrics["min"], metrics["p50"], metrics["max"], metrics["mean"]) == (
        13.149,
        13.449,
        11942.655,
        54.045,
    )
    with pytest.raises(Failed):
        bench_kinds.parse_sockperf("no")


def one(count: int, first: float, last: float) -> dict[str, object]:
    """A subscriber's summary: messages, and seconds at which the first and the last came."""
    seconds = last - first
    return {
        "received": count,
        "seconds": seconds,
        "first_us": round(first * 1e6),
        "last_us": round(last * 1e6),
        "rate": (count - 1) / seconds if seconds else None,
        "latency_us": None,
    }


def test_what_is_delivered_counts_from_the_first_to_the_last_of_all() -> None:
    case = Case("fanout", size=39, peers=2)
    sent = {"sent": 1000, "rate": 5000.0, "seconds": 0.2}
    # One after the other: neither took longer than 0.25 s, both together half a second.
    metrics = bench_kinds.delivered(case, sent, [one(1000, 5.0, 5.25), one(500, 5.25, 5.5)])
    assert metrics["rate"] == pytest.approx(3000) and metrics["lost_share"] == 0.25
    assert metrics["bytes_rate"] == pytest.approx(3000 * 64) and metrics["worst"] == pytest.approx(
        1000
    )
    alone = bench_kinds.delivered(case, sent, [one(1000, 5.0, 5.5)])
    assert alone["rate"] == pytest.approx(1998)
    with pytest.raises(Failed, match="more"):
        bench_kinds.delivered(case, {**sent, "sent": 10}, [one(1000, 5.0, 5.5)])
    with pytest.raises(Failed, match="nothing"):
        bench_kinds.delivered(case, sent, [one(0, 0, 0)])


def test_too_few_round_trips_have_no_99_9th_percentile() -> None:
    latency = {"p50": 1.0, "p99": 3.0, "p999": 9.0}
    assert bench_kinds.timed({"latency_us": latency, "rate": 1.0}, 1000)["p999"] == 9.0
    assert "p999" not in bench_kinds.timed({"latency_us": latency, "rate": 1.0}, 999)


def test_a_client_with_fewer_answers_than_were_sent_is_no_run() -> None:
    asked = {"received": 10, "latency_us": {"p50": 1.0}}
    bench_kinds.check_answers(RAW, asked, {"sent": 10}, 10)
    with pytest.raises(Failed):
        bench_kinds.check_answers(RAW, asked, {"sent": 11}, 10)
    with pytest.raises(Failed):
        bench_kinds.check_answers(RAW, {**asked, "received": 9}, {"sent": 10}, 10)


def late(panel: Panel, sequence: int) -> list[str]:
    program = Program(panel, "sub", "subscriber 3", None)  # type: ignore[arg-type]
    return bench_kinds.late_joiner(program, {"event": "first", "sequence": sequence})


def test_a_late_joiner_is_noticed() -> None:
    assert late(RAW, 1) == [] and late(RAW, 2) == ["subscriber 3"]
    # NNG drops the oldest, so that its first event need not be the publisher's.
    assert late(Panel("nng", "nng", "", ""), 2) == []


def test_the_lossless_search_needs_both_ends_to_keep_up() -> None:
    fine = {"lost_share": 0.0, "sending_rate": 1000.0, "rate": 990.0}
    quiet = Disturbance()
    assert bench_search.holds(Outcome(fine, quiet, {}, {}), 1000)
    for worse in ({"lost_share": 0.001}, {"sending_rate": 900.0}, {"rate": 900.0}):
        assert not bench_search.holds(Outcome({**fine, **worse}, quiet, {}, {}), 1000)


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
    schema = json.loads((ROOT / "bench/results.schema.json").read_text())
    written = results(10.0, monkeypatch)
    bench_results.write(written, tmp_path / "results.json")
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
    line = bench_chart.Line("raw", "green", [(16, 10), (64, 12), (1024, 30)])
    chart = bench_chart.Chart(
        "name", "it's a title", "x", "y", [line, bench_chart.Line("none", "red", [])]
    )
    text = bench_chart.script(chart, "svg", "out.svg")
    assert "#1b7837" in text and "it''s" in text
    if not bench_chart.terminal_chart(chart, 78, False):
        pytest.skip("no gnuplot")
    drawn = bench_chart.svg_chart(chart, tmp_path).read_text().replace(" ", "")
    assert "rgb(27,120,55)" in drawn


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


def test_a_chart_does_not_mix_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count: outcome(10.0, count))
    for size, queue in ((64, 1000), (4096, 1000), (4096, -1), (64, 0)):
        metrics = {"rate": float(size + queue)}
        run = Outcome(metrics, Disturbance(), {}, {})
        done.cells.append(
            Cell(Case("throughput", size=size, queue=queue), RAW, "panel", runs=[run] * 5)
        )
    (chart,) = bench_chart.charts(done.cells)
    assert chart.lines[0].points == [(64, 1064), (4096, 5096)]


def test_each_floors_costs_are_counted_in_its_own_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    import bench

    monkeypatch.setattr(Floor, "built", True)
    counted = {one.name: patterns for one, patterns in bench.costed(read_panels(), False).items()}
    assert counted["floor-epoll"] == ["reqrep"] and counted["floor-batch"] == ["pubsub"]
    assert counted["zmq"] == counted["floor-zmq"] == ["reqrep", "pubsub"]
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
    ],
)
def test_three_digits_count(value: float, shown: str) -> None:
    assert bench_show.number(value) == shown


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
    assert "12.5 12.5..12.5" in text and "1.00" in text and "[x] came too late" in text
    assert "…" not in text and max(map(len, text.splitlines())) <= width


def goal_cells(raw: list[float], bare: list[float], lost: float = 0.0) -> list[Cell]:
    cells = []
    for name, rates in (("raw", raw), ("bare", bare)):
        runs = [
            Outcome({"rate": rate, "lost_share": lost}, Disturbance(), {}, {}) for rate in rates
        ]
        cells.append(Cell(Case("throughput"), Panel(name, "", name, ""), "panel", runs=list(runs)))
    return cells


def test_goals_are_judged_by_the_median_of_the_ratios() -> None:
    cells = goal_cells([5, 6, 7, 8, 9], [10] * 5)
    pair = ("raw", "bare")
    goal = ratio_goal(cells, "what", pair, "rate", 0.7)
    assert goal.value and goal.value.median == 0.7 and not goal.note
    assert goal.met and goal.verdict() == "met"
    assert ratio_goal(cells, "what", pair, "rate", 0.71).verdict() == "missed"
    assert Goal("what", 1.0, True).verdict() == "not measured"
    lossy = goal_cells([5] * 5, [10] * 5, 0.25)
    goal = lossless(ratio_goal(lossy, "what", pair, "rate", 0.1), lossy)
    assert goal.value and goal.value.median == 0 and "25.0% lost" in goal.note
    gone = goal_cells([], [10] * 5)
    gone[0].failures.append("raw: did not start")
    goal = ratio_goal(gone, "what", pair, "rate", 0.1)
    assert goal.met is None and "did not start" in goal.note


def test_of_times_a_goal_is_an_upper_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count: outcome(12.0 if panel is SLOW else 10.0, count))
    cells = run_group(done, Case("latency"), [(SLOW, "panel"), (FAST, "panel")])
    assert ratio_goal(cells, "what", ("slow", "fast"), "p50", 1.2).met
    assert ratio_goal(cells, "what", ("slow", "fast"), "p50", 1.19).met is False


def test_all_goals_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each goal of the issue has a figure when every run has, and the same for panel and floor."""
    monkeypatch.setattr(Panel, "built", True)
    monkeypatch.setattr(Floor, "built", True)

    def run(panel: Panel, case: Case, count: int) -> Outcome:
        made = outcome(10.0, count)
        made.metrics |= {"lost_share": 0.0, "server_resident_kib": 4000.0}
        made.metrics |= {"seconds": count * 1e-5, "sending_seconds": count * 1e-5}
        return made

    goals = run_goals(session(run), read_panels())
    assert len(goals) == 8 + 18 + 1
    ratios = [
        round(goal.value.median, 9) for goal in goals[:-1] if goal.value and goal.unit != " MB"
    ]
    assert ratios == [1.0] * 25
    if (BUILD / "bench-codec").exists():
        assert goals[-1].value and 1 < goals[-1].value.median < 10_000


def test_a_childs_usage_is_known() -> None:
    if not RAW.built:
        pytest.skip("raw is not built")
    with BenchStage(PLACEMENTS[FREE]) as stage:
        program = stage.start(
            RAW, "rep", "server", "--quiet", "-u", f"tcp://127.0.0.1:{free_port()}"
        )
        stage.need_ready(program)
        stage.stop([program])
        used = Usage.of(program)
        assert program.process.returncode == 0
    assert 0 < used.cpu < 1 and used.voluntary > 0


@pytest.mark.heavy
def test_an_open_loop_sees_a_pause_that_a_closed_one_omits() -> None:
    """A server that pauses 400 ms of a second: one round trip in a closed loop, 40 % in an open one."""
    if not RAW.built:
        pytest.skip("raw is not built")

    def p90(*rate: str) -> float:
        with BenchStage(PLACEMENTS[FREE]) as stage:
            url = f"tcp://127.0.0.1:{free_port()}"
            server = stage.start(RAW, "rep", "server", "--quiet", "-u", url)
            stage.need_ready(server)
            client = stage.start(
                RAW, "req", "client", "--quiet", "-u", url, "-s", "64", "-t", "5000", *rate
            )
            stage.need_ready(client)
            stage.pause(0.3)
            server.signal(signal.SIGSTOP)
            stage.pause(0.4)
            server.signal(signal.SIGCONT)
            stage.wait_ended([client], 20)
            stage.stop([client, server])
            assert client.summary and client.summary["timeouts"] == 0
            assert client.summary["latency_us"]["max"] > 300_000  # it was asked while it paused
            return float(client.summary["latency_us"]["p90"])

    assert p90("-n", "1000", "-r", "1000") > 100_000
    closed = [p90("-n", "60000") for _ in range(2)]
    assert min(closed) < 20_000


def busy(seconds: float) -> subprocess.Popen[bytes]:
    """A process that needs a processor for so long, then waits."""
    code = f"""import time
print("begins", flush=True)
end = time.monotonic() + {seconds}
while time.monotonic() < end: pass
time.sleep(60)"""
    process = subprocess.Popen(
        dying(["/usr/bin/python3", "-c", code]), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout and process.stdout.readline() == b"begins\n"
    return process


@pytest.mark.heavy
def test_what_still_works_is_waited_for_and_what_is_idle_is_not() -> None:
    with BenchStage(PLACEMENTS[FREE]) as stage:
        programs = [Program(RAW, "sub", "sub", busy(seconds)) for seconds in (0.0, 1.0)]
        stage.programs += programs
        began = time.monotonic()
        wait_quiet(stage, programs, 20)
        assert 0.9 < time.monotonic() - began < 10


@pytest.mark.heavy
def test_another_program_is_a_disturbance() -> None:
    with busy(10) as other:
        os.sched_setaffinity(other.pid, PLACEMENTS[ONE].used())
        watch = Watch(PLACEMENTS[ONE])
        time.sleep(0.6)
        found = watch.end([], 0.6)
        other.kill()
    assert found.others > 0.2 and found.score > 1


def test_a_slower_processor_is_a_disturbance(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (BUILD / "bench-speed").exists():
        pytest.skip("bench-speed is not built")
    cpu = bench_run.ALL_CPUS[-1]
    probe = Speed.probe([cpu])
    assert set(probe) == {(cpu, 0), (cpu, 1)} and all(ns > 0 for ns in probe.values())
    monkeypatch.setattr(Speed, "best", dict(probe))
    run = Disturbance(probes=(probe, probe))
    assert run.slow == 0 and run.score == 0
    # What is known later is held against it, too.
    Speed.best[cpu, 1] = probe[cpu, 1] / 2
    assert run.slow == pytest.approx(1) and run.score > 1


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = bench_run.ALL_CPUS[-1]
    monkeypatch.setattr(Speed, "probe", classmethod(lambda cls, cpus: {(cpu, 0): 2.0}))
    monkeypatch.setattr(Speed, "best", {(cpu, 0): 1.0})
    assert 0.2 <= Speed.await_best([cpu], 0.2) < 2
    monkeypatch.setattr(Speed, "best", {(cpu, 0): 2.0})
    assert Speed.await_best([cpu], 5) < 2


@pytest.mark.heavy
def test_a_short_run_of_each_kind_is_sane(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are equal at both ends where the queue suffices."""
    if not RAW.built:
        pytest.skip("raw is not built")
    found = bench_kinds.run_case(RAW, Case("latency", "ipc", FREE), 500)
    assert (
        found.metrics["count"] == found.metrics["answered"] == 500
        and 0 < found.metrics["min"] <= found.metrics["p50"] <= found.metrics["max"]
    )
    monkeypatch.setattr(bench_kinds, "JOIN_MS", 1000)
    found = bench_kinds.run_case(RAW, Case("fanout", "tcp", FREE, queue=-1, peers=3), 2000)
    assert found.metrics["lost_share"] == 0 and found.metrics["received"] == 6000
    found = bench_kinds.run_case(RAW, Case("connections", peers=50), 200)
    assert found.metrics["count"] == 200


@pytest.mark.heavy
def test_what_was_measured_before_it_was_stopped_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("rich")
    if not RAW.built:
        pytest.skip("raw is not built")
    path = tmp_path / "results.json"
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools/bench.py"), "--json", str(path)]
    command += ["--svg", str(tmp_path), "latency", "raw"]
    with subprocess.Popen(
        dying(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as bench:
        assert bench.stdout
        for line in bench.stdout:  # until a first case is shown
            if b"16 B bodies" in line:
                break
        bench.send_signal(signal.SIGINT)
        bench.communicate(timeout=20)
    assert bench.returncode == 130
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
        ["--goals", "latency"],
        ["--goals", "--quick"],
    ],
)
def test_wrong_usage_is_told_in_one_line(arguments: list[str]) -> None:
    pytest.importorskip("rich")
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools/bench.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if not BUILD.exists():
        pytest.skip("nothing is built")
    assert (
        done.returncode == 2
        and done.stderr.startswith("triptych: bench: ")
        and done.stderr.count("\n") == 1
    )


def test_find_cell_by_competitor_and_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count: outcome(1.0, count))
    run_group(done, Case("latency", size=16), [(FAST, "panel")])
    assert find_cell(done.cells, "fast", size=16) and not find_cell(done.cells, "fast", size=17)
