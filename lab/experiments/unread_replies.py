"""A client that asks and never reads the answers."""

from __future__ import annotations

import socket
from typing import Any

from lab.workbench import Driver, Observation, Workbench

THEME = "request/reply"
ORDER = 75
QUESTION = (
    "A client asks 40 times and never reads its replies, of a MiB each. What does the server's send"
    " do, and is another client answered?"
)
FIND = (
    "slow client never reads does not read receive replies stuck server blocks blocked send buffer"
    " full memory grows backpressure flow control"
)
PREDICT = [
    "send waits for that client, and all others wait with it",
    "send goes on, and the replies gather in the server's memory",
    "send goes on, and drops what the client does not take",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
TIMING = True
EXPLANATION = """
The kernels on both sides hold a few MiB for the client. Then TCP's window is closed, and a plain
send waits, for ever if the client sleeps for ever. A server of one thread that waits there serves
nobody. One client has stopped it, perhaps only with Ctrl-Z or with work of its own.

Each library has decided otherwise. ZeroMQ's REP hands the reply to a queue for that client, of 1000
messages by default (ZMQ_SNDHWM): here all 40 MiB stay in the server's memory, and a thousand such
replies are a GB for each sleeping client. nanomsg's REP looks whether the connection can take a
message, and drops the reply silently if it cannot: one waits, the others are gone. NNG's REP waits,
as the plain socket does, unless NN_SNDTIMEO is set.

The contract (R6) wants a server that no client holds up, so each panel drops replies: raw keeps the
rest of one reply and the next, zmq keeps 32 (ZMQ_SNDHWM), nng waits 200 ms for a client at first,
and then 10 ms at least. For this pattern it is right to drop, since a client that wants its answer
asks again.

Only the process sleeps. Its kernel goes on acknowledging, so TCP's keepalive notices nothing.
"""
SOURCES = [
    "tcp(7): a receiver's window; send(2): it blocks when the message does not fit",
    "zmq_setsockopt(3), ZMQ_SNDHWM: 1000 messages for each peer",
    "nanomsg: src/protocols/reqrep/xrep.c, nn_xrep_send()",
    "NNG: src/sp/protocol/reqrep0/rep.c, rep0_ctx_send()",
    "raw/reqrep.c, rep_send(); zmq/reqrep.c, REPLIES_MAX; nng/reqrep.c, REPLY_MS",
]
TRY_NEXT = "Let the client sleep two seconds only. How many replies does it still find, and which?"
BYTES, ASKS, WAIT_S = 1 << 20, 40, 2.0
WORDS = {
    "defaults": "by default",
    "panel": "the panel",
    "send": "the server's sends: {}",
    "sent": "{} sends returned",
    "grown_mib": "the server's memory grows by {} MiB",
    "next": "another client is answered: {}",
    "next_ms": "another client is answered after {} ms",
}
DROPPED = {"send": "go on", "sent": ASKS, "next": True, "next_ms": [0, 5000]}
STUCK = {"send": "wait", "sent": [1, ASKS - 1], "next": False}
LITTLE, ALL, KEPT_32 = [0, 12], [36, 48], [28, 35]
EXPECTED: dict[str, Any] = {
    "raw": {
        "defaults": {"send": "wait", "sent": [1, ASKS - 1]},
        "panel": {**DROPPED, "grown_mib": LITTLE},
    },
    "zmq": {
        "defaults": {**DROPPED, "grown_mib": ALL}, "panel": {**DROPPED, "grown_mib": KEPT_32}
    },
    "nanomsg": {
        "defaults": {**DROPPED, "grown_mib": LITTLE}, "panel": {**DROPPED, "grown_mib": LITTLE}
    },
    "nng": {"defaults": STUCK, "panel": {**DROPPED, "grown_mib": LITTLE}},
}  # fmt: skip


def plain(workbench: Workbench) -> dict[str, Any]:
    """A plain socket, whose peer reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()), server.accept()[0] as client:
            client.settimeout(WAIT_S)
            for sent in range(ASKS):
                try:
                    client.sendall(bytes(BYTES))
                except TimeoutError:
                    return {"send": "wait", "sent": sent}
    return {"send": "go on", "sent": ASKS}


def answered(workbench: Workbench, server: Driver, url: str, comes: bool) -> dict[str, Any]:
    """A client asks and sleeps, the server answers, another client asks."""
    # What is expected to come gets more time than what is not.
    wait_s = 4 * WAIT_S if comes else WAIT_S
    client, other = (workbench.driver("req", url, timeout=int(wait_s * 1000)) for _ in range(2))
    before = server.figure("VmRSS")
    for _ in range(ASKS):
        client.must("send ask")
    workbench.pause(0.2)
    workbench.settle(client, server)
    client.freeze()
    data: dict[str, Any] = {"send": "go on", "sent": 0}
    while data["sent"] < ASKS and data["send"] == "go on":
        server.must("recv")
        server.begin(f"send -s {BYTES}")
        said = server.heard("", wait_s)
        data["sent"] += said is not None
        if said is None or said["result"] < 0:
            data["send"] = "wait" if said is None else f"fail: {said['errno']}"
    data["grown_mib"] = (server.figure("VmRSS") - before) >> 10
    other.must("send next")
    if data["send"] == "go on":
        server.must("recv")
        server.must("send next")
        server.begin("recv")  # raw works in calls of ours alone
    answer = other.call("recv")
    data["next"], data["next_ms"] = answer.get("text") == "next", answer["us"] // 1000
    client.kill()
    return data


def phrase_of(title: str, seen: dict[str, Any]) -> str:
    if seen["send"] == "wait":
        others = "" if "next" not in seen else ", and so does another client"
        return f"{title}: send waits after {seen['sent']} MiB{others}"
    told = f"{title}: sends {seen['send']}, {seen['grown_mib']} MiB stay in memory"
    return told + (", another client is answered" if seen["next"] else ", another client is not")


def run(workbench: Workbench, panel: str) -> Observation:
    workbench.say(f"a client asks {ASKS} times and sleeps; the server answers with a MiB each time")
    if panel == "raw":
        data = {"defaults": plain(workbench)}
    else:
        url = workbench.url()
        server = workbench.calls("socket REP", "set RCVTIMEO 5000", f"bind {url}")
        data = {"defaults": answered(workbench, server, url, panel != "nng")}
    workbench.say(phrase_of("defaults", data["defaults"]))
    url = workbench.url()
    data["panel"] = answered(workbench, workbench.driver("rep", url, timeout=8000), url, True)
    phrase = "; ".join(phrase_of(name, seen) for name, seen in data.items())
    phrase = phrase.replace("panel:", "the panel:")
    stuck, kept = data["defaults"]["send"] == "wait", data["defaults"].get("grown_mib", 0) > 30
    return Observation(data, phrase, 1 if stuck else 2 if kept else 3)
