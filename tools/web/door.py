"""Connections: how many, how long, and how much each may say.

    stranger   the guard has admitted no request of it: everybody on this machine can connect.
               It has ten seconds; beyond 64 of them the oldest is closed
    guest      a request of it is answered; then it has ten seconds to take the answer. There are
               96: for one more, the oldest that has not taken its answer is closed, or the request
               is refused. A page's WebSocket is a guest for as long as the page is open

A connection carries one request, of 256 KiB at most. aiohttp bounds none of that: it waits for the
end of a request for ever, and keeps whatever requests come in the meantime.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Any

from harness.panels import warn

STRANGERS_MOST = 64
GUESTS_MOST = 96  # 32 of them may be WebSockets: server.py
PATIENCE_SECONDS = 10.0  # to send a request, and to take the answer
SAID_MOST = 256 << 10  # bytes: more than a question has
READ_BYTES = 16 << 10  # at once: asyncio's 256 KiB hold 14,000 requests


class Visitor(asyncio.Protocol):
    """A connection: aiohttp's protocol for it, and what it may do."""

    def __init__(self, inner: Any, door: Door):
        self.inner = inner
        self.door = door
        self.known = False  # the guard has admitted a request
        self.busy = False  # which is being answered
        self.said = 0.0
        self.deadline = time.monotonic() + PATIENCE_SECONDS
        self.transport: Any = None
        self.left = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.max_size = READ_BYTES
        self.inner.connection_made(transport)
        if self.left:  # many came at once, so that this one had to go before it was made
            self.leave()

    def data_received(self, data: bytes) -> None:
        self.said += len(data)
        if self.said > SAID_MOST:
            self.leave()
        else:
            self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        answer: bool | None = self.inner.eof_received()
        return answer

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def connection_lost(self, problem: Exception | None) -> None:
        self.inner.connection_lost(problem)

    def enter(self) -> bool:
        """A request was admitted. Whether there is room to answer it."""
        if not self.door.admit(self):
            return False
        self.known = self.busy = True
        self.deadline = math.inf
        return True

    def talk(self) -> None:
        """It is a WebSocket from now on.
        Its bytes are not counted: aiohttp stops reading while messages wait."""
        self.said = -math.inf

    def answered(self) -> None:
        self.busy = False
        self.deadline = time.monotonic() + PATIENCE_SECONDS

    def leave(self) -> None:
        self.left = True
        if self.transport:
            self.transport.abort()

    @property
    def over(self) -> bool:
        return self.transport is not None and self.transport.is_closing()


class Door:
    """Makes the protocol of each connection."""

    def __init__(self, make: Callable[[], Any]):
        self.make = make
        self.strangers: list[Visitor] = []  # in the order in which they came
        self.guests: list[Visitor] = []  # likewise

    def __call__(self) -> Visitor:
        visitor = Visitor(self.make(), self)
        self.look()
        self.strangers.append(visitor)
        for old in self.strangers[:-STRANGERS_MOST]:
            old.leave()
        return visitor

    def admit(self, visitor: Visitor) -> bool:
        self.look()
        if len(self.guests) >= GUESTS_MOST:
            slow = next((one for one in self.guests if not one.busy), None)
            if slow is None:
                return False
            slow.leave()
            self.guests.remove(slow)
        self.guests.append(visitor)
        return True

    def look(self) -> None:
        """Closes those that have had their time.
        A connection that is gone keeps its place until its answer is made."""
        self.strangers = [one for one in self.strangers if not one.known and not one.over]
        self.guests = [one for one in self.guests if one.busy or not one.over]
        for one in (*self.strangers, *self.guests):
            if time.monotonic() > one.deadline:
                one.leave()


class Complaints(logging.Handler):
    """What goes wrong inside the server, in a line on standard error. That somebody speaks no HTTP
    is no news: it says nothing of that."""

    def emit(self, record: logging.LogRecord) -> None:
        problem = record.exc_info[1] if record.exc_info else None
        if problem is None or type(problem).__module__.startswith("aiohttp."):
            return
        warn(f"web: {record.getMessage()}: {type(problem).__name__}: {problem}")


def complain_in_lines(loop: asyncio.AbstractEventLoop) -> None:
    """What aiohttp and asyncio would print with a traceback."""
    logging.getLogger("aiohttp").addHandler(Complaints())
    loop.set_exception_handler(lambda _, context: asyncio_complains(context))


def asyncio_complains(context: dict[str, Any]) -> None:
    warn(f"web: {context.get('message')}: {context.get('exception')!r}"[:400])
