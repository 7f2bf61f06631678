"""The server dies while it holds a request."""

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 20
QUESTION = (
    "The server is killed while it works on a request, and comes back. What becomes of the "
    "request?"
)
FIND = (
    "crash dies death twice duplicate exactly once at least once lost request resend payment "
    "idempotent restart server"
)
PREDICT = [
    "it is lost, and the client hears nothing until its time-out",
    "the client is told at once",
    "it runs a second time, and is answered",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
The kernel tells the client's side that the connection has ended; what is made of that is the
library's choice. nanomsg and NNG keep a copy of the pending request and send it again as soon as
there is a connection: the client is answered, but the work was done twice, once by a server that
died before it could say so. If the request was "pay 10 francs", that matters; the remedy is a
number in the request by which the server recognises a repetition (the message format of this
project has one).

ZeroMQ connects again and sends nothing: the request is lost, and the client hears so only by its
own time-out. raw was made like ZeroMQ, the simplest that the contract allows. None of them reports
the death, though all of them know of it: in ZeroMQ a socket monitor would tell.
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
    "executions": "the request ran {} times",
    "answered": "the client was answered: {}",
    "errno": "the client's error was {}",
    "told_ms": "the client was told after {} ms",
}
LOST = {"executions": 1, "answered": False, "errno": "ETIMEDOUT", "told_ms": [1900, 3500]}
TWICE = {"executions": 2, "answered": True}
EXPECTED = {"raw": LOST, "zmq": LOST, "nanomsg": TWICE, "nng": TWICE}


def run(workbench: Workbench, panel: str) -> Observation:
    url = workbench.url()
    first = workbench.driver("rep", url, timeout=5000)
    client = workbench.driver("req", url, timeout=TIMEOUT_MS)
    workbench.say("the client asks, the server works on it")
    client.must("send pay 10 francs")
    client.begin("recv")
    first.must("recv")
    workbench.say("the server is killed (SIGKILL)")
    first.kill()
    second = workbench.driver("rep", url, timeout=TIMEOUT_MS + 500)
    workbench.say("a new server is there, on the same address")
    second.begin("recv")
    # Either it comes once more, or the client gives up first.
    again = workbench.wait_for(lambda: second.heard("", 0.02) or client.heard("", 0.02), 6.0)
    executions = 1
    if again and "crc" in again:
        executions = 2
        workbench.say(f"it gets the same request once more: {again['text']}")
        second.must("send paid")
        reply = client.result()
    else:
        reply = again or client.result()
    answered = reply["result"] >= 0
    data = {
        "executions": executions,
        "answered": answered,
        "errno": reply["errno"],
        "told_ms": reply["us"] // 1000,
    }
    if answered:
        workbench.say(f"the client is answered after {data['told_ms']} ms")
        return Observation(data, f"run twice, answered after {data['told_ms']} ms", 3)
    workbench.say(f"the client: {reply['error']}")
    early = data["told_ms"] < TIMEOUT_MS - 200
    phrase = f"run once, lost; after {data['told_ms']} ms the client hears: {reply['error']}"
    return Observation(data, phrase, 2 if early else 1)
