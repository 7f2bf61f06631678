"""The client starts before the server."""

from __future__ import annotations

import time
from typing import Any

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 10
QUESTION = "The client starts one second before the server. What becomes of its first request?"
FIND = "client first before server starts order connection refused retry reconnect"
PREDICT = ["it fails at once", "it is lost, the next one is answered", "it waits and is answered"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HOSTS = True
TIMING = True
EXPLANATION = """
In all three libraries connect only leaves an order with a background thread, which tries again
until somebody listens. A plain socket would have said "connection refused" at once. The libraries
differ in where the request waits meanwhile. ZeroMQ's and nanomsg's REQ queue it, and the send
returns at once. NNG has no connection to put it into and keeps the sender waiting, so the send
itself lasts until the server is there. The panel nanomsg does the same, because its socket is a raw
one (lab lying-server says why). raw does by hand what the libraries do: it connects again after
about 10, 20, 40 ... 200 ms; each wait has a random part.

The answer comes some time after the server's start. That time is the rest of the reconnect
interval, not the network: the panels set it to 100 ms (ZeroMQ adds a random part of as much again).
NNG's own default is a random time up to a second.
"""
SOURCES = [
    "zmq_connect(3): the connection is not made at once; zmq_setsockopt(3), ZMQ_RECONNECT_IVL",
    "nn_connect(3), nn_getsockopt(3), NN_RECONNECT_IVL; NNG: src/compat/nanomsg/nn.c",
    "raw/dialer.c",
]
TRY_NEXT = "Set ZMQ_IMMEDIATE to 1 in zmq/reqrep.c, and see where the request waits then."
WORDS = {
    "answered": "{} requests were answered",
    "send_waits": "{} of the sends waited for the server themselves",
    "longest_ms": "the last answer came {} ms after its server's start",
    "library_waits": "the send of the library's own REQ waited for the server: {}",
}
TRIALS = 6
APART_SECONDS = 0.13  # so that the servers start at different moments of a reconnect interval
# The interval ends at most this late; one of a second would leave somebody waiting for longer.
QUEUED = {"answered": TRIALS, "send_waits": 0, "longest_ms": [10, 600]}
EXPECTED: dict[str, Any] = {
    "raw": QUEUED,
    "zmq": {**QUEUED, "library_waits": False},
    "nanomsg": {**QUEUED, "send_waits": TRIALS, "library_waits": False},
    "nng": {**QUEUED, "send_waits": TRIALS, "library_waits": True},
}


def run(workbench: Workbench, panel: str) -> Observation:
    urls = [workbench.url() for _ in range(TRIALS)]
    clients = [workbench.driver("req", url, timeout=5000) for url in urls]
    workbench.say(f"{TRIALS} clients send, each to a server of its own; nobody listens")
    asked = []
    for client in clients:
        client.begin("send hello")
        client.begin("recv")
        asked.append(time.monotonic())
    own = None
    if panel != "raw":
        own = workbench.calls("socket REQ", "set SNDTIMEO 700", f"connect {workbench.url()}")
        own.begin("send hello")
    workbench.pause(1.0)
    workbench.say("a second later, the servers start")
    started = []
    for url in urls:
        workbench.pause(APART_SECONDS)
        workbench.ready("rep", url)
        started.append(time.monotonic())
    waits, after = 0, []
    for client, begun, start in zip(clients, asked, started, strict=True):
        sent, reply = client.result(), client.result()
        waits += sent["us"] > 500_000
        if reply["result"] >= 0:  # begun, plus what both calls took
            after.append(max(0, round((begun - start) * 1000 + (sent["us"] + reply["us"]) / 1000)))
    after.sort()
    data: dict[str, Any] = {"answered": len(after), "send_waits": waits, "after_ms": after}
    if own:
        data["library_waits"] = own.result()["errno"] is not None
    data["longest_ms"] = after[-1] if after else None
    if len(after) < TRIALS:
        return Observation(data, f"{TRIALS - len(after)} of {TRIALS} are not answered", 2)
    workbench.say(f"the answers are there {', '.join(map(str, after))} ms after")
    where = "send itself waited" if waits == TRIALS else "send returned at once"
    phrase = f"answered {after[0]} to {after[-1]} ms after the server's start; {where}"
    if own and data["library_waits"] != (waits == TRIALS):
        phrase += ", with the library's own REQ it returns at once"
    return Observation(data, phrase, 3)
