"""What every verb does without a terminal, on a narrow one, and when nobody takes its output."""

import io
import os
import re
import signal
import subprocess
import time
from typing import Any

import pytest

from conftest import ROOT, build_folder
from programs import alive, descendants, until

pytest.importorskip("rich")

from rich.color import Color
from rich.console import Console

from demo.views import AROUND, Columns, Plain, rows_of, view_for
from harness import terminal
from harness.panels import read_panels

VERBS = {
    "demo": ["demo.demo", "reqrep", "raw"],
    "diff": ["compare.diff"],
    "lab": ["lab.lab"],
    "experiment": ["lab.lab", "late-server", "raw"],
    "size": ["compare.size", "--source", "raw"],
    "test": ["check.test", "raw", "-k", "test_three_digits_count"],
    "wire": ["wire.view.wire", "reqrep", "raw"],
}
SILENT = {"bench": ["bench.bench", "--quick", "latency", "raw"], **VERBS}  # ends before it says much
FOUR = read_panels()[:4]


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Any:
    """Starts a verb as ./triptych does."""
    build = build_folder(request.config)
    if not (build / "raw-rep").exists():
        pytest.skip("raw is not built")

    def start(words: list[str], output: Any, **environment: str) -> "subprocess.Popen[str]":
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        return subprocess.Popen(
            ["/usr/bin/python3", "-B", str(ROOT / "tools"), *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, "TRIPTYCH_BUILD": str(build), **environment},
        )

    return start


@pytest.mark.parametrize("verb", SILENT)
def test_a_reader_that_has_gone_ends_a_verb_quietly(verb: str, run: Any) -> None:
    """As under `| head`, which is shown here by a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    process = run(SILENT[verb], writer)
    os.close(writer)
    said = process.communicate(timeout=150)[1]
    assert process.returncode == 141 and "Traceback" not in said, said


@pytest.mark.parametrize("verb", SILENT)
def test_a_full_disk_is_told_in_one_sentence(verb: str, run: Any) -> None:
    with open("/dev/full", "w") as full:
        process = run(SILENT[verb], full)
        said = process.communicate(timeout=150)[1]
    lines = [line for line in said.splitlines() if line.startswith("triptych: ")]
    assert process.returncode == 1 and "Traceback" not in said, said
    assert len(lines) == 1 and "No space left on device" in lines[0]


@pytest.mark.parametrize("verb", ["demo", "diff", "lab", "size", "test", "wire", "bench", "build"])
def test_a_closed_output_is_told_in_one_sentence(verb: str) -> None:
    command = ["sh", "-c", f"exec {ROOT}/triptych {verb} >&-"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=150)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "is closed" in done.stderr


def test_a_closed_error_output_does_not_lead_messages_elsewhere() -> None:
    command = f"exec /usr/bin/python3 -B {ROOT}/tools lab.lab slow-joinre <&- 2>&-"
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, timeout=150)
    assert done.returncode == 2 and done.stdout == ""


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "test"])
def test_a_locale_without_our_characters_gets_question_marks(verb: str, run: Any) -> None:
    ascii = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    process = run(VERBS[verb], subprocess.PIPE, **ascii)
    text, said = process.communicate(timeout=150)
    assert process.returncode == 0 and text.isascii(), said


@pytest.mark.parametrize("columns", ["60", ""])
@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("size", "test")])
def test_in_a_pipe_a_verb_keeps_to_the_width(verb: str, columns: str, run: Any) -> None:
    process = run(VERBS[verb], subprocess.PIPE, COLUMNS=columns)
    text, said = process.communicate(timeout=150)
    lines = text.splitlines()
    assert process.returncode == 0, said
    assert max(map(len, lines)) <= int(columns or terminal.TEXT_WIDTH)
    assert "\x1b" not in text and not [line for line in lines if line.endswith(" ")]


def luminance(colour: str) -> float:
    """Of a colour as rich names it, as WCAG 2 defines it."""
    channels = [value / 255 for value in Color.parse(colour).get_truecolor()]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


NAMES = [name for name, value in vars(terminal).items() if str(value).startswith("color(")]


@pytest.mark.parametrize("name", NAMES)
def test_colours_hold_on_a_black_ground_and_on_a_white_one(name: str) -> None:
    light = luminance(getattr(terminal, name))
    assert (light + 0.05) / 0.05 >= 3.4 and 1.05 / (light + 0.05) >= 3.4


def test_verbs_take_their_colours_from_there() -> None:
    """Names such as "yellow" mean another colour on each terminal."""
    named = re.compile(r"""["'\[ ](black|red|green|yellow|blue|magenta|cyan|bright_\w+)["'\]]""")
    for path in (ROOT / "tools").rglob("*.py"):
        if path.name not in ("panels.py", "terminal.py", "chart.py", "session.py"):
            assert not named.findall(path.read_text()), path


@pytest.mark.parametrize("height", [24, 50])
@pytest.mark.parametrize("width", [58, 60, 80, 100, 116, 165])
def test_the_demo_cuts_nothing(width: int, height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too long is folded, and columns that have no room stand in another row."""
    monkeypatch.setenv("TERM", "xterm")
    console = Console(width=width, height=height, record=True, file=io.StringIO(), force_terminal=True)
    view = view_for(FOUR, console, plain=False)
    assert isinstance(view, Columns)
    view.lines = {panel.name: [] for panel in FOUR}
    for panel in FOUR:
        view.tell(panel, "req", "< how deep is the sea?", "12345 us")
    view.step()
    console.print(view._frame(20))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    for word in ("how", "deep", "sea?", "12345 us"):
        assert text.count(word) == 4, text
    for panel in FOUR:
        assert panel.heading in text


def test_the_demo_has_plain_lines_where_columns_have_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")

    def view(width: int, height: int) -> tuple[type, str]:
        console = Console(width=width, height=height, force_terminal=True, record=True, file=io.StringIO())
        return type(view_for(FOUR, console, False)), " ".join(console.export_text().split())

    kind, told = view(80, 20)
    assert kind is Plain and "4 panels need 80 columns and 23 lines; it has 80 and 20." in told
    assert told.endswith("Two panels need less: ./triptych demo raw zmq")
    kind, told = view(57, 50)
    assert kind is Plain and "need 58 columns and 23 lines; it has 57 and 50." in told
    assert view(58, 23) == view(80, 24) == (Columns, "")
    assert [len(row) for row in rows_of(116, FOUR)] == [4]
    assert [len(row) for row in rows_of(115, FOUR)] == [2, 2]


def test_the_demo_redraws_what_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 columns and 24 lines, the usual window: two rows of columns below the act's sentence."""
    monkeypatch.setenv("TERM", "xterm")
    console = Console(width=80, height=24, force_terminal=True, file=io.StringIO())
    view = view_for(FOUR, console, plain=False)
    assert isinstance(view, Columns)
    view.act("1. An act", "One sentence. " * 14)
    frames = []
    monkeypatch.setattr(view.live, "update", lambda frame, refresh: frames.append(frame))
    for panel in FOUR:
        for number in range(30):
            view.tell(panel, "req", f"number {number}")
    view.step()
    view.tick()
    with console.capture() as captured:
        console.print(frames[0])
    assert len(captured.get().splitlines()) <= 24 - AROUND and captured.get().count("number 29") == 4
    view.close()


@pytest.mark.parametrize("verb", ["demo", "diff", "lab", "size", "test", "wire", "bench"])
def test_a_manual_fits_eighty_columns_and_names_the_exit_statuses(verb: str) -> None:
    done = subprocess.run([ROOT / "triptych", verb, "--help"], capture_output=True, text=True, timeout=150)
    assert max(map(len, done.stdout.splitlines())) <= 80
    status = " ".join(done.stdout.partition("Exit status: ")[2].split())
    assert status.startswith("0 ") and ", 1 " in status and ", 2 " in status


def test_the_tests_end_when_nobody_reads_on(run: Any) -> None:
    """As under `| head -1`: neither pytest nor the verb complains, or leaves anything running."""
    process = run(["check.test", "raw", "-k", "R4 and raw"], subprocess.PIPE)
    assert process.stdout.readline().startswith("== contract")
    process.stdout.close()
    family = descendants(process.pid)
    said = process.stderr.read()
    assert process.wait(10) == 141 and said == ""
    assert not [pid for pid in family if alive(pid)]


def test_a_wrong_expression_is_told_in_one_sentence(run: Any) -> None:
    process = run(["check.test", "raw", "-k", "R4 and"], subprocess.PIPE)
    out, said = process.communicate(timeout=150)
    assert process.returncode == 1 and "-k R4 and: " in out + said
    assert "INTERNALERROR" not in out and "Traceback" not in out + said


@pytest.mark.heavy
def test_the_tests_end_at_once_when_they_are_stopped(run: Any) -> None:
    process = run(["check.test", "raw", "-k", "R4 and raw"], subprocess.DEVNULL)

    until(lambda: len(descendants(process.pid)) > 8, 150)
    family = descendants(process.pid)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=150)
    assert process.returncode == 130 and time.monotonic() - began < 2
    assert not [pid for pid in family if alive(pid)]
