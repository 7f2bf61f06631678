"""How many threads a socket starts, and closing one from another thread."""

import os
import signal
from typing import Any

from lab.workbench import Observation, Program, Workbench

THEME = "streams, signals, processes"
ORDER = 70
QUESTION = (
    "One thread waits in a receive, another closes the socket. What becomes of the one that "
    "waits?"
)
FIND = "thread safe multithreading close while blocked race another thread"
PREDICT = ["its receive fails", "it waits for ever", "the process is aborted"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
close(2) frees a number; a receive that is under way holds the socket itself, and goes on. Worse,
the number may be given to another file meanwhile. shutdown(2) ends the conversation and wakes the
receiver. A ZeroMQ socket belongs to one thread, unless one hands it over with care. zmq_close in
another thread breaks the library's own bookkeeping: mostly an assertion ends the process, else the
receive goes on waiting. zmq_ctx_shutdown may be called from anywhere, and ends each blocking call
with ETERM. nanomsg's and NNG's sockets may be used from several threads, and nn_close wakes a
receive: EBADF.

The number of threads is that of a process with one request socket. ZeroMQ starts one thread for the
network and one that frees closed sockets. nanomsg starts one worker; NNG several for each of its
tasks, by the number of cores. raw starts none, so nothing happens in it while the program does
something else; pub_idle is there for that.
"""
SOURCES = [
    "close(2), multithreaded processes; shutdown(2)",
    "zmq_socket(3), thread safety; zmq_ctx_shutdown(3)",
    "nn_recv(3): EBADF, the provided socket is invalid",
    "NNG: src/core/taskq.c, src/platform/posix",
    "lab/probes/close_thread.c",
]
TRY_NEXT = "ps -L of a running build/nng-rep names each thread; ZMQ_IO_THREADS adds some to ZeroMQ."
WORDS = {
    "threads": "the process has {} threads",
    "close": "another thread closes; the receive: {}",
    "killed": "{} processes were ended by SIGABRT or SIGSEGV",
    "fails": "{} receives ended with an error",
    "kindly": "another thread ends it in the proper way; the receive: {}",
}
TRIES = 8
EXPECTED = {
    "raw": {"threads": 1, "close": "waits", "kindly": "returns 0"},
    "zmq": {"threads": 3, "killed": [1, TRIES], "fails": 0, "kindly": "ETERM"},
    "nanomsg": {"threads": 2, "close": "EBADF", "kindly": "EBADF"},
    "nng": {"threads": [8, 80], "close": "EBADF", "kindly": "EBADF"},
}
KILLED = ("SIGABRT", "SIGSEGV")  # what an assertion ends with, and what a use after free may
KINDLY = {"raw": "shutdown", "zmq": "zmq_ctx_shutdown"}


def became(probe: Program) -> str:
    """Of the thread that waits."""
    said = probe.heard()
    if said is None:
        status = probe.ended()
        if status is None or status >= 0:
            return f"status {status}"
        return signal.Signals(-status).name
    if said["waits"]:
        return "waits"
    return f"returns {said['result']}" if said["result"] >= 0 else str(said["errno"])


def run(workbench: Workbench, panel: str) -> Observation:
    driver = workbench.driver("req", workbench.url())
    workbench.pause(0.1)
    data: dict[str, Any] = {"threads": driver.figure("Threads")}
    data["descriptors"] = len(os.listdir(f"/proc/{driver.pid}/fd"))
    said = f"{data['threads']} threads, {data['descriptors']} descriptors"
    workbench.say(f"one request socket: {said}")
    tries = [became(probe) for probe in [workbench.probe("close-thread") for _ in range(TRIES)]]
    killed = [became for became in tries if became in KILLED]
    data["close"] = killed[0] if killed else tries[0]
    data["killed"] = len(killed)
    data["fails"] = sum(became not in (*KILLED, "waits") for became in tries)
    workbench.say(f"closed from another thread: {data['close']}")
    data["kindly"] = became(workbench.probe("close-thread", "kindly"))
    phrase = f"{data['close']}"
    if len(set(tries)) > 1:
        phrase += f" ({tries.count(data['close'])} times in {TRIES})"
    if panel in KINDLY:
        phrase += f"; with {KINDLY[panel]}: {data['kindly']}"
    phrase += f"; {data['threads']} thread{'s' * (data['threads'] > 1)}"
    return Observation(data, phrase, {"waits": 2, **dict.fromkeys(KILLED, 3)}.get(data["close"], 1))
