"""The server answers and ends at once."""

from __future__ import annotations

from typing import Any

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 80
QUESTION = "A server sends its reply and ends at once. Does the reply arrive?"
FIND = "linger last message lost exit early close flush"
PREDICT = [
    "always: send had succeeded",
    "only if the server closes its socket",
    "it depends on the library, and on the length",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
WAYS = {"raw": ["exit", "close"], "zmq": ["exit", "close", "term"]}
LENGTHS = {"64 B": 64, "1 MB": 1_000_000}
TRIALS = 8
ROUNDS = 8  # at most, until a reply is lost that is lost by luck
EXPLANATION = """
With a plain socket, the bytes that send has taken belong to the kernel. The kernel delivers them
whether the process lives, closes or crashes, with one exception. If unread bytes wait in the socket
when it is closed, by close or by the end of the process, the kernel sends a reset, and throws away
what it has not transmitted yet (lab close-queued). Here the server had read the request. A
library's send may only have handed the message to another thread of the same process. If the
process ends, so does the thread, and the bytes that it has not written yet are lost.

ZeroMQ always leaves the writing to its thread, so exit and even zmq_close race with it. On a quiet
machine a reply of 64 bytes is lost nearly always, one of a megabyte about half of the time. Where
other programs run, the numbers are others. zmq_ctx_term waits until all is sent (ZMQ_LINGER, for
ever by default).

nanomsg and NNG try to write at once, in the sender's own call, and what the kernel takes in that
call is safe: always a small reply. Of a large one nanomsg writes what fits into the kernel's send
buffer, which it sets to 128 KiB (NN_SNDBUF). It mostly loses the rest, even if nn_close is called:
NN_LINGER, once meant for just that, does nothing. NNG leaves the buffer's size to the kernel, which
over loopback takes 1 MB at a time. A longer reply or a real network would show the same loss. The
remedy is a pause, or better an acknowledgement by the client.
"""
SOURCES = [
    "zmq_ctx_term(3); zmq_setsockopt(3), ZMQ_LINGER",
    "nn_setsockopt(3): NN_LINGER is not implemented; nanomsg: src/core/sock.c: it reads as 0, and"
    " since 0.1 nothing has used what was set",
    "NNG: src/compat/nanomsg/nn.c: it sets NN_LINGER without any effect",
    "close(2), socket(7), SO_LINGER; RFC 2525, 2.17: a reset, if unread bytes wait at the close",
    "common/CONTRACT.md, R11",
]
TRY_NEXT = "The servers are lab/probes/exit_*.c: how short a pause is enough for 1 MB?"
WORDS = {
    "64 B": "{} replies of 64 B arrived",
    "1 MB": "{} replies of 1 MB arrived",
    "small": "{} replies of 64 B arrived after exit or close",
    "large": "{} replies of 1 MB arrived after exit or close",
}
ALL, FEW = TRIALS, [0, TRIALS - 2]
LUCK = {"luck": "whether the library's thread runs before the process ends"}
ALWAYS = {"64 B": ALL, "1 MB": ALL}
RACE = {"64 B": [0, TRIALS - 1], "1 MB": [0, TRIALS - 1]}
BY_LENGTH = {"64 B": ALL, "1 MB": FEW}
EXPECTED: dict[str, dict[str, Any]] = {
    "raw": {"exit": ALWAYS, "close": ALWAYS},
    # Each reply is luck. Of eight some are lost; of sixteen long ones mostly some arrive.
    "zmq": {"exit": RACE, "close": RACE, "large": LUCK, "term": ALWAYS},
    "nanomsg": {"exit": BY_LENGTH, "close": BY_LENGTH, "pause": ALWAYS},
    "nng": {"exit": ALWAYS, "close": ALWAYS, "pause": ALWAYS},
}


def run(workbench: Workbench, panel: str) -> Observation:
    arrived: dict[str, dict[str, int]] = {}
    for way in WAYS.get(panel, ["exit", "close", "pause"]):
        arrived[way] = {name: trials(workbench, way, length) for name, length in LENGTHS.items()}
        told = ", ".join(
            f"{count} of {TRIALS} replies of {name}" for name, count in arrived[way].items()
        )
        workbench.say(f"the server ends by {way}: {told} arrive")
    phrases = [
        f"{way}: " + ", ".join(f"{name} {count}/{TRIALS}" for name, count in counts.items())
        for way, counts in arrived.items()
    ]
    small, large = (arrived["exit"][name] + arrived["close"][name] for name in LENGTHS)
    lost = sum(TRIALS - n for counts in arrived.values() for n in counts.values())
    closed = [n for way, counts in arrived.items() if way != "exit" for n in counts.values()]
    return Observation(
        {**arrived, "small": small, "large": large},
        "arrived after " + "; ".join(phrases),
        1 if lost == 0 else 2 if min(closed) == TRIALS else 3,
    )


def trials(workbench: Workbench, way: str, length: int) -> int:
    """How many replies arrive; of the first round in which one is lost, if that is luck."""
    lucky = workbench.panel == "zmq" and way != "term"
    for _ in range(ROUNDS if lucky else 1):
        arrived = one_round(workbench, way, length)
        if arrived < TRIALS or not lucky:
            break
        workbench.say(f"{way}: all {TRIALS} arrive, by luck; once more, until one is lost")
    return arrived


def one_round(workbench: Workbench, way: str, length: int) -> int:
    pairs = []
    for _ in range(TRIALS):
        url = workbench.url()
        server = workbench.probe("exit", way, url, length)
        server.hear("ready")
        client = workbench.driver("req", url, timeout=20_000)
        client.must("send a question")
        client.begin("recv")
        pairs.append((server, client))
    servers, clients = zip(*pairs, strict=True)
    if way == "pause":  # for as long as the replies travel
        for server in servers:
            server.hear("sent")
        workbench.settle(*servers, *clients)
        for server in servers:
            server.say("")
    for server in servers:
        server.ended()
    waiting = [client for client in clients if not client.has_line()]
    workbench.settle(*waiting, each=True)  # what arrives has arrived
    replies = [client.heard("", 0.0) for client in clients]
    for client in clients:
        client.kill()
    return sum(reply is not None and reply["result"] == length for reply in replies)
