"""A line of 10 Mbit/s, 40 ms long: what waits for it, and who loses what."""

import os
from typing import Any

from lab.workbench import Driver, Failed, Observation, Program, Skip, Workbench
from harness.panels import BUILD, ROOT

THEME = "streams, signals, processes"
ORDER = 45
QUESTION = (
    "Client and server are 40 ms apart, and the line carries 10 Mbit/s. A publisher sends 2000 "
    "events of 1000 bytes at once; the line needs 1.7 s for them. Which arrive?"
)
FIND = "wan latency bandwidth slow network rtt window slow start distance satellite remote hosts"
PREDICT = ["all, late", "the first ones", "the first and the last ones, with a gap between"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
NEEDS = ["root", "namespaces", "program:ip"]
TIMING = True
EXPLANATION = """
Nothing holds the publisher back: it hands the events over in some milliseconds, and they wait. Some
are in the kernel's buffers and on the line, and arrive. The others fill the panel's queue of 1000.
ZeroMQ drops an event that comes to a full queue, so the first events arrive. raw and NNG drop the
event that has waited longest, so there is a gap between what the kernel had taken and the last
1000. nanomsg has no queue but the kernel's buffers, and its 1000 are KiB: here that was room
enough.

The line drops packets as well: its own queue holds 64 KiB. TCP sends them again, and no program
hears of it. An event that is lost to a program was lost in a queue of its own side.

An answer needs a round trip of 80 ms, whatever the library. The first needs more: TCP connects in
one. nanomsg and NNG wait for eight bytes of the other side, ZeroMQ for its greeting, its version
and its READY.

A request of 1 MB takes 0.8 s on the line alone, and its short answer comes 80 ms after it was sent.
The rest is TCP's slow start: ten segments at first, then twice as many in each round trip, until a
round trip has 100 kB under way. That is all that the line holds: 10 Mbit/s for 80 ms.

Two small events follow each other at once where TCP_NODELAY is set, as all panels do. By default
nanomsg, and NNG through its nn_ calls, leave Nagle's algorithm on: the second waits until the first
is acknowledged, which is a round trip.
"""
SOURCES = [
    "RFC 5681 (slow start), RFC 6928 (ten segments), RFC 896 (Nagle); tcp(7), TCP_NODELAY",
    "RFC 37 (ZMTP 3.1): greeting and handshake; ./triptych wire: each side's waits, byte by byte",
    "zmq_socket(3), ZMQ_PUB; nn_tcp(7); tools/net/line.py: the line",
]
TRY_NEXT = "As root: ./triptych net up --delay 200; ./triptych demo --hosts net:left,net:right"
WORDS = {
    "first_ms": "the first answer takes {} ms",
    "next_ms": "each further answer takes {} ms",
    "big_ms": "a request of 1 MB is answered after {} ms",
    "pair_ms": "the second of two events comes {} ms after the first",
    "default_pair_ms": "by default the second of two events comes {} ms after the first",
    "arrived": "{} events of 2000 arrive",
    "first": "the first event that arrives is number {}",
    "last": "the last event that arrives is number {}",
}
COMMON: dict[str, Any] = {"next_ms": [78, 200], "big_ms": [880, 4000], "pair_ms": [0, 40]}
ROUND_TRIP = [30, 500]  # of the line, for what waits for one; the first may be taken late
FIRST = {"first": 1, "arrived": [900, 1800], "last": [900, 1800]}
BOTH = {"first": 1, "arrived": [900, 1800], "last": 2000}
KERNEL = {"luck": "net.core.wmem_max bounds what -q asks the kernel for"}
BUFFERS = {"first": 1, "arrived": KERNEL, "last": KERNEL}
EXPECTED: dict[str, dict[str, Any]] = {
    "raw": {**COMMON, "first_ms": [150, 600], **BOTH},
    "zmq": {**COMMON, "first_ms": [310, 1200], "default_pair_ms": [0, 60], **FIRST},
    "nanomsg": {**COMMON, "first_ms": [220, 900], "default_pair_ms": ROUND_TRIP, **BUFFERS},
    "nng": {**COMMON, "first_ms": [150, 900], "default_pair_ms": ROUND_TRIP, **BOTH},
}
SERVER, ASKED, BIG = "10.87.0.1", 5, 1_000_000
BURST, BYTES, QUEUE = 2000, 1000, 1000
MEETINGS = {5002: 700, 5004: 5000}  # by port, ms to connect and subscribe; more if that was short


class Place:
    """One end of the line: a network namespace, held by a process that sleeps."""

    def __init__(self, workbench: Workbench):
        self.workbench = workbench
        self.holder = workbench.start("unshare", "-n", "sleep", 60)
        self.file = f"/proc/{self.holder.pid}/ns/net"
        own = os.readlink("/proc/self/ns/net")
        if not workbench.wait_for(lambda: os.readlink(self.file) != own):
            raise Failed("no network namespace")

    def start(self, name: str, *words: object, kind: type[Program] = Program) -> Any:
        """A program of the build folder: NAME-PANEL or PANEL-NAME."""
        path = BUILD / name.format(self.workbench.panel)
        return self.workbench.start("nsenter", f"--net={self.file}", "--", path, *words, kind=kind)

    def driver(self, role: str, url: str, **tuning: int) -> Driver:
        driver: Driver = self.start("{}-driver", kind=Driver)
        return driver.open(role, url, **tuning)


def answers(near: Place, far: Place) -> dict[str, int]:
    """The first answer, with its connection and greetings; the next; that to a long request.

    A driver's messages are no requests of the programs: rep answers each with a short error.
    """
    url = f"tcp://{SERVER}:5001"
    far.start("{}-rep", "--json", "--quiet", "-u", url).hear("ready")
    client = near.start("{}-driver", kind=Driver)
    opens = f"open req {url} timeout=10000"
    for line in (opens, *["send x", "recv"] * ASKED, f"send -s {BIG}", "recv"):
        client.begin(line)
    said = [client.result(20) for _ in range(3 + 2 * ASKED)]
    if any(line["result"] < 0 for line in said):
        raise Failed("not every request was answered")
    us = [line["us"] for line in said]
    rounds = [us[at] + us[at + 1] for at in range(1, len(us), 2)]
    first, again, big = us[0] + rounds[0], sorted(rounds[1:-1])[ASKED // 2 - 1], rounds[-1]
    return {"first_ms": first // 1000, "next_ms": again // 1000, "big_ms": big // 1000}


def gap(sender: Driver, receiver: Driver, lines: tuple[str, ...] = ("send one", "send two")) -> int:
    """How long after the first of two small messages the second comes, in ms; -1: one is lost."""
    receiver.begin("recv")
    receiver.begin("recv")
    for line in lines:
        sender.begin(line)
    came = [receiver.result(), receiver.result()]
    if any(line["result"] < 0 for line in came):
        return -1
    return int(came[1]["us"]) // 1000


def default_gap(near: Place, far: Place) -> int:
    """The same with the library's defaults, from a PUSH socket to a PULL socket."""
    push = far.start("lab/probes/calls-{}", kind=Driver)
    pull = near.start("lab/probes/calls-{}", kind=Driver)
    for calls, lines in ((push, ("socket PUSH", "bind")), (pull, ("socket PULL", "connect"))):
        calls.must(lines[0])
        calls.must("set RCVTIMEO 5000")
        calls.must(f"{lines[1]} tcp://{SERVER}:5003")
    push.must("send warm")
    pull.must("recv")
    near.workbench.pause(0.3)
    return gap(push, pull)


def run(workbench: Workbench, panel: str) -> Observation:
    if not os.path.exists("/dev/net/tun"):
        raise Skip("needs /dev/net/tun, which the line is made of", "namespaces")
    far, near = Place(workbench), Place(workbench)
    carry = ("/usr/bin/python3", "-B", ROOT / "tools/net/line.py")
    line = workbench.start(*carry, far.file, near.file)
    line.hear("ready")
    data: dict[str, Any] = answers(near, far)
    first, again, big = data.values()
    workbench.say(f"the first answer takes {first} ms, the next {again} ms, to 1 MB {big} ms")
    for port, meet_ms in MEETINGS.items():
        url = f"tcp://{SERVER}:{port}"
        publisher = far.driver("pub", url, queue=QUEUE)
        sub = near.driver("sub", url, timeout=meet_ms + 800, queue=QUEUE)
        sub.must("subscribe")
        # raw's ends connect and write in calls of ours alone.
        lines = (f"idle {meet_ms}", "send one", "send two", "idle 200")
        data["pair_ms"] = gap(publisher, sub, lines)
        if data["pair_ms"] >= 0:
            break
    data |= {"default_pair_ms": default_gap(near, far)} if panel != "raw" else {}
    workbench.say(f"of two small events the second comes {data['pair_ms']} ms after the first")
    for _ in lines:
        publisher.result()
    sub.begin(f"collect {BURST}")
    sent = publisher.must(f"burst {BURST} {BYTES}")
    workbench.say(f"{BURST} events are sent within {sent['us'] / 1000:.0f} ms")
    publisher.begin("idle 8000")
    seen = sub.result(20)
    line.say("")
    data |= {"arrived": seen["result"], "first": seen["first"], "last": seen["last"]}
    data["dropped"] = line.hear("stats")["left"]["dropped"]
    whole = data["arrived"] == data["last"]
    phrase = f"{data['arrived']} of {BURST} arrive, up to number {data['last']}"
    phrase += "" if whole else ", with a gap"
    phrase += f"; first answer after {first} ms, the next {again}, 1 MB {big}"
    return Observation(data, phrase, 1 if data["arrived"] == BURST else 2 if whole else 3)
