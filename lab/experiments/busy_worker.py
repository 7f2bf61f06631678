"""Tasks for two workers, of which one is busy."""

from __future__ import annotations

from typing import Any

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 55
QUESTION = (
    "A program hands 100 tasks to two workers over a PUSH socket. One worker is busy and takes "
    "none for now, the other is free. How many tasks wait for the busy one?"
)
FIND = (
    "PUSH PULL pipeline worker queue task distribution load balancing fair slow uneven "
    "least recently used work stealing"
)
PREDICT = ["none: the free one takes all", "a few", "half of them"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
TASKS = 100
EXPLANATION = """
PUSH gives the tasks to its connections in turn, and passes one over only if its queue is full. A
busy worker does not make its queue full: small tasks fit into the kernel's buffers, and into the
library's queue where it has one (in ZeroMQ 1000 at each end). So half of the work waits for the
busy worker while the free one has nothing to do. ZMQ_SNDHWM and ZMQ_RCVHWM shorten only the
library's queue; the kernel's buffers still hold hundreds of tasks.

No option cures this, but the other direction does: a worker that is free asks for work. Then a task
leaves the dispatcher only when somebody is ready to do it. The second part does that with the
panels' own request/reply: a worker's request means "I am free", and the reply is the task. The fast
worker asks a hundred times a second, the slow one twice. ZeroMQ's Guide calls it the load-balancing
pattern, with a ROUTER socket as the dispatcher.
"""
SOURCES = [
    "zmq_socket(3), ZMQ_PUSH: outgoing routing strategy round-robin; zmq_setsockopt(3), ZMQ_SNDHWM",
    "nn_pipeline(7): https://nanomsg.org/v1.1.5/nn_pipeline.html",
    "The ZeroMQ Guide, load-balancing pattern: https://zguide.zeromq.org/docs/chapter3/",
    "lab/probes/calls_zmq.c, lab/probes/calls_nn.c",
]
TRY_NEXT = "Make the tasks 100 kB long (TASK_BYTES in this file). How many wait now, and where?"
TASK_BYTES = 64
WORDS = {
    "busy": "pushed: {} of 100 tasks wait for the busy worker",
    "all": "of 100 tasks {} were delivered",
    "slow": "asked for: the slow worker gets {} of 40",
}
ASKED = {"slow": [1, 14]}
HALF = {"busy": [45, 55], "all": TASKS}
NEARLY = {"busy": [30, 70], "all": TASKS}  # they pass over a connection that is still writing
EXPECTED: dict[str, Any] = {
    "raw": ASKED,
    "zmq": {**HALF, **ASKED},
    "nanomsg": {**NEARLY, **ASKED},
    "nng": {**NEARLY, **ASKED},
}
REQUESTS, FAST, SLOW = 40, 100, 2  # in all; a second


def pushed(workbench: Workbench) -> tuple[int, int]:
    """How many tasks the busy worker finds, and how many both."""
    url = workbench.url()
    push = workbench.calls("socket PUSH", "set SNDTIMEO 5000", f"bind {url}")
    lines = ["set RCVTIMEO 0", f"connect {url}"]
    workers = [workbench.calls("socket PULL", *lines) for _ in range(2)]
    first, came = 0, [0, 0]
    while not all(came) or sum(came) < first:  # a worker is there when a task has reached it
        if not all(came):
            push.must("send a first task")
            first += 1
        workbench.settle(push, *workers)
        came = [n + worker.must("drain")["result"] for n, worker in zip(came, workers)]
    for worker in workers:
        worker.must("set RCVTIMEO 300")
    push.begin(f"flood {TASKS} {TASK_BYTES}")
    free, busy = workers[0].must("drain")["result"], 0
    push.result()

    def delivered() -> bool:
        nonlocal free, busy
        busy += workers[1].must("drain")["result"]
        free += workers[0].must("drain")["result"] if free + busy < TASKS else 0
        return free + busy >= TASKS

    workbench.wait_for(delivered)
    return busy, free + busy


def asked(workbench: Workbench) -> int:
    """How many of 40 tasks the slow one gets if each worker asks for one when it is free."""
    url = workbench.url()
    dispatcher = workbench.ready("rep", url, "-n", REQUESTS)
    slow = workbench.program("req", "-u", url, "-n", 0, "-r", SLOW, "a task, please")
    slow.hear("message")
    fast = workbench.program("req", "-u", url, "-n", 0, "-r", FAST, "a task, please")
    dispatcher.summary()
    fast.kill()
    slow.kill()
    slow.rest()
    return slow.counts["received"]


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, Any] = {}
    phrase = ""
    if panel != "raw":
        data["busy"], data["all"] = pushed(workbench)
        phrase = f"pushed: {data['busy']} of {TASKS} wait for the busy worker; "
    data["slow"] = asked(workbench)
    phrase += f"asked for: the slow one gets {data['slow']} of {REQUESTS}"
    workbench.say(phrase)
    busy = data.get("busy", data["slow"])
    return Observation(data, phrase, 1 if busy == 0 else 3 if 30 <= busy <= 70 else 2)
