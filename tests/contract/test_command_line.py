"""The programs' command line: what it refuses, with which status, and what it tells of itself."""

import re

import pytest

from programs import Stage, one_line

pytestmark = pytest.mark.transports("tcp")
ROLES = ["req", "rep", "pub", "sub"]
URL = "tcp://127.0.0.1:9"  # nobody is asked


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:5555", "http://127.0.0.1:80", "tcp://127.0.0.1", "tcp://127.0.0.1:0", "tcp://",
     "tcp://127.0.0.1:99999", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1", "tcp://127.0.0.1:22a",
     "tcp://127.0.0.1:", "tcp://:5555", "tcp://[::1:5555", "tcp://::1:5555", "tcp://[zz]:5555",
     "tcp://127.0.0.1: 80", "tcp://127.0.0.1:5555/", "ipc://", "ipc:///" + "p" * 107],
)  # fmt: skip
def test_bad_address(stage: Stage, role: str, url: str) -> None:
    code, _, errors = stage.run(role, "-u", url)
    assert code == 2 and one_line(errors), errors
    assert url in errors


@pytest.mark.parametrize("role", ["req", "sub"])
def test_connecting_to_every_address(stage: Stage, role: str) -> None:
    code, _, errors = stage.run(role, "-u", "tcp://*:5555")
    assert code == 2 and one_line(errors)


@pytest.mark.parametrize(
    "line",
    ["req -n -1", "rep -n -1", "pub -n -1", "sub -n -1", "req -n x", "req -n 1x", "req -n",
     "req -n 99999999999999999999", "req -r -1", "pub -r x", "req -t 0", "sub -t -2", "rep -t x",
     "rep -q -1", "pub -q x", "req -m 24", "req -m 1073741825", "sub -m x", "req -s -1", "pub -s x",
     "req -s 76 -m 100", "pub -s 75 -T a -m 100", "pub -s 33554432", "req -s 1 text",
     "pub -s 1 text", "rep -w -1", "pub -d -1", "req --cpu x", "req --cpu -1", "sub --nonsense",
     "rep -z", "req -T topic", "rep text", "sub text", "rep -s 1", "sub -r 1", "sub -d 1", "pub -w 1",
     "pub -T " + "t" * 256],
)  # fmt: skip
def test_usage_error(stage: Stage, line: str) -> None:
    role, *arguments = line.split()
    code, _, errors = stage.run(role, "-u", URL, *arguments)
    assert code == 2 and one_line(errors), errors


@pytest.mark.parametrize("role", ROLES)
def test_a_complaint_sends_no_escape_to_the_terminal(stage: Stage, role: str) -> None:
    code, _, errors = stage.run(role, "-u", "tcp://\x1b[2J\x07local\x7f:1")
    assert code == 2 and one_line(errors)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", errors) and "local" in errors


@pytest.mark.parametrize("role", ROLES)
def test_no_address(stage: Stage, role: str) -> None:
    code, _, errors = stage.run(role)
    assert code == 2 and one_line(errors) and "-u" in errors


@pytest.mark.parametrize("role", ROLES)
def test_help_and_version(stage: Stage, role: str) -> None:
    for option in ("-h", "-V"):
        program = stage.start(stage.path_of(role), option)
        text = program.text()
        assert program.wait() == 0 and program.stderr() == ""
        assert (f"{stage.panel}-{role}" if option == "-h" else stage.panel) in text
        if option == "-h":
            every = "-u -n -t -q -m --cpu --json --quiet -h -V".split()
            own = {"req": "-s -r TEXT", "rep": "-w", "pub": "-T -s -r -d TEXT", "sub": "-T"}
            for word in every + own[role].split():
                assert word in text


@pytest.mark.parametrize("role", ROLES)
def test_unknown_host(stage: Stage, role: str) -> None:
    code, lines, errors = stage.run(role, "-u", "tcp://no-such-host.invalid:5555", seconds=60)
    assert code == 1 and one_line(errors) and "no-such-host.invalid" in errors
    assert lines[-1]["event"] == "summary"


def test_unwritable_path(stage: Stage) -> None:
    code, lines, errors = stage.run("rep", "-u", f"ipc://{stage.folder}/nowhere/s")
    assert code == 1 and one_line(errors) and "nowhere" in errors
    assert lines[-1]["event"] == "summary"
