"""No clause: what becomes of a call that fails. failing.c makes each call of a panel's fail in turn.

A failure is passed on, with its errno; or it is survived, where pattern.h promises that: a client
connects later, and a server goes on without a client. What was acquired is given back, and the next
call works.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from failing import armed, failing_driver, gives_back, hidden, succeeds, sweep
from programs import Driver, Stage, Stopwatch, sync, until

pytestmark = pytest.mark.panels("raw", "zmq", "nanomsg", "nng")
FILE_CALLS = {"fstat64", "lstat64", "renameat2", "unlink"}  # of a close, for the ipc path
CONNECTING = {"socket", "connect", "epoll_ctl", "getsockopt", "getsockname", "getpeername", "setsockopt"}
ACCEPTING = {"accept4", "calloc", "epoll_ctl", "setsockopt"}
EXCHANGING = {"recv", "send", "sendmsg", "malloc", "realloc", "epoll_wait", "close"}


def counterpart(stage: Stage, role: str, url: str) -> Driver:
    """Who speaks with a role: a healthy driver that connects, or answers and publishes."""
    other = stage.driver({"req": "rep", "rep": "req", "pub": "sub", "sub": "pub"}[role], url, timeout=1000)
    if role == "req":
        other.begin("echo 1000000")
    elif role == "pub":
        other.must("subscribe")
    return other


def works(driver: Driver, other: Driver, role: str) -> None:
    """The handle that was opened last does what it is for."""
    if role == "req":
        assert driver.asked("hello")
    elif role == "rep":
        until(lambda: exchange(driver, other))  # a request on a connection that has ended is lost
    elif role == "sub":
        driver.must("subscribe")
        sync(other, [(driver, "")])
    else:
        sync(driver, [(other, "")])


def exchange(rep: Driver, req: Driver, numbers: Iterator[int] = count()) -> bool:
    """Whether a request is answered. Earlier ones may wait before it."""
    text = f"hello {next(numbers)}"
    req.begin(f"send {text}")
    req.begin("recv")
    while (said := rep.call("recv"))["result"] >= 0 and said["text"] != text:
        rep.must("send late")
    answered = said["result"] >= 0 and rep.call(f"send {text}")["result"] >= 0
    _, reply = req.result(), req.result()
    return answered and reply.get("text") == text


@pytest.mark.transports("tcp", "ipc")
@pytest.mark.parametrize("role", ["req", "rep", "pub", "sub"])
def test_an_open_of_which_a_call_fails(stage: Stage, role: str) -> None:
    """raw connects later, so what an attempt needs may fail; and an ipc path is looked at twice."""
    url = stage.url()
    other = counterpart(stage, role, url)
    driver = failing_driver(stage)
    before = driver.must("failed")
    binds, raw = role in ("rep", "pub"), stage.panel == "raw"
    survived = {"lstat64"} if binds else CONNECTING if raw else set()

    def prepare() -> None:
        """Of an open that fails after its bind, the path may be left; it would be looked at."""
        if binds and url.startswith("ipc://"):
            Path(url.removeprefix("ipc://")).unlink(missing_ok=True)

    patience = 5000 if role == "req" else 1000  # a request is made once
    for said, told in sweep(driver, f"open {role} {url} timeout={patience}", prepare):
        if succeeds(said, told, survived):
            works(driver, other, role)
            driver.must("close")
        gives_back(driver, before)


@pytest.mark.panels("raw")
@pytest.mark.transports("tcp")
@pytest.mark.parametrize("role", ["req", "rep", "pub", "sub"])
def test_an_open_of_another_scheme(stage: Stage, role: str) -> None:
    """It fails late, and its errno outlives the closes."""
    driver = failing_driver(stage)
    before = driver.must("failed")
    assert driver.call(f"open {role} udp://127.0.0.1:9")["errno"] == "EPROTONOSUPPORT"
    gives_back(driver, before)


@pytest.mark.panels("raw")
@pytest.mark.transports("ipc")
@pytest.mark.parametrize("live", [True, False], ids=["live", "stale"])
def test_an_open_at_a_path_that_is_there_of_which_a_call_fails(stage: Stage, live: bool) -> None:
    """A live server keeps its path; a stale path is replaced, or stays where nothing is known of it."""
    url = stage.url()
    path = url.removeprefix("ipc://")
    driver = failing_driver(stage)
    before = driver.must("failed")
    with contextlib.ExitStack() as stack:

        def prepare() -> None:
            if not os.path.exists(path):
                server = stack.enter_context(socket.socket(socket.AF_UNIX))
                server.bind(path)
                if not live:
                    server.close()

        for said, told in sweep(driver, f"open rep {url}", prepare):
            if said["result"] < 0:
                assert said["errno"] in {"EADDRINUSE", told["failed"]} - {""}, (said, told)
                assert os.path.exists(path) or not live, told
            else:
                assert not live, told
                driver.must("close")
            gives_back(driver, before)
        assert (said["result"] < 0) == live


@pytest.mark.transports("tcp", "ipc")
@pytest.mark.parametrize("role", ["req", "rep", "pub", "sub"])
def test_a_close_of_which_a_call_fails(stage: Stage, role: str) -> None:
    """It closes all the same."""
    url = stage.url()
    other = counterpart(stage, role, url)
    driver = failing_driver(stage)
    before = driver.must("failed")

    def prepare() -> None:
        driver.open(role, url, timeout=1000)
        works(driver, other, role)

    for said, told in sweep(driver, "close", prepare):
        assert said["us"] < 2_000_000, (said, told)
        gives_back(driver, before)
        if url.startswith("ipc://") and role in ("rep", "pub") and told["function"] not in FILE_CALLS:
            assert not os.path.exists(url.removeprefix("ipc://")), told


@pytest.mark.transports("tcp")
def test_out_of_turn_the_errno_is_the_librarys_own(stage: Stage) -> None:
    """pattern.h and R9 promise no more than that; the sockets of raw have none, and it says EPROTO."""
    url = stage.url()
    words = os.strerror(errno.EPROTO) if stage.panel == "raw" else "state"
    for role, command in (("rep", "send hello"), ("req", "recv")):
        said = stage.driver(role, url).call(command)
        assert said["result"] == -1 and words in said["error"], said


@pytest.mark.panels("raw")
@pytest.mark.transports("tcp")
def test_a_publisher_with_nothing_to_do_looks_once(stage: Stage) -> None:
    """It would look more often only if there were something to do; after that look it waits."""
    pub = failing_driver(stage, "pub", stage.url())
    for command, looks in (("idle 0", 1), ("idle 50", 2)):
        said, told = armed(pub, "epoll_wait:1000", command)
        waited = armed(pub, "epoll_pwait2:1000", command)[1]
        assert (said["result"], told["made"] + waited["made"]) == (0, looks), (said, told, waited)


@pytest.mark.transports("tcp")
def test_a_request_of_which_a_call_fails(stage: Stage) -> None:
    """After a send that fails nothing is pending (R9); a time-out may stand for a broken connection."""
    url = stage.url()
    stage.driver("rep", url).begin("echo 1000000")
    driver = failing_driver(stage, "req", url, timeout=400)
    until(lambda: driver.asked("hello"))
    raw = stage.panel == "raw"
    late = {"nn_recv", "clock_nanosleep"} if stage.panel == "nanomsg" else set()  # for replies that came too late
    for said, told in sweep(driver, "send hello", lambda: driver.must("send before")):
        if succeeds(said, told, {"send", "epoll_wait"} if raw else late):
            assert driver.recv() == "hello", told
        else:
            watch = Stopwatch(driver)
            line = driver.call("recv")
            assert line["result"] < 0 and line["us"] < 200_000 + watch.late_us, (line, told)
            assert told["held"]["messages"] <= 1, told  # the reply before is lent
        until(lambda: driver.asked("again"))
    for said, told in sweep(driver, "recv", lambda: driver.must("send hello")):
        survived = CONNECTING | EXCHANGING if raw else set()
        if not succeeds(said, told, survived, "ETIMEDOUT" if raw else "") and said["errno"] == "EINTR":
            assert driver.must("recv")["result"] == len("hello"), told  # it is still pending
        until(lambda: driver.asked("again"))


@pytest.mark.panels("raw", "zmq")
@pytest.mark.transports("tcp")
def test_a_request_to_nobody_yet_of_which_a_call_fails(stage: Stage) -> None:
    """raw keeps it in memory, which may fail; nanomsg and NNG wait for a connection."""
    url = stage.url()
    driver = failing_driver(stage, "req", url, timeout=5000)

    def prepare() -> None:
        driver.must("close")
        driver.open("req", url, timeout=5000)

    for said, told in sweep(driver, "send hello", prepare):
        succeeds(said, told, CONNECTING | {"epoll_wait", "close", "realloc"})
    if stage.panel == "raw" and not hidden(stage.path_of("driver")):  # it tries twice
        prepare()
        assert armed(driver, "realloc:0", "send hello")[0]["errno"] == "ENOMEM"
        line = driver.call("recv")
        assert line["result"] < 0 and line["us"] < 2_500_000, line
        driver.must("send hello")
    stage.driver("rep", url).begin("echo 1")
    assert driver.recv() == "hello"


@pytest.mark.transports("tcp")
def test_a_reply_of_which_a_call_fails(stage: Stage) -> None:
    """Each request comes over a new connection; raw loses those that it cannot serve."""
    url = stage.url()
    driver = failing_driver(stage, "rep", url, timeout=300)
    client = stage.driver()
    raw = stage.panel == "raw"

    def ask() -> None:
        with contextlib.suppress(Exception):
            client.must("close")
        client.open("req", url, timeout=300)
        client.begin("send hello")
        client.begin("recv")

    def settle() -> None:
        client.result(), client.result()
        until(lambda: exchange(driver, client))

    for said, told in sweep(driver, "recv", ask):
        if succeeds(said, told, ACCEPTING | EXCHANGING if raw else set(), "ETIMEDOUT" if raw else ""):
            driver.must("send hello")
        settle()

    def be_asked() -> None:
        until(lambda: exchange(driver, client))
        client.begin("send hello")
        client.begin("recv")
        driver.must("recv")

    for said, told in sweep(driver, "send hello", be_asked):
        if not succeeds(said, told, {"send"} if raw else set()):
            driver.must("send hello")  # the request can still be answered
        settle()


@pytest.mark.panels("nanomsg", "nng")
@pytest.mark.transports("tcp")
def test_nn_a_time_limit_that_cannot_be_set_is_set_later(stage: Stage) -> None:
    """Without it, rep_send() waits for a client that does not read (R6)."""
    url = stage.url()
    driver = failing_driver(stage, "rep", url, timeout=5000)
    for _ in range(2):
        client = stage.driver("req", url)
        client.begin("send hello")
        assert driver.recv() == "hello"
        said, _ = armed(driver, "nn_setsockopt:1", "send hello")
        assert said["errno"] == "ENOPROTOOPT"


@pytest.mark.transports("tcp")
def test_a_subscription_of_which_a_call_fails(stage: Stage) -> None:
    """It holds or it does not, as the answer says; then it can be made, and taken back."""
    url = stage.url()
    pub = stage.driver("pub", url)
    driver = failing_driver(stage, "sub", url, timeout=5000)
    driver.must("subscribe all.")
    sync(pub, [(driver, "all.")])
    survived = EXCHANGING if stage.panel == "raw" else set()

    def received(text: str) -> bool:
        """Whether an event arrives before one that does. A subscription takes a moment to arrive."""
        sync(pub, [(driver, "all.")])
        pub.must(f"send {text}")
        pub.must("send all.")
        return bool(driver.recv() == text and driver.recv() == "all.")

    def settles(text: str, holds: bool) -> None:
        until(lambda: received(text) == holds, 5, f"{text} is subscribed: {holds}")

    for n in count(1):
        topic = f"{n % 2}{n}."  # they part at different bits: raw makes forks
        before = driver.must("failed")
        said, told = armed(driver, n, f"subscribe {topic}")
        if not succeeds(said, told, survived):
            gives_back(driver, before)
            assert not received(topic), told
            driver.must(f"subscribe {topic}")
        settles(topic, True)
        if not told["function"]:
            break
    for said, told in sweep(driver, "unsubscribe x.", lambda: driver.must("subscribe x.")):
        if not succeeds(said, told, survived):
            settles("x.", True)
            driver.must("unsubscribe x.")
        settles("x.", False)


@pytest.mark.transports("tcp")
def test_an_event_of_which_a_call_fails(stage: Stage) -> None:
    url = stage.url()
    pub = stage.driver("pub", url)
    driver = failing_driver(stage, "sub", url, timeout=300)
    driver.must("subscribe")
    raw = stage.panel == "raw"

    def publish() -> None:
        sync(pub, [(driver, "")])
        pub.must("send hello")

    for said, told in sweep(driver, "recv", publish):
        survived = CONNECTING | EXCHANGING if raw else set()
        if not succeeds(said, told, survived, "ETIMEDOUT" if raw else "") and not raw:
            assert driver.recv() == "hello", told
    publish()
    assert driver.recv() == "hello"


@pytest.mark.transports("tcp")
def test_a_publication_of_which_a_call_fails(stage: Stage) -> None:
    """raw's publisher serves its subscribers while it is idle, and loses those that it cannot serve."""
    url = stage.url()
    driver = failing_driver(stage, "pub", url)
    subscriber = stage.driver("sub", url, timeout=5000)
    subscriber.must("subscribe")
    sync(driver, [(subscriber, "")])
    raw = stage.panel == "raw"
    for said, told in sweep(driver, "send hello"):
        succeeds(said, told, set())
        sync(driver, [(subscriber, "")])
    for n in count(1):
        driver.say(f"fail {n}")
        driver.begin("idle 60")
        with contextlib.suppress(Exception):
            subscriber.must("close")
        subscriber.open("sub", url, timeout=5000)
        subscriber.must("subscribe")
        subscriber.begin("recv")
        said, told = driver.result(), driver.must("failed")
        succeeds(said, told, ACCEPTING | EXCHANGING if raw else set())
        until(lambda: driver.must("send hello") and subscriber.has_line(0.02))
        subscriber.result()
        sync(driver, [(subscriber, "")])
        if not told["function"]:
            break


@pytest.mark.panels("raw")
@pytest.mark.transports("tcp")
def test_a_queue_that_cannot_grow(stage: Stage) -> None:
    """The event is not sent, and the publisher goes on with the queue that it has."""
    if hidden(stage.path_of("driver")):
        pytest.skip("a sanitizer's malloc() does not fail")
    for name in ("malloc", "calloc"):
        url = stage.url()
        driver = failing_driver(stage, "pub", url, queue=100_000)
        sub = stage.driver("sub", url)
        sub.must("subscribe")
        sync(driver, [(sub, "")])
        sub.freeze()
        said, told = armed(driver, f"{name}:1", "burst 1000 20000")
        sub.thaw()
        assert (said["result"], told["function"]) == (999, name)
        sub.begin("collect 999")
        driver.must("idle 100")
        assert sub.result()["ordered"]


# With these a call is to be made again, at once or when there is room or a descriptor.
PASSING = {
    "raw": {
        "req": ["send:1:EINTR", "send:1:EAGAIN", "send:1:ENOBUFS", "recv:1:EINTR", "recv:1:EAGAIN"],
        "rep": ["accept4:1:ENFILE", "accept4:1:ENOBUFS", "accept4:1:ENOMEM", "accept4:1:EAGAIN",
                "accept4:1:ECONNABORTED", "recv:1:EINTR", "recv:1:EAGAIN", "send:1:EINTR",
                "send:1:EAGAIN", "epoll_pwait2:0:ENOSYS"],
    },
    "zmq": {"req": ["zmq_send:1:EAGAIN", "zmq_msg_recv:1:EAGAIN"], "rep": ["zmq_msg_recv:1:EAGAIN"]},
    "nanomsg": {"req": ["nn_send:1:EAGAIN", "nn_recvmsg:1:EAGAIN"], "rep": ["nn_recv:1:EAGAIN"]},
    "nng": {"req": ["nn_send:1:EAGAIN", "nn_recv:1:EAGAIN"],
            "rep": ["nn_recv:1:EAGAIN", "nn_recv:1:ETIMEDOUT", "nn_send:1:ETIMEDOUT"]},
}


@pytest.mark.transports("tcp")
@pytest.mark.parametrize("role", ["req", "rep"])
def test_a_failure_that_passes(stage: Stage, role: str) -> None:
    """Once, and the exchange goes on. But a reply that is not taken in time is dropped (R6)."""
    for failure in PASSING[stage.panel][role]:
        url, name = stage.url(), failure.split(":")[0]
        at = "send hello" if "send" in name else "recv"
        dropped = failure == "nn_send:1:ETIMEDOUT"
        rep = failing_driver(stage, "rep", url, timeout=5000)
        req = failing_driver(stage, "req", url, timeout=500 if dropped else 5000)
        if name != "accept4":
            assert exchange(rep, req)
        victim = req if role == "req" else rep
        for turn in (1, 2):  # raw sends what the kernel has not taken in its next call
            for driver, command in ((req, "send hello"), (req, "recv"), (rep, "recv"), (rep, "send hello")):
                if (turn, driver, command) == (1, victim, at):
                    driver.say(f"fail {failure}")
                driver.begin(command)
        results = [driver.result()["result"] for driver in 4 * [req] + 4 * [rep]]
        assert results == [0, -1 if dropped else 5, 0, 5, 5, 0, 5, 0], failure
        assert victim.must("failed")["function"] == name or hidden(stage.path_of("driver")), failure
        for driver in (req, rep):
            driver.hang_up()
            driver.wait()
