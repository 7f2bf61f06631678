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
HOSTS = True
TIMING = True
EXPLANATION = """
A publisher keeps nothing for subscribers that are not there, and a subscriber that waits is not
there. It tries to connect every so often. Only then does its connection begin. In the libraries a
greeting follows (raw has none), and in ZeroMQ and raw the subscription goes to the publisher. What
the publisher sends before that reaches nobody. The usual cure in examples is to bind first and to
sleep for a second. It is a guess: if no message was missed after such a pause, then it works here,
and may not work elsewhere.

The proper way is that the subscriber tells when it hears. It can do so over a second connection: a
request "I am here", sent as soon as the first message of a repeated greeting has come in. In ZeroMQ
an XPUB socket lets the publisher read the subscriptions as they arrive. Or nobody waits: the
messages have numbers, and the subscriber asks for a snapshot of what it has missed.

The time in the cell is that of a subscriber that joins a publisher at work: from opening its socket
to its first message. A successful open says nothing about it.
"""
SOURCES = [
    'The ZeroMQ Guide, chapter 1, "the slow joiner"; chapter 2, "Node Coordination"',
    "zmq_socket(3), ZMQ_XPUB",
    "nn_pubsub(7); NN_RECONNECT_IVL in nn_getsockopt(3)",
    "raw/dialer.c: 10 ms, doubling to at most 200 ms",
]
TRY_NEXT = "Set RECONNECT_MS in zmq/pubsub.c or nng/pubsub.c to 1000, and run this again."
WORDS = {
    "latest": "the latest of the first messages heard has number {}",
    "from_the_start": "number 1 was heard in {} trials",
    "after_a_pause": "after a pause the first message that was heard has number {}",
    "joining_ms": "a subscriber that joins heard the first message after {} ms",
}
TRIALS = 8
APART_SECONDS = 0.13  # so that the publishers start at different moments of a reconnect interval
# The interval ends at most this late; one of a second would leave somebody deaf for longer.
LOST = {
    "latest": [10, 600],
    "from_the_start": [0, TRIALS - 3],
    "after_a_pause": 1,
    "joining_ms": [0, 2000],
}
EXPECTED = {"raw": LOST, "zmq": LOST, "nanomsg": LOST, "nng": LOST}


def first_heard(workbench: Workbench, trials: int, pause: int) -> tuple[str, list[int]]:
    """The last address, and the number of the first message that each subscriber hears."""
    pairs = []
    for _ in range(trials):
        url = workbench.url()
        pairs.append((url, workbench.ready("sub", url, "--quiet")))
    workbench.pause(0.5)
    for url, _ in pairs:
        workbench.pause(APART_SECONDS)
        workbench.ready("pub", url, "-r", 1000, "-n", 0, "-s", 16, "-d", pause, "--quiet")
    return url, sorted(sub.hear("first")["sequence"] for _, sub in pairs)


def run(workbench: Workbench, panel: str) -> Observation:
    workbench.say(f"{TRIALS} publishers start, and speak at once")
    _, first = first_heard(workbench, TRIALS, 0)
    workbench.say(f"the first messages heard: numbers {', '.join(map(str, first))}")
    for pause in (1000, 5000):  # the second where a busy machine had not enough of the first
        workbench.say(f"another publisher starts; it speaks after {pause} ms")
        url, paused = first_heard(workbench, 1, pause)
        workbench.say(f"the first message heard: number {paused[0]}")
        if paused[0] == 1:
            break
    late = workbench.driver()
    steps = (f"open sub {url} timeout=5000", "subscribe", "recv")
    ms = round(sum(late.must(step)["us"] for step in steps) / 1000)
    data = {"first": first, "latest": first[-1], "from_the_start": first.count(1)}
    data |= {"after_a_pause": paused[0], "joining_ms": ms}
    middle = first[TRIALS // 2]
    answer = 1 if middle == 1 else 2 if middle <= 10 else 3
    phrase = f"first heard: number {first[0]} to {first[-1]} in {TRIALS} trials"
    phrase += f"; with a pause of {pause // 1000} s number {paused[0]};"
    phrase += f" a joining one hears after {ms} ms"
    return Observation(data, phrase, answer)
