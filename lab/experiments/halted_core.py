"""Waking a process on another core."""

from lab.workbench import Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 90
QUESTION = (
    "Two processes pass a byte to and fro, each waiting for the other. Is that faster with a "
    "core for each?"
)
FIND = "latency cpu pin core affinity idle sleep power ping-pong performance"
PREDICT = ["yes: two cores share the work", "no difference", "no, slower"]
PANELS = ["raw"]
NEEDS = ["cores:2"]
TIMING = True
EXPLANATION = """
The two processes never work at the same time, so there is no work to share. And a core whose
process waits is halted. To wake it takes an interrupt from the other core, and in a virtual machine
also a turn through the host, which costs more than all the rest of the round trip. On one core the
kernel only switches from one process to the other. That is why two benchmarks of one program can
differ several times over, and why ours say which core each process had.

The cure is not to fall asleep so soon: the program first makes receives that do not block, with
sched_yield between them, for at most 50 us, and only then the one that blocks. The core is not
halted then, and the byte is usually there. It costs these microseconds of processor time for each
wait that lasts longer. Without the yield it is the worst choice on one core: it keeps out the very
process that it waits for.

Where other programs keep the cores busy, they are not halted, and the difference is smaller.
"""
SOURCES = [
    "sched_yield(2); socket(7), SO_BUSY_POLL; Linux: Documentation/virt/guest-halt-polling.rst",
    "lab/probes/halted_core.c",
]
TRY_NEXT = (
    "build/zmq-rep and build/zmq-req, both with --cpu 0, then with --cpu 0 and --cpu 1: "
    "compare their latencies."
)
WORDS = {
    "two_by_one": "on two cores a round trip takes {} times as long as on one",
    "yield_by_two": "with sched_yield it takes {} of what two cores take",
}
EXPECTED = {"raw": {"two_by_one": [1.1, 100], "yield_by_two": [0, 0.9]}}


def run(workbench: Workbench, panel: str) -> Observation:
    workbench.say("2001 round trips on one core, on two, and on two with sched_yield")
    said = workbench.probe("halted-core").hear("", 20)
    data = {
        "one_us": said["one"],
        "two_us": said["two"],
        "yield_us": said["yield"],
        "two_by_one": round(said["two"] / said["one"], 2),
        "yield_by_two": round(said["yield"] / said["two"], 2),
        "busy": said["busy"],
    }
    phrase = f"{said['one']} us on one core, {said['two']} us on two"
    phrase += f", {said['yield']} us with sched_yield first"
    phrase += f" (the cores were {said['busy']:.0%} busy with other work)"
    ratio = data["two_by_one"]
    return Observation(data, phrase, 1 if ratio < 0.9 else 2 if ratio < 1.1 else 3)
