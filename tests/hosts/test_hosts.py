"""Roles on two hosts, which network.py makes of namespaces: programs there, and the option --hosts.

What must hold however a run ends: nothing of it goes on running on a host.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import network
from conftest import ROOT
from bench.results import read
from harness import panels
from harness.host import Host, HostFailed
from harness.hosts import Hosts
from harness.program import Driver, Failed, Program, Tap
from harness.stage import Stage
from network import AHEAD_SECONDS, Network
from programs import until

pytest.importorskip("rich")
pytestmark = [
    pytest.mark.together,
    pytest.mark.skipif(bool(network.lacking()), reason=network.lacking()),
]

GONE_SECONDS = 15.0
QUICK_SILENCE = 2.0  # of a connection that is cut; 10 s outside the tests
LEFT, RIGHT = AHEAD_SECONDS


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    made = Network(tmp_path_factory.mktemp("net"))
    path = os.environ["PATH"]
    os.environ["PATH"] = made.environment["PATH"]
    yield made
    os.environ["PATH"] = path
    made.close()


@pytest.fixture
def hosts(net: Network) -> Iterator[Hosts]:
    with Hosts([LEFT, RIGHT]) as hosts:
        yield hosts
    assert_gone(net)


@pytest.fixture
def stage(hosts: Hosts) -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


def assert_gone(net: Network) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while left := {name: net.processes(name) for name in AHEAD_SECONDS if net.processes(name)}:
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.02)


def driver(stage: Stage, host: Host) -> Any:
    return stage.start(panels.BUILD / "raw-driver", kind=Driver, where=host.start)


def program(stage: Stage, host: Host, role: str, *words: str) -> Program:
    path = panels.BUILD / f"raw-{role}"
    started: Program = stage.start(path, "--json", *words, where=host.start)
    return started


def serving(stage: Stage, host: Host) -> Program:
    """A server: unlike a driver it does not end with its input."""
    server = program(stage, host, "rep", "-u", host.url("tcp"))
    server.hear("ready")
    return server


def verb(net: Network, *words: str) -> subprocess.Popen[str]:
    """A verb of ./triptych, run between the two hosts."""
    command = net.inside("here", "/usr/bin/python3", "-B", ROOT / "tools", *words)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**net.environment, "COLUMNS": "150"},
    )


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
    assert echo.figure("VmRSS") > 0 and echo.descriptors() >= 3
    echo.kill()
    assert echo.end() == "ended by SIGKILL" and echo.figure("VmRSS") == 0


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
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert errors.startswith("triptych: demo: host right: the connection has ended"), errors
    assert errors.count("\n") == 1
    assert_gone(net)


# What cannot be used.


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nobody-has-this-name", "is unknown"),
        ("stranger", "refuses the key: `ssh stranger true` must work"),
        ("newcomer", "has a key that is not known: run `ssh newcomer true` by hand"),
        ("changed", "has another key than it had"),
        ("closed", "Connection refused"),
    ],
)
def test_a_host_that_does_not_connect(net: Network, name: str, text: str) -> None:
    demo = verb(net, "demo.demo", "raw", "--hosts", name)
    out, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1 and out == ""
    assert errors.startswith(f"triptych: demo: host {name}: ") and errors.count("\n") == 1
    assert text in errors


def test_a_list_that_is_none(net: Network) -> None:
    for names in ("", "left,,right", "-oProxyCommand=true", "a b"):
        demo = verb(net, "demo.demo", "raw", f"--hosts={names}")
        _, errors = demo.communicate(timeout=60)
        assert demo.returncode == 2
        assert errors.startswith("triptych: demo: --hosts takes names as ssh knows them")


def test_a_library_is_missing_there(net: Network, hosts: Hosts) -> None:
    library = subprocess.run(
        "ldconfig -p | sed -n 's/.*libzmq.so.5.* => //p'", shell=True, capture_output=True, text=True
    ).stdout.strip()
    path = panels.BUILD / "zmq-rep"
    if not library or not path.exists():
        pytest.skip("needs the panel zmq")
    hosts.check([path])
    with net.without(RIGHT, os.path.realpath(library).rpartition(".so")[0] + ".so*"):
        with pytest.raises(HostFailed) as told:
            hosts.check([path])
    assert str(told.value) == "host right does not run zmq-rep: libzmq.so.5 is missing there"


def test_no_python_there(net: Network) -> None:
    with net.without(RIGHT, "/usr/bin/python3"):
        with pytest.raises(HostFailed, match="host right: has no python3"):
            Host(RIGHT)


def test_a_shell_that_prints(net: Network) -> None:
    net.files(RIGHT, "sh", "-c", "echo 'echo Welcome!' >/root/.bashrc")
    try:
        with pytest.raises(HostFailed, match="host right: it said b'Welcome!.*does its shell print"):
            Host(RIGHT)
    finally:
        net.files(RIGHT, "rm", "/root/.bashrc")


def test_another_kind_of_processor(hosts: Hosts) -> None:
    hosts.all[1].hello["machine"] = "riscv64"
    with pytest.raises(HostFailed, match="host right is riscv64, this machine "):
        hosts.check([panels.BUILD / "raw-rep"])


def test_another_library_there(hosts: Hosts, capsys: pytest.CaptureFixture[str]) -> None:
    path = panels.BUILD / "raw-rep"
    hosts.check([path])
    assert capsys.readouterr().err == ""
    ask = hosts.server.ask
    hosts.server.ask = lambda do, *rest, **more: (  # type: ignore[method-assign]
        {"status": 0, "output": "raw 1.0\n"} if do == "try" else ask(do, *rest, **more)
    )
    hosts.check([path])
    assert "host left has another library: raw-rep is raw 1.0 there" in capsys.readouterr().err


def test_a_server_that_clients_do_not_reach(net: Network, hosts: Hosts) -> None:
    net.run(RIGHT, "ip", "route", "del", "default")
    try:
        with pytest.raises(HostFailed) as told:
            hosts.check([panels.BUILD / "raw-rep"])
    finally:
        net.run(RIGHT, "ip", "route", "add", "default", "via", "10.77.2.1")
    assert str(told.value) == "host right does not reach left at 10.77.1.2: Network is unreachable"


def test_slurms_srun_takes_the_place_of_ssh(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pretended srun: what it is asked to do. Nobody has tried a real one."""
    srun = tmp_path / "srun"
    inside = shlex.join(net.inside(LEFT))
    srun.write_text(
        f"#!/bin/sh\necho \"$*\" | head -c 99 >{tmp_path}/asked\n"
        f'while [ "$1" != sh ]; do shift; done\nexec {inside} "$@"\n'
    )
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    with Hosts(["10.77.1.2"]) as hosts, Stage() as stage:
        assert hosts.server.url("tcp").startswith("tcp://10.77.1.2:")
        server = serving(stage, hosts.server)
        assert server.pid in net.processes(LEFT)
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("--overlap --quiet --unbuffered -N1 -n1 --nodelist=10.77.1.2 sh -c exec")
    assert_gone(net)


# The verbs.


def test_demo_between_hosts(net: Network) -> None:
    script = 'printf "one\\ntwo\\n" | exec "$@"'
    command = ["sh", "-c", script, "sh", "/usr/bin/python3", "-B", str(ROOT / "tools"), "demo.demo"]
    done = net.run(
        "here", *command, "--plain", "--hosts", f"{LEFT},{RIGHT}", env=net.environment
    ).stdout
    assert "Servers and publishers run on left, clients and subscribers on right." in done
    assert re.search(r"The clock of left is \+86\d{3}\.\d{6} s from this machine's, give or take", done)
    assert re.search(r"p50 us, between the hosts +\d", done)
    assert "one core" not in done and "UNIX socket" not in done
    assert len(re.findall(r"req +< one ", done)) >= 1
    times = [float(time) for time in re.findall(r"^ *(\d+\.\d+)  \w+ +\w+ +[<>]", done, re.M)]
    assert times and all(0 <= time < 120 for time in times), "by this machine's clock"
    assert_gone(net)


def test_clients_here_and_servers_on_one_host(net: Network) -> None:
    told, errors = verb(net, "lab.lab", "killed-server", "raw", "--hosts", RIGHT).communicate(timeout=60)
    assert "servers and publishers run on right, clients and subscribers on this machine" in (
        errors.lower()
    )
    assert "begun once, reply lost" in told
    assert_gone(net)


def test_bench_between_hosts(net: Network, tmp_path: Path) -> None:
    words = ["latency", "throughput", "raw", "--quick", "--json", str(tmp_path / "run.json")]
    bench = verb(net, "bench.bench", *words, "--hosts", f"{LEFT},{RIGHT}")
    out, errors = bench.communicate(timeout=120)
    assert bench.returncode == 0, errors
    assert "latency, tcp, 64 B bodies, between hosts, closed loop" in out
    assert re.search(r"Between hosts, TCP, 64 B, median round trip: raw sockets \S+ us", out)
    results = read(tmp_path / "run.json")
    assert [host["name"] for host in results["hosts"]] == [LEFT, RIGHT]
    cells = {(cell["bench"], cell["kind"]): cell["metrics"] for cell in results["cells"]}
    assert cells["latency", "panel"]["p50"]["median"] > 0
    delivered = cells["throughput", "panel"]
    assert delivered["rate"]["median"] > 0
    assert not [name for name in delivered if "one_way" in name], "two clocks"
    assert_gone(net)


def test_lab_between_hosts(net: Network) -> None:
    words = ["killed-server", "raw", "--json", "--check", "--hosts", f"{LEFT},{RIGHT}"]
    lab = verb(net, "lab.lab", *words)
    out, errors = lab.communicate(timeout=120)
    assert lab.returncode == 0, errors
    seen = json.loads(out)["experiments"][0]["panels"]
    assert {panel: seen[panel]["status"] for panel in seen} == {"raw": "matches"}
    assert_gone(net)


def verb_lines(net: Network, *words: str) -> str:
    """What the lab tells a reader, on both streams."""
    out, errors = verb(net, "lab.lab", *words, "--hosts", f"{LEFT},{RIGHT}").communicate(timeout=60)
    return out + errors


def test_a_tap_runs_with_the_clients(net: Network) -> None:
    told = verb_lines(net, "where-filtered", "raw", "nng", "--no-predict")
    assert "Servers and publishers run on left" in told
    assert re.search(r"\b\d{1,3} bytes to the subscriber: filtered by the publisher", told), told
    assert re.search(r"\b10\d{5} bytes to the subscriber: filtered there", told), told


def test_an_experiment_of_one_machine(net: Network) -> None:
    told = verb_lines(net, "fork")
    assert told.startswith("triptych: lab: fork needs one machine; between hosts run: late-server")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["connections"], "connections are measured on one machine"),
        (["--goals"], "--hosts goes with neither --goals nor --compare"),
    ],
)
def test_what_bench_does_not_do_between_hosts(net: Network, words: list[str], text: str) -> None:
    bench = verb(net, "bench.bench", "raw", *words, "--hosts", LEFT)
    out, errors = bench.communicate(timeout=60)
    assert (bench.returncode, out) == (2, "")
    assert text in errors
