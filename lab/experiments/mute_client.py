"""A connection that says nothing."""

from __future__ import annotations

import contextlib
import select
import socket
import time

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 120
QUESTION = "Somebody connects and says nothing. How long does the server keep the connection?"
FIND = "silent idle connection timeout slowloris keepalive descriptor leak"
PREDICT = ["about a second", "ten seconds or more", "for ever"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
WATCH_SECONDS = 11.0
EXPLANATION = """
Each silent connection costs the server a descriptor, and a process may have 1024 of them by
default. After a thousand silent connections the next honest client is not accepted. So the
libraries give a new connection a time to greet: nanomsg one second, NNG ten, both fixed; ZeroMQ 30
seconds, unless ZMQ_HANDSHAKE_IVL says otherwise. The panel sets it to 1 s. raw's protocol has no
greeting, so it keeps a silent client like any client that has not asked yet. A deadline for the
first byte would take a dozen lines more.

None of them limits a client that has greeted and then falls silent: that is an idle client, and it
is welcome.
"""
SOURCES = [
    "zmq_setsockopt(3), ZMQ_HANDSHAKE_IVL: 30000 ms",
    "nanomsg: src/transports/utils/streamhdr.c",
    "NNG: src/sp/transport/tcp/tcp.c, the time-out of the negotiation",
    "getrlimit(2), RLIMIT_NOFILE",
]
TRY_NEXT = (
    "How many silent connections until raw serves nobody? Lower its limit: prlimit --nofile=64."
)
WORDS = {
    "panel": "the panel",
    "defaults": "by default",
    "closed_ms": "the server hangs up after {} ms",
}
KEPT = {"closed_ms": None}
SECOND = {"closed_ms": [700, 4500]}
TEN = {"closed_ms": [9000, 15_000]}
EXPECTED = {
    "raw": {"panel": KEPT},
    "zmq": {"panel": SECOND, "defaults": KEPT},
    "nanomsg": {"panel": SECOND, "defaults": SECOND},
    "nng": {"panel": TEN, "defaults": TEN},
}


def run(workbench: Workbench, panel: str) -> Observation:
    urls = {"panel": workbench.url(), "defaults": workbench.url()}
    workbench.ready("rep", urls["panel"])
    if panel == "raw":
        del urls["defaults"]  # a plain socket has none to close it
    else:
        workbench.probe("address", "bind", urls["defaults"]).hear()
    closed: dict[str, int | None] = dict.fromkeys(urls)
    watch = WATCH_SECONDS if KEPT in EXPECTED.get(panel, {}).values() else 2 * WATCH_SECONDS
    with contextlib.ExitStack() as stack:
        started = time.monotonic()
        waiting = {}
        for which, url in urls.items():
            port = int(url.rsplit(":", 1)[1])
            waiting[stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))] = which
        workbench.say("somebody connects and says nothing")
        while waiting and not workbench.closed:
            left = watch - (time.monotonic() - started)
            if left <= 0:
                break
            poll = select.poll()
            for sock in waiting:
                poll.register(sock, select.POLLIN)
            ready = dict(poll.poll(min(left, 0.2) * 1000))
            for sock in [sock for sock in waiting if sock.fileno() in ready]:
                if not hung_up(sock):
                    continue  # the server has greeted
                which = waiting.pop(sock)
                closed[which] = round((time.monotonic() - started) * 1000)
                workbench.say(f"{NAMES[which]}: the server hangs up after {closed[which]} ms")
        for which in waiting.values():
            workbench.say(f"{NAMES[which]}: still there after {watch:g} s")

    def told(ms: int | None) -> str:
        return f"more than {watch:g} s" if ms is None else f"{ms / 1000:.1f} s"

    phrase = "; ".join(f"{NAMES[which]}: kept {told(ms)}" for which, ms in closed.items())
    panel_ms = closed["panel"]
    answer = 0 if panel_ms is None else 1 if panel_ms < 3000 else 2
    if panel == "raw" and panel_ms is None:
        answer = 3
    return Observation({which: {"closed_ms": ms} for which, ms in closed.items()}, phrase, answer)


NAMES = {"panel": "the panel", "defaults": "by default"}


def hung_up(sock: socket.socket) -> bool:
    try:
        return not sock.recv(4096)
    except ConnectionError:
        return True
