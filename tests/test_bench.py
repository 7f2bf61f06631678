"""The benchmark itself: its parsers, its bookkeeping, its results; and that it sees a pause.

Figures are not tested, the machine is noisy; that they are sane is.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import bench_chart  # noqa: E402
import bench_costs  # noqa: E402
import bench_kinds  # noqa: E402
import bench_results  # noqa: E402
from bench_kinds import Case, Outcome  # noqa: E402
from bench_run import BenchStage, Failed, Floor, PLACEMENTS, Usage, size_for  # noqa: E402
from bench_session import Session, find_cell, limit, ratio_of  # noqa: E402
from panels import BUILD, Panel, read_panels  # noqa: E402
from processes import free_port  # noqa: E402

RAW = read_panels()[0]
FAST = Panel("fast", "", "fast", "green")
SLOW = Panel("slow", "", "slow", "red")
BARE = Panel("bare", "", "bare", "cyan")


def outcome(p50: float, count: int, disturbed: bool = False) -> Outcome:
    names = ("p50", "min", "p90", "p99", "p999", "max", "mean")
    metrics = {name: p50 * (1 + i / 10) for i, name in enumerate(names)}
    metrics |= {"rate": 1e6 / p50, "jitter": 1.0, "count": float(count)}
    for side in ("client", "server"):
        metrics |= {f"{side}_voluntary": 2.0 * count + 7, f"{side}_involuntary": 0.0, f"{side}_memory_kib": 2000.0}
    cpu = {"client": 0.001 + count * p50 * 0.4e-6, "server": 0.001 + count * p50 * 0.6e-6}
    return Outcome(metrics, disturbed, 0.5 if disturbed else 0.0, 0.0, cpu)


def session(run: object, rounds: int = 5) -> Session:
    ready = Session(rounds, 0.4, time.monotonic() + 100, lambda what, done, planned: None, run=run)  # type: ignore[arg-type]
    ready.planned = 1.0
    return ready


def test_competitors_take_turns_and_a_first_run_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[tuple[str, int]] = []

    def run(panel: Panel, case: Case, count: int, warm_up: bool) -> Outcome:
        order.append((panel.name, count))
        return outcome(10.0 if panel is FAST else 20.0, count)

    monkeypatch.setattr(Panel, "built", True)
    done = session(run)
    cells = done.group(Case("latency"), [(FAST, "panel"), (SLOW, "panel"), (BARE, "floor")])
    rounds = [sorted(name for name, _ in order[-15:][i : i + 3]) for i in range(0, 15, 3)]
    assert rounds == [["bare", "fast", "slow"]] * 5
    assert all(len(cell.runs) == 5 for cell in cells)
    assert cells[0].count == pytest.approx(0.4 / 10e-6, rel=0.01)  # 0.4 s at 10 us each
    value = ratio_of(cells[1], cells[0], "p50")
    assert value and value.median == pytest.approx(2.0)


def test_costs_are_a_difference_of_two_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    (cell,) = session(lambda panel, case, count, warm_up: outcome(10.0, count)).group(Case("latency"), [(FAST, "panel")])
    figure = cell.figure("client_cpu_us")
    assert figure and figure.median == pytest.approx(4.0)  # without the millisecond that starting costs
    figure = cell.figure("server_switches")
    assert figure and figure.median == pytest.approx(2.0)


def test_a_disturbed_run_is_repeated_and_marked_if_it_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    calls = {"fast": 0, "slow": 0}

    def run(panel: Panel, case: Case, count: int, warm_up: bool) -> Outcome:
        calls[panel.name] += 1
        return outcome(10.0, count, panel is SLOW or calls["fast"] == 4)

    fast, slow = session(run).group(Case("latency"), [(FAST, "panel"), (SLOW, "panel")])
    assert fast.repeated == 1 and not fast.disturbed
    assert slow.repeated >= 5 and slow.disturbed


def test_a_failing_competitor_spoils_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)

    def run(panel: Panel, case: Case, count: int, warm_up: bool) -> Outcome:
        if panel is SLOW:
            raise Failed("slow: did not start")
        return outcome(10.0, count)

    fast, slow = session(run).group(Case("latency"), [(FAST, "panel"), (SLOW, "panel")])
    assert len(fast.good) == 5
    assert slow.failed == "slow: did not start" and not slow.good


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


def test_strace_and_sockperf_are_understood() -> None:
    table = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 50.60    0.011284          11      1000           sendmsg
 14.14    0.003154           3      1001         3 epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.022257           5      2001         3 total
"""
    assert bench_costs.calls_in(table) == {"sendmsg": 1000, "epoll_wait": 1001}
    text = """sockperf: ====> avg-rtt=54.045 (std-dev=445.468)
sockperf: ---> <MAX> observation = 11942.655
sockperf: ---> percentile 99.900 = 6864.834
sockperf: ---> percentile 99.000 = 1313.893
sockperf: ---> percentile 90.000 =   15.783
sockperf: ---> percentile 50.000 =   13.449
sockperf: ---> <MIN> observation =   13.149
"""
    metrics = bench_kinds.parse_sockperf("sockperf", text)
    assert (metrics["min"], metrics["p50"], metrics["max"], metrics["mean"]) == (13.149, 13.449, 11942.655, 54.045)
    with pytest.raises(Failed):
        bench_kinds.parse_sockperf("sockperf", "no")


def test_what_is_delivered() -> None:
    case = Case("fanout", size=39, peers=2)
    sent = {"sent": 1000, "rate": 5000.0}
    received = [
        {"received": 1000, "seconds": 0.5, "rate": 1998.0, "latency_us": None},
        {"received": 500, "seconds": 0.25, "rate": 1996.0, "latency_us": None},
    ]
    metrics = bench_kinds.delivered(case, sent, received)
    assert metrics["rate"] == 3000 and metrics["lost_share"] == 0.25
    assert metrics["bytes_rate"] == 3000 * 64 and metrics["worst_count"] == 500
    with pytest.raises(Failed):
        bench_kinds.delivered(case, {"sent": 10, "rate": 1.0}, received)


def results(p50: float, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count, warm_up: outcome(p50, count))
    done.group(Case("latency"), [(FAST, "panel"), (RAW, "panel")])
    cells = [bench_results.cell_dict(cell, done.cells) for cell in done.cells]
    return {
        "format": "triptych-bench",
        "version": 1,
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "machine": {},
        "versions": {},
        "method": {},
        "cells": cells,
    }


def test_results_follow_their_schema_and_survive_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other"}', '{"format": "triptych-bench", "version": 99}'])
def test_a_file_that_is_no_earlier_run_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(ValueError, match="file"):
        bench_results.read(path)


def test_charts_are_drawn_in_the_panels_colours(tmp_path: Path) -> None:
    line = bench_chart.Line("raw", "green", [(16, 10), (64, 12), (1024, 30)])
    chart = bench_chart.Chart("name", "it's a title", "x", "y", [line, bench_chart.Line("none", "red", [])])
    text = bench_chart.script(chart, "svg", "out.svg")
    assert "#1b7837" in text and "it''s" in text
    if not bench_chart.terminal_chart(chart, 78, False):
        pytest.skip("no gnuplot")
    drawn = bench_chart.svg_chart(chart, tmp_path).read_text().replace(" ", "")
    assert "rgb(27,120,55)" in drawn


def test_a_childs_usage_is_known() -> None:
    if not RAW.built:
        pytest.skip("raw is not built")
    with BenchStage(PLACEMENTS["free"]) as stage:
        program = stage.start(RAW, "rep", "server", "--quiet", "-u", f"tcp://127.0.0.1:{free_port()}")
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
        with BenchStage(PLACEMENTS["free"]) as stage:
            url = f"tcp://127.0.0.1:{free_port()}"
            server = stage.start(RAW, "rep", "server", "--quiet", "-u", url)
            stage.need_ready(server)
            client = stage.start(RAW, "req", "client", "--quiet", "-u", url, "-s", "64", "-t", "5000", *rate)
            stage.need_ready(client)
            stage.pause(0.3)
            server.signal(signal.SIGSTOP)
            stage.pause(0.4)
            server.signal(signal.SIGCONT)
            stage.wait_ended([client], 20)
            stage.stop([client, server])
            assert client.summary and client.summary["timeouts"] == 0
            return float(client.summary["latency_us"]["p90"])

    assert p90("-n", "1000", "-r", "1000") > 100_000
    closed = [p90("-n", "20000") for _ in range(2)]
    assert min(closed) < 20_000


def test_a_short_run_of_each_kind_is_sane() -> None:
    """Counts are equal at both ends where the queue suffices."""
    if not RAW.built:
        pytest.skip("raw is not built")
    found = bench_kinds.run_case(RAW, Case("latency", "ipc", "free"), 500)
    assert found.metrics["count"] == 500 and 0 < found.metrics["min"] <= found.metrics["p50"] <= found.metrics["max"]
    bench_kinds.JOIN_MS[0] = 1000
    found = bench_kinds.run_case(RAW, Case("fanout", "tcp", "free", queue=-1, peers=3), 2000)
    assert found.metrics["lost_share"] == 0 and found.metrics["received"] == 6000
    found = bench_kinds.run_case(RAW, Case("connections", peers=50), 200)
    assert found.metrics["count"] == 200


@pytest.mark.parametrize("arguments", [["nonsense"], ["--compare", "/nowhere"], ["--what"]])
def test_wrong_usage_is_told_in_one_line(arguments: list[str]) -> None:
    pytest.importorskip("rich")
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools/bench.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if not BUILD.exists():
        pytest.skip("nothing is built")
    assert done.returncode == 2 and done.stderr.startswith("triptych: bench: ") and done.stderr.count("\n") == 1


def test_find_cell_by_competitor_and_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Panel, "built", True)
    done = session(lambda panel, case, count, warm_up: outcome(1.0, count))
    done.group(Case("latency", size=16), [(FAST, "panel")])
    assert find_cell(done.cells, "fast", size=16) and not find_cell(done.cells, "fast", size=17)
