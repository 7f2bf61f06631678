"""Receiving before asking, asking twice, answering nobody, receiving twice."""

from typing import Any

from lab.workbench import Observation, Workbench

THEME = "request/reply"
ORDER = 40
QUESTION = "A client or a server calls send and receive in the wrong order. Who notices?"
FIND = "state machine EFSM send twice order of calls lockstep"
PREDICT = [
    "each wrong call fails",
    "receiving and answering out of turn fail, asking twice does not",
    "nothing fails, messages are lost",
]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
HOSTS = True
EXPLANATION = """
REQ and REP are state machines on top of sockets. A client asks and waits, and then asks again. A
server takes a request and answers it, and then takes the next. A plain socket has no such order;
raw has it because pattern.h asks for it. A receive before any request and a reply to nobody fail in
every panel, each in its own words. EFSM is a private errno of ZeroMQ and of nanomsg for this.

A second request before the answer to the first abandons the first: nanomsg and NNG do so by design,
raw does the same, and ZeroMQ only with ZMQ_REQ_RELAXED, which the panel sets (without it: EFSM).
The server may run both all the same.

A server that has not answered the first request and receives again is refused by ZeroMQ. In the
others it gets the second request, and the first client is forgotten in silence and waits for its
time-out.
"""
SOURCES = [
    "zmq_socket(3), ZMQ_REQ and ZMQ_REP; zmq_setsockopt(3), ZMQ_REQ_RELAXED",
    "RFC 28 (ZeroMQ's request-reply): a REP socket replies before it receives again",
    "nn_reqrep(7); nanomsg: src/protocols/reqrep/rep.c",
    "common/CONTRACT.md, R9",
]
TRY_NEXT = (
    "Remove ZMQ_REQ_RELAXED from zmq/reqrep.c and run the contract: ./triptych test zmq -k R3."
)
WORDS = {
    "req_receives_first": "a receive before any request: {}",
    "req_asks_twice": "two requests, and the answer to '{}'",
    "server_ran": "the server ran {} of them",
    "rep_answers_first": "an answer to nobody: {}",
    "rep_takes_twice": "a second request, the first one unanswered: {}",
}
TURNS: dict[str, Any] = {
    "req_receives_first": "fails",
    "req_asks_twice": "two",
    "server_ran": 2,
    "rep_answers_first": "fails",
    "rep_takes_twice": "takes",
}
EXPECTED = {
    "raw": TURNS,
    "zmq": {**TURNS, "rep_takes_twice": "fails"},
    "nanomsg": {**TURNS, "server_ran": [1, 2]},  # 1: the first was not written yet
    "nng": TURNS,
}


def run(workbench: Workbench, panel: str) -> Observation:
    url = workbench.url()
    server = workbench.driver("rep", url, timeout=4000)
    client = workbench.driver("req", url, timeout=4000)

    early = client.call("recv")
    workbench.say(f"the client receives before it has asked: {early.get('error', 'done')}")
    answer = server.call("send nobody asked")
    workbench.say(f"the server answers before it was asked: {answer.get('error', 'done')}")

    client.must("send warm")  # so that the connection stands
    server.must("recv")
    server.must("send warm")
    client.must("recv")
    sends = [client.call("send one"), client.call("send two")]
    ran = 0
    if sends[1]["result"] < 0:
        twice = sends[1]["error"]
    else:
        for _ in range(2):
            if (request := server.call("recv"))["result"] >= 0:
                server.must(f"send {request['text']}")
                ran += 1
        reply = client.call("recv")
        twice = reply.get("text") or reply["error"]
    workbench.say(f"the client asks 'one' and 'two', the server runs {ran}; the client: {twice}")

    other = workbench.driver("req", url, timeout=4000)
    client.must("send first")
    taken = server.must("recv")["text"]
    other.must("send second")
    second = server.call("recv")
    took = second.get("text") or second["error"]
    workbench.say(f"the server took '{taken}', and takes another: {took}")

    def word(said: dict[str, object]) -> str:
        return "takes" if "text" in said else "fails" if said["result"] == -1 else "succeeds"

    data = {
        "req_receives_first": word(early),
        "req_asks_twice": twice,
        "server_ran": ran,
        "rep_answers_first": word(answer),
        "rep_takes_twice": word(second),
        "words": sorted({s["error"] for s in (early, answer, second) if "error" in s}),
    }
    forgets = "the first is forgotten" if "text" in second else second["error"]
    phrase = (
        f"receives first: {early.get('error', 'succeeds')}; asks twice: gets '{twice}'; "
        f"answers nobody: {answer.get('error', 'succeeds')}; takes a second: {forgets}"
    )
    failed = [s["result"] < 0 for s in (early, answer, sends[1])]
    return Observation(data, phrase, 1 if all(failed) else 2 if any(failed) else 3)
