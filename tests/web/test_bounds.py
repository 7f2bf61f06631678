"""What others can take of ./triptych web: connections, pages, questions, streams are bounded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from programs import until
from site_client import Site, running, said_back, site, stranger  # noqa: F401: a fixture
from web import verbs
from web.door import GUESTS_MOST, PATIENCE_SECONDS, STRANGERS_MOST, Door, Visitor
from web.guard import Guard
from web.page import Refused
from web.server import PAGES_MOST, WAITING_MOST, Server
from web.stream import AT_ONCE, Reader, Stream

pytestmark = pytest.mark.together  # one server


def test_a_question_is_bounded(site: Site) -> None:
    assert site.post("/play/start", {"form": {"texts": "x" * (1 << 20)}})[0] == 413


def test_strangers_are_bounded_in_number() -> None:
    """Who has no token can connect all the same: the newest are heard, the oldest have to go."""
    with running() as site, contextlib.ExitStack() as lines:
        before = site.descriptors()
        held = [lines.enter_context(stranger(site)) for _ in range(4 * STRANGERS_MOST)]
        held[-1].sendall(b"GET /play HTTP/1.1\r\n")
        assert said_back(held[0]) == b""
        assert site.get("/play")[0] == 200
        until(lambda: site.descriptors() <= before + STRANGERS_MOST + 8, 10.0, "fewer connections")


def test_strangers_are_bounded_in_what_they_say(site: Site) -> None:
    """A head without end, and one request behind the other: nothing of it is kept."""
    for begin, piece in ((b"GET / HTTP/1.1\r\n", b"a: b\r\n"), (b"", b"GET /play HTTP/1.1\r\nHost: x\r\n\r\n"),
                         (b"GET /events HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", b"x" * 1000)):  # fmt: skip
        with stranger(site) as line, pytest.raises((ConnectionError, TimeoutError)):
            line.sendall(begin)
            for _ in range(200):
                line.sendall(piece * (100_000 // len(piece)))
    assert site.figure("VmRSS") < 200 << 10


def test_the_oldest_stranger_has_to_go() -> None:
    gone: list[int] = []
    door = empty_door()
    at_once = [door() for _ in range(STRANGERS_MOST + 2)]  # and their connections are made afterwards
    for number, visitor in enumerate(at_once):
        connected(visitor, number, gone)
    assert gone == [0, 1]


def empty_door() -> Door:
    return Door(lambda: SimpleNamespace(connection_made=lambda transport: None))


def connected(visitor: Visitor, number: int, gone: list[int]) -> Visitor:
    """The same, with a connection; where that is closed, its number is among those gone."""
    line = SimpleNamespace(abort=lambda: gone.append(number), is_closing=lambda: number in gone)
    visitor.connection_made(line)  # type: ignore[arg-type]
    return visitor


def test_guests_are_bounded_and_who_does_not_take_its_answer_has_to_go_first() -> None:
    gone: list[int] = []
    door = empty_door()
    guests: list[Visitor] = []

    def enters() -> bool:
        guests.append(connected(door(), len(guests), gone))
        return guests[-1].enter()

    assert all(enters() for _ in range(GUESTS_MOST))
    assert not enters(), "each of them is being answered"
    guests[7].answered()
    assert enters() and gone == [7]
    gone.append(8)  # its reader is gone; its answer is still being made
    assert not enters()
    guests[8].answered()
    assert enters() and gone == [7, 8] and len(door.guests) == GUESTS_MOST


def test_the_holder_of_the_cookie_is_bounded() -> None:
    """It asks on and on, takes no answer and ends no connection. Others are served all the same."""
    with running() as site, contextlib.ExitStack() as lines:
        before, threads = site.descriptors(), site.figure("Threads")
        for n in range(3 * GUESTS_MOST):
            line = lines.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.settimeout(20)
            line.connect(("127.0.0.1", site.address.port))
            head = f"GET /static/style.css HTTP/1.1\r\nHost: {site.address.netloc}\r\nCookie: {site.cookie}\r\n\r\n"
            line.sendall(head.encode() * 3)
            if n % 50 == 49:
                assert site.get("/static/icon.svg")[0] == 200
        until(lambda: site.descriptors() <= before + GUESTS_MOST, 10.0, "fewer connections")
        assert site.figure("Threads") <= threads + 32 and site.figure("VmRSS") < 300 << 10
        assert site.get("/play")[0] == 200


def test_pages_are_bounded_and_one_too_many_is_told_so(site: Site) -> None:
    async def open_all() -> Any:
        headers = {"Cookie": site.cookie, "Origin": site.base}
        async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as pages:
            for n in range(PAGES_MOST + 1):
                page = await session.ws_connect(f"{site.base}/events", headers=headers, protocols=("triptych", f"key.{site.key}"))
                pages.push_async_callback(page.close)
                told = await page.receive(20.0)
                if told.type is not aiohttp.WSMsgType.TEXT:
                    return n, page.close_code, told.extra
        return None

    count, code, why = asyncio.run(open_all())
    assert (count, code) == (PAGES_MOST, 1013) and why.startswith("Too many pages are open")


def test_an_answer_ends_its_connection(site: Site) -> None:
    """One that waited for another request would hold a descriptor."""
    assert site.get("/play")[1]["Connection"] == "close"


def test_who_says_too_much_is_not_heard() -> None:
    heard: list[bytes] = []
    left: list[bool] = []
    visitor = Door(lambda: SimpleNamespace(connection_made=lambda transport: None, data_received=heard.append))()
    visitor.connection_made(SimpleNamespace(abort=lambda: left.append(True)))  # type: ignore[arg-type]
    for _ in range(20):
        visitor.data_received(b"x" * 16384)
    assert len(heard) == 16 and left
    visitor.talk()
    visitor.data_received(b"y")
    assert heard[-1] == b"y"


def test_strangers_are_bounded_in_time() -> None:
    class Line:
        gone = False

        def abort(self) -> None:
            self.gone = True

        def is_closing(self) -> bool:
            return self.gone

    inner = SimpleNamespace(connection_made=lambda transport: None)
    door, lines = Door(lambda: inner), [Line(), Line(), Line()]
    new, old, known = (door() for _ in lines)
    for visitor, line in zip((new, old, known), lines):
        visitor.connection_made(line)  # type: ignore[arg-type]
    assert known.enter()
    old.deadline -= PATIENCE_SECONDS + 1
    door.look()
    assert [line.gone for line in lines] == [False, True, False]
    door.look()
    assert door.strangers == [new]
    known.answered()
    known.deadline -= PATIENCE_SECONDS + 1
    door.look()
    assert lines[2].gone, "it does not take its answer"


def test_verbs_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "run", lambda *asked: time.sleep(0.02))

    async def ask() -> list[Any]:
        server = Server(Guard(1))
        asked = (server.verb("compare.diff") for _ in range(WAITING_MOST + 5))
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(ask())
    assert sum(isinstance(one, Refused) for one in found) == 5 and found.count(None) == WAITING_MOST


def test_a_stream_is_bounded_and_says_what_a_page_missed() -> None:
    stream = Stream("x", kept=100)
    early = Reader(stream)
    for n in range(1000):
        stream.tell({"k": "n", "n": n})
        stream.show("count", {"k": "count", "n": n})
    found = [json.loads(line) for line in early.next()]
    assert found[0] == {"k": "skipped", "count": 900, "before": True}
    assert [e["n"] for e in found[1:-1]] == list(range(900, 1000))
    assert found[-1] == {"k": "count", "n": 999}
    assert early.next() == [] and len(stream.events) == 100 and len(stream.latest) == 1


def test_the_newest_counters_come_behind_what_was_told_before_them() -> None:
    """A page that has not had the events of a moment does not get that moment's counters."""
    stream = Stream("x")
    reader = Reader(stream)
    for n in range(AT_ONCE + 10):
        stream.tell({"n": n})
    stream.show("count", {"count": AT_ONCE + 10})
    stream.tell({"n": AT_ONCE + 10})
    assert [json.loads(line)["n"] for line in reader.next()] == list(range(AT_ONCE))
    last = [json.loads(line) for line in reader.next()]
    assert last == [{"n": n} for n in range(AT_ONCE, AT_ONCE + 10)] + [{"count": AT_ONCE + 10}, {"n": AT_ONCE + 10}]
    stream.show("count", {"count": 0})
    assert [json.loads(line) for line in reader.next()] == [{"count": 0}]


def test_a_stream_of_long_texts_is_bounded() -> None:
    stream = Stream("x", kept_size=10_000)
    for n in range(100):
        stream.tell({"text": "x" * 1000, "n": n})
    assert sum(map(len, stream.events)) == stream.size <= 10_000 and len(stream.events) == 9
    found = [json.loads(line) for line in Reader(stream).next()]
    assert found[0]["count"] == 91 and [e["n"] for e in found[1:]] == list(range(91, 100))


def test_a_page_gets_a_long_stream_in_parts() -> None:
    stream = Stream("x")
    for n in range(3 * AT_ONCE):
        stream.tell({"n": n})
    stream.end()
    reader = Reader(stream)
    parts = []
    while not reader.done:
        parts.append(reader.next())
    assert [len(part) for part in parts] == [AT_ONCE] * 3
    assert [json.loads(line)["n"] for part in parts for line in part] == list(range(3 * AT_ONCE))
