"""Two programs that both send before they receive."""

from __future__ import annotations

import socket
from typing import Any

from lab.workbench import Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 35
QUESTION = (
    "Two connected programs each send 10,000 messages of 4 KiB, with blocking sends, and receive "
    "only then. Do they get that far?"
)
FIND = (
    "deadlock both block in send hang stuck send buffer full mutual write large SO_SNDBUF "
    "backpressure pipelining bidirectional"
)
PREDICT = ["yes", "no: both wait in send, for ever", "one gets through, then the other"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
MESSAGES, BYTES = 10_000, 4096
EXPLANATION = """
A blocking send returns as soon as there is room for the message, and waits when there is none. The
room is the sender's kernel buffer and the receiver's kernel buffer, and only a receive makes more.
If both programs are in send, nobody receives, and both wait for ever: a deadlock without any lock.
A few small messages fit into the buffers, and nothing happens. So neither a test nor the first year
of use finds the fault.

A library has more room, but its room ends too. ZeroMQ has 1000 messages at each end. nanomsg and
NNG have little beside the kernel's buffers, and nanomsg makes those smaller (NN_SNDBUF and
NN_RCVBUF, 128 KiB). When the room is full, their sends block as well. Without a limit (ZMQ_SNDHWM
0) ZeroMQ's send never blocks, and the queue takes the memory of the process instead. A program
cures the fault if it receives while it sends (poll for both), or if its protocol lets one side
speak at a time. With request/reply the deadlock cannot happen, because each side waits for the
other.

As soon as one of the two receives, the other goes on. The experiment shows that as well.
"""
SOURCES = [
    "send(2): if the message does not fit into the send buffer, send() normally blocks; tcp(7)",
    "zmq_setsockopt(3), ZMQ_SNDHWM; zmq_socket(3), ZMQ_PAIR: mute state",
    "nn_send(3): https://nanomsg.org/v1.1.5/nn_send.html; "
    "NNG: src/sp/protocol/pair0/pair.c, pair0_sock_init(): queues of length 0",
    "lab/probes/calls_zmq.c, lab/probes/calls_nn.c",
]
TRY_NEXT = "With 100 messages (MESSAGES in this file) all goes well. Where is the limit, and whose?"
WORDS = {
    "stuck": "both wait in send: {}",
    "sent": "the first had sent {} of 10,000 messages",
    "released": "when one receives, the other goes on: {}",
}
LEAST = {"raw": 20, "zmq": 1500, "nanomsg": 5, "nng": 50}  # the kernel's buffers differ
EXPECTED: dict[str, Any] = {
    panel: {"stuck": True, "sent": [LEAST[panel], MESSAGES - 1], "released": True}
    for panel in PANELS
}
EXPECTED["zmq"]["SNDHWM 0"] = {"stuck": False, "sent": MESSAGES}


def fill(sender: socket.socket) -> int:
    """Whole messages until send would block."""
    sent = 0
    sender.setblocking(False)
    try:
        while sent < MESSAGES * BYTES:
            sent += sender.send(b"x" * BYTES)
    except BlockingIOError:
        pass
    return sent // BYTES


def plain() -> dict[str, Any]:
    """Plain sockets; non-blocking, to see where a blocking send would wait."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with ours, theirs:
        sent = [fill(ours), fill(theirs)]
        stuck = max(sent) < MESSAGES
        received = 0
        ours.settimeout(5)
        while received < sent[1] * BYTES:
            received += len(ours.recv(1 << 16))
        theirs.settimeout(5)
        return {"stuck": stuck, "sent": sent[0], "released": theirs.send(b"x" * BYTES) > 0}


def library(workbench: Workbench, *options: str) -> dict[str, Any]:
    url = workbench.url()
    lines = ["set SNDTIMEO 200", "set RCVTIMEO 1000", *options]
    ends = [
        workbench.calls("socket PAIR", *lines, f"bind {url}"),
        workbench.calls("socket PAIR", *lines, f"connect {url}"),
    ]
    while ends[0].call("send hello")["result"] < 0:
        pass
    while ends[1].call("recv")["result"] < 0:
        pass
    sent, moved = [0, 0], True
    while moved and min(sent) < MESSAGES:
        for end, done in zip(ends, sent, strict=True):
            end.begin(f"flood {MESSAGES - done} {BYTES}")
        more = [end.result(30)["result"] for end in ends]
        sent, moved = [sent[0] + more[0], sent[1] + more[1]], any(more)
        workbench.settle(*ends)  # a send may have waited in vain for threads that were not at rest
    stuck = max(sent) < MESSAGES
    data = {"stuck": stuck, "sent": sent[0]}
    if stuck:
        ends[0].must("set SNDTIMEO 5000")
        ends[0].begin("send one more")
        ends[1].begin("drain")
        data["released"] = ends[0].result()["result"] >= 0
    return data


def run(workbench: Workbench, panel: str) -> Observation:
    data = plain() if panel == "raw" else library(workbench)
    stuck = "both wait in send" if data["stuck"] else "both get through"
    workbench.say(f"{stuck}; the first had sent {data['sent']} of {MESSAGES}")
    phrase = f"{stuck} after {data['sent']} messages"
    if panel == "zmq":
        data["SNDHWM 0"] = library(workbench, "set SNDHWM 0")
        phrase += f"; without a high-water mark after {data['SNDHWM 0']['sent']}"
    return Observation(data, phrase, 2 if data["stuck"] else 1)
