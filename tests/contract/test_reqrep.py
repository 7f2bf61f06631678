"""R1-R3, R8, R9, R11: request and reply.

R4, R5: test_restarts.py, R6: test_clients.py, R7: test_garbage.py, R10: test_signals.py.
"""

import signal
import socket
import time

import pytest

from programs import Driver, Event, Stage, Stopwatch, cut_short, others_are_answered, pair, pattern, until
from peers import Peer


def answer(rep: Driver, request: str, reply: str) -> None:
    """Serves until that request has come and been answered; others get nonsense."""
    while (text := rep.recv()) != request:
        rep.must(f"send not asked: {text}")
    rep.must("send " + reply)


# R1


@pytest.mark.says(
    "A client asks with every length from 0 to 2048 bytes",
    "each reply equals its request",
)
def test_R1_every_length_to_message_max(stage: Stage) -> None:
    rep, req, _ = pair(stage, max=2048)
    rep.begin("echo 2049")
    line = req.call("lengths 0 2048", seconds=30)
    assert (line["result"], line["last"]) == (1, 2048)
    assert rep.result()["result"] == 2049


@pytest.mark.says(
    "A client asks with lengths around the powers of two, up to 1 MiB",
    "each reply equals its request",
)
def test_R1_lengths_around_powers_of_two(stage: Stage) -> None:
    rep, req, _ = pair(stage)
    rep.begin(f"echo {10 * 70 + 1}")
    for power in range(11, 21):
        line = req.call(f"lengths {2**power - 35} {2**power + 34}", seconds=30)
        assert (line["result"], line["last"]) == (1, 2**power + 34)
    assert req.asked("short")
    assert rep.result()["result"] == 701


@pytest.mark.says(
    "Replies are longer or shorter than their requests, up to 100 kB",
    "every byte arrives unchanged",
)
def test_R1_reply_of_another_length(stage: Stage) -> None:
    rep, req, _ = pair(stage)
    for asked, answered in ((0, 0), (0, 100_000), (100_000, 0), (1, 255), (256, 3)):
        req.begin(f"send -s {asked} {asked}")
        req.begin("recv")
        request = rep.must("recv")
        assert (request["result"], request["crc"]) == (asked, pattern(asked, asked))
        rep.must(f"send -s {answered} {answered}")
        assert req.result()["result"] == 0
        reply = req.result()
        assert (reply["result"], reply["crc"]) == (answered, pattern(answered, answered))


@pytest.mark.says(
    "A client asks twice with a body of 16 MiB",
    "both replies equal their requests",
)
def test_R1_body_of_16_MiB(stage: Stage) -> None:
    url = stage.url()
    stage.ready("rep", url, "--quiet")
    code, lines, _ = stage.run("req", "-u", url, "-n", 2, "-s", 16 << 20, "-t", 20000, "--quiet")
    assert code == 0 and lines[-1]["received"] == 2


@pytest.mark.says(
    "A client asks with message_max bytes, then with one more",
    "an equal reply, then EMSGSIZE, and both sides go on",
)
def test_R1_message_max_itself_and_not_a_byte_more(stage: Stage) -> None:
    rep, req, _ = pair(stage, max=1_000_000)
    rep.begin("echo 2")
    assert req.call("lengths 1000000 1000000")["result"] == 1
    assert req.asked("short")
    assert rep.result()["result"] == 2
    too_long = req.call("send -s 1000001")
    assert (too_long["result"], too_long["errno"]) == (-1, "EMSGSIZE")
    req.begin("send short")
    req.begin("recv")
    assert rep.recv() == "short"
    too_long = rep.call("send -s 1000001")
    assert (too_long["result"], too_long["errno"]) == (-1, "EMSGSIZE")
    rep.must("send still to be answered")
    assert req.result()["result"] == 0
    assert req.result()["text"] == "still to be answered"


@pytest.mark.says(
    "SIGSTOP and SIGCONT come to a client in the middle of a long send; then it asks again",
    "both replies equal their requests",
)
def test_R1_send_that_is_cut_short(stage: Stage) -> None:
    """A blocking send() takes all, unless a signal comes: then it returns what it has taken."""
    length = 16 << 20  # more than the kernels' buffers hold
    rep, req, _ = pair(stage, max=length, timeout=20000)
    rep.freeze()
    rep.begin("echo 2")
    req.begin(f"send -s {length} 7")
    req.begin("recv")
    cut_short(req)
    rep.thaw()
    assert req.result()["result"] == 0
    reply = req.result()
    while reply["errno"] == "EINTR":  # some calls fail when a stopped process goes on: signal(7)
        reply = req.call("recv")
    assert (reply["result"], reply["crc"]) == (length, pattern(length, 7))
    assert req.asked("second")


# R2, R3


def comes_in_time(line: Event, text: str, watch: Stopwatch) -> None:
    """Within 300 ms, unless that was spent waiting for a processor."""
    if line["errno"] != "ETIMEDOUT" or watch.seconds > 0.3:
        assert line["text"] == text, line


@pytest.mark.says(
    "A client times out and asks again; then the answer to its first request comes",
    "the late answer is dropped, the right one returned",
)
def test_R2_late_reply_after_the_next_request(stage: Stage) -> None:
    rep, req, url = pair(stage)
    req = stage.driver("req", url, timeout=300)
    for turn in range(3):
        assert req.ask(f"one {turn}")["errno"] == "ETIMEDOUT"
        assert rep.recv() == f"one {turn}"
        watch = Stopwatch(rep, req, ours=True)
        req.begin(f"send two {turn}")
        assert req.result()["result"] == 0
        rep.must("send late")
        answer(rep, f"two {turn}", f"right {turn}")
        comes_in_time(req.call("recv"), f"right {turn}", watch)


@pytest.mark.says(
    "A client times out; the late answer comes before it asks again",
    "the late answer is dropped, the right one returned",
)
def test_R2_late_reply_before_the_next_request(stage: Stage) -> None:
    rep, req, url = pair(stage)
    req = stage.driver("req", url, timeout=300)
    for turn in range(3):
        assert req.ask(f"one {turn}")["errno"] == "ETIMEDOUT"
        assert rep.recv() == f"one {turn}"
        rep.must("send late")
        time.sleep(0.05)  # it arrives at a client that no longer waits for it
        watch = Stopwatch(rep, req, ours=True)
        req.begin(f"send two {turn}")
        req.begin("recv")
        answer(rep, f"two {turn}", f"right {turn}")
        assert req.result()["result"] == 0
        comes_in_time(req.result(), f"right {turn}", watch)


@pytest.mark.panels("nanomsg")
@pytest.mark.transports("tcp")
def test_a_request_behind_a_late_reply_keeps_to_its_time_limit(stage: Stage) -> None:
    """nanomsg's client waits 20 ms then, to see whether the connection has ended; no longer than -t."""
    url, took = stage.url(), []
    rep = stage.driver("rep", url, timeout=5000)
    req = stage.driver("req", url, timeout=2)
    for turn in range(6):
        sent = req.call(f"send {turn}")
        if turn > 0:  # then the reply to the one before is there
            took.append(sent["us"])
        if sent["result"] < 0:
            until(lambda: req.call(f"send {turn}")["result"] == 0)
        assert rep.recv() == str(turn)
        rep.must("send late")
        time.sleep(0.02)
    assert min(took) < 15_000, took


@pytest.mark.says(
    "A client sends request two without waiting for the answer to one",
    "the answer to two",
)
def test_R2_request_given_up_for_a_newer_one(stage: Stage) -> None:
    rep, req, _ = pair(stage)
    req.must("send one")
    assert rep.recv() == "one"
    req.must("send two")
    rep.must("send to one")
    answer(rep, "two", "to two")
    assert req.recv() == "to two"


@pytest.mark.says(
    "The server stays silent for three requests, then answers again",
    "ETIMEDOUT after 200 ms, three times; then an answer",
)
def test_R3_server_is_silent_and_then_speaks(stage: Stage) -> None:
    rep, req, url = pair(stage)
    req = stage.driver("req", url, timeout=200)
    for _ in range(3):
        req.must("send hello?")
        watch = Stopwatch(req)
        line = req.call("recv")
        assert line["errno"] == "ETIMEDOUT" and line["error"]
        assert 190_000 < line["us"] < 700_000 + watch.late_us
    rep.begin("echo 10")  # which of the requests is answered is R2's
    assert req.ask("at once")["result"] > 0 or req.ask("at once")["result"] > 0


@pytest.mark.says(
    "A server with a time-out of 200 ms waits for a request, and nobody asks",
    "rep_recv fails with ETIMEDOUT after 200 ms, and the next request is served",
)
def test_R3_receivers_time_out_too(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=200)
    for _ in range(2):
        watch = Stopwatch(rep)
        line = rep.call("recv")
        assert line["errno"] == "ETIMEDOUT" and 190_000 < line["us"] < 700_000 + watch.late_us
    req = stage.driver("req", url, timeout=5000)
    req.begin("send hello")
    req.begin("recv")
    until(lambda: rep.call("recv")["result"] == 5)
    rep.must("send there")
    assert req.result()["result"] == 0 and req.result()["text"] == "there"


# R8, R9, R11


@pytest.mark.says(
    "A client asks with 1001 bytes and with 5 MB a server that takes 1000",
    "that request fails within its time-out; the client's next one and all others are answered",
)
def test_R8_request_too_long_for_the_server(stage: Stage) -> None:
    url = stage.url()
    stage.driver("rep", url, timeout=20000, max=1000).begin("echo 1000000")
    req = stage.driver("req", url, timeout=1000)
    assert req.asked("short")
    for length in (1001, 5_000_000):
        req.begin(f"send -s {length}")
        req.begin("recv")
        others_are_answered(stage, url)
        sent, received = req.result(), req.result()
        refused = sent if sent["result"] < 0 else received
        assert refused["result"] < 0 and refused["us"] < 2_000_000, refused
        assert req.asked("short again")


@pytest.mark.says(
    "The server answers with more than the client's 1000 bytes",
    "req_recv fails with EMSGSIZE, and the next request works",
)
def test_R8_reply_too_long_for_the_client(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=5000)
    req = stage.driver("req", url, timeout=2000, max=1000)
    for length in (1001, 5000, 5_000_000):
        req.begin("send long please")
        req.begin("recv")
        assert rep.recv() == "long please"
        rep.must(f"send -s {length}")
        assert req.result()["result"] == 0
        line = req.result()
        assert (line["result"], line["errno"]) == (-1, "EMSGSIZE")
        rep.begin("echo 2")
        assert req.asked("short please")
        assert req.asked("again")
        assert rep.result()["result"] == 2


def out_of_turn(driver: Driver, command: str) -> None:
    """-1 within 50 ms; the quickest of three, as the machine may be busy."""
    lines = [driver.call(command) for _ in range(3)]
    assert all(line["result"] == -1 and line["number"] > 0 and line["error"] for line in lines)
    assert all(line["errno"] not in ("ETIMEDOUT", "EINTR") for line in lines), lines
    assert min(line["us"] for line in lines) < 50_000


@pytest.mark.says(
    "req_recv is called before any request, and after a time-out",
    "-1 within 50 ms, and the next proper turn works",
)
def test_R9_req_recv_out_of_turn(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=20000)
    req = stage.driver("req", url, timeout=300)
    out_of_turn(req, "recv")
    rep.begin("echo 2")
    assert until(lambda: req.asked("first turn"))
    out_of_turn(req, "recv")
    assert req.asked("second turn") or req.asked("second turn")
    rep.signal(signal.SIGSTOP)
    assert req.ask("nobody listens")["errno"] == "ETIMEDOUT"
    out_of_turn(req, "recv")
    rep.signal(signal.SIGCONT)
    rep.begin("echo 100")  # which of the requests is answered is R2's
    assert until(lambda: req.ask("third turn")["result"] > 0)


@pytest.mark.says(
    "rep_send is called before any request has come",
    "-1 within 50 ms, and the next proper turn works",
)
def test_R9_rep_send_out_of_turn(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=5000)
    req = stage.driver("req", url, timeout=5000)
    for turn in range(2):
        out_of_turn(rep, "send too early")
        req.begin(f"send {turn}")
        req.begin("recv")
        assert rep.recv() == str(turn)
        rep.must("send in turn")
        assert req.result()["result"] == 0
        assert req.result()["text"] == "in turn"


@pytest.mark.says(
    "The server sends a reply of {length} bytes and calls rep_close at once",
    "the reply arrives, and rep_close waits 500 ms at most",
)
@pytest.mark.parametrize("length", [0, 1000, 65536])
def test_R11_reply_just_before_close(stage: Stage, length: int) -> None:
    waits = []
    rep, req = stage.driver(), stage.driver()
    for turn in range(6):
        url = stage.url()
        rep.open("rep", url, timeout=5000)
        req.open("req", url, timeout=5000)
        req.begin(f"send {turn}")
        req.begin("recv")
        assert rep.recv() == str(turn)
        rep.begin(f"send -s {length} {turn}")
        rep.begin("close")
        assert rep.result()["result"] == 0
        waits.append(rep.result()["us"])
        assert req.result()["result"] == 0
        line = req.result()
        assert (line["result"], line.get("crc")) == (length, pattern(length, turn))
        req.must("close")
    assert min(waits) < 600_000  # it waits 500 ms at most; a busy machine may add to some


@pytest.mark.panels("raw")
@pytest.mark.transports("tcp", "tcp6")
def test_raw_closes_gently_with_requests_unread(stage: Stage) -> None:
    """If bytes are unread at a close, the kernel sends a reset and drops what it has not sent."""
    url = stage.url()
    rep = stage.driver("rep", url, timeout=5000)
    with Peer("raw", "req", url) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.socket.sendall(peer.protocol.frame(b"now") * 2)
        assert rep.recv() == "now"
        peer.socket.sendall(peer.protocol.frame(b"too late"))
        rep.must("send -s 65536")
        rep.begin("close")
        time.sleep(0.1)  # so that it is closing when the reading begins
        assert len(peer.receive()) == 65536


@pytest.mark.says(
    "The server sends a reply of 64 KiB, closes and exits at once",
    "the reply arrives",
)
def test_R11_reply_just_before_exit(stage: Stage) -> None:
    url = stage.url()
    for _ in range(3):
        rep = stage.driver("rep", url, timeout=5000)
        req = stage.driver("req", url, timeout=5000)
        req.begin("send bye?")
        req.begin("recv")
        assert rep.recv() == "bye?"
        rep.begin("send -s 65536")
        rep.hang_up()
        assert rep.wait() == 0
        assert req.result()["result"] == 0
        assert req.result()["result"] == 65536
