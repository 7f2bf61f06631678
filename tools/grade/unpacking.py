"""Unpacks one submission in a process of its own, with limits on its memory and its time.

An archive can cost much before anything of it is written: a header that claims gigabytes, a million
names, a member that is skipped and must be unpacked for that. Such a one is unfit, and the others
are not touched by it.

    /usr/bin/python3 -B tools grade.unpacking ARCHIVE-OR-FOLDER FOLDER
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

from grade.submissions import MOST_BYTES, Submission, Unfit, Work, unpack
from harness.panels import ROOT

MOST_MEMORY = 512 << 20  # bytes of address space; the interpreter itself takes 30 MiB
MOST_CPU_S = 15
MOST_WALL_S = 120  # on a busy machine


def unpack_apart(submission: Submission, folder: Path) -> Work:
    """unpack(), and Unfit if it takes too much."""
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools"), "grade.unpacking"]
    command += [str(submission.path.absolute()), str(folder)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=MOST_WALL_S
        )
        found = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise Unfit("it takes too much time or memory to unpack it") from None
    if "unfit" in found:
        raise Unfit(found["unfit"])
    return Work(folder / "panel", found["panel"], found["programs"])


def limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_CPU, MOST_CPU_S),
        (resource.RLIMIT_FSIZE, MOST_BYTES + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main() -> int:
    path, folder = map(Path, sys.argv[1:])
    limit()
    try:
        work = unpack(Submission("", path), folder)
        found = {"panel": work.panel, "programs": work.programs}
    except Unfit as unfit:
        found = {"unfit": str(unfit)}
    except (MemoryError, RecursionError):
        found = {"unfit": "it takes too much memory to unpack it"}
    print(json.dumps(found))
    return 0
