"""The client is killed while the server works on its request."""

from __future__ import annotations


from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 70
QUESTION = (
    "The client is killed while the server works on its request. What does the server hear when it"
    " answers?"
)
FIND = "crash client dies disconnect SIGPIPE EPIPE broken pipe reply nobody"
PREDICT = ["an error from send", "a signal (SIGPIPE)", "nothing: send succeeds"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HOSTS = True
EXPLANATION = """
A reply to nobody succeeds everywhere. With plain sockets it would be otherwise. Over TCP the first
write to a connection that the other side has closed succeeds and the second fails with EPIPE, and
SIGPIPE ends the process unless MSG_NOSIGNAL is given. If the client had not read all that had come,
the first fails already, with ECONNRESET; over a UNIX socket it fails with EPIPE (lab second-write).
The libraries' threads saw the connection end long before the reply. They have dropped the client's
return address, and so they drop the reply.

That is convenient, and it means that a server of this kind cannot know whether its answer arrived.
If it must, the client has to say so, in a request of its own.

You need do nothing to free the connection's descriptor: the libraries' threads notice the end by
themselves; raw, which has no thread, notices it in its next call.
"""
SOURCES = [
    "zmq_socket(3), ZMQ_REP: a reply to a requester that has gone is silently discarded",
    "nn_reqrep(7); nanomsg: src/protocols/reqrep/rep.c",
    "send(2), MSG_NOSIGNAL, EPIPE",
    "common/CONTRACT.md, R6",
]
TRY_NEXT = "lab second-write: what a plain socket says, and why one reply alone does not show it."
WORDS = {
    "send": "the server's answer to nobody: send {}",
    "next_answered": "the next client is answered: {}",
    "left_descriptors": "{} descriptors are left over",
}
QUIET = {"send": "succeeds", "next_answered": True, "left_descriptors": 0}
EXPECTED = {"raw": QUIET, "zmq": QUIET, "nanomsg": QUIET, "nng": QUIET}


def run(workbench: Workbench, panel: str) -> Observation:
    url = workbench.url()
    server = workbench.driver("rep", url, timeout=20_000)
    first = workbench.driver("req", url, timeout=8000)
    first.must("send before")
    server.must("recv")
    server.must("send before")
    first.must("recv")
    connected = server.descriptors()
    first.kill()
    server.begin("recv")  # raw works in calls of ours alone
    workbench.wait_for(lambda: server.descriptors() < connected)
    idle = server.descriptors()
    client = workbench.driver("req", url, timeout=8000)
    client.must("send vanish")
    client.begin("recv")
    server.result()
    workbench.say("the client is killed, the server holds its request")
    client.kill()
    workbench.pause(0.1)
    workbench.settle(server)  # its library has noticed
    said = server.call("send an answer")
    word = str(said.get("error", "succeeds"))
    workbench.say(f"the server answers: send {word}")
    server.begin("recv")
    workbench.wait_for(lambda: server.descriptors() <= idle)
    left = server.descriptors() - idle
    other = workbench.driver("req", url, timeout=8000)
    other.must("send next")
    other.begin("recv")
    server.result()
    server.must("send next")
    answered = other.result().get("text") == "next"
    workbench.say("the next client is answered" if answered else "the next client is not answered")
    data = {"send": word, "next_answered": answered, "left_descriptors": left}
    phrase = f"send {word}" if word == "succeeds" else f"send fails: {word}"
    phrase += "; the next client is answered" if answered else "; the next client is not answered"
    if left:
        phrase += f"; {left} descriptors are left over"
    return Observation(data, phrase, 3 if word == "succeeds" else 1)
