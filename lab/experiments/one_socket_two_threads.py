"""Two threads that send on one socket."""

from __future__ import annotations

import time
from typing import Any

from lab.workbench import Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 75
QUESTION = (
    "Two threads send on the same socket at the same time, one all As, the other all Bs. What does "
    "the receiver get?"
)
FIND = (
    "thread safe share socket between threads multithreading mutex lock race interleaved mixed "
    "corrupt concurrent send assertion failed"
)
PREDICT = [
    "whole messages, in some order",
    "messages in which As and Bs are mixed",
    "nothing any more: the process is aborted",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
TIMING = True
EXPLANATION = """
The kernel protects itself: each send on a plain socket goes in as a whole as long as there is room
for it, and two threads may call it. A message that takes two sends, a head and then a body, has a
gap between the two. Now and then the other thread's send falls into it: some messages in ten
thousand are mixed, all others are good. It takes a lock around the whole message. (A blocking send
that finds the buffer nearly full may be interrupted in the same way; that was not measured.)

A ZeroMQ socket belongs to one thread. Nothing protects its queue, and two threads at once break it.
An assertion ends the process, or messages vanish, or it goes well, by luck: a test with few
messages shows nothing. With a lock around each call it works here: zmq(7) lets a socket go to
another thread with a full memory barrier, as a lock is. But zmq_socket(3) forbids "under any
circumstances" that several threads use one. The ZeroMQ way is a socket for each thread. Only its
context is safe to share. nanomsg's and NNG's sockets have a lock of their own, so whole messages
arrive.

Luck decides in which trial it goes wrong: here in the first, or only in the thirteenth. The
experiment checks that it goes wrong within sixty. Our panels promise nothing: a handle must be used
by one thread only (common/pattern.h).
"""
SOURCES = [
    "zmq_socket(3) and zmq(7), Thread safety",
    "nn_send(3): https://nanomsg.org/v1.1.5/nn_send.html; nanomsg: src/core/sock.c, nn_ctx_enter()",
    "send(2); NNG: src/core/socket.c",
    "lab/probes/two_threads.c",
]
TRY_NEXT = "Two threads that receive: change the probe so that the receiver has them. What is lost?"
ONCE, TWICE, LOCK = "one send", "two sends", "two sends, lock"
WORDS = {
    ONCE: "one send for each message goes wrong: {}",
    TWICE: "two sends for each message go wrong: {}",
    LOCK: "two sends with a lock around them go wrong: {}",
    "mixed": "of mixed messages there were {}",
}
LUCK_S, SAFE = 25.0, 5  # time until a trial goes wrong, at most; trials of what must not go wrong
EXPECTED: dict[str, Any] = {
    "raw": {ONCE: False, TWICE: True, LOCK: False, "mixed": [2, 1_000_000]},
    "zmq": {ONCE: True, TWICE: True, LOCK: False},
    "nanomsg": {ONCE: False, "mixed": 0},
    "nng": {ONCE: False, "mixed": 0},
}
ARGUMENTS: dict[str, list[str]] = {ONCE: [], TWICE: ["twice"], LOCK: ["lock"]}


def trial(workbench: Workbench, way: str) -> tuple[str, int]:
    """What happened, and how many messages were mixed."""
    probe = workbench.probe("two-threads", workbench.url(), *ARGUMENTS[way])
    said = probe.heard("", 25.0)
    if said is None:
        return ("aborted" if probe.ended() in (-6, -11) else "ended", 0)
    sent = said["messages"] % 1000 == 0  # all: a round number
    probe.kill()
    return ("mixed" if said["mixed"] else "whole" if sent else "lost", said["mixed"])


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, Any] = {"mixed": 0}
    phrases: list[str] = []
    kinds: set[str] = set()
    for way in (key for key in ARGUMENTS if key in EXPECTED[panel]):
        expected = EXPECTED[panel][way]
        number, end, begun = 0, "whole", time.monotonic()
        # Two threads that a busy machine runs in turn seldom meet.
        while end == "whole" and (time.monotonic() - begun < LUCK_S if expected else number < SAFE):
            end, mixed = trial(workbench, way)
            data["mixed"] += mixed
            number += 1
        data[way] = end != "whole"
        kinds.add(end)
        told = f"{end} in trial {number}" if end != "whole" else f"whole in {number} trials"
        phrases.append(f"{way}: {told}")
        workbench.say(phrases[-1])
    answer = 3 if "aborted" in kinds else 2 if "mixed" in kinds else 1
    return Observation(data, "; ".join(phrases), answer)
