"""A signal arrives while a program waits to receive."""

from lab.workbench import Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 50
QUESTION = (
    "A program waits in the library's blocking receive. A signal arrives, its handler returns. "
    "And the receive?"
)
FIND = "EINTR interrupt ctrl-c SIGINT handler blocking call"
PREDICT = ["it returns: EINTR", "it goes on waiting", "it depends on how the handler was installed"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
A signal interrupts a blocking system call. Then the call either ends with EINTR or is started
again: SA_RESTART, given with the handler, decides. (If the socket has a time-out, it always ends;
so do poll, epoll_wait and sleeps.) ZeroMQ and nanomsg wait in poll, so SA_RESTART does not help: a
receive can always end with EINTR. A program that takes EINTR for a failure ends when any signal
comes for which it, or a library of its, has a handler: a timer, or a terminal window that changes
its size. NNG waits on a condition variable, which no signal ends: the handler runs, and the receive
goes on. So if the handler of Ctrl-C only sets a flag, the program never looks at it.

The panels promise EINTR in all four; nng/ therefore waits in poll or nn_poll, which a signal does
end.
"""
SOURCES = [
    "signal(7), interruption of system calls by signal handlers; sigaction(2), SA_RESTART",
    "zmq_recv(3), EINTR; nn_recv(3), EINTR; pthread_cond_wait(3p): it shall not return EINTR",
    "lab/probes/signal.c",
]
TRY_NEXT = "What if the signal arrives just before the call begins? programs/stop.c has an answer."
WORDS = {
    "plain": "the library's receive ends with {}",
    "restart": "with SA_RESTART it ends with {}",
    "panel": "the panel's receive ends with {}",
}
EXPECTED = {
    "raw": {"plain": "EINTR", "restart": "none", "panel": "EINTR"},
    "zmq": {"plain": "EINTR", "restart": "EINTR", "panel": "EINTR"},
    "nanomsg": {"plain": "EINTR", "restart": "EINTR", "panel": "EINTR"},
    "nng": {"plain": "ETIMEDOUT", "restart": "ETIMEDOUT", "panel": "EINTR"},
}


def run(workbench: Workbench, panel: str) -> Observation:
    workbench.say("a receive that nobody answers; after 300 ms, SIGALRM")
    probes = [workbench.probe("signal"), workbench.probe("signal", "restart")]
    driver = workbench.driver("sub", workbench.url(), timeout=1500)
    driver.say("alarm 300")
    driver.begin("recv")
    plain, restart = (probe.hear() for probe in probes)
    data = {
        "plain": plain["errno"],
        "plain_ms": plain["ms"],
        "restart": restart["errno"],
        "restart_ms": restart["ms"],
        "panel": driver.result()["errno"],
    }

    def what(name: str) -> str:
        ended = data[name] == "EINTR"
        return f"EINTR after {data[name + '_ms']} ms" if ended else "goes on waiting"

    workbench.say(f"the library's receive: {what('plain')}; with SA_RESTART: {what('restart')}")
    both = {data["plain"] == "EINTR", data["restart"] == "EINTR"}
    answer = 3 if len(both) == 2 else 1 if both == {True} else 2
    phrase = f"{what('plain')}; with SA_RESTART: {what('restart')}; the panel: {data['panel']}"
    return Observation(data, phrase, answer)
