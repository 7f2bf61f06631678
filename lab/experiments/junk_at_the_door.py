"""Bytes that are no protocol arrive at a server."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
from typing import Any

from lab.workbench import Observation, Program, Workbench, unread, version

THEME = "request/reply"
ORDER = 110
QUESTION = "Somebody sends junk to a server, over TCP and over a UNIX socket. Who survives?"
FIND = (
    "garbage attack security random bytes HTTP fuzz malformed robust protocol error huge length "
    "claim"
)
PREDICT = ["all of them", "all over TCP, not all over UNIX sockets", "some die either way"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
NOISE = random.Random(1).randbytes(1000)
ZMTP = b"\xff" + bytes(7) + b"\x01\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
SP = b"\x00SP\x00\x00\x30\x00\x00"
ISSUE_1518 = version("nng") < (1, 6)
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03REQ"
CLAIMED = 512 << 20
CLAIM = CLAIMED.to_bytes(8, "big") + b"and no more"
GREETINGS = {"raw": b"", "zmq": ZMTP, "nanomsg": SP, "nng": SP}
EXPLANATION = """
Whoever listens must expect to be spoken to: by port scanners, by browsers, by yesterday's version
of the same client. Over TCP all four close the connection and go on. Each library checks the
greeting; raw, which has none, checks the length. After a right greeting comes the length of the
first message, here half a gigabyte of which nearly nothing follows. raw, ZeroMQ and nanomsg compare
it with their limit and hang up. NNG has no limit as the panel uses it (lab too-long), so it asks
for that memory at once. Its address space grows by as much, but the kernel gives a page of memory
only when something is written to it: the resident memory hardly grows, as R7 asks. The connection
stays.

Over a UNIX socket nanomsg trusts everybody who can reach the path. One byte says what kind of
message follows, and nanomsg asserts its value instead of checking it. A wrong byte aborts the
process, with a line on standard error that names the assertion. An assertion on what others send
lets them end the process. NNG 1.5.2 goes deaf there without any junk: after clients that come and
go without a byte, its listener accepts nobody, though the server lives (NNG issue 1518; cured in
1.6). So the directory of a path needs permissions that keep strangers out.
"""
SOURCES = [
    "nanomsg: src/transports/ipc/sipc.c, NN_SIPC_MSG_NORMAL",
    "https://github.com/nanomsg/nng/issues/1518: Disconnect during negotiation breaks listener",
    "RFC 23 and 37 (ZMTP 3); nanomsg: rfc/sp-tcp-mapping-01.txt",
    "unix(7), pathname sockets and permissions; common/CONTRACT.md, R7",
]
TRY_NEXT = "./triptych wire reqrep nanomsg --ipc: find the byte that is asserted."
WORDS = {
    "an HTTP request": "after an HTTP request: {}",
    "random bytes": "after random bytes: {}",
    "its greeting, then junk": "after its greeting and junk: {}",
    "a long claim": "after a claim of 512 MiB: {}",
    "nothing at all": "after connections without a byte: {}",
    "grown": "the address space grew by the claimed length: {}",
}
HANGS_UP, KEEPS, DIES, DEAF = "served, hangs up", "served, keeps it", "dies", "deaf"
FINE: dict[str, Any] = {
    "an HTTP request": HANGS_UP,
    "random bytes": HANGS_UP,
    "its greeting, then junk": HANGS_UP,
    "a long claim": HANGS_UP,
    "nothing at all": "served",
    "grown": False,
}
GRANTS = {**FINE, "a long claim": KEEPS, "grown": True}
EXPECTED: dict[str, dict[str, Any]] = {
    "raw": {"tcp": FINE, "ipc": FINE},
    "zmq": {"tcp": FINE, "ipc": FINE},
    "nanomsg": {"tcp": FINE, "ipc": {**FINE, "its greeting, then junk": DIES}},
    "nng": {"tcp": GRANTS, "ipc": {**GRANTS, "nothing at all": DEAF if ISSUE_1518 else "served"}},
}
COMINGS = 20  # without a byte; one alone deafens NNG's listener mostly


def claim(panel: str, kind: str) -> bytes:
    """Its greeting, and the head of a message of half a gigabyte."""
    if panel == "raw":
        return CLAIM[4:]
    if panel == "zmq":
        return ZMTP + READY + b"\x02" + CLAIM
    return SP + b"\x01" * (kind == "ipc") + CLAIM


def memory(server: Program) -> int:
    return server.figure("VmSize") if server.running else 0


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, dict[str, Any]] = {"tcp": {}, "ipc": {}}
    words = ""
    for kind, seen in data.items():
        junk = {"an HTTP request": HTTP, "random bytes": NOISE}
        junk["its greeting, then junk"] = GREETINGS[panel] + b"\xff" * 9 + NOISE
        junk |= {"a long claim": claim(panel, kind), "nothing at all": b""}
        for what, some in junk.items():
            url = workbench.url(kind)
            server = workbench.ready("rep", url)
            before = memory(server)
            closed, after = throw(workbench, url, some, server)
            if what == "a long claim":
                seen["grown"] = (after - before) * 1024 > CLAIMED - (32 << 20)
            client = workbench.program("req", "-u", url, "-n", 3, "-t", 1000, "hello").summary()
            status = server.ended(0.0)
            seen[what] = DIES if status is not None else "served" if client["received"] else DEAF
            if seen[what] == "served" and some:
                seen[what] = HANGS_UP if closed else KEEPS
            if status is not None:
                how = signal.Signals(-status).name if status < 0 else f"status {status}"
                words = f"{how}: {(server.stderr().strip().splitlines() or [''])[-1]}"
            told = f"{client['received']} of 3 good requests are answered"
            workbench.say(f"{kind}, {what}: {seen[what]} {words if status is not None else told}")
            server.kill()
    good = {
        kind: [what for what in junk if str(seen[what]).startswith("served")]
        for kind, seen in data.items()
    }
    phrase = "; ".join(
        f"{kind}: survives {'all' if len(well) == len(junk) else f'{len(well)} of {len(junk)}'}"
        for kind, well in good.items()
    )
    phrase += f", dies of one ({words})" if words else ""
    phrase += ", is deaf after connections without a byte" * (DEAF in data["ipc"].values())
    phrase += "; grants a claim of 512 MiB" if data["tcp"]["grown"] else ""
    tcp, ipc = (len(good[kind]) == len(junk) for kind in ("tcp", "ipc"))
    return Observation({**data, "words": words}, phrase, 1 if tcp and ipc else 2 if tcp else 3)


def throw(workbench: Workbench, url: str, junk: bytes, server: Program) -> tuple[bool, int]:
    """Sends it, or comes and goes; whether the server closes the connection once it has read it.

    Also the server's memory, taken while the connection stands.
    """
    family: Any = socket.AF_UNIX
    where: Any = url[6:]
    if not url.startswith("ipc:"):
        family, where = socket.AF_INET, ("127.0.0.1", int(url.rsplit(":", 1)[1]))
    for _ in range(0 if junk else COMINGS):
        with socket.socket(family) as sock:
            sock.connect(where)
        workbench.settle(server)  # it has accepted this one, before the next one comes
    with socket.socket(family) as sock, contextlib.suppress(ConnectionError):
        sock.connect(where)  # it blocks: a UNIX socket with a time-out would say EAGAIN
        sock.settimeout(2.0)
        sock.sendall(junk)
        workbench.wait_for(lambda: unread(url) == 0, 2.0)
        workbench.settle(server)
        sock.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            while sock.recv(4096):
                pass
            return True, memory(server)
        return False, memory(server)
    return True, 0  # reset
