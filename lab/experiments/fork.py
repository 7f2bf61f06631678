"""A process with an open socket forks."""

from lab.workbench import Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 60
QUESTION = (
    "A process has connected, then forks, and the child sends on the connection. What happens?"
)
FIND = "child process inherit descriptor socket copy multiprocessing"
PREDICT = ["the message arrives", "the send fails", "the child is aborted", "the child hangs"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
A descriptor is inherited: parent and child have the same socket, and what either writes arrives.
(The two must keep their frames apart: two writers can cut each other's messages in two.) A
library's socket is more than descriptors. It is memory, which the child gets a copy of. It is also
threads, and the child has only the thread that called fork.

ZeroMQ remembers the process that made the socket, and in another one it refuses with EINTR, as if a
signal had come. It does not look at every call, though: a send within a millisecond of another one
succeeds, into a queue that no thread empties. (So the child waits a little first here.) NNG aborts
the child with a message of its own. nanomsg has no guard: its send first tries to write by itself,
without its thread, and here that suffices. If the kernel did not take all of it at once, the rest
would never be written, because the child has no such thread. In all three the rule is: fork first,
then open sockets in each process.
"""
SOURCES = [
    "fork(2); pthread_atfork(3)",
    'libzmq: src/signaler.cpp: "we have forked ... Emulate an interrupt response"',
    'NNG: src/platform/posix/posix_thread.c: "nng is not fork-reentrant safe"',
    "lab/probes/fork.c",
]
TRY_NEXT = "Let the child send ten messages of 100 kB instead of one of 16 bytes."
WORDS = {
    "child": "the child's send: {}",
    "arrived": "the child's message arrived: {}",
    "parent_goes_on": "the parent's next message arrived: {}",
}
EXPECTED = {
    "raw": {"child": "sent", "arrived": True, "parent_goes_on": True},
    "zmq": {"child": "EINTR", "arrived": False, "parent_goes_on": True},
    "nanomsg": {"child": "sent", "arrived": True, "parent_goes_on": True},
    "nng": {"child": "SIGABRT", "arrived": False, "parent_goes_on": True},
}


def run(workbench: Workbench, panel: str) -> Observation:
    workbench.say("connected; the process forks, the child sends")
    said = workbench.probe("fork", workbench.url()).hear("", 30)
    child = "SIGABRT" if said["child"] == "ABRT" else said["child"]
    data = {"child": child, "arrived": said["child_arrived"]}
    data["parent_goes_on"] = said["parent_arrived"]
    workbench.say(f"the child: {child}")
    what = {"sent": "its send succeeds", "SIGABRT": "it is aborted", "hangs": "it hangs"}
    phrase = what.get(child, f"its send fails: {child}")
    phrase += " and arrives" if data["arrived"] else ", nothing arrives" if child == "sent" else ""
    phrase += f"; the parent {'goes on' if data['parent_goes_on'] else 'cannot go on either'}"
    answer = 1 if data["arrived"] else {"SIGABRT": 3, "hangs": 4}.get(child, 2)
    return Observation(data, phrase, answer)
