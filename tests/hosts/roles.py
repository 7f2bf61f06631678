"""The two hosts of a test, and programs and verbs that it runs there."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

import network
from conftest import ROOT
from harness import panels
from harness.host import Host
from harness.hosts import Hosts
from harness.program import Driver, Program
from harness.stage import Stage
from network import AHEAD_SECONDS, Network

GONE_SECONDS = 15.0
LEFT, RIGHT = AHEAD_SECONDS
MARKS = [
    pytest.mark.together,
    pytest.mark.skipif(bool(network.lacking()), reason=network.lacking()),
]


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
