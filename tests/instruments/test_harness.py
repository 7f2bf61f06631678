"""The harness itself: its programs here are shells, so that each does one thing."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest

from conftest import ROOT, open_descriptors
from harness import others as harness_others
from harness.addresses import Addresses, port_is_free, ports
from harness.netstat import unread
from harness.others import TICK, Others, ticks
from harness.program import Driver, Failed, Program
from harness.signals import end_on_signals, uninterrupted
from harness.stage import Stage
from harness.threads import busy
from programs import Stopwatch, alive, until


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


def shell(stage: Stage, script: str) -> Program:
    program: Program = stage.start("sh", "-c", script, name="it")
    return program


def test_a_program_that_has_ended_holds_no_descriptor(stage: Stage) -> None:
    before = open_descriptors()
    ends = shell(stage, "echo '{\"n\":1}'; exit 3")
    killed = shell(stage, "echo '{\"n\":2}'; sleep 100")
    until(lambda: killed.has_line(0.1))
    killed.kill()
    assert ends.wait() == 3 and open_descriptors() == before
    assert ends.hear()["n"] == 1 and killed.hear()["n"] == 2, "what was said can still be heard"
    assert killed.heard() is None and killed.ended() == -signal.SIGKILL


def test_a_descriptor_above_1023_is_heard(stage: Stage) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1200:
        pytest.skip(f"no more than {hard} descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1050)]
    try:
        program = shell(stage, "echo '{\"event\":\"ready\"}'; sleep 100")
        assert program.stdout.fileno() > 1023
        assert program.hear("ready")
        assert stage.wait_ready([program]) == []
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("how", ["kill", "cancel", "its own end"])
def test_what_a_program_has_forked_ends_with_it(stage: Stage, how: str) -> None:
    program = shell(stage, "sleep 100 & echo $!; read line")
    forked = int(program.line() or b"0")
    if how == "kill":
        program.kill()
    elif how == "cancel":
        stage.cancel()
        with pytest.raises(Failed, match="closed"):
            shell(stage, "true")
    else:
        program.hang_up()
        assert program.wait() == 1
    until(lambda: not alive(forked), 5, "the child's child to be gone")


def test_much_on_standard_error_blocks_nobody(stage: Stage) -> None:
    program = shell(stage, "seq 100000 >&2; echo last words >&2; echo '{}'")
    assert program.hear() == {} and program.complaint == "last words"


def test_a_failure_says_what_and_why_and_its_limit(stage: Stage) -> None:
    late = shell(stage, "echo busy >&2; sleep 100")
    with pytest.raises(Failed, match=r"^it has not said ready within 0.2 s \(busy\)$"):
        until(lambda: late.complaint)
        late.hear("ready", 0.2)
    with pytest.raises(Failed, match="^it has not ended within 0.1 s"):
        late.wait(0.1)
    with pytest.raises(Failed, match="^it ended with status 4 and has not said ready"):
        shell(stage, "exit 4").hear("ready")
    with pytest.raises(Failed, match="^it ended by SIGTERM and has not said a line"):
        shell(stage, "kill -TERM $$").hear()
    with pytest.raises(Failed, match="said 'hello', which is no event"):
        shell(stage, "echo hello").hear()
    with pytest.raises(Failed, match="^it ended with status 0 without a summary"):
        shell(stage, "echo '{}'").summary()
    with pytest.raises(Failed, match="/no/such"):
        stage.start("/no/such")
    ended = shell(stage, "exit 0")
    ended.wait()
    with pytest.raises(Failed, match="reads no more"):
        ended.say("hello")


def test_what_a_process_has_used_is_known_at_its_end(stage: Stage) -> None:
    program = shell(stage, "i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done")
    assert program.usage is None and program.wait() == 0
    assert program.usage and program.usage.ru_utime + program.usage.ru_stime > 0


def test_a_driver_knows_what_it_is_owed(stage: Stage) -> None:
    script = "while read line; do echo '{\"result\":0}'; done"
    driver: Driver = stage.start("sh", "-c", script, kind=Driver)
    driver.begin("one")
    driver.begin("two")
    assert driver.owed == 2 and driver.result() and driver.owed == 1


def test_one_loop_hears_all() -> None:
    heard: list[tuple[str, str]] = []
    with Stage(lambda program, event: heard.append((program.name, event["event"]))) as stage:
        programs = [
            stage.start("sh", "-c", script, name=name)
            for name, script in {
                "a": "echo '{\"event\":\"ready\"}'; sleep 100",
                "b": "echo '{\"event\":\"summary\"}'",
                "c": "echo nonsense",
            }.items()
        ]
        assert stage.wait_ready(programs) == programs[1:]
        assert stage.wait_ended(programs, 0.5) == programs[:1]
    assert sorted(heard) == [("a", "ready"), ("b", "summary"), ("c", "error")]
    assert not any(alive(program.pid) for program in programs)


def test_no_address_is_given_twice_and_nothing_is_left() -> None:
    one, two = Addresses(), Addresses()
    kinds = ("tcp", "tcp6", "ipc") * 20
    urls = [place.url(kind) for place in (one, two) for kind in kinds]
    assert len({url.rpartition(":")[2] for url in urls}) == len(urls)
    folder = one.folder
    one.path("file").write_text("x")
    one.close()
    two.close()
    assert not folder.exists()


def test_a_port_that_another_run_has_is_not_given() -> None:
    place = Addresses()
    port = place.port()
    other = f"""from harness import addresses
addresses.ports, addresses.TRIES = lambda: range({port}, {port + 1}), 1
print(addresses.Addresses().port())"""
    command = [sys.executable, "-B", "-c", other]
    run = {"env": {**os.environ, "PYTHONPATH": str(ROOT / "tools")}, "capture_output": True}
    assert subprocess.run(command, **run).returncode == 1  # type: ignore[call-overload]
    place.close()
    assert int(subprocess.run(command, **run).stdout) == port  # type: ignore[call-overload]
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as server:
            server.bind((host, port))
            server.listen()
            assert not port_is_free(port)
    assert port_is_free(port)


def test_ports_are_outside_the_ephemeral_range() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert set(ports()).isdisjoint(range(low, high + 1)) and len(ports()) >= 1000


def test_a_signal_waits_for_the_end_of_a_block() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    end_on_signals()
    done = []
    try:
        with pytest.raises(KeyboardInterrupt):
            with uninterrupted():
                with uninterrupted():
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(0.05)
                done.append("inner")
            done.append("after")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert done == ["inner"]


def test_what_is_stopped_goes_on_before_it_is_told_to_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGCONT after SIGTERM would take back the SIGSTOP by which a sanitizer stops its threads."""
    end = 'trap \'echo "{\\"event\\":\\"summary\\"}"; exit\' TERM'
    program = shell(stage, f"{end}; echo '{{\"event\":\"ready\"}}'; while :; do sleep 0.1; done")
    program.hear("ready")
    program.freeze()
    sent: list[int] = []
    send = program.process.signal
    monkeypatch.setattr(program.process, "signal", lambda n: (sent.append(n), send(n)))
    program.stop()
    assert sent == [signal.SIGCONT, signal.SIGTERM]


@pytest.mark.heavy
def test_what_a_process_waits_for_a_processor_is_not_its_own(stage: Stage) -> None:
    """Four share a processor: each uses all that it can have, and its time passes more slowly."""
    cpu, spin = min(os.sched_getaffinity(0)), "echo; while :; do :; done"
    others = [stage.start("taskset", "-c", cpu, "sh", "-c", spin) for _ in range(4)]
    idle = shell(stage, "echo; exec sleep 60")
    for program in (*others, idle):
        assert program.line() == b""
    watch, quiet, began = Stopwatch(others[0]), Stopwatch(idle), time.monotonic()
    assert busy(others[0].pid, 0.2) > 0.6  # the last wait may not be counted yet
    assert 0.15 < watch.seconds < 0.5 * (time.monotonic() - began)
    assert watch.waited > 0.3
    assert busy(idle.pid, 0.2) < 0.1
    assert quiet.seconds > 0.5 * (time.monotonic() - began)


def test_the_bytes_that_nobody_has_read_yet() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        client.sendall(b"question")
        server.sendall(b"hi")
        until(lambda: (unread(url), unread(url, 2)) == (8, 2))  # to the server; to its client
        server.recv(100)
        until(lambda: (unread(url), unread(url, 2)) == (0, 2))
        client.recv(100)
        until(lambda: unread(url, 2) == 0)


def test_what_others_use_of_a_processor_is_what_we_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processors for two seconds: busy for 2.5 and stolen for 0.5 of these four, of which 1 is ours."""
    assert all(busy > 0 for busy, _ in ticks().values()) and os.sched_getaffinity(0) <= set(ticks())
    kernel = iter(({0: (0, 0), 1: (0, 0), 2: (0, 0)}, {0: (TICK, 0), 1: (3 * TICK // 2, TICK // 2), 2: (9 * TICK, 0)}))
    clock, own = iter((10.0, 12.0)), iter(((1.0, 1.0, 0.0, 0.0, 5.0), (1.0, 1.25, 0.5, 0.25, 7.0)))
    monkeypatch.setattr(harness_others, "ticks", lambda: next(kernel))
    monkeypatch.setattr(harness_others.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(harness_others.os, "times", lambda: next(own))
    assert Others([0, 1]).share() == 0.5
