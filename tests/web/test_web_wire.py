"""The page Wire without a browser: bytes as cells, totals, the capture, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("jinja2")

from harness.panels import read_panels
from pages import Document, FakeSite, evil
from web.page import Refused
from web.pages import wire
from web.render import render


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The panels are offered whether they are built or not."""
    streams = [panel for panel in read_panels() if "tcp" in panel.speaks]
    monkeypatch.setattr(wire, "offered", lambda: streams)


def page(site: FakeSite, **query: str) -> Document:
    return Document(render(wire.PAGE, asyncio.run(wire.data(site, query)), query))


def element(field: str, part: str, hex: str, length: int, offset: int, direction: str = "up", record: int = 2) -> Any:
    return {
        "event": "element", "connection": 1, "time": 1.5, "direction": direction, "record": record, "segment": 1, "offset": offset,
        "length": length, "layer": "raw", "field": field, "part": part, "message": 1, "meaning": f"the field {field}", "hex": hex,
    }  # fmt: skip


def said(pattern: str, *words: str) -> Any:
    elements = [
        element("raw.length", "framing", "00000022", 4, 0),
        element("message.body", "message", "6865", 900, 4),
        element("message.body", "message", "", 0, 0, "down", 5),
    ]
    events = [{"event": "open", "time": 1.25, "connection": 1}, {"event": "shut", "time": 2.0, "direction": "up", "connection": 1},
              {"event": "end", "complete": True}]  # fmt: skip
    totals = {"handshake_up": 0, "handshake_down": 0, "round_trips": 0, "segments_up": 1, "segments_down": 1, "unknown": 0, "reply": None}
    names = [word for word in words if word in ("raw", "zmq")]
    common = {"version": "some version", "pattern": pattern, "transport": "tcp", "events": events, "totals": totals}
    return [{"panel": name, "elements": [dict(e) for e in elements], **common} for name in names]


def test_a_page_that_is_opened_starts_nothing(unbuilt: None) -> None:
    site = FakeSite(wire=said)
    shown = page(site, panels="raw zmq")
    assert not shown.wrong and not site.asked and shown.says("Nothing is recorded yet.")


def test_every_byte_is_in_the_cell_of_its_element(unbuilt: None) -> None:
    site = FakeSite(wire=said)
    answer = asyncio.run(wire.exchange(site, {"panels": "raw zmq", "size": "900"}))
    for shown in (Document(answer["html"]), page(site, panels="raw zmq", size="900")):
        assert not shown.wrong
        cells = shown.all("button", **{"data-what": "body"})
        assert [(c["data-offset"], c["data-length"]) for c in cells] == [("4", "900"), ("0", "0")] * 2
        assert "part-message" in cells[0]["class"] and cells[0]["data-meaning"] == "the field message.body"
        assert [e for e in shown.text.split() if e.endswith("+898")]
        assert shown.says("→ 904 B to the server") and shown.says("250.00 ms") and shown.says("the client sends no more")
        assert {"part-framing", "field-body"} <= {word for c in shown.all("button") for word in c.get("class", "").split()}
    assert site.asked[0][:5] == ("wire.view.wire", "reqrep", "raw", "zmq", "--size")


def test_hostile_bytes_are_data(unbuilt: None) -> None:
    site = FakeSite(wire=lambda *words: evil(said(*words)))
    shown = Document(asyncio.run(wire.exchange(site, {"panels": "raw"}))["html"])
    assert not shown.wrong and not shown.all("img") and "alert(1)" in shown.text


@pytest.mark.parametrize(
    "asked",
    [{"pattern": "both"}, {"transport": "udp"}, {"panels": "raw raw"}, {"panels": "raw-dgram"}, {"panels": "raw --pcap /tmp/x"},
     {"panels": "raw zmq nanomsg nng raw-2"}, {"size": "-1"}, {"size": "4097"}, {"size": "1e3"}, {"size": "\u0663"}, {"size": [1]},
     {"panels": ["raw"]}],
    ids=str,
)  # fmt: skip
def test_what_may_not_be_recorded(asked: Any) -> None:
    site = FakeSite(wire=said)
    with pytest.raises(Refused):
        asyncio.run(wire.exchange(site, asked))
    assert not site.asked


def test_few_exchanges_are_kept(unbuilt: None) -> None:
    site = FakeSite(wire=said)
    for size in range(wire.KEPT + 3):
        asyncio.run(wire.exchange(site, {"panels": "raw", "size": str(size)}))
    assert len(site.state["wire"]) == wire.KEPT
    assert page(site, panels="raw", size="0").says("Nothing is recorded yet.")


def test_what_takes_a_subscription_back_is_named_so(unbuilt: None) -> None:
    """raw's byte 00 stands in the field that 01 stands in; tools/wire/decode says what it means."""
    meanings = ("subscribe", "unsubscribe", "unsubscribe: the empty prefix, all messages")
    elements = [element("raw.subscribe", "control", f"0{n == 0:d}", 1, n) | {"meaning": text} for n, text in enumerate(meanings)]
    site = FakeSite(wire=lambda *words: [one | {"elements": elements} for one in said(*words)])
    html = asyncio.run(wire.exchange(site, {"pattern": "pubsub", "panels": "raw"}))["html"]
    assert re.findall(r"<small[^>]*>(\w+)</small>", html) == ["subscribe", "unsubscribe", "unsubscribe"]


def test_a_real_exchange() -> None:
    """Each byte is shown, in order; the capture is one."""
    site = FakeSite()
    answer = asyncio.run(wire.exchange(site, {"panels": "raw", "transport": "ipc", "size": "3"}))
    shown = Document(answer["html"])
    (kept,) = site.state["wire"].values()
    (exchange,) = kept["exchanges"]
    cells = shown.all("button")
    assert sum(int(cell["data-length"]) for cell in cells) == sum(e["length"] for e in exchange["elements"]) > 60
    assert len(shown.all("small")) == len(cells), "each element has its name"
    sent = [e["meaning"] for e in exchange["elements"] if e["what"] == "sent"]
    assert [one.endswith("copied from its request") for one in sent] == [False, True]
    assert shown.says("A server goes on for 300 ms after its last reply")
    assert exchange["transport"] == "ipc" and not shown.wrong
    assert base64.b64decode(answer["capture"])[:4] == b"\xa1\xb2<M"  # pcap, with nanoseconds
