"""The verbs that take --hosts, between two hosts."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.results import read
from bench.session import Session
from conftest import ROOT
from harness.host import Host, HostFailed
from harness.stage import Stage
from lab.experiments import Running
from network import AHEAD_SECONDS, Network
from roles import LEFT, MARKS, RIGHT, assert_gone, verb
from roles import net  # noqa: F401 - fixtures

pytest.importorskip("rich")
pytestmark = MARKS


def test_demo_between_hosts(net: Network) -> None:
    script = 'printf "one\\ntwo\\n" | exec "$@"'
    command = ["sh", "-c", script, "sh", "/usr/bin/python3", "-B", str(ROOT / "tools"), "demo.demo", "raw", "zmq"]
    done = net.run(
        "here", *command, "--plain", "--hosts", f"{LEFT},{RIGHT}", env=net.environment
    ).stdout
    assert "Servers and publishers run on left, clients and subscribers on right." in done
    assert re.search(r"The clock of left is \+86\d{3}\.\d{6} s from this machine's, give or take", done)
    assert re.search(r"p50 us, between the hosts +\d", done)
    assert re.search(r"At the end the clock of left was [+-]\d+ us from where it was at the start", done)
    assert "one core" not in done and "UNIX socket" not in done
    assert len(re.findall(r"req +< one ", done)) >= 1
    times = [float(time) for time in re.findall(r"^ *(\d+\.\d+)  \w+ +\w+ +[<>]", done, re.M)]
    assert times and all(0 <= time < 120 for time in times), "by this machine's clock"
    assert_gone(net)


def test_clients_here_and_servers_on_one_host(net: Network) -> None:
    told, errors = verb(net, "lab.lab", "killed-server", "raw", "--hosts", RIGHT).communicate(timeout=150)
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
    assert re.search(r"Between hosts, TCP, 64 B, median round trip: raw \S+ us", out)
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
    out, errors = verb(net, "lab.lab", *words, "--hosts", f"{LEFT},{RIGHT}").communicate(timeout=150)
    return out + errors


def test_a_tap_runs_with_the_clients(net: Network) -> None:
    told = verb_lines(net, "where-filtered", "raw", "nng", "--no-predict")
    assert "Servers and publishers run on left" in told
    assert re.search(r"\b\d{1,3} bytes to the subscriber: filtered by the publisher", told), told
    assert re.search(r"\b10\d{5} bytes to the subscriber: filtered there", told), told


def test_an_experiment_of_one_machine(net: Network) -> None:
    told = verb_lines(net, "fork")
    assert told.startswith("triptych: lab: fork needs one machine; between hosts run: late-server")


def test_a_host_that_is_lost_ends_a_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other case and no other experiment would fare better."""

    def lose(*_: object) -> None:
        raise HostFailed("host left: it said nothing for 10 s")

    session = Session(0.1, 1e9, lambda *_: None, run=lose)  # type: ignore[arg-type]
    with pytest.raises(HostFailed):
        session.once(SimpleNamespace(competitor=None, case=None, failures=[]), 1)  # type: ignore[arg-type]
    monkeypatch.setattr(Stage, "hosts", SimpleNamespace(stand=lose))
    experiment: Any = SimpleNamespace(lacks=lambda: None, timing=False)
    with pytest.raises(HostFailed):
        Running(experiment, []).run()


def test_the_clocks_error_holds_on_unequal_ways() -> None:
    """Whether the question or the answer takes the time."""
    for there, back in ((0.02, 0.0), (0.0, 0.02)):

        def ask(do: str) -> dict[str, float]:
            time.sleep(there)
            read = time.monotonic() * 1e6 + 1e9
            time.sleep(back)
            return {"us": read}

        host: Any = SimpleNamespace(ask=ask)
        ahead, error = Host.read_clock(host)
        assert abs(ahead - 1e9) <= error < 1e5
        assert abs(ahead - 1e9) > 0.8 * 10_000, "by half of the difference, which the error covers"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["connections"], "connections are measured on one machine"),
        (["--goals"], "--hosts goes with neither --goals nor --compare"),
    ],
)
def test_what_bench_does_not_do_between_hosts(net: Network, words: list[str], text: str) -> None:
    bench = verb(net, "bench.bench", "raw", *words, "--hosts", LEFT)
    out, errors = bench.communicate(timeout=150)
    assert (bench.returncode, out) == (2, "")
    assert text in errors
