"""Sending to a peer that has gone."""

import contextlib
import signal

from lab.workbench import Failed, Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 20
QUESTION = (
    "The other end is killed. The program sends once more, and again. What does each send say?"
)
FIND = "SIGPIPE EPIPE ECONNRESET broken pipe reset write error dead peer closed connection"
PREDICT = [
    "both succeed",
    "the first succeeds, the second kills the program",
    "both fail: the connection is closed",
    "both fail: they would block",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
When a process is killed, its kernel ends its TCP connections with a FIN, which only says that
nothing more will come from there. So the first write succeeds: the bytes might still be read. The
other kernel answers it with a reset, and the second write finds the connection broken. The kernel
sends SIGPIPE, which ends the program without a word. If the program ignores SIGPIPE or gives
MSG_NOSIGNAL, the write fails with EPIPE instead. The first message is lost, although its send
succeeded, and no later call will ever tell.

So it is over TCP, and only if the killed process had read all that had arrived. If bytes waited
unread, its kernel sends a reset and no FIN, and the first call of the other program, a write or a
read, fails with ECONNRESET. Over a UNIX socket the kernel knows both ends: the first write fails
with EPIPE.

No library lets it come to that. These are PAIR sockets, which have one peer. ZeroMQ's connecting
end keeps its queue while nobody is there, and a send goes into the queue: success, for as long as
there is room. A nanomsg or NNG PAIR knows that there is no peer. A send that may not wait says
EAGAIN; one that may, waits. Other types decide otherwise: a PUB drops the message, a nanomsg REQ
keeps it. All of them see the end of the connection in a thread of theirs, and none lets SIGPIPE
through to the program.
"""
SOURCES = [
    "send(2), EPIPE and MSG_NOSIGNAL; signal(7), SIGPIPE; RFC 9293 (TCP), 3.5.2: reset generation",
    "Stevens, UNIX Network Programming, 5.12 and 5.13",
    "zmq_socket(3), ZMQ_PAIR; nn_pair(7)",
    "lab/probes/second_write.c",
]
TRY_NEXT = "Send with a pause of zero between the two: which of them fails now?"
WORDS = {"sends": "the sends said {}", "ignoring": "with SIGPIPE ignored the sends said {}"}
EXPECTED = {
    "raw": {"sends": "ok, killed by SIGPIPE", "ignoring": "ok, EPIPE, EPIPE, EPIPE"},
    "zmq": {"sends": "ok, ok, ok, ok"},
    "nanomsg": {"sends": "EAGAIN, EAGAIN, EAGAIN, EAGAIN"},
    "nng": {"sends": "EAGAIN, EAGAIN, EAGAIN, EAGAIN"},
}


SENDS = 4


def sends(workbench: Workbench, *arguments: str) -> str:
    probe = workbench.probe("second-write", workbench.url(), *arguments)
    probe.hear("killed")
    said = []
    for _ in range(SENDS):
        workbench.settle(probe)  # its library has noticed, if it does
        with contextlib.suppress(Failed):  # it may have been killed
            probe.say("")
        if event := probe.heard():
            said.append("ok" if event["result"] >= 0 else str(event["errno"]))
    status = probe.ended() or 0
    if status < 0:
        said.append(f"killed by {signal.Signals(-status).name}")
    return ", ".join(said)


def run(workbench: Workbench, panel: str) -> Observation:
    workbench.say("two processes, connected; one is killed, the other goes on sending")
    data = {"sends": sends(workbench)}
    workbench.say(data["sends"])
    phrase = data["sends"]
    if panel == "raw":
        data["ignoring"] = sends(workbench, "ignore")
        phrase += f"; with SIGPIPE ignored: {data['ignoring']}"
    first, second = data["sends"].split(", ")[:2]
    answer = {"ok": 1, "killed by SIGPIPE": 2, "EPIPE": 3, "EAGAIN": 4}.get(second, 0)
    return Observation(data, phrase, answer if first == second or answer == 2 else 0)
