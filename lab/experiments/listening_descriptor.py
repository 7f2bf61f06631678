"""Reading the descriptor that listens."""

from __future__ import annotations

from typing import Any

from lab.words import sentence
from lab.workbench import Observation, Workbench

THEME = "the lecture's sockets"
ORDER = 50
QUESTION = (
    '"The server\'s socket only listens; accept returns another one for each client," says the '
    "lecture. A client has connected and sent hello, and poll says that the listening descriptor "
    "is readable. What does reading it say, over TCP?"
)
FIND = "accept listen socket returns new descriptor readable recv on the server socket ENOTCONN"
PREDICT = [
    "hello",
    "0 bytes: the end of the file",
    "nothing: it blocks",
    '"Invalid argument"',
    '"Transport endpoint is not connected"',
]
PANELS = ["raw"]
EXPLANATION = """
A listening socket holds a queue of connections and no bytes. It has no peer, so there is nobody to
read from. TCP says "Transport endpoint is not connected": a client is connected, but not to this
descriptor. A UNIX socket says "Invalid argument". To a write the same UNIX socket says that it is
not connected, and TCP says "Broken pipe" and raises SIGPIPE. For poll "readable" means that the
next call of the right kind does not block. Here the right kind is accept.

The bytes did not wait for accept: they came in meanwhile, and the accepted descriptor has them at
once. After that the two descriptors are independent: closing the listening one harms no client.
"""
SOURCES = [
    "accept(2); listen(2); poll(2); socket(7), SO_ACCEPTCONN",
    "Linux: net/ipv4/tcp.c, tcp_recvmsg_locked() and tcp_sendmsg_locked()",
    "Linux: net/unix/af_unix.c, unix_stream_read_generic() and unix_stream_sendmsg()",
]
TRY_NEXT = "Read and write a TCP socket that neither listens nor is connected."
WORDS = {
    "read before": "no client is there; read of the listening descriptor returns {}",
    "poll": "a client has connected and sent 5 bytes; poll says readable: {}",
    "read": "read of the listening descriptor returns {}",
    "write": "write to the listening descriptor returns {}",
    "SIGPIPE": "that write raised SIGPIPE: {}",
    "SO_ACCEPTCONN": "SO_ACCEPTCONN of the listening descriptor is {}",
    "read of accepted": "read of the accepted descriptor returns {}",
    "SO_ACCEPTCONN of accepted": "SO_ACCEPTCONN of the accepted descriptor is {}",
    "send after close of the listening one": "the first is closed; the client's send returns {}",
    "read after close of the listening one": "read of the accepted descriptor then returns {}",
}
OF_BOTH = {
    "poll": True,
    "SO_ACCEPTCONN": 1,
    "read of accepted": 5,
    "SO_ACCEPTCONN of accepted": 0,
    "send after close of the listening one": 5,
    "read after close of the listening one": 5,
}
NOT_CONNECTED, INVALID = "Transport endpoint is not connected", "Invalid argument"
EXPECTED = {
    "raw": {
        "tcp": {
            **OF_BOTH,
            "read before": NOT_CONNECTED,
            "read": NOT_CONNECTED,
            "write": "Broken pipe",
            "SIGPIPE": True,
        },
        "unix": {
            **OF_BOTH,
            "read before": INVALID,
            "read": INVALID,
            "write": NOT_CONNECTED,
            "SIGPIPE": False,
        },
    }
}


def observe(workbench: Workbench, name: str, where: object) -> dict[str, Any]:
    data = {}
    for said in workbench.probe("listening", where).rest():
        step, result = said["event"], said["result"]
        data[step] = said["error"] or (bool(result) if step in ("poll", "SIGPIPE") else result)
        workbench.say(f"{name}: {sentence(WORDS, step, data[step])}")
    return data


def run(workbench: Workbench, panel: str) -> Observation:
    tcp = observe(workbench, "TCP", "inet")
    unix = observe(workbench, "UNIX", workbench.path())
    phrase = (
        f"TCP: read: {tcp.get('read')}; write: {tcp.get('write')}; "
        f"UNIX: read: {unix.get('read')}; write: {unix.get('write')}"
    )
    answer = {5: 1, 0: 2, INVALID: 4, NOT_CONNECTED: 5}.get(tcp.get("read"), 0)
    return Observation({"tcp": tcp, "unix": unix}, phrase, answer)
