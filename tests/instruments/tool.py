"""A verb's program, run as ./triptych runs it, and its golden outputs over the frozen tree tests/data/sample/.

Where a change of the output is meant: TRIPTYCH_GOLDEN=write /usr/bin/python3 -m pytest tests/instruments, and read the difference before committing it.
"""

import contextlib
import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from conftest import ROOT

SAMPLE = ROOT / "tests" / "data" / "sample"
GOLDEN = SAMPLE / "golden"

VERBS = ("compare.diff", "compare.size", "compare.steps", "lab.lab", "wire.view.wire", "bench.bench")
for name in VERBS:  # what they import, each process of the tests has then
    with contextlib.suppress(ImportError, SystemExit):  # without it, their tests are left out
        importlib.import_module(name)


@contextlib.contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that other users may enter. pytest's own is closed to them, again at each start."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def tool(verb: str, *words: str, status: int = 0, seconds: int = 120, **environment: str) -> tuple[str, str]:
    """Runs a verb of tools/compare/ away from any terminal; returns what it printed, on both streams."""
    done, out, told = run(f"compare.{verb}", *words, seconds=seconds, **environment)
    assert done == status, (done, out[-2000:], told)
    return out, told


def run(program: str, *words: str, seconds: int = 120, **environment: str) -> tuple[int | None, str, str]:
    """Runs a verb away from any terminal; returns its status, and what it printed on both streams.

    In a process that has its modules already, because a new interpreter takes longer to import them
    than most verbs take for all the rest.
    """
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    command = [str(ROOT / "tools"), program, *words]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as told:
        arguments = (command, {**kept, **environment}, out, told)
        process = multiprocessing.get_context("fork").Process(target=play, args=arguments)
        process.start()
        try:
            process.join(seconds)
        finally:
            process.kill()
            process.join()
        out.seek(0)
        told.seek(0)
        return process.exitcode, out.read(), told.read()


def play(command: list[str], environment: dict[str, str], out: IO[str], told: IO[str]) -> None:
    """The verb; its exit is this process's."""
    with open(os.devnull) as nothing:
        for number, file in enumerate((nothing, out, told)):
            os.dup2(file.fileno(), number)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
    sys.stderr = open(2, "w", buffering=1, closefd=False)
    new = {name for name, value in environment.items() if value != os.environ.get(name)}
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # TMPDIR may be another
    if any(name.startswith("TRIPTYCH_") for name in new):
        forget_ours()
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")


def forget_ours() -> None:
    """Some modules of tools/ read the environment when they are imported, as they are once more."""
    ours = {path.name for path in (ROOT / "tools").iterdir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
        del sys.modules[name]


def sample(verb: str, *words: str) -> str:
    """What it prints about the frozen tree, saying nothing else."""
    out, said = tool(verb, "--tree", str(SAMPLE), *words)
    assert said == ""
    return out


def is_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("TRIPTYCH_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def copy_of_sample(folder: Path) -> Path:
    """A copy to change."""
    subprocess.run(["cp", "-r", str(SAMPLE), str(folder / "tree")], check=True)
    return folder / "tree"
