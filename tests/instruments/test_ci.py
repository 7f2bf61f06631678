"""`.ci/run`: every part is begun and counted, whatever becomes of it. The commands are pretended."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="no git, which .ci/run asks for its files and the commit")
PARTS = re.findall(r"^part_(\w+)\(", (ROOT / ".ci/run").read_text(), re.M)
PASSES = "#!/bin/sh\necho '1 passed, 0 failed'\n"
COMMANDS = {
    "triptych": "#!/bin/sh\nif [ \"$1\" = lab ]; then echo '{\"experiments\": []}'; else echo '1 passed, 0 failed'; fi\n",
    "tests/mutate": PASSES,
    "tests/fuzz/run": PASSES,
    "tests/fuzz/frames": PASSES,
    "tests/instruments/check_assignments.py": PASSES,
    "tests/instruments/check_bench.py": "#!/usr/bin/python3\n",
    "one.c": "int one;\n",
    "panels.txt": "",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in COMMANDS.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all of it"]):
        command = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", *words]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def ci(tree: Path, *words: str) -> tuple[int, str]:
    """The exit status and what was said; the packages are taken for installed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TRIPTYCH_")}
    done = subprocess.run(
        [tree / ".ci/run", *words],
        cwd=tree,
        env={**env, "TRIPTYCH_CI": "part"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def test_a_part_that_is_killed_has_failed_and_the_others_are_counted(tree: Path) -> None:
    """As by the kernel when memory is short: what the part had counted until then is not all."""
    (tree / "tests/mutate").write_text(f"{PASSES}kill -KILL $PPID\n")
    status, said = ci(tree)
    for part in {*PARTS} - {"winsock", "mutate"}:
        assert re.search(rf"  part {part}: \d+ s, \d+ s of processor time$", said, re.M), (part, said)
    assert "FAILED: part mutate: ended with status 137" in said, said
    assert status == 1 and re.search(r"^\d+ passed, [1-9]\d* failed$", said.splitlines()[-1]), said


def test_a_part_alone_needs_no_build_of_another_part(tree: Path) -> None:
    status, said = ci(tree, "winsock")
    assert "FAILED: winsock beside raw" in said and "unbound" not in said, said
    assert status == 1
