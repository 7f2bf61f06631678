"""A plugin of pytest: which lines of the C code each test reaches.

    pytest -p mutants.recorder, with TRIPTYCH_REACH=FOLDER

The programs come from a build of clang's that counts what runs (reach.py makes it). Each writes its
counts to a mapped file, so that not even SIGKILL loses them. One file a program and test: the name
tells the program, by a number that clang makes of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path(os.environ["TRIPTYCH_REACH"])
Lines = dict[str, list[int]]  # by file


def exported(profile: Path, programs: list[Path]) -> Lines:
    """The lines that ran, by file."""
    command = ["llvm-cov", "export", "-format=lcov", f"-instr-profile={profile}", str(programs[0])]
    command += [word for program in programs[1:] for word in ("-object", str(program))]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines: Lines = {}
    file = ""
    for line in output.splitlines():
        if line.startswith("SF:"):
            path = Path(os.path.normpath(line[3:]))
            file = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
        elif file and line.startswith("DA:") and not line.endswith(",0"):
            lines.setdefault(file, []).append(int(line[3:].split(",")[0]))
    return lines


def signatures() -> dict[str, Path]:
    """Each program by the number in the name of its counts."""
    return {n: Path(path) for n, path in json.loads((FOLDER / "programs.json").read_text()).items()}


def reached(counts: Path, kept: Path) -> Lines:
    """What the files in a folder say, which are merged into one that is kept."""
    programs = signatures()
    files = [file for file in counts.glob("*.profraw") if file.stat().st_size]
    found = [programs[n] for file in files if (n := file.name.split("_")[0]) in programs]
    if not found:
        return {}
    # A program that was killed before it had written the head of its file has reached nothing.
    merge = ["llvm-profdata", "merge", "-sparse", "-failure-mode=all", "-o", str(kept), *map(str, files)]
    if subprocess.run(merge, capture_output=True).returncode:
        return {}
    return exported(kept, found)


@contextlib.contextmanager
def record(test: str) -> Iterator[None]:
    """Notes the lines that are reached meanwhile by programs that are started meanwhile."""
    counts = FOLDER / f"counts-{os.getpid()}"
    shutil.rmtree(counts, ignore_errors=True)
    os.environ["LLVM_PROFILE_FILE"] = f"{counts}/%c%m.profraw"
    since = time.monotonic()
    yield
    seconds = round(time.monotonic() - since, 2)
    kept = FOLDER / "profiles"
    kept.mkdir(exist_ok=True)
    number = len(list(kept.glob(f"{os.getpid()}-*")))
    lines = reached(counts, kept / f"{os.getpid()}-{number}")
    with open(FOLDER / f"tests-{os.getpid()}.jsonl", "a") as file:
        file.write(json.dumps({"test": test, "seconds": seconds, "lines": lines}) + "\n")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with record(item.nodeid):
        yield
