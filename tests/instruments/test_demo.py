"""The demo: the line that ends each act, built from observations; programs that end or hang."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import ROOT

pytest.importorskip("rich")

from rich.console import Console

from demo import acts, scene, verdicts
from demo.acts import Demo, Figures
from demo.results import rows, show_table
from demo.scene import Scene
from demo.verdicts import Client, Outcome, what_differed
from demo.views import Plain
from harness.panels import Panel, read_panels

ANSWERED, GAVE_UP, WAITS = Client("x"), Client(timed_out=True), Client()
ENDED = Client(ended="ended: cannot send: Broken pipe")


def test_panels_with_the_same_outcome_stand_together() -> None:
    lost, twice = Outcome("lost", "the request was lost"), Outcome("twice", "it ran twice")
    line = what_differed({"raw": lost, "nng": twice, "zmq": lost, "x": lost}, "R5", "killed-server")
    assert line == (
        "What differed: raw, zmq and x: the request was lost; nng: it ran twice. "
        "Clause R5; explained by: ./triptych lab killed-server"
    )
    assert what_differed({"raw": lost, "zmq": lost}, "R5", "e").startswith("All alike: the request")
    assert what_differed({"raw": lost}, "R5", "e").startswith("raw: the request was lost. Clause R5")


@pytest.mark.parametrize(
    ("runs", "first", "back", "after", "word", "sentence"),
    [
        (1, GAVE_UP, True, ANSWERED, "reply lost", "begun once, its reply lost, and the client knows only that its time is over"),
        (3, ANSWERED, True, ANSWERED, "run 3 times", "the request ran 3 times, and the client was answered"),
        (2, ANSWERED, True, ANSWERED, "run twice", "the request ran twice, and the client was answered"),
        (1, ANSWERED, True, ANSWERED, "run once", "the request ran once, and the client was answered"),
        (0, GAVE_UP, True, ANSWERED, "not run", "the request reached no server, and the client knows"),
        (1, WAITS, True, WAITS, "reply lost", "still waits for the reply; the next request was not answered"),
        (1, ENDED, False, WAITS, "reply lost", "the client ended: cannot send: Broken pipe; the server could not start"),
        (1, GAVE_UP, True, ENDED, "reply lost", "not answered, the client ended: cannot send: Broken pipe"),
    ],
)  # fmt: skip
def test_a_killed_server(
    runs: int, first: Client, back: bool, after: Client, word: str, sentence: str
) -> None:
    outcome = verdicts.killed(runs, first, back, after)
    assert outcome.word == word and sentence in outcome.sentence
    early = verdicts.killed(runs, first, back, after, early=True)
    assert early.word == "-" and early.sentence.endswith("nothing is shown")


@pytest.mark.parametrize(
    ("one", "two", "word"),
    [
        (GAVE_UP, Client("two"), "its own"),
        (GAVE_UP, Client("one"), "the late one"),
        (GAVE_UP, Client("?"), "another"),
        (GAVE_UP, GAVE_UP, "none"),
        (GAVE_UP, ENDED, "ended"),
        (ENDED, WAITS, "ended"),
        (Client("one"), Client("two"), "no time-out"),
    ],
)
def test_a_late_reply(one: Client, two: Client, word: str) -> None:
    assert verdicts.late("one", "two", one, two, True).word == word


def test_a_late_reply_that_was_not_sent_shows_nothing() -> None:
    assert verdicts.late("one", "two", GAVE_UP, Client("two"), False).word == "-"
    assert "still waits" in verdicts.late("one", "two", WAITS, WAITS, False).sentence
    assert "waited for the late reply" in verdicts.late("one", "two", Client("one"), WAITS, True).sentence


def test_who_filters() -> None:
    wanted = {"A": 2, "C": 1}
    assert verdicts.filtered(wanted, wanted, 0).word == "publisher"
    assert verdicts.filtered(wanted, wanted, 141).word == "subscriber"
    assert verdicts.filtered(wanted, wanted, None).word == "-"
    assert "A 2 of 2, C 0 of 1" in verdicts.filtered({"A": 2, "C": 0}, wanted, 0).sentence


def test_runs_of_numbers() -> None:
    assert verdicts.runs([8, 1, 2, 3, 7, 2]) == [(1, 3), (7, 8)] and verdicts.runs([]) == []


@pytest.mark.parametrize(
    ("received", "continued", "word"),
    [
        ([*range(1, 341), *range(1351, 1851)], 1350, "oldest"),
        ([*range(1, 341), *range(1250, 1851)], 1350, "newest"),
        ([*range(1, 251), *range(1345, 1851)], 1350, "none"),
        ([*range(1, 1851)], 1350, "all"),
        ([], 1350, "nothing"),
        ([*range(1, 1851)], 255, "waited"),
        ([*range(1, 1851)], 320, "slowed"),
        ([*range(1, 341)], 1850, "unknown"),
    ],
)
def test_a_flood(received: list[int], continued: int, word: str) -> None:
    """B was stopped after number 250; the publisher sent 1850."""
    outcome = verdicts.flooded(received, 250, continued, 1850, 1100, 1850)
    assert outcome.word == word and outcome.sentence.endswith("A missed nothing")
    assert verdicts.flooded(received, 250, continued, 1850, 1100, 1800).sentence.endswith("A missed 50")
    assert verdicts.flooded(received, 250, continued, 1850, 1100, 0).sentence.endswith("received nothing")


def test_what_was_sent_by_then_is_told_by_its_time() -> None:
    """Between hosts the news of it may come much later."""
    events = [{"event": "message", "direction": "sent", "us": us} for us in (1e6, 2e6, 3e6)]
    publisher: Any = SimpleNamespace(events=[{"event": "ready"}, *events], counts={"sent": 3})
    assert acts.sent_by(publisher, 2.5) == 2


def test_several_requests() -> None:
    assert verdicts.asked(2, 2, "") == Outcome("2 of 2", "every request was answered")
    assert verdicts.asked(2, 1, "ended").sentence == "1 of 2 requests were answered; the client ended"


# Programs that do not do as they should: the demo shows it and goes on.

PROGRAM = """#!/usr/bin/python3
import json, os, signal, sys, time
role = sys.argv[0].rpartition("-")[2]
print(json.dumps({"event": "ready"}), flush=True)
%s
"""
HANGS = "time.sleep(3600)"
DIES = "signal.signal(signal.SIGPIPE, signal.SIG_DFL); time.sleep(0.05); os.kill(os.getpid(), signal.SIGPIPE)"


def panel_of(folder: Path, name: str, body: str, kind: str = "step") -> Panel:
    """A panel whose four programs are ready at once and then do this."""
    (folder / name).mkdir()
    for role in ("req", "rep", "pub", "sub"):
        path = folder / name / f"{name}-{role}"
        path.write_text(PROGRAM % body)
        path.chmod(0o755)
    panel = Panel(name, str(folder / name), name, kind="programs")
    assert panel.built
    if kind == "step":  # its programs stand in this folder all the same
        panel = type("Step", (Panel,), {"program": lambda self, role: folder / name / f"{name}-{role}"})(
            name, str(folder / name), name, kind="step"
        )
    return panel


def demo_of(*panels: Panel) -> tuple[Demo, io.StringIO]:
    text = io.StringIO()
    view = Plain(list(panels), Console(file=text, width=100))
    return Demo(list(panels), view, None), text


def test_a_program_that_is_killed_by_a_signal_is_shown(tmp_path: Path) -> None:
    demo, text = demo_of(panel_of(tmp_path, "dies", DIES))
    demo.requests()
    demo.topics()
    demo.flood()
    said = text.getvalue()
    assert said.count("ENDED BY SIGPIPE") == 2 + 4 + 3, said
    assert "dies: 0 of" in said and "the client ended by SIGPIPE" in said
    assert not demo.failures  # a step keeps only a part of the contract


def test_a_panel_that_is_no_step_fails(tmp_path: Path) -> None:
    demo, text = demo_of(panel_of(tmp_path, "dies", DIES, kind="own"))
    demo.requests()
    assert demo.failures == {"dies: req": "ENDED BY SIGPIPE", "dies: rep": "ENDED BY SIGPIPE"}
    assert "But dies: req: ENDED BY SIGPIPE; so its panel shows nothing here." in text.getvalue()
    demo.killed()
    assert text.getvalue().count("But dies: req") == 1  # of the act in which it happened


def test_a_program_that_hangs_holds_up_nothing(tmp_path: Path) -> None:
    demo, text = demo_of(panel_of(tmp_path, "hangs", HANGS))
    began = time.monotonic()
    demo.requests()
    demo.killed()
    demo.late()
    demo.topics()
    assert time.monotonic() - began < 25
    assert text.getvalue().count("still waits\n") == 4
    assert "the request reached no server, and the client still waits" in " ".join(text.getvalue().split())


# A server and a client that take turns by a file, as if the one had the other's request.
WORKS = """
at = sys.argv[sys.argv.index("-u") + 1].rpartition(":")[2]
at = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), at)
def said(direction, text, sequence):
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    print(json.dumps({"event": "message", "direction": direction, "sequence": sequence, "text": text, "us": now}), flush=True)
def until(path):
    while not os.path.exists(path):
        time.sleep(0.01)
def serve():
    for number in range(1, 9):
        until(f"{at}.{number}")
        if not os.path.exists(f"{at}.{number}.begun"):
            open(f"{at}.{number}.begun", "w").close()
            said("received", "pay", number)
            time.sleep(0.6 if "-w" in sys.argv else 0)
            open(f"{at}.{number}.done", "w").close()
            said("sent", "paid", number)
def ask():
    for number, line in enumerate(sys.stdin, 1):
        open(f"{at}.{number}", "w").close()
        said("sent", line.strip(), number)
        limit = time.monotonic() + 2
        while not os.path.exists(f"{at}.{number}.done") and time.monotonic() < limit:
            time.sleep(0.01)
        if time.monotonic() < limit:
            said("received", "paid", number)
        else:
            print(json.dumps({"event": "timeout", "us": 0}), flush=True)
serve() if role == "rep" else ask()
"""


@pytest.mark.parametrize("other", [HANGS, "sys.exit(1)", f"{HANGS} if role == 'rep' else sys.exit(1)"])
def test_a_server_is_killed_at_work_whatever_another_panel_does(tmp_path: Path, other: str) -> None:
    demo, text = demo_of(panel_of(tmp_path, "works", WORKS), panel_of(tmp_path, "other", other))
    demo.killed()
    assert demo.figures["works"].killed == "reply lost", text.getvalue()
    times = [float(re.findall(rf"([\d.]+)  works  rep   {what}", text.getvalue())[0]) for what in ("KILLED", "RESTARTED")]
    (later,) = re.findall(r"works  rep   RESTARTED  ([\d.]+) s later", text.getvalue())
    assert abs(times[1] - times[0] - float(later)) < 0.02, text.getvalue()


def test_more_own_lines_than_a_pipe_holds_do_not_hang(tmp_path: Path) -> None:
    class Lines:
        seen: list[bytes] = []

        def poll(self) -> bool:
            return True

        def next(self) -> bytes | None:
            self.seen.append(b"x" * 30000)
            return self.seen[-1] if len(self.seen) <= 10 else None

    demo, _ = demo_of(panel_of(tmp_path, "hangs", HANGS))
    demo.lines = Lines()  # type: ignore[assignment]
    began = time.monotonic()
    demo.requests()
    assert time.monotonic() - began < 15


def test_what_a_client_said_of_each_request() -> None:
    class Said:
        running = True
        events = [
            {"event": "ready"},
            {"event": "message", "direction": "sent", "sequence": 1},
            {"event": "timeout"},
            {"event": "message", "direction": "sent", "sequence": 2},
            {"event": "message", "direction": "received", "sequence": 1, "text": "one"},
            {"event": "error", "text": "tcp://h:1: wrong reply"},
            {"event": "error", "text": "tcp://h:1: cannot send: no"},
        ]

        def end(self) -> str:
            return "ended with status 1"

    one = Scene([], Plain([], Console(file=io.StringIO())), None)
    assert one.client(Said(), 1) == Client(timed_out=True)  # type: ignore[arg-type]
    assert one.client(Said(), 2) == Client("one")  # type: ignore[arg-type]
    Said.running = False
    assert one.client(Said(), 3) == Client(ended="ended: cannot send: no")  # type: ignore[arg-type]


def test_other_programs_on_the_core_are_told() -> None:
    assert "used 62% of core 1 meanwhile" in scene.disturbed(0.62, 1)
    assert scene.disturbed(0.05, 1) == ""


def test_what_is_measured_names_its_transport() -> None:
    four, dgram = read_panels()[:4], next(p for p in read_panels() if p.name == "raw-dgram")
    assert (scene.over(four), scene.over([four[0], dgram])) == ("TCP", "TCP or UDP")


def test_the_table_at_the_end_fits_80_columns() -> None:
    """Of four panels, with the longest words."""
    figures = Figures("2 of 2", "reply lost", "its own", "subscriber", "newest", (1850, 1850), 1234.5, 12345.6, 14, 99_999)
    panels = read_panels()[:4]
    table = rows(panels, SimpleNamespace(figures={panel.name: figures for panel in panels}))
    text = io.StringIO()
    show_table(Console(file=text, width=80), panels, table)
    lines = text.getvalue().splitlines()
    assert len(lines) == 1 + len(table) == 13 and max(map(len, lines)) <= 80


# --step


@pytest.mark.parametrize("words", [["demo.demo", "--step"], ["lab.lab", "--step", "late-server"]])
def test_steps_need_a_terminal(words: list[str]) -> None:
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "needs a terminal" in done.stderr and done.stdout == ""


def test_a_key_goes_on() -> None:
    """On a terminal of its own."""
    code = """import sys
from rich.console import Console
from harness.terminal import need_terminal, wait_for_key
need_terminal("demo")
for number in range(2):
    wait_for_key(Console(), "A key")
print("went on")"""
    main, side = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", code], stdin=side, stdout=side, stderr=side,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools"), "TERM": "xterm"},
    )  # fmt: skip
    os.close(side)
    try:
        said = b""
        for number in range(2):
            while said.count(b"A key --") <= number:
                said += os.read(main, 1000)
            assert process.poll() is None and b"went on" not in said
            time.sleep(0.3)  # cbreak mode is on by then
            os.write(main, b"x")
        while b"went on" not in said:
            said += os.read(main, 1000)
        assert process.wait(10) == 0
    finally:
        process.kill()
        os.close(main)
