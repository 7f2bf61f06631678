"""Two hundred clients whose server has gone."""

from __future__ import annotations

import socket
import time
from typing import Any

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 25
QUESTION = (
    "200 idle clients are connected to a server that crashes. Whoever listens at the port now "
    "accepts each connection and closes it straight away. How many connections come in a second?"
)
FIND = (
    "reconnect storm thundering herd backoff back-off exponential jitter "
    "after restart overload ZMQ_RECONNECT_IVL NN_RECONNECT_IVL"
)
PREDICT = ["200: one of each client", "about 2000: ten of each", "none"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
CLIENTS, SECONDS = 200, 1.0
TIMING = True
EXPLANATION = """
A library connects again by itself, in a thread of its own, whether the program needs the connection
or not. The panels set the interval to 100 ms, which is ZeroMQ's and nanomsg's default: up to ten
attempts a second for each client, so 200 clients make one or two thousand. NNG waits a random time
up to the interval, on average half of it, so it comes about twice as often. The randomness spreads
the attempts, so that not all clients come in the same millisecond. With 10,000 clients these
attempts can keep a server that has just crashed from coming back.

The cure is an interval that grows: ZMQ_RECONNECT_IVL_MAX, NN_RECONNECT_IVL_MAX. Both are off by
default. raw's waiting time grows from 10 to 200 ms, but it makes no connection here at all. It has
no thread, so it does nothing while its program does nothing, and connects with its next request.

When the server is back, all clients are answered, in each panel.
"""
SOURCES = [
    "zmq_setsockopt(3), ZMQ_RECONNECT_IVL and ZMQ_RECONNECT_IVL_MAX",
    "nn_setsockopt(3), NN_RECONNECT_IVL_MAX: https://nanomsg.org/v1.1.5/nn_setsockopt.html",
    "NNG: src/core/socket.c, dialer_timer_start_locked() (1.5.2); raw/dialer.c",
]
TRY_NEXT = "Set ZMQ_RECONNECT_IVL_MAX to 2000 in zmq/reqrep.c, build, and count again."
WORDS = {
    "connections": "{} connections in a second",
    "answered": "when the server is back, {} of 200 clients are answered",
}
EXPECTED: dict[str, Any] = {
    "raw": {"connections": 0, "answered": CLIENTS},
    "zmq": {"connections": [300, 2100], "answered": CLIENTS},
    "nanomsg": {"connections": [300, 2100], "answered": CLIENTS},
    "nng": {"connections": [400, 8000], "answered": CLIENTS},
}


def hang_up(port: int) -> int:
    """Accepts and closes for a second; how many came."""
    count = 0
    with socket.create_server(("127.0.0.1", port), backlog=1000) as listener:
        listener.settimeout(0.05)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                listener.accept()[0].close()
                count += 1
            except TimeoutError:
                pass
    return count


def run(workbench: Workbench, panel: str) -> Observation:
    port = workbench.port()
    url = f"tcp://127.0.0.1:{port}"
    server = workbench.ready("rep", url)
    clients = workbench.driver()
    for _ in range(CLIENTS):
        clients.must(f"open req {url} timeout=5000")

    def answered() -> int:
        """All ask, then all receive; how many are answered."""
        for step in ("send hello", "recv"):
            for number in range(CLIENTS):
                clients.begin(f"use {number}")
                clients.begin(step)
            results = [clients.result() for _ in range(2 * CLIENTS)]
        return sum(line["result"] >= 0 for line in results if line["command"] == "recv")

    workbench.say(f"{answered()} clients are answered; the server is killed")
    server.kill()
    count = hang_up(port)
    workbench.say(f"{count} connections in {SECONDS:g} s")
    workbench.ready("rep", url)
    back = answered()
    workbench.say(f"the server is back: {back} of {CLIENTS} are answered")
    phrase = f"{count} connections in a second; then {back} of {CLIENTS} are answered"
    data = {"connections": count, "answered": back}
    each = count / CLIENTS
    return Observation(data, phrase, 3 if count == 0 else 1 if each < 2 else 2)
