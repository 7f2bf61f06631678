"""How a program learns that the other side has come, gone, and come again."""

from __future__ import annotations

import socket
from typing import Any

from lab.workbench import Driver, Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 25
QUESTION = (
    "A client is connected, asks nothing, and its server is killed. Can the program learn that "
    "from its library, and how?"
)
FIND = (
    "monitor events connected disconnected detect connection lost peer gone is it alive "
    "zmq_socket_monitor statistics nn_get_statistic NN_STAT EPOLLRDHUP callback notify"
)
PREDICT = [
    "no: the library hides it",
    "yes: the library tells it as an event",
    "yes, but the program has to ask for a number now and then",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
On a plain socket the end of a connection is an event like any other: the descriptor becomes
readable and a read returns 0. The libraries keep it from the program, because they connect again by
themselves; a send or a receive never reports it.

ZeroMQ tells a program that asks: zmq_socket_monitor opens a second socket from which the program
reads events: connected, disconnected, each further attempt, and connected again. nanomsg counts
instead: nn_get_statistic gives the connections there are now, those that were made, those that
broke, and the attempts that failed. The program must look. Between two looks a connection may have
broken and come back, but the counters show that. NNG has nn_get_statistic for the sake of old
programs, and it says 0 whatever happens. NNG's own interface has nng_pipe_notify, a callback for
each connection, and real statistics; a program may use it on the same socket.

None of it says that the server *works*. A process that is stopped, or a cable that is cut, breaks
no connection at once (lab stopped-server, lab cable-cut). Only an answer tells that somebody
answers.
"""
SOURCES = [
    "zmq_socket_monitor(3)",
    "nn_get_statistic(3): https://nanomsg.org/v1.1.5/nn_get_statistic.html",
    "NNG: src/compat/nanomsg/nn.c, nn_get_statistic(); docs/man/nng_pipe_notify.3.adoc",
    "recv(2): 0 for an orderly shutdown",
    "lab/probes/calls_zmq.c, lab/probes/calls_nn.c",
]
TRY_NEXT = "Freeze the server (kill -STOP) instead of killing it. What does the monitor say now?"
WORDS = {
    "connects": "when the server is there, the program hears: {}",
    "dies": "when it is killed: {}",
    "returns": "when it is back: {}",
}
EXPECTED: dict[str, Any] = {
    "raw": {"connects": "connected", "dies": "read returns 0", "returns": "nothing"},
    "zmq": {"connects": "connected", "dies": "disconnected", "returns": "connected"},
    "nanomsg": {"connects": "1 now, 0 broken", "dies": "0 now, broken", "returns": "1 now, broken"},
    "nng": {"connects": "nothing", "dies": "nothing", "returns": "nothing"},
}


def monitored(client: Driver, wanted: str) -> bool:
    """Whether ZeroMQ's monitor has told an event of that name by now."""
    return wanted in client.must("events")["names"]


def counted(client: Driver) -> tuple[int, int]:
    """nanomsg's connections now, and those that broke."""
    names = ("CURRENT_CONNECTIONS", "BROKEN_CONNECTIONS")
    current, broken = (client.must(f"statistic {name}")["value"] for name in names)
    return current, broken


def hear(workbench: Workbench, client: Driver, event: str) -> str:
    """What the program learns of an event."""
    there = int(event != "dies")
    if workbench.panel == "zmq":
        wanted = "connected" if there else "disconnected"
        return wanted if workbench.wait_for(lambda: monitored(client, wanted)) else "nothing"
    if workbench.panel == "nng":
        workbench.pause(0.4)  # its counters stay at 0, so there is nothing to wait for
        return "nothing" if counted(client) == (0, 0) else "numbers"
    workbench.wait_for(lambda: counted(client)[0] == there)
    current, broken = counted(client)
    return f"{current} now, " + ("broken" if broken else "0 broken")


def plain(workbench: Workbench, port: int) -> dict[str, str]:
    """A plain socket at a plain server."""
    server = workbench.probe("naive-reader", port)
    server.hear("ready")
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.send(b"x")
        server.hear("message")  # it has accepted, and nothing is unread
        server.kill()
        data = {"connects": "connected", "dies": f"read returns {len(client.recv(1))}"}
        workbench.probe("naive-reader", port).hear("ready")
        data["returns"] = "nothing" if client.recv(1) == b"" else "bytes"
    return data


def run(workbench: Workbench, panel: str) -> Observation:
    port = workbench.port()
    url = f"tcp://127.0.0.1:{port}"
    data: dict[str, Any] = {}
    if panel == "raw":
        data = plain(workbench, port)
    else:
        client = workbench.calls("socket REQ", *(["monitor"] if panel == "zmq" else []))
        client.must(f"connect {url}")
        server = workbench.ready("rep", url)
        data["connects"] = hear(workbench, client, "connects")
        server.kill()
        data["dies"] = hear(workbench, client, "dies")
        workbench.ready("rep", url)
        data["returns"] = hear(workbench, client, "returns")
    phrase = ", ".join(f"{event}: {heard}" for event, heard in data.items())
    workbench.say(phrase)
    answer = 1 if data["dies"] == "nothing" else 3 if "now" in data["dies"] else 2
    return Observation(data, phrase, answer)
