"""R2, R3, R5, R6, R10, P3, P7: a server that lies, and ten bad peers where one would be few.

The lies are whole frames. What garbage does is in test_garbage.py.
"""

import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Callable

import pytest

from peers import ERROR, EVENT, REPLY, Message, Peer, Server
from programs import Driver, Event, Stage, Stopwatch, ends_in_time, others_are_answered, until
from victims import Binder

TEN = 10
NO_ID = b"\x81\2\3\4"  # the id of no request; all three framings have ids of four bytes


def lies(server: Peer, earlier: list[list[bytes]]) -> bytes:
    """Replies to nobody, or to earlier requests."""
    pack = server.protocol.pack
    foreign = [[NO_ID, *server.protocol.envelope[1:]], *earlier]
    messages = (Message(kind, b"a lie").encode() for kind in (REPLY, EVENT, ERROR))
    texts = [*messages, b"", b"a lie", bytes(1000)]
    return b"".join(pack(*envelope, text) for envelope in foreign for text in texts)


def lied_to(stage: Stage) -> tuple[Driver, Peer]:
    """A client, and the server that it is connected to."""
    url = stage.url()
    with Server(stage.panel, "rep", url) as server:
        req = stage.driver("req", url, timeout=1000)
        req.begin("send hello")
        peer = server.greeted()
    assert req.result()["result"] == 0
    assert peer.receive() == b"hello"
    return req, peer


@pytest.mark.says(
    "A server sends replies to nobody and to earlier requests before each reply",
    "of all these, req_recv returns the reply to the latest request",
)
@pytest.mark.transports("tcp", "ipc")
def test_R2_lies_before_the_reply(stage: Stage) -> None:
    req, peer = lied_to(stage)
    earlier: list[list[bytes]] = []
    with peer:
        for i in range(10):
            peer.socket.sendall(lies(peer, earlier))
            peer.send(b"true %d" % i)
            assert req.recv() == f"true {i}"
            earlier.append(peer.protocol.envelope)
            req.must(f"send {i}")
            assert peer.receive() == str(i).encode()


@pytest.mark.says(
    "A server sends nothing but replies to nobody and to earlier requests",
    "ETIMEDOUT at the time limit; the next request's reply arrives",
)
@pytest.mark.transports("tcp", "ipc")
def test_R2_nothing_but_lies(stage: Stage) -> None:
    req, peer = lied_to(stage)
    with peer:
        earlier = [peer.protocol.envelope]
        peer.send(b"true")
        assert req.recv() == "true"
        req.must("send unanswered")
        assert peer.receive() == b"unanswered"
        peer.socket.sendall(lies(peer, earlier) * 20)
        line = req.call("recv")
        assert (line["result"], line["errno"]) == (-1, "ETIMEDOUT")
        assert 900_000 < line["us"] < 3_000_000
        earlier.append(peer.protocol.envelope)
        req.must("send again")
        while peer.receive() != b"again":
            pass  # a library may ask the unanswered one anew
        peer.socket.sendall(lies(peer, earlier))
        peer.send(b"true again")
        assert req.recv() == "true again"


@pytest.mark.says(
    "A server sends each reply at once with lies before and behind it; req_recv comes later",
    "of all these, req_recv returns the reply to the latest request",
)
@pytest.mark.transports("tcp", "ipc")
def test_R2_lies_around_the_reply(stage: Stage) -> None:
    req, peer = lied_to(stage)
    earlier: list[list[bytes]] = []
    with peer:
        for i in range(20):
            truth = peer.protocol.frame(b"true %d" % i)
            peer.socket.sendall(lies(peer, earlier) + truth + lies(peer, earlier))
            time.sleep(0.01)  # a library has read it all, if it reads what nobody asks for
            assert req.recv() == f"true {i}"
            earlier = [peer.protocol.envelope]
            req.must(f"send {i}")
            assert peer.receive() == str(i).encode()


def comes_back(server: Server, client: Driver) -> Peer:
    """Within 1 s, the client's waits for a processor taken off."""
    watch = Stopwatch(client)
    peer = server.greeted()
    assert watch.seconds < 1.0
    return peer


def answer_until(req: Driver, peer: Peer) -> Event:
    """Answers whatever is asked until the client has a result."""
    while not req.has_line(0.01):
        if select.select([peer.socket], [], [], 0)[0]:
            peer.send(peer.receive())
    return req.result()


@pytest.mark.says(
    "A server replies without the id, or without the empty part, that must come first ({reply!r})",
    "ETIMEDOUT at the time limit; the next request's reply arrives",
)
@pytest.mark.transports("tcp", "ipc")
@pytest.mark.parametrize("reply", [b"lie", b"a longer lie"])
def test_a_reply_without_its_envelope(stage: Stage, reply: bytes) -> None:
    url = stage.url()
    with Server(stage.panel, "rep", url) as server:
        req = stage.driver("req", url, timeout=1000)
        req.begin("send hello")
        peer = server.greeted()
        assert req.result()["result"] == 0
        assert peer.receive() == b"hello"
        peer.socket.sendall(peer.protocol.pack(reply))
        line = req.call("recv")
        assert (line["result"], line["errno"]) == (-1, "ETIMEDOUT")
        assert 900_000 < line["us"] < 3_000_000
        for command in ("send again", "recv"):
            req.begin(command)
            while not req.has_line(0.01):
                if select.select([peer.socket], [], [], 0)[0]:
                    try:
                        peer.send(peer.receive())
                    except ConnectionError:  # the library has closed it, and makes another
                        peer.close()
                        peer = comes_back(server, req)
            line = req.result()
        peer.close()
        assert line["text"] == "again"


@contextmanager
def flow_of(peer: Peer, frame: bytes) -> Iterator[None]:
    """The peer sends this frame without end."""
    ended = threading.Event()

    def flow() -> None:
        rest = b""
        with suppress(OSError):
            while not ended.is_set():
                rest = rest[peer.push(rest, 0.1) :] or frame * 100_000

    thread = threading.Thread(target=flow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        peer.close()


@contextmanager
def flooded(server: Server) -> Iterator[None]:
    """The server's next client asks once, and hears replies to nobody without end."""
    peer = server.greeted()
    peer.receive()
    with flow_of(peer, peer.protocol.pack(NO_ID, *peer.protocol.envelope[1:], b"lie")):
        yield


@pytest.mark.says(
    "A server sends replies to nobody without end; SIGTERM to a client that waits (-t {timeout})",
    "exit status 0 within 1 s",
)
@pytest.mark.transports("tcp")
@pytest.mark.parametrize("timeout", [-1, 50])  # it waits in req_recv; it sends 20 times a second
def test_a_signal_while_a_server_sends_without_end(stage: Stage, timeout: int) -> None:
    url = stage.url()
    with Server(stage.panel, "rep", url) as server:
        req = stage.ready("req", url, "-t", timeout, "-n", 0, "-r", 1000, "hello")
        with flooded(server):
            assert req.ended(0.3) is None  # the flood has begun
            req.signal(signal.SIGTERM)
            assert ends_in_time(req) == 0


@pytest.mark.says(
    "A server sends replies to nobody without end",
    "ETIMEDOUT at the time limit",
)
@pytest.mark.transports("tcp")
def test_a_time_limit_while_a_server_sends_without_end(stage: Stage) -> None:
    url = stage.url()
    with Server(stage.panel, "rep", url) as server:
        req = stage.driver("req", url, timeout=1000)
        req.begin("send hello")
        with flooded(server):
            assert req.result()["result"] == 0
            line = req.call("recv")
            assert (line["result"], line["errno"]) == (-1, "ETIMEDOUT")
            assert 900_000 < line["us"] < 3_000_000


@pytest.mark.says(
    "A server closes the connection in the middle of a reply, at three places",
    "the client comes back within 1 s, and its next request is answered",
)
@pytest.mark.transports("tcp")
def test_R5_server_closes_in_the_middle_of_a_reply(stage: Stage) -> None:
    url = stage.url()
    with Server(stage.panel, "rep", url) as server:
        req = stage.driver("req", url, timeout=1000)
        req.begin("send 0")
        peer = server.greeted()
        assert req.result()["result"] == 0
        for i, cut in enumerate((1, 20, -1)):
            req.begin("recv")
            peer.receive()
            peer.socket.sendall(peer.protocol.frame(bytes(30))[:cut])
            peer.close()
            peer = comes_back(server, req)
            answer_until(req, peer)  # ETIMEDOUT, or the answer to what the library asks anew
            req.begin("send again")
            assert answer_until(req, peer)["result"] == 0
            req.begin("recv")
            assert answer_until(req, peer)["text"] == "again"
            assert req.must(f"send {i}")["result"] == 0
        peer.close()


@pytest.mark.says(
    "A publisher sends events with and without the subscriber's prefix",
    "only those with the prefix arrive",
)
@pytest.mark.transports("tcp", "ipc")
@pytest.mark.panels("zmq", "nanomsg", "nng")  # raw's subscriber relies on its publisher
def test_a_publisher_sends_what_nobody_subscribed_to(stage: Stage) -> None:
    url = stage.url()
    with Server(stage.panel, "pub", url) as server:
        sub = stage.driver("sub", url, timeout=5000)
        sub.must("subscribe oslo")
        peer = server.greeted()
    with peer:
        for i in range(10):
            for text in (b"rome 1", b"", b"osl", b"Oslo", b"oslo %d" % i):
                peer.send(text)
        assert [sub.recv() for _ in range(10)] == [f"oslo {i}" for i in range(10)]


@pytest.mark.says(
    "A client sends requests without what must stand before them, without end; SIGTERM",
    "exit status 0 within 1 s",
)
@pytest.mark.transports("tcp")
def test_a_signal_while_a_client_sends_without_an_envelope(stage: Stage) -> None:
    url = stage.url()
    for _ in range(8):  # a signal that comes while the server waits for more of it shows nothing
        rep = stage.ready("rep", url, "--quiet")
        peer = Peer(stage.panel, "req", url).greet()
        with flow_of(peer, peer.protocol.pack(b"")):
            assert rep.ended(0.1) is None  # the flood has begun
            rep.signal(signal.SIGTERM)
            assert ends_in_time(rep) == 0


# Ten bad peers.


def silent(peer: Peer, first: bytes) -> None:
    """Not even a greeting."""


def greeted(peer: Peer, first: bytes) -> None:
    peer.greet()


def half_a_frame(peer: Peer, first: bytes) -> None:
    peer.greet().socket.sendall(peer.protocol.frame(first)[:-50])


def vanish(peer: Peer, first: bytes) -> None:
    half_a_frame(peer, first)
    peer.close(reset=True)


BadPeer = Callable[[Peer, bytes], None]
bad_peers = pytest.mark.parametrize(
    "bad", [silent, greeted, half_a_frame, vanish], ids=lambda bad: bad.__name__
)


@pytest.mark.says(
    "Ten clients misbehave at the same time ({bad}); another one asks",
    "each of its answers within 500 ms",
)
@pytest.mark.transports("tcp")
@bad_peers
def test_R6_while_ten_clients_misbehave(stage: Stage, bad: BadPeer) -> None:
    url = stage.url()
    stage.driver("rep", url, timeout=20000).begin("echo 1000000000")
    with ExitStack() as stack:
        for _ in range(TEN):
            bad(stack.enter_context(Peer(stage.panel, "req", url)), bytes(1000))
        others_are_answered(stage, url)


@pytest.mark.says(
    "Ten clients ask for 20 MB each and read nothing; another one asks",
    "each of its answers within 500 ms",
)
@pytest.mark.transports("tcp")
def test_R6_while_ten_clients_never_read(stage: Stage) -> None:
    url = stage.url()
    stage.driver("rep", url, timeout=20000).begin("echo 1000000000")
    with ExitStack() as stack:
        for _ in range(TEN):
            peer = stack.enter_context(Peer(stage.panel, "req", url)).greet()
            peer.push(peer.protocol.frame(bytes(100_000)) * 200, 0.1)
        others_are_answered(stage, url, asks=30)


@pytest.mark.says(
    "Ten subscribers misbehave at the same time ({bad}), and go",
    "a healthy one loses nothing; descriptors are free 1 s after they have gone",
)
@pytest.mark.transports("tcp")
@bad_peers
def test_P7_while_ten_subscribers_misbehave(stage: Stage, bad: BadPeer) -> None:
    b = Binder(stage, "pub")
    descriptors = b.program.descriptors()
    with ExitStack() as stack:
        for _ in range(TEN):
            bad(stack.enter_context(b.stranger()), b"\1" + bytes(200))
        loses_nothing(stage, b.url)
    until(lambda: b.program.descriptors() <= descriptors, 1.0, "descriptors freed", [b.program])


@pytest.mark.says(
    "Ten subscribers subscribe to all and read nothing",
    "a healthy one loses nothing",
)
@pytest.mark.transports("tcp")
def test_P3_while_ten_subscribers_never_read(stage: Stage) -> None:
    url = stage.url()
    pub = stage.ready("pub", url, "-n", 0, "-r", 500, "-s", 20000, "-q", 100, "--quiet")
    with ExitStack() as stack:
        for _ in range(TEN):
            peer = stack.enter_context(Peer(stage.panel, "sub", url)).greet()
            peer.subscribe(b"")
        time.sleep(0.5)  # the kernel's buffers fill
        loses_nothing(stage, url)
    assert pub.running


@pytest.mark.says(
    "A subscriber sends a flood of what is no subscription, and goes; an event comes each second",
    "its descriptor is free 1 s after it has gone",
)
@pytest.mark.transports("tcp")
def test_P7_flood_of_a_subscriber_that_goes(stage: Stage) -> None:
    url = stage.url()
    pub = stage.ready("pub", url, "-n", 0, "-r", 1, "--quiet")
    before = pub.descriptors()
    with Peer(stage.panel, "sub", url).greet() as peer, suppress(OSError):
        peer.push(peer.protocol.pack(b"\2") * 1_000_000, 0.5)  # nanomsg and NNG hang up
    until(lambda: pub.descriptors() <= before, 1.0, "its descriptor is freed", [pub])
    assert pub.running


def loses_nothing(stage: Stage, url: str) -> None:
    """A healthy subscriber. The machine may disturb two of three; bad peers disturb them all."""
    seen = []
    for _ in range(3):
        code, lines, _ = stage.run("sub", "-u", url, "-n", 100, "-t", 1000, "--quiet")
        seen.append((code, lines[-1]["received"], lines[-1]["lost"]))
        if code == 0 and lines[-1]["lost"] == 0:
            return
    raise AssertionError(f"exit status, received, lost: {seen}")
