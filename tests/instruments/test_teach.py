"""The sheets of the lessons: what their blocks ask for, and what becomes of a command that differs."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ROOT
from programs import alive
from teach import page, teach
from teach.source import Wrong, read, read_run

FENCE = "```"
OUTPUT = "\nzero\none: a <b>\ntwo & three\nthree\nfour\n"


def block(*lines: str, kind: str = "run") -> str:
    return "\n".join([FENCE + kind, *lines, FENCE, ""])


def lesson(folder: Path, text: str) -> Path:
    """A folder of lessons with one lesson, 1-first, whose sheet has this text."""
    (folder / "1-first").mkdir(parents=True)
    (folder / "1-first" / "sheet.md").write_text("# A sheet\n\n" + text)
    (folder / "1-first" / "answers.md").write_text("# Answers\n")
    return folder


def verb(*words: str, status: int, **environment: str) -> tuple[str, str]:
    done = subprocess.run(
        ["/usr/bin/python3", "-B", str(ROOT / "tools"), "teach.teach", *words], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=150, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def test_a_block_is_understood() -> None:
    run = read_run("./triptych x: y\nstatus: 3\nfrom: one\nto: three\nlines: 7\nexpect: a: b\nexpect: c\n", "f:1")
    assert (run.command, run.status, run.begin, run.end, run.lines) == ("./triptych x: y", 3, "one", "three", 7)
    assert run.expected == ["a: b", "c"]


@pytest.mark.parametrize("text", ["", "status: 1", "true\nstat: 1", "true\nlines: few", "true\nexpect:", "true\nhello"])
def test_what_is_not_understood_is_said(text: str) -> None:
    with pytest.raises(Wrong, match="^f:1: "):
        read_run(text, "f:1")


def test_the_lines_that_are_shown() -> None:
    def shown(*lines: str) -> list[str]:
        return read_run("\n".join(["true", *lines]), "").shown(OUTPUT)

    assert shown() == OUTPUT.split("\n")[1:-1]
    assert shown("from: one", "to: three") == ["one: a <b>", "two & three"]
    assert shown("from: three", "to: three") == ["two & three"]
    assert shown("from: four") == ["four"]
    assert shown("lines: 4") == ["zero", "one: a <b>", "two & three", "three", "... 1 more line"]
    assert shown("lines: 5") == OUTPUT.split("\n")[1:-1]


def test_what_differs_is_said() -> None:
    def wrong(*lines: str, status: int | None = 0) -> list[str]:
        found = read_run("\n".join(["true", *lines]), "f:1").wrong_with(status, OUTPUT)
        return [why.removeprefix("f:1: true: ") for why in found]

    assert wrong("expect: a <b> two", "expect: one ... three", "from: four") == []
    assert wrong("expect: five") == ['"five" is not in its output']
    assert wrong("from: five", "to: six") == ['"five" is not in its output', '"six" is not in its output']
    assert wrong("status: 1") == ["ended with status 0, not 1"]
    assert wrong("status: 1", status=1) == []
    assert wrong("expect: zero", status=None) == ["did not end in time"]
    assert wrong("expect: z...n") == [] and wrong("expect: z.*n") != []


def test_a_command_runs_once_and_has_80_columns() -> None:
    commands = teach.Commands()
    status, output = commands.result("echo $COLUMNS $NO_COLOR; pwd; cat; echo $$ >&2; exit 3")
    assert status == 3 and output.startswith(f"80 1\n{ROOT}\n")
    assert commands.result("echo $COLUMNS $NO_COLOR; pwd; cat; echo $$ >&2; exit 3") == (status, output)


def test_a_command_that_does_not_end_is_ended_with_its_children() -> None:
    status, output = teach.Commands(seconds=0.5).result("sleep 60 & echo $!; wait")
    assert status is None
    until = time.monotonic() + 10
    while alive(int(output)):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_page_shows_text_and_not_tags(tmp_path: Path) -> None:
    folder = lesson(tmp_path, block("printf '<script>\\n\\033[1m&'") + "\n" + block("Your <b>:", kind="write"))
    source = read(folder / "1-first" / "sheet.md")
    (run,) = source.runs
    commands = teach.Commands()
    made = page.of_sheet(source, {run.place: commands.outcome(run)})
    assert "&lt;script&gt;\n\\x1b[1m&amp;" in made and "<script>" not in made and "\x1b" not in made
    assert "<span>Your &lt;b&gt;:</span>" in made and "@@" not in made
    assert "<title>A sheet</title>" in made and 'class="wrong"' not in made


def test_a_wrong_phrase_fails(tmp_path: Path) -> None:
    right, wrong = block("echo hello", "expect: hello"), block("echo hello", "expect: goodbye")
    for number, (text, status, says) in enumerate([(right, 0, ""), (wrong, 1, '"goodbye" is not in its output')]):
        folder = lesson(tmp_path / str(number), text)
        out, _ = verb("--check", status=status, TRIPTYCH_LESSONS=str(folder))
        assert out.endswith("0 passed, 1 failed\n" if says else "1 passed, 0 failed\n")
        assert not says or f"FAILED 1-first/sheet.md:3: echo hello: {says}" in out
        pages = tmp_path / f"pages{number}"
        _, said = verb("1", "--out", str(pages), status=status, TRIPTYCH_LESSONS=str(folder))
        made = (pages / "1-first-sheet.html").read_text()
        assert ('class="wrong"' in made) == bool(says) and says in said
        assert "1-first-sheet.html" in (pages / "index.html").read_text()


def test_what_fails_once_is_tried_again(tmp_path: Path) -> None:
    folder = lesson(tmp_path, block(f"ls {tmp_path}/there || {{ touch {tmp_path}/there; false; }}"))
    out, said = verb("--check", status=0, TRIPTYCH_LESSONS=str(folder))
    assert out == "1 passed, 0 failed\n" and "once more" in said


def test_an_unknown_lesson_is_refused(tmp_path: Path) -> None:
    folder = lesson(tmp_path, "")
    _, said = verb("7", status=2, TRIPTYCH_LESSONS=str(folder))
    assert said == "triptych: teach: no lesson '7'; there are: 1-first\n"
    assert "--out" in verb("1", "--check", "--out", "x", status=2, TRIPTYCH_LESSONS=str(folder))[1]
    assert verb("--check", status=1, TRIPTYCH_LESSONS=str(folder))[0] == "0 passed, 0 failed\n"


@pytest.mark.parametrize("path", sorted((ROOT / "teach" / "lessons").glob("*/*.md")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_each_lesson_is_understood(path: Path) -> None:
    source = read(path)
    assert page.title_of(source).startswith(f"Lesson {path.parent.name[0]}: ")
    kinds = {type(one) for one in source.blocks}
    assert (list in kinds) == (path.stem == "sheet")
    assert path.stem == "sheet" or all(run.expected for run in source.runs) and source.runs
