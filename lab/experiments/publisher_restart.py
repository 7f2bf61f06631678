"""The publisher is killed and started again."""

import time

from lab.workbench import Event, Observation, Workbench

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
TIMING = True
EXPLANATION = """
None of them tells the subscriber's program that its publisher has gone: receiving just waits. All
reconnect by themselves, and subscribe again by themselves, ZeroMQ and raw by saying their prefixes
once more; so the gap is the new publisher's start and the rest of a reconnect interval, 100 ms as
the panels set it. (NNG's default is a random time up to a second, which would be most of the gap.)

What was published in the gap is lost without a trace: no library numbers messages. The programs
see it by the numbers in the messages, which begin again with 1 after the restart, and the first
one heard says how many were missed. Whoever must not miss them keeps them at the publisher and
asks for them.
"""
SOURCES = [
    "zmq_setsockopt(3), ZMQ_RECONNECT_IVL; RFC 29 (29/PUBSUB)",
    "nn_getsockopt(3), NN_RECONNECT_IVL",
    "The ZeroMQ Guide, chapter 5: reliable publish/subscribe (Clone)",
]
TRY_NEXT = "Leave the publisher away for ten seconds, with ZMQ_RECONNECT_IVL_MAX set to 10000."
WORDS = {
    "back": "the subscriber heard the new publisher: {}",
    "restarts": "the subscriber counted {} restarts",
    "gap_ms": "it heard the first message after {} ms",
}
EXPECTED = {
    "raw": {"back": True, "restarts": 1, "gap_ms": [0, 800]},
    "zmq": {"back": True, "restarts": 1, "gap_ms": [0, 800]},
    "nanomsg": {"back": True, "restarts": 1, "gap_ms": [0, 800]},
    "nng": {"back": True, "restarts": 1, "gap_ms": [0, 800]},
}


def run(workbench: Workbench, panel: str) -> Observation:
    url = workbench.url()
    options = ("-r", 1000, "-n", 0, "-s", 16, "--quiet")
    old = workbench.ready("pub", url, *options)
    sub = workbench.ready("sub", url)
    sub.hear("message")
    workbench.pause(0.5)
    workbench.say("kill -9 to the publisher")
    old.kill()
    while sub.heard("message", 0.3):
        pass
    last = sub.events[-1]["sequence"]
    workbench.say(f"the last that was heard: number {last}; a new publisher starts")
    started = time.monotonic()
    workbench.ready("pub", url, *options)
    bound_ms = round((time.monotonic() - started) * 1000)
    new: Event | None = sub.heard("message", 5)
    gap = int(new["sequence"]) - 1 if new else 0
    summary = sub.stop()
    data = {
        "back": new is not None,
        "restarts": summary["restarts"],
        "gap_ms": gap,
        "bound_ms": bound_ms,
    }
    if not new:
        return Observation(data, "not back within 5 s", 1)
    workbench.say(f"the first that is heard: number {new['sequence']}")
    phrase = f"back {gap} ms after it speaks again; these {gap} are lost"
    return Observation(data, phrase, 2 if gap < 1000 else 3)
