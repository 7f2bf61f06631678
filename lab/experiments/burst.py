"""Publishing as fast as it goes."""

from lab.workbench import Observation, Workbench

THEME = "publish/subscribe"
ORDER = 30
QUESTION = (
    "20,000 events of 64 bytes, as fast as the publisher can, with default queues. "
    "How many reach a subscriber that reads as fast as it can?"
)
FIND = "flood fast publisher lost messages drop queue default high-water mark speed fastest"
PREDICT = ["all", "more than half", "less than half"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HOSTS = True
TIMING = True
EXPLANATION = """
Publishing never blocks and never fails; a message that finds no room is dropped. So two things
count: how long the queue is, and how soon somebody empties it. ZeroMQ's queue holds 1000 messages
for each subscriber, and here zmq_send takes less than a tenth of a microsecond. The queue is full
before the thread that empties it has woken up, so a burst keeps 1000 messages, or 2000 if the
thread came in between. nanomsg has no queue of messages but the kernel's send buffer (128 KiB).
nn_send writes by itself. If a message does not fit, the thread gets it, and nn_send drops all
others until the thread has written it. NNG's queue holds only 16 messages, and a thread must be
woken for each of them. Its call takes longest, a microsecond or more, which leaves the threads some
time: a burst keeps hundreds or a few thousand.

raw loses nothing here, but its queue is not the reason. It has no thread: it writes by itself
whenever 64 KiB have gathered, and the kernel's buffers take these two megabytes. With larger
messages or a slower subscriber its log overflows too.

With queues of 100,000 raw and ZeroMQ lose nothing. nanomsg and NNG may lose something, since their
queues cannot be that long (NNG: 8192 messages; nanomsg: what the kernel allows for a buffer). A
queue is memory, and a library needs it for each subscriber. How many messages arrive by default
depends on how the threads are scheduled.
"""
SOURCES = [
    "zmq_setsockopt(3), ZMQ_SNDHWM; zmq_socket(3), ZMQ_PUB: drops in mute state",
    "nanomsg: src/protocols/utils/dist.c; NNG: src/sp/protocol/pubsub0/pub.c",
    "raw/pubsub.c, BATCH; tcp(7), tcp_wmem and tcp_rmem",
]
TRY_NEXT = (
    "build/zmq-pub with -r 100000, then 200000 ...: from which pace on does it lose messages?"
)
COUNT = 20000
WORDS = {
    "default": "{} events arrived with the default queues",
    "large": "{} events arrived with queues of 100,000",
    "losing": "{} bursts lost something",
    "least": "the burst that fared worst kept {}",
}
BURSTS, MORE = 3, 12
LUCK = {"luck": "the threads' scheduling decides"}
EXPECTED = {
    "raw": {"default": COUNT, "large": COUNT, "losing": [0, BURSTS - 1]},
    "zmq": {"default": LUCK, "large": COUNT, "losing": BURSTS, "least": [1000, COUNT - 1]},
    "nanomsg": {"default": LUCK, "large": [COUNT // 2, COUNT], "losing": [1, MORE]},
    "nng": {"default": LUCK, "large": [8000, COUNT], "losing": BURSTS, "least": [16, COUNT // 2]},
}


def burst(workbench: Workbench, queue: int) -> tuple[int, float]:
    """How many arrive, and how long publishing one took, in us."""
    for delay in (600, 5000):  # the second where a subscriber on a busy machine joined too late
        url = workbench.url()
        options = ("-n", COUNT, "-q", queue, "--quiet")
        publisher = workbench.ready("pub", url, "-s", 64, "-d", delay, *options)
        sub = workbench.ready("sub", url, "-t", delay + 1000, *options)
        published, received = publisher.summary(20), sub.summary(20)["received"]
        if (sub.said("first") or {}).get("sequence") == 1:
            break
    return received, published["seconds"] * 1e6 / COUNT


def run(workbench: Workbench, panel: str) -> Observation:
    workbench.say(f"{BURSTS} times {COUNT} events with the default queue")
    bursts = [burst(workbench, 0) for _ in range(BURSTS)]
    if panel == "nanomsg":  # on a busy machine its subscriber may keep up with it
        while len(bursts) < MORE and all(count == COUNT for count, _ in bursts):
            bursts.append(burst(workbench, 0))
    arrived, each = [count for count, _ in bursts], min(us for _, us in bursts)
    workbench.say(f"{', '.join(map(str, arrived))} arrived; the same with queues of 100,000")
    large, _ = burst(workbench, 100_000)
    data = {"default": sorted(arrived)[len(arrived) // 2], "large": large, "least": min(arrived)}
    data["losing"] = sum(count < COUNT for count in arrived)
    told = " to ".join(str(n) for n in sorted({min(arrived), max(arrived)}))
    phrase = f"{told} of {COUNT}, published in {each:.2f} us each"
    phrase += f"; with queues of 100,000: {large}"
    answer = 1 if data["default"] == COUNT else 2 if data["default"] > COUNT / 2 else 3
    return Observation({**data, "us_each": round(each, 2)}, phrase, answer)
