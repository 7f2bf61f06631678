"""Events that nobody wants: are they sent all the same?"""

from lab.workbench import Failed, Observation, Workbench

THEME = "publish/subscribe"
ORDER = 40
QUESTION = (
    "1000 events of 1000 bytes, and one subscriber, who wants none of them. How many bytes "
    "travel to it?"
)
FIND = "who filters topic filter bandwidth bytes network publisher subscriber side"
PREDICT = ["hardly any: the publisher filters", "a megabyte: the subscriber filters"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HOSTS = True
EXPLANATION = """
"Subscribe" can be an order or a sieve. In ZeroMQ (since version 3, over TCP and ipc) and in raw it
is an order: the prefix travels to the publisher, which sends only what matches. In nanomsg and NNG
it is a sieve: the protocol has no way to tell the publisher anything. All events go to all
subscribers, and each library throws away the events that nobody asked for, after they have crossed
the network, have been received and have taken memory.

That costs bandwidth, and the subscriber's processor time, for each subscriber. It has its
advantages too: the publisher does no work per prefix, a new subscription works at once, and a
broken publisher cannot forget it. Where bandwidth matters, nanomsg's way is one address per topic.
"""
SOURCES = [
    "RFC 29 (29/PUBSUB): filtering at the publisher; RFC 37 (ZMTP 3.1), SUBSCRIBE",
    "nn_pubsub(7); nanomsg: src/protocols/pubsub/xsub.c, nn_xsub_recv: the filter",
    "NNG: src/sp/protocol/pubsub0/sub.c",
]
TRY_NEXT = "./triptych wire shows the bytes; subscribe to both topics and count again."
WORDS = {
    "bytes": "{} bytes travel to the subscriber",
    "back": "{} bytes travel to the publisher",
    "received": "the subscriber receives {} events",
}
EXPECTED = {
    "raw": {"bytes": 0, "back": [10, 200], "received": 0},
    "zmq": {"bytes": [0, 200], "back": [50, 500], "received": 0},
    "nanomsg": {"bytes": 1_008_000, "back": [8, 50], "received": 0},
    "nng": {"bytes": 1_008_000, "back": [8, 50], "received": 0},
}
MARK = "weather-mark"  # an event that it wants: what was sent before has passed when it comes
HEAR_SECONDS = 10.0


def run(workbench: Workbench, panel: str) -> Observation:
    url, front = workbench.url(), workbench.url(role="tap")
    publisher = workbench.driver("pub", url, queue=5000)
    tap = workbench.tap(front, url)
    sub = workbench.driver("sub", front, timeout=20_000, queue=5000)
    sub.must("subscribe weather")
    sub.begin("until weather-hello")

    def met() -> bool:
        publisher.must("send weather-hello")
        publisher.must("idle 50")
        return sub.heard("", 0) is not None

    if not workbench.wait_for(met, HEAR_SECONDS):
        raise Failed("the subscriber has not heard the publisher")

    def passed(*events: str) -> tuple[int, int]:
        """Bytes to the subscriber for these events and a mark, and what it got before that."""
        before = tap.stats()["down"]["received"]
        sub.begin(f"until {MARK}")  # it goes on receiving all the while
        for line in (*events, f"send {MARK}", "idle 50"):
            publisher.must(line, 20)
        received = int(sub.result(HEAR_SECONDS)["result"])
        return tap.stats()["down"]["received"] - before, received

    passed()  # what is left of the first events, too
    mark, _ = passed()
    workbench.say("1000 events, none of them about the weather; then one that is")
    bytes_down, received = passed("burst 1000 1000 2000")
    data = {"bytes": bytes_down - mark, "back": tap.stats()["up"]["received"]}
    data["received"] = received
    many = data["bytes"] > 100_000
    where = "there" if many else "by the publisher"
    phrase = f"{data['bytes']} bytes to the subscriber: filtered {where}"
    return Observation(data, phrase, 2 if many else 1)
