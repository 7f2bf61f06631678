"""Connections of strangers: how many, how long, and how much they may say.

Everybody on this machine can connect to a server on loopback. Until a connection has carried a
request that the guard admits, it may say 256 KiB within ten seconds; beyond 64 of them the oldest
is closed. aiohttp bounds none of that: it waits for the end of a request for ever, and
keeps whatever requests come in the meantime.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from harness.panels import warn

STRANGERS_MOST = 64
STRANGER_SECONDS = 10.0
STRANGER_BYTES = 256 << 10  # more than a question has: it comes while the guard still looks at its head
READ_BYTES = 16 << 10  # at once: asyncio's 256 KiB hold 14,000 requests


class Visitor(asyncio.Protocol):
    """A connection: aiohttp's protocol for it, and whether the guard has admitted a request."""

    def __init__(self, inner: Any):
        self.inner = inner
        self.known = False
        self.said = 0
        self.came = time.monotonic()
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
        if not self.known and self.said > STRANGER_BYTES:
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

    def __call__(self) -> Visitor:
        visitor = Visitor(self.make())
        self.look()
        self.strangers.append(visitor)
        for old in self.strangers[:-STRANGERS_MOST]:
            old.leave()
        return visitor

    def look(self) -> None:
        """Closes those that have had their time."""
        self.strangers = [one for one in self.strangers if not one.known and not one.over]
        for one in self.strangers:
            if time.monotonic() - one.came > STRANGER_SECONDS:
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
