"""Marks the one submission of a Gradescope container, and writes its results.json.

    BASE/source/rubric.toml, BASE/source/triptych/    as pack.py has packed them
    BASE/submission/                                  what the student has handed in
    BASE/results/results.json                         what the student and the instructor see

run_autograder starts it, with BASE = /autograder. The form of results.json:
https://gradescope-autograders.readthedocs.io/en/latest/specs/. If the marking itself fails, there
is none: Gradescope then says that the autograder failed to execute correctly.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from check.rubric import BadRubric, Item, Rubric, read
from grade import contained, sandbox
from grade.grade import Marking, salt_of
from grade.results import Student, clean, figure, put
from grade.submissions import Submission
from harness.folders import temporary_folder
from harness.panels import complain


def test_of(item: Item, again: list[str]) -> dict[str, Any]:
    """One line of the marks, as Gradescope shows it."""
    words = [f"{transport}: {word}" for transport, word in item.results.items()]
    words += [item.why] if item.why else []
    words += [f"{one}: failed at first, and passed when it was tried again" for one in again
              if one.split()[0] == item.name]  # fmt: skip
    return {
        "name": f"{item.name}: {item.title}",
        "score": item.points,
        "max_score": item.most,
        "status": "passed" if item.points >= item.most else "failed",
        "output": clean("\n".join(words)) or "-",
        "output_format": "text",
        "visibility": "visible",
    }


def results(student: Student, rubric: Rubric, is_contained: bool) -> dict[str, Any]:
    """results.json. All is plain text: what a submission has printed may be in it."""
    lines = [f"{rubric.title}: {figure(student.points)} of {figure(student.most)} points"]
    lines += [student.problem] if student.problem else []
    lines += student.words
    lines += [contained.SENTENCE] if is_contained else []
    return {
        "score": student.points,
        "execution_time": round(student.seconds),
        "output": clean("\n".join(lines)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [test_of(item, student.again) for item in student.items],
    }


def main() -> int:
    if len(sys.argv) != 2:
        complain(2, "gradescope: which folder? Gradescope's is /autograder")
    base = Path(sys.argv[1]).absolute()
    try:
        rubric = read(base / "source" / "rubric.toml")
    except BadRubric as error:
        complain(1, f"gradescope: {clean(str(error))}")
    why = sandbox.missing()
    if why:
        print(f"no sandbox: {clean(why)}\n{contained.SENTENCE}")
        if os.getuid() != 0:
            complain(1, "gradescope: only root can mark without a sandbox")
    (base / "source").chmod(0o700)  # what is marked may be able to look around
    (base / "results").mkdir(exist_ok=True)
    (base / "results").chmod(0o755)
    try:
        with temporary_folder() as project, temporary_folder() as state:
            (state / "state").mkdir()
            sandbox.copy_project(project)
            salt = salt_of(base / "source" / "rubric.toml")
            marking = Marking(rubric, project, state, salt, 1, contained=bool(why))
            student = marking.mark(Submission("submission", base / "submission"), "submission")
    except sandbox.Failed as failed:
        complain(1, f"gradescope: the marking itself does not work: {clean(str(failed))}")
    text = json.dumps(results(student, rubric, bool(why)), indent=1)
    put(base / "results" / "results.json", text)
    print(f"{figure(student.points)} of {figure(student.most)} points  {clean(student.problem)}")
    return 0
