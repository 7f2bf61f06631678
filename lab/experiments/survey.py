"""A question to all, with a deadline; and the answers that come too late."""

from __future__ import annotations

import time
from typing import Any

from lab.workbench import Observation, Workbench

THEME = "publish/subscribe"
ORDER = 90
QUESTION = (
    "A program asks all its peers a question and waits 400 ms. One answers in time, one a second "
    "later, when the next question is under way. What becomes of the late answer?"
)
FIND = (
    "SURVEYOR RESPONDENT vote discovery who is there quorum deadline timeout ask everybody "
    "broadcast question late answer NN_SURVEYOR_DEADLINE"
)
PREDICT = [
    "it counts for the next question",
    "the one who sends it gets an error",
    "it is dropped, and nobody is told",
]
PANELS = ["zmq", "nanomsg", "nng"]
DEADLINES_MS = 400, 1600, 6400  # a longer one, where a busy machine was too slow for the one before
EXPLANATION = """
nanomsg and NNG have a pattern for it. A SURVEYOR's message goes to every RESPONDENT, and each may
answer once. After NN_SURVEYOR_DEADLINE (1 s by default) a receive fails with ETIMEDOUT, and from
then on with EFSM, as before the first survey. Nobody knows how many answers were to come, so only
the clock can end a survey. Each survey has a number, which comes back with the answers. A late
answer has the number of a survey that is over, and the surveyor drops it; the respondent's send has
succeeded.

ZeroMQ has no such pattern. The usual way by hand is a PUB for the question and a PULL for the
answers, with ZMQ_RCVTIMEO as the deadline. That alone takes the late answer for one to the next
question: the questions need a number that the answers repeat, as in SP, and as in request/reply
(lab late-reply).
"""
SOURCES = [
    "nn_survey(7), NN_SURVEYOR_DEADLINE: https://nanomsg.org/v1.1.5/nn_survey.html",
    "nanomsg: src/protocols/survey/surveyor.c",
    "NNG: src/sp/protocol/survey0/survey.c",
    "zmq_socket(3), ZMQ_PUB and ZMQ_PULL",
    "lab/probes/calls_zmq.c, lab/probes/calls_nn.c",
]
TRY_NEXT = "Let a respondent answer twice, or answer without a question. What does its send say?"
WORDS = {
    "first": "the first question is answered by: {}",
    "end": "then a receive says: {}",
    "on time": "that is when the deadline is over: {}",
    "once more": "and once more: {}",
    "late": "the late answer's send says: {}",
    "second": "the second question is answered by: {}",
}
SURVEY = {
    "first": "Ann: one",
    "end": "ETIMEDOUT",
    "on time": True,
    "once more": "EFSM",
    "late": "ok",
    "second": "Ann: two",
}
EXPECTED: dict[str, Any] = {
    "zmq": {"first": "Ann: one", "end": "EAGAIN", "late": "ok", "second": "Bob: one, Ann: two"},
    "nanomsg": SURVEY,
    "nng": SURVEY,
}
STATE = ("Operation cannot be performed in this state", "Incorrect state")  # EFSM, in words
NAMES = ("Ann", "Bob")


class Peers:
    """Who asks, who is asked, and how an answer comes back."""

    def __init__(self, workbench: Workbench, zmq: bool, deadline_ms: int):
        self.workbench = workbench
        url, back = workbench.url(), workbench.url()
        if zmq:
            self.out = workbench.calls("socket PUB", f"bind {url}")
            option = f"set RCVTIMEO {deadline_ms}"
            self.back = workbench.calls("socket PULL", option, f"bind {back}")
            asked, answering = ["socket SUB", "set SUBSCRIBE "], ["socket PUSH", f"connect {back}"]
        else:
            option = f"set SURVEYOR_DEADLINE {deadline_ms}"
            self.out = self.back = workbench.calls("socket SURVEYOR", option, f"bind {url}")
            asked, answering = ["socket RESPONDENT"], []
        lines = [*asked, "set RCVTIMEO 50", f"connect {url}", *answering]
        self.peers = [workbench.calls(*lines) for _ in NAMES]
        self.two_sockets = zmq
        for peer in self.peers:  # until each has joined
            while self.asked(peer, 50) != "hello":
                self.out.must("send hello")
        for peer in self.peers:
            while self.asked(peer, 200):  # other hellos
                pass

    def asked(self, peer: Any, limit_ms: int) -> str:
        """The question that reaches a peer in that time; "": none."""
        if self.two_sockets:
            peer.must("use 0")
        peer.must(f"set RCVTIMEO {limit_ms}")
        return str(peer.call("recv").get("text", ""))

    def answer(self, peer: Any, text: str) -> str:
        if self.two_sockets:
            peer.must("use 1")
        return str(peer.call(f"send {text}")["errno"] or "ok")

    def ask(self, question: str) -> None:
        self.workbench.settle(self.out, self.back, *self.peers)
        self.out.must(f"send {question}")
        for peer in self.peers:
            while self.asked(peer, 3000) != question:
                pass

    def answers(self) -> tuple[list[str], dict[str, Any]]:
        """All until a receive fails, and how."""
        texts = []
        while (said := self.back.call("recv"))["result"] >= 0:
            texts.append(said["text"])
        return texts, said


def in_time(workbench: Workbench, deadline_ms: int) -> tuple[dict[str, Any], bool]:
    """What was seen, and whether the answers were sent long before the deadline."""
    data: dict[str, Any] = {}
    all_of_them = Peers(workbench, workbench.panel == "zmq", deadline_ms)
    ann, bob = all_of_them.peers
    begun = time.monotonic()
    all_of_them.ask("one")
    all_of_them.answer(ann, "Ann: one")
    took = time.monotonic() - begun
    first, end = all_of_them.answers()
    data |= {"first": ", ".join(first), "end": end["errno"]}
    workbench.say(f"the first question: {data['first']}; then {end['error']}")
    if workbench.panel != "zmq":
        data["end_ms"] = end_ms = round((time.monotonic() - begun) * 1000)
        data["on time"] = deadline_ms - 20 <= end_ms < 1.9 * deadline_ms
        more = all_of_them.back.call("recv")
        data["once more"] = "EFSM" if more.get("error") in STATE else more["errno"]
    # Bob's answer to "one" arrives when "two" has been asked.
    data["late"] = all_of_them.answer(bob, "Bob: one")
    begun = time.monotonic()
    all_of_them.ask("two")
    all_of_them.answer(ann, "Ann: two")
    took = max(took, time.monotonic() - begun)
    second, _ = all_of_them.answers()
    data["second"] = ", ".join(second)
    return data, took * 1000 < deadline_ms / 2 and data.get("end_ms", 0) < 1.9 * deadline_ms


def run(workbench: Workbench, panel: str) -> Observation:
    for deadline_ms in DEADLINES_MS:
        data, soon = in_time(workbench, deadline_ms)
        if soon:
            break
    workbench.say(f"the second question: {data['second']}")
    phrase = f"the second question is answered by: {data['second']}"
    several = ", " in data["second"]
    return Observation(data, phrase, 1 if several else 3 if data["late"] == "ok" else 2)
