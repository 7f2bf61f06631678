"""A server that answers what nobody asked."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any

from lab.workbench import Driver, Observation, Workbench

THEME = "request/reply"
ORDER = 97
QUESTION = (
    "Right after each reply a server sends another one, to a request that nobody made. The client "
    "takes the first reply when both are there. What does it get?"
)
FIND = (
    "malicious server untrusted reply wrong id crash use after free freed memory chunk.c abort "
    "SIGSEGV security AF_SP_RAW raw socket"
)
PREDICT = [
    "always the reply to its request",
    "the other one",
    "it depends on the other one's length",
]
PANELS = ["zmq", "nanomsg", "nng"]
EXPLANATION = """
A REQ socket numbers its requests, and takes only the reply with the latest number. nanomsg puts
each frame that arrives where it keeps the reply, and compares the number afterwards. It drops a
frame with another number. But that place may already have held the right reply, which the program
has not taken yet, and nanomsg still says that a reply is there. So the program gets what is left of
the dropped frame. A body of up to 27 bytes is left whole, and the program takes a lie for the
reply. A longer one is freed memory: nanomsg's next check of it ends the process. Any server can do
that to its clients.

No option prevents it. The panel nanomsg therefore does without nanomsg's REQ. It opens a raw socket
of the same protocol (AF_SP_RAW), which reads a message only when the program asks for one, and
numbers the requests itself. It pays with what REQ does besides: a request whose connection breaks
is not sent again (lab killed-server).

NNG compares first, and so does ZeroMQ where REQ_CORRELATE gives the requests a number at all. A
client trusts its server more than a server trusts its clients, and with less reason than one may
think: whoever can take the server's address can be the server.
"""
SOURCES = [
    "nanomsg: src/protocols/reqrep/req.c, nn_req_in(): task.reply in the state DONE",
    "nanomsg: src/utils/chunkref.c: a frame of less than 32 bytes is kept without a chunk",
    "nn_socket(3), AF_SP_RAW; nn_cmsg(3), SP_HDR: https://nanomsg.org/v1.1.5/nn_socket.html",
    "libzmq: src/req.cpp, recv_reply_pipe(); NNG: src/sp/protocol/reqrep0/req.c, req0_recv_cb()",
    "common/CONTRACT.md, R2",
]
TRY_NEXT = "./triptych diff reqrep nanomsg-1 nanomsg --function req_send"
WORDS = {
    "library, short": "the library's own client, after a short lie: {}",
    "library, long": "the library's own client, after a long lie: {}",
    "panel, short": "the panel's client, after a short lie: {}",
    "panel, long": "the panel's client, after a long lie: {}",
}
ANSWERED, LIED_TO, DIES = "gets the reply", "gets the lie", "is aborted"
PANEL = {"panel, short": ANSWERED, "panel, long": ANSWERED}
RIGHT = {"library, short": ANSWERED, "library, long": ANSWERED, **PANEL}
EXPECTED = {
    "zmq": RIGHT,
    "nanomsg": {"library, short": LIED_TO, "library, long": DIES, **PANEL},
    "nng": RIGHT,
}
LIES = {"short": b"a lie", "long": b"a lie" * 200}
OPTIONS = {"zmq": ["set REQ_RELAXED 1", "set REQ_CORRELATE 1"]}
ASKS = 10
SP_REP = b"\0SP\0\0\x31\0\0"
ZMTP_REP = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + bytes(48)
ZMTP_READY = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03REP"
NO_ID = b"\x81\2\3\4"


def exactly(peer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            raise ConnectionError("the client has gone")
        data += more
    return data


class Sp:
    """nanomsg's and NNG's protocol: a length of 8 bytes, an id of 4, the body."""

    def greet(self, peer: socket.socket) -> None:
        peer.sendall(SP_REP)
        exactly(peer, len(SP_REP))

    def request(self, peer: socket.socket) -> list[bytes]:
        frame = exactly(peer, struct.unpack(">Q", exactly(peer, 8))[0])
        return [frame[:4], frame[4:]]

    def reply(self, envelope: list[bytes], body: bytes) -> bytes:
        frame = b"".join(envelope) + body
        return struct.pack(">Q", len(frame)) + frame


class Zmtp:
    """ZeroMQ's: flags, a length, the bytes; an id if asked for, an empty frame, the body."""

    def greet(self, peer: socket.socket) -> None:
        peer.sendall(ZMTP_REP)
        exactly(peer, len(ZMTP_REP))
        peer.sendall(ZMTP_READY)
        self.frame(peer)

    def frame(self, peer: socket.socket) -> bytes:
        return exactly(peer, exactly(peer, 2)[1])

    def request(self, peer: socket.socket) -> list[bytes]:
        return [self.frame(peer) for _ in range(3)]

    def reply(self, envelope: list[bytes], body: bytes) -> bytes:
        first = b"".join(bytes([1, len(part)]) + part for part in envelope)
        return first + b"\2" + struct.pack(">Q", len(body)) + body


def lied_to(
    workbench: Workbench, panel: str, client: Driver, listener: socket.socket, lie: bytes
) -> str:
    """What becomes of a client whose server lies before and after each reply."""
    speaks = Zmtp() if panel == "zmq" else Sp()
    client.begin("send 0")
    peer, _ = listener.accept()
    with peer, contextlib.suppress(ConnectionError):  # by a client that has ended
        peer.settimeout(10)
        speaks.greet(peer)
        for number in range(ASKS):
            client.heard("")
            *envelope, body = speaks.request(peer)
            other = [NO_ID, *envelope[1:]]
            lies = speaks.reply(other, lie)  # one first: whoever takes what comes is found out
            peer.sendall(lies + speaks.reply(envelope, b"to " + body) + lies)
            workbench.settle(client)  # all are there
            client.begin("recv")
            said = client.heard("")
            if not said:
                break
            if said.get("text") != f"to {number}":
                told = said.get("text") or said["errno"]
                return LIED_TO if told == "a lie" else f"gets {told}"
            client.begin(f"send {number + 1}")
        else:
            return ANSWERED
    status = client.ended()
    return DIES if status == -6 else f"ends with {status}"


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, Any] = {}
    for who in ("library", "panel"):
        for length, lie in LIES.items():
            with socket.create_server(("127.0.0.1", 0)) as listener:
                listener.settimeout(10)
                url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
                if who == "panel":
                    client = workbench.driver("req", url, timeout=3000)
                else:
                    limits = ["set SNDTIMEO 8000", "set RCVTIMEO 3000", *OPTIONS.get(panel, [])]
                    client = workbench.calls("socket REQ", *limits, f"connect {url}")
                data[f"{who}, {length}"] = told = lied_to(workbench, panel, client, listener, lie)
            workbench.say(f"{who}, {length} lie: it {told}")
    library = [data["library, short"], data["library, long"]]
    both = library[0] == library[1]
    phrase = f"the library's {library[0]}" + ("" if both else f", or {library[1]}")
    phrase += f"; the panel's {data['panel, short']}"
    answer = {ANSWERED: 1, LIED_TO: 2}.get(library[0], 0) if both else 3
    return Observation(data, phrase, answer)
