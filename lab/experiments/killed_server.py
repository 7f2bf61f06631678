"""The server dies while it holds a request."""

from __future__ import annotations

from typing import Any

from lab.workbench import Driver, Observation, Workbench

THEME = "request/reply"
ORDER = 20
QUESTION = (
    "The server is killed while it works on a request, and comes back. What becomes of the "
    "request?"
)
FIND = (
    "crash dies died dead death twice duplicate exactly once at least once lost request resend "
    "payment idempotent restart server"
)
PREDICT = [
    "its reply is lost, and the client hears nothing until its time-out",
    "the client is told at once",
    "it runs a second time, and is answered",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HOSTS = True
EXPLANATION = """
The kernel tells the client's side that the connection has ended; the library decides what happens
then. nanomsg's and NNG's REQ keep a copy of the pending request and send it again as soon as there
is a connection. The client is answered, but the work was done twice, once by a server that died
before it could say so. If the request was "pay 10 francs", that matters. The remedy is a number in
the request by which the server recognises a repetition (the message format of this project has
one).

ZeroMQ connects again and sends nothing: the reply is lost with the server, and the client hears
only that its own time is over. It cannot know whether the request was lost or the reply. raw does
the same, which is the simplest that the contract allows, and so does the panel nanomsg: it does
without nanomsg's REQ (lab lying-server says why), and its raw socket sends nothing by itself. None
of them reports the death, though all of them know of it. In ZeroMQ a socket monitor would tell.
"""
SOURCES = [
    "zmq_socket(3), ZMQ_REQ; zmq_socket_monitor(3)",
    "nanomsg: src/protocols/reqrep/req.c, NN_REQ_ACTION_PIPE_RM: the request is sent again",
    "NNG: src/sp/protocol/reqrep0/req.c, req0_pipe_close()",
    "nn_reqrep(7) has the other cause alone, NN_REQ_RESEND_IVL: a minute without an answer",
    "common/CONTRACT.md, R5",
]
TRY_NEXT = "lab stopped-server: the same server, not dead but asleep."
TIMEOUT_MS = 2000
WORDS = {
    "library_executions": "with the library's own REQ the request ran {} times",
    "executions": "the request ran {} times",
    "answered": "the client was answered: {}",
    "errno": "the client's error was {}",
    "told_ms": "the client was told after {} ms",
}
LOST = {"executions": 1, "answered": False, "errno": "ETIMEDOUT", "told_ms": [1900, 6000]}
EXPECTED: dict[str, Any] = {
    "raw": LOST,
    "zmq": {"library_executions": 1, **LOST},
    "nanomsg": {"library_executions": 2, **LOST},
    "nng": {"library_executions": 2, "executions": 2, "answered": True},
}


def limit_ms(workbench: Workbench, key: str) -> int:
    """A client's time-out: long where the request is expected to run again, which ends the wait."""
    return TIMEOUT_MS if EXPECTED.get(workbench.panel, LOST).get(key) == 1 else 4 * TIMEOUT_MS


def ask(workbench: Workbench, url: str, client: Driver) -> tuple[int, dict[str, Any]]:
    """How often the request runs, and what its client hears in the end."""
    first = workbench.driver("rep", url, timeout=8000)
    client.begin("send pay 10 francs")
    client.begin("recv")
    first.must("recv")
    assert client.result()["result"] >= 0
    first.kill()
    second = workbench.driver("rep", url, timeout=8 * TIMEOUT_MS)
    second.begin("recv")
    # Either it comes once more, or the client gives up first.
    again = workbench.wait_for(lambda: second.heard("", 0.02) or client.heard("", 0.02), 15.0)
    if again and "crc" in again:
        second.must("send paid")
        return 2, client.result()
    return 1, again or client.result()


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, Any] = {}
    phrase = ""
    workbench.say("a client asks; its server is killed (SIGKILL), and another one is there")
    if panel != "raw":
        url = workbench.url()
        limit = limit_ms(workbench, "library_executions")
        lines = ["socket REQ", f"set RCVTIMEO {limit}", f"connect {url}"]
        runs, _ = ask(workbench, url, workbench.calls(*lines))
        data["library_executions"] = runs
        workbench.say(f"the library's own REQ: the request runs {('once', 'twice')[runs - 1]}")
    url = workbench.url()
    client = workbench.driver("req", url, timeout=limit_ms(workbench, "executions"))
    runs, reply = ask(workbench, url, client)
    data |= {
        "executions": runs,
        "answered": reply["result"] >= 0,
        "errno": reply["errno"],
        "told_ms": reply["us"] // 1000,
    }
    if data["answered"]:
        phrase = f"run twice, answered after {data['told_ms']} ms"
    else:
        heard = f"after {data['told_ms']} ms the client hears: {reply['error']}"
        phrase = f"begun once, reply lost; {heard}"
    workbench.say(f"the panel: {phrase}")
    if data.get("library_executions", runs) != runs:
        phrase += "; with the library's own REQ run twice"
    early = data["told_ms"] < TIMEOUT_MS - 200
    return Observation(data, phrase, 3 if data["answered"] else 2 if early else 1)
