"""The benchmark's single runs: what is read off them, what disturbs them; and that an open loop
sees a pause.

Figures are not tested, the machine is noisy; that they are sane is.
"""

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import kinds as bench_kinds
from bench import run as bench_run
from bench.kinds import Case
from bench.run import (
    EITHER,
    FREE,
    ONE,
    PLACEMENTS,
    BenchStage,
    Disturbance,
    Failed,
    Baseline,
    Speed,
    Usage,
    Watch,
    size_for,
    summary_of,
    wait_quiet,
)
from harness.panels import BUILD, Panel
from harness.program import Program
from harness.stage import Stage
from harness.strace import calls
from pretend import RAW
from programs import until


def test_sizes_are_those_of_the_same_bytes() -> None:
    bare = Baseline("baseline-batch", "bench", "", "green", framed=True)
    library = Baseline("baseline-zmq", "bench", "", "red")
    assert size_for(RAW, 39, "pub") == 39
    assert size_for(library, 39, "pub") == 64
    assert size_for(bare, 39, "pub") == 68
    assert size_for(bare, 39, "rep") == 72


@pytest.mark.parametrize(
    "places, partner",
    [
        # By processor: its socket and its core. The last is the server's.
        ([("0", "0"), ("0", "0")], 0),  # halves of one core: there is nothing else
        ([("0", "0"), ("0", "1")], 0),
        ([("0", "0"), ("0", "1"), ("0", "0"), ("0", "1")], 0),  # 1 is the last one's other half
        ([("0", "0"), ("0", "0"), ("0", "1"), ("0", "1")], 0),
        ([("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")], 2),  # 0 and 1 are on another socket
        ([("0", "0"), ("1", "0"), ("1", "0")], 1),  # of one socket, and the halves of a core
    ],
)
def test_two_cores_are_two_cores_of_one_socket(places: list[tuple[str, str]], partner: int) -> None:
    last = len(places) - 1
    assert bench_run.partner_of(last, list(range(len(places))), places.__getitem__) == partner


def test_one_processor_is_its_own_partner() -> None:
    assert bench_run.partner_of(3, [3], lambda cpu: ("0", "0")) == 3
    assert bench_run.pair_in_words()


def test_programs_that_may_run_on_either_of_two_cores_run_on_no_other() -> None:
    with bench_run.placed(PLACEMENTS[EITHER]), Stage() as stage:
        used = PLACEMENTS[EITHER].used()
        assert os.sched_getaffinity(stage.start("/usr/bin/sleep", "20").pid) == set(used)
        assert len(used) == min(2, len(bench_run.ALL_CPUS)) and PLACEMENTS[EITHER].ours_too
    assert os.sched_getaffinity(0) == set(bench_run.ALL_CPUS)


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
    program = SimpleNamespace(panel=panel, name="subscriber 3")
    return bench_kinds.late_joiner(program, {"event": "first", "sequence": sequence})


def test_a_subscriber_that_gets_nothing_came_too_late() -> None:
    """With NNG, which drops the oldest events, only if none gets anything."""
    subscribers: list[Any] = [SimpleNamespace(name=f"subscriber {i}") for i in range(3)]
    some, none = ({"received": n} for n in (7, 0))

    def late(name: str, *received: dict[str, int]) -> list[str]:
        return bench_kinds.came_for_nothing(Panel(name, "", name, "white"), subscribers, list(received))

    assert late("zmq", some, none, some) == late("baseline-batch", some, none, some) == ["subscriber 1"]
    assert late("zmq", some, some, some) == late("nng", some, none, some) == []
    assert len(late("nng", none, none, none)) == len(late("baseline-nng", none, none, none)) == 3


def test_a_late_joiner_is_noticed() -> None:
    assert late(RAW, 1) == [] and late(RAW, 2) == ["subscriber 3"]
    # NNG drops the oldest, so that its first event need not be the publisher's.
    assert late(Panel("nng", "nng", ""), 2) == []


def test_a_childs_usage_is_known() -> None:
    if not RAW.built:
        pytest.skip("raw is not built")
    with BenchStage(PLACEMENTS[FREE]) as stage:
        program = stage.play(
            RAW, "rep", "server", "--quiet", "-u", stage.url()
        )
        stage.need_ready(program)
        stage.stop([program])
        used = Usage.of(program)
        assert program.ended() == 0
    assert 0 < used.cpu < 1 and used.voluntary > 0


@pytest.mark.heavy
def test_an_open_loop_sees_a_pause_that_a_closed_one_omits() -> None:
    """A server that pauses 400 ms of a second: one round trip in a closed loop, 40 % in an open one."""
    if not RAW.built:
        pytest.skip("raw is not built")

    def p90(*rate: str) -> float:
        with BenchStage(PLACEMENTS[FREE]) as stage:
            url = stage.url()
            server = stage.play(RAW, "rep", "server", "--quiet", "-u", url)
            stage.need_ready(server)
            client = stage.play(
                RAW, "req", "client", "--quiet", "-u", url, "-s", "64", "-t", "5000", *rate
            )
            stage.need_ready(client)
            stage.pause(0.3)
            server.signal(signal.SIGSTOP)
            stage.pause(0.4)
            server.signal(signal.SIGCONT)
            stage.wait_ended([client], 20)
            stage.stop([client, server])
            summary = summary_of(client)
            assert summary["timeouts"] == 0
            assert summary["latency_us"]["max"] > 300_000  # it was asked while it paused
            return float(summary["latency_us"]["p90"])

    assert p90("-n", "1000", "-r", "1000") > 100_000
    closed = [p90("-n", "60000") for _ in range(2)]
    assert min(closed) < 20_000


def busy(stage: Stage, seconds: float) -> Program:
    """A process that needs a processor for so long, then waits."""
    code = f"""import time
print("begins", flush=True)
end = time.monotonic() + {seconds}
while time.monotonic() < end: pass
time.sleep(60)"""
    process: Program = stage.start("/usr/bin/python3", "-c", code)
    assert process.line() == b"begins"
    return process


@pytest.mark.heavy
def test_what_still_works_is_waited_for_and_what_is_idle_is_not() -> None:
    with BenchStage(PLACEMENTS[FREE]) as stage:
        programs = [busy(stage, seconds) for seconds in (0.0, 1.0)]
        began = time.monotonic()
        wait_quiet(stage, programs, 20)
        assert 0.9 < time.monotonic() - began < 10


def test_a_thread_that_waits_for_a_processor_is_no_quiet_one() -> None:
    """Not the first thread works, and its processor is taken by others: it has run for no time at all."""
    code = """import threading, time
def work():
    end = time.monotonic() + 20
    while time.monotonic() < end: pass
threading.Thread(target=work, daemon=True).start()
print("begins", flush=True)
time.sleep(60)"""
    with Stage() as stage:
        program = stage.start("/usr/bin/python3", "-c", code)
        assert program.line() == b"begins"
        assert until(lambda: "R" in program.process.states())
        idle = stage.start("/usr/bin/sleep", "60")
        assert until(lambda: "R" not in idle.process.states())
        began = time.monotonic()
        wait_quiet(stage, [program], 1.0)
        assert time.monotonic() - began > 0.9


@pytest.mark.heavy
def test_another_program_is_a_disturbance() -> None:
    with Stage() as stage:
        os.sched_setaffinity(busy(stage, 10).pid, PLACEMENTS[ONE].used())
        watch = Watch(PLACEMENTS[ONE])
        time.sleep(0.6)
        found = watch.end([], 0.6)
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


def test_a_late_subscriber_is_noticed() -> None:
    program = SimpleNamespace(name="subscriber 3", panel=RAW)
    drops = SimpleNamespace(name="subscriber 3", panel=Panel("nng", "", "", "grey"))
    assert bench_kinds.late_joiner(program, {"event": "first", "sequence": 2}) == ["subscriber 3"]  # type: ignore[arg-type]
    assert bench_kinds.late_joiner(program, {"event": "first", "sequence": 1}) == []  # type: ignore[arg-type]
    assert bench_kinds.late_joiner(program, {"event": "message", "sequence": 2}) == []  # type: ignore[arg-type]
    assert bench_kinds.late_joiner(drops, {"event": "first", "sequence": 2}) == []  # type: ignore[arg-type]
