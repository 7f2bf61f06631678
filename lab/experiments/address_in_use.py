"""A server is killed and started again at once, on the same port or path."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 105
QUESTION = (
    "A server that has a client is killed and started again at once, on the same port. May it bind?"
)
FIND = (
    "address already in use EADDRINUSE "
    "TIME_WAIT restart restarted again at once bind fails port still in use wait a minute "
    "SO_REUSEADDR FIN_WAIT2 socket file left behind unlink stale"
)
PREDICT = [
    "no: the port is in use for a minute",
    "only with SO_REUSEADDR, which the program must set",
    "yes: the library sets SO_REUSEADDR",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
The side that closes a TCP connection first keeps its address for a while (TIME_WAIT; on Linux 60 s)
so that late packets of the old connection do not reach a new one. A killed server is the side that
closes first. Without SO_REUSEADDR bind refuses a port on which such a connection is left. With it,
bind refuses a port only if somebody listens there. On Linux both listeners must have set it, the
old one and the new one. All three libraries set it before they bind, and so does raw/. The plain
sockets of this experiment try both.

A UNIX path knows no TIME_WAIT, but the file stays. A plain socket and ZeroMQ leave it even after a
clean close; nanomsg and NNG remove it when they close. After a kill it is always there, and the
plain socket cannot bind. ZeroMQ removes whatever is at the path before it binds; nanomsg and NNG
remove it only if nobody answers there. Our panels remove the path at a clean close, and a stale one
at the next start (R10).
"""
SOURCES = [
    "socket(7), SO_REUSEADDR; tcp(7); RFC 9293 (TCP), 3.3.2: TIME-WAIT; unix(7), NOTES",
    "Stevens, UNIX Network Programming, 2.7 and 7.5",
    "libzmq: src/tcp_listener.cpp, src/ipc_listener.cpp; nanomsg: src/aio/usock_posix.inc; "
    "NNG: src/platform/posix/posix_tcplisten.c",
    "common/CONTRACT.md, R10",
]
TRY_NEXT = "Let the client leave first, and only then the server: is the port in use now? Why not?"
WORDS = {
    "restart": "the panel's server, started again: {}",
    "left": "a connection of the dead server is still there: {}",
    "plain": "a plain socket without SO_REUSEADDR binds again: {}",
    "SO_REUSEADDR": "a plain socket with SO_REUSEADDR binds again: {}",
    "after close": "after a clean close the path's file is there: {}",
    "after kill": "after a kill the path's file is there: {}",
    "bind after kill": "a bind to what a killed server left: {}",
    "panel": "after the panel's clean close the path's file is there: {}",
}
TCP = {"restart": "ok", "left": True}
PLAIN = {"plain": "EADDRINUSE", "SO_REUSEADDR": "ok"}
STAYS = {"after close": True, "after kill": True, "bind after kill": "ok", "panel": False}
REMOVED = {**STAYS, "after close": False}
EXPECTED: dict[str, Any] = {
    "raw": {**TCP, **PLAIN, **STAYS, "bind after kill": "EADDRINUSE"},
    "zmq": {**TCP, **STAYS},
    "nanomsg": {**TCP, **REMOVED},
    "nng": {**TCP, **REMOVED},
}
ENDING = {"04", "05", "06"}  # FIN_WAIT1, FIN_WAIT2, TIME_WAIT in /proc/net/tcp


def connections_left(port: int) -> bool:
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(f":{port:04X}") and row[3] in ENDING for row in rows)


def bound(family: int, address: Any, reuse: bool) -> tuple[str, socket.socket]:
    """What bind says, and the listener."""
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
    try:
        listener.bind(address)
        listener.listen(1)
        return "ok", listener
    except OSError as error:
        return errno.errorcode[error.errno or 0], listener


def plain_again(port: int, reuse: bool) -> str:
    """A listener with a client goes as if it were killed; another one comes."""
    address = ("127.0.0.1", port)
    _, listener = bound(socket.AF_INET, address, reuse)
    client = socket.create_connection(address)
    server, _ = listener.accept()
    server.close()
    listener.close()
    said, again = bound(socket.AF_INET, address, reuse)
    again.close()
    client.close()
    return said


def paths(workbench: Workbench, panel: str) -> dict[str, Any]:
    path = workbench.path("library")
    url = f"ipc://{path}"
    if panel == "raw":
        bound(socket.AF_UNIX, str(path), False)[1].close()
        closed = path.exists()
        path.unlink(missing_ok=True)
        bound(socket.AF_UNIX, str(path), False)[1].close()  # for the path, a kill is no different
        killed, again = path.exists(), bound(socket.AF_UNIX, str(path), False)[0]
    else:
        # zmq_close returns before it is done, zmq_ctx_term does not.
        ways = ["close", "term"] if panel == "zmq" else ["close"]
        ended = workbench.calls("socket REP", f"bind {url}", *ways)
        workbench.settle(ended)
        closed = path.exists()
        workbench.calls("socket REP", f"bind {url}").kill()
        killed = path.exists()
        again = workbench.calls("socket REP").call(f"bind {url}")["errno"] or "ok"
    own = workbench.path("panel")
    driver = workbench.driver("rep", f"ipc://{own}")
    driver.must("close")
    there = os.path.lexists(own)
    return {"after close": closed, "after kill": killed, "bind after kill": again, "panel": there}


def run(workbench: Workbench, panel: str) -> Observation:
    port = workbench.port()
    url = f"tcp://127.0.0.1:{port}"
    server = workbench.ready("rep", url)
    client = workbench.driver("req", url, timeout=5000)
    client.ask("are you there?")
    server.kill()
    left = bool(workbench.wait_for(lambda: connections_left(port)))
    said = workbench.driver().call(f"open rep {url}")["errno"] or "ok"
    workbench.say(f"killed with a client, started again: {said}")
    data: dict[str, Any] = {"restart": said, "left": left}
    phrase = f"the panel: {said}"
    if panel == "raw":
        data["plain"] = plain_again(workbench.port(), False)
        data["SO_REUSEADDR"] = plain_again(workbench.port(), True)
        phrase = f"without SO_REUSEADDR: {data['plain']}, with it: {data['SO_REUSEADDR']}"
    data.update(paths(workbench, panel))
    stays = "stays" if data["after close"] else "is removed"
    phrase += f"; a path's file {stays} at close; bind after a kill: {data['bind after kill']}"
    workbench.say(phrase)
    answer = 2 if data.get("plain") == "EADDRINUSE" else 3 if said == "ok" else 1
    return Observation(data, phrase, answer)
