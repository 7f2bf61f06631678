"""Who may ask the server for something, and what a page may load.

A page of another site can make a browser send requests to a server on loopback, and it can give
its own name this machine's address (DNS rebinding). So each request must name this server as its
Host, and it must carry a secret. There are three:

    token   stands in the address that is printed. A page's address with the token leads on to the
            same address without it, and gives the browser the other two
    cookie  shows pages. Cookies do not tell ports apart: a browser gives this one to every server
            on 127.0.0.1 that it visits, whoever runs it. So it starts nothing
    key     starts things and hears events. A page keeps it in its origin's storage, which knows
            ports, and says it in a header, or as a protocol of its WebSocket

What starts or changes something is a POST of JSON whose Origin is this server. The events come over
a WebSocket; browsers let every site open one, so its Origin is checked as well.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from aiohttp import web

from web.door import Visitor

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "triptych",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
KEY_HEADER = "Triptych-Key"
PROTOCOL = "triptych"  # of the WebSocket; beside it stands "key." and the key
LED_HERE = ("none", "same-origin")  # Sec-Fetch-Site: no other site has sent the browser here
UNKNOWN = "Open the address that ./triptych web has printed: it contains a token."
FOREIGN = "Pages of other sites may not use this server."
CROWDED = "Too many connections are open at the same time. Close some pages, or wait a moment."


class Guard:
    """The secrets of one server, and the names under which it may be asked."""

    def __init__(self, port: int, pages: tuple[str, ...] = ()):
        self.token, self.once, self.shown, self.key = (secrets.token_urlsafe(24) for _ in range(4))
        # `once` is a token, too, for the browser that we open: other users see its command line.
        self.port = port
        self.entrances = {"/", *(f"/{page}" for page in pages)}  # where a token is taken
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        if port == 80:
            self.hosts |= {"127.0.0.1", "localhost", "[::1]"}
        self.cookie = f"triptych-{port}"

    def knows(self, request: web.Request) -> bool:
        return same(request.cookies.get(self.cookie, ""), self.shown)

    def invites(self, request: web.Request) -> bool:
        """Whether the address has a token. That for the browser which we open is good for once."""
        given = request.query.get("token", "")
        if self.once and same(given, self.once):
            self.once = ""
            return True
        return same(given, self.token)

    def trusts(self, request: web.Request) -> bool:
        """Whether it has the key."""
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        given = request.headers.get(KEY_HEADER, "")
        return any(
            same(one, self.key)
            for one in (given, *(word.strip().removeprefix("key.") for word in offered))
        )

    def enter(self, request: web.Request) -> web.StreamResponse:
        """To the same address without its token.
        The key stands behind the #: no server sees that."""
        query = urlencode(
            [(name, value) for name, value in request.query.items() if name != "token"]
        )
        to = f"{request.path}?{query}" if query else request.path
        to += f"#key={self.key}"
        if request.headers.get("Sec-Fetch-Site", "none") in LED_HERE:
            response = web.Response(status=303, headers={"Location": to})
        else:  # a link elsewhere: a browser that is sent on for it leaves out such a cookie
            response = web.Response(text="One moment ...\n", headers={"Refresh": f"0; url={to}"})
        response.set_cookie(self.cookie, self.shown, httponly=True, samesite="Strict", path="/")
        return response

    def refusal(self, request: web.Request) -> tuple[int, str] | None:
        """Why this request gets no answer; None: it gets one."""
        host = request.headers.get("Host", "")
        if host.lower() not in self.hosts:
            return 421, "This server answers to its own address alone: 127.0.0.1."
        if not self.knows(request):
            return 403, UNKNOWN
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{host}":
            return 403, FOREIGN
        if request.headers.get("Sec-Fetch-Site", "none") not in LED_HERE:
            return 403, FOREIGN
        if request.method == "POST" or "Upgrade" in request.headers:
            if origin is None:
                return 403, "A request that starts something must say where it comes from (Origin)."
            if not self.trusts(request):
                return 403, UNKNOWN
        if request.method == "POST" and request.content_type != "application/json":
            return 415, "What is asked must be JSON."
        if request.method not in ("GET", "HEAD", "POST"):
            return 405, "GET reads, POST starts something; there is no other method."
        return None

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        named = request.headers.get("Host", "").lower() in self.hosts
        if (
            named
            and request.method == "GET"
            and request.path in self.entrances
            and self.invites(request)
        ):
            return self.enter(request)
        if refused := self.refusal(request):
            return web.Response(status=refused[0], text=refused[1] + "\n")
        visitor = visitor_of(request)
        if visitor and not visitor.enter():
            return web.Response(status=503, text=CROWDED + "\n")
        try:
            return await handler(request)
        except web.HTTPException as answer:
            return answer
        finally:
            if visitor:
                visitor.answered()

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await self.answer(request, handler)
        if not response.prepared:
            # A connection that waits for another request would hold a descriptor
            response.force_close()
            host = request.headers.get("Host", "")
            response.headers.update(HEADERS)
            response.headers["Content-Security-Policy"] = POLICY.format(
                host=host if host.lower() in self.hosts else ""
            )
        return response


def visitor_of(request: web.Request) -> Visitor | None:
    found = request.transport.get_protocol() if request.transport else None
    return found if isinstance(found, Visitor) else None


def same(given: str, secret: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())
