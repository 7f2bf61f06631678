"""A client gives up on a request and asks the next one; then the first answer comes."""

from __future__ import annotations

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 30
QUESTION = (
    "A client gives up on request one and asks two. Then one's answer comes. What does the client "
    "get for two?"
)
FIND = "timeout wrong answer mixed up stale old response correlate request id"
PREDICT = ["the answer to one", "the answer to two", "an error: it may not ask two"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
SETTINGS = {"raw": ["naive", "ids"], "zmq": ["defaults", "relaxed", "correlate"]}
GIVE_UP_MS = 200
EXPLANATION = """
A stream delivers what was sent, in order, and also an answer that nobody waits for any more. A
naive client on a socket takes it for the answer to its next question. From then on every answer is
the one to the question before: the classic fault of clients with time-outs. The cure is a number in
each request, repeated in its reply; raw's framing has one.

nanomsg and NNG put such a number into every request and drop replies to any but the latest.
ZeroMQ's REQ by default refuses the second request altogether: its state machine waits for the
reply, for ever. Disconnecting does not help. Closing the socket does, and so does ZMQ_REQ_RELAXED,
even when it is set so late. ZMQ_REQ_RELAXED alone permits the client to ask again, and then gives
it the late answer as the new one: worse than the error. ZMQ_REQ_CORRELATE adds the number. Set
both, always.
"""
SOURCES = [
    "zmq_setsockopt(3): ZMQ_REQ_RELAXED, ZMQ_REQ_CORRELATE",
    "nn_reqrep(7); nanomsg: rfc/sp-request-reply-01.txt, request id",
    "raw/frame.h; common/CONTRACT.md, R2 and R3",
]
TRY_NEXT = (
    "Have lab/probes/late_reply_raw.c ask three times in a row: what does the naive client get?"
)
WORDS = {
    "asks_again": "it may ask again: {}",
    "gets": "it gets the {}",
    "panel": "the panel as it ships",
}
RIGHT = {"asks_again": True, "gets": "answer to two"}
WRONG = {"asks_again": True, "gets": "answer to one"}
EXPECTED = {
    "raw": {"naive": WRONG, "ids": RIGHT, "panel": RIGHT},
    "zmq": {
        "defaults": {"asks_again": False, "gets": "answer to one"},
        "relaxed": WRONG,
        "correlate": RIGHT,
        "panel": RIGHT,
    },
    "nanomsg": {"defaults": RIGHT, "panel": RIGHT},
    "nng": {"defaults": RIGHT, "panel": RIGHT},
}


def the_panel(workbench: Workbench) -> dict[str, object]:
    """The same with the panel, which has the options that it ships with."""
    url = workbench.url()
    server = workbench.driver("rep", url, timeout=8000)
    client = workbench.driver("req", url, timeout=GIVE_UP_MS)
    client.must("send one")
    server.must("recv")
    client.call("recv")  # gives up
    asked = client.call("send two")
    for answer in ("answer to one", "answer to two"):
        server.must(f"send {answer}")
        workbench.settle(server, client)  # NNG drops a reply that it cannot pass on within a few ms
        if answer == "answer to one":
            server.must("recv")
    got = client.call("recv")  # both are there
    text = got.get("text") or got["error"]
    workbench.say(f"the panel: it asks again, and receives '{text}'")
    return {"asks_again": asked["result"] == 0, "gets": text}


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, dict[str, object]] = {}
    phrases = []
    for setting in SETTINGS.get(panel, ["defaults"]):
        url = workbench.url()
        server = workbench.driver("rep", url, timeout=8000)
        client = workbench.probe("late-reply", setting, url)
        server.must("recv")
        client.say("")  # from now on it waits for an answer, and not for long
        gave_up = client.hear("gave up")
        asked = client.hear("asked again")
        workbench.say(f"{setting}: the client gives up: {gave_up['error']}")
        workbench.say(f"{setting}: it asks again: {asked['error'] or 'done'}")
        server.must("send answer to one")
        if not asked["error"]:
            server.must("recv")
            workbench.settle(server)  # NNG drops a reply that it cannot pass on within a few ms
            server.must("send answer to two")
        got = client.hear("received")
        text = got["error"] or got["text"]
        workbench.say(f"{setting}: it receives '{text}'")
        data[setting] = {"asks_again": not asked["error"], "gets": text, "error": asked["error"]}
        what = f"gets the {text}" if not asked["error"] else f"may not ask again: {asked['error']}"
        phrases.append(f"{setting}: {what}")
    data["panel"] = the_panel(workbench)
    phrases.append(f"the panel: gets the {data['panel']['gets']}")
    first = next(iter(data.values()))
    answers = {"answer to one": 1, "answer to two": 2}
    answer = answers.get(str(first["gets"]), 0) if first["asks_again"] else 3
    return Observation(data, "; ".join(phrases), answer)
