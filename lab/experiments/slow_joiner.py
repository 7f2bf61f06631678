"""A publisher that speaks as soon as it is bound, and who hears its first words."""

from lab.workbench import Observation, Workbench

THEME = "publish/subscribe"
ORDER = 10
QUESTION = (
    "A subscriber waits. The publisher starts and speaks at once, once a millisecond. "
    "Which is the first message that is heard?"
)
FIND = "first messages vanish missing beginning lost start subscriber late sleep before publish"
PREDICT = ["the first one", "one of the first ten", "a later one: the beginning is lost"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
TIMING = True
EXPLANATION = """
A publisher keeps nothing for those who are not there, and a subscriber that waits is not there: it
dials again every so often, and only then does its connection begin, the greeting, and in ZeroMQ
and raw the subscription's travel to the publisher. All that was said meanwhile is said to nobody.
Binding first and sleeping for a second is the usual cure in examples, and a guess: the last number
shows that it works here, not that it always will.

How one waits properly: the subscriber tells that it hears. Over a second connection (a request "I
am here", sent once the first message of a repeated greeting came in), or, in ZeroMQ, with an XPUB
socket, which lets the publisher read the subscriptions as they arrive. Or one does not wait,
numbers the messages, and asks for a snapshot of what was missed.

The other number is a subscriber's that joins a publisher at work: from opening its socket to its
first message. That open succeeded says nothing about it.
"""
SOURCES = [
    'The ZeroMQ Guide, chapter 1, "the slow joiner"; chapter 2, "Node Coordination"',
    "zmq_socket(3), ZMQ_XPUB",
    "nn_pubsub(7); NN_RECONNECT_IVL in nn_getsockopt(3)",
    "raw/dialer.c: 10 ms, doubling to at most 200 ms",
]
TRY_NEXT = "Set RECONNECT_MS in zmq/pubsub.c or nng/pubsub.c to 1000, and run this again."
WORDS = {
    "first": "the first message that was heard has number {}",
    "after_a_pause": "after a pause of 1 s the first message that was heard has number {}",
    "joining_ms": "a subscriber that joins heard the first message after {} ms",
}
EXPECTED = {
    "raw": {"first": [1, 900], "after_a_pause": 1, "joining_ms": [0, 900]},
    "zmq": {"first": [1, 900], "after_a_pause": 1, "joining_ms": [0, 900]},
    "nanomsg": {"first": [1, 900], "after_a_pause": 1, "joining_ms": [0, 900]},
    "nng": {"first": [1, 900], "after_a_pause": 1, "joining_ms": [0, 900]},
}


def run(workbench: Workbench, panel: str) -> Observation:
    first = []
    for pause in (0, 1000):
        url = workbench.url()
        sub = workbench.ready("sub", url, "--quiet")
        workbench.pause(0.5)
        workbench.say(f"the publisher starts; it speaks after {pause} ms")
        workbench.ready("pub", url, "-r", 1000, "-n", 0, "-s", 16, "-d", pause, "--quiet")
        first.append(sub.hear("first")["sequence"])
        workbench.say(f"the first message heard: number {first[-1]}")
    late = workbench.driver()
    steps = (f"open sub {url} timeout=5000", "subscribe", "recv")
    ms = round(sum(late.must(step)["us"] for step in steps) / 1000)
    data = {"first": first[0], "after_a_pause": first[1], "joining_ms": ms}
    answer = 1 if first[0] == 1 else 2 if first[0] <= 10 else 3
    phrase = f"number {first[0]}; with a pause of 1 s number {first[1]}"
    phrase += f"; a joining one hears after {ms} ms"
    return Observation(data, phrase, answer)
