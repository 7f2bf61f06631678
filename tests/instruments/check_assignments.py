#!/usr/bin/python3
"""Marks the start and the solution of assignments by their rubrics, as a class of two.

Usage:  tests/instruments/check_assignments.py [ASSIGNMENT...]

A solution must get all points, a start fewer than a third of them. The last line is
"N passed, N failed". Exit status: 0 nothing failed, 1 something did.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from check.rubric import read  # noqa: E402
from harness.panels import read_panels  # noqa: E402


def submission(folder: Path, name: str) -> None:
    """A copy of a panel's sources, as a student would hand them in."""
    panel = next(panel for panel in read_panels() if panel.name == name)
    folder.mkdir()
    for path in (ROOT / panel.folder).iterdir():
        if path.suffix in (".c", ".h"):
            shutil.copy(path, folder)
    text = (folder / "panel.c").read_text().replace(f'"{name}"', '"mine"')
    (folder / "panel.c").write_text(text)
    meson = (ROOT / panel.folder / "meson.build").read_text().replace(f"'{name}'", "'mine'")
    (folder / "meson.build").write_text(meson)


def wrong_with(assignment: Path, scratch: Path) -> list[str]:
    rubric = read(assignment / "rubric.toml")
    folder = scratch / assignment.name
    folder.mkdir()
    submission(folder / "start", rubric.start)
    submission(folder / "solution", rubric.solution)
    done = subprocess.run(
        ["/usr/bin/python3", "-B", str(ROOT / "tools"), "grade.grade", str(folder), "--json",
         "--rubric", str(assignment / "rubric.toml"), "--jobs", "1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=900,
    )  # fmt: skip
    if done.returncode:
        return [f"grade ends with status {done.returncode}"]
    students = {one["name"]: one for one in json.loads(done.stdout)["students"]}
    start, solution = students["start"]["points"], students["solution"]["points"]
    wrong = []
    if abs(solution - rubric.most) > 0.01:
        bad = [item["name"] for item in students["solution"]["items"] if item["points"] < item["most"]]
        wrong.append(f"{rubric.solution} gets {solution} of {rubric.most}: {' '.join(bad)}")
    if start >= rubric.most / 3:
        wrong.append(f"{rubric.start} gets {start} of {rubric.most}, a third or more")
    sheet = (assignment / "sheet.md").read_text()
    for clause, points in rubric.clauses.items():
        most = points if isinstance(points, float) else sum(points.values())
        if not re.search(rf"^\| {clause}: .* \| {most:g} \|$", sheet, re.M):
            wrong.append(f"its sheet does not give {most:g} points for {clause}")
    return wrong


def main() -> int:
    chosen = sorted(path.parent for path in (ROOT / "teach" / "assignments").glob("*/rubric.toml"))
    chosen = [one for one in chosen if not sys.argv[1:] or one.name in sys.argv[1:]]
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for assignment in chosen:
            wrong = wrong_with(assignment, Path(scratch))
            failed += bool(wrong)
            print(f"{'FAILED' if wrong else 'passed'} {assignment.name}{': ' if wrong else ''}"
                  f"{'; '.join(wrong)}", flush=True)  # fmt: skip
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
