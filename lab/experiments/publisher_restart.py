"""The publisher is killed and started again."""

from lab.workbench import Observation, Workbench

THEME = "publish/subscribe"
ORDER = 60
QUESTION = (
    "The publisher, at work once a millisecond, is killed and started again. How long is the "
    "subscriber deaf?"
)
FIND = "crash publisher dies reconnect subscribe again deaf gap"
PREDICT = [
    "it must be started again too",
    "until it reconnects: a tenth of a second",
    "more than a second",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HOSTS = True
TIMING = True
EXPLANATION = """
None of them tells the subscriber's program that its publisher has gone: the receive just waits. All
connect again and subscribe again by themselves; ZeroMQ and raw send their prefixes once more. So
the gap is the new publisher's start and the rest of a reconnect interval. The panels set it to 100
ms, to which ZeroMQ adds a random part of as much again; raw's doubles up to 200 ms. (NNG's default
is a random time up to a second, which would be most of the gap.)

What was published in the gap is lost without a trace: no library numbers messages. The programs
number theirs, from 1 at each start, so the first number heard says how many were missed. They see
that it is a new publisher only if this number is not above the last one heard, as here. If a
publisher is away for longer than it had been there, it looks like a gap; to be sure, each message
would need an identity of its publisher. If a subscriber must not miss anything, the publisher keeps
the messages and the subscriber asks for them.
"""
SOURCES = [
    "zmq_setsockopt(3), ZMQ_RECONNECT_IVL; RFC 29 (29/PUBSUB)",
    "nn_getsockopt(3), NN_RECONNECT_IVL",
    "The ZeroMQ Guide, chapter 5: reliable publish/subscribe (Clone)",
]
TRY_NEXT = "Leave the publisher away for ten seconds, with ZMQ_RECONNECT_IVL_MAX set to 10000."
WORDS = {
    "back": "{} subscribers heard the new publisher",
    "restarts": "the subscribers counted {} restarts",
    "longest_ms": "the last of them heard the first message after {} ms",
}
TRIALS = 6
APART_SECONDS = 0.13  # so that the publishers start at different moments of a reconnect interval
# The interval ends at most this late; one of a second would leave somebody deaf for longer.
BACK = {"back": TRIALS, "restarts": TRIALS, "longest_ms": [10, 600]}
EXPECTED = {"raw": BACK, "zmq": BACK, "nanomsg": BACK, "nng": BACK}


def run(workbench: Workbench, panel: str) -> Observation:
    options = ("-r", 1000, "-n", 0, "-s", 16, "--quiet")
    urls = [workbench.url() for _ in range(TRIALS)]
    old = [workbench.ready("pub", url, *options) for url in urls]
    subs = [workbench.ready("sub", url) for url in urls]
    for sub in subs:
        sub.hear("message")
    workbench.pause(0.5)
    workbench.say(f"kill -9 to the publishers of {TRIALS} subscribers")
    for publisher in old:
        publisher.kill()
    for sub in subs:
        while sub.heard("message", 0.2):
            pass
    workbench.say("new publishers start on the same addresses")
    gaps, restarts = [], 0
    for url, sub in zip(urls, subs, strict=True):
        workbench.pause(APART_SECONDS)
        workbench.ready("pub", url, *options)
        if new := sub.heard("message", 10):
            gaps.append(int(new["sequence"]) - 1)
        restarts += sub.stop()["restarts"]
    gaps.sort()
    data = {"back": len(gaps), "restarts": restarts, "gaps_ms": gaps}
    data["longest_ms"] = gaps[-1] if gaps else None
    if len(gaps) < TRIALS:
        return Observation(data, f"{TRIALS - len(gaps)} of {TRIALS} are not back within 5 s", 1)
    workbench.say(f"the gaps: {', '.join(map(str, gaps))} ms")
    phrase = f"back after {gaps[0]} to {gaps[-1]} ms; as many events are lost"
    return Observation(data, phrase, 2 if gaps[-1] < 1000 else 3)
