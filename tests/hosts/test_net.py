"""The line between two namespaces, and ./triptych net, in a /run of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import network
from bench import kinds
from bench.kinds import Case
from bench.run import HOSTS
from conftest import ROOT
from harness.panels import BUILD, Panel
from harness.program import Program
from harness.stage import Stage
from net.line import Way

lacks = network.lacking() or ("" if os.path.exists("/dev/net/tun") else "needs /dev/net/tun")
as_root = pytest.mark.skipif(bool(lacks), reason=lacks)

# A process number space of its own, so that what `up` leaves running ends with it.
OWN = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c"]
SETUP = "mount -t proc proc /proc && mount -t tmpfs none /run && echo '{}' && exec sleep infinity"


def test_a_packet_takes_its_time() -> None:
    way = Way(rate=8e6, delay=0.040, queue=0)  # 1 us a byte
    way.take(b"x" * 1000, 10.0)
    way.take(b"x" * 500, 10.0)  # waits until the first has been sent
    way.take(b"x" * 1000, 11.0)
    assert [round(at, 6) for at, _ in way.flying] == [10.041, 10.0415, 11.041]


def test_a_full_queue_drops_what_comes() -> None:
    way = Way(rate=8e6, delay=0.0, queue=2000)
    for _ in range(5):
        way.take(b"x" * 1000, 10.0)
    assert way.stats == {"packets": 2, "bytes": 2000, "dropped": 3}
    way.take(b"x" * 1000, 10.0011)  # the first has been sent
    assert way.stats["packets"] == 3


def test_a_publisher_waits_longer_where_the_line_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[int] = []
    monkeypatch.setattr(kinds, "publish", lambda *given: delays.append(given[-1]))
    monkeypatch.setattr(kinds, "delays", {})
    case = Case("throughput", placement=HOSTS)
    for reach_us in (200.0, 80_000.0):
        monkeypatch.setattr(Stage, "hosts", SimpleNamespace(reach_us=reach_us))
        kinds.run_publishing(Panel("zmq", "zmq", "ZeroMQ"), case, 100)
    assert delays[0] < 300, "for a machine beside it"
    assert delays[1] > 800, "greetings and a subscription cross the line some times"


class Verb:
    """Runs ./triptych net in the mount namespace of one test."""

    def __init__(self) -> None:
        self.holder = Program([*OWN, SETUP], "holder")
        self.holder.hear()
        children = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children")
        self.pid = int(children.read_text().split()[0])

    def command(self, *words: object) -> list[str]:
        own = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--"]
        return [*own, "/usr/bin/python3", "-B", str(ROOT / "tools"), *map(str, words)]

    def run(self, *words: object, status: int = 0) -> str:
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=120)
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout + done.stderr

    def net(self, *words: object, status: int = 0) -> str:
        return self.run("net.net", *words, status=status)


@pytest.fixture
def verb() -> Iterator[Verb]:
    made = Verb()
    yield made
    made.holder.kill()


def request(verb: Verb, *words: object) -> dict[str, Any]:
    """The summary of a client on the right whose server runs on the left."""
    url = "tcp://10.87.0.1:5555"
    to_left = verb.command("net.net", "run", "left", "--", BUILD / "raw-rep", "--json", "-u", url)
    server = Program(to_left, "server")
    try:
        server.hear("ready")
        client = verb.net("run", "right", "--", BUILD / "raw-req", "--json", "-u", url, *words)
        summary: dict[str, Any] = json.loads(client.splitlines()[-1])
        return summary
    finally:
        server.kill()


@as_root
def test_a_line_is_as_long_and_as_slow_as_it_is_told(verb: Verb) -> None:
    told = verb.net("up", "--delay", 20, "--rate", 8)
    assert "left 10.87.0.1 and right 10.87.0.2, 8 Mbit/s and 20 ms apart" in told
    short = request(verb, "-n", 5, "-s", 64)
    assert 40_000 <= short["latency_us"]["min"] < 200_000
    long = request(verb, "-n", 1, "-s", 500_000, "-t", 20_000)
    assert long["latency_us"]["min"] > 1_000_000, "1 MB in all, at 1 MB a second"
    shown = verb.net("show")
    assert "8 Mbit/s (0: no bound), 20 ms one way, 64 KiB wait at most" in shown
    assert "right (10.87.0.2) has sent" in shown
    verb.net("run", "left", "--", "sh", "-c", "exit 7", status=7)
    assert "there is no program nobody-has-this" in verb.net("run", "left", "--", "nobody-has-this", status=127)
    assert "it is up already" in verb.net("up", status=1)


@as_root
def test_down_ends_what_runs_there(verb: Verb) -> None:
    assert "there is no such network yet" in verb.net("show", status=1)
    verb.net("up")
    script = "echo '{}'; exec sleep 100"
    stays = Program(verb.command("net.net", "run", "left", "--", "sh", "-c", script), "stays")
    stays.hear()
    verb.net("down")
    assert stays.ended() is not None
    verb.net("down")
    assert "there is no such network yet" in verb.net("run", "left", "--", "true", status=1)


@as_root
def test_its_ends_are_hosts(verb: Verb) -> None:
    words = ["lab.lab", "killed-server", "raw", "--json", "--hosts", "net:left,net:right"]
    assert "host net:left: is not there: ./triptych net up" in verb.run(*words, status=1)
    verb.net("up", "--delay", 5)
    out = verb.run(*words)
    assert json.loads(out[out.index("{") : out.rindex("}") + 1])["experiments"]


def test_what_it_refuses() -> None:
    for words in (["upp"], [], ["up", "left"], ["run"], ["run", "middle", "true"], ["up", "--rate=-1"]):
        done = subprocess.run(
            ["/usr/bin/python3", "-B", ROOT / "tools", "net.net", *words], capture_output=True, text=True
        )
        assert done.returncode == 2, words
        assert done.stderr.startswith("triptych: net: "), done.stderr


@as_root
def test_only_root_makes_networks() -> None:
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", "/usr/bin/python3", "-B", "-c",
         f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); sys.argv = ['net', 'up']\n"
         "from net.net import main; main()"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "net: needs root, which alone makes networks: sudo ./triptych net up" in done.stderr
