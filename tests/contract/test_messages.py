"""What the programs say and count, message by message: tests/peers.py's own encoder against them."""

import random
import re
import time

import pytest

from programs import Driver, Event, Stage
from peers import ERROR, EVENT, REPLY, REQUEST, Message

pytestmark = pytest.mark.transports("tcp")

GOLDEN = "000101000000000002000000000000000700000000000000086869"  # request 7, sent 8, "hi"

UNDECODABLE = {
    "empty": b"",
    "text": b"this is no message at all, it is only text",
    "short": Message(REQUEST, b"").encode()[:-1],
    "version": Message(REQUEST, b"x", version=2).encode(),
    "kind-0": Message(0, b"x").encode(),
    "kind-5": Message(5, b"x").encode(),
    "zero": Message(REQUEST, b"x", zero=1).encode(),
    "too-short-body": Message(REQUEST, b"xyz").encode()[:-1],
    "too-long-body": Message(REQUEST, b"xyz").encode() + b"!",
    "topic-of-256": Message(EVENT, b"x", b"t" * 256).encode(),
}
DECODABLE = {
    "reply": Message(REPLY, b"x", sequence=5, sent=6).encode(),
    "event": Message(EVENT, b"x", sequence=5, sent=6).encode(),
    "error": Message(ERROR, b"x", sequence=5, sent=6).encode(),
    "topic": Message(REQUEST, b"x", b"topic", sequence=5, sent=6).encode(),
}


def received(line: Event) -> Message:
    """The message that a driver received (256 bytes at most)."""
    assert 0 <= line["result"] <= 256, line
    return Message.decode(line["text"].encode("latin-1"))


def ask(req: Driver, data: bytes) -> Message:
    return received(req.ask("-x " + data.hex()))


# A hand-made client and PANEL-rep


def test_golden_request(stage: Stage) -> None:
    url = stage.url()
    rep = stage.ready("rep", url)
    req = stage.driver("req", url, timeout=5000)
    assert Message(REQUEST, b"hi", sequence=7, sent=8).encode().hex() == GOLDEN
    line = req.ask("-x " + GOLDEN)
    assert line["text"].encode("latin-1").hex() == GOLDEN.replace("000101", "000102")
    assert rep.hear("message")["kind"] == "request"
    assert rep.hear("message")["kind"] == "reply"


@pytest.mark.parametrize("name", [*UNDECODABLE, *DECODABLE])
def test_malformed_request_is_answered_with_an_error(stage: Stage, name: str) -> None:
    url = stage.url()
    rep = stage.ready("rep", url, "-n", 2, "--quiet")
    req = stage.driver("req", url, timeout=5000)
    error = ask(req, {**UNDECODABLE, **DECODABLE}[name])
    assert error.kind == ERROR and error.body.decode("utf-8")
    assert (error.sequence, error.sent) == ((5, 6) if name in DECODABLE else (0, 0))
    line = rep.hear("malformed")
    assert line["text"]
    for i in (1, 2):  # the malformed one was not of the two
        good = ask(req, Message(REQUEST, b"good", sequence=i, sent=i).encode())
        assert good == Message(REPLY, b"good", sequence=i, sent=i)
    summary = rep.summary()
    assert rep.wait() == 0 and summary["malformed"] == 1
    assert rep.stderr().count("\n") == 1


def test_many_malformed_requests_are_reported_once_a_second(stage: Stage) -> None:
    url = stage.url()
    rep = stage.ready("rep", url)
    req = stage.driver("req", url, timeout=5000)
    since = time.monotonic()
    noise = random.Random(1)
    for i in range(200):
        assert ask(req, noise.randbytes(i)).kind == ERROR
    took = time.monotonic() - since
    rep.signal(2)
    lines = rep.rest()
    assert lines[-1]["malformed"] == 200
    assert 1 <= len([x for x in lines if x["event"] == "malformed"]) <= took + 2
    assert rep.stderr().count("\n") <= took + 2


def test_duplicate_requests(stage: Stage) -> None:
    url = stage.url()
    rep = stage.ready("rep", url, "--quiet")
    req = stage.driver("req", url, timeout=5000)
    for sequence, sent in ((1, 10), (2, 20), (1, 10), (2, 21), (3, 20), (1, 10)):
        message = Message(REQUEST, b"x", sequence=sequence, sent=sent)
        assert ask(req, message.encode()) == Message(REPLY, b"x", sequence=sequence, sent=sent)
    for i in range(1024):
        ask(req, Message(REQUEST, b"x", sequence=100 + i, sent=i).encode())
    ask(req, Message(REQUEST, b"x", sequence=2, sent=20).encode())  # too long ago
    summary = rep.stop()
    assert (summary["duplicates"], summary["malformed"]) == (2, 0)


# PANEL-req and a hand-made server


def request_of(rep: Driver) -> Message:
    return received(rep.must("recv"))


def test_requests_as_they_are_sent(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=5000)
    req = stage.ready("req", url, "-n", 3, "-s", 100, "-t", 5000)
    for i in (1, 2, 3):
        request = request_of(rep)
        assert (request.kind, request.sequence, request.topic) == (REQUEST, i, b"")
        assert 0 <= time.monotonic_ns() - request.sent < 5_000_000_000
        assert request.body == bytes((i + k) & 255 for k in range(100))
        request.kind = REPLY
        rep.must("send -x " + request.encode().hex())
        line = req.hear("message")
        assert line["text"] == request.body.decode("utf-8", "replace")
        req.hear("message")
    assert req.summary()["received"] == 3 and req.wait() == 0


WRONG = {
    "body": lambda m: Message(REPLY, b"other", b"", m.sequence, m.sent),
    "sequence": lambda m: Message(REPLY, m.body, b"", m.sequence + 1, m.sent),
    "sent": lambda m: Message(REPLY, m.body, b"", m.sequence, m.sent + 1),
    "error": lambda m: Message(ERROR, b"I will not", b"", m.sequence, m.sent),
    "kind": lambda m: Message(EVENT, m.body, b"", m.sequence, m.sent),
    "topic": lambda m: Message(REPLY, m.body, b"topic", m.sequence, m.sent),
    "version": lambda m: Message(REPLY, m.body, b"", m.sequence, m.sent, version=3),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answer(stage: Stage, name: str) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=5000)
    req = stage.ready("req", url, "-t", 1000, "question")
    rep.must("send -x " + WRONG[name](request_of(rep)).encode().hex())
    lines = req.rest()
    assert req.wait() == 1 and req.stderr()
    malformed = name in ("kind", "topic", "version")
    assert lines[-1]["malformed"] == malformed
    if name == "error":
        assert "I will not" in req.stderr() + str(lines)


def test_reply_too_long_is_counted(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=5000)
    req = stage.ready("req", url, "-t", 2000, "-m", 100, "question")
    request = request_of(rep)
    rep.must("send -x " + Message(REPLY, bytes(500), b"", request.sequence).encode().hex())
    assert req.summary()["too_long"] == 1 and req.wait() == 1


# PANEL-pub and a hand-made subscriber


def test_events_as_they_are_sent(stage: Stage) -> None:
    url = stage.url()
    sub = stage.driver("sub", url, timeout=5000)
    sub.must("subscribe")
    pub = stage.ready("pub", url, "-T", "a", "-T", "bc", "-n", 6, "-r", 50, "-d", 1000, "x", "y", "z")
    events = [received(sub.must("recv")) for _ in range(6)]
    assert [(e.kind, e.topic, e.sequence, e.body) for e in events] == [
        (EVENT, b"a", 1, b"x"), (EVENT, b"bc", 1, b"y"), (EVENT, b"a", 2, b"z"),
        (EVENT, b"bc", 2, b"x"), (EVENT, b"a", 3, b"y"), (EVENT, b"bc", 3, b"z"),
    ]  # fmt: skip
    gaps = {b.sent - a.sent for a, b in zip(events, events[1:])}
    assert gaps == {20_000_000}  # when they should have been sent
    assert pub.summary()["sent"] == 6


def test_events_without_a_topic(stage: Stage) -> None:
    url = stage.url()
    sub = stage.driver("sub", url, timeout=5000)
    sub.must("subscribe")
    stage.ready("pub", url, "-n", 3, "-s", 50, "-d", 1000)
    for i in (1, 2, 3):
        event = received(sub.must("recv"))
        assert (event.topic, event.sequence) == (b"", i)
        assert event.body == bytes((i + k) & 255 for k in range(50))
        assert 0 <= time.monotonic_ns() - event.sent < 5_000_000_000


# A hand-made publisher and PANEL-sub


def counted(stage: Stage, events: list[Message], *args: object) -> tuple[Event, list[Event]]:
    """PANEL-sub's summary and lines after these events."""
    url = stage.url()
    pub = stage.driver("pub", url)
    sub = stage.ready("sub", url, *args)
    for i in range(500):
        pub.must("send -x " + Message(EVENT, b"", b"start", i + 1, i + 1).encode().hex())
        if sub.has_line():
            break
        time.sleep(0.01)
    assert sub.hear("message")["topic"] == "start"
    for event in events:
        pub.must("send -x " + event.encode().hex())
    pub.must("send -x " + Message(EVENT, b"", b"stop", 1, 1).encode().hex())
    lines: list[Event] = []
    while not lines or lines[-1].get("topic") != "stop":
        lines.append(sub.hear())
    return sub.stop(), [x for x in lines if x.get("topic") not in ("start", "stop")]


def event(sequence: int, sent: int, topic: bytes = b"t") -> Message:
    return Message(EVENT, b"body", topic, sequence, sent)


@pytest.mark.parametrize(
    "events,lost,duplicates,restarts",
    [
        ([(1, 1), (2, 2), (3, 3)], 0, 0, 0),
        ([(7, 1), (8, 2)], 0, 0, 0),  # before the first nothing is lost
        ([(1, 1), (2, 2), (5, 5), (6, 6), (10, 10)], 5, 0, 0),
        ([(1, 1), (2, 2), (2, 2), (1, 1), (3, 3)], 0, 2, 0),
        ([(5, 5), (1, 9), (2, 10), (3, 11)], 0, 0, 1),
        ([(5, 5), (5, 6), (6, 7)], 0, 0, 1),
        ([(5, 5), (2, 9), (4, 11), (1, 20), (2, 21)], 1, 0, 2),
        ([(5, 5), (4, 5), (4, 4), (6, 6)], 0, 2, 0),
    ],
)
def test_gaps_duplicates_and_restarts(
    stage: Stage, events: list[tuple[int, int]], lost: int, duplicates: int, restarts: int
) -> None:
    summary, lines = counted(stage, [event(*e) for e in events])
    got = {k: summary[k] for k in ("lost", "duplicates", "restarts", "malformed")}
    assert got == {"lost": lost, "duplicates": duplicates, "restarts": restarts, "malformed": 0}


def test_topics_are_counted_apart(stage: Stage) -> None:
    events = [event(1, 1, b"a"), event(1, 1, b"b"), event(2, 2, b"a"), event(4, 4, b"b")]
    events += [event(3, 3, b"a"), event(1, 1, b"")]
    summary, lines = counted(stage, events)
    assert (summary["lost"], summary["duplicates"], summary["restarts"]) == (2, 0, 0)
    messages = [x for x in lines if x["event"] == "message"]
    assert [(m["topic"], m["sequence"]) for m in messages] == [
        (e.topic.decode(), e.sequence) for e in events
    ]


def test_malformed_events_are_counted(stage: Stage) -> None:
    url = stage.url()
    pub = stage.driver("pub", url)
    sub = stage.ready("sub", url)
    bad = [*UNDECODABLE.values(), DECODABLE["reply"], Message(REQUEST, b"x", b"t").encode()]
    for i in range(1, 500):
        pub.must("send -x " + event(i, i).encode().hex())
        if sub.has_line():
            break
        time.sleep(0.01)
    sub.hear("first")
    for data in bad:
        pub.must("send -x " + data.hex())
    pub.must("send -x " + event(1000, 1000).encode().hex())
    while sub.hear("message")["sequence"] != 1000:
        pass
    assert sub.stop()["malformed"] == len(bad)
    assert sub.stderr()


def test_event_too_long_is_counted(stage: Stage) -> None:
    long = Message(EVENT, bytes(500), b"t", 2, 2)
    summary, lines = counted(stage, [event(1, 1), long, event(3, 3)], "-m", 100)
    assert (summary["too_long"], summary["lost"]) == (1, 1)
    assert [x["sequence"] for x in lines if x["event"] == "message"] == [1, 3]


def test_text_of_messages(stage: Stage) -> None:
    bodies = ['quotes " and \\', "tab\tnewline\nbell\7", "\u00e4\u20ac\U0001f600", "y" * 300]
    events = [Message(EVENT, b.encode(), b"t", i, i) for i, b in enumerate(bodies, 1)]
    events += [Message(EVENT, b"\xff\xfeok\x80", b"t", 5, 5)]
    _, lines = counted(stage, events)
    texts = [x["text"] for x in lines if x["event"] == "message"]
    assert texts == [b[:256] for b in bodies] + ["\ufffd\ufffdok\ufffd"]


def test_first_event_is_told(stage: Stage) -> None:
    url = stage.url()
    sub = stage.ready("sub", url, "--quiet", "-n", 3, "-T", "x", "-t", 10000)
    pub = stage.ready("pub", url, "-T", "xy", "-n", 0, "-r", 100, "--quiet", "hello")
    lines = sub.rest()
    pub.stop()
    assert [x["event"] for x in lines] == ["first", "summary"]
    assert lines[0]["sequence"] >= 1
    summary = lines[1]
    assert (summary["received"], summary["lost"]) == (3, 0)
    latency = summary["latency_us"]
    assert 0 <= latency["min"] <= latency["mean"] <= latency["max"] < 5_000_000


@pytest.mark.panels("raw", "zmq", "nanomsg", "nng")
def test_the_version_of_the_library_is_told(stage: Stage) -> None:
    assert re.search(r"\(\w.* \d+\.\d+.*\)", stage.start(stage.path_of("rep"), "-V").text())


def test_warm_up_times_no_more_than_the_rest(stage: Stage) -> None:
    """Of five round trips the last is timed, so the shortest is the longest."""
    url = stage.url()
    stage.ready("rep", url, "--quiet")
    _, lines, _ = stage.run("req", "-u", url, "-n", 5, "--warm-up", 4, "hello")
    assert lines[-1]["latency_us"]["min"] == lines[-1]["latency_us"]["max"]


@pytest.mark.parametrize("role", ["req", "pub"])
def test_a_line_that_is_too_long_is_skipped(stage: Stage, role: str) -> None:
    url = stage.url()
    if role == "req":
        stage.ready("rep", url, "--quiet")
    program = stage.program(role, "-u", url, "-m", 60, "-")
    program.say("long" * 25)
    program.say("short")
    program.hang_up()
    summary = program.summary()
    assert (summary["sent"], summary["too_long"], program.wait()) == (1, 1, 1)
    assert program.stderr().count("\n") == 1 and "a line is longer than -m" in program.stderr()


def test_what_is_no_request_is_answered_with_a_sentence(stage: Stage) -> None:
    url = stage.url()
    stage.ready("rep", url, "--quiet")
    line = stage.driver("req", url).ask("no message")
    assert line["text"].endswith("this is no request"), line


def test_one_event_makes_no_rate(stage: Stage) -> None:
    url = stage.url()
    stage.ready("pub", url, "--quiet", "-n", 0, "-r", 200, "hello")
    _, lines, _ = stage.run("sub", "-u", url, "-n", 1)
    assert (lines[-1]["seconds"], lines[-1]["rate"]) == (0, None)
