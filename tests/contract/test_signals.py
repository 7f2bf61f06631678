"""R10 and P8: signals, summaries, what stays behind and what is in the way."""

import signal
import time
from pathlib import Path
from typing import Callable

import pytest

from harness.program import at_rest
from harness.threads import cpu_seconds
from programs import Program, Stage, ends_in_time, until

signals = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
Situation = Callable[[Stage, str], Program]


def path_of(url: str) -> Path:
    return Path(url[len("ipc://") :])


def busy(program: Program) -> Program:
    """It has used 30 ms of the processor from now on, so it is in the middle of its work."""

    before = cpu_seconds(program.pid)
    until(lambda: cpu_seconds(program.pid) - before >= 0.03, 10, "it is busy")
    return program


def asleep(program: Program) -> Program:
    """It has come to the call in which it waits."""
    until(at_rest(program), 10, "it sleeps")
    return program


def rep_waiting(stage: Stage, url: str) -> Program:
    return asleep(stage.ready("rep", url))


def rep_served(stage: Stage, url: str) -> Program:
    rep = stage.ready("rep", url)
    assert stage.run("req", "-u", url, "hello")[0] == 0
    return rep


def rep_working(stage: Stage, url: str) -> Program:
    rep = stage.ready("rep", url, "-w", 60000)
    stage.ready("req", url, "-t", 60000, "work!")
    rep.hear("message")
    return rep


def req_nobody(stage: Stage, url: str) -> Program:
    return asleep(stage.ready("req", url, "-t", -1, "anybody?"))


def req_awaiting(stage: Stage, url: str) -> Program:
    server = stage.driver("rep", url)
    req = stage.ready("req", url, "-t", 60000, "hello")
    until(lambda: server.call("recv")["result"] > 0)
    return req


def req_pacing(stage: Stage, url: str) -> Program:
    stage.ready("rep", url)
    req = stage.ready("req", url, "-n", 0, "-r", 1, "--quiet", "hello")
    time.sleep(0.2)
    return req


def req_busy(stage: Stage, url: str) -> Program:
    stage.ready("rep", url, "--quiet")
    return busy(stage.ready("req", url, "-n", 0, "--quiet", "hello"))


def req_reading(stage: Stage, url: str) -> Program:
    stage.ready("rep", url)
    req = stage.ready("req", url, "-")
    req.write("one line\n")
    req.hear("message")
    return req


def pub_before_the_first(stage: Stage, url: str) -> Program:
    return asleep(stage.ready("pub", url, "-d", 60000, "never"))


def pub_pacing(stage: Stage, url: str) -> Program:
    pub = stage.ready("pub", url, "-n", 0, "-r", 1, "hello")
    pub.hear("message")
    return pub


def pub_busy(stage: Stage, url: str) -> Program:
    pub = stage.ready("pub", url, "-n", 0, "--quiet", "hello")
    stage.ready("sub", url, "--quiet").hear("first")
    return busy(pub)


def pub_flooding_a_stopped_one(stage: Stage, url: str) -> Program:
    pub = stage.ready("pub", url, "-n", 0, "--quiet", "-s", 8192, "-q", 100)
    sub = stage.ready("sub", url, "--quiet", "-q", 100)
    sub.hear("first")
    sub.signal(signal.SIGSTOP)
    time.sleep(0.1)  # the queues fill; some steps then wait in pub_send
    return pub


def pub_reading(stage: Stage, url: str) -> Program:
    pub = stage.ready("pub", url, "-")
    pub.write("one line\n")
    pub.hear("message")
    return pub


def sub_nobody(stage: Stage, url: str) -> Program:
    return asleep(stage.ready("sub", url))


def sub_waiting(stage: Stage, url: str) -> Program:
    stage.ready("pub", url, "-n", 0, "-r", 5, "hello")
    sub = stage.ready("sub", url)
    sub.hear("message")
    return sub


def sub_busy(stage: Stage, url: str) -> Program:
    stage.ready("pub", url, "-n", 0, "--quiet", "hello")
    sub = stage.ready("sub", url, "--quiet")
    sub.hear("first")
    return sub


def ends(stage: Stage, situation: Situation, number: int) -> None:
    url = stage.url()
    program = situation(stage, url)
    program.signal(number)
    assert ends_in_time(program) == 0, program.fail(f"ended with {program.wait()}")
    summary = program.summary()
    assert summary["panel"] == stage.panel
    assert program.stderr() == ""
    if stage.transport == "ipc" and summary["role"] in ("rep", "pub"):
        assert not path_of(url).exists()


@pytest.mark.says(
    "{number} reaches a program ({situation})",
    "a summary and exit status 0 within 1 s; a server's ipc path is removed",
)
@signals
@pytest.mark.parametrize(
    "situation",
    [rep_waiting, rep_served, rep_working, req_awaiting, req_pacing, req_busy, req_reading],
)
def test_R10_signal(stage: Stage, situation: Situation, number: int) -> None:
    ends(stage, situation, number)


@pytest.mark.says(
    "{number} reaches a program ({situation})",
    "a summary and exit status 0 within 1 s; a publisher's ipc path is removed",
)
@signals
@pytest.mark.parametrize(
    "situation",
    [pub_before_the_first, pub_pacing, pub_busy, pub_flooding_a_stopped_one, pub_reading]
    + [sub_waiting, sub_busy],
)
def test_P8_signal(stage: Stage, situation: Situation, number: int) -> None:
    ends(stage, situation, number)


@pytest.mark.transports("tcp")
@pytest.mark.parametrize("role", ["req", "pub"])
def test_a_signal_while_a_line_of_input_never_ends(stage: Stage, role: str) -> None:
    """read() always has more, so it never blocks."""
    with open("/dev/zero", "rb") as zeros:
        program = stage.start(stage.path_of(role), "--json", "-u", stage.url(), "-", stdin=zeros)
        program.hear("ready")
        time.sleep(0.1)
        program.signal(signal.SIGTERM)
        assert ends_in_time(program) == 0 and program.summary()["role"] == role


@pytest.mark.says(
    "{number} reaches a program that waits for its server to start",
    "a summary and exit status 0 within 1 s",
)
@signals
def test_R4_signal_while_nobody_is_there(stage: Stage, number: int) -> None:
    ends(stage, req_nobody, number)


@pytest.mark.says(
    "{number} reaches a program that waits for its publisher to start",
    "a summary and exit status 0 within 1 s",
)
@signals
def test_P4_signal_while_nobody_is_there(stage: Stage, number: int) -> None:
    ends(stage, sub_nobody, number)


def at_any_moment(stage: Stage, role: str, *args: object, server: str = "") -> None:
    """The signal falls anywhere, also just before a call that would block."""
    for i in range(12):
        url = stage.url()
        if server:
            stage.driver(server, url)
        program = stage.ready(role, url, *args)
        time.sleep(i * 0.0007)
        program.signal(signal.SIGTERM)
        assert ends_in_time(program) == 0 and program.summary()


@pytest.mark.says(
    "SIGTERM reaches PANEL-rep and PANEL-req at twelve moments of their start",
    "an end within 1 s, each time",
)
def test_R10_signal_at_any_moment(stage: Stage) -> None:
    at_any_moment(stage, "rep")
    at_any_moment(stage, "req", "-t", 60000, "x", server="rep")


@pytest.mark.says(
    "SIGTERM reaches PANEL-pub and PANEL-sub at twelve moments of their start",
    "an end within 1 s, each time",
)
def test_P8_signal_at_any_moment(stage: Stage) -> None:
    at_any_moment(stage, "pub", "-n", 0, "-r", 1000, "x")
    at_any_moment(stage, "sub", server="pub")


def interrupted(line: dict[str, object]) -> bool:
    return line["result"] == -1 and line["errno"] == "EINTR" and int(str(line["us"])) < 1_000_000


@pytest.mark.says(
    "A signal arrives while rep_recv or req_recv waits",
    "EINTR within 1 s, and the exchange can go on",
)
def test_R10_a_signal_ends_a_blocking_call(stage: Stage) -> None:
    url = stage.url()
    rep = stage.driver("rep", url, timeout=10000)
    rep.write("alarm 100\n")
    assert interrupted(rep.call("recv"))
    req = stage.driver("req", url, timeout=10000)
    req.must("send hello")
    req.write("alarm 100\n")
    assert interrupted(req.call("recv"))
    assert rep.recv() == "hello"
    rep.must("send still pending")
    assert req.recv() == "still pending"


@pytest.mark.says(
    "A signal arrives while sub_recv or pub_idle waits",
    "EINTR within 1 s, and events still arrive",
)
def test_P8_a_signal_ends_a_blocking_call(stage: Stage) -> None:
    url = stage.url()
    pub = stage.driver("pub", url)
    sub = stage.driver("sub", url, timeout=10000)
    sub.must("subscribe")
    sub.write("alarm 100\n")
    assert interrupted(sub.call("recv"))
    pub.write("alarm 100\n")
    assert interrupted(pub.call("idle 10000"))
    sub.begin("recv")
    until(lambda: pub.must("send hello") and sub.has_line(0.3))  # no second one beside the first
    assert sub.result()["text"] == "hello"


@pytest.mark.says(
    "req_close is called while the reply arrives, a hundred times",
    "it returns within 1 s",
)
def test_R10_close_while_a_reply_comes(stage: Stage) -> None:
    """Closing waits 500 ms at most, whatever arrives meanwhile."""
    url = stage.url()
    stage.driver("rep", url, timeout=20000).begin("echo 100000000")
    req = stage.driver()
    for i in range(100):
        req.open("req", url, timeout=5000)
        req.must("lengths 9 9")
        req.begin("send hello")
        time.sleep(i % 10 * 0.00005)
        req.begin("close")
        assert req.result()["result"] == 0
        assert req.result(seconds=5)["us"] < 1_000_000


@pytest.mark.says(
    "sub_close is called while events arrive, sixty times",
    "it returns within 1 s",
)
def test_P8_close_while_events_come(stage: Stage) -> None:
    url = stage.url()
    stage.ready("pub", url, "-n", 0, "-r", 5000, "--quiet", "hello")
    sub = stage.driver()
    for _ in range(60):
        sub.open("sub", url, timeout=5000)
        sub.must("subscribe")
        assert sub.must("collect 3")["result"] == 3
        assert sub.must("close", seconds=5)["us"] < 1_000_000


def serves(stage: Stage, role: str, url: str) -> Program:
    """PANEL-role binds there and does its work."""
    if role == "rep":
        program = stage.ready("rep", url)
        assert stage.run("req", "-u", url, "-t", 5000, "hello")[0] == 0
    else:
        program = stage.ready("pub", url, "-n", 0, "-r", 100, "hello")
        assert stage.run("sub", "-u", url, "-t", 5000, "-n", 2)[0] == 0
    return program


def stale_path(stage: Stage, role: str) -> None:
    url = stage.url()
    for _ in range(2):
        program = serves(stage, role, url)
        program.kill()
        assert path_of(url).is_socket()
    serves(stage, role, url).stop()
    assert not path_of(url).exists()


@pytest.mark.says(
    "A server is killed, so that its ipc path stays; the next one starts there",
    "the next one serves, and removes the path when it ends",
)
@pytest.mark.transports("ipc")
def test_R10_stale_path(stage: Stage) -> None:
    stale_path(stage, "rep")


@pytest.mark.says(
    "A publisher is killed, so that its ipc path stays; the next one starts there",
    "the next one serves, and removes the path when it ends",
)
@pytest.mark.transports("ipc")
def test_P8_stale_path(stage: Stage) -> None:
    stale_path(stage, "pub")


def in_use(stage: Stage, role: str) -> None:
    url = stage.url()
    first = stage.driver(role, url)
    line = stage.driver().call(f"open {role} {url}")
    assert (line["result"], line["errno"]) == (-1, "EADDRINUSE")
    code, lines, errors = stage.run(role, "-u", url, "-n", 1, "x") if role == "pub" else stage.run(
        role, "-u", url
    )
    assert code == 1 and url in errors and "in use" in errors.lower()
    assert lines[-1]["event"] == "summary"
    first.must("close")
    until(lambda: stage.driver().call(f"open {role} {url}")["result"] == 0)


@pytest.mark.says(
    "A second server opens an address that is in use",
    "EADDRINUSE, and the address is free again after rep_close",
)
@pytest.mark.transports("tcp", "tcp6")
def test_R10_address_in_use(stage: Stage) -> None:
    in_use(stage, "rep")


@pytest.mark.says(
    "A second publisher opens an address that is in use",
    "EADDRINUSE, and the address is free again after pub_close",
)
@pytest.mark.transports("tcp", "tcp6")
def test_P8_address_in_use(stage: Stage) -> None:
    in_use(stage, "pub")


def regular_file(stage: Stage, role: str) -> None:
    url = stage.url()
    path = path_of(url)
    path.write_text("precious")
    code, _, errors = stage.run(role, "-u", url)
    assert code == 1 and str(path) in errors
    assert stage.driver().call(f"open {role} {url}")["result"] == -1
    assert path.read_text() == "precious"
    path.unlink()
    serves(stage, role, url).stop()
    assert not path.exists()


@pytest.mark.says(
    "A server opens an ipc path where a regular file stands",
    "an error; the file stays as it was",
)
@pytest.mark.transports("ipc")
def test_R10_regular_file_in_the_way(stage: Stage) -> None:
    regular_file(stage, "rep")


@pytest.mark.says(
    "A publisher opens an ipc path where a regular file stands",
    "an error; the file stays as it was",
)
@pytest.mark.transports("ipc")
def test_P8_regular_file_in_the_way(stage: Stage) -> None:
    regular_file(stage, "pub")
