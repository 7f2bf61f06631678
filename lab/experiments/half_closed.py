"""Closing one direction of a connection."""

from __future__ import annotations

from typing import Any

from lab.words import sentence
from lab.workbench import Observation, Workbench

THEME = "the lecture's sockets"
ORDER = 60
QUESTION = (
    '"shutdown closes one direction of a connection," says the lecture. The client sends its '
    "question and calls shutdown(fd, SHUT_WR); the server reads to the end of the file and then "
    "answers. What becomes of the answer?"
)
FIND = "shutdown close FIN end of file EOF one direction"
PREDICT = [
    "the server's send fails: the client has closed",
    "send succeeds, and the client gets it",
    "send succeeds, and it is lost: the client has closed",
]
PANELS = ["raw"]
EXPLANATION = """
A connection is two streams. SHUT_WR ends one of them: over TCP it sends a FIN, and the peer reads 0
once it has read everything before it. That 0 says "no more from me", not "I am gone". So the answer
arrives. In this way a program such as sort, which must read all of its input before it answers, can
be used over a connection. Only the client's own further sends fail, with "Broken pipe".

After a close the server sees the same: it reads the question and then 0, and cannot tell a close
from a shutdown. It finds out by answering. Over TCP the first send succeeds, because the kernel
takes the bytes; the client's kernel answers with a reset, and the second send fails. A UNIX socket
knows at once.

close gives up one descriptor; shutdown ends the connection's direction. While another copy of the
descriptor is open, as after fork, close tells the peer nothing, and shutdown on any copy holds for
all copies. So a server that forks and forgets to close its copy leaves its clients waiting for an
end.

SHUT_RD does little over TCP, because the protocol has no word for it: the peer's send succeeds, and
Linux even lets the "closed" side read what came. The peer of a UNIX socket is told: "Broken pipe".
"""
SOURCES = [
    "shutdown(2); send(2), EPIPE; RFC 9293, section 3.6.1: half-closed connections",
    "RFC 1122, section 4.2.2.13: data after close is answered with a reset",
    "Linux: net/ipv4/tcp.c, tcp_shutdown(): the receiving direction is left alone",
]
TRY_NEXT = (
    "netcat-openbsd's nc -N sends the FIN at the end of its input, nc does not: who notices?"
)
WORDS = {
    "ask": "the client sends its question: {} bytes",
    "shutdown": "the client calls shutdown with SHUT_WR, which returns {}",
    "server receives": "the server's recv returns {}",
    "server receives the end": "the server's next recv returns {}",
    "server answers": "the server's send of its answer returns {}",
    "client receives": "the client's recv returns {}",
    "client sends more": "another send of the client returns {}",
    "closed: server receives": "a client asks and calls close; the server's recv returns {}",
    "closed: server receives the end": "the server's next recv after that close returns {}",
    "closed: server answers": "the server's send after that close returns {}",
    "closed: server answers again": "the server's second send after that close returns {}",
    "copy kept, one closed": "one of two copies is closed; the peer's recv returns {}",
    "copy kept, one shut down": "shutdown on one of two copies; the peer's recv returns {}",
    "SHUT_RD": "the client calls shutdown with SHUT_RD, which returns {}",
    "SHUT_RD: read": "the client's recv after SHUT_RD returns {}",
    "SHUT_RD: peer sends": "the server's send after SHUT_RD returns {}",
    "SHUT_RD: read again": "the client's recv after that send returns {}",
}
OF_BOTH: dict[str, Any] = {
    "server receives": 8,
    "server receives the end": 0,
    "server answers": 6,
    "client receives": 6,
    "client sends more": "Broken pipe",
    "closed: server receives": 8,
    "closed: server receives the end": 0,
    "closed: server answers again": "Broken pipe",
    "copy kept, one closed": "nothing",
    "copy kept, one shut down": 0,
    "SHUT_RD: read": 0,
}
EXPECTED = {
    "raw": {
        "tcp": {
            **OF_BOTH,
            "closed: server answers": 6,
            "SHUT_RD: peer sends": 6,
            "SHUT_RD: read again": 6,
        },
        "unix": {
            **OF_BOTH,
            "closed: server answers": "Broken pipe",
            "SHUT_RD: peer sends": "Broken pipe",
            "SHUT_RD: read again": 0,
        },
    }
}


def observe(workbench: Workbench, name: str, where: object) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for said in workbench.probe("half-closed", where).rest():
        nothing = (
            said["event"] == "copy kept, one closed"
            and said["error"] == "Resource temporarily unavailable"
        )
        data[said["event"]] = "nothing" if nothing else said["error"] or said["result"]
        workbench.say(f"{name}: {sentence(WORDS, said['event'], data[said['event']])}")
    return data


def bytes_or_error(value: Any) -> str:
    return f"{value} bytes" if isinstance(value, int) else str(value)


def run(workbench: Workbench, panel: str) -> Observation:
    tcp = observe(workbench, "TCP", "inet")
    unix = observe(workbench, "UNIX", workbench.path())
    answered, received = tcp.get("server answers"), tcp.get("client receives")
    answer = 1 if isinstance(answered, str) else 2 if received == answered else 3
    phrase = "; ".join(
        f"{name}: after shutdown "
        f"the client receives {bytes_or_error(seen.get('client receives'))}, "
        f"after close the server's send: {bytes_or_error(seen.get('closed: server answers'))}"
        for name, seen in (("TCP", tcp), ("UNIX", unix))
    )
    return Observation({"tcp": tcp, "unix": unix}, phrase, answer)
