"""No clause: what becomes of a program of which a call fails. (A panel alone: test_failing_calls.py.)"""

import errno
import json
import os
import signal
from itertools import count
from pathlib import Path

import pytest

from failing import counts, held, preloaded, skip_where_calls_are_mixed
from peers import REQUEST, Message
from programs import Event, Program, Stage


def ends_cleanly(stage: Stage, program: Program, report: Path, stopped: bool) -> Event:
    """Status 0 and all done, or 1 with a sentence that says why; what failed."""
    told: Event = json.loads(report.read_text())
    status, words = program.wait(), program.stderr().splitlines()
    if counts(stage.path_of("rep")):
        return told
    assert status == 0 or told["failed"] != "EINTR", (told, words)
    if words or (status == 1 and told["function"]):  # status 0: stopped at that moment
        reason = os.strerror(getattr(errno, told["failed"]))
        said = [line for line in words if line.startswith(f"{stage.panel}-") and line.endswith(reason)]
        assert said or program.said("timeout"), (told, words)
    else:
        assert (status, words) == (0, []), (told, words)
        summary = program.events[-1]
        assert stopped or 2 in (summary["sent"], summary["received"]), (told, summary)
    if told["function"] != "timer_create":  # then it exits on the spot
        assert not any(held(told).values()), told
    return told


@pytest.mark.panels("raw", "zmq")
@pytest.mark.transports("ipc")
@pytest.mark.parametrize("role", ["req", "rep", "pub", "sub"])
def test_a_program_of_which_a_call_fails(stage: Stage, role: str, tmp_path: Path) -> None:
    """It says so and ends with status 1, or goes on; nothing stays behind."""
    skip_where_calls_are_mixed(stage)
    url = stage.url()
    other = None
    if role == "req":
        stage.ready("rep", url, "--quiet")
    elif role == "sub":
        stage.ready("pub", url, "--quiet", "-n", 0, "-r", 200, "hello")
    elif role == "rep":
        other = stage.driver()
    words = {"req": ["-n", 2, "-t", 500, "hello"], "sub": ["-n", 2, "-t", 500],
             "pub": ["-n", 2, "-r", 100, "hello"], "rep": []}[role]
    request = Message(REQUEST, b"hello").encode().hex()
    report = tmp_path / "failed.json"
    for n in count(1):
        assert n < 150, "it makes ever more calls"
        stopped = False
        if role in ("rep", "pub"):
            Path(url.removeprefix("ipc://")).unlink(missing_ok=True)
        command = [*preloaded(FAIL=n, FAILED=report), stage.path_of(role), "--json", "-u", url, *words]
        program = stage.start(*command, name=f"{stage.panel}-{role}")
        if other and program.heard("ready"):
            other.open("req", url, timeout=300)
            other.ask(f"-x {request}")
            other.must("close")
            stopped = program.running
            program.signal(signal.SIGTERM)
        program.rest()
        told = ends_cleanly(stage, program, report, stopped)
        if not told["function"]:
            break


@pytest.mark.panels("raw")
@pytest.mark.transports("tcp")
def test_a_program_that_cannot_begin_as_it_would(stage: Stage) -> None:
    """Without its signals it would never end; with few descriptors and late sleeps it works."""
    url, cpu = stage.url(), ["--cpu", "0"]
    for failure, says in (
        *((f"sigaction:{n}", "cannot catch signals: Invalid argument") for n in (1, 2, 3, 4)),
        ("timer_create:1", "cannot catch signals: Resource temporarily unavailable"),
        ("sched_setaffinity:1", "--cpu 0: Operation not permitted; `nproc` prints how many there are"),
        ("getrlimit64:1", ""), ("setrlimit64:1", ""), ("prctl:1", ""), ("sigaction:5", ""),
    ):  # fmt: skip
        command = [*preloaded(FAIL=failure), stage.path_of("rep"), "--json", "-u", url, *cpu]
        program = stage.start(*command, name="raw-rep")
        if says:
            assert (program.wait(), program.stderr()) == (1, f"raw-rep: {says}\n"), failure
            assert program.heard("ready", 0) is None, failure
        else:
            program.hear("ready")
            assert stage.run("req", "-u", url, "hello")[0] == 0, failure
            program.stop()
