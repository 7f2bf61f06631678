"""A request that is longer than the server takes."""

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 90
QUESTION = (
    "A client sends 1 MB to a server that takes 64 KiB at most. Who notices, and what does it cost"
    " on the wire?"
)
FIND = "big large huge message size limit maximum EMSGSIZE memory"
PREDICT = [
    "the client's send fails",
    "the server hangs up, the client times out, 1 MB at most has travelled",
    "the client sends it again and again",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
LENGTH, LIMIT, TIMEOUT_MS = 1_000_000, 65_536, 2000
EXPLANATION = """
No protocol here negotiates a largest message, so the client cannot know, and its send succeeds. The
length stands in front of the message, and a server may hang up as soon as it has read the length.
The client sees only a closed connection, which looks like a passing fault of the network, so the
libraries connect again.

ZeroMQ closes the connection, forgets the request, and the client times out; raw does the same, and
so does the panel nanomsg. nanomsg's own REQ, which that panel does without, sends the pending
request again when a connection is lost. The server refuses it again, every reconnect interval,
until the client gives up: a request that can never succeed, at full bandwidth. NNG with a limit of
its own (NN_RCVMAXSIZE) hangs up, and its client sends the request again, too. Worse, in 1.5.2 a
client whose connection is closed in the middle of a long send may stay dead. So the panel sets no
limit there: it reads the whole message, drops it, and keeps the connection.
"""
SOURCES = [
    "zmq_setsockopt(3), ZMQ_MAXMSGSIZE",
    "nn_getsockopt(3), NN_RCVMAXSIZE",
    "nanomsg: src/transports/tcp/stcp.c, src/protocols/reqrep/req.c",
    "common/CONTRACT.md, R8",
]
TRY_NEXT = "The same over ipc: change workbench.url() to workbench.url('ipc') in this file."
WORDS = {
    "errno": "the client's error was {}",
    "connections": "there were {} connections",
    "sent_times": "the request crossed the wire {} times",
    "limit_connections": "with the library's own REQ and limit there were {} connections",
}
EXPECTED = {
    "raw": {"errno": "ETIMEDOUT", "connections": [1, 2], "sent_times": [0.0, 1.1]},
    "zmq": {"errno": "ETIMEDOUT", "connections": [1, 2], "sent_times": [0.0, 1.1]},
    "nanomsg": {
        "errno": "ETIMEDOUT", "connections": 2, "sent_times": [0.0, 1.1],
        "limit_connections": [3, 60],
    },
    "nng": {
        "errno": "ETIMEDOUT", "connections": 1, "sent_times": [0.9, 1.1],
        "limit_connections": [3, 300],
    },
}


def limited(workbench: Workbench) -> int:
    """The number of connections that the library's own REQ makes to a server with a limit."""
    front, back = workbench.url(), workbench.url()
    workbench.calls("socket REP", f"set RCVMAXSIZE {LIMIT}", f"bind {back}")
    tap = workbench.tap(front, back)
    client = workbench.calls("socket REQ", f"set RCVTIMEO {TIMEOUT_MS}", f"connect {front}")
    client.call(f"flood 1 {LENGTH}")
    client.call("recv")
    return int(tap.stop()["accepted"])


def run(workbench: Workbench, panel: str) -> Observation:
    front, back = workbench.url(), workbench.url()
    server = workbench.ready("rep", back, "-m", LIMIT)
    tap = workbench.tap(front, back)
    client = workbench.driver("req", front, timeout=TIMEOUT_MS)
    workbench.say(f"the client sends {LENGTH} bytes; the server takes {LIMIT}")
    sent = client.call(f"send -s {LENGTH}")
    reply = client.call("recv") if sent["result"] >= 0 else sent
    up = tap.stats()["up"]["received"]
    summary = tap.stop()
    times = round(up / LENGTH, 2)
    told = server.stop()
    data = {
        "errno": reply["errno"],
        "send_fails": sent["result"] < 0,
        "bytes": up,
        "sent_times": times,
        "connections": summary["accepted"],
        "server_counts": told["too_long"],
    }
    heard = reply.get("error", "an answer")
    workbench.say(f"the client: {heard}; {up} bytes, {data['connections']} connections")
    connections = (
        "1 connection" if data["connections"] == 1 else f"{data['connections']} connections"
    )
    phrase = f"the client hears: {heard}; {connections}, {up / 1e6:.1f} MB sent"
    if panel in ("nanomsg", "nng"):
        data["limit_connections"] = limited(workbench)
        phrase += f"; with the library's own REQ and limit {data['limit_connections']} connections"
    answer = 1 if data["send_fails"] else 3 if times > 1.5 or data["connections"] > 2 else 2
    return Observation(data, phrase, answer)
