"""What connect says about an address where nobody is."""

from __future__ import annotations

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 130
QUESTION = (
    "A client connects to a port where nobody listens, and to a host that does not exist. What "
    "does connect say?"
)
FIND = "connection refused ECONNREFUSED unreachable connect error asynchronous blocking"
PREDICT = ["connection refused, and unknown host", "nothing: it succeeds", "it waits"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HOST = "tcp://no-such-host.invalid:5555"  # RFC 6761: .invalid never exists
EXPLANATION = """
connect(2) tells the truth about this moment: the port refuses, the path is not there; and
getaddrinfo does not know the host. In the libraries connect only records the wish. A thread tries,
and tries again, and a refused connection is a reason to try later, not an error. So either side may
start first (lab late-server), and a misspelt host name looks for ever like a server that is about
to start. A client hears of it only when its first answer times out.

Some say nothing even of a port that cannot exist. ZeroMQ takes its lower 16 bits, as the C library
does in getaddrinfo; NNG looks only later, in its thread; nanomsg refuses the port. This is why
common/address.c checks an address and resolves its name before a panel sees it. To know more,
ZeroMQ offers zmq_socket_monitor, nanomsg nn_get_statistic.
"""
SOURCES = [
    "connect(2), getaddrinfo(3); RFC 6761, 6.4",
    "zmq_connect(3), zmq_socket_monitor(3)",
    "nn_connect(3), nn_get_statistic(3)",
]
TRY_NEXT = "lab host-names: what each makes of localhost."
WORDS = {
    "refused port": "connect to a port where nobody listens: {}",
    "missing path": "connect to a path that is not there: {}",
    "unknown host": "connect to a host that does not exist: {}",
    "port 99999": "connect to port 99999: {}",
    "request": "a request to nobody ended with {}",
}
SILENT = {
    "refused port": "succeeds",
    "missing path": "succeeds",
    "unknown host": "succeeds",
    "port 99999": "succeeds",
    "request": "ETIMEDOUT",
}
EXPECTED = {
    "raw": {
        "refused port": "Connection refused",
        "missing path": "No such file or directory",
        "unknown host": {
            "one_of": ["Name or service not known", "Temporary failure in name resolution"]
        },
        "port 99999": "Connection refused",
        "request": "ETIMEDOUT",
    },
    "zmq": SILENT,
    "nanomsg": {**SILENT, "port 99999": "Invalid argument"},
    "nng": SILENT,
}


def run(workbench: Workbench, panel: str) -> Observation:
    port = workbench.url()
    asked = {
        "refused port": port,
        "missing path": workbench.url("ipc"),
        "unknown host": HOST,
        "port 99999": "tcp://127.0.0.1:99999",
    }
    data: dict[str, object] = {}
    for what, url in asked.items():
        said = workbench.probe("address", "connect", url).hear(seconds=15.0)
        data[what] = said["error"] or "succeeds"
        workbench.say(f"connect, {what}: {data[what]}")
    client = workbench.driver("req", port, timeout=500)
    sent = client.call("send anybody?")
    reply = client.call("recv") if sent["result"] == 0 else sent
    data["request"] = reply["errno"]
    workbench.say(f"a request there, with 500 ms to wait: {reply.get('error', 'answered')}")
    silent = [what for what in asked if data[what] == "succeeds"]
    phrase = "; ".join(f"{what}: {data[what]}" for what in asked)
    if len(silent) == len(asked):
        phrase = (
            f"succeeds for all of them; the first request tells: {reply.get('error', 'answered')}"
        )
    return Observation(data, phrase, 2 if "refused port" in silent else 1)
