"""Topics are prefixes; subscriptions may overlap and repeat."""

from lab.workbench import Driver, Failed, Observation, Workbench

THEME = "publish/subscribe"
ORDER = 50
QUESTION = (
    'A subscriber asks for "tx". Does it get "tx_trytes"? It asks twice, and unsubscribes once: '
    "does it still get anything?"
)
FIND = "topic match wildcard prefix subscribe twice unsubscribe exact"
PREDICT = [
    "only tx; then nothing",
    "only tx; then still tx",
    "both; then nothing",
    "both; then still both",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
No library knows topics. A subscription is some bytes that are compared with a message's first
bytes, so "tx" matches "tx", "tx_trytes" and "txt". A program that means a whole topic ends it: with
a NUL (as this sandbox's messages do; `sub -T` still takes a prefix), a space, a slash. Overlapping
subscriptions give one copy everywhere: a message is matched once, not delivered once for each
match.

The libraries differ on whether two subscriptions to the same prefix are two or one. ZeroMQ and
nanomsg count them. In NNG, and in raw, a prefix is in the set or not, and the first unsubscribe
ends both. So two parts of a program that share a subscriber cannot each tidy up after itself there.

The last outcome is the library's own answer when a program unsubscribes from a prefix to which it
never subscribed. nanomsg looks into the trie of prefixes, which does not exist yet, and crashes.
The panels remember their subscriptions, and never ask.
"""
SOURCES = [
    "zmq_setsockopt(3), ZMQ_SUBSCRIBE, ZMQ_UNSUBSCRIBE",
    "nn_pubsub(7); nanomsg: src/protocols/pubsub/trie.c, which counts",
    "NNG: src/sp/protocol/pubsub0/sub.c: a topic that is there is not added again",
    "raw/prefixes.c",
]
TRY_NEXT = "Subscribe to the empty prefix and to tx, then unsubscribe the empty one."
WORDS = {
    "tx_trytes": "a subscriber to tx gets tx_trytes: {}",
    "copies": "with two prefixes that match it gets {} copies",
    "after_one_of_two": "subscribed twice, unsubscribed once, it still gets tx: {}",
    "after_both": "unsubscribed twice, it still gets tx: {}",
    "unknown": "to unsubscribe from what is unknown: {}",
}
NO_ENTRY = "Entry not found"
EXPECTED = {
    "raw": {"tx_trytes": True, "copies": 1, "after_one_of_two": False, "after_both": False},
    "zmq": {
        "tx_trytes": True, "copies": 1, "after_one_of_two": True, "after_both": False,
        "unknown": "accepted",
    },
    "nanomsg": {
        "tx_trytes": True, "copies": 1, "after_one_of_two": True, "after_both": False,
        "unknown": "SIGSEGV",
    },
    "nng": {
        "tx_trytes": True, "copies": 1, "after_one_of_two": False, "after_both": False,
        "unknown": NO_ENTRY,
    },
}
STEPS = 3  # time-outs of the subscriber until it has met the publisher


def arrive(publisher: Driver, sub: Driver) -> None:
    """Until the publisher knows all subscriptions: the last one comes after those before it."""
    mark = f"mark-{sub.told}"
    sub.must(f"subscribe {mark}")
    for _ in range(STEPS):
        sub.begin(f"until {mark}")
        while not (said := sub.heard("", 0)):
            publisher.must(f"send {mark}")
            publisher.must("idle 20")
        if said["result"] >= 0:
            break
    until_end(publisher, sub)  # the same mark, sent again meanwhile


def until_end(publisher: Driver, sub: Driver, *texts: str) -> int:
    """How many it hears of these; "end", which is always subscribed to, comes after them."""
    sub.begin("until end")
    for text in (*texts, "end"):
        publisher.must(f"send {text}")
    publisher.must("idle 0")
    said = sub.result()
    if said["result"] < 0:
        raise Failed(f"the subscriber has not heard the end: {said['error']}")
    return int(said["result"])


def heard(publisher: Driver, sub: Driver, text: str) -> int:
    """How often the subscriber hears it."""
    arrive(publisher, sub)
    return until_end(publisher, sub, text)


def unknown(workbench: Workbench) -> str:
    """The library's own answer to unsubscribing without any subscription."""
    probe = workbench.probe("unsubscribe", "none")
    said = probe.heard()
    if said is None:
        status = probe.ended() or 0
        return "SIGSEGV" if status == -11 else f"ended with status {status}"
    return "accepted" if said["result"] == 0 else str(said["error"])


def run(workbench: Workbench, panel: str) -> Observation:
    url = workbench.url()
    publisher = workbench.driver("pub", url)
    sub = workbench.driver("sub", url, timeout=5000)
    sub.must("subscribe end")
    sub.must("subscribe tx")
    data: dict[str, object] = {"tx_trytes": heard(publisher, sub, "tx_trytes|HASH") == 1}
    workbench.say(f"subscribed to tx; does tx_trytes arrive: {data['tx_trytes']}")
    sub.must("subscribe t")
    data["copies"] = heard(publisher, sub, "tx|HASH")
    sub.must("unsubscribe t")
    sub.must("subscribe tx")
    sub.must("unsubscribe tx")
    data["after_one_of_two"] = heard(publisher, sub, "tx|HASH") == 1
    workbench.say(f"subscribed twice, unsubscribed once; heard: {data['after_one_of_two']}")
    sub.must("unsubscribe tx")
    data["after_both"] = heard(publisher, sub, "tx|HASH") == 1
    phrase = "a prefix" if data["tx_trytes"] else "a topic"
    counted = data["after_one_of_two"]
    phrase += "; counted" if counted else "; not counted: one unsubscribe ends both"
    if panel != "raw":
        data["unknown"] = unknown(workbench)
        phrase += f"; of an unknown one: {data['unknown']}"
    answer = 1 + 2 * bool(data["tx_trytes"]) + bool(data["after_one_of_two"])
    return Observation(data, phrase, answer)
