"""./triptych grade - marks the submissions of a class by a rubric

Usage:  ./triptych grade SUBMISSIONS --rubric FILE [--jobs N] [--out DIR]
                         [--json]
        ./triptych grade --gradescope FILE.zip --rubric FILE

SUBMISSIONS is a folder with one folder or one archive (zip, tar) for each
student, as learning systems export them. Each is built and checked in a sandbox
of its own: no network, no files but its own, limits on time, memory, processes.
A clause that fails is tried once more before it counts.

  --rubric FILE  which clauses give how many points: tools/grade/README.md
  --jobs N       submissions at a time; default: 2
  --out DIR      where the results go; default: SUBMISSIONS-marks
  --json         prints the results as JSON, too
  --gradescope FILE.zip
                 marks nothing: packs an autograder for Gradescope, which marks
                 by this rubric there

DIR gets marks.csv, results.json, index.html (the class) and sheets/ (a page for
each student). A run that was stopped goes on where it stood: what is marked
stays marked, unless the submission or the rubric has changed.

Exit status: 0 all submissions were marked, whatever their marks; 1 something
else failed; 2 wrong command line or rubric; 130 stopped.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

from check.rubric import BadRubric, Rubric, mark, read
from compare.sources import lines_of_code
from grade import results, sandbox
from grade.pack import pack
from grade.results import Student, clean, figure, merged, one_line, put, slug
from grade.submissions import Submission, Unfit, Work, digest, find, strange
from grade.unpacking import unpack_apart
from grade.watcher import run
from harness.command import CommandLine
from harness.files import OutputFile, make_folder
from harness.folders import temporary_folder
from harness.panels import ROOT, complain


class Marking:
    """The submissions of a class, some at a time."""

    def __init__(
        self, rubric: Rubric, project: Path, out: Path, salt: str, jobs: int,
        contained: bool = False,
    ):
        self.contained = contained  # by the container that this runs in
        self.rubric = rubric
        self.project = project  # as the sandboxes see it
        self.out = out
        self.salt = salt  # of the rubric and of this program: old marks count for the same alone
        self.stopping = threading.Event()
        self.slots: SimpleQueue[int] = SimpleQueue()
        for slot in range(jobs):
            self.slots.put(slot)

    def key(self, submission: Submission) -> str:
        return hashlib.sha256((self.salt + digest(submission)).encode()).hexdigest()

    def kept(self, submission: Submission, file: str) -> Student | None:
        """What an earlier run has found, if it still counts."""
        try:
            given = json.loads((self.out / "state" / f"{file}.json").read_text("utf-8"))
            student = Student.of(given)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        same = student.digest == self.key(submission) and student.name == submission.student
        return student if same else None

    def mark(self, submission: Submission, file: str) -> Student:
        student = Student(submission.student, self.key(submission))
        slot = self.slots.get()
        began = time.monotonic()
        try:
            with temporary_folder() as scratch:
                work = unpack_apart(submission, scratch)
                student.panel = work.panel
                self.check(student, work, slot, scratch)
        except Unfit as unfit:
            student.problem = f"Not marked: {unfit}."
            student.items = mark(self.rubric, None, 0, None)
        finally:
            self.slots.put(slot)
        student.seconds = round(time.monotonic() - began, 1)
        if not self.stopping.is_set():
            put(self.out / "state" / f"{file}.json", json.dumps(asdict(student)))
        return student

    def check(self, student: Student, work: Work, slot: int, scratch: Path) -> None:
        rubric = self.rubric
        order = {"clauses": list(rubric.clauses), "transports": list(rubric.transports),
                 "tests": list(rubric.tests)}  # fmt: skip
        keys = f"framing={rubric.framing} " if rubric.framing else ""
        if set(rubric.transports) - {"tcp", "tcp6", "ipc"}:
            keys += f"speaks={','.join(rubric.transports)} "
        lines = sum(lines_of_code(path.read_text("utf-8", "replace"))
                    for path in work.folder.rglob("*.[ch]") if path.is_file())  # fmt: skip
        outcome = run(
            self.project, work, keys, order, rubric.limits, slot, scratch,
            stopped=self.stopping.is_set, contained=self.contained,
        )  # fmt: skip
        stages = {line.get("stage"): line for line in outcome.lines}
        if "begin" not in stages and not outcome.ended:
            raise sandbox.Failed(outcome.log.strip())  # not the student's fault
        built = stages.get("build", {"ok": None, "words": [], "warnings": None})
        report = stages["check"]["report"] if "check" in stages else None
        if report and "again" in stages:
            report, student.again = merged(report, stages["again"]["report"])
        student.check = report
        student.items = mark(rubric, report, lines, built["warnings"])
        if built["ok"] is False:
            student.problem = "It does not build."
            student.words = built["words"]
        elif outcome.ended:
            counts = " What had been found by then counts." if report else ""
            student.problem = f"Stopped: {outcome.ended}.{counts}"
        elif "done" not in stages:
            student.problem = "The check was ended from inside the sandbox."
            student.words = outcome.log.splitlines()[-8:]
        elif "failed" in stages:
            student.problem = "The tests could not be run."
            student.words = stages["failed"]["words"]


class Progress:
    """One line for each submission that is marked, and how long the rest will take."""

    def __init__(self, number: int):
        self.number = number
        self.done = 0
        self.began = time.monotonic()
        self.width = len(str(number))

    def tell(self, student: Student, was_there: bool = False) -> None:
        self.done += 1
        passed = time.monotonic() - self.began
        left = passed / self.done * (self.number - self.done)
        rest = (
            ""
            if was_there or self.done == self.number
            else f"  about {round(left / 6) / 10:g} min left"
        )
        marks = f"{figure(student.points):>5} of {figure(student.most)}"
        notes = "marked before" if was_there else f"{student.seconds:.0f} s"
        problem = f"  {one_line(student.problem)}" if student.problem else ""
        print(
            f"{self.done:{self.width}}/{self.number}  {marks}  {one_line(student.name)}  "
            f"({notes}){problem}{rest}",
            file=sys.stderr,
            flush=True,
        )


def grade(
    marking: Marking, submissions: list[Submission], files: dict[str, str], jobs: int
) -> list[Student]:
    """Marks what is not marked yet; returns all students in the submissions' order."""
    progress = Progress(len(submissions))
    students: dict[str, Student] = {}
    todo = []
    for submission in submissions:
        if student := marking.kept(submission, files[submission.student]):
            students[submission.student] = student
            progress.tell(student, was_there=True)
        else:
            todo.append(submission)
    progress.began = time.monotonic()
    progress.number, progress.done = len(todo), 0
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(marking.mark, one, files[one.student]): one for one in todo}
        try:
            for future in as_completed(waiting):
                student = future.result()
                students[student.name] = student
                progress.tell(student)
        except BaseException:
            marking.stopping.set()
            for future in waiting:
                future.cancel()
            raise
    return [students[one.student] for one in submissions]


def salt_of(rubric: Path) -> str:
    """Changes with the rubric, with the tests, and with what marks by them."""
    total = hashlib.sha256(rubric.read_bytes())
    for folder in ("tools/grade", "tools/check", "tests/contract"):
        for path in sorted((ROOT / folder).glob("*.py")):
            total.update(path.read_bytes())
    return total.hexdigest()


def pack_for_gradescope(arguments: Namespace) -> int:
    file = OutputFile("grade: --gradescope", arguments.gradescope)
    rubric = rubric_of(arguments.rubric)
    file.write(pack(Path(arguments.rubric)))
    print(f"{arguments.gradescope} marks by '{clean(rubric.title)}', {figure(rubric.most)} points.")
    print(
        "On Gradescope, choose a base image with Debian 12, Ubuntu 24.04 or a later one, and give"
    )
    print(f"the autograder more than {rubric.limits.seconds} s and {rubric.limits.memory} MiB.")
    print("tools/grade/autograder/README.md says more.")
    return 0


def rubric_of(path: str) -> Rubric:
    try:
        return read(Path(path))
    except BadRubric as error:
        complain(2, f"grade: {clean(str(error))}")


def main() -> int:
    command = CommandLine("grade", __doc__)
    command.add_argument("submissions", nargs="?")
    command.add_argument("--rubric")
    command.add_argument("--jobs", type=int, default=2)
    command.add_argument("--out")
    command.add_argument("--gradescope")
    command.add_argument("--json", action="store_true")
    arguments = command.read()
    if bool(arguments.submissions) == bool(arguments.gradescope) or not arguments.rubric:
        complain(2, "grade: which folder, and which rubric? ./triptych grade FOLDER --rubric FILE")
    if arguments.gradescope:
        return pack_for_gradescope(arguments)
    if not 1 <= arguments.jobs <= 64:
        complain(2, "grade: --jobs is at least 1 and at most 64")
    folder = Path(arguments.submissions)
    if not folder.is_dir():
        complain(2, f"grade: {folder}: no such folder")
    rubric = rubric_of(arguments.rubric)
    submissions = find(folder)
    for name in strange(folder):
        print(
            f"triptych: grade: {one_line(name)} is no folder and no archive: left out",
            file=sys.stderr,
        )
    if not submissions:
        complain(2, f"grade: {folder} has no folder and no archive in it")
    names = [one.student for one in submissions]
    if double := {name for name in names if names.count(name) > 1}:
        complain(2, f"grade: {clean(sorted(double)[0])} is there twice, as folder and as archive")
    if why := sandbox.missing():
        complain(1, f"grade: {why}")
    out = Path(arguments.out or f"{str(folder).rstrip('/')}-marks")
    make_folder("grade: --out", out / "state")
    files: dict[str, str] = {}
    for name in names:
        files[name] = slug(name, files.values())
    try:
        with temporary_folder() as project:
            sandbox.copy_project(project)
            salt = salt_of(Path(arguments.rubric))
            marking = Marking(rubric, project, out, salt, arguments.jobs)
            students = grade(marking, submissions, files, arguments.jobs)
    except sandbox.Failed as failed:
        print(clean(str(failed)), file=sys.stderr)
        complain(1, "grade: the sandbox itself does not work (output above)")
    results.write(out, rubric, students, files)
    if arguments.json:
        print(json.dumps(results.as_json(rubric, students), indent=1))
    else:
        print(f"{len(students)} submissions marked: {out}/marks.csv, {out}/index.html")
    return 0
