"""The server is stopped for a while, clients give up, the server goes on."""

from __future__ import annotations

from lab.workbench import Observation, Program, Workbench

THEME = "request/reply"
ORDER = 60
QUESTION = (
    "The server is asleep (SIGSTOP). A client asks four times and gives up each time; then it "
    "stays, or leaves. The server wakes up: which of the four does it run?"
)
FIND = "frozen hangs asleep timeout retry resend cancel duplicate SIGSTOP"
PREDICT = [
    "all four if the client is still there, none if it has left",
    "none: the client has given up",
    "all four, whether the client is there or not",
    "all four for a client that is there, some for one that has left",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HOSTS = True
ASKED, TIMEOUT_MS = 4, 200
EXPLANATION = """
A stopped process keeps its connections: the kernel goes on accepting bytes for it until the buffers
are full. To its client a server that sleeps, one that is slow and one behind a broken cable look
alike. A time-out ends the client's waiting, not the request. No engine takes a request back: the
protocols have nothing by which a client could. So all of it waits in the server's kernel, and when
the server goes on it does work for nobody, at the worst moment. After an overload the stale
requests delay the fresh ones, whose clients give up in turn. A server defends itself with the
request's age: the message format here carries the time at which a request was sent.

A client that has left helps a little, and by accident. The first reply to a closed connection is
answered with a reset. The requests that had arrived before it could still be read. But raw, nanomsg
and NNG close a broken connection and forget the requests that they have not handed to your code
yet, so only some of the four run. ZeroMQ's thread has read all four, and they stay in its queue
although the connection has ended.
"""
SOURCES = [
    "kill(2), signal(7), SIGSTOP and SIGCONT",
    "RFC 28 (ZeroMQ's request-reply); nn_reqrep(7)",
    "J. Dean, L. Barroso, The Tail at Scale, CACM 56(2), 2013",
]
TRY_NEXT = "lab late-reply: a client that stays, and what the stale answers do to it."
TRIALS = 5  # with a client that leaves: of it one request more or less is luck
WORDS = {
    "timeouts": "the clients gave up {} times",
    "stays": "of a client that stays: {} stale requests ran",
    "leaves": f"of {TRIALS} clients that left: {{}} stale requests ran",
    "fresh": "fresh clients were answered: {}",
}
TRIES = 20  # a busy server may be late
GAVE_UP = ASKED * (TRIALS + 1)
SOME = [TRIALS, (ASKED - 1) * TRIALS]
EXPECTED = {
    "raw": {"timeouts": GAVE_UP, "stays": ASKED, "leaves": SOME, "fresh": True},
    "zmq": {"timeouts": GAVE_UP, "stays": ASKED, "leaves": ASKED * TRIALS, "fresh": True},
    "nanomsg": {"timeouts": GAVE_UP, "stays": ASKED, "leaves": SOME, "fresh": True},
    # In a thread of its own NNG may have read one more.
    "nng": {
        "timeouts": GAVE_UP, "stays": ASKED, "leaves": [TRIALS, ASKED * TRIALS - 1], "fresh": True,
    },
}


def run(workbench: Workbench, panel: str) -> Observation:
    pairs = []
    for _ in range(TRIALS + 1):
        url = workbench.url()
        server = workbench.ready("rep", url)
        client = workbench.ready("req", url, "-t", TIMEOUT_MS, "-")
        pairs.append((url, server, client))
    timeouts, before = 0, []
    for _, server, client in pairs:
        before.append(answered(client))
        workbench.settle(server, client)
        server.freeze()
    workbench.say(f"{len(pairs)} servers are stopped (SIGSTOP)")
    for number in range(1, ASKED + 1):
        for _, _, client in pairs:
            client.say(f"stale {number}")
        timeouts += sum(client.heard("timeout") is not None for _, _, client in pairs)
    for _, _, client in pairs[1:]:
        workbench.settle(client)  # it has written what it asked
        client.hang_up()
        client.ended()
    workbench.say(f"each client asked {ASKED} times and gave up; one stays, the others leave")
    ran, fresh = [], 0
    for (url, server, _), earlier in zip(pairs, before, strict=True):
        server.thaw()
        asked = workbench.program("req", "-u", url, "-t", 8000, "fresh").summary()
        fresh += asked["received"]
        workbench.pause(0.2)
        workbench.settle(server)
        ran.append(server.stop()["received"] - earlier - asked["received"])
    stays, leaves = ran[0], ran[1:]
    workbench.say(f"the servers go on (SIGCONT), and run {', '.join(map(str, ran))} stale requests")
    data = {"timeouts": timeouts, "stays": stays, "leaves": sum(leaves)}
    data["fresh"] = fresh == len(pairs)
    some = " to ".join(str(n) for n in sorted({min(leaves), max(leaves)}))
    phrase = f"ran {stays} of {ASKED} stale requests for a client that gave up and stays"
    phrase += f", {some} for one that left"
    phrase += "" if data["fresh"] else "; a fresh client is not answered"
    if stays == ASKED:
        answer = {0: 1, ASKED * TRIALS: 3}.get(sum(leaves), 4)
    else:
        answer = 2 if stays == 0 else 0
    return Observation(data, phrase, answer)


def answered(client: Program) -> int:
    """How often it asked until it was answered, so that the connection stands."""
    for times in range(1, TRIES + 1):
        client.say("before")
        while said := client.heard():
            if said.get("direction") == "received":
                return times
            if said["event"] == "timeout":
                break
    raise client.fail("was not answered before the stop")
