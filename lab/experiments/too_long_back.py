"""A reply that is longer than the client takes."""

from __future__ import annotations

from typing import Any

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 95
QUESTION = (
    "A client has set the library's limit to 1000 bytes. The server's reply has 5000. The client "
    "asks again, and this reply would be short. Is it answered?"
)
FIND = (
    "reply too long big large message size limit client ZMQ_MAXMSGSIZE NN_RCVMAXSIZE never "
    "reconnects deaf connecting side EMSGSIZE"
)
PREDICT = [
    "yes",
    "no: the client never connects again",
    "no: the client connects and hangs up, again and again",
    "yes, but the server has run the first request many times by then",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
LIMIT, LENGTH, TIMEOUT_MS = 1000, 5000, 1000
EXPLANATION = """
A length limit protects one side against the other, and its only means is to close the connection.
On the listening side that is all. On the connecting side the question is who connects again.

ZeroMQ takes a frame over ZMQ_MAXMSGSIZE for a fault of the protocol, and after such a fault a
connecting socket gives up its address for good: the next send waits for ever, or here ends with
EAGAIN. nanomsg connects again every reconnect interval (100 ms by default), exchanges the greeting,
and hangs up at once; no request passes any more, and it goes on like that until the socket is
closed. NNG connects again and sends the pending request again: the server runs it and answers it,
the answer is too long again, and so on until the client gives up and asks something else.

So the panels set no such limit on the side that connects. They receive the whole message, see that
it is too long, and say EMSGSIZE: the connection stays and the next request is answered (R8). The
price is that memory grows as a frame arrives.
"""
SOURCES = [
    "zmq_setsockopt(3), ZMQ_MAXMSGSIZE; libzmq: src/session_base.cpp, engine_error()",
    "nn_getsockopt(3), NN_RCVMAXSIZE: https://nanomsg.org/v1.1.5/nn_getsockopt.html",
    "nanomsg: src/transports/tcp/stcp.c",
    "NNG: src/sp/transport/tcp/tcp.c, NNG_OPT_RECVMAXSZ",
    "common/CONTRACT.md, R8",
]
TRY_NEXT = "lab too-long: the same fault on the other side."
WORDS = {
    "runs": "the server ran the request {} times",
    "connections": "the client connected {} times",
    "next": "the next request: {}",
    "panel": "the panel says to the reply that is too long: {}",
    "panel next": "the panel's next request: {}",
    "panel connections": "the panel made {} connections",
}
PANEL = {"panel": "EMSGSIZE", "panel next": "answered", "panel connections": 1}
EXPECTED: dict[str, Any] = {
    "raw": PANEL,
    "zmq": {"runs": 1, "connections": 1, "next": "EAGAIN", **PANEL},
    "nanomsg": {"runs": 1, "connections": [3, 60], "next": "ETIMEDOUT", **PANEL},
    "nng": {"runs": [2, 200], "connections": [2, 200], "next": "answered", **PANEL},
}
OPTIONS = {
    "zmq": [f"set MAXMSGSIZE {LIMIT}", "set REQ_RELAXED 1", "set REQ_CORRELATE 1"],
    "nanomsg": [f"set RCVMAXSIZE {LIMIT}", "set RECONNECT_IVL 100"],
    "nng": [f"set RCVMAXSIZE {LIMIT}", "set RECONNECT_IVL 100"],
}


def limited(workbench: Workbench, panel: str) -> dict[str, Any]:
    """A client with the library's own limit."""
    front, back = workbench.url(), workbench.url()
    server = workbench.driver("rep", back, timeout=20_000)
    tap = workbench.tap(front, back)
    lines = [*OPTIONS[panel], "set SNDTIMEO 8000", f"set RCVTIMEO {TIMEOUT_MS}"]
    client = workbench.calls("socket REQ", *lines, f"connect {front}")
    client.begin("send long")
    client.begin("recv")
    client.result()
    runs, end = 0, None
    server.begin("recv")
    while not end:
        if server.heard("", 0.02):
            runs += 1
            server.must(f"send -s {LENGTH}")
            server.begin("recv")
        end = client.heard("", 0.0)
    # Where no answer is expected, there is not much to wait for.
    limit_ms = 8000 if EXPECTED[panel]["next"] == "answered" else TIMEOUT_MS
    for option in ("SNDTIMEO", "RCVTIMEO"):
        client.must(f"set {option} {limit_ms}")
    client.begin("send short")
    client.begin("recv")
    said = client.result()
    if said["result"] >= 0:
        while not (said := client.heard("", 0.0) or {}):
            asked = server.heard("", 0.02)
            if asked and "text" in asked:
                server.must("send yes" if asked["text"] == "short" else f"send -s {LENGTH}")
                server.begin("recv")
    client.kill()
    connections = tap.stop()["accepted"]
    return {"runs": runs, "next": said["errno"] or "answered", "connections": connections}


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, Any] = {} if panel == "raw" else limited(workbench, panel)
    phrase = ""
    if data:
        phrase = f"runs {data['runs']}, connections {data['connections']}, next: {data['next']}; "
        workbench.say(f"the library's limit: {phrase}")
    front, back = workbench.url(), workbench.url()
    server = workbench.driver("rep", back, timeout=20_000)
    tap = workbench.tap(front, back)
    client = workbench.driver("req", front, timeout=8000, max=LIMIT)
    client.must("send long")
    server.must("recv")
    server.must(f"send -s {LENGTH}")
    data["panel"] = client.call("recv")["errno"] or "ok"
    for begun in ("send short", "recv"):
        client.begin(begun)
    server.begin("recv")
    if client.heard() and server.heard():
        server.must("send yes")
    said = client.heard() or {"errno": "silence"}
    data["panel next"] = said["errno"] or "answered"
    data["panel connections"] = tap.stop()["accepted"]
    workbench.say(f"the panel: {data['panel']}, the next: {data['panel next']}")
    phrase += f"the panel: {data['panel']}, then {data['panel next']}"
    runs, connections = data.get("runs", 1), data.get("connections", 1)
    if data.get("next", "answered") != "answered":
        return Observation(data, phrase, 2 if connections == 1 else 3)
    return Observation(data, phrase, 4 if runs > 1 else 1)
