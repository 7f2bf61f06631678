"""A stranger has the port when the client connects; then comes the right server."""

from __future__ import annotations

import select
import socket
from typing import Any

from lab.workbench import Observation, Workbench, unread

THEME = "request/reply"
ORDER = 115
QUESTION = (
    "A client connects, but another program has the port: it says a word in its own protocol and "
    "goes. Then the right server starts there. Is the client answered?"
)
FIND = (
    "wrong port wrong server foreign protocol mismatch HTTP greeting handshake failed never "
    "reconnects deaf client restart needed"
)
PREDICT = ["yes, in each case", "never again", "it depends on what the stranger said"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
SP_PUB = b"\0SP\0\0\x20\0\0"
ZMTP = b"\xff" + bytes(7) + b"\1\x7f\3\0NULL" + bytes(48)
HTTP = b"HTTP/1.0 400 Bad Request\r\n\r\n"
EXPLANATION = """
A client that connects again by itself must decide what a wrong greeting means: a moment's trouble,
or a wrong address. ZeroMQ takes a fault of the protocol for a wrong address and gives it up for
good; the next send waits for ever. Some words look to it like the beginning of a very old greeting
(HTTP's first letter, read as a length). Those end with the stranger's hang-up, an ordinary broken
connection, and so it connects again. The greeting of nanomsg and NNG begins with a zero byte, which
is a fault.

nanomsg connects again in each case, but it reads ahead into a buffer that outlives the connection.
What the stranger said beyond the eight bytes of a greeting is read as the beginning of the next
connection, eight bytes at each attempt. If the stranger's bytes are a multiple of eight, as the 64
bytes of ZeroMQ's greeting are, the buffer is empty one day and the client is answered. With the 28
bytes of this HTTP answer four are left, and from then on each greeting is read from its middle: the
client is deaf, and hangs up every 100 ms. The same buffer is behind lab too-long-back.

NNG and raw connect again with nothing left of the old connection. The remedy for the others is to
close the socket and open a new one when requests time out.
"""
SOURCES = [
    "libzmq: src/session_base.cpp, engine_error(); src/stream_engine_base.cpp, error()",
    "nanomsg: src/aio/usock_posix.inc, in.batch; src/transports/utils/streamhdr.c",
    "ZeroMQ RFC 23 (ZMTP 3.0): https://rfc.zeromq.org/spec/23/",
]
TRY_NEXT = "Let the stranger say only half of its greeting, or stay silent and hang up."
WORDS = {
    "HTTP": "after an HTTP server's words the client is answered: {}",
    "another library": "after another library's greeting the client is answered: {}",
}
BOTH = {"HTTP": True, "another library": True}
EXPECTED: dict[str, Any] = {
    "raw": BOTH,
    "zmq": {"HTTP": True, "another library": False},
    "nanomsg": {"HTTP": False, "another library": True},
    "nng": BOTH,
}


def hung_up(peer: socket.socket) -> bool:
    """Whether it has closed the connection; what it says is read and forgotten."""
    try:
        while select.select([peer], [], [], 0)[0]:
            if not peer.recv(4096):
                return True
        return False
    except ConnectionError:
        return True


def answered(workbench: Workbench, words: bytes, expected: bool) -> bool:
    """Whether a client is answered that met a stranger first."""
    port = workbench.port()
    url = f"tcp://127.0.0.1:{port}"
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(5)
        client = workbench.driver("req", url, timeout=1000 if workbench.panel != "raw" else 300)
        early = workbench.panel == "raw"  # it connects with its first request
        if early:
            client.begin("send early")
            client.begin("recv")
        stranger, _ = listener.accept()
    # Nobody listens from here on: no other connection of the client reaches a stranger.
    with stranger:
        stranger.sendall(words)
        # The hang-up comes when the client has read the words and done what follows from them.
        workbench.wait_for(lambda: unread(url, 2) == 0 or hung_up(stranger))
        workbench.settle(client)
    workbench.ready("rep", url)
    if early:
        client.result()
        client.result()
    # nanomsg's eight attempts take 0.8 s; where no answer is expected, one request is enough.
    workbench.pause(1.0 if workbench.panel == "nanomsg" else 0.2)
    for _ in range(8 if expected else 1):
        client.begin("send hello")
        client.begin("recv")
        if not client.heard("", 10.0 if expected else 1.0):
            return False  # the send itself waits
        if client.result()["result"] >= 0:
            return True
    return False


def run(workbench: Workbench, panel: str) -> Observation:
    foreign = ZMTP if panel in ("nanomsg", "nng") else SP_PUB
    data: dict[str, Any] = {}
    for name, words in (("HTTP", HTTP), ("another library", foreign)):
        data[name] = answered(workbench, words, EXPECTED.get(panel, BOTH)[name])
        workbench.say(f"{name}: {'answered' if data[name] else 'not answered'}")
    phrase = "; ".join(
        f"after {name}: {'answered' if yes else 'never answered'}" for name, yes in data.items()
    )
    return Observation(data, phrase, 1 if all(data.values()) else 3 if any(data.values()) else 2)
