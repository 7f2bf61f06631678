"""One subscriber and two publishers, one of them loud; and a subscriber that binds."""

from __future__ import annotations

from typing import Any

from lab.workbench import Observation, Workbench

THEME = "publish/subscribe"
ORDER = 55
QUESTION = (
    "One subscriber is connected to two publishers. The loud one has sent ten events that wait, "
    "then the quiet one sends one. How many of the loud one's are received before it?"
)
FIND = (
    "several publishers many publishers multiple connect bind subscriber binds many to one "
    "fair queueing starve starvation order merge interleave proxy"
)
PREDICT = ["all ten: first come, first served", "one or two: the publishers take turns", "none"]
PANELS = ["zmq", "nanomsg", "nng"]
LOUD, BYTES = 10, 64
EXPLANATION = """
A subscriber may have any number of connections, and each publisher's messages keep their order.
Between publishers there is no order at all, and each library merges in its own way. ZeroMQ and
nanomsg keep a queue for each connection and take from them in turn (fair queueing): a loud
publisher cannot keep a quiet one waiting. NNG's subscriber has one queue for all: first come, first
served. When it overflows, a loud publisher pushes out the quiet one's event as well.

Who binds and who connects is independent of who publishes. A subscriber that binds and publishers
that connect are the same to all three, and are the right way round if publishers come and go. If a
publisher dies, the others are heard as before. Nothing in a message says which publisher sent it,
unless the program puts it there.

Our panels bind the publisher and connect the subscriber to one address; for two publishers a
program opens two subscribers. On plain sockets a subscriber would poll two connections.
"""
SOURCES = [
    "zmq_socket(3), ZMQ_SUB: incoming routing strategy fair-queued; zmq_bind(3)",
    "nn_pubsub(7): https://nanomsg.org/v1.1.5/nn_pubsub.html",
    "nanomsg: src/protocols/utils/fq.c; NNG: src/sp/protocol/pubsub0/sub.c",
    "lab/probes/calls_zmq.c, lab/probes/calls_nn.c",
]
TRY_NEXT = "Let the loud one send 1000 (LOUD in this file). How many arrive in NNG, and why?"
WORDS = {
    "before": "{} of the loud one's ten come before the quiet one's",
    "in order": "each publisher's events are in their order: {}",
    "heard": "{} events are received",
    "survivor": "when the loud one is killed, the quiet one is heard: {}",
}
COMMON = {"in order": True, "heard": LOUD + 1, "survivor": True}
TURNS = {**COMMON, "before": [0, 2]}
QUEUE = {**COMMON, "before": LOUD}
EXPECTED: dict[str, Any] = {
    "zmq": {"subscriber connects": TURNS, "subscriber binds": TURNS},
    "nanomsg": {"subscriber connects": TURNS, "subscriber binds": TURNS},
    "nng": {"subscriber connects": QUEUE, "subscriber binds": QUEUE},
}


def merge(workbench: Workbench, binds: bool) -> dict[str, Any]:
    urls = [workbench.url()] if binds else [workbench.url(), workbench.url()]
    subscriber = workbench.calls("socket SUB", "set RCVTIMEO 20", "set SUBSCRIBE ")
    if binds:
        subscriber.must(f"bind {urls[0]}")
        publishers = [workbench.calls("socket PUB", f"connect {urls[0]}") for _ in range(2)]
    else:
        publishers = [workbench.calls("socket PUB", f"bind {url}") for url in urls]
        for url in urls:
            subscriber.must(f"connect {url}")
    for number, publisher in enumerate(publishers):
        heard = ""
        while heard != f"hello {number}":  # each is heard before it begins
            publisher.must(f"send hello {number}")
            heard = subscriber.call("recv").get("text", "")
    workbench.settle(subscriber, *publishers)
    subscriber.must("set RCVTIMEO 100")
    subscriber.must("drain")
    subscriber.must("set RCVTIMEO 3000")
    loud, quiet = publishers
    loud.must(f"flood {LOUD} {BYTES}")
    # They wait at the subscriber then, also what Nagle's algorithm held back.
    workbench.pause(0.2)
    workbench.settle(subscriber, loud)
    quiet.must("send quiet")
    workbench.pause(0.2)
    workbench.settle(subscriber, quiet)
    texts: list[str] = []
    while len(texts) <= LOUD and (said := subscriber.call("recv"))["result"] >= 0:
        texts.append(said["text"][:8])
    numbers = [int(text) for text in texts if text.isdigit()]
    loud.kill()
    quiet.must("send still here")
    survivor = subscriber.call("recv").get("text") == "still here"
    return {
        "before": texts.index("quiet") if "quiet" in texts else -1,
        "in order": numbers == sorted(numbers),
        "heard": len(texts),
        "survivor": survivor,
    }


def run(workbench: Workbench, panel: str) -> Observation:
    data = {
        way: merge(workbench, way.endswith("binds"))
        for way in ("subscriber connects", "subscriber binds")
    }
    for way, seen in data.items():
        workbench.say(f"{way}: {seen['before']} of {LOUD} come before the quiet one's event")
    first, second = data.values()
    phrase = f"{first['before']} of {LOUD} first; if the subscriber binds, {second['before']}"
    before = first["before"]
    return Observation(data, phrase, 1 if before == LOUD else 3 if before == 0 else 2)
