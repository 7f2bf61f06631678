"""Files that a user names, and temporary folders: what becomes of links, devices, other files, and after a kill."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import results as bench_results
from conftest import ROOT
from harness.files import OutputFile, make_folder
from harness.folders import BEGUN, PREFIX, sweep
from tool import folder_for_all

CODE = """import sys; sys.path.insert(0, "tools")
from harness.files import OutputFile
file = OutputFile("verb: --json", sys.argv[1])
print("before")
file.keep("kept")
file.write("whole")
print("after")"""


def writer(path: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-c", CODE, str(path)]
    return subprocess.run(command, cwd=ROOT, text=True, timeout=150, **options)  # type: ignore[call-overload, no-any-return]


def refused(capsys: pytest.CaptureFixture[str], path: Path, status: int = 2) -> str:
    with pytest.raises(SystemExit) as end:
        OutputFile("verb: --json", path).write("x")
    assert end.value.code == status
    said = capsys.readouterr().err
    assert said.startswith("triptych: verb: --json ") and said.count("\n") == 1
    return said


def test_a_new_file_has_the_mode_that_others_have(tmp_path: Path) -> None:
    file = OutputFile("", tmp_path / "a")
    assert not os.listdir(tmp_path), "to try leaves nothing behind"
    before = os.umask(0o027)
    try:
        file.write("text ü")
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_text("utf-8") == "text ü"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o604)
    with path.open() as reader:
        file = OutputFile("", path)
        assert path.read_text() == "old"
        file.write("new")
        assert reader.read() == "old"
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o604
    file.write("")
    assert path.read_text() == "new", "nothing is no reason to empty a file"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a").symlink_to("deep/b")
    (tmp_path / "c").symlink_to("a")
    for text in ("first", "second"):
        OutputFile("", tmp_path / "c").write(text)
        assert (tmp_path / "deep/b").read_text() == text and not (tmp_path / "deep/b").is_symlink()
    assert (tmp_path / "a").is_symlink() and (tmp_path / "c").is_symlink()


def test_other_names_of_a_file_get_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a longer text")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    OutputFile("", tmp_path / "a").write("new")
    assert (tmp_path / "b").read_text() == "new"


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("to", ["pipe", "file"])
def test_standard_output_is_written_through(name: str, to: str, tmp_path: Path) -> None:
    path = Path(name)
    if name == "link":
        path = tmp_path / "link"
        path.symlink_to("/dev/stdout")
    before = os.lstat("/dev/stdout")
    if to == "pipe":
        text = writer(path, stdout=subprocess.PIPE).stdout
    else:
        with (tmp_path / "out").open("w") as out:
            writer(path, stdout=out)
        text = (tmp_path / "out").read_text()
    assert text == "before\nwholeafter\n", "in its place, once, and nothing is overwritten"
    assert os.path.samestat(before, os.lstat("/dev/stdout"))


def test_a_device_is_written_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "null").symlink_to("/dev/null")
    OutputFile("", tmp_path / "null").write("x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    (tmp_path / "full").symlink_to("/dev/full")
    assert "No space left" in refused(capsys, tmp_path / "full", 1)


def test_a_named_pipe_gets_the_last_alone(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(path.read_text()))
    reader.start()
    writer(path, stdout=subprocess.DEVNULL)
    reader.join(10)
    assert got == ["whole"]


def test_what_cannot_be_written_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file" in refused(capsys, tmp_path / "no/a")
    assert "Is a directory" in refused(capsys, tmp_path)
    assert "\\x1b" in refused(capsys, tmp_path / "\x1b[31m" / "a")
    (tmp_path / "loop").symlink_to("loop")
    assert "symbolic links" in refused(capsys, tmp_path / "loop")
    with pytest.raises(SystemExit):
        make_folder("verb: --svg", "/proc/nowhere")
    assert make_folder("verb: --svg", tmp_path / "x/y").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_that_is_not_ours() -> None:
    """In a folder that others may not change it can be written, but not replaced; its owner stays."""
    with folder_for_all() as folder:
        path = folder / "a"
        path.write_text("a longer text")
        path.chmod(0o600)
        done = writer(path, user=65534, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        assert done.returncode == 2 and "Permission denied" in done.stderr and done.stdout == ""
        path.chmod(0o666)
        assert writer(path, user=65534).returncode == 0 and path.read_text() == "whole"
        os.chown(path, 65534, 65534)
        OutputFile("", path).write("root's")
        assert path.read_text() == "root's" and path.stat().st_uid == 65534


def test_every_verb_writes_its_files_by_that_one_function() -> None:
    """No other code opens a file that a user names for writing; those allowed write in a folder of their own."""
    pattern = r"""write_text\(|write_bytes\(|open\([^)]*["'][wax]b?\+?["']|os\.replace\("""
    found = subprocess.run(["grep", "-rnE", "--include=*.py", pattern, "tools"], cwd=ROOT, capture_output=True, text=True)
    allowed = ("tools/harness/files.py", "tools/check/plugin.py", "tools/check/contract.py", "tools/__main__.py",
               "tools/wire/tables.py", "tools/net/net.py", "tools/harness/far.py", "tools/grade/inside.py",
               "tools/grade/sandbox.py", "tools/grade/submissions.py")  # fmt: skip
    assert not [line for line in found.stdout.splitlines() if not line.startswith(allowed)]


# What --compare reads.


def earlier_run() -> dict[str, Any]:
    cell = {
        "bench": "latency", "transport": "tcp", "placement": "one core", "size": 64, "queue": 1000, "rate": 0, "peers": 1,
        "competitor": "raw", "metrics": {"p50": {"low": 1, "median": 2, "high": 3}},
    }  # fmt: skip
    return {"format": "triptych-bench", "version": 3, "cells": [cell], "machine": {}, "versions": {}}


def damaged(path: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """What is said of an earlier run that was changed so."""
    run = earlier_run()
    change(run)
    path.write_text(json.dumps(run))
    with pytest.raises(ValueError, match="earlier") as wrong:
        bench_results.read(path)
    return str(wrong.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda run: run["cells"].append(7), "cell 2: no object"),
        (lambda run: run["cells"][0].pop("peers"), "cell 1: peers is missing"),
        (lambda run: run["cells"][0].update(size="64"), "size is missing or no number"),
        (lambda run: run["cells"][0].update(size=True), "size is missing or no number"),
        (lambda run: run["cells"][0].update(competitor=["raw"]), "competitor is missing or no text"),
        (lambda run: run["cells"][0].update(metrics=[]), "metrics is no object"),
        (lambda run: run["cells"][0]["metrics"].update(p50=2.0), "p50 is no interval"),
        (lambda run: run["cells"][0]["metrics"]["p50"].update(low="1"), "p50 is no interval"),
        (lambda run: run["cells"][0]["metrics"]["p50"].update(high=float("nan")), "p50 is no interval"),
        (lambda run: run["cells"][0]["metrics"]["p50"].pop("median"), "p50 is no interval"),
        (lambda run: run["cells"][0]["metrics"]["p50"].update(low=9), "does not hold its median"),
        (lambda run: run.update(machine=3), "machine is no object"),
        (lambda run: run.update(version="\x1b[31m"), "of version \\x1b[31m, not 3"),
        (lambda run: run.update(cells={}), "has no cells"),
    ],
)
def test_a_damaged_earlier_run_is_said(change: Callable[[dict[str, Any]], object], says: str, tmp_path: Path) -> None:
    assert says in damaged(tmp_path / "earlier", change)


def test_texts_of_an_earlier_run_do_no_harm(tmp_path: Path) -> None:
    run = earlier_run()
    run["versions"] = {"\x1b[31mraw": "1\u202e2"}
    (tmp_path / "earlier").write_text(json.dumps(run))
    assert bench_results.read(tmp_path / "earlier")["versions"] == {"\\x1b[31mraw": "1\\u202e2"}


@pytest.mark.parametrize("text", ['{"format": "triptych-bench"', "[" * 100_000, "\xff", ""])
def test_what_is_no_earlier_run_is_said_before_anything_runs(text: str, tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31m"
    path.write_bytes(text.encode("latin-1"))
    command = [sys.executable, "-B", "tools", "bench.bench", "--compare", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("\\x1b[31m: not JSON\n") and done.stderr.count("\n") == 1


# Temporary folders.

HOLDER = """import sys, time; sys.path.insert(0, "tools")
from harness.folders import temporary_folder
with temporary_folder() as folder:
    (folder / "file").touch()
    print(folder, flush=True)
    sys.stdin.read()"""


def holder(place: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", HOLDER], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(place)},
    )  # fmt: skip
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=150)


def test_a_folder_goes_with_its_program(tmp_path: Path) -> None:
    process, folder = holder(tmp_path)
    assert folder.is_dir() and os.listdir(tmp_path) == [folder.name]
    end(process)
    assert os.listdir(tmp_path) == []


def test_what_a_killed_program_left_goes_with_the_next(tmp_path: Path) -> None:
    killed, left = holder(tmp_path)
    living, kept = holder(tmp_path)
    killed.send_signal(signal.SIGKILL)
    end(killed)
    assert left.is_dir()
    for name in (f"{BEGUN}x", "triptych-abc", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(kept)
    third, _ = holder(tmp_path)
    assert not left.exists(), "the next program removes it"
    assert (kept / "file").exists(), "but not what a living one has"
    end(third)
    end(living)
    assert sorted(os.listdir(tmp_path)) == sorted([f"{BEGUN}x", "triptych-abc", "other", f"{PREFIX}file", f"{PREFIX}link"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_what_others_left_stays(tmp_path: Path) -> None:
    folder = tmp_path / f"{PREFIX}theirs"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    sweep(tmp_path)
    assert folder.is_dir()
