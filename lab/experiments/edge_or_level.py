"""The descriptor that a library gives to an event loop."""

from __future__ import annotations

import select
import socket
from typing import Any

from lab.workbench import Driver, Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 105
QUESTION = (
    "A program has an event loop of its own and asks the library for a descriptor. Whenever poll "
    "says that it is readable, it receives one message. Four messages come. How many does it get?"
)
FIND = (
    "ZMQ_FD NN_RCVFD event loop epoll libevent glib asyncio edge triggered level EPOLLET missed "
    "wakeup hangs message not delivered until the next ZMQ_EVENTS integrate"
)
PREDICT = ["four", "one: then poll says nothing more", "none"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
MESSAGES = 4
EXPLANATION = """
poll(2) on a socket is level-triggered: it reports the socket as long as there is something to read.
nanomsg's and NNG's NN_RCVFD do the same: the descriptor is readable while a message can be
received.

ZMQ_FD does not. It belongs to the mailbox through which the library's thread wakes the program, and
the thread wakes it when there is news, not as long as there are messages. The manual says
"edge-triggered": after each event the program must ask for ZMQ_EVENTS, and receive until it gets
EAGAIN. A loop that takes one message for each "readable" leaves the others where they are, and goes
on only when something else happens. It looks as if each message arrived one too late. Also, the
descriptor may be readable although no message is there.

A plain socket has both ways: epoll(7) with EPOLLET reports only the news, and a loop that takes one
message from it gets stuck in the same way. Our panels need none of this, because they wait in the
library's own calls.
"""
SOURCES = [
    "zmq_getsockopt(3), ZMQ_FD and ZMQ_EVENTS",
    "nn_getsockopt(3), NN_RCVFD: https://nanomsg.org/v1.1.5/nn_getsockopt.html",
    "epoll(7), level-triggered and edge-triggered; poll(2)",
    "lab/probes/calls_zmq.c, lab/probes/calls_nn.c",
]
TRY_NEXT = "In build/lab/probes/calls-zmq: poll 0, get EVENTS, recv, in different orders."
WORDS = {
    "one each": "one receive for each readable gets {} of 4 messages",
    "left": "{} messages are still there",
    "until EAGAIN": "after receiving until EAGAIN, the next message wakes poll: {}",
    "EPOLLET": "with EPOLLET it gets {} of 4",
}
LEVEL = {"one each": 4, "left": 0, "until EAGAIN": True}
EXPECTED: dict[str, Any] = {
    "raw": {**LEVEL, "EPOLLET": 1},
    "zmq": {"one each": 1, "left": 3, "until EAGAIN": True},
    "nanomsg": LEVEL,
    "nng": LEVEL,
}
CALM_MS = 50
SILENT_MS = 300  # poll says nothing for so long: the loop is stuck, or all has been received


def readable(workbench: Workbench, receiver: Driver, sender: Driver) -> bool:
    """Whether poll says so, if need be once nothing moves any more."""
    if receiver.must(f"poll {SILENT_MS}")["result"]:
        return True
    workbench.settle(sender, receiver)
    return bool(receiver.must("poll 0")["result"])


def plain(flags: int) -> int:
    """The same loop on a plain socket, each byte a message."""
    ours, theirs = socket.socketpair()
    with ours, theirs, select.epoll() as epoll:
        epoll.register(ours, select.EPOLLIN | flags)
        theirs.send(b"x" * MESSAGES)
        got = 0
        while got < MESSAGES and epoll.poll(SILENT_MS / 1000):
            got += len(ours.recv(1))
        return got


def run(workbench: Workbench, panel: str) -> Observation:
    if panel == "raw":
        level, edge = plain(0), plain(select.EPOLLET)
        workbench.say(f"plain sockets: {level} of {MESSAGES}, with EPOLLET {edge}")
        data: dict[str, Any] = {"one each": level, "left": MESSAGES - level, "until EAGAIN": True}
        phrase = f"gets {level} of {MESSAGES}; with EPOLLET {edge}"
        return Observation({**data, "EPOLLET": edge}, phrase, 1 if level == MESSAGES else 2)
    url = workbench.url()
    sender = workbench.calls("socket PUSH", "set SNDTIMEO 5000", f"bind {url}")
    receiver = workbench.calls("socket PULL", "set RCVTIMEO 5000", f"connect {url}")
    sender.must("send hello")
    receiver.must("recv")
    receiver.must("set RCVTIMEO 0")
    receiver.must("drain")
    workbench.settle(sender, receiver)
    while receiver.must(f"poll {CALM_MS}")["result"]:  # connecting has woken it as well
        receiver.must("drain")
        workbench.settle(sender, receiver)
    for number in range(MESSAGES):
        sender.must(f"send {number}")
    workbench.settle(sender, receiver)  # all of them are there
    got = 0
    while got < MESSAGES and readable(workbench, receiver, sender):
        got += receiver.call("recv")["result"] >= 0
    workbench.say(f"one receive for each readable: {got} of {MESSAGES}")
    left = receiver.must("drain")["result"]
    sender.must("send one more")
    woken = receiver.must("poll 5000")["result"] == 1
    workbench.say(f"{left} are still there; after receiving until EAGAIN poll is woken: {woken}")
    data = {"one each": got, "left": left, "until EAGAIN": woken}
    phrase = f"gets {got} of {MESSAGES}" + (f"; {left} are left in the queue" if left else "")
    return Observation(data, phrase, {MESSAGES: 1, 1: 2, 0: 3}.get(got, 0))
