"""How a verb reads its command line, and how it ends: the same for all of them."""

import os
import subprocess
import sys
from typing import Any

import pytest

from conftest import ROOT
from harness.command import split_patterns

VERBS = ["demo.demo", "compare.diff", "compare.size", "wire.view.wire", "lab.lab"]
VERBS += ["bench.bench", "check.check", "check.test"]


def run(*command: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(command, text=True, timeout=150, **{**streams, **options})


def verb(program: str, *words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return run("/usr/bin/python3", "-B", str(ROOT / "tools"), program, *words, **options)


def ends(main: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """A verb of one line."""
    code = f"""import os, signal, sys
from harness.command import run_verb
def main():
    {main}
run_verb(main)"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    return run(sys.executable, "-B", "-c", code, env=environment, **options)


@pytest.mark.parametrize("program", VERBS)
def test_an_unknown_option_is_named_before_anything_is_done(program: str) -> None:
    done = verb(program, "--zzz")
    name = program.rpartition(".")[2]
    said = f"triptych: {name}: no option --zzz; ./triptych {name} --help\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize("program", VERBS)
def test_help_is_the_manual(program: str) -> None:
    done = verb(program, "-h")
    first = f"./triptych {program.rpartition('.')[2]} - "
    assert done.returncode == 0 and done.stdout.startswith(first)


def test_an_option_that_is_nearly_one_is_asked_about() -> None:
    said = verb("bench.bench", "--quik").stderr
    assert "--quik, did you mean --quick? ./triptych bench --help" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("web.report", "report: which file? ./triptych report lesson.html"),
        ("check.check", "check: which panel? ./triptych check raw; ./triptych check --help"),
        ("grade.grade", "grade: which folder, and which rubric? ./triptych grade FOLDER --rubric FILE"),
        ("net.net", "net: which of up, run, show, down? ./triptych net --help"),
        ("compare.diff --width x", "diff: --width 'x': a number is expected; ./triptych diff --help"),
    ],
)
def test_what_is_missing_is_asked_for(line: str, said: str) -> None:
    done = verb(*line.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"triptych: {said}\n")


def gone() -> int:
    """A pipe's end to write to, whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("program", ["compare.diff", "lab.lab"])
def test_a_reader_that_has_gone_ends_a_verb_as_it_ends_ls(program: str) -> None:
    done = verb(program, stdout=gone())
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    "main",
    [
        "print('x'); return 0",
        "print('x'); sys.exit(0)",
        "print('x'); os.kill(os.getpid(), signal.SIGTERM)",
        # As rich does from version 13.8 on:
        "try: print('x', flush=True)\n    except BrokenPipeError: sys.exit(1)",
    ],
)
def test_however_a_verb_learns_that_its_reader_has_gone(main: str) -> None:
    done = ends(main, stdout=gone())
    assert done.returncode == 141 and "rror" not in done.stderr and "Exception" not in done.stderr


def test_a_verb_exits_as_it_says() -> None:
    assert ends("return 3").returncode == 3
    stopped = ends("os.kill(os.getpid(), signal.SIGTERM)")
    assert stopped.returncode == 130 and "nothing is left running" in stopped.stderr


def test_a_pattern_may_stand_anywhere_among_the_panels() -> None:
    assert split_patterns(["raw", "reqrep", "zmq"]) == (["reqrep"], ["raw", "zmq"])
    assert split_patterns(["raw"]) == (["reqrep", "pubsub"], ["raw"])
    assert split_patterns(["pubsub", "raw", "reqrep"]) == (["reqrep", "pubsub"], ["raw"])
