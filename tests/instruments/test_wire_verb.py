"""./triptych wire: on living panels what must hold of any, on frozen recordings its very words."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import tool
from conftest import ROOT, build_folder, panels
from test_wire_capture import by_stream, tshark

from harness.panels import read_panels
from wire.view.totals import Observed, totals
from wire.view.show import show

GOLDEN = ROOT / "tests/data/wire"


def wire(request: pytest.FixtureRequest, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"TRIPTYCH_BUILD": str(build_folder(request.config)), "COLUMNS": "120"}
    status, out, told = tool.run("wire.view.wire", *arguments, **environment)
    assert status is not None
    return subprocess.CompletedProcess(arguments, status, out, told)


def report(request: pytest.FixtureRequest, *arguments: str) -> list[dict[str, Any]]:
    done = wire(request, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def complete(found: dict[str, Any]) -> None:
    """Every byte of both directions is there, once, and is understood."""
    for direction in ("up", "down"):
        at = 0
        for e in found["elements"]:
            if e["direction"] == direction and e["connection"] == 1:
                assert e["offset"] == at and len(e["hex"]) == 2 * e["length"]
                at += e["length"]
    assert found["totals"]["unknown"] == 0


@pytest.mark.transports("tcp", "ipc")
def test_request_and_reply(panel: str, transport: str, request: pytest.FixtureRequest) -> None:
    [found] = report(request, "reqrep", panel, *(["--ipc"] if transport == "ipc" else []))
    complete(found)
    assert (found["panel"], found["pattern"], found["transport"]) == (panel, "reqrep", transport)
    bodies = [(e["direction"], e["text"]) for e in found["elements"] if e["field"] == "message.body"]
    assert bodies == [("up", "hello"), ("down", "hello")]
    assert found["totals"]["request"] == found["totals"]["reply"] == 30
    assert 0 <= found["totals"]["round_trips"] <= 4


@pytest.mark.transports("tcp", "ipc")
def test_publish_and_subscribe(panel: str, transport: str, request: pytest.FixtureRequest) -> None:
    [found] = report(request, "pubsub", panel, *(["--ipc"] if transport == "ipc" else []))
    complete(found)
    counted = found["totals"]
    topics = [e["text"] for e in found["elements"] if e["field"] == "message.topic"]
    assert topics.count("weather.bern") == 1 and topics[-1] == "weather.bern"
    if counted["unwanted_event"]:
        assert topics == ["sport.tennis", "weather.bern"]
        assert counted["unwanted_event"] == counted["event"] + counted["event_framing"]
        assert counted["subscribe"] == counted["unsubscribe"] == 0
    else:
        assert counted["subscribe"] > 0 and counted["unsubscribe"] > 0
    assert counted["event"] == 42


def test_long_forms(panel: str, request: pytest.FixtureRequest) -> None:
    short, long = (report(request, "reqrep", panel, "--size", n)[0] for n in ("10", "1000"))
    assert [r["totals"]["request"] for r in (short, long)] == [35, 1025]
    grown = {"zmq": 7}.get(panel, 0)  # a length of 8 bytes in the place of 1
    assert long["totals"]["request_framing"] - short["totals"]["request_framing"] == grown
    body = [e for e in long["elements"] if e["field"] == "message.body"][0]
    assert body["length"] == 1000 and len(body["hex"]) == 512
    full = report(request, "reqrep", panel, "--size", "1000", "--full")[0]
    complete(full)


def test_empty_body(panel: str, request: pytest.FixtureRequest) -> None:
    [found] = report(request, "reqrep", panel, "--size", "0")
    assert found["totals"]["request"] == 25


@pytest.mark.parametrize("over", ["tcp", "ipc"])
def test_capture(over: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """All panels in one capture; of each panel's two exchanges one stream each."""
    names = [panel.name for panel in panels(request.config) if over in panel.speaks]
    path = tmp_path / "a.pcap"
    done = wire(request, *names, "--pcap", str(path), *(["--ipc"] if over == "ipc" else []))
    assert done.returncode == 0, done.stderr
    streams = by_stream(tshark("-r", path, "-T", "fields", "-e", "tcp.stream", "-e", "message.kind"))
    kinds = [",".join(filter(None, stream)) for stream in streams if any(stream)]
    assert kinds[: len(names)] == ["1,2"] * len(names)
    assert len(kinds) == 2 * len(names) and {*kinds[len(names) :]} <= {"3", "3,3"}, kinds


def test_text(panel: str, request: pytest.FixtureRequest) -> None:
    done = wire(request, "reqrep", panel)
    assert done.returncode == 0 and "\x1b" not in done.stdout
    for words in ("round trips until the request leaves", 'body "hello"', "handshake bytes"):
        assert words in done.stdout


@pytest.mark.parametrize("name, framing", [("raw-1", set()), ("raw-2", {"framing"})])
def test_a_step_that_waits_for_ever(name: str, framing: set[str], request: pytest.FixtureRequest) -> None:
    """Neither hangs the verb. raw-1 has no frames: its bytes are those of the messages alone."""
    if not next(panel for panel in read_panels() if panel.name == name).built:
        pytest.skip(f"{name} is not built")
    done = wire(request, name, "--json")
    assert done.returncode == 0, done.stderr
    for report in json.loads(done.stdout):
        parts = {element["part"] for element in report["elements"]}
        assert parts - {"control"} == {"message"} | framing
        if not framing:
            assert {e["length"] for e in report["elements"] if e["field"] == "message.body"} == {5}


def test_usage(request: pytest.FixtureRequest) -> None:
    for wrong in (["nosuch"], ["--size", "x"], ["--size", "-1"], ["--what"]):
        done = wire(request, *wrong)
        assert done.returncode == 2 and done.stderr.startswith("triptych: wire: "), wrong
        assert len(done.stderr.splitlines()) == 1
    assert wire(request, "--help").stdout.startswith("./triptych wire")


def frozen(name: str, request: pytest.FixtureRequest) -> Observed:
    sample = name.split("-")
    panel = next(p for p in read_panels() if p.name == sample[0])
    pattern = sample[1]
    path = GOLDEN / f"{name}.tap"
    decode = build_folder(request.config) / "decode"
    done = subprocess.run(
        [decode, f"--{pattern}", "--show", "256", "--segments", path], capture_output=True, text=True, check=True
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return Observed(panel, pattern, "a frozen version", path, events, events, 1000.0)


@pytest.mark.parametrize("width", [80, 120, 240])
@pytest.mark.parametrize("pattern", ["reqrep", "pubsub"])
def test_golden_view(pattern: str, width: int, request: pytest.FixtureRequest) -> None:
    """After a wanted change: TRIPTYCH_GOLDEN=write, and read the difference."""
    names = [f"{panel}-{pattern}" for panel in ("raw", "zmq", "nanomsg", "nng")]
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    show(console, pattern, [frozen(name, request) for name in names], "TCP")
    said = "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())
    golden = GOLDEN / f"view-{pattern}-{width}.txt"
    if os.environ.get("TRIPTYCH_GOLDEN") == "write":
        golden.write_text(said)
    assert said == golden.read_text()


def test_golden_totals(request: pytest.FixtureRequest) -> None:
    """The frozen recordings' costs, worked out by hand from the specifications."""
    zmq = totals(frozen("zmq-reqrep", request))
    assert (zmq["handshake_up"], zmq["handshake_down"]) == (64 + 2 + 38, 64 + 2 + 25)
    assert zmq["request_framing"] == 2 + 4 + 2 + 2  # request id, delimiter, the message's frame
    for name in ("nanomsg-reqrep", "nng-reqrep"):
        sp = totals(frozen(name, request))
        assert (sp["handshake_up"], sp["request_framing"], sp["reply_framing"]) == (8, 12, 12)
    ipc = totals(frozen("nng-reqrep-ipc", request))
    assert ipc["request_framing"] == 1 + 8 + 4
    raw = totals(frozen("raw-pubsub", request))
    assert (raw["subscribe"], raw["event_framing"], raw["unwanted_event"]) == (4 + 1 + 8, 4, 0)
    assert totals(frozen("nanomsg-pubsub-ipc", request))["unwanted_event"] == 9 + 42
