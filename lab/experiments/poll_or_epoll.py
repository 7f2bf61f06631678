"""One connection speaks, thousands are idle."""

from lab.workbench import Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 100
QUESTION = (
    "A server waits for any of 5000 connections; one has something. "
    "What does the wait cost with poll, and with epoll?"
)
FIND = "select poll epoll scale many connections C10K event loop performance fastest speed"
PREDICT = ["the same", "poll some ten times as much", "poll a thousand times as much and more"]
PANELS = ["raw"]
TIMING = True
EXPLANATION = """
poll gets the list of all descriptors on each call. The kernel looks at every one, registers with
it, and takes that back again. It costs a part of a microsecond for each idle connection, each time.
epoll is told once, and keeps a list of the descriptors that have something, so an idle connection
costs nothing. With ten connections poll costs a microsecond or two more, which hardly ever matters.
select is like poll, up to descriptor 1023.

libzmq, nanomsg and NNG use epoll where there is one, as raw does (raw/loop.c).
"""
SOURCES = [
    "poll(2), epoll(7), select(2)",
    "Stevens, UNIX Network Programming, chapter 6",
    "lab/probes/idle_connections.c",
]
TRY_NEXT = "Let all 5000 speak at once: what is epoll's advantage then?"
WORDS = {
    "poll_by_epoll": "with 5000 connections poll took {} times as long as epoll",
    "few_poll_by_epoll": "with 10 connections poll took {} times as long as epoll",
    "epoll_grows": "epoll with 5000 took {} times as long as with 10",
}
EXPECTED = {
    "raw": {
        "poll_by_epoll": [500, 100_000],
        "few_poll_by_epoll": [0.5, 20],
        "epoll_grows": [0.1, 8],
    },
}


def run(workbench: Workbench, panel: str) -> Observation:
    workbench.say("5000 connections, one of which speaks: 301 waits each")
    many = workbench.probe("idle-connections", 5000).hear("", 30)
    few = workbench.probe("idle-connections", 10).hear()
    data = {
        "connections": many["count"],  # fewer than 5000 if there are not descriptors enough
        "poll_us": many["poll"],
        "epoll_us": many["epoll"],
        "poll_by_epoll": round(many["poll"] / many["epoll"]),
        "few_poll_by_epoll": round(few["poll"] / few["epoll"], 1),
        "epoll_grows": round(many["epoll"] / few["epoll"], 1),
    }
    phrase = f"poll {many['poll']:.0f} us, epoll {many['epoll']:.2f} us with {many['count']}"
    phrase += f"; with 10: {few['poll']:.2f} and {few['epoll']:.2f}"
    ratio = data["poll_by_epoll"]
    return Observation(data, phrase, 3 if ratio >= 500 else 2 if ratio >= 3 else 1)
