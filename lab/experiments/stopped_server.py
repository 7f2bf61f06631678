"""The server is stopped for a while, clients give up, the server goes on."""

from __future__ import annotations

from lab.workbench import Event, Observation, Workbench

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
ASKED, TIMEOUT_MS = 4, 200
EXPLANATION = """
A stopped process keeps its connections: the kernel goes on accepting bytes for it until the buffers
are full. To its client a server that sleeps, one that is slow and one behind a broken cable look
alike; a time-out ends the client's waiting, not the request. No engine takes a request back: the
protocols have nothing by which a client could. So all of it waits in the server's kernel, and when
the server goes on it does work for nobody, in the worst moment: after an overload the stale
requests delay the fresh ones, whose clients give up in turn. A server defends itself with the
request's age: the message format here carries the time it was sent.

A client that has left helps a little, and by accident. The first reply to a closed connection is
answered with a reset, which throws away what the server's kernel still holds of it unread; who
reads one request at a time (raw, nanomsg, NNG) runs those that it had taken by then. ZeroMQ's
thread has read all of them before your code answers the first.
"""
SOURCES = [
    "kill(2), signal(7), SIGSTOP and SIGCONT",
    "RFC 28 (ZeroMQ's request-reply); nn_reqrep(7)",
    "J. Dean, L. Barroso, The Tail at Scale, CACM 56(2), 2013",
]
TRY_NEXT = "lab late-reply: a client that stays, and what the stale answers do to it."
GAVE_UP = {"stays": ASKED, "leaves": ASKED}
EXPECTED = {
    "raw": {"timeouts": GAVE_UP, "ran": {"stays": ASKED, "leaves": [1, 3]}, "fresh": True},
    "zmq": {"timeouts": GAVE_UP, "ran": {"stays": ASKED, "leaves": ASKED}, "fresh": True},
    "nanomsg": {"timeouts": GAVE_UP, "ran": {"stays": ASKED, "leaves": [1, 3]}, "fresh": True},
    "nng": {"timeouts": GAVE_UP, "ran": {"stays": ASKED, "leaves": [1, 4]}, "fresh": True},
}


def run(workbench: Workbench, panel: str) -> Observation:
    ran, timeouts, fresh = {}, {}, {}
    for stays in (True, False):
        how = "stays" if stays else "leaves"
        url = workbench.url()
        server = workbench.ready("rep", url)
        client = workbench.ready("req", url, "-t", TIMEOUT_MS, "-")
        client.say("before")  # so that the connection stands
        if not workbench.wait_for(lambda: received(client.heard("message", 0.1)), 5.0):
            raise client.fail("was not answered before the stop")
        workbench.say("the server is stopped (SIGSTOP)")
        server.freeze()
        timeouts[how] = 0
        for number in range(1, ASKED + 1):
            client.say(f"stale {number}")
            timeouts[how] += client.heard("timeout", 3.0) is not None
        if not stays:
            client.hang_up()
            client.ended()
        workbench.say(f"the client asked {ASKED} times, gave up {timeouts[how]} times, and {how}")
        server.thaw()
        workbench.say("the server goes on (SIGCONT); a fresh client asks")
        asked = workbench.program("req", "-u", url, "-t", 3000, "fresh").summary()
        fresh[how] = asked["received"] == 1
        workbench.pause(0.2)
        ran[how] = server.stop()["received"] - 1 - asked["received"]
        workbench.say(f"the server ran {ran[how]} stale requests")
    data = {"timeouts": timeouts, "ran": ran, "fresh": all(fresh.values())}
    phrase = (
        f"ran {ran['stays']} of {ASKED} stale requests for a client that gave up and stays, "
        f"{ran['leaves']} for one that left"
    )
    if not data["fresh"]:
        phrase += "; a fresh client is not answered"
    stays, leaves = ran["stays"] == ASKED, ran["leaves"]
    answer = 0 if not stays else {0: 1, ASKED: 3}.get(leaves, 4)
    return Observation(data, phrase, answer or (2 if ran["stays"] == 0 else 0))


def received(message: Event | None) -> bool:
    return message is not None and message["direction"] == "received"
