"""Bytes that are no protocol arrive at a server."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import time
from typing import Any

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 110
QUESTION = "Somebody sends junk to a server, over TCP and over a UNIX socket. Who survives?"
FIND = "garbage attack security random bytes HTTP fuzz malformed robust protocol error"
PREDICT = ["all of them", "all over TCP, not all over UNIX sockets", "some die either way"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
NOISE = random.Random(1).randbytes(1000)
ZMTP = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
SP = b"\x00SP\x00\x00\x30\x00\x00"
GREETINGS = {"raw": b"", "zmq": ZMTP, "nanomsg": SP, "nng": SP}
EXPLANATION = """
What listens will be spoken to: by port scanners, by browsers, by yesterday's version of your own
client. Over TCP all four close the connection and go on. Each has checked the greeting; after a
right greeting the length of the first message is checked before memory is given for it.

Over a UNIX socket nanomsg trusts whoever can reach the path: the byte that says what kind of
message follows is asserted, not checked, and a wrong one aborts the process, with a line in its
standard error that names the assertion. An assertion on what others send is a remote off switch. A
path needs permissions (the directory's), even more so here.
"""
SOURCES = [
    "nanomsg: src/transports/ipc/sipc.c, NN_SIPC_MSG_NORMAL",
    "RFC 23 and 37 (ZMTP 3); nanomsg: rfc/sp-tcp-mapping-01.txt",
    "unix(7), pathname sockets and permissions; common/CONTRACT.md, R7",
]
TRY_NEXT = "./triptych wire reqrep nanomsg --ipc: find the byte that is asserted."
FINE = {"an HTTP request": "served", "random bytes": "served", "its greeting, then junk": "served"}
DEAD = {**FINE, "its greeting, then junk": "died"}
EXPECTED = {
    "raw": {"tcp": FINE, "ipc": FINE},
    "zmq": {"tcp": FINE, "ipc": FINE},
    "nanomsg": {"tcp": FINE, "ipc": DEAD},
    "nng": {"tcp": FINE, "ipc": FINE},
}


def run(workbench: Workbench, panel: str) -> Observation:
    junk = {"an HTTP request": HTTP, "random bytes": NOISE}
    junk["its greeting, then junk"] = GREETINGS[panel] + b"\xff" * 9 + NOISE
    data: dict[str, dict[str, str]] = {"tcp": {}, "ipc": {}}
    words = ""
    for kind, seen in data.items():
        for what, some in junk.items():
            url = workbench.url(kind)
            server = workbench.ready("rep", url)
            closed = throw(url, some)
            client = workbench.program("req", "-u", url, "-n", 3, "-t", 1000, "hello").summary()
            status = server.ended(0.0)
            seen[what] = (
                "died" if status is not None else "served" if client["received"] else "deaf"
            )
            if status is not None:
                how = signal.Signals(-status).name if status < 0 else f"status {status}"
                last = (server.stderr().strip().splitlines() or [""])[-1]
                words = f"{how}: {last}"
                workbench.say(f"{kind}, {what}: the server died, {words}")
            else:
                hung_up = "the server hung up" if closed else "the server kept listening to it"
                workbench.say(
                    f"{kind}, {what}: {hung_up}; {client['received']} of 3 good requests answered"
                )
            server.kill()
    good = {kind: [w for w in junk if seen[w] == "served"] for kind, seen in data.items()}
    phrase = "; ".join(
        f"{kind}: survives {'all' if len(well) == len(junk) else f'{len(well)} of {len(junk)}'}"
        for kind, well in good.items()
    )
    if words:
        phrase += f", dies of the rest ({words})"
    tcp, ipc = (len(good[kind]) == len(junk) for kind in ("tcp", "ipc"))
    return Observation({**data, "words": words}, phrase, 1 if tcp and ipc else 2 if tcp else 3)


def throw(url: str, junk: bytes) -> bool:
    """Sends it; whether the server closed the connection within 0.3 s."""
    where: Any
    family, where = (
        (socket.AF_UNIX, url[6:])
        if url.startswith("ipc:")
        else (socket.AF_INET, ("127.0.0.1", int(url.rsplit(":", 1)[1])))
    )
    until = time.monotonic() + 0.3
    with socket.socket(family) as sock, contextlib.suppress(ConnectionError):
        sock.connect(where)  # it blocks: a UNIX socket with a time-out would say EAGAIN
        sock.settimeout(2.0)
        sock.sendall(junk)
        sock.settimeout(0.05)
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                if not sock.recv(4096):
                    return True
        return False
    return True  # reset
