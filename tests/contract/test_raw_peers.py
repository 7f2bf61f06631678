"""raw's programs and peers that speak its framing, but do what no program of ours does."""

import socket
import struct
import time
from contextlib import ExitStack

import pytest

from harness.threads import busy
from programs import Driver, Stage, forget_peak, memory, peak, until
from peers import REPLY, REQUEST, Message, Peer, Server

pytestmark = [pytest.mark.panels("raw"), pytest.mark.transports("tcp", "ipc")]

BIG = 8 << 20
STALLED, LARGE = 16, 16 << 20  # subscribers, and bytes of the event that each stops in


def listening(url: str) -> socket.socket:
    """A socket that listens at an address of ours."""
    if url.startswith("ipc"):
        s = socket.socket(socket.AF_UNIX)
        s.bind(url[len("ipc://") :])
    else:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", int(url.rpartition(":")[2])))
    s.listen()
    s.settimeout(10)
    return s


def next_request(s: socket.socket) -> bytes:
    """A request's frame behind its length, the id first."""
    head = s.recv(4, socket.MSG_WAITALL)
    return s.recv(struct.unpack(">I", head)[0], socket.MSG_WAITALL)


def answer(s: socket.socket) -> None:
    frame = next_request(s)
    s.sendall(struct.pack(">I", len(frame)) + frame)


def at_the_end(peer: Peer) -> bool:
    """Whether the server closes its end, too, within 5 s."""
    peer.socket.settimeout(5)
    return peer.socket.recv(1) == b""


def test_a_client_that_closes_its_end_gets_its_reply(stage: Stage) -> None:
    url = stage.url()
    rep = stage.ready("rep", url, "--quiet")
    descriptors = rep.descriptors()
    for text in (b"", b"hello"):
        with Peer("raw", "req", url) as peer:
            if text:
                peer.send(Message(REQUEST, text).encode())
            peer.socket.shutdown(socket.SHUT_WR)
            if text:
                assert Message.decode(peer.receive()) == Message(REPLY, text)
            assert at_the_end(peer)
    with Peer("raw", "req", url) as peer:
        peer.socket.sendall(peer.protocol.frame(bytes(100))[:50])
        peer.socket.shutdown(socket.SHUT_WR)
        assert at_the_end(peer)
    until(lambda: rep.descriptors() <= descriptors, 5, "descriptors freed")


def test_a_client_that_closes_its_end_and_does_not_read_costs_nothing(stage: Stage) -> None:
    url = stage.url()
    rep = stage.ready("rep", url, "--quiet")
    with Peer("raw", "req", url) as peer:
        peer.send(Message(REQUEST, bytes(BIG)).encode())
        peer.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.3)
        assert busy(rep.pid, 0.5) < 0.4
        assert len(Message.decode(peer.receive()).body) == BIG
        assert at_the_end(peer)


def test_a_client_that_breaks_while_it_is_answered(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=5000)
    for size in (10, BIG):
        for reset in (False, True):
            peer = Peer("raw", "req", url)
            peer.send(b"question")
            assert rep.recv() == "question"
            peer.close(reset and url.startswith("tcp"))
            time.sleep(0.05)
            assert rep.must(f"send -s {size}")["us"] < 500_000
            with Peer("raw", "req", url) as other:
                other.send(b"another")
                assert rep.recv() == "another"
                rep.must("send answer")
                assert other.receive() == b"answer"


def test_a_reply_that_is_no_frame_costs_its_connection(stage: Stage) -> None:
    url = stage.url()
    with listening(url) as listener:
        req = stage.driver("req", url, timeout=500)
        req.must("send first")
        with listener.accept()[0] as s:
            next_request(s)
            s.sendall(b"\0\0\0\3abc")  # too short for the request's id
            req.begin("recv")
            with listener.accept()[0] as again:
                assert req.result()["errno"] == "ETIMEDOUT"
                assert s.recv(1) == b""  # it has left
                req.must("send second")
                req.begin("recv")
                answer(again)
                assert req.result()["text"] == "second"


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_request_follows_the_server_to_its_next_connection(stage: Stage, reset: bool) -> None:
    """Its first write fails, or is known to be in vain."""
    url = stage.url()
    with listening(url) as listener:
        req = stage.driver("req", url, timeout=5000)
        for i in range(3):
            req.must(f"send {i}")
            req.begin("recv")
            with listener.accept()[0] as s:
                answer(s)
                assert req.result()["text"] == str(i)
                if reset:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("role", ["req", "sub"])
def test_a_server_that_was_well_is_connected_to_soon(stage: Stage, role: str) -> None:
    """After many that hang up at once, a client waits 100 ms and more; one valid frame ends that."""
    url, waits = stage.url(), [1.0]
    with Server("raw", {"req": "rep", "sub": "pub"}[role], url) as server:
        driver = stage.driver(role, url, timeout=700)

        def wait_for_something() -> None:
            if role == "req":
                driver.must("send hello")
            driver.begin("recv")

        driver.must("send hello" if role == "req" else "subscribe")
        while waits[-1] > 0.08 and len(waits) < 4:  # a busy machine may be late now and then
            wait_for_something()
            for _ in range(6):
                server.accept().close()
            driver.result()  # its time is over
            wait_for_something()
            with server.accept() as peer:
                peer.send(b"event" if role == "sub" else peer.receive())
                assert driver.result()["result"] == 5
                wait_for_something()
                time.sleep(0.01)
            start = time.monotonic()
            server.accept().close()
            waits.append(time.monotonic() - start)
            driver.result()
    assert min(waits) < 0.08, waits


def test_a_publisher_that_does_not_read_blocks_nobody(stage: Stage) -> None:
    """Subscriptions that wait are bounded; the subscriber connects again instead."""
    url = stage.url()
    with listening(url) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sub = stage.driver("sub", url, timeout=100)
        prefix = "p" * 1024
        sub.call("recv")  # connects meanwhile
        with listener.accept()[0]:
            before = memory(sub)
            for _ in range(9000):
                # Who waits for the publisher waits for ever; a busy machine, 1.3 s (seen).
                assert sub.must(f"subscribe {prefix}")["us"] < 5_000_000
                assert sub.must(f"unsubscribe {prefix}")["us"] < 5_000_000
            assert memory(sub) - before < 14_000  # KiB; 18 MB were not read
            sub.must(f"subscribe {prefix}")
            sub.call("recv")
            with listener.accept()[0] as again:
                assert again.recv(1029, socket.MSG_WAITALL) == b"\0\0\4\1\1" + prefix.encode()


def stalled_peer(pub: Driver, url: str) -> Peer:
    """A subscriber that gets an event, and from then on does not read."""
    peer = Peer("raw", "sub", url)
    peer.subscribe(b"")
    peer.socket.settimeout(0.02)
    for _ in range(500):
        pub.must("send x")
        try:
            if peer.socket.recv(1) == b"\0":
                return peer
        except TimeoutError:
            pass
    raise pub.fail("its events did not arrive within 10 s")


def left_of(peer: Peer) -> int:
    """How many bytes it still gets, until it has the last event or the end."""
    count, last = 0, b""
    peer.socket.settimeout(5)
    while data := peer.socket.recv(1 << 20):
        count += len(data)
        last = (last + data)[-4:]
        if last == b"last":
            break
    return count


@pytest.mark.heavy
def test_stalled_subscribers_of_large_events_cost_a_bounded_memory(stage: Stage) -> None:
    """The log, and as much for the rests of all events that some of them have in part."""
    url = stage.url()
    pub = stage.driver("pub", url, queue=1000, max=LARGE)
    with ExitStack() as stack:
        pub.must(f"send -s {LARGE}")  # the driver keeps the memory for it
        forget_peak(pub)
        before = memory(pub)
        peers = []
        for _ in range(STALLED):  # each stops in the first event after its own first one
            peers.append(stack.enter_context(stalled_peer(pub, url)))
            pub.must(f"send -s {LARGE}")
        assert peak(pub) - before < (64 + 64 + 16) * 1024  # 64: the log; 64: what it copied
        pub.must("send last")
        # The last one gets all that it was sent. The first one was left with half an event.
        assert left_of(peers[-1]) > LARGE > left_of(peers[0])
