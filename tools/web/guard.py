"""Who may ask the server for something, and what a page may load.

A page of another site can make a browser send requests to a server on loopback, and it can give
its own name this machine's address (DNS rebinding). So each request must name this server as its
Host, and it must carry the token: in the address the first time, then in a cookie. What starts or
changes something is a POST of JSON whose Origin is this server. The events come over a WebSocket;
browsers let every site open one, so its Origin is checked as well.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

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


class Guard:
    """The token of one server, and the names under which it may be asked."""

    def __init__(self, port: int):
        self.token = secrets.token_urlsafe(24)
        self.once = secrets.token_urlsafe(24)  # other users see a browser's command line
        self.port = port
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        if port == 80:
            self.hosts |= {"127.0.0.1", "localhost", "[::1]"}
        self.cookie = f"triptych-{port}"  # cookies do not tell ports apart

    def knows(self, request: web.Request) -> bool:
        return self.same(request.cookies.get(self.cookie, ""), self.token)

    def invites(self, request: web.Request) -> bool:
        """Whether the address has a token. That for the browser which we open is good for once."""
        given = request.query.get("token", "")
        if self.once and self.same(given, self.once):
            self.once = ""
            return True
        return self.same(given, self.token)

    @staticmethod
    def same(given: str, token: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())

    def admit(self, response: web.StreamResponse) -> None:
        response.set_cookie(self.cookie, self.token, httponly=True, samesite="Strict", path="/")

    def refusal(self, request: web.Request) -> tuple[int, str] | None:
        """Why this request gets no answer; None: it gets one."""
        host = request.headers.get("Host", "")
        if host.lower() not in self.hosts:
            return 421, "This server answers to its own address alone: 127.0.0.1."
        if not self.knows(request) and not (request.method == "GET" and self.invites(request)):
            return 403, "Open the address that ./triptych web has printed: it contains a token."
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{host}":
            return 403, "Pages of other sites may not use this server."
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            if request.method != "GET" or request.path != "/":
                return 403, "Pages of other sites may not use this server."
        if request.method == "POST" or "Upgrade" in request.headers:
            if origin is None:
                return 403, "A request that starts something must say where it comes from (Origin)."
        if request.method == "POST" and request.content_type != "application/json":
            return 415, "What is asked must be JSON."
        if request.method not in ("GET", "HEAD", "POST"):
            return 405, "GET reads, POST starts something; there is no other method."
        return None

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = self.refusal(request)
        if refused:
            status, text = refused
            response: web.StreamResponse = web.Response(status=status, text=text + "\n")
        else:
            try:
                response = await handler(request)
            except web.HTTPException as answer:
                response = answer
        if not response.prepared:
            host = request.headers.get("Host", "") if not refused else ""
            response.headers.update(HEADERS)
            response.headers["Content-Security-Policy"] = POLICY.format(host=host)
        return response
