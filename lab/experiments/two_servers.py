"""One socket that is connected to two servers, of which one is not there."""

from __future__ import annotations

from functools import partial

from lab.workbench import Driver, Observation, Program, Workbench

THEME = "request/reply"
ORDER = 65
QUESTION = (
    "A client connects one socket to two servers; the second is not there. It asks four times, "
    "with a time-out. How many requests are answered?"
)
FIND = (
    "two servers several endpoints multiple connect failover load balancing balance round robin "
    "backup down dead absent ZMQ_IMMEDIATE every second request"
)
PREDICT = ["none", "two: each server gets every second request", "four: the living one gets all"]
PANELS = ["zmq", "nanomsg", "nng"]
ASKS = 4
EXPLANATION = """
A socket with several connections gives them its requests in turn. The question is what counts as a
connection. In ZeroMQ a connect makes a queue at once, before anybody listens at the other end, and
the queue takes its turn: every second request waits there for a server that is not coming. The
request is not lost but late, which is worse if the server comes back an hour later. With
ZMQ_IMMEDIATE 1 a queue exists only while there is a connection, and all requests go to the living
server; if there is none at all, send blocks.

nanomsg and NNG know only connections that are established, so the living server gets everything.
When a server dies, the same happens: ZeroMQ's queue stays while it tries to connect again, the
others forget the connection. A request that was under way when its server died is another matter:
nanomsg and NNG send it to the other server (lab killed-server).

ZeroMQ's client here has ZMQ_REQ_RELAXED and ZMQ_REQ_CORRELATE, like our panel. Without them it
could not ask again after the first time-out. With plain sockets the program does it by hand:
connect says "refused", and the program takes the next address.
"""
SOURCES = [
    "zmq_setsockopt(3), ZMQ_IMMEDIATE; zmq_socket(3), ZMQ_REQ: outgoing routing strategy",
    "nn_reqrep(7): https://nanomsg.org/v1.1.5/nn_reqrep.html",
    "nanomsg: src/protocols/utils/lb.c; NNG: src/sp/protocol/reqrep0/req.c",
    "lab/probes/calls_zmq.c, lab/probes/calls_nn.c",
]
TRY_NEXT = "Start the second server late: to whom do the requests that waited for it go?"
WORDS = {
    "absent": "with one server absent, {} of 4 requests were answered",
    "both": "with both there, {} of 4 were answered",
    "killed": "after one was killed, {} of 4 were answered",
}
HALF = {"absent": 2, "both": 4, "killed": 2}
ALL = {"absent": 4, "both": 4, "killed": 4}
EXPECTED = {
    "zmq": {"defaults": HALF, "IMMEDIATE 1": ALL},
    "nanomsg": {"defaults": ALL},
    "nng": {"defaults": ALL},
}
RELAXED = ["set REQ_RELAXED 1", "set REQ_CORRELATE 1"]


def answer(workbench: Workbench, client: Driver, servers: list[Program]) -> bool:
    """Whether a request is answered: when nothing moves any more, it never will be."""
    if workbench.panel != "zmq":  # here a receive that gives up gives up the request
        return bool(client.ask("question")["result"] >= 0)
    client.must("send question")
    workbench.settle(client, *servers)
    return bool(client.call("recv")["result"] >= 0)


def answered(workbench: Workbench, client: Driver, servers: list[Program]) -> int:
    return sum(answer(workbench, client, servers) for _ in range(ASKS))


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, dict[str, int]] = {}
    for way in EXPECTED[panel]:
        here, there = workbench.url(), workbench.url()
        first = workbench.ready("rep", here)
        lines = RELAXED if panel == "zmq" else []
        lines = lines + ([] if way == "defaults" else [f"set {way}"])
        lines += ["set SNDTIMEO 8000", "set RCVTIMEO 8000", f"connect {here}"]
        client = workbench.calls("socket REQ", *lines)
        client.must("send are you there?")
        client.must("recv")
        if panel == "zmq":
            client.must("set RCVTIMEO 0")
        client.must(f"connect {there}")
        seen = {"absent": answered(workbench, client, [first])}
        workbench.say(f"{way}: one server is absent: {seen['absent']} of {ASKS} are answered")
        second = workbench.ready("rep", there)
        # A connection needs a moment, and what waited for the second server is answered first.
        both = partial(answered, workbench, client, [first, second])
        workbench.wait_for(lambda: both() == ASKS)
        seen["both"] = both()
        second.kill()
        workbench.settle(client)  # its side has heard of it
        seen["killed"] = answered(workbench, client, [first])
        workbench.say(f"{way}: it came and was killed: {seen['killed']} of {ASKS} are answered")
        data[way] = seen
    phrase = "; ".join(
        f"{way}: one absent {seen['absent']} of {ASKS}, one killed {seen['killed']} of {ASKS}"
        for way, seen in data.items()
    )
    answer = {0: 1, ASKS // 2: 2, ASKS: 3}.get(data["defaults"]["absent"], 0)
    return Observation(data, phrase, answer)
