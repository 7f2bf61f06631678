"""A full queue: drop, block, or keep the last; and an option that comes too late."""

from __future__ import annotations

from typing import Any

from lab.workbench import Observation, Workbench

THEME = "publish/subscribe"
ORDER = 25
QUESTION = (
    "A subscriber does not read while 2000 events of 4 KiB are published, and its program needs "
    "only the newest. Which does the library keep by default?"
)
FIND = (
    "ZMQ_CONFLATE ZMQ_XPUB_NODROP last value cache only latest newest message drop block "
    "backpressure full queue high-water mark option no effect after connect before bind"
)
PREDICT = ["the first ones", "the last ones", "all: the publisher waits"]
PANELS = ["zmq", "nanomsg", "nng"]
EVENTS, BYTES = 2000, 4096
TIMING = True
EXPLANATION = """
A publisher must not wait for one slow subscriber, so something has to go. ZeroMQ drops the event
that comes when the queue is full: the subscriber finds the oldest events, the stale ones. nanomsg
has no queue but the kernel's buffers, and drops the newest, too. NNG drops the oldest, in the
publisher's queue (16 messages by default) and in the subscriber's (128). The subscriber goes on
reading while its program sleeps, so the program finds the newest, and perhaps some early ones that
had already passed.

ZeroMQ can do otherwise. With ZMQ_XPUB_NODROP a full queue blocks the publisher (or its send fails
with EAGAIN after ZMQ_SNDTIMEO), so nothing is lost, and one slow subscriber stops all. ZMQ_CONFLATE
on the subscriber keeps the last message only. That helps only if the publisher's queue does not
drop first, so here it has no limit (ZMQ_SNDHWM 0). In NNG a receive queue of 1 (NN_RCVBUF 1024)
does the same.

Most options must be set before bind or connect. ZMQ_CONFLATE decides what kind of queue connect
makes, so after connect it is accepted without a word and changes nothing. (zmq_setsockopt(3) lists
the exceptions; among them are ZMQ_LINGER and the high-water marks.) NNG shortens its receive queue
at once, because the queue belongs to the socket and not to a connection.
"""
SOURCES = [
    "zmq_setsockopt(3), ZMQ_CONFLATE, ZMQ_XPUB_NODROP, ZMQ_SNDHWM; the note on options and bind",
    "nn_pubsub(7): https://nanomsg.org/v1.1.5/nn_pubsub.html",
    "nanomsg: src/protocols/utils/dist.c; NNG: src/sp/protocol/pubsub0/sub.c",
    "lab/probes/calls_zmq.c, lab/probes/calls_nn.c",
]
TRY_NEXT = "Give ZeroMQ's publisher ZMQ_SNDHWM 10 and the subscriber ZMQ_CONFLATE. Why event 10?"
WORDS = {
    "kept": "it finds {}",
    "count": "it finds {} events",
    "lost": "{} of those that send had taken are lost",
    "publisher": "the publisher's send: {}",
}
OLDEST = {"kept": "the first", "count": [5, EVENTS - 1], "publisher": "ok"}
LAST = {"kept": "the last", "count": 1, "publisher": "ok"}
BLOCKS = {"kept": "all", "lost": 0, "publisher": "EAGAIN"}
EXPECTED: dict[str, Any] = {
    "zmq": {
        "queues of 10": OLDEST,
        "XPUB_NODROP 1": BLOCKS,
        "CONFLATE 1": LAST,
        "CONFLATE 1 too late": {"count": [2, EVENTS + 5], "publisher": "ok"},
    },
    "nanomsg": {"defaults": OLDEST},
    "nng": {
        "defaults": {"kept": "the last", "count": [2, 400], "publisher": "ok"},
        "RCVBUF 1024": LAST,
        "RCVBUF 1024 too late": LAST,
    },
}


def stalled(workbench: Workbench, way: str) -> dict[str, Any]:
    """What a subscriber finds that did not read."""
    url = workbench.url()
    option, late = way.removesuffix(" too late"), way.endswith("too late")
    publisher = ["set SNDTIMEO 300"] if "NODROP" in way else []
    if workbench.panel == "zmq":
        publisher += [f"set SNDHWM {0 if 'CONFLATE' in way else 10}"]
    publisher += [f"set {way}"] if "NODROP" in way else []
    subscriber = ["set RCVHWM 10"] if workbench.panel == "zmq" and "CONFLATE" not in way else []
    subscriber += ["set RCVTIMEO 50", "set SUBSCRIBE "]
    on_subscriber = option if option.startswith(("CONFLATE", "RCVBUF")) else ""
    if on_subscriber and not late:
        subscriber.append(f"set {on_subscriber}")
    pub = workbench.calls("socket PUB", *publisher, f"bind {url}")
    sub = workbench.calls("socket SUB", *subscriber, f"connect {url}")
    if late:
        sub.must(f"set {on_subscriber}")
    joined = False
    while not joined:  # the first events come before the subscription
        pub.call("send are you there?")
        joined = bool(sub.must("poll 20")["result"]) and sub.call("recv")["result"] >= 0
    workbench.settle(pub, sub)
    sub.must("set RCVTIMEO 0")
    sub.must("drain")
    sub.must("set RCVTIMEO 200")
    sent = pub.must(f"flood {EVENTS} {BYTES}", 30)
    workbench.pause(0.2)  # what still travels arrives, also what Nagle's algorithm holds back
    workbench.settle(pub, sub)
    found = {"result": 0, "last": 0}
    while (more := sub.must("drain", 30))["result"]:
        found = {"result": found["result"] + more["result"], "last": more["last"]}
        workbench.settle(pub, sub)
    lost = sent["result"] - found["result"]
    newest = found["last"] == sent["result"]
    return {
        "kept": "all" if lost <= 0 else "the last" if newest else "the first",
        "count": found["result"],
        "lost": lost,
        "publisher": sent["stopped"] or "ok",
    }


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, Any] = {}
    phrases = []
    for way in EXPECTED[panel]:
        seen = data[way] = stalled(workbench, way)
        told = f"{way}: finds {seen['kept']}, {seen['count']} events"
        told += f"; send: {seen['publisher']}" if seen["publisher"] != "ok" else ""
        workbench.say(told)
        phrases.append(told)
    first = next(iter(data.values()))
    answer = 3 if first["kept"] == "all" else 2 if first["kept"] == "the last" else 1
    return Observation(data, "; ".join(phrases), answer)
