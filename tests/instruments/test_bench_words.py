"""What the benchmark says in words: of figures as they stand in JSON, which made_up.py makes up."""

import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import tool
from bench import costs as bench_costs
from bench import results as bench_results
from bench import words
from conftest import ROOT
from harness.panels import BUILD
from made_up import COSTS, RAW_CELL, ZMQ_CELL, cell, interval, publishing
from pretend import RAW


def said(*cells: dict[str, Any], costs: dict[str, Any] | None = None, **other: Any) -> str:
    return "\n".join(words.found({"cells": list(cells), "costs": costs or {}, **other}))


def test_a_sentence_says_how_many_times_and_why() -> None:
    assert said(RAW_CELL, ZMQ_CELL, costs=COSTS) == (
        "One core, TCP, 64 B, median round trip: raw 9.00 us. ZeroMQ 32.0 us, 3.5 times as long, because a round trip "
        "passes 4 threads with 8.6 context switches (raw: 2 threads with 2)."
    )


def test_a_reason_is_only_what_was_counted() -> None:
    text = said(RAW_CELL, ZMQ_CELL)
    assert "because a round trip takes 8.6 context switches (raw: 2)." in text
    bare = said(*(cell(c["competitor"], {"p50": (c["metrics"]["p50"]["low"],) * 3}) for c in (RAW_CELL, ZMQ_CELL)))
    assert "because" not in bare and "3.5 times as long; the counts do not show why." in bare
    # Counts that are the same, or cannot be told apart, are no reason.
    alike = cell("zmq", {"p50": (31.0, 32.0, 33.0), "switches": (1.9, 2.6, 2.7)})
    assert "because" not in said(RAW_CELL, alike)
    assert "ZeroMQ 32.0 us, 3.6 times as long; the counts do not show why." in said(RAW_CELL, alike)


@pytest.mark.parametrize(
    "switches, is_a_cause",
    [(2.4, False), (3.5, False), (3.6, True), (7.1, True), (21.0, True), (22.0, False), (200.0, False)],
)
def test_a_count_explains_what_it_has_about_the_size_of(switches: float, is_a_cause: bool) -> None:
    """Of a time 3.56 times as long the cause grows from half of that to three times that: from 2 switches to 3.6 or 21."""
    zmq = cell("zmq", {"p50": (31.9, 32.0, 32.1), "switches": (switches,) * 3})
    text = said(RAW_CELL, zmq)
    assert ("because a round trip takes" in text) == is_a_cause
    assert ("the counts do not show why" in text) != is_a_cause


@pytest.mark.parametrize("switches", [(2.2, 2.3, 2.4), (1.9, 2.6, 2.7)])
def test_a_count_that_hardly_differs_is_no_reason_for_a_small_difference(switches: tuple[float, float, float]) -> None:
    """1.3 times as long: 2.3 switches are no 1.25 times as many, and those of 2.6 overlap with raw's 2."""
    text = said(RAW_CELL, cell("zmq", {"p50": (11.6, 11.7, 11.8), "switches": switches}))
    assert text.endswith("1.30 times as long; the counts do not show why.")


def test_another_count_is_the_reason_where_the_first_explains_too_much() -> None:
    few = {"p50": (9.9, 10.0, 10.1), "switches": (2.0,) * 3, "cpu_us": (15.0,) * 3}
    more = {"p50": (19.9, 20.0, 20.1), "switches": (40.0,) * 3, "cpu_us": (30.0,) * 3}
    text = said(cell("raw", few), cell("zmq", more))  # type: ignore[arg-type]
    assert "2.0 times as long, because a round trip takes 30 us of processor time (raw: 15)." in text


def test_processor_time_that_explains_a_part_is_told_as_a_part() -> None:
    """A twentieth of the rate, and eight times the processor time: the rest has another reason."""
    text = said(publishing("zmq", 5e5, 0.32, 0.0, 0.05), publishing("raw", 1e7, 0.04, 0.0))
    assert text.endswith(
        "20 times fewer; an event that arrives takes 0.32 us of processor time (raw: 0.04), which explains only a factor of 8.0."
    )
    text = said(publishing("zmq", 5e5, 40.0, 0.0, 0.05), publishing("raw", 1e7, 0.04, 0.0))
    assert text.endswith("20 times fewer; the counts do not show why.")


def test_the_costs_of_64_bytes_are_no_reason_for_other_messages() -> None:
    """Threads and system calls were counted for 64 B over TCP: with switches that explain nothing they are the reason there."""
    cells = [{**one, "metrics": {**one["metrics"], "switches": interval(2.0, 2.0, 2.0)}} for one in (RAW_CELL, ZMQ_CELL)]
    assert "because a round trip takes 48 system calls (raw: 7)." in said(*cells, costs=COSTS)
    assert "because" not in said(*({**one, "transport": "ipc"} for one in cells), costs=COSTS)
    assert "because" not in said(*({**one, "size": 256} for one in cells), costs=COSTS)
    ipc = [{**one, "transport": "ipc"} for one in (RAW_CELL, ZMQ_CELL)]
    assert "because a round trip takes 8.6 context switches (raw: 2)." in said(*ipc, costs=COSTS)


def test_where_intervals_overlap_equal_is_said() -> None:
    near = cell("zmq", {"p50": (9.1, 9.5, 9.9), "switches": (8.5, 8.6, 8.7)}, ratios={"raw": interval(1.0, 1.05, 1.1)})
    assert "ZeroMQ 9.50 us, equal to raw." in said(RAW_CELL, near, costs=COSTS)
    third = cell("nanomsg", {"p50": (32.5, 35.0, 36.0)})
    assert said(RAW_CELL, ZMQ_CELL, third).endswith(". ZeroMQ and nanomsg are equal.")
    apart = cell("nanomsg", {"p50": (33.5, 35.0, 36.0)})
    assert "equal" not in said(RAW_CELL, ZMQ_CELL, apart)


def test_the_best_comes_first_and_a_faster_one_needs_no_reason() -> None:
    fast = cell("zmq", {"p50": (4.0, 4.5, 5.0), "switches": (8.5, 8.6, 8.7)}, ratios={"raw": interval(0.4, 0.5, 0.6)})
    assert "round trip: ZeroMQ 4.50 us, 0.50 times as long. raw 9.00 us." in said(RAW_CELL, fast, costs=COSTS)


def test_rates_are_fewer_or_as_many_and_losses_are_told() -> None:
    text = said(publishing("zmq", 1e6, 0.4, 0.05, 0.1), publishing("raw", 1e7, 0.04, 0.0))
    assert text == (
        "Any core, TCP, 64 B, 64 subscribers together, long queues, messages delivered: raw 10.0M/s. ZeroMQ 1.00M/s with 5% lost, "
        "10 times fewer, because an event that arrives takes 0.4 us of processor time (raw: 0.04)."
    )
    text = said(publishing("zmq", 2e7, 0.4, 0.0, 2.0), publishing("raw", 1e7, 0.04, 0.0))
    assert "ZeroMQ 20.0M/s, 2.0 times as many. raw 10.0M/s." in text


@pytest.mark.parametrize(
    "cpu, lost, ending",
    [
        # A quarter lost is no tenth of the rate; the processor time is that of the lost ones as well.
        (0.4, 0.25, "10 times fewer, because an event that arrives takes 0.4 us of processor time (raw: 0.04), the work for lost ones included."),
        (0.04, 0.25, "10 times fewer; the losses alone explain a factor of 1.33, and the counts do not show the rest."),
        (0.4, 0.88, "10 times fewer, because full queues dropped the rest."),
    ],
)  # fmt: skip
def test_losses_are_a_reason_for_as_much_as_they_explain(cpu: float, lost: float, ending: str) -> None:
    text = said(publishing("zmq", 1e6, cpu, lost, 0.1), publishing("raw", 1e7, 0.04, 0.0))
    assert text.endswith(f" with {lost:.0%} lost, {ending}")


def test_what_the_reference_lost_as_well_is_no_reason() -> None:
    text = said(publishing("zmq", 1e6, 0.04, 0.25, 0.1), publishing("raw", 1e7, 0.04, 0.25))
    assert text.endswith("10 times fewer; the counts do not show why.")


def test_without_raw_the_first_panel_is_the_reference() -> None:
    other = cell("nanomsg", {"p50": (60.0, 64.0, 70.0)}, ratios={"zmq": interval(1.9, 2.0, 2.1)})
    assert "ZeroMQ 32.0 us. nanomsg 64.0 us, 2.0 times as long; the counts do not show why." in said(ZMQ_CELL, other)


def test_baselines_are_told_of_in_times_of_their_time() -> None:
    slow = {**ZMQ_CELL, "ratios": {"baseline-zmq": interval(0.98, 1.02, 1.05)}}
    # Half the rate is twice the time.
    half = {**publishing("zmq", 1e6, 0.4, 0.0), "ratios": {"baseline-zmq": interval(0.4, 0.5, 0.6)}}
    assert "over the same library), is 1.02 to 2.0 for ZeroMQ (equal in 1 of 2 cases)." in said(slow, half)


def test_idle_clients_are_told_from_the_fewest_to_the_most() -> None:
    cells = []
    for peers, raw, zmq in ((0, (8.8, 9.0, 9.1), (31.0, 32.0, 33.0)), (100, (1.0,) * 3, (1.0,) * 3), (5000, (9.0, 9.2, 9.3), (40.0, 41.0, 42.0))):
        case = {"bench": "connections", "peers": peers}
        cells += [cell("raw", {"p50": raw}, **case), cell("zmq", {"p50": zmq}, **case)]  # type: ignore[dict-item]
    text = said(*cells)
    assert text.count("5000 idle clients, median round trip") == 1 and "100 idle" not in text
    assert (
        "Median round trip first with 0 idle clients, then with 5000 idle clients: raw 9.00 us, then 9.20 (equal); "
        "ZeroMQ 32.0 us, then 41.0." in text
    )


def test_sizes_are_told_from_the_smallest_to_the_largest() -> None:
    cells = []
    for size, ratio in ((65536, 1.2), (16, 3.0), (64, 2.5)):
        cells += [{**RAW_CELL, "size": size}, {**ZMQ_CELL, "size": size, "ratios": {"raw": interval(ratio, ratio, ratio)}}]
    told = "Round trips, TCP: how many times as long as with raw, first with 16 B, then with 64 KiB: ZeroMQ 3.0, then 1.20"
    assert f"{told}." in said(*cells)
    cells[1] = {**cells[1], "metrics": RAW_CELL["metrics"]}  # of the largest
    assert f"{told} (equal)." in said(*cells)


def test_the_lossless_rates_and_what_failed_are_told() -> None:
    found = [{"panel": "zmq", "size": 64, "rate": 2e5}, {"panel": "raw", "size": 64, "rate": 9e6, "at_least": False},
             {"panel": "nanomsg", "size": 64, "rate": None, "failed": "no time was left"}]  # fmt: skip
    gone = {**cell("nanomsg", {}), "counting": 0, "failures": ["nanomsg: did not start"]}
    text = said(RAW_CELL, ZMQ_CELL, gone, lossless=found, failed=["charts: no gnuplot"])
    assert "nothing was lost, 64 B: raw 9.00M/s; ZeroMQ 200k/s." in text
    assert text.endswith(
        "1 of 3 rows has no figure; the others stand. One core, TCP, 64 B, median round trip, nanomsg: nanomsg: did not "
        "start; charts: no gnuplot."
    )


def run(value: float, disturbed: bool) -> dict[str, Any]:
    return {"metrics": {"p50": value}, "disturbed": disturbed}


def with_runs(raw: list[float], zmq: list[float], *disturbed: bool) -> list[dict[str, Any]]:
    runs = [[run(value, hit) for value, hit in zip(values, disturbed)] for values in (raw, zmq)]
    return [{**cell, "runs": found, "disturbed": len(disturbed) > 9} for cell, found in zip((RAW_CELL, ZMQ_CELL), runs)]


def test_how_much_disturbances_matter_is_said_once() -> None:
    """A neighbour that doubles every time: figures double, ratios do not change."""
    text = said(*with_runs([9.0, 18.0, 9.0, 18.0], [32.0, 64.0, 32.0, 64.0], False, True, False, True))
    assert text.startswith(
        "Other programs, or other virtual machines on this processor, disturbed 4 of 8 runs; 0 of 2 rows rest on such runs (*). In a "
        "disturbed run a message took 2.0 times as long as in an undisturbed one of the same row; a ratio to the reference differed by "
        "0% (medians over the rows that have both).\n"
    )
    assert text.count("disturbed") == 3
    # It hits the panel alone: the ratio doubles as well.
    cells = with_runs([9.0] * 4, [32.0, 64.0, 32.0, 64.0], False, True, False, True)
    assert "a ratio to the reference differed by 100%" in said(*cells)
    assert "disturbed" not in said(*with_runs([9.0] * 4, [32.0] * 4, *[False] * 4))


def test_where_hardly_a_run_was_undisturbed_nothing_is_known_of_a_quiet_machine() -> None:
    text = said(*with_runs([9.0] * 12, [32.0] * 12, *[True] * 11, False))
    assert text.startswith(
        "Other programs, or other virtual machines on this processor, disturbed 22 of 24 runs; 2 of 2 rows rest on such runs (*). So "
        "these figures are those of a busy machine, and cannot tell what a quiet one would give.\n"
    )


def test_threads_that_work_are_told_from_those_that_wait() -> None:
    before = {"1": 10, "2": 10, "3": 10}
    assert bench_costs.working_threads(before, {"1": 1010, "2": 910, "3": 12, "4": 500}) == 3
    assert bench_costs.working_threads(before, before) == 0


@pytest.mark.heavy
def test_threads_of_a_running_panel_are_counted() -> None:
    if not RAW.built:
        pytest.skip("raw is not built")
    one = {"all": 1, "working": 1}
    assert bench_costs.threads(RAW, ("rep", "req")) == {"rep": one, "req": one}


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    status, out, told = tool.run("bench.bench", *arguments, seconds=150, **environment)
    assert status is not None
    return subprocess.CompletedProcess(arguments, status, out, told)


@pytest.mark.parametrize("name", ["results.json", "results.json.gz"])
def test_a_file_is_read_out(name: str, tmp_path: Path) -> None:
    """Its sentences, and its charts where a folder is named."""
    pytest.importorskip("rich")
    path, folder = tmp_path / name, tmp_path / "charts"
    cells = [RAW_CELL, ZMQ_CELL, {**RAW_CELL, "size": 65536}, {**ZMQ_CELL, "size": 65536}]
    results = {"format": bench_results.FORMAT, "version": bench_results.VERSION, "cells": cells, "costs": COSTS}
    data = json.dumps(results).encode()
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    done = bench("--read", str(path))
    assert done.returncode == 0 and " ".join(done.stdout.split()).endswith(" ".join(words.by_case(results)))
    assert bench("--read", str(path), "--svg", str(folder)).returncode == 0
    assert {one.name for one in folder.iterdir()} == {"latency-tcp.svg", "latency-by-size.svg"}
    if name.endswith("gz"):
        path.write_bytes(gzip.compress(data)[:100])
        done = bench("--read", str(path))
        assert done.returncode == 2 and "not what gzip writes" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    [
        {"format": "triptych-bench", "version": 3, "cells": [{**RAW_CELL, "ratios": 1}]},
        {"format": "triptych-bench", "version": 3, "cells": [{k: v for k, v in RAW_CELL.items() if k != "label"}]},
        {"format": "triptych-scale", "version": 1},
        {"format": "triptych-scale", "version": 2},
    ],
)
def test_a_damaged_file_is_told_in_one_line(content: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("rich")
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    done = bench("--read", str(path))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stdout == ""
    assert done.stderr.startswith("triptych: bench: --read") and str(path) in done.stderr


def test_a_case_that_fails_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    """With a raw-sub that fails, the fan-out has no figure; round trips have theirs."""
    pytest.importorskip("rich")
    if not RAW.built:
        pytest.skip("raw is not built")
    build = tmp_path / "build"
    build.mkdir()
    for path in BUILD.iterdir():
        (build / path.name).symlink_to(path)
    (build / "raw-sub").unlink()
    (build / "raw-sub").write_text("#!/bin/sh\necho 'raw-sub: no memory' >&2\nexit 1\n")
    (build / "raw-sub").chmod(0o755)
    kept = tmp_path / "results.json"
    done = bench(
        "--quick", "--json", str(kept), "--svg", str(tmp_path), "fanout", "latency", "raw", TRIPTYCH_BUILD=str(build)
    )
    results = json.loads(kept.read_text())
    assert done.returncode == 1 and not results["interrupted"]
    counting = {(one["bench"], one["competitor"]): one["counting"] for one in results["cells"]}
    assert counting[("fanout", "raw")] == 0 and min(counting[("latency", who)] for who in ("raw", "baseline-epoll")) >= 2
    text = " ".join(done.stdout.split())
    assert "1 of 3 rows has no figure; the others stand." in text and "no memory" in text
    assert "One core, TCP, 64 B, median round trip: raw " in text
    assert done.stdout.splitlines()[0].count(";") == 2  # it opens with one line
    assert done.stdout.splitlines()[1] == ""
