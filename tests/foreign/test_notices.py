"""What zmq-rep and zmq-pub say of whom they refuse: once, with the reason, and nothing of anybody else."""

import contextlib
import signal
import socket
import time
from pathlib import Path

import pytest

from peers import EVENT, REQUEST, Message, Peer, Server, Zmtp, connect
from programs import Program, Stage, until
from victims import Binder

pytestmark = [pytest.mark.panels("zmq"), pytest.mark.transports("tcp", "ipc")]

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
VERSION_2 = SIGNATURE + b"\1\3\0\0"  # rfc.zeromq.org/spec/15: revision 1, REQ, no identity
VERSION_1 = b"\1\0"  # an empty identity
HTTP = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CURVE = SIGNATURE + b"\3\1" + b"CURVE".ljust(20, b"\0") + bytes(32)
NOT_3 = "ZMTP 2.0 or older"

roles = pytest.mark.parametrize("role", ["rep", "pub"])


def greeting(role: str) -> bytes:
    return Zmtp(role).greeting()


def closed(s: socket.socket, within: float = 5.0) -> bool:
    """Whether the other side closes, whatever it says before."""
    s.settimeout(within)
    try:
        while s.recv(4096):
            pass
    except (ConnectionResetError, BrokenPipeError):
        pass
    except TimeoutError:
        return False
    return True


def come_and_go(url: str) -> None:
    """A UNIX socket's backlog may be full for a moment."""
    while True:
        with contextlib.suppress(BlockingIOError), connect(url):
            return


def refused(url: str, says: bytes) -> None:
    with connect(url) as s:
        s.sendall(says)
        assert closed(s)


def notices(program: Program) -> list[str]:
    """All that it noticed, and its standard error says the same; the program ends."""
    program.stop()
    said = [str(e["text"]) for e in program.events if e["event"] == "notice"]
    lines = [line.partition(": ")[2] for line in program.stderr().splitlines()]
    assert [line for line in lines if not line.startswith("malformed")] == said
    return said


@roles
@pytest.mark.parametrize("says", [VERSION_2, VERSION_1, HTTP], ids=["2.0", "1.0", "HTTP"])
def test_an_older_peer_is_refused_and_told_once(stage: Stage, role: str, says: bytes) -> None:
    """It tries again and again, beside a healthy peer."""
    victim = Binder(stage, role)
    for _ in range(22):
        refused(victim.url, says)
    text = victim.program.hear("notice")["text"]
    assert NOT_3 in text and "HTTP" in text and text.startswith("refused a peer")
    victim.still_serves()
    assert len(notices(victim.program)) == 1


def test_people_are_told_as_well(stage: Stage) -> None:
    url = stage.url()
    rep = stage.start(stage.path_of("rep"), "-u", url)
    until(lambda: rep.has_line(), 5, "a line that says it is bound")
    until(lambda: refused(url, VERSION_2) or NOT_3 in rep.stderr(), 5, "it says whom it refuses")
    rep.signal(signal.SIGTERM)
    assert rep.wait() == 0
    lines = rep.stderr().splitlines()
    assert len(lines) == 1 and lines[0].startswith("zmq-rep: refused a peer")


@roles
@pytest.mark.parametrize(
    "says, told",
    [(greeting("pull"), "a type that does not fit"), (CURVE, "CURVE"),
     (greeting("req")[:64] + Zmtp.command(b"NOTHING", b""), "violates ZMTP"),
     (greeting("sub")[:64] + Zmtp.command(b"NOTHING", b""), "violates ZMTP")],
    ids=["socket type", "CURVE", "NOTHING", "NOTHING 2"],
)  # fmt: skip
def test_other_reasons(stage: Stage, role: str, says: bytes, told: str) -> None:
    victim = Binder(stage, role)
    refused(victim.url, says)
    assert told in victim.program.hear("notice")["text"]
    victim.still_serves()
    assert len(notices(victim.program)) == 1


@roles
def test_who_is_not_refused_is_not_told(stage: Stage, role: str) -> None:
    """Good peers that come and go, alone and together; who says nothing, or leaves in the middle."""
    victim = Binder(stage, role)
    for _ in range(3):
        peers = [victim.stranger() for _ in range(5)]
        for peer in peers:
            peer.greet()
        for number, peer in enumerate(peers):
            peer.close(reset=number % 2 == 1)
    for says in (b"", SIGNATURE, greeting("req")[:30], greeting("req")[:64]):
        with connect(victim.url) as s:
            s.sendall(says)
    with connect(victim.url) as silent, connect(victim.url) as slow:
        slow.sendall(SIGNATURE)
        assert closed(silent) and closed(slow)  # after the handshake's time limit
    drivers = [victim.connect() for _ in range(3)]
    for driver in drivers:
        driver.kill()
    victim.still_serves()
    assert notices(victim.program) == []


def test_a_publisher_that_never_waits_tells_as_well(stage: Stage) -> None:
    url = stage.url()
    pub = stage.ready("pub", url, "--quiet", "-n", 0, "-s", 10)
    refused(url, VERSION_2)
    assert NOT_3 in pub.hear("notice")["text"]
    assert len(notices(pub)) == 1


def test_a_server_that_never_waits_tells_as_well(stage: Stage) -> None:
    """Of several clients one always has a request for it."""
    url = stage.url()
    rep = stage.ready("rep", url, "--quiet")
    ask = Zmtp("req").frame(Message(REQUEST, b"x").encode()) * 1000
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(Peer("zmq", "req", url).greet()).socket for _ in range(8)]
        left = dict.fromkeys(busy, b"")
        for s in busy:
            s.setblocking(False)
        keep_asking(left, ask)
        refused(url, VERSION_2)
        deadline = time.monotonic() + 10
        while not rep.heard("notice", 0) and time.monotonic() < deadline:
            keep_asking(left, ask)
    assert len(notices(rep)) == 1


def keep_asking(left: dict[socket.socket, bytes], ask: bytes) -> None:
    """Asks as fast as requests are taken, and forgets the answers. left: what is still to be sent."""
    deadline = time.monotonic() + 0.05
    while time.monotonic() < deadline:
        for s in left:
            with contextlib.suppress(BlockingIOError):
                left[s] = left[s] or ask
                left[s] = left[s][s.send(left[s]) :]
            with contextlib.suppress(BlockingIOError):
                s.recv(1 << 20)


def test_a_publisher_that_neither_sends_nor_waits(stage: Stage) -> None:
    """It waits for whoever reads its output. The library's thread serves its peers meanwhile."""
    url = stage.url()
    pub = stage.ready("pub", url, "-n", 0, "-s", 10)
    until(lambda: pub.figure("voluntary_ctxt_switches") and sleeps(pub), 10, "its output is full")
    for _ in range(1500):
        come_and_go(url)
    with Peer("zmq", "sub", url) as late:
        late.greet()
    pub.kill()


def sleeps(program: Program) -> bool:
    """Whether its first thread has slept for a while."""
    state = Path(f"/proc/{program.pid}/task/{program.pid}/status")
    before = state.read_text()
    time.sleep(0.2)
    return state.read_text() == before and "sleeping" in before


@pytest.mark.parametrize("role", ["rep", "sub"])
def test_parts_are_counted(stage: Stage, role: str) -> None:
    """A message in parts is told with their number and bytes, once, and counts as an empty one."""
    url = stage.url()
    parts = [b"a" * 40, b"", b"b" * 17]
    with Server("zmq", "pub", url) if role == "sub" else contextlib.nullcontext() as server:
        program = stage.ready(role, url)
        peer = server.greeted() if server else Peer("zmq", "req", url).greet()
        first = [] if server else [b""]
        good = Message(EVENT if server else REQUEST, b"good", b"", 1, 2).encode()
        with peer:
            for message in (parts, [*parts, b"c"], [good]):
                peer.socket.sendall(peer.protocol.pack(*first, *message))
            assert "in 3 parts, 57 bytes, where one part is expected" in program.hear("notice")["text"]
            assert "(it is empty)" in program.hear("malformed")["text"]
            while program.hear("message")["text"] != "good":
                pass
    assert program.stop()["malformed"] == 2
    assert len([e for e in program.events if e["event"] == "notice"]) == 1


def test_a_driver_says_nothing(stage: Stage) -> None:
    """Nobody listens to what its panel notices."""
    url = stage.url()
    rep = stage.driver("rep", url, timeout=300)
    rep.begin("recv")
    refused(url, VERSION_2)
    assert rep.result()["errno"] == "ETIMEDOUT"
    assert rep.stderr() == "" and {e["command"] for e in rep.events} == {"open", "recv"}


@roles
def test_connections_leave_nothing(stage: Stage, role: str) -> None:
    """What the library tells of connections is read, so it does not stay in memory."""
    victim = Binder(stage, role)

    def flood(times: int) -> int:
        for _ in range(times):
            come_and_go(victim.url)
        victim.still_serves()
        return victim.program.figure("VmRSS")

    before = flood(1000)
    assert flood(4000) - before < 1024  # KiB: unread, they are 400 bytes each at least
    assert notices(victim.program) == []
