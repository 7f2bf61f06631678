"""A publisher that leaves with a message still on its way."""

from typing import Any

from lab.workbench import Driver, Observation, Program, Workbench, version

THEME = "publish/subscribe"
ORDER = 70
QUESTION = "A publisher sends one event and leaves at once. Does the event arrive?"
FIND = "linger flush last message lost exit close immediately short-lived publisher"
PREDICT = [
    "always: the send had succeeded",
    "if it is closed before the exit",
    "only with something that waits",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
TIMING = True
EXPLANATION = """
A send that succeeded has handed the message over, either to the kernel or to a thread of this
process. The kernel goes on delivering when the process has ended; a thread does not.

ZeroMQ hands everything to its thread. Neither exit nor zmq_close waits for that thread;
zmq_ctx_term does, for ever or for ZMQ_LINGER. Without it even the small event is lost, nearly
always. nanomsg and NNG try to write at once, in the call itself, so the kernel has the small event
when the call returns. (NNG 1.10, which Debian 13 has, lost some at exit all the same.) What the
kernel did not take is lost at the end, also after nn_close: NN_LINGER does nothing in either
library, and no other call waits. The program must sleep, or let the other side confirm.

The plain socket's send blocks until the kernel has all of it, and the kernel delivers it, with one
exception. If the program closes a socket with unread bytes, the kernel sends a reset instead of an
end, and throws away what it has not transmitted yet. Here the unread bytes are the subscription;
the way called "wait" reads them first. The subscribers sleep meanwhile, so that the large event
cannot slip through. It has 16 MiB, more than the kernel's buffers hold; for the plain socket it has
one MiB, more than the window of a receiver that sleeps.
"""
SOURCES = [
    "zmq_ctx_term(3), zmq_setsockopt(3), ZMQ_LINGER",
    'nn_setsockopt(3), NN_LINGER: "not implemented"; nanomsg: src/core/sock.c reads it as 0',
    "NNG: src/compat/nanomsg/nn.c takes NN_LINGER, and nothing comes of it (measured)",
    "RFC 1122, 4.2.2.13: a host that closes with unread data sends a reset; RFC 2525, 2.17",
    "lab/probes/leaving.c",
]
TRY_NEXT = (
    "In lab/probes/leaving.c, set ZMQ_LINGER to 0 before zmq_ctx_term: what does it wait for "
    "now?"
)
WORDS = {
    "exit_small": "after exit {} small events arrived",
    "close_small": "after closing {} small events arrived",
    "wait_small": "after waiting {} small events arrived",
    "exit_large": "after exit {} large events arrived",
    "close_large": "after closing {} large events arrived",
    "wait_large": "after waiting {} large events arrived",
    "panel": "the panel's publisher ended after it had sent: {} events of 1 MiB arrived",
}
TRIALS = {"small": 6, "large": 1}  # a small one is a matter of luck in ZeroMQ
ALL, SOME = TRIALS["small"], [0, TRIALS["small"] - 1]
WAITED = {"wait_small": ALL, "wait_large": 1, "panel": ALL, "exit_large": 0, "close_large": 0}
MOST = [ALL - 2, ALL]  # they can only pause, 100 ms here: a busy machine may need longer
HANDED_OVER = {"luck": "NNG 1.10 hands some to a thread"}
AT_EXIT: Any = ALL if version("nng") < (1, 10) else HANDED_OVER
EXPECTED: dict[str, dict[str, Any]] = {
    "raw": {**WAITED, "exit_small": ALL, "close_small": ALL},
    "zmq": {**WAITED, "exit_small": SOME, "close_small": SOME},
    "nanomsg": {**WAITED, "panel": MOST, "exit_small": ALL, "close_small": ALL},
    "nng": {**WAITED, "panel": MOST, "exit_small": AT_EXIT, "close_small": ALL},
}
WAYS = ("exit", "close", "wait")


def arrived(workbench: Workbench, publisher: Program, sub: Driver) -> int:
    """The length of the event that a subscriber has, or gets while anything moves; 0: none."""
    for _ in range(3):
        said = sub.heard("", 0.0)
        if said and said["errno"] != "EINTR":
            return int(said["result"])
        if said:  # of having been stopped: signal(7)
            sub.begin("recv")
        workbench.settle(publisher, sub)
    return 0


def the_panel(workbench: Workbench) -> int:
    """How many of its events arrive if the publisher ends at once, as the panel ships."""
    count = 0
    for _ in range(ALL):
        url = workbench.url()
        publisher = workbench.driver("pub", url)
        sub = workbench.driver("sub", url, timeout=2000)
        sub.must("subscribe")
        sub.begin("until hello")
        while not sub.heard("", 0):  # they meet
            publisher.must("send hello")
            publisher.must("idle 50")
        publisher.say(f"send -s {1 << 20}")
        publisher.hang_up()  # it closes its socket, and ends
        while (length := sub.call("recv")["result"]) == len("hello"):
            pass
        count += length == 1 << 20
    return count


def run(workbench: Workbench, panel: str) -> Observation:
    meetings = []
    sizes = {"small": 100, "large": 1 << 20 if panel == "raw" else 16 << 20}
    for way, name in [(w, n) for w in WAYS for n in sizes]:
        for _ in range(TRIALS[name]):
            url = workbench.url()
            publisher = workbench.probe("leaving", url, sizes[name], way)
            publisher.hear("ready")
            sub = workbench.driver("sub", url, timeout=20_000, max=32 << 20)
            sub.must("subscribe")
            sub.begin("recv")
            meetings.append((f"{way}_{name}", publisher, sub, sizes[name]))
    publishers = [publisher for _, publisher, _, _ in meetings]
    subscribers = [sub for _, _, sub, _ in meetings]
    workbench.pause(0.2)
    workbench.settle(*publishers, *subscribers)  # they have met
    workbench.say("publishers send, and leave in three ways; their subscribers are asleep")
    for _, publisher, sub, _ in meetings:
        sub.freeze()
        publisher.say("go")
    for name, publisher, _, _ in meetings:
        if not name.startswith("wait"):
            publisher.ended()
    workbench.settle(*publishers)
    for sub in subscribers:
        sub.thaw()
    data = dict.fromkeys((name for name, _, _, _ in meetings), 0)
    for name, publisher, sub, size in meetings:
        data[name] += arrived(workbench, publisher, sub) == size
        publisher.kill()
        sub.kill()

    data["panel"] = the_panel(workbench)

    def fate(size: str) -> str:
        return ", ".join(f"{way} {data[f'{way}_{size}']}/{TRIALS[size]}" for way in WAYS)

    all_small = all(data[f"{way}_small"] == ALL for way in WAYS)
    answer = 1 if all_small and data["exit_large"] else 2 if data["close_large"] else 3
    phrase = f"small ones arrive: {fate('small')}"
    phrase += f"; large ones: {fate('large')}; after the panel's close: {data['panel']}/{ALL}"
    return Observation(data, phrase, answer)
