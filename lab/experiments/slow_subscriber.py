"""A subscriber that does not keep up: what is dropped, where, and who else notices."""

from typing import Any

from lab.workbench import Driver, Failed, Observation, Workbench

THEME = "publish/subscribe"
ORDER = 20
QUESTION = (
    "5000 events, 2500 a second, of 1000 bytes each; one subscriber listens, one stops receiving. "
    "What does that one find when it comes back?"
)
FIND = (
    "queue full drop oldest newest high-water mark HWM lost messages lag slow consumer "
    "backpressure buffer"
)
PREDICT = [
    "all of them",
    "the oldest: newer ones were dropped",
    "the newest: older ones were dropped",
    "the oldest and the newest, with a gap between",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
TIMING = True
EXPLANATION = """
Nobody blocks, so something must be dropped; the question is what a queue does when it is full.
ZeroMQ and nanomsg throw away the newest event: the subscriber finds the oldest, in one piece, and
then nothing. NNG throws away the oldest. Here only the subscriber's program pauses: NNG's threads
in it go on reading, and drop the event that they have held longest, so it finds the newest. raw has
no queue per subscriber. It has a log of the last messages, and for each subscriber a cursor, which
jumps when the log overtakes it. The oldest events are those that the kernel had taken already, the
newest those that the log still holds, and the gap is between them.

The demo's flood stops the whole process (SIGSTOP), the library's threads too, and nobody reads. Now
NNG's publisher drops the oldest event of its queue, so its subscriber finds what raw's does: what
the kernel had taken, and the newest. ZeroMQ's finds half as many: its own queue stayed empty.

How many: ZeroMQ's high-water mark counts messages, at the publisher and again at the subscriber.
nanomsg's NN_SNDBUF and NN_RCVBUF are bytes, and the kernel gets them as SO_SNDBUF and SO_RCVBUF.
NNG divides these bytes by 1024 and calls the quotient messages. raw's log counts messages. So "a
queue of 500" is four different things.

The kernel's own buffers hold messages, too: for this UNIX socket about a hundred of them, and over
TCP, which tunes itself, megabytes. raw's figures show them beside the log. ZeroMQ's do not: its
publisher hears only of every 500th message that has left the queue (of half the mark), so a hundred
in the kernel still count as queued.

The slow subscriber slows the other one down nowhere. If the other one lost some by default in NNG
or nanomsg, the slow one was not the cause: it loses as many when nobody is slow. A busy machine
lets a program wait for a processor. The publisher then makes up for the time with a burst, or the
subscriber comes late, and a short queue is full. NNG's 16 messages at the publisher are six
milliseconds at this pace, nanomsg's hundred in the kernel are forty. The contract asks for no more
(P3): the others lose nothing at a pace that they can keep up with.
"""
SOURCES = [
    'zmq_socket(3), ZMQ_PUB: "any messages ... shall instead be dropped"',
    "zmq_setsockopt(3), ZMQ_SNDHWM, ZMQ_RCVHWM: 1000 messages",
    "libzmq: src/pipe.cpp, compute_lwm(): messages that were read are told at half the mark",
    "nn_getsockopt(3), NN_SNDBUF, NN_RCVBUF: 128 kB; nanomsg: src/protocols/utils/dist.c",
    "NNG: src/sp/protocol/pubsub0/pub.c (16 messages), sub.c (128; the oldest is dropped)",
    "NNG: src/compat/nanomsg/nn.c: NN_SNDBUF and NN_RCVBUF divided by 1024",
    "raw/log.h",
]
TRY_NEXT = (
    "Replace ipc by tcp in this file: what does the kernel hold then? Call slow.freeze() before "
    "the bursts and slow.thaw() before it collects, as the demo does: which events are there now?"
)
COUNT, BYTES = 5000, 1000
RATES = 2500, 500  # a second; the slower one where a busy machine was too slow for the first
EQUAL = 500  # a queue's length that is no library's default
WORDS = {
    "default_kept": "by default the slow one kept {}",
    "default": "by default the slow one found {} events",
    "equal_kept": "with equal queues the slow one kept {}",
    "equal": "with equal queues the slow one found {} events",
    "default_others_lost": "by default the other subscriber lost {} events",
    "equal_others_lost": "with equal queues the other subscriber lost {} events",
}
OTHERS = {"default_others_lost": 0, "equal_others_lost": 0}
EXPECTED: dict[str, dict[str, Any]] = {
    "raw": {
        **OTHERS, "default_kept": "both", "default": [1020, 1400], "equal_kept": "both",
        "equal": [520, 900],
    },
    "zmq": {
        **OTHERS, "default_kept": "oldest", "default": [1950, 2400], "equal_kept": "oldest",
        "equal": [950, 1400],
    },
    "nanomsg": {
        **OTHERS, "default_kept": "oldest", "default": [50, 300], "equal_kept": "oldest",
        "equal": [301, 1500],
        "default_others_lost": {"luck": "about 100 messages are 40 ms at this pace"},
    },
    "nng": {
        **OTHERS, "default_kept": "newest", "default": [128, 140], "equal_kept": "newest",
        "equal": [EQUAL, EQUAL + 12],
        "default_others_lost": {"luck": "16 messages are 6 ms at this pace"},
    },
}


def side(workbench: Workbench, queue: int) -> tuple[Driver, Driver, Driver]:
    """A publisher and two subscribers, who have both heard it."""
    url = workbench.url("ipc")
    publisher = workbench.driver("pub", url, queue=queue)
    slow, fast = (workbench.driver("sub", url, timeout=2000, queue=queue) for _ in range(2))
    for sub in (slow, fast):
        sub.must("subscribe")
        sub.begin("until hello")
        for _ in range(50):
            publisher.must("send hello")
            publisher.must("idle 100")
            said = sub.heard("", 0)
            if said and said["result"] >= 0:
                break
            if said:
                sub.begin("until hello")
    for sub in (slow, fast):  # nothing of all that is left in a queue
        sub.begin("until start")
    publisher.must("send start")
    publisher.must("idle 100")
    if any(sub.result()["result"] < 0 for sub in (slow, fast)):
        raise Failed("a subscriber has not heard the publisher")
    return publisher, slow, fast


def ranges(found: dict[str, Any]) -> list[tuple[int, int]]:
    """The first and the last number of what a subscriber found: twice if there is a gap."""
    if not found["result"]:
        return []
    low, high = found["missing"]
    ends = [found["first"], *([low - 1, high + 1] if low <= high else []), found["last"]]
    return list(zip(ends[::2], ends[1::2]))


def kept(found: list[tuple[int, int]]) -> str:
    if not found:
        return "nothing"
    oldest, newest = found[0][0] == 1, found[-1][1] == COUNT
    if oldest and newest:
        return "all" if len(found) == 1 else "both"
    return "oldest" if oldest else "newest" if newest else "middle"


def flood(workbench: Workbench, rate: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    sides = {"default": side(workbench, 0), "equal": side(workbench, EQUAL)}
    workbench.say(f"{COUNT} events, {rate} a second; one subscriber receives, one does not")
    for publisher, _, fast in sides.values():
        publisher.begin(f"burst {COUNT} {BYTES} {rate}")
        fast.begin(f"collect {COUNT}")
    for name, (publisher, _, fast) in sides.items():
        publisher.result(40)
        data[f"{name}_others_lost"] = COUNT - fast.result(40)["result"]
    for name, (_, slow, _) in sides.items():
        found = slow.call(f"collect {COUNT}", 20)
        data[name] = found["result"]
        data[f"{name}_found"] = ranges(found)
        data[f"{name}_kept"] = kept(ranges(found))
        said = " and ".join(f"{first} to {last}" for first, last in ranges(found)) or "nothing"
        workbench.say(f"{name} queue: the slow one found {said}; it lost {COUNT - data[name]}")
    for program in (program for programs in sides.values() for program in programs):
        program.kill()
    return data


def run(workbench: Workbench, panel: str) -> Observation:
    promised = [key for key in OTHERS if EXPECTED.get(panel, OTHERS)[key] == 0]
    for rate in RATES:
        data = flood(workbench, rate)
        if not any(data[key] for key in promised):
            break
    same = data["default_kept"]
    what = {"all": "all", "nothing": "nothing", "both": "the oldest and the newest"}
    phrase = f"finds {what.get(same, f'the {same}')}: {data['default']} by default, "
    phrase += f"{data['equal']} with queues of {EQUAL}; the other lost "
    lost = [data[key] for key in OTHERS]
    phrase += f"{lost[0]} by default, {lost[1]} with queues of {EQUAL}" if any(lost) else "none"
    answer = {"all": 1, "oldest": 2, "newest": 3, "both": 4}.get(same, 0)
    return Observation(data, phrase, answer)
