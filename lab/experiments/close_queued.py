"""A publisher that leaves with a message still on its way."""

from lab.workbench import Observation, Workbench

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
EXPLANATION = """
A send that succeeded has handed the message over: to the kernel, or to a thread of this process.
The kernel goes on delivering when the process has ended; a thread does not.

ZeroMQ hands everything to its thread. Neither exit nor zmq_close waits for it; zmq_ctx_term does,
for ever or for ZMQ_LINGER: without it even the small event is lost, nearly always. nanomsg and NNG
try to write at once, in the call itself, so the small event is in the kernel when the call
returns. What did not fit there is lost at the end, by nn_close too: NN_LINGER does nothing in
either, and there is nothing that waits; one sleeps, or has the other side confirm.

The plain socket's send blocks until the kernel has all, and the kernel delivers it - unless
something lies unread in the socket that is closed. Here that is the subscription: then the kernel
sends a reset instead of an end, and throws away what was not transmitted yet. "wait" reads first.
The subscribers sleep meanwhile, so that the large event cannot slip through: 16 MiB are more than
the kernel's buffers hold, and for the plain socket one, which is more than a sleeping receiver's
window.
"""
SOURCES = [
    "zmq_ctx_term(3), zmq_setsockopt(3), ZMQ_LINGER",
    "nn_setsockopt(3), NN_LINGER: \"this option is not implemented\"; measured in NNG",
    "RFC 1122, 4.2.2.13: a host that closes with unread data sends a reset; RFC 2525, 2.17",
    "lab/probes/leaving.c",
]
TRY_NEXT = (
    "In lab/probes/leaving.c, set ZMQ_LINGER to 0 before zmq_ctx_term: what does it wait for "
    "now?"
)
LOST = {"exit_small": True, "exit_large": False, "close_small": True, "close_large": False}
EXPECTED = {
    "raw": {**LOST, "wait_small": True, "wait_large": True},
    "zmq": {"exit_large": False, "close_large": False, "wait_small": True, "wait_large": True},
    "nanomsg": {**LOST, "wait_small": True, "wait_large": True},
    "nng": {**LOST, "wait_small": True, "wait_large": True},
}
WAYS = ("exit", "close", "wait")


def run(workbench: Workbench, panel: str) -> Observation:
    meetings = {}
    sizes = {"small": 100, "large": 1 << 20 if panel == "raw" else 16 << 20}
    for way in WAYS:
        for name, size in sizes.items():
            url = workbench.url()
            publisher = workbench.probe("leaving", url, size, way)
            publisher.hear("ready")
            sub = workbench.driver("sub", url, timeout=2000, max=32 << 20)
            sub.must("subscribe")
            sub.begin("recv")
            meetings[f"{way}_{name}"] = publisher, sub, size
    workbench.pause(0.4)
    workbench.say("six publishers send, and leave in three ways; their subscribers are asleep")
    for publisher, sub, _ in meetings.values():
        sub.freeze()
        publisher.say("go")
    workbench.pause(0.3)
    for _, sub, _ in meetings.values():
        sub.thaw()
    data = {}
    for name, (_, sub, size) in meetings.items():
        said = sub.result()
        if said["errno"] == "EINTR":  # of having been stopped: signal(7)
            said = sub.call("recv")
        data[name] = said["result"] == size

    def fate(size: str) -> str:
        ways = [way for way in WAYS if data[f"{way}_{size}"]]
        return "always" if len(ways) == 3 else "never" if not ways else "with " + ", ".join(ways)

    answer = 1 if all(data.values()) else 2 if data["close_large"] else 3
    phrase = f"a small one arrives {fate('small')}; a large one {fate('large')}"
    return Observation(data, phrase, answer)
