"""Roles on two hosts, which network.py makes of namespaces: programs there, and their end.

What must hold however a run ends: nothing of it goes on running on a host.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from harness import panels
from harness.host import Host, HostFailed
from harness.hosts import Hosts
from harness.program import Failed, Tap
from harness.stage import Stage
from network import AHEAD_SECONDS, Network
from programs import until
from roles import LEFT, MARKS, RIGHT, assert_gone, driver, program, serving, verb
from roles import hosts, net, stage  # noqa: F401 - fixtures

pytest.importorskip("rich")
pytestmark = MARKS

QUICK_SILENCE = 2.0  # of a connection that is cut; 10 s outside the tests


# One program on a host.


def test_a_conversation_between_two_hosts(hosts: Hosts, stage: Stage) -> None:
    url = hosts.server.url("tcp")
    assert url.startswith("tcp://10.77.1.2:"), "the address by which others reach it"
    server = program(stage, hosts.all[0], "rep", "-u", url)
    server.hear("ready")
    client = program(stage, hosts.all[1], "req", "-u", url, "-n", "3", "hello")
    assert client.summary()["received"] == 3
    assert client.usage and client.usage.ru_utime >= 0
    assert server.stop()["sent"] == 3


def test_times_are_told_by_this_clock(hosts: Hosts, stage: Stage) -> None:
    for host, ahead in zip(hosts.all, AHEAD_SECONDS.values()):
        assert abs(host.ahead_us - ahead * 1e6) <= host.error_us, "offset within its error"
        assert host.error_us < 1e6
    url = hosts.server.url("tcp")
    server = program(stage, hosts.all[0], "rep", "-u", url)
    server.hear("ready")
    before = time.monotonic() * 1e6
    program(stage, hosts.all[1], "req", "-u", url, "hello").summary()
    received = server.hear("message")
    after = time.monotonic() * 1e6
    slack = hosts.server.error_us
    assert before - slack <= received["us"] <= after + slack
    took = driver(stage, hosts.server).call(f"open rep {hosts.server.url('tcp')}")["us"]
    assert 0 <= took < 60e6, "a duration is none by its clock"


def test_signals_reach_it_before_the_call_returns(hosts: Hosts, stage: Stage) -> None:
    echo = driver(stage, hosts.all[0])
    echo.freeze()
    until(lambda: "T (stopped)" in echo.process.look("status"))
    echo.thaw()
    until(lambda: "T (stopped)" not in echo.process.look("status"))
    until(lambda: echo.process.states() == {"S"})
    assert echo.figure("VmRSS") > 0 and echo.descriptors() >= 3
    echo.kill()
    assert echo.end() == "ended by SIGKILL" and echo.figure("VmRSS") == 0
    assert echo.process.states() == set()


def test_its_standard_error_and_status(hosts: Hosts, stage: Stage) -> None:
    wrong = program(stage, hosts.all[0], "rep", "-u", "nowhere")
    assert wrong.wait() == 2
    assert "nowhere" in wrong.complaint
    assert wrong.text() == ""


def test_its_input_ends(hosts: Hosts, stage: Stage) -> None:
    client = driver(stage, hosts.all[1])
    client.hang_up()
    assert client.wait() == 0
    with pytest.raises(Failed, match="has ended and reads no more"):
        client.say("recv")


def test_it_may_close_its_output_long_before_its_end(
    hosts: Hosts, stage: Stage, tmp_path: Path
) -> None:
    script = tmp_path / "closes"
    script.write_text("#!/bin/sh\necho first\nexec >&-\nsleep 0.2\nexit 3\n")
    script.chmod(0o755)
    closes = stage.start(script, where=hosts.server.start)
    assert closes.text() == "first\n"
    assert closes.wait() == 3
    assert not hosts.server.lost


def test_much_output_comes_whole(hosts: Hosts, stage: Stage) -> None:
    url = hosts.server.url("tcp")
    program(stage, hosts.all[0], "rep", "--quiet", "-u", url).hear("ready")
    client = program(stage, hosts.all[1], "req", "-u", url, "-n", "3000", "-s", "40")
    assert client.wait() == 0, "nobody reads, and it does not wait for that"
    assert [e["sequence"] for e in client.rest() if e.get("direction") == "received"] == list(
        range(1, 3001)
    )


def test_programs_are_copied_once_and_compared(net: Network, hosts: Hosts) -> None:
    path = panels.BUILD / "raw-rep"
    there = Path(hosts.server.bring(path))
    assert there.name == "raw-rep" and len(there.parent.name) == 64
    before = net.files(LEFT, "stat", "-c", "%i %Y", there)
    hosts.server.paths.clear()
    assert hosts.server.bring(path) == str(there)
    assert net.files(LEFT, "stat", "-c", "%i %Y", there) == before
    net.files(LEFT, "sh", "-c", f"echo broken >{there}")
    hosts.server.paths.clear()
    hosts.server.bring(path)
    assert net.files(LEFT, "sha256sum", there).split()[0] == there.parent.name


def test_a_slow_and_a_long_way(net: Network, hosts: Hosts, stage: Stage) -> None:
    url, front = hosts.server.url("tcp"), str(hosts.url("tcp", "tap"))
    program(stage, hosts.all[0], "rep", "--quiet", "-u", url).hear("ready")
    far = ("-l", front, "-c", url, "--delay", 30, "--slice", 7)
    stage.start(panels.BUILD / "tap", *far, kind=Tap, where=hosts.all[1].start).hear("ready")
    summary = program(stage, hosts.all[1], "req", "-u", front, "-n", "3", "-s", "64").summary()
    assert summary["latency_us"]["min"] > 60_000, "the tap's delay, both ways"
    words = ("req", "--quiet", "-u", url, "-n", "1", "-s", "200000", "-t", "9000")
    with net.rate(LEFT, "4mbit"):
        slow = program(stage, hosts.all[1], *words).summary()
    assert slow["latency_us"]["min"] > 600_000, "400 kB at 500 kB a second"
    fast = program(stage, hosts.all[1], *words).summary()
    assert fast["latency_us"]["min"] < slow["latency_us"]["min"]


# Nothing is left, whatever happens.


def test_the_connection_is_closed(net: Network) -> None:
    with Hosts([LEFT]) as hosts, Stage() as stage:
        server = serving(stage, hosts.server)
        assert server.pid and net.processes(LEFT)
        os.kill(hosts.server.link.pid, signal.SIGKILL)
        assert server.ended() == -signal.SIGKILL
        assert f"host {LEFT}: the connection has ended" in server.complaint
        with pytest.raises(HostFailed, match=f"host {LEFT}: the connection has ended"):
            driver(stage, hosts.server)
        assert_gone(net)


def test_the_far_end_is_killed(net: Network) -> None:
    with Hosts([LEFT]) as hosts, Stage() as stage:
        serving(stage, hosts.server)
        for pid, words in net.processes(LEFT).items():
            if "python3" in words:
                os.kill(pid, signal.SIGKILL)
        assert_gone(net)


def test_the_cable_is_cut(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "silence", QUICK_SILENCE)
    with Hosts([LEFT]) as hosts, Stage() as stage:
        server = serving(stage, hosts.server)
        net.run("here", "ip", "link", "set", LEFT, "down")
        try:
            assert_gone(net)
            assert server.ended() == -signal.SIGKILL
            assert "it said nothing for" in server.complaint
        finally:
            net.run("here", "ip", "link", "set", LEFT, "up")


def test_a_long_pause_is_no_cut(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "silence", QUICK_SILENCE)
    with Hosts([LEFT]) as hosts, Stage() as stage:
        echo = driver(stage, hosts.server)
        time.sleep(1.5 * QUICK_SILENCE)  # the one thing that can be waited for is that nothing comes
        assert echo.running and not hosts.server.lost


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_verb_is_ended(net: Network, number: int) -> None:
    demo = verb(net, "demo.demo", "reqrep", "raw", "--plain", "--hosts", f"{LEFT},{RIGHT}")
    assert demo.stdout
    for line in demo.stdout:
        if "hello" in line:
            break
    assert any("raw-rep" in words for words in net.processes(LEFT).values())
    assert any("raw-req" in words for words in net.processes(RIGHT).values())
    demo.send_signal(number)
    assert demo.wait(20) == (130 if number == signal.SIGINT else -number)
    demo.communicate()
    assert_gone(net)


def test_a_host_is_lost_under_a_verb(net: Network) -> None:
    demo = verb(net, "demo.demo", "reqrep", "raw", "--plain", "--hosts", f"{LEFT},{RIGHT}")
    assert demo.stdout
    for line in demo.stdout:
        if "hello" in line:
            break
    for pid, words in net.processes(RIGHT).items():
        if "python3" in words:
            os.kill(pid, signal.SIGKILL)
    _, errors = demo.communicate(timeout=150)
    assert demo.returncode == 1
    assert errors.startswith("triptych: demo: host right: the connection has ended"), errors
    assert errors.count("\n") == 1
    assert_gone(net)
