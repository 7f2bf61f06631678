"""./triptych web as a program, and somebody who talks to it: with the token, or in every wrong way."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest

from conftest import ROOT
from harness.program import Program
from programs import alive

SECONDS = 30.0


class Site(Program):
    """A server of its own, on a free port."""

    def __init__(self, *words: str, **popen: Any):
        command = [sys.executable, "-B", ROOT / "tools", "web.web", "--no-open", "--port", "0", *words]
        super().__init__(command, name="web", **popen)
        address = (self.line(SECONDS) or b"").decode()
        self.address = urllib.parse.urlsplit(address)
        self.base = f"http://{self.address.netloc}"
        self.cookie = self.key = ""

    def enter(self) -> None:
        """Takes the cookie and the key that the printed address gives."""
        status, headers, _ = self.get(f"/?{self.address.query}")
        assert status == 303
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        self.key = headers["Location"].partition("#key=")[2]

    def request(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, Any, str]:
        """Status, headers and text of what is answered; the headers are these alone, and Host."""
        with contextlib.closing(http.client.HTTPConnection(self.address.netloc, timeout=SECONDS)) as line:
            named = {name.replace("_", "-"): value for name, value in headers.items() if value}
            line.request(method, path, body, named)
            answer = line.getresponse()
            return answer.status, answer.headers, answer.read().decode()

    def get(self, path: str, **headers: str) -> tuple[int, Any, str]:
        return self.request("GET", path, **{"Cookie": self.cookie, **headers})

    def post(self, path: str, question: Any, **headers: str) -> tuple[int, Any]:
        """A question as a page asks it; `headers` change it."""
        own = {"Cookie": self.cookie, "Origin": self.base, "Triptych_Key": self.key, "Content_Type": "application/json"}
        asked = {**own, **headers}
        text = question if isinstance(question, str) else json.dumps(question)
        status, _, answer = self.request("POST", path, text, **asked)
        with contextlib.suppress(ValueError):
            return status, json.loads(answer)
        return status, answer

    def start(self, story: str = "", **form: str) -> str:
        """A run, which must start."""
        question = {"story": story, **({"form": form} if form or not story else {})}
        status, answer = self.post("/play/start", question)
        assert status == 200, answer
        return str(answer["run"])

    def act(self, run: str, do: str, role: str = "", **more: Any) -> None:
        status, answer = self.post("/play/act", {"run": run, "do": do, "role": role, **more})
        assert status == 200, answer

    def hears(self, run: str, until: Callable[[list[Any]], bool], seconds: float = SECONDS) -> list[Any]:
        """What a page hears of a run until something is true of it; fails if that does not come."""
        return asyncio.run(self._hears(run, until, seconds))

    async def _hears(self, run: str, until: Callable[[list[Any]], bool], seconds: float) -> list[Any]:
        found: list[Any] = []
        headers = {"Cookie": self.cookie, "Origin": self.base}
        async with aiohttp.ClientSession() as session:
            address = f"{self.base}/events?stream={run}"
            said = ("triptych", f"key.{self.key}")
            async with session.ws_connect(address, headers=headers, protocols=said, max_msg_size=0) as socket:
                try:
                    async with asyncio.timeout(seconds):
                        async for message in socket:
                            found += json.loads(message.data)
                            if until(found):
                                return found
                except TimeoutError:
                    pass
        raise AssertionError(f"within {seconds:g} s there came only {found[-5:]}")


    @contextlib.contextmanager
    def looking(self, run: str) -> Iterator[None]:
        """A page that looks at a run meanwhile."""
        there, over = threading.Event(), threading.Event()

        def until(found: list[Any]) -> bool:
            there.set()
            return over.is_set()

        page = threading.Thread(target=self.hears, args=(run, until))
        page.start()
        try:
            assert there.wait(SECONDS)
            yield
        finally:
            over.set()
            page.join(SECONDS)


def of(events: list[Any], kind: str, **members: Any) -> list[Any]:
    """Those events of a kind that have these members."""
    return [e for e in events if e["k"] == kind and members.items() <= e.items()]


def stranger(site: Site) -> socket.socket:
    return socket.create_connection(("127.0.0.1", site.address.port or 0), timeout=20)


def said_back(line: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while some := line.recv(65536):
            found += some
    return found


@contextlib.contextmanager
def running(*words: str, **popen: Any) -> Iterator[Site]:
    site = Site(*words, **popen)
    try:
        site.enter()
        yield site
    finally:
        site.signal(15)
        site.ended(10.0)
        site.kill()
        assert not alive(site.pid)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One for the tests of a file."""
    with running() as one:
        yield one
