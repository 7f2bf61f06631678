"""The server: addresses, pages, the questions that pages ask, and the events that they hear.

    GET  /               the first page
    GET  /NAME           a page; what is chosen on it stands behind the ?
    GET  /static/FILE    style, scripts, and panels.css: each panel's colour
    POST /NAME/ANSWER    a question of that page, in JSON; so is the answer
    GET  /events?stream= a WebSocket: the events of a stream, or nothing. While one is
                         open, a page is open

GET starts nothing. guard.py decides who is answered at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
import webbrowser
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from harness.command import STOPPED
from harness.folders import OutlivedFolder
from web import verbs
from web.door import Door, complain_in_lines
from web.guard import PROTOCOL, Guard, visitor_of
from web.page import Json, Page, Refused
from web.pages import PAGES
from web.render import fragment, panel_colours, refused, render
from web.stream import Reader, Stream

STATIC = Path(__file__).with_name("static")
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
QUESTION_MAX = 64 << 10  # bytes of what a page asks
# WebSockets at the same time: one for each open page, and one for what it listens to
PAGES_MOST = 32
CROWDED_PAGES = b"Too many pages are open: close some of them."
WAITING_MOST = 20  # questions that wait for a verb
BEAT_SECONDS = 0.05  # between two batches of events
LOOK_SECONDS = 0.5  # between two looks at what runs
GONE_SECONDS = 15.0  # a page that answers no ping for so long is closed
ALONE_SECONDS = 60.0  # without a page; then the server ends


class ServerFailed(Exception):
    """The server cannot run; the text is a sentence."""


class Server:
    """One server: the Site of its pages."""

    def __init__(self, guard: Guard):
        self.guard = guard
        self.streams: dict[str, Stream] = {}
        self.state: dict[str, Any] = {}
        self.quick = False
        self.waiting = 0  # questions, for a verb
        self.fragment = fragment
        self.sockets: set[web.WebSocketResponse] = set()
        self.left = time.monotonic()  # when the last page was closed
        self.files = {path.name: path for path in STATIC.iterdir() if path.suffix in TYPES}
        self.app = web.Application(middlewares=[guard.watch], client_max_size=QUESTION_MAX)
        self.app.router.add_get("/", self.first)
        self.app.router.add_get("/static/{name}", self.static)
        self.app.router.add_get("/events", self.events)
        for page in PAGES:
            self.app.router.add_get(f"/{page.name}", self.shower(page))
            for name, answer in page.answers.items():
                self.app.router.add_post(f"/{page.name}/{name}", self.asker(answer))
        self.app.router.add_get("/{other:.*}", self.nowhere)

    async def verb(self, program: str, *words: str, seconds: float = 60.0) -> Json:
        if self.waiting >= WAITING_MOST:
            raise Refused("Too much was asked at once. Wait a moment.")
        self.waiting += 1
        try:
            return await verbs.verb(program, *words, seconds=seconds)
        finally:
            self.waiting -= 1

    async def first(self, request: web.Request) -> web.StreamResponse:
        """To the first page. A browser takes along what stands behind the #."""
        return web.Response(status=303, headers={"Location": f"/{PAGES[0].name}"})

    def shower(self, page: Page) -> Any:
        async def show(request: web.Request) -> web.StreamResponse:
            query = dict(request.query)
            try:
                data = await page.data(self, query)
            except Refused as problem:
                return web.Response(
                    status=400, text=refused(page, str(problem), query), content_type="text/html"
                )
            return web.Response(text=render(page, data, query), content_type="text/html")

        return show

    async def nowhere(self, request: web.Request) -> web.StreamResponse:
        """An address that leads to no page."""
        return web.Response(
            status=404, text=refused(None, "There is no page at this address.", request.query),
            content_type="text/html",
        )

    def asker(self, answer: Any) -> Any:
        async def ask(request: web.Request) -> web.StreamResponse:
            try:
                question: Json = json.loads(await request.read())
                if not isinstance(question, dict):
                    raise Refused("a question is a JSON object")
                return web.json_response(await answer(self, question))
            except (ValueError, RecursionError, web.RequestPayloadError):
                return web.json_response({"error": "this is no JSON"}, status=400)
            except Refused as problem:
                return web.json_response({"error": str(problem)}, status=400)

        return ask

    async def static(self, request: web.Request) -> web.StreamResponse:
        """A file that stood in static/ when the server started:
        no path is made of what is asked."""
        name = request.match_info["name"]
        if name == "panels.css":
            return web.Response(text=panel_colours(), content_type="text/css")
        path = self.files.get(name)
        if path is None:
            raise web.HTTPNotFound(text="there is no such file\n")
        return web.Response(text=path.read_text("utf-8"), content_type=TYPES[path.suffix])

    async def events(self, request: web.Request) -> web.StreamResponse:
        name = request.query.get("stream", "")
        stream = self.streams.get(name)
        response = web.WebSocketResponse(
            heartbeat=GONE_SECONDS, max_msg_size=1024, protocols=(PROTOCOL,)
        )
        await response.prepare(request)
        if visitor := visitor_of(request):
            visitor.talk()
        # Told like this: a page is not told the text of a refused handshake
        if len(self.sockets) >= PAGES_MOST:
            await response.close(code=1013, message=CROWDED_PAGES)
            return response
        self.sockets.add(response)
        feed = asyncio.create_task(
            self.feed(response, stream) if name else self.tell_what_runs(response)
        )
        try:
            async for message in response:
                if message.type in (WSMsgType.ERROR, WSMsgType.CLOSE):
                    break
        finally:
            feed.cancel()
            self.sockets.discard(response)
            self.left = time.monotonic()
        return response

    async def feed(self, response: web.WebSocketResponse, stream: Stream | None) -> None:
        """Gives a page the events of a stream. A slow page holds up itself alone."""
        if stream is None:
            return
        reader = Reader(stream)
        stream.readers += 1
        try:
            with contextlib.suppress(ConnectionError):
                while not response.closed:
                    done = reader.done
                    found = reader.next()
                    if found:
                        await response.send_str(f"[{','.join(found)}]")
                    elif done:
                        return
                    await asyncio.sleep(BEAT_SECONDS)
        finally:
            stream.readers -= 1

    async def tell_what_runs(self, response: web.WebSocketResponse) -> None:
        """What the pages have started and still runs, whenever that changes."""
        told = None
        with contextlib.suppress(ConnectionError):
            while not response.closed:
                now = [{"page": page.name, **one} for page in PAGES for one in page.running(self)]
                if now != told:
                    await response.send_str(json.dumps([{"k": "running", "runs": now}]))
                    told = now
                await asyncio.sleep(LOOK_SECONDS)

    def alone(self) -> bool:
        """Whether no page has been open for a minute."""
        return not self.sockets and time.monotonic() - self.left > ALONE_SECONDS

    async def close(self) -> None:
        """Ends all that runs, then the pages' connections."""
        verbs.stop()
        for page in PAGES:
            await asyncio.to_thread(page.close, self)
        for response in list(self.sockets):
            with contextlib.suppress(ConnectionError):
                await response.close(code=1001)


def listen(ports: list[int]) -> tuple[int, list[socket.socket]]:
    """The first of these ports that is free (0: any), on the loopback addresses alone."""
    for port in ports:
        sockets = []
        try:
            for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                try:
                    one = socket.socket(family)
                except OSError:
                    continue
                sockets.append(one)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    one.bind((host, port))
                except OSError:
                    if family == socket.AF_INET:
                        raise
                    sockets.pop().close()  # no IPv6 here, or the port is taken there
                    continue
                one.listen(128)
                port = one.getsockname()[1]
            return port, sockets
        except OSError as problem:
            why = problem.strerror
            for one in sockets:
                one.close()
    raise ServerFailed(
        f"cannot listen on 127.0.0.1, port {ports[-1]}: {why}; choose another with --port"
    )


def has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


async def serve(ports: list[int], opens: bool) -> int:
    """Runs until Ctrl-C, or until the last page has been closed for a minute."""
    port, sockets = listen(ports)
    guard = Guard(port, tuple(page.name for page in PAGES))
    server = Server(guard)
    runner = web.AppRunner(server.app, access_log=None)
    await runner.setup()
    door = Door(runner.server)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    complain_in_lines(loop)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stopped.set)
    folder = OutlivedFolder()
    listening = [await loop.create_server(door, sock=one) for one in sockets]
    try:
        address = f"http://127.0.0.1:{port}/?token="
        print(address + guard.token, flush=True)
        print(
            "Ctrl-C stops it. It also ends a minute after its last page was closed.",
            file=sys.stderr, flush=True,
        )
        if opens and has_screen():
            await asyncio.to_thread(webbrowser.open, address + guard.once)
        while not stopped.is_set() and not server.alone():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stopped.wait(), 1.0)
            door.look()
    finally:
        for one in listening:
            one.close()
        await server.close()
        await runner.cleanup()
        folder.close()
    if stopped.is_set():
        print("\ntriptych: stopped; nothing is left running", file=sys.stderr)
        return STOPPED
    print("triptych: the last page was closed a minute ago: stopped", file=sys.stderr)
    return 0
