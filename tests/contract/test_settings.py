"""What a panel sets on its sockets, and before they bind or connect: later has no effect."""

import contextlib
import ctypes
import os
import socket
import time
from typing import Iterator

import pytest

from peers import Peer, Server, connect
from programs import Program, Stage, memory, sync

PIDFD_GETFD = 438  # pidfd_getfd(2), for which Python 3.11 has no function
libc = ctypes.CDLL(None, use_errno=True)


def connections(program: Program) -> Iterator[socket.socket]:
    """Copies of the program's connected TCP sockets."""
    process = os.pidfd_open(program.pid)
    try:
        for name in os.listdir(f"/proc/{program.pid}/fd"):
            try:
                if not os.readlink(f"/proc/{program.pid}/fd/{name}").startswith("socket:"):
                    continue
            except FileNotFoundError:
                continue
            copy = libc.syscall(PIDFD_GETFD, process, int(name), 0)
            if copy < 0 and ctypes.get_errno() == 1:
                pytest.skip("this machine does not allow pidfd_getfd(2)")
            if copy < 0:
                continue
            with socket.socket(fileno=copy) as s:
                try:
                    s.getpeername()
                except OSError:
                    continue  # it listens, or belongs to the library's own threads
                if s.family in (socket.AF_INET, socket.AF_INET6):
                    yield s
    finally:
        os.close(process)


pairs = pytest.mark.parametrize(("server", "client"), [("rep", "req"), ("pub", "sub")])


@pytest.mark.transports("tcp", "tcp6")
@pairs
def test_no_delay_on_both_sides(stage: Stage, server: str, client: str) -> None:
    url = stage.url()
    binds, connects = stage.driver(server, url), stage.driver(client, url, timeout=2000)
    if server == "rep":
        connects.begin("send hello")
        assert binds.recv() == "hello"
        connects.result()
    else:
        connects.must("subscribe")
        sync(binds, [(connects, "")])
    for program in (binds, connects):
        delays = [s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for s in connections(program)]
        assert delays == [1], program.name


@pytest.mark.transports("tcp")
def test_queues_are_as_long_as_asked(stage: Stage) -> None:
    """300 events of 100 kB: the kernel's buffers hold some 100, and each queue would hold all."""
    url = stage.url()
    pub = stage.driver("pub", url, queue=10)
    sub = stage.driver("sub", url, queue=10, timeout=500)
    sub.must("subscribe")
    sync(pub, [(sub, "")])
    assert pub.must("burst 300 100000 1000")["result"] == 300
    assert 0 < sub.call("collect 300")["result"] < 250


@pytest.mark.transports("tcp")
def test_a_queue_holds_as_much_as_asked(stage: Stage) -> None:
    """400 events at once, and nobody receives: NNG's queues would hold 144 by default."""
    url = stage.url()
    pub = stage.driver("pub", url, queue=1000)
    sub = stage.driver("sub", url, queue=1000, timeout=5000)
    sub.must("subscribe")
    sync(pub, [(sub, "")])
    assert pub.must("burst 400 50")["result"] == 400
    time.sleep(0.2)
    assert sub.call("collect 400")["result"] == 400


@pytest.mark.transports("tcp")
def test_a_subscribers_own_queue_is_as_long_as_asked(stage: Stage) -> None:
    """300 events of 100 kB that nobody receives: the publisher would keep all of them."""
    url = stage.url()
    pub = stage.driver("pub", url, queue=1000)
    sub = stage.driver("sub", url, queue=10)
    sub.must("subscribe")
    sync(pub, [(sub, "")])
    before = memory(sub)
    assert pub.must("burst 300 100000 1000")["result"] == 300
    pub.must("idle 200")
    assert memory(sub) - before < 15_000


@pytest.mark.transports("tcp")
def test_prefixes_of_lengths_that_a_library_may_take_for_others(stage: Stage) -> None:
    """libzmq 4.3.4 writes the length of a subscription to 246 to 255 bytes wrongly."""
    url = stage.url()
    pub, sub = stage.driver("pub", url), stage.driver("sub", url, timeout=5000)
    prefixes = [f"{length}.".ljust(length, "p") for length in (244, 245, 246, 254, 255, 256, 257)]
    for prefix in prefixes:
        sub.must(f"subscribe {prefix}")
    for prefix in prefixes:
        sync(pub, [(sub, prefix)])


@pytest.mark.panels("raw", "zmq")
@pytest.mark.transports("tcp")
def test_more_unanswered_requests_than_a_queue_holds(stage: Stage) -> None:
    """Each replaces the one before (R3), at once and on the same connection."""
    url = stage.url()
    with Server(stage.panel, "rep", url) as server:
        req = stage.driver("req", url, timeout=1000)
        req.begin("send first")
        with server.greeted():
            assert req.result()["result"] == 0
            slow = [req.must("send -s 10000")["us"] > 500_000 for _ in range(2500)]
            assert slow.count(True) <= 2  # on a busy machine; who waits, waits each time
            with pytest.raises(TimeoutError):
                server.accept(0.1)


def test_more_subscriptions_than_a_queue_holds(stage: Stage) -> None:
    url = stage.url()
    sub = stage.driver("sub", url, timeout=5000)
    for i in range(1500):
        sub.must(f"subscribe {i}.")
    pub = stage.driver("pub", url)
    sync(pub, [(sub, "0."), (sub, "1499.")])


@pytest.mark.panels("raw", "zmq")
@pytest.mark.transports("tcp")
def test_a_subscribers_message_over_the_limit_costs_its_connection(stage: Stage) -> None:
    url = stage.url()
    stage.driver("pub", url, max=20_000).begin("idle 20000")
    with Peer(stage.panel, "sub", url).greet() as peer:
        peer.subscribe(b"x" * 30_000)
        with contextlib.suppress(ConnectionResetError):
            while peer.socket.recv(1000):
                pass


@pytest.mark.transports("tcp")
@pytest.mark.parametrize("role", ["rep", "req", "sub"])
def test_a_time_out_of_0_is_none(stage: Stage, role: str) -> None:
    url = stage.url()
    if role == "req":
        stage.driver("rep", url)  # takes the request, and is silent
    driver = stage.driver(role, url, timeout=0)
    if role == "req":
        driver.must("send hello")
    driver.say("alarm 400")
    line = driver.call("recv")
    assert (line["errno"], line["us"] > 300_000) == ("EINTR", True), line


@pytest.mark.transports("tcp")
def test_what_is_too_long_to_send_is_refused(stage: Stage) -> None:
    """By a byte, and with EMSGSIZE: pattern.h."""
    url = stage.url()
    rep, req = stage.driver("rep", url, max=1000), stage.driver("req", url, max=1000)
    pub = stage.driver("pub", stage.url(), max=1000)
    for driver in (req, pub):
        line = driver.call("send -s 1001")
        assert (line["result"], line["errno"]) == (-1, "EMSGSIZE"), driver.name
        driver.begin("send -s 1000")
    assert rep.must("recv")["result"] == 1000
    line = rep.call("send -s 1001")
    assert (line["result"], line["errno"]) == (-1, "EMSGSIZE")
    rep.must("send -s 1000")
    assert req.result()["result"] == pub.result()["result"] == 0
    assert req.must("recv")["result"] == 1000


@pytest.mark.transports("tcp")
def test_a_queue_of_0_is_the_default(stage: Stage) -> None:
    url = stage.url()
    pub, sub = stage.driver("pub", url, queue=0), stage.driver("sub", url, queue=0, timeout=5000)
    sub.must("subscribe")
    sync(pub, [(sub, "")])
    assert pub.must("burst 10 50")["result"] == 10
    assert sub.call("collect 10")["result"] == 10


@pytest.mark.transports("tcp")
@pytest.mark.parametrize(("server", "client"), [("rep", "req"), ("pub", "sub")])
def test_a_limit_of_0_is_the_default(stage: Stage, server: str, client: str) -> None:
    url, length = stage.url(), 60_000
    binds = stage.driver(server, url, timeout=5000, max=0)
    connects = stage.driver(client, url, timeout=5000, max=0)
    if server == "rep":
        binds.begin("echo 1")
        connects.must(f"send -s {length}")
    else:
        connects.must("subscribe")
        sync(binds, [(connects, "")])
        binds.must(f"send -s {length}")
    assert connects.must("recv")["result"] == length


@pytest.mark.panels("zmq")
@pytest.mark.transports("tcp")
@pytest.mark.parametrize("role", ["rep", "pub"])
def test_zmq_a_silent_connection_is_closed(stage: Stage, role: str) -> None:
    """The library's default keeps it for 30 s."""
    url = stage.url()
    stage.driver(role, url)
    start = time.monotonic()
    with connect(url, timeout=10) as s:
        while s.recv(100):
            pass
    assert 0.5 < time.monotonic() - start < 8
