"""A verb's program, run as ./triptych runs it, and its golden outputs over the frozen tree tests/data/sample/.

Where a change of the output is meant: TRIPTYCH_GOLDEN=write /usr/bin/python3 -m pytest tests/instruments, and read the difference before committing it.
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from conftest import ROOT

SAMPLE = ROOT / "tests" / "data" / "sample"
GOLDEN = SAMPLE / "golden"


@contextlib.contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that other users may enter. pytest's own is closed to them, again at each start."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def tool(verb: str, *words: str, status: int = 0, seconds: int = 120, **environment: str) -> tuple[str, str]:
    """Runs a verb away from any terminal; returns what it printed, on both streams."""
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    done = subprocess.run(
        ["/usr/bin/python3", "-B", str(ROOT / "tools"), f"compare.{verb}", *words],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds, env={**kept, **environment},
    )  # fmt: skip
    assert done.returncode == status, (done.returncode, done.stdout[-2000:], done.stderr)
    return done.stdout, done.stderr


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
