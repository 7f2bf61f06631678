"""A request that is sent again before it can be answered."""

from __future__ import annotations

from typing import Any

from lab.workbench import Driver, Observation, Workbench

THEME = "request/reply"
ORDER = 35
QUESTION = (
    "A server needs 60 ms for a request. The client's library sends a request again every 20 ms "
    "while it is unanswered. The client asks three times, one after the other. How often does the "
    "server work?"
)
FIND = "NN_REQ_RESEND_IVL resend retry interval livelock never answered slow server storm duplicate"
PREDICT = ["three times", "up to four times for each: twelve", "more often each time, without end"]
PANELS = ["nanomsg", "nng"]
WORK_S, GIVE_UP_MS = 0.06, 4000
EXPLANATION = """
NN_REQ_RESEND_IVL is meant for requests that are lost, but the client cannot tell a lost request
from one that a server works on. For the server each copy is a request like any other. The first
request is answered after 60 ms, and two or three copies of it wait at the server by then. So the
second request waits until those have run, is copied all that time, and leaves more copies for the
third. Each answer takes longer than the one before, and in the end the server does little but
answer copies whose answers nobody takes any more. From outside it looks like a server that is too
slow.

The interval must be longer than the longest time that an answer can take, waiting included. The
default is 60 s for that reason, and the panel nng leaves it there: with it the server works three
times. (The panel nanomsg has a raw socket, which sends nothing again.) An interval is no protection
against a dead server either: nanomsg's and NNG's REQ send a pending request again by themselves
when a connection breaks (lab killed-server).
"""
SOURCES = [
    "nn_reqrep(7), NN_REQ_RESEND_IVL: default 60000 ms: https://nanomsg.org/v1.1.5/nn_reqrep.html",
    "nanomsg: src/protocols/reqrep/req.c; NNG: src/sp/protocol/reqrep0/req.c",
    "lab/probes/calls_nn.c",
]
TRY_NEXT = "Set the interval to 70 ms (SHORT_MS in this file). Is a margin of 10 ms enough?"
SHORT_MS, ASKS = 20, 3
WORDS = {
    "short": "sent again every 20 ms, the server worked {} times for three answers",
    "defaults": "with the default interval the server worked {} times",
    "panel": "the panel's server worked {} times",
    "slower": "the last answer took longer than the first: {}",
}
EXPECTED: dict[str, Any] = {
    panel: {"short": [9, 200], "slower": True, "defaults": ASKS, "panel": ASKS} for panel in PANELS
}


def ask(workbench: Workbench, client: Driver, server: Driver) -> tuple[int, list[int]]:
    """How often the server works for three answers, and how long each takes in ms."""
    runs, took = 0, []
    server.begin("recv")
    for number in range(ASKS):
        client.begin(f"send question {number}")
        client.begin("recv")
        client.result()
        answer = None
        while not answer:
            if server.heard("", 0.02):
                runs += 1
                workbench.pause(WORK_S)
                server.must("send the answer")
                server.begin("recv")
            answer = client.heard("", 0.0)
        took.append(answer["us"] // 1000)
    return runs, took


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, Any] = {}
    for way, option in (("short", [f"set REQ_RESEND_IVL {SHORT_MS}"]), ("defaults", [])):
        url = workbench.url()
        server = workbench.driver("rep", url, timeout=5000)  # first: no client waits to reconnect
        lines = ["socket REQ", *option, f"set RCVTIMEO {GIVE_UP_MS}", f"connect {url}"]
        data[way], took = ask(workbench, workbench.calls(*lines), server)
        told = ", ".join(map(str, took))
        workbench.say(f"{way}: the server works {data[way]} times; the answers take {told} ms")
        if way == "short":
            data["slower"] = took[0] < took[-1]
            phrase = f"the server works {data[way]} times for {ASKS} answers, after {told} ms"
    url = workbench.url()
    server = workbench.driver("rep", url, timeout=5000)
    data["panel"], _ = ask(workbench, workbench.driver("req", url, timeout=GIVE_UP_MS), server)
    phrase += f"; with the default interval {data['defaults']} times"
    return Observation(data, phrase, {ASKS: 1}.get(data["short"], 3))
