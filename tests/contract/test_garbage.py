"""R7 and P7: what strangers send, to a server and to a publisher, over TCP.

A server's healthy client asks; a publisher's healthy subscriber receives. The rest is the same.
"""

import contextlib
import random
import resource
import time
from typing import Callable

import pytest

from programs import Failed, Stage, forget_peak, memory, peak, sync, until
from peers import EVENT, REPLY, REQUEST, Message, Peer
from victims import Binder

pytestmark = pytest.mark.transports("tcp")

HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"
BIG = 32 << 20  # the programs' own message_max


def noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(1 + seed * 97 % 2000)


def truncated(b: Binder, peer: Peer, i: int) -> bytes:
    peer.greet()
    return peer.protocol.frame(b"\1" + bytes(200))[: 5 + i * 9]


def largest(b: Binder, peer: Peer, i: int) -> bytes:
    peer.greet()
    claims = peer.protocol.claims()
    return claims[i % len(claims)] + bytes(i * 100)


def noise_after_greeting(b: Binder, peer: Peer, i: int) -> bytes:
    peer.greet()
    return noise(i)


GARBAGE: dict[str, Callable[[Binder, Peer, int], bytes]] = {
    "random": lambda b, peer, i: noise(i),
    "random-after-greeting": noise_after_greeting,
    "http": lambda b, peer, i: HTTP,
    "truncated": truncated,
    "truncated-greeting": lambda b, peer, i: peer.protocol.greeting()[: 1 + i * 5],
    "largest": largest,
    "silence": lambda b, peer, i: b"",
}


def tried(attempt: Callable[[], None]) -> None:
    """Three times: a busy machine may free a descriptor too late, a broken clause always does."""
    for last in (False, False, True):
        try:
            return attempt()
        except Failed:
            if last:
                raise


def garbage(b: Binder, kind: str, closing: str) -> None:
    """20 connections with it: each is lost alone, and its descriptor comes back within 1 s."""
    descriptors = b.program.descriptors()
    tried(lambda: twenty(b, kind, closing, descriptors))


def twenty(b: Binder, kind: str, closing: str, descriptors: int) -> None:
    peers = []
    for i in range(20):
        peer = b.stranger()
        data = GARBAGE[kind](b, peer, i)
        try:
            peer.socket.sendall(data)
        except OSError:
            pass  # already thrown out
        peers.append(peer)
        if closing != "kept":
            peer.close(reset=closing == "reset")
        if i % 5 == 4:
            b.still_serves()
    for peer in peers:
        peer.close()
    until(lambda: b.program.descriptors() <= descriptors, 1.0, "descriptors freed", [b.program])
    b.still_serves()


closings = pytest.mark.parametrize("closing", ["closed", "reset", "kept"])
kinds = pytest.mark.parametrize("kind", GARBAGE)


@pytest.mark.says(
    "Twenty strangers send garbage ({kind}, then {closing}); a healthy client asks",
    "of five requests at most one is lost, and closed descriptors are free after 1 s",
)
@closings
@kinds
def test_R7_garbage(stage: Stage, kind: str, closing: str) -> None:
    garbage(Binder(stage, "rep"), kind, closing)


@pytest.mark.says(
    "Twenty strangers send the publisher garbage ({kind}, then {closing})",
    "a healthy subscriber goes on receiving, and closed descriptors are free after 1 s",
)
@closings
@kinds
def test_P7_garbage(stage: Stage, kind: str, closing: str) -> None:
    garbage(Binder(stage, "pub"), kind, closing)


def claims(b: Binder) -> None:
    """Memory grows with the bytes that came, not with the bytes that were claimed."""
    forget_peak(b.program)
    before = memory(b.program)
    peers = [b.stranger().greet() for _ in range(30)]
    for i, peer in enumerate(peers):
        claims = [*peer.protocol.claims(), peer.protocol.claim(BIG - 100)]
        try:
            peer.socket.sendall(claims[i % 3])
            peer.socket.sendall(bytes(20_000))
        except OSError:
            pass  # already thrown out
    b.still_serves()
    assert peak(b.program) - before < 16 * 1024  # KiB; 10 honest claims alone are 320 MiB
    for peer in peers:
        peer.close()
    b.still_serves()


@pytest.mark.says(
    "Thirty strangers claim huge requests and send 20 kB each",
    "the server's memory grows by less than 16 MiB, and others are answered",
)
def test_R7_memory_as_claimed(stage: Stage) -> None:
    claims(Binder(stage, "rep"))


@pytest.mark.says(
    "Thirty strangers claim huge messages at the publisher and send 20 kB each",
    "its memory grows by less than 16 MiB, and others receive",
)
def test_P7_memory_as_claimed(stage: Stage) -> None:
    claims(Binder(stage, "pub"))


def out_of_descriptors(b: Binder) -> None:
    number = b.program.descriptors() + 10
    resource.prlimit(b.program.pid, resource.RLIMIT_NOFILE, (number, number))
    strangers = [b.stranger() for _ in range(30)]
    for _ in range(3):
        b.still_serves()
        time.sleep(0.1)
    for peer in strangers:
        peer.close()
    b.connect()
    b.still_serves()


@pytest.mark.says(
    "The server has ten descriptors left and thirty clients connect; then they leave",
    "it serves those it has, and accepts again later",
)
def test_R7_out_of_descriptors(stage: Stage) -> None:
    out_of_descriptors(Binder(stage, "rep"))


@pytest.mark.says(
    "The publisher has ten descriptors left and thirty peers connect; then they leave",
    "it serves those it has, and accepts again later",
)
def test_P7_out_of_descriptors(stage: Stage) -> None:
    out_of_descriptors(Binder(stage, "pub"))


def holds_sockets(b: Binder, before: int) -> bool:
    """Whether one peer more is one descriptor more: a server may have a process for each."""
    with b.stranger().greet(), contextlib.suppress(Failed):
        return bool(until(lambda: b.program.descriptors() > before, 2.0, of=[b.program]))
    return False


def good_peers_leave(b: Binder) -> None:
    """50 that behaved: their descriptors, too, are free within a second."""
    descriptors = b.program.descriptors()
    if not b.stage.path_of("driver").exists() and not holds_sockets(b, descriptors):
        pytest.skip("another process holds the sockets of its clients")
    for reset in (False, True):
        tried(lambda: fifty(b, reset, descriptors))
    b.still_serves()


def fifty(b: Binder, reset: bool, descriptors: int) -> None:
    peers = [b.stranger().greet() for _ in range(50)]
    for peer in peers:
        peer.socket.sendall(b.first_words(peer))
    until(lambda: b.program.descriptors() >= descriptors + 50, 5, "50 accepted")
    for peer in peers:
        peer.close(reset)
    until(lambda: b.program.descriptors() <= descriptors, 1.0, "descriptors freed", [b.program])


@pytest.mark.says(
    "Fifty clients ask and leave",
    "their descriptors are free within 1 s",
)
def test_R7_descriptors_of_clients_that_left(stage: Stage) -> None:
    good_peers_leave(Binder(stage, "rep"))


@pytest.mark.says(
    "Fifty subscribers come and leave",
    "their descriptors are free within 1 s",
)
def test_P7_descriptors_of_subscribers_that_left(stage: Stage) -> None:
    good_peers_leave(Binder(stage, "pub"))


def byte_by_byte(b: Binder, frame: Callable[[Peer], bytes]) -> Message:
    """What comes back. A busy machine may take longer for a handshake than a server waits."""
    for attempt in (1, 2, 3):
        try:
            message = sent_slowly(b, frame)
            break
        except ConnectionError:
            if attempt == 3:
                raise
    b.still_serves()
    return message


def sent_slowly(b: Binder, frame: Callable[[Peer], bytes]) -> Message:
    with b.stranger() as peer:
        slow = time.monotonic() + 0.3  # a busy machine sleeps longer; a handshake may take 1 s
        for byte in peer.protocol.greeting() + frame(peer):
            peer.socket.sendall(bytes([byte]))
            if time.monotonic() < slow:
                time.sleep(0.001)
        peer.protocol.read_greeting(peer.socket)
        return Message.decode(peer.receive())


@pytest.mark.says(
    "A client sends a valid request one byte at a time",
    "its answer, and others are served meanwhile",
)
@pytest.mark.transports("tcp", "tcp6")
def test_R7_request_one_byte_at_a_time(stage: Stage) -> None:
    request = Message(REQUEST, b"slowly", sequence=9, sent=8).encode()
    reply = byte_by_byte(Binder(stage, "rep"), lambda peer: peer.protocol.frame(request))
    assert reply == Message(REPLY, b"slowly", sequence=9, sent=8)


@pytest.mark.says(
    "A subscriber sends its subscription one byte at a time",
    "events, and others are served meanwhile",
)
@pytest.mark.transports("tcp", "tcp6")
def test_P7_subscription_one_byte_at_a_time(stage: Stage) -> None:
    event = byte_by_byte(Binder(stage, "pub"), lambda peer: peer.protocol.subscription(b""))
    assert event.kind == EVENT


@pytest.mark.says(
    "The publisher sends {length} bytes to a subscriber that takes 1000",
    "sub_recv fails with EMSGSIZE, and the next event arrives",
)
@pytest.mark.transports("tcp", "tcp6", "ipc")
@pytest.mark.parametrize("length", [1001, 100_000, 5_000_000])
def test_P7_event_too_long_for_a_subscriber(stage: Stage, length: int) -> None:
    url = stage.url()
    pub = stage.driver("pub", url)
    narrow = stage.driver("sub", url, timeout=2000, max=1000)
    wide = stage.driver("sub", url, timeout=2000)
    for sub in (narrow, wide):
        sub.must("subscribe")
    sync(pub, [(narrow, ""), (wide, "")])
    for turn in range(3):
        pub.must(f"send before {turn}")
        narrow.begin("recv")
        narrow.begin("recv")
        pub.must(f"send -s {length}")
        assert narrow.result()["text"] == f"before {turn}"
        line = narrow.result()
        assert (line["result"], line["errno"]) == (-1, "EMSGSIZE")
        assert wide.recv() == f"before {turn}"
        assert wide.must("recv")["result"] == length
        pub.must(f"send after {turn}")
        assert narrow.recv() == f"after {turn}"
        assert wide.recv() == f"after {turn}"
