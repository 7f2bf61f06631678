"""Hosts that cannot be used, and hosts that are odd and can: what is said of them, in one sentence."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from harness import far, panels
from harness.host import SENT, Host, HostFailed
from harness.hosts import Hosts, on_hosts, why_not
from harness.stage import Stage
from harness.way import BOOT, command_for, far_program
from network import Network
from roles import LEFT, MARKS, RIGHT, assert_gone, serving, verb
from roles import hosts, net  # noqa: F401 - fixtures

pytest.importorskip("rich")
pytestmark = MARKS


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
    out, errors = demo.communicate(timeout=150)
    assert demo.returncode == 1 and out == ""
    assert errors.startswith(f"triptych: demo: host {name}: ") and errors.count("\n") == 1
    assert text in errors


def test_a_list_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    for names in ("", "left,,right", "-oProxyCommand=true", "a b"):
        with pytest.raises(SystemExit) as ended, on_hosts("demo", names, []):
            pass
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith("triptych: demo: --hosts takes names as ssh knows them")


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
    assert str(told.value).startswith("host right does not run zmq-rep: libzmq.so.5 is missing there")
    assert "(Debian's package libzmq5)" in str(told.value)


def test_no_python_there(net: Network) -> None:
    with net.without(RIGHT, "/usr/bin/python3"):
        with pytest.raises(HostFailed, match="host right: has no python3"):
            Host(RIGHT)


def test_what_a_shell_prints_is_not_its_python(net: Network) -> None:
    """~/.bashrc runs for ssh, too: a greeting is passed over, and told where nothing follows it."""
    home = "/root/.bashrc"
    try:
        net.files(RIGHT, "sh", "-c", f"echo 'echo Welcome!; printf more' >{home}")
        with Hosts([RIGHT]) as hosts:
            assert hosts.server.printed == b"Welcome!\nmore"
        net.files(RIGHT, "sh", "-c", f"echo 'echo Closed until noon; exit 3' >{home}")
        with pytest.raises(HostFailed) as told:
            Host(RIGHT)
        assert str(told.value) == (
            "host right: no connection: status 3; its shell printed 'Closed until noon'"
        )
    finally:
        net.files(RIGHT, "rm", home)


def test_a_restricted_shell_and_csh_start_it() -> None:
    """The first has no `exec`, the second no quoted line that is longer than one."""
    words = command_for("somewhere")[-1]
    assert "\n" not in words
    done = subprocess.run(
        ["bash", "-r", "-c", words], input=far_program(SENT, 9.0), capture_output=True, timeout=150
    )
    assert done.stdout.startswith(far.GREETING) and not done.stderr


def test_a_program_that_comes_slowly_is_no_silence() -> None:
    """A line of 100 kbit/s needs longer for one than a host may be silent."""
    with subprocess.Popen(
        ["/usr/bin/python3", "-I", "-c", BOOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as end:
        assert end.stdin and end.stdout
        end.stdin.write(far_program(SENT, 3.0))
        said = iter(end.stdout.readline, b"")
        assert next(said) == far.GREETING and json.loads(next(said))["hello"]
        end.stdin.write(b'{"do": "put", "n": 1000}\nthe first of it')
        assert json.loads(next(said))["coming"] > 0
        end.stdin.close()


def test_what_a_person_wants_of_a_host_is_passed_over(net: Network) -> None:
    """A command of its own, a terminal, forwarded ports, no words: as ~/.ssh/config may have them."""
    with Hosts(["personal", "personal"]) as hosts:
        assert all(host.hello for host in hosts.all)
    with pytest.raises(HostFailed, match="host silent: refuses the key"):
        Host("silent")


@pytest.mark.parametrize("options", ["ro", "noexec", "size=8k"])
def test_a_home_that_keeps_no_programs(net: Network, options: str) -> None:
    net.files(LEFT, "mount", "-t", "tmpfs", "-o", options, "none", "/root")
    try:
        with Hosts([LEFT]) as hosts, Stage() as stage:
            hosts.check([panels.BUILD / "raw-rep"])
            assert serving(stage, hosts.server).stop()["sent"] == 0
    finally:
        net.files(LEFT, "umount", "/root")


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("harness.process.tempfile.TemporaryFile", refuse)
    with Stage() as stage:
        program = stage.start("sh", "-c", "echo a complaint >&2")
        program.wait()
        assert program.complaint == "a complaint"


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ("x: /lib/libc.so.6: version `GLIBC_2.99' not found", "its C library lacks GLIBC_2.99, being older"),
        ("x: libqq.so.5: cannot open shared object file: No such", "libqq.so.5 is missing there"),
        ("Traceback\nModuleNotFoundError: No module named 'roles'", "only the program itself is copied there"),
        ("", "it says nothing"),
    ],
)
def test_why_a_program_does_not_run(errors: str, text: str) -> None:
    assert text in why_not(errors)


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


@pytest.mark.parametrize("why", ["timed out", "Connection refused", "No route to host"])
def test_a_server_behind_a_firewall(why: str, hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """It drops what comes, or refuses it: iptables' DROP, REJECT --reject-with tcp-reset, and firewalld's answer."""
    at = hosts.server.ask("listen", address=hosts.server.address)
    assert at["ports"][0] <= at["port"] <= at["ports"][1], "a port as servers get"

    def refuse(do: str, **_: object) -> None:
        raise HostFailed(f"host right: {why}")

    monkeypatch.setattr(hosts.all[1], "ask", refuse)
    with pytest.raises(HostFailed) as told:
        hosts.check_reach()
    assert str(told.value).endswith(f"{why}; does a firewall keep TCP ports {at['ports'][0]} to {at['ports'][1]} closed?")


def test_a_server_that_is_known_here_alone(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "address", "127.0.0.1")
    with pytest.raises(HostFailed, match="at 127.0.0.1: Connection refused; name it as other hosts"):
        hosts.check_reach()


def test_slurms_srun_takes_the_place_of_ssh(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pretended srun: what it is asked to do. Nobody has tried a real one."""
    srun = tmp_path / "srun"
    inside = shlex.join(net.inside(LEFT))
    srun.write_text(
        f"#!/bin/sh\necho \"$*\" | head -c 99 >{tmp_path}/asked\n"
        f'while [ "$1" != python3 ]; do shift; done\nexec {inside} "$@"\n'
    )
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SSH_CONNECTION", "10.1.1.1 5 10.9.9.9 22")  # of the login node: srun hands it on
    with Hosts(["10.77.1.2"]) as hosts, Stage() as stage:
        assert hosts.server.url("tcp").startswith("tcp://10.77.1.2:")
        server = serving(stage, hosts.server)
        assert server.pid in net.processes(LEFT)
        assert any("srun" in line and "nobody has tried" in line for line in hosts.describe())
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("--overlap --quiet --unbuffered -N1 -n1 --nodelist=10.77.1.2 python3 -I")
    assert_gone(net)
