"""./triptych teach - the sheets and answer keys of the lessons, as pages of HTML

Usage:  ./triptych teach [LESSON...] [--out DIR]
        ./triptych teach --check [LESSON...]

Makes a page of each sheet and answer key in teach/lessons/. A command that a
page quotes is run now, and what it prints is shown below it. So a page never
shows old output. It takes about two minutes.

  LESSON...    these lessons only: 2, or 2-stream; without: all
  --out DIR    where the pages go; default: teach/ in the build's folder
  --check      makes no pages: says where a command ends with another status, or
               prints something else, than the source says

A command has two minutes, 80 columns and no colours. One that does not do what
the source says is run once more. If it fails again, the page says so as well.
TRIPTYCH_LESSONS=DIR takes the lessons from the folder DIR.

Exit status: 0 all commands did what the sources say, 1 not, 2 wrong command
line, 130 stopped.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness.command import CommandLine
from harness.files import OutputFile, make_folder
from harness.panels import BUILD, ROOT, complain, printable, unknown
from harness.program import dying
from teach import page
from teach.source import Run, Source, Wrong, read

LESSONS = ROOT / "teach" / "lessons"
SHEETS = ("sheet", "answers")
SECONDS = 120
UNSET = ("FORCE_COLOR", "CLICOLOR_FORCE", "PAGER", "LESS")


class Commands:
    """Runs each command once, however often it is quoted."""

    def __init__(self, seconds: float = SECONDS):
        self.seconds = seconds
        self.done: dict[str, tuple[int | None, str]] = {}

    def result(self, command: str) -> tuple[int | None, str]:
        if command not in self.done:
            self.done[command] = self.run(command)
        return self.done[command]

    def run(self, command: str) -> tuple[int | None, str]:
        """Its status, None if it did not end in time, and its output on both streams."""
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        kept |= {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
        began = time.monotonic()
        process = subprocess.Popen(
            dying(["/bin/sh", "-c", command]), cwd=ROOT, env=kept, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True,
        )  # fmt: skip
        status: int | None
        try:
            output, _ = process.communicate(timeout=self.seconds)
            status = process.returncode
        except subprocess.TimeoutExpired as late:
            output = (
                late.stdout.decode(errors="replace")
                if isinstance(late.stdout, bytes) else late.stdout or ""
            )
            status = None
        finally:
            if process.poll() is None:  # it gets the time to tidy up
                os.killpg(process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said = "\n".join(
            line for line in output.splitlines() if not line.startswith("triptych: building")
        )
        print(
            f"{time.monotonic() - began:5.1f} s  {printable(command)}", file=sys.stderr, flush=True
        )
        return status, said

    def outcome(self, run: Run) -> tuple[str, list[str]]:
        """What it printed, and what is wrong with it. A busy machine may fail it once."""
        status, output = self.result(run.command)
        wrong = run.wrong_with(status, output)
        if wrong:
            print(f"  {printable(wrong[0])}; once more", file=sys.stderr, flush=True)
            del self.done[run.command]
            status, output = self.result(run.command)
            wrong = run.wrong_with(status, output)
        return output, wrong


def choose(words: list[str], lessons: Path) -> list[Path]:
    """The folders of the lessons that the words name."""
    there = sorted(path.parent for path in lessons.glob("*/sheet.md"))
    chosen = []
    for word in words:
        found = [one for one in there if word in (one.name, one.name.partition("-")[0])]
        if not found:
            complain(2, f"teach: {unknown('lesson', word, [one.name for one in there])}")
        chosen += found
    return [one for one in there if not words or one in chosen]


def check(sources: list[Source], commands: Commands) -> int:
    passed = failed = 0
    for source in sources:
        for run in source.runs:
            _, wrong = commands.outcome(run)
            passed, failed = (passed, failed + 1) if wrong else (passed + 1, failed)
            for why in wrong:
                print(f"FAILED {printable(why)}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def make(sources: list[Source], commands: Commands, out: Path) -> int:
    made, failed = [], 0
    for source in sources:
        outputs = {run.place: commands.outcome(run) for run in source.runs}
        failed += sum(bool(wrong) for _, wrong in outputs.values())
        for why in (why for _, wrong in outputs.values() for why in wrong):
            print(f"triptych: teach: {printable(why)}", file=sys.stderr)
        name = f"{source.path.parent.name}-{source.path.stem}.html"
        OutputFile("teach: --out", out / name).write(page.of_sheet(source, outputs))
        made.append((name, page.title_of(source)))
    OutputFile("teach: --out", out / "index.html").write(page.of_index(made))
    print(f"{len(made)} pages made: {out}/index.html")
    return 1 if failed else 0


def main() -> int:
    command = CommandLine("teach", __doc__)
    command.add_argument("lessons", nargs="*")
    command.add_argument("--out", metavar="DIR")
    command.add_argument("--check", action="store_true")
    arguments = command.read()
    if arguments.check and arguments.out:
        complain(2, "teach: --check makes no pages: leave --out out")
    lessons = Path(os.environ.get("TRIPTYCH_LESSONS") or LESSONS)
    try:
        sources = [
            read(one / f"{sheet}.md") for one in choose(arguments.lessons, lessons)
            for sheet in SHEETS
        ]
    except Wrong as wrong:
        complain(1, f"teach: {printable(str(wrong))}")
    except OSError as error:
        complain(1, f"teach: {error.filename}: {error.strerror}")
    if arguments.check:
        return check(sources, Commands())
    out = make_folder("teach: --out", arguments.out or BUILD / "teach")
    return make(sources, Commands(), out)
