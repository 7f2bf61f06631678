"""What the programs do: their options at work, exit codes, lines, JSON, standard input."""

import contextlib
import fcntl
import json
import os
import re
import resource
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import IO

import pytest

from harness.addresses import port_is_free
from programs import Program, Stage, one_line, sync, until

pytestmark = pytest.mark.transports("tcp")
ROLES = ["req", "rep", "pub", "sub"]

SUMMARY = set(
    "event panel version role sent received lost duplicates restarts malformed too_long timeouts"
    " seconds rate first_us last_us latency_us".split()
)
MESSAGE = set("event direction kind topic sequence sent length text us".split())
LATENCY = ["min", "p50", "p90", "p99", "p999", "max"]


def test_message_max_of_the_command_line(stage: Stage) -> None:
    url = stage.url()
    stage.ready("rep", url, "-m", 100, "--quiet")
    assert stage.run("req", "-u", url, "-s", 75, "-m", 100)[0] == 0
    assert stage.run("req", "-u", url, "-s", 0, "-m", 25)[0] == 0
    assert stage.run("req", "-u", url, "-s", 76, "-t", 300)[0] == 1


def test_texts_counts_and_lines(stage: Stage) -> None:
    url = stage.url()
    rep = stage.ready("rep", url)
    before = time.monotonic_ns() // 1000
    code, lines, errors = stage.run("req", "-u", url, "-n", 5, "eins", "zwei", "dr\u00fc", "-t", 5000)
    after = time.monotonic_ns() // 1000
    assert (code, errors) == (0, "")
    ready, *messages, summary = lines
    assert ready["event"] == "ready"
    assert (ready["panel"], ready["role"], ready["url"]) == (stage.panel, "req", url)
    assert ready["pid"] > 0
    texts = ["eins", "zwei", "dr\u00fc", "eins", "zwei"]
    got = [(m["direction"], m["kind"], m["sequence"], m["text"]) for m in messages]
    expected = []
    for i, text in enumerate(texts, 1):
        expected += [("sent", "request", i, text), ("received", "reply", i, text)]
    assert got == expected
    for m in messages:
        assert set(m) == MESSAGE and m["topic"] == ""
        assert m["length"] == len(m["text"].encode())
        assert before <= m["us"] <= after
    assert set(summary) == SUMMARY
    assert (summary["panel"], summary["role"]) == (stage.panel, "req")
    assert (summary["sent"], summary["received"], summary["timeouts"]) == (5, 5, 0)
    latency = summary["latency_us"]
    assert set(latency) == {*LATENCY, "mean"}
    assert [latency[k] for k in LATENCY] == sorted(latency[k] for k in LATENCY)
    assert latency["min"] <= latency["mean"] <= latency["max"]
    assert [summary[k] for k in ("lost", "duplicates", "restarts")] == [None] * 3
    span = (summary["last_us"] - summary["first_us"]) * 1e-6
    assert span == pytest.approx(summary["seconds"], abs=2e-6)
    assert summary["first_us"] <= messages[-1]["us"]

    served = [rep.hear("message") for _ in range(10)]
    assert [(m["direction"], m["text"]) for m in served[:2]] == [("received", "eins"), ("sent", "eins")]
    summary = rep.stop()
    assert set(summary) == SUMMARY
    assert (summary["sent"], summary["received"]) == (5, 5)
    assert [summary[k] for k in ("lost", "latency_us", "too_long")] == [None] * 3
    assert (summary["malformed"], summary["duplicates"]) == (0, 0)


def test_default_counts(stage: Stage) -> None:
    url = stage.url()
    stage.ready("rep", url, "--quiet")
    for arguments, number in ((("a", "b", "c"), 3), ((), 1), (("-s", 9), 1)):
        code, lines, _ = stage.run("req", "-u", url, *arguments)
        assert code == 0 and lines[-1]["sent"] == number
        code, lines, _ = stage.run("pub", "-u", stage.url(), *arguments)
        assert code == 0 and lines[-1]["sent"] == number


def test_quiet(stage: Stage) -> None:
    url = stage.url()
    rep = stage.ready("rep", url, "--quiet")
    code, lines, _ = stage.run("req", "-u", url, "--quiet", "a", "b")
    assert code == 0 and [line["event"] for line in lines] == ["ready", "summary"]
    rep.signal(signal.SIGTERM)
    assert [line["event"] for line in rep.rest()] == ["summary"]


def test_human_lines(stage: Stage) -> None:
    url = stage.url()
    rep = stage.start(stage.path_of("rep"), "-u", url)
    until(lambda: rep.has_line(), 5, "a line that says it is bound")
    req = stage.start(stage.path_of("req"), "-u", url, "good morning", "good night")
    assert req.wait() == 0 and req.stderr() == ""
    text = req.text()
    for words in ("good morning", "good night"):
        assert words in text
    assert not any(line.startswith("{") for line in text.splitlines())
    rep.signal(signal.SIGINT)
    assert rep.wait() == 0
    text = rep.text()
    assert "good morning" in text and not text.startswith("{")


@pytest.mark.parametrize("role", ["req", "pub"])
def test_standard_input(stage: Stage, role: str) -> None:
    """One line is one message, sent as it arrives; the end of input ends the program."""
    url = stage.url()
    if role == "req":
        stage.ready("rep", url, "--quiet")
    program = stage.ready(role, url, "-")
    for i, text in enumerate(["first", "", "\u00e4 third", "x" * 5000], 1):
        program.write(text + "\n")
        while (line := program.hear("message"))["direction"] != "sent":
            pass
        assert (line["sequence"], line["length"]) == (i, len(text.encode()))
        assert line["text"] == text[:256]
    program.write("no newline")
    program.hang_up()
    summary = program.summary()
    assert program.wait() == 0 and summary["sent"] == 5


def test_standard_input_of_nothing(stage: Stage) -> None:
    program = stage.ready("pub", stage.url(), "-")
    program.hang_up()
    assert program.summary()["sent"] == 0 and program.wait() == 0


def test_line_longer_than_message_max(stage: Stage) -> None:
    program = stage.ready("pub", stage.url(), "-m", 100, "-")
    program.write("y" * 76 + "\nfits\n")
    program.hang_up()
    summary = program.summary()
    assert program.wait() == 1 and program.stderr()
    assert summary["sent"] <= 1  # whether it goes on is its own affair, but it says so


def test_timed_out_requests_are_counted(stage: Stage) -> None:
    code, lines, _ = stage.run("req", "-u", stage.url(), "-n", 3, "-t", 150, "x", "--quiet")
    assert code == 1
    assert (lines[-1]["timeouts"], lines[-1]["received"]) == (3, 0)
    timeouts = [line for line in lines if line["event"] == "timeout"]
    assert len(timeouts) == 3 and all(line["text"] for line in timeouts)


@pytest.mark.parametrize("role", ["rep", "sub"])
def test_timeouts_of_those_who_wait(stage: Stage, role: str) -> None:
    code, lines, _ = stage.run(role, "-u", stage.url(), "-n", 1, "-t", 200)
    assert code == 1 and lines[-1]["timeouts"] == 1
    program = stage.ready(role, stage.url(), "-t", 50)
    for _ in range(3):
        assert program.hear("timeout")["text"]
    assert program.stop()["timeouts"] >= 3


def test_rep_ends_after_its_count(stage: Stage) -> None:
    url = stage.url()
    rep = stage.ready("rep", url, "-n", 3)
    code, lines, _ = stage.run("req", "-u", url, "-n", 3, "x")
    assert code == 0 and lines[-1]["received"] == 3
    assert rep.summary()["sent"] == 3 and rep.wait() == 0


def test_work_takes_its_time(stage: Stage) -> None:
    url = stage.url()
    stage.ready("rep", url, "-w", 100)
    code, lines, _ = stage.run("req", "-u", url, "-n", 2, "x")
    assert code == 0 and 100_000 <= lines[-1]["latency_us"]["min"] < 1_000_000


@pytest.mark.parametrize("role", ["req", "pub"])
def test_rate(stage: Stage, role: str) -> None:
    """Never faster; and slower only if the machine is: than three times as long as without a rate.

    What is due while the first waits for its connection follows at once, so on a busy machine 50
    may take less than 0.5 s now and then.
    """
    url, slower = stage.url(), 0.0
    command = [role, "-u", url, "-n", 51, "-s", 10, "--quiet", *(["-t", 20000] if role == "req" else [])]
    if role == "req":
        stage.ready("rep", url, "--quiet")
        code, lines, _ = stage.run(*command, seconds=60)
        assert code == 0
        slower = 3 * lines[-1]["seconds"]
    for _ in range(3):
        code, lines, _ = stage.run(*command, "-r", 100, seconds=60)
        assert code == 0
        if lines[-1]["seconds"] > 0.45:
            break
    assert 0.45 < lines[-1]["seconds"] < 2.5 + slower
    assert 50 / (2.5 + slower) < lines[-1]["rate"] < 115


def test_delay_before_the_first_event(stage: Stage) -> None:
    pub = stage.ready("pub", stage.url(), "-d", 300, "x")
    since = time.monotonic()
    pub.hear("message")
    assert 0.25 < time.monotonic() - since < 2
    assert pub.summary()["sent"] == 1


def test_cpu(stage: Stage) -> None:
    program = stage.ready("rep", stage.url(), "--cpu", 0)
    for task in Path(f"/proc/{program.pid}/task").iterdir():
        assert re.search(r"Cpus_allowed_list:\s0\n", (task / "status").read_text())
    code, _, errors = stage.run("rep", "-u", stage.url(), "--cpu", 1000)
    assert code in (1, 2) and one_line(errors)


def test_descriptor_limit_is_raised(stage: Stage) -> None:
    """And a sleep ends in time: the kernel's slack of 50 us is 1 ns, and that of libraries' threads."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
    try:
        program = stage.ready("rep", stage.url())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    process = Path(f"/proc/{program.pid}")
    line = re.search(r"Max open files\s+(\d+)\s+(\d+)", (process / "limits").read_text())
    assert line and line[1] == line[2] == str(hard)
    assert (process / "timerslack_ns").read_text().strip() == "1"


def test_every_ipv4_address(stage: Stage) -> None:
    port = stage.port()
    rep = stage.ready("rep", f"tcp://*:{port}", "--quiet")
    for host in ("127.0.0.1", "127.0.0.2", "localhost"):
        assert stage.run("req", "-u", f"tcp://{host}:{port}", "hello")[0] == 0
    rep.stop()


@pytest.mark.parametrize("role", ["rep", "pub", "sub"])
def test_ends_when_nobody_can_hear_it(stage: Stage, role: str) -> None:
    """Quiet or not: what it would say at the end would be lost, too."""
    forever = ["-n", "0", "-s", "1", "-r", "10"] if role == "pub" else []
    command = [stage.path_of(role), "-u", stage.url(), "--quiet", *forever]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True, timeout=10
        )
    assert done.returncode == 1 and one_line(done.stderr) and "standard output" in done.stderr


def test_a_full_pipe_does_not_hold_up_the_end(stage: Stage) -> None:
    """Clause R10 holds whatever a program is blocked in."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    port = stage.port()
    command = [stage.path_of("pub"), "-u", f"tcp://127.0.0.1:{port}", "-n", "0", "-r", "1000", "x"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: not port_is_free(port))
        time.sleep(0.1)  # it is bound, and says so
        process.terminate()
        said = process.communicate(timeout=5)[1]
        assert process.returncode == 0 and one_line(said) and "is lost" in said
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("reads", [True, False], ids=["read later", "never read"])
def test_a_signal_while_nobody_reads_loses_no_line(stage: Stage, reads: bool) -> None:
    """Whoever reads on gets all of it. Else lines are lost, which it says; those that are there are whole."""
    command = [stage.path_of("pub"), "-u", stage.url(), "-n", "0", "--json", "x" * 100]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            until(lambda: is_full(process.stdout), 10, "the pipe is full, and the program waits")
            process.terminate()
            if reads:
                time.sleep(0.1)
            else:
                process.wait(5)
            *lines, last = process.stdout.read().split("\n")
            said = process.stderr.read()
            assert process.wait(5) == 0 and last == ""
        finally:
            process.kill()
    events = [json.loads(line) for line in lines]
    sequences = [e["sequence"] for e in events if e["event"] == "message"]
    assert sequences == list(range(1, len(sequences) + 1))
    if reads:
        assert events[-1]["event"] == "summary" and events[-1]["sent"] == len(sequences) and said == ""
    else:
        assert len(sequences) > 100 and one_line(said) and "is lost" in said


def is_full(pipe: IO[str]) -> bool:
    """Whether much is in a pipe, and no more comes."""

    def held() -> int:
        return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)

    before = held()
    time.sleep(0.1)
    return before > 1 << 15 and held() == before


def test_help_that_cannot_be_written_fails(stage: Stage) -> None:
    for option in ("-h", "-V"):
        with open("/dev/full", "w") as full:
            done = subprocess.run([stage.path_of("rep"), option], stdout=full, stderr=subprocess.PIPE, text=True, timeout=10)
        assert done.returncode == 1 and one_line(done.stderr) and "No space left" in done.stderr


def test_own_descriptors_are_closed(stage: Stage) -> None:
    """What a handle has opened its close gives back. (To close while it connects is the lab's.)"""
    binder, connector = stage.driver(), stage.driver()
    before, turns = [0, 0], 8
    for turn in range(1 + turns):
        for transport in ("tcp", "tcp6", "ipc"):
            url = stage.url(transport)
            binder.open("rep", url, timeout=5000).begin("echo 1")
            assert connector.open("req", url, timeout=5000).asked("hello")
            assert binder.result()["result"] == 1
            connector.must("close")
            binder.must("close")
            url = stage.url(transport)
            binder.open("pub", url)
            connector.open("sub", url, timeout=5000).must("subscribe")
            sync(binder, [(connector, "")])
            connector.must("close")
            binder.must("close")
        if turn == 0:
            before = [binder.descriptors(), connector.descriptors()]
    for driver, number in zip((binder, connector), before):  # one turn's are a library's own
        until(lambda: driver.descriptors() < number + turns, what="descriptors closed")


def test_stdout_is_line_buffered(stage: Stage) -> None:
    program: Program = stage.ready("pub", stage.url(), "-n", 0, "-r", 20, "x")
    lines = ((program.hear("message"), time.monotonic_ns() // 1000) for _ in range(3))
    assert min(now - line["us"] for line, now in lines) < 500_000  # a busy machine may be late


@pytest.mark.panels("raw")  # ZeroMQ takes the path over: the lab shows it
@pytest.mark.transports("ipc")
def test_one_of_several_servers_started_at_once(stage: Stage) -> None:
    """On a fresh path, and on a stale one: one is ready, the others say that it is taken."""
    url = stage.url()
    for _ in range(6):
        servers = [stage.program("rep", "-u", url) for _ in range(4)]
        events = [server.hear()["event"] for server in servers]
        assert sorted(events) == ["error", "error", "error", "ready"]
        for server in servers:
            server.kill()
            server.wait()


@pytest.mark.transports("tcp")
@pytest.mark.parametrize("role", ROLES)
def test_standard_streams_are_opened_only_where_they_are_closed(stage: Stage, role: str) -> None:
    """Else a connection would get the number of a closed one, and print to a peer."""
    work = {"req": ["-t", "-1", "x"], "pub": ["-n", "0", "-r", "10", "x"]}.get(role, [])
    program = stage.ready(role, stage.url(), *work)
    numbers = Path(f"/proc/{program.pid}/fd")
    kept = []
    for number in numbers.iterdir():
        with contextlib.suppress(FileNotFoundError):  # a connection that has ended meanwhile
            kept.append(os.readlink(number))
    assert kept and os.devnull not in kept
    command = [stage.path_of(role), "-u", stage.url(), "--quiet", *work]
    process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&-', "sh", *command], stderr=subprocess.DEVNULL)
    try:
        first = Path(f"/proc/{process.pid}/fd")
        exe = first.with_name("exe")  # until then it is the shell's
        until(lambda: exe.resolve() == command[0] and len(list(first.iterdir())) > 3, 5, "it is open")
        assert [os.readlink(first / number) for number in "01"] == [os.devnull] * 2
    finally:
        process.kill()
        process.wait()
