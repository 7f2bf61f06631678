"""The client starts before the server."""

import time

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 10
QUESTION = "The client starts one second before the server. What becomes of its first request?"
FIND = "client first before server starts order connection refused retry reconnect"
PREDICT = ["it fails at once", "it is lost, the next one is answered", "it waits and is answered"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
In all three libraries a connect only leaves an order with a background thread, which tries again
until somebody listens; a socket of the operating system would have said "connection refused" at
once. Where the request waits meanwhile differs. ZeroMQ and nanomsg queue it, and the send returns
at once; NNG has no pipe to put it into and keeps the sender waiting, so send itself lasts until the
server is there. raw does by hand what the libraries do: it dials again after 10, 20, 40 ... 200 ms.

How long after the server's start the answer comes is the reconnect interval, not the network: the
panels set it to 100 ms. NNG's own default is a random time up to a second.
"""
SOURCES = [
    "zmq_connect(3): the connection is made asynchronously; zmq_setsockopt(3), ZMQ_RECONNECT_IVL",
    "nn_connect(3), nn_getsockopt(3), NN_RECONNECT_IVL; NNG: src/compat/nanomsg/nn.c",
    "raw/dialer.c",
]
TRY_NEXT = "Set ZMQ_IMMEDIATE to 1 in zmq/reqrep.c, and see where the request waits then."
WORDS = {
    "answered": "the request was answered: {}",
    "send_waits": "send itself waited for the server: {}",
    "ms": "the answer came {} ms after the server's start",
}
EXPECTED = {
    "raw": {"answered": True, "send_waits": False, "ms": [0, 2500]},
    "zmq": {"answered": True, "send_waits": False, "ms": [0, 2500]},
    "nanomsg": {"answered": True, "send_waits": False, "ms": [0, 2500]},
    "nng": {"answered": True, "send_waits": True, "ms": [0, 2500]},
}


def run(workbench: Workbench, panel: str) -> Observation:
    url = workbench.url()
    req = workbench.driver("req", url, timeout=5000)
    workbench.say("the client sends; nobody listens")
    req.begin("send hello")
    req.begin("recv")
    workbench.pause(1.0)
    workbench.say("a second later, the server starts")
    workbench.ready("rep", url)
    started = time.monotonic()
    sent, reply = req.result(), req.result()
    ms = round((time.monotonic() - started) * 1000)
    answered = reply["result"] >= 0
    waits = sent["us"] > 500_000
    said = f"the answer is there, {ms} ms after" if answered else f"no answer: {reply['error']}"
    workbench.say(said)
    data = {"answered": answered, "send_waits": waits, "ms": ms, "send_ms": sent["us"] // 1000}
    if not answered:
        return Observation(data, f"not answered: {reply['error']}", 2)
    where = "send itself waited" if waits else "send returned at once"
    return Observation(data, f"answered {ms} ms after the server's start; {where}", 3)
