"""A client sends to a server that is not there, closes its socket, and leaves."""

from __future__ import annotations

import errno
import socket
from typing import Any

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 85
QUESTION = (
    "A client sends one message to a server that is not there, closes its socket and wants to end. "
    "The library's options are as it sets them. What happens?"
)
FIND = "linger hang hangs exit close ctx_term zmq_ctx_term destroy never ends blocks at exit"
PREDICT = [
    "send fails: nobody is there",
    "send succeeds, the program ends, the message is lost",
    "send succeeds, and the program hangs until the server comes",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
A plain socket has to connect before it can send, and connect says that nobody is there.

In ZeroMQ the message is in a queue of the library. zmq_close returns at once, and zmq_ctx_term
waits until the queue is empty: ZMQ_LINGER is -1 by default, for ever. If the server comes one day,
the message arrives and the program ends; if not, the program hangs at its very last line. With
ZMQ_LINGER 0 it ends at once and the message is lost; with a number of milliseconds it tries for so
long. zmq_ctx_term also waits for every socket of the context that has not been closed, whatever its
ZMQ_LINGER is: the other common reason for a program that does not end.

nanomsg takes the request as well, but nn_close does not wait: the message is lost without a word.
NN_LINGER exists and does nothing. NNG takes no request before it has a connection: its send waits,
and here ends with a time-out, so the program knows.

When a client of ours closes, its panel drops what is unsent (pattern.h, req_close): a client that
gives up does not need the answer. A server waits, but not for ever.
"""
SOURCES = [
    "zmq_ctx_term(3); zmq_setsockopt(3), ZMQ_LINGER: default -1",
    "nn_setsockopt(3), NN_LINGER: not implemented: https://nanomsg.org/v1.1.5/nn_setsockopt.html",
    "connect(2), ECONNREFUSED",
    "lab/probes/calls_zmq.c, lab/probes/calls_nn.c",
]
TRY_NEXT = (
    "Type the calls yourself into build/lab/probes/calls-zmq: socket REQ, connect "
    "tcp://127.0.0.1:5555, send hello, close, term. Then start build/zmq-rep on that address."
)
WORDS = {
    "send": "send says: {}",
    "ends": "the program ends: {}",
    "arrives": "the message reaches a server that comes later: {}",
    "open": "with a socket left open and ZMQ_LINGER 0, zmq_ctx_term returns: {}",
    "panel closes": "the panel's close returns while nobody is there: {}",
}
LOST = {"send": "ok", "ends": "at once", "arrives": False}
PANEL = {"panel closes": True}
EXPECTED: dict[str, Any] = {
    "raw": {"connect": "ECONNREFUSED", **PANEL},
    "zmq": {
        "defaults": {"send": "ok", "ends": "when the server has come", "arrives": True},
        "LINGER 0": LOST,
        "open": False,
        **PANEL,
    },
    "nanomsg": {"defaults": LOST, "LINGER 5000": LOST, **PANEL},
    "nng": {"defaults": {"send": "ETIMEDOUT", "ends": "at once", "arrives": False}, **PANEL},
}
WAYS = {"zmq": ["defaults", "LINGER 0"], "nanomsg": ["defaults", "LINGER 5000"]}
HANG_S, SURE_S = 0.5, 10.0  # silence that counts as a hang where one is expected, and elsewhere


def leave(workbench: Workbench, way: str) -> dict[str, Any]:
    url = workbench.url()
    client = workbench.calls("socket REQ", "set SNDTIMEO 300")
    if way != "defaults":
        client.must(f"set {way}")
    client.must(f"connect {url}")
    sent = client.call("send hello")
    client.begin("close")
    if workbench.panel == "zmq":
        client.result()
        client.begin("term")
    hangs = workbench.panel == "zmq" and way == "defaults"
    left = client.heard("", HANG_S if hangs else SURE_S)
    server = workbench.calls("socket REP", f"set RCVTIMEO {300 if left else 8000}", f"bind {url}")
    arrives = server.call("recv")["result"] >= 0
    later = left or client.heard("", SURE_S)
    ends = "at once" if left else "when the server has come" if later else "never"
    return {"send": sent["errno"] or "ok", "ends": ends, "arrives": arrives}


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, Any] = {}
    phrases = []
    if panel == "raw":
        plain = socket.socket()
        code = plain.connect_ex(("127.0.0.1", workbench.port()))
        plain.close()
        data["connect"] = errno.errorcode.get(code, "ok")
        phrases.append(f"connect: {data['connect']}")
    for way in WAYS.get(panel, ["defaults"] if panel != "raw" else []):
        seen = data[way] = leave(workbench, way)
        told = f"{way}: send {seen['send']}, ends {seen['ends']}"
        told += ", the message arrives" if seen["arrives"] else ", the message is lost"
        workbench.say(told)
        phrases.append(told)
    if panel == "zmq":
        client = workbench.calls("socket REQ", "set LINGER 0")
        client.begin("term")
        data["open"] = client.heard("", HANG_S) is not None
        workbench.say(f"a socket is open: zmq_ctx_term returns: {data['open']}")
    driver = workbench.driver("req", workbench.url(), timeout=200)
    driver.call("send hello")
    driver.begin("close")
    data["panel closes"] = driver.heard("", SURE_S) is not None
    workbench.say(f"the panel's close returns: {data['panel closes']}")
    first = data.get("defaults", {"send": data.get("connect")})
    answer = 1 if first["send"] != "ok" else 2 if first["ends"] == "at once" else 3
    return Observation(data, "; ".join(phrases), answer)
