"""Leaving lockstep: DEALER and ROUTER, the empty frame, and messages to nobody."""

from __future__ import annotations

from typing import Any

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 45
QUESTION = (
    "A client wants to send three requests before it reads a reply, so it takes a DEALER socket "
    "instead of REQ. It sends a request to a REP server as before. What does the server get?"
)
FIND = (
    "asynchronous async pipelining several requests lockstep strict EFSM envelope empty delimiter "
    "frame multipart ROUTER identity routing id ZMQ_ROUTER_MANDATORY EHOSTUNREACH silently dropped"
)
PREDICT = ["the request", "nothing, and nobody is told", "an error"]
PANELS = ["zmq"]
EXPLANATION = """
A REQ socket puts an empty frame in front of each request, and a REP socket looks for it. The frames
before the empty frame are the way back (the envelope), the frames after it are the request. REQ and
REP add and remove it, so a program never sees it. DEALER adds nothing. To REP, a message without
the empty frame is no request: REP drops it in silence, and the client waits in vain. If the program
sends an empty frame first (ZMQ_SNDMORE), DEALER may send as many requests as it likes, and read the
replies, each with its empty frame, whenever it wants. The program must find out which reply belongs
to which request. REQ refuses a second request: EFSM.

ROUTER is the other end. It puts the sender's identity in front of each message that it receives,
and takes the first frame of each message that it sends as the address. If nobody has that identity,
because the name is wrong or the peer has gone, the message is dropped and send succeeds. With
ZMQ_ROUTER_MANDATORY send fails with EHOSTUNREACH.

Among the nn_ calls of nanomsg and NNG only the "raw" sockets (AF_SP_RAW) are like these: they show
the header. On a REQ of theirs, a second request replaces the first (lab out-of-turn).
"""
SOURCES = [
    "zmq_socket(3), ZMQ_DEALER, ZMQ_ROUTER; zmq_setsockopt(3), ZMQ_ROUTER_MANDATORY",
    "ZeroMQ RFC 28 (Request-Reply): https://rfc.zeromq.org/spec/28/",
    "The ZeroMQ Guide, chapter 3: https://zguide.zeromq.org/docs/chapter3/",
    "lab/probes/calls_zmq.c",
]
TRY_NEXT = "./triptych wire reqrep zmq shows the empty frame among the bytes of a request."
WORDS = {
    "REQ asks twice": "a second request on REQ: {}",
    "without the empty frame": "of a DEALER's request without the empty frame the server gets: {}",
    "with it": "of three with the empty frame {} are answered",
    "reply": "each reply has the parts: {}",
    "to nobody": "a ROUTER's message to nobody: {}",
    "to nobody, MANDATORY": "with ZMQ_ROUTER_MANDATORY: {}",
    "to one that left": "with it, to a peer that has left: {}",
    "routed": "messages reach the peer that is named: {}",
}
EXPECTED: dict[str, Any] = {
    "zmq": {
        "REQ asks twice": "EFSM",
        "without the empty frame": "nothing",
        "with it": 3,
        "reply": "empty, reply 0",
        "to nobody": "ok",
        "to nobody, MANDATORY": "EHOSTUNREACH",
        "to one that left": "EHOSTUNREACH",
        "routed": True,
    }
}
EFSM = "Operation cannot be accomplished in current state"


def lockstep(workbench: Workbench) -> dict[str, Any]:
    url = workbench.url()
    server = workbench.calls("socket REP", f"bind {url}")
    req = workbench.calls("socket REQ", "set SNDTIMEO 8000", f"connect {url}")
    req.must("send one")
    refused = req.call("send two")
    server.must("recv")
    server.must("send yes")
    dealer = workbench.calls("socket DEALER", "set RCVTIMEO 8000", f"connect {url}")
    bare = "without the empty frame"
    dealer.must(f"send {bare}")
    for number in range(3):
        dealer.must("more ")
        dealer.must(f"send request {number}")
    got = ""
    for number in range(3):
        text = server.must("recv")["text"]
        got = got or (text if number == 0 and text == bare else "nothing")  # they come in order
        server.must(f"send reply {number}")
    replies = [dealer.call("recv").get("parts", []) for _ in range(3)]
    return {
        "REQ asks twice": "EFSM" if refused.get("error") == EFSM else refused["errno"] or "ok",
        "without the empty frame": got,
        "with it": sum(bool(parts) for parts in replies),
        "reply": ", ".join(part or "empty" for part in replies[0]),
    }


def routing(workbench: Workbench) -> dict[str, Any]:
    url = workbench.url()
    router = workbench.calls("socket ROUTER", "set RCVTIMEO 8000", f"bind {url}")

    def to(name: str, text: str) -> str:
        error = router.call(f"more {name}")["errno"]  # the address decides, not the rest
        return str(error or router.call(f"send {text}")["errno"] or "ok")

    data: dict[str, Any] = {"to nobody": to("nobody", "hello")}
    router.must("set ROUTER_MANDATORY 1")
    data["to nobody, MANDATORY"] = to("nobody", "hello")
    options = ["set RCVTIMEO 8000", "set SNDTIMEO 8000"]
    peers = {
        name: workbench.calls("socket DEALER", *options, f"set ROUTING_ID {name}", f"connect {url}")
        for name in ("oslo", "rome")
    }
    for peer in peers.values():
        peer.must("send I am here")
        router.must("recv")
    for name in reversed(peers):
        to(name, f"for {name}")
    data["routed"] = all(peer.call("recv").get("text") == f"for {n}" for n, peer in peers.items())
    peers["oslo"].kill()
    left = workbench.wait_for(lambda: to("oslo", "again") != "ok")
    data["to one that left"] = "EHOSTUNREACH" if left else "ok"
    return data


def run(workbench: Workbench, panel: str) -> Observation:
    data = lockstep(workbench)
    workbench.say(f"without the empty frame the server gets: {data['without the empty frame']}")
    workbench.say(f"with it, {data['with it']} of 3 requests are answered")
    data.update(routing(workbench))
    workbench.say(f"to nobody: {data['to nobody']}; MANDATORY: {data['to nobody, MANDATORY']}")
    phrase = (
        f"without the empty frame the server gets {data['without the empty frame']}; with it "
        f"{data['with it']} of 3 are answered; ROUTER to nobody: {data['to nobody']}, with "
        f"MANDATORY: {data['to nobody, MANDATORY']}"
    )
    return Observation(data, phrase, 2 if data["without the empty frame"] == "nothing" else 1)
