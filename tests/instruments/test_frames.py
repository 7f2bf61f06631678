"""tests/fuzz/frames: it finds what it says that it finds, repeats it, and chooses by the seed."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from fuzz import session
from fuzz.cases import folded, unfolded
from harness import panels


RECORDED = sorted((ROOT / "tests" / "data" / "frames").glob("*.json"))


def frames(*words: object, status: int, fault: str = "", tries: int = 1) -> str:
    """What it prints. Where its input may win or lose a race, several tries."""
    command = ["/usr/bin/python3", "-B", ROOT / "tests" / "fuzz" / "frames", *map(str, words)]
    for _ in range(tries):
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240,
            env={**os.environ, "FAULT": fault},
        )  # fmt: skip
        if done.returncode == status:
            break
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build folder whose raw-rep is bad_rep.py; what is found is written there."""
    for role in ("req", "pub", "sub", "driver"):
        (tmp_path / f"raw-{role}").symlink_to(panels.BUILD / f"raw-{role}")
    (tmp_path / "raw-rep").symlink_to(ROOT / "tests" / "instruments" / "bad_rep.py")
    return tmp_path


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("dies", "it ended by SIGABRT"),
        ("hangs", "does not serve a healthy peer any more"),
        ("stays", "does not end within 1 s after SIGTERM"),
        ("spins", "% of a processor while nobody asks anything"),
        ("leaks", "1 s after the connections closed"),
        ("grows", "192 are allowed"),
    ],
)
def test_a_fault_is_found_and_repeats(build: Path, fault: str, says: str) -> None:
    said = frames(100, "raw-rep", "--build", build, "--seed", "2", "--shrink", "1", status=1, fault=fault)
    assert says in said and said.endswith("0 passed, 1 failed\n"), said
    found = build / "frames-raw-rep.json"
    again = frames("--replay", found, "--build", build, status=1, fault=fault, tries=3)
    assert says.removeprefix("it ") in again
    assert "holds" in frames("--replay", found, status=0)  # our own raw-rep


def test_what_was_found_is_made_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the first step and the one that does it, or, when the time is over, not at all."""
    bad, good = [["greet"], ["frame", "ff"], ["read"]], [["greet"], ["read"]]

    def tried(given: session.Session) -> session.Found | None:
        steps = [step for case in given.cases for script in case for step in script]
        return session.Found("ended", "ended") if ["frame", "ff"] in steps else None

    monkeypatch.setattr(session, "try_session", tried)
    long = session.Session("raw", "rep", cases=[[good], [bad, bad, bad, bad], [good, good]])
    assert session.shrink(long, "ended", 10).cases == [[[["greet"], ["frame", "ff"]]]]
    assert session.shrink(long, "hung", 10) == long  # another fault is none of this one's
    assert session.shrink(long, "ended", 0) == long


def test_nothing_is_found_in_a_good_program(build: Path) -> None:
    said = frames(3, "raw-rep", "--build", build, "--seed", "2", status=0)
    assert said.endswith("1 passed, 0 failed\n")


def test_work_that_is_left_is_waited_for(build: Path) -> None:
    """A megabyte has been sent when the peer closes. The program works on it for 1.9 s."""
    script = [["greet"], ["claim", 1 << 20, 1_000_000]]
    session = build / "slow.json"
    session.write_text(json.dumps({"panel": "raw", "role": "rep", "cases": [[script]], "served": False}))
    frames("--replay", session, "--build", build, status=0, fault="slow")


def test_wrong_command_lines() -> None:
    assert "no program 'raw-dealer'" in frames(1, "raw-dealer", status=2)
    assert "no such file or directory" in frames("--replay", "nowhere.json", status=2).lower()


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_what_was_found_once_holds_now(path: Path) -> None:
    assert "holds" in frames("--replay", path, status=0)


def test_equal_scripts_stand_once_in_a_file() -> None:
    one, other = [["greet"], ["close"]], [["greet"]]
    case = [one, one, one, other, one]
    assert folded(case) == [[["times", 3], *one], other, one]
    assert unfolded(folded(case)) == case
