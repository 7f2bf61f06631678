"""A server that lets the system choose its port."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from lab.workbench import Observation, Program, Workbench

THEME = "request/reply"
ORDER = 135
QUESTION = 'A server binds to port 0, "any free port". Which is it, and how does the server know?'
FIND = "free port any port random port ephemeral automatic choose which port getsockname wildcard"
PREDICT = [
    "it is refused",
    "it has a port, and the library tells which",
    "it has a port, and nobody tells which",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
Port 0 asks the kernel for a free port of its range, and getsockname tells which it was. That is the
only way to get a port without a race: if a program looks for a free port first and binds later,
another program may have taken it by then.

ZeroMQ passes it on, as port 0 or as "*", and ZMQ_LAST_ENDPOINT tells the address. nanomsg refuses
port 0. NNG binds, but its nn_ calls have no way to say to what; its own interface has one
(NNG_OPT_LOCADDR). So there a server listens, and only the system knows where: the experiment finds
its port in /proc, and a client is answered there.

The panels refuse port 0 in common/address.c, so that all of them do the same.
"""
SOURCES = [
    "ip(7), ip_local_port_range; getsockname(2)",
    "zmq_tcp(7), wild-card port; zmq_getsockopt(3), ZMQ_LAST_ENDPOINT",
    "nanomsg: src/transports/tcp/btcp.c; NNG: docs/man/nng_options.5.adoc, NNG_OPT_LOCADDR",
    "lab/probes/calls_zmq.c, lab/probes/calls_nn.c",
]
TRY_NEXT = "sysctl net.ipv4.ip_local_port_range: bind 0 twice, is the second port the next one?"
WORDS = {
    "bind": "bind to port 0: {}",
    "tells": "the program learns its port: {}",
    "answers": "a client is answered on that port: {}",
    "panel": "the panel says to port 0: {}",
}
TOLD = {"bind": "ok", "tells": True, "answers": True}
PANEL = {"panel": "EINVAL"}
EXPECTED: dict[str, Any] = {
    "raw": {**TOLD, **PANEL},
    "zmq": {**TOLD, "star": "ok", **PANEL},
    "nanomsg": {"bind": "EINVAL", "tells": False, "answers": False, **PANEL},
    "nng": {"bind": "ok", "tells": False, "answers": True, **PANEL},
}
LISTEN = "0A"  # in /proc/net/tcp


def listens_at(program: Program) -> int:
    """The port on which a process listens, from /proc; 0: none."""
    inodes = set()
    for link in Path(f"/proc/{program.pid}/fd").iterdir():
        target = str(link.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = row.split()
        if words[3] == LISTEN and words[9] in inodes:
            return int(words[1].split(":")[1], 16)
    return 0


def run(workbench: Workbench, panel: str) -> Observation:
    refused = workbench.driver().call("open rep tcp://127.0.0.1:0")["errno"] or "ok"
    data: dict[str, Any] = {"panel": refused}
    if panel == "raw":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            told = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", told), 5):
                data.update({"bind": "ok", "tells": told > 0, "answers": True})
    else:
        server = workbench.calls("socket REP", "set RCVTIMEO 5000")
        data["bind"] = server.call("bind tcp://127.0.0.1:0")["errno"] or "ok"
        told = 0
        if panel == "zmq":
            told = int(server.must("get LAST_ENDPOINT")["value"].rpartition(":")[2])
        data["tells"] = told > 0
        port = told or listens_at(server)
        data["answers"] = port > 0 and answers(workbench, port, server)
    if panel == "zmq":
        data["star"] = workbench.calls("socket REP").call("bind tcp://127.0.0.1:*")["errno"] or "ok"
    phrase = f"bind: {data['bind']}"
    if data["bind"] == "ok":
        phrase += "; the program learns its port" if data["tells"] else "; nobody tells which port"
    workbench.say(phrase)
    return Observation(data, phrase, 1 if data["bind"] != "ok" else 2 if data["tells"] else 3)


def answers(workbench: Workbench, port: int, server: Any) -> bool:
    url = f"tcp://127.0.0.1:{port}"
    limits = ["set SNDTIMEO 5000", "set RCVTIMEO 5000"]
    client = workbench.calls("socket REQ", *limits, f"connect {url}")
    client.begin("send hello")
    client.begin("recv")
    heard = server.call("recv").get("text") == "hello"
    return heard and server.call("send yes")["result"] >= 0 and client.result()["result"] >= 0
