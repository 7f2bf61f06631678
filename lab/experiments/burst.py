"""Publishing as fast as it goes."""

from lab.workbench import Observation, Workbench

THEME = "publish/subscribe"
ORDER = 30
QUESTION = (
    "20,000 events of 64 bytes, as fast as the publisher can, with default queues. "
    "How many reach a subscriber that reads as fast as it can?"
)
FIND = "flood fast publisher lost messages drop queue default high-water mark speed"
PREDICT = ["all", "more than half", "less than half"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
TIMING = True
EXPLANATION = """
The faster the publisher's call returns, the more is lost. In ZeroMQ it puts a message into a queue
of 1000, in a tenth of a microsecond: the queue is full before the thread that empties it has been
woken. The call succeeds all the same; publishing never blocks and never fails. In nanomsg and NNG
the call itself takes longer, since it tries to write, or hands over to a worker for each message:
that is a brake, and more arrives than their much shorter queues hold.

raw loses nothing here, and that is no merit of its queue: with no thread to hand over to, it
writes by itself whenever 64 KiB have gathered, and the kernel's buffers take these two megabytes.
With larger messages or a slower subscriber its log overflows too.

With queues of 100,000 nothing is lost, unless the engine sets a limit of its own (NNG: 8192
messages). A queue is memory, and in the libraries it is there for each subscriber.
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
EXPECTED = {
    "raw": {"default": [10001, COUNT], "large": COUNT},
    "zmq": {"default": [1000, COUNT - 1], "large": COUNT},
    "nanomsg": {"default": [1000, COUNT], "large": [10001, COUNT]},
    # NNG 1.10.1 publishes faster than 1.5.2: 32 to 642 arrived, where the queue holds 16.
    "nng": {"default": [16, COUNT - 1], "large": [8000, COUNT]},
}


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, int] = {}
    for name, queue in (("default", 0), ("large", 100_000)):
        url = workbench.url()
        options = ("-n", COUNT, "-q", queue, "--quiet")
        publisher = workbench.ready("pub", url, "-s", 64, "-d", 600, *options)
        sub = workbench.ready("sub", url, "-t", 1500, *options)
        workbench.say(f"{COUNT} events, with the {name} queue")
        published = publisher.summary(20)
        data[name] = sub.summary(20)["received"]
        data[name + "_us"] = round(published["seconds"] * 1e6)
        workbench.say(f"published within {data[name + '_us'] // 1000} ms; {data[name]} arrived")
    each = data["default_us"] / COUNT
    phrase = f"{data['default']} of {COUNT}, published in {each:.2f} us each"
    phrase += f"; with queues of 100,000: {data['large']}"
    answer = 1 if data["default"] == COUNT else 2 if data["default"] > COUNT / 2 else 3
    return Observation(data, phrase, answer)
