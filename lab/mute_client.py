"""A connection that says nothing."""

import socket
import time

from lab_bench import Bench, Observation

THEME = "request/reply"
ORDER = 120
QUESTION = "Somebody connects and says nothing. How long does the server keep the connection?"
PREDICT = ["it closes it within a second or two", "it closes it after ten seconds or more, or never"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
WATCH_SECONDS = 3.0
EXPLANATION = """
Each silent connection costs the server a descriptor, of which there are 1024 by default; a thousand telnets
and the next honest client is not accepted.
"""
SOURCES = ["zmq_setsockopt(3), ZMQ_HANDSHAKE_IVL"]
TRY_NEXT = ""
EXPECTED = {}


def run(bench: Bench, panel: str) -> Observation:
    url = bench.url()
    bench.ready("rep", url)
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), 5) as mute:
        bench.say("somebody connects and says nothing")
        mute.settimeout(0.1)
        said = 0
        closed = None
        while closed is None and time.monotonic() - started < WATCH_SECONDS:
            try:
                data = mute.recv(4096)
                said += len(data)
                if not data:
                    closed = round((time.monotonic() - started) * 1000)
            except TimeoutError:
                pass
            except ConnectionResetError:
                closed = round((time.monotonic() - started) * 1000)
    return Observation({"closed_ms": closed, "said_bytes": said}, f"closed {closed}")
