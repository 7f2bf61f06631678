"""A copy of the tree, in which faults are planted one after the other, built and tested."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LEFT_OUT = shutil.ignore_patterns(".git", "build*", "__pycache__", ".pytest_cache")
# Python tells sources apart by their size and the second of their last change: not enough here.
TREE_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "yes"}
PYTEST = "/usr/bin/python3 -B -m pytest -q -p no:cacheprovider -p no:xdist -n 0 --tb=short".split()
UNLIMITED = ["prlimit", "--as=unlimited"]  # LeakSanitizer reserves terabytes
FAILING = "tests/contract/failing.so"  # what some tests preload
BUILD_S, UNIT_S = 300, 60  # seconds until what hangs counts as failed


class Wrong(Exception):
    """Something other than a test went wrong: a fault without its text, a build that fails."""


class Tree:
    """The copy. Whatever runs in it leads a process group, which ends with it."""

    def __init__(self, tree: Path, *options: str) -> None:
        self.tree = tree
        self.process: subprocess.Popen[str] | None = None
        self.stopped = False
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        self.must(["meson", "setup", *options, "build"], "meson")

    def run(
        self, command: list[str], seconds: float, **more: str
    ) -> subprocess.CompletedProcess[str] | None:
        """None: it did not end in time. `more` are variables of its environment."""
        if self.stopped:
            raise Wrong("stopped")
        process = subprocess.Popen(
            command, cwd=self.tree, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, errors="replace", start_new_session=True,
            env={**os.environ, **TREE_ENVIRONMENT, "TRIPTYCH_BUILD": str(self.tree / "build"), **more},
        )
        self.process = process
        try:
            output, _ = process.communicate(timeout=seconds)
            return subprocess.CompletedProcess(command, process.returncode, output)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.process = None
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def stop(self) -> None:
        self.stopped = True
        if process := self.process:
            os.killpg(process.pid, signal.SIGKILL)

    def must(self, command: list[str], what: str) -> None:
        done = self.run(command, BUILD_S)
        if not done or done.returncode:
            lines = done.stdout.splitlines() if done else ["it does not end"]
            told = [line for line in lines if "error:" in line.lower()] or lines[-5:]
            raise Wrong(f"{what} fails: " + "\n    ".join(told[:5]))

    def ninja(self, targets: list[str]) -> None:
        if targets:  # else ninja would build everything
            self.must(["ninja", "-C", "build", "-j", "2", *targets], "the build")

    def unit_fails(self, unit: str, seconds: float = UNIT_S, **more: str) -> str:
        """What failed, in words; "": it passes."""
        preload = more.pop("LD_PRELOAD", "")
        prefix = [*UNLIMITED, "env", f"LD_PRELOAD={preload}"] if preload else []
        command = [*prefix, f"build/tests/units/unit-{unit}", f"tests/data/corpus/{unit}"]
        done = self.run(command, seconds, **more)
        if done is None or done.returncode < 0:
            return f"unit {unit} ({'hangs' if done is None else 'dies'})"
        names = re.findall(r"^\[  FAILED  \] (test_\w+)$", done.stdout, re.M)
        return f"unit {unit}: {names[0] if names else 'fails'}" if done.returncode else ""
