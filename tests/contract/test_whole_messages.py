"""R7 and P7 where no byte is garbage: whole, well-framed messages that nobody should send."""

import signal
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from harness.threads import busy, cpu_seconds
from peers import REQUEST, Message, Peer, read
from programs import Program, Stage, ends_in_time, others_are_answered, until

END = 0x80000000  # the last word of SP's header: the request's id
REP, PUB = 0x31, 0x20  # SP's numbers of a server's protocols
ID = struct.pack(">I", END | 1)


def frame(data: bytes, ipc: bool) -> bytes:
    return b"\1" * ipc + struct.pack(">Q", len(data)) + data


def answered(stage: Stage, url: str) -> None:
    code, lines, complaint = stage.run("req", "-u", url, "-n", 3, "--quiet", "hello")
    assert code == 0 and lines[-1]["received"] == 3, complaint


@pytest.mark.says(
    "A stranger sends a request of {hops} hop words and no body, three times; a client asks",
    "the client is answered, and the server runs",
)
@pytest.mark.panels("nanomsg", "nng")
@pytest.mark.transports("tcp", "ipc")
@pytest.mark.parametrize("hops", [0, 3, 4, 7, 9])
def test_R7_request_without_a_body(stage: Stage, hops: int) -> None:
    """Header words and nothing else: nn_freemsg() of NNG's empty message read one as an address."""
    url = stage.url()
    server = stage.ready("rep", url, "--quiet")
    header = b"".join(struct.pack(">I", 0x01020304 + i) for i in range(hops))
    with Peer(stage.panel, "req", url) as peer:
        peer.greet()
        for _ in range(3):  # the message is freed when the next one is received
            peer.socket.sendall(frame(header + ID, peer.protocol.ipc))
        answered(stage, url)
    assert server.running, server.fail("ended")


@pytest.mark.says(
    "A subscriber sends a whole message of {length} bytes, five times",
    "it loses its connection, and others get their events",
)
@pytest.mark.panels("nanomsg", "nng")
@pytest.mark.transports("tcp", "ipc")
@pytest.mark.parametrize("length", [1, 8, 1000, 1_000_000])
def test_P7_message_from_a_subscriber(stage: Stage, length: int) -> None:
    """It costs its connection. nanomsg's assertion in xpub.c cost the publisher."""
    url = stage.url()
    server = stage.ready("pub", url, "--quiet", "-n", 0, "-r", 200, "event")
    for _ in range(5):
        with Peer(stage.panel, "sub", url) as peer:
            peer.greet()
            with pytest.raises(OSError):
                peer.socket.sendall(frame(bytes(length), peer.protocol.ipc))
                while True:
                    read(peer.socket, 1)
    sub = stage.driver("sub", url, timeout=2000)
    sub.must("subscribe")
    assert sub.must("recv")["result"] > 0
    assert server.running, server.fail("ended")


class Liar:
    """A server of SP that greets, hears a request if it is a REP, and says what it likes."""

    def __init__(self, url: str, kind: int, lie: Callable[[bytes], bytes]) -> None:
        self.kind, self.lie, self.connections = kind, lie, 0
        self.path = Path(url[len("ipc://") :]) if url.startswith("ipc://") else None
        if self.path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(self.path))
            self.listener.listen()
        else:
            self.listener = socket.create_server(("127.0.0.1", int(url.rpartition(":")[2])))
        self.listener.settimeout(0.05)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while not self.stopping.is_set():
            try:
                s, _ = self.listener.accept()
            except TimeoutError:
                continue
            with s:
                self.connections += 1
                s.settimeout(0.5)
                try:
                    self.talk(s)
                except OSError:
                    pass  # the client has hung up, or falls silent

    def talk(self, s: socket.socket) -> None:
        s.sendall(bytes([0, 0x53, 0x50, 0, 0, self.kind, 0, 0]))
        read(s, 8)
        number = b""
        if self.kind == REP:
            size = read(s, 9 if self.path else 8)[-8:]
            number = read(s, struct.unpack(">Q", size)[0])[:4]
        s.settimeout(5)
        s.sendall(self.lie(number))
        s.settimeout(0.5)
        while not self.stopping.is_set() and s.recv(1 << 16):
            pass

    def __enter__(self) -> "Liar":
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join()
        self.listener.close()
        if self.path:
            self.path.unlink()


@pytest.fixture(params=["req", "sub"])
def client(stage: Stage, request: pytest.FixtureRequest) -> Iterator[tuple[Program, str, int]]:
    """A client with a limit of 1000 bytes, its address, and the protocol of the server it wants."""
    url = stage.url()
    role, kind = {"req": ("req", REP), "sub": ("sub", PUB)}[request.param]
    asks = ("-n", 0, "-r", 20, "-t", 300, "hello") if role == "req" else ()
    yield stage.program(role, "-u", url, "-m", 1000, *asks), url, kind


def still_works(stage: Stage, client: Program, url: str, kind: int) -> None:
    """The right server comes, and the client hears it."""
    server = "rep" if kind == REP else "pub"
    stage.ready(server, url, "--quiet", *(("-n", 0, "-r", 50, "x") if server == "pub" else ()))
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if client.hear("message")["direction"] == "received":
            return
    raise client.fail("does not hear its server")


@pytest.mark.says(
    "A server claims a message of {claimed} bytes",
    "the client keeps its memory, and hears the right server later",
)
@pytest.mark.panels("nng")
@pytest.mark.transports("tcp", "ipc")
@pytest.mark.parametrize("claimed", [(65 << 20), 1 << 32, 1 << 40])
def test_R8_P7_claim_of_a_server(
    stage: Stage, client: tuple[Program, str, int], claimed: int
) -> None:
    """nanomsg aborts on what it cannot allocate (chunkref.c:55): CONTRACT.md says so."""
    program, url, kind = client
    ipc = url.startswith("ipc")
    claim = b"\1" * ipc + struct.pack(">Q", claimed) + bytes(66 << 20)  # more than it may keep
    with Liar(url, kind, lambda number: claim) as liar:
        until(lambda: liar.connections > 3, 10, "the client connects again")
    assert program.running, program.fail("ended")
    assert program.figure("VmHWM") < 64 << 10
    still_works(stage, program, url, kind)


@pytest.mark.says(
    "A server sends empty messages",
    "the client goes on, and hears the right server later",
)
@pytest.mark.panels("nanomsg", "nng")
@pytest.mark.transports("tcp", "ipc")
def test_R8_P7_empty_message_of_a_server(stage: Stage, client: tuple[Program, str, int]) -> None:
    """NNG 1.10 writes and reads before the message; 1.5 does not free it."""
    program, url, kind = client
    ipc = url.startswith("ipc")
    with Liar(url, kind, lambda number: frame(number, ipc) * 100):
        assert "(it is empty)" in program.hear("malformed")["text"]
    assert program.running, program.fail("ended")
    still_works(stage, program, url, kind)


def request(length: int = 10) -> bytes:
    return frame(ID + Message(REQUEST, bytes(length)).encode(), False)


def works(server: Program, seconds: float) -> bool:
    """Whether it has done anything in this time."""
    before = cpu_seconds(server.pid)
    time.sleep(seconds)
    return cpu_seconds(server.pid) > before


def left_ready(server: Program, url: str) -> bool:
    """Clients ask twice and break off, until NNG's server looks for a request in vain, again and
    again: after a few of them, on a busy machine after many. nanomsg's never does."""
    panel = server.name.split("-")[0]
    for _ in range(60 if panel == "nng" else 3):
        with Peer(panel, "req", url) as peer:
            peer.greet().socket.sendall(frame(ID + b"no message", False) * 2)  # answered at once
            peer.close(reset=True)
        if all(works(server, 0.1) for _ in range(4)):  # all is answered by then
            return True
    return False


@pytest.mark.says(
    "Clients ask twice and leave at once; then comes SIGTERM",
    "no spin, and the program ends within 1 s",
)
@pytest.mark.panels("nanomsg", "nng")
@pytest.mark.transports("tcp")
def test_R10_after_clients_that_asked_twice_and_left(stage: Stage) -> None:
    """nn_poll() of NNG says for ever that there is a request: no spin, and a signal ends it."""
    url = stage.url()
    server = stage.ready("rep", url, "--quiet")
    does = left_ready(server, url)
    assert busy(server.pid, 0.5) < 0.4
    answered(stage, url)  # which may mend what nn_poll() says
    if does:
        left_ready(server, url)
    server.signal(signal.SIGTERM)
    assert ends_in_time(server) == 0


@pytest.mark.says(
    "Clients ask twice at once and break off, until descriptors stay",
    "a client is answered, and SIGTERM ends the server within 1 s",
)
@pytest.mark.panels("nng")
@pytest.mark.transports("tcp")
def test_R7_R10_after_descriptors_that_stay(stage: Stage) -> None:
    """NNG's reaper thread may wait for ever: clients are still served, and a signal ends it."""
    url = stage.url()
    server = stage.ready("rep", url, "--quiet")
    before = server.descriptors()
    for _ in range(10):  # the descriptors stay after about every second time
        for _ in range(300):
            with Peer(stage.panel, "req", url) as peer:
                peer.greet().socket.sendall(request() * 2)
                peer.close(reset=True)
        deadline = time.monotonic() + 1.0  # a busy machine frees them later
        while server.descriptors() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        if server.descriptors() > before:
            break
    answered(stage, url)
    server.signal(signal.SIGTERM)
    assert ends_in_time(server) == 0


@pytest.mark.says(
    "Ten clients ask and never read; another one asks",
    "it is answered within 500 ms",
)
@pytest.mark.panels("nanomsg", "nng")
@pytest.mark.transports("tcp")
def test_R6_ten_clients_that_never_read(stage: Stage) -> None:
    """Each asks on; a healthy client is answered within 500 ms."""
    url = stage.url()
    stage.driver("rep", url, timeout=20000).begin("echo 1000000000")
    done = threading.Event()
    stalled = set()  # the server takes no more of them; nanomsg's takes all and drops the replies

    def ask(peer: Peer) -> None:
        data, at = request(100_000), 0
        while not done.is_set():
            taken = peer.push(data[at:], 0.1)
            at = (at + taken) % len(data)
            if taken == 0:
                stalled.add(peer)

    peers = [Peer(stage.panel, "req", url).greet() for _ in range(10)]
    threads = [threading.Thread(target=ask, args=(peer,)) for peer in peers]
    for thread in threads:
        thread.start()
    try:
        deadline = time.monotonic() + (10 if stage.panel == "nng" else 1)
        while len(stalled) < len(peers) and time.monotonic() < deadline:
            time.sleep(0.02)
        others_are_answered(stage, url, asks=10)
    finally:
        done.set()
        for thread in threads:
            thread.join()
        for peer in peers:
            peer.close()
