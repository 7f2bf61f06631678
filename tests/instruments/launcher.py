"""A copy of ./triptych in a tree of its own, where fake tools come first in PATH."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT

FILES = ("triptych", "panels.txt", "packages.txt")
FOLDERS = ("tools", "template", "template-programs", "winsock", "lab/experiments", "raw/steps", "nng/steps")

# Knows the packages of a file: "NAME STATE", the state being installed, available or unknown.
FAKE = {
    "dpkg-query": """awk '$2 ~ /^(installed|config-files)$/ { print $2, $1, "1" }' "$HOME/packages" """,
    "apt-cache": """shift
        for name; do
            state=$(awk -v name="$name" '$1 == name { print $2 }' "$HOME/packages")
            case $state in
            '') ;;
            unknown) printf '%s:\\n  Installed: (none)\\n  Candidate: (none)\\n' "$name" ;;
            *) printf '%s:\\n  Installed: (none)\\n  Candidate: 1\\n' "$name" ;;
            esac
        done""",
    "apt-get": """echo "$@" | sed 's/^.*Timeout=120 //' >>"$HOME/asked"
        case $* in *update) [ ! -f "$HOME/lists" ] || cp "$HOME/lists" "$HOME/packages" ;; esac""",
    "id": "echo 0",
    "meson": "case $1 in --version) echo 1.0 ;; *) exit 7 ;; esac",
    "ninja": "exit 7",
}


class Tree:
    """A copy of the launcher and of what it reads, with fake tools. The folders that it reads are
    links; copies are for another user, who may not enter ours."""

    def __init__(self, folder: Path, copies: bool = False) -> None:
        self.folder, self.tools = folder / "tree", folder / "tools"
        self.tools.mkdir()
        self.folder.mkdir()
        for name in FILES:
            shutil.copy(ROOT / name, self.folder)
        for name in FOLDERS:
            there = self.folder / name
            there.parent.mkdir(exist_ok=True)
            shutil.copytree(ROOT / name, there) if copies else there.symlink_to(ROOT / name)
        launcher = self.folder / "triptych"
        text, changed = re.subn(r"(?m)^PATH=", f"PATH={self.tools}:", launcher.read_text())
        assert changed == 1
        launcher.write_text(text)
        for name, script in FAKE.items():
            self.fake(name, script)

    def fake(self, name: str, script: str) -> None:
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    def packages(self, **states: str) -> None:
        """What is there, and what a verb needs: NAME=STATE, _ standing for - and needs= for a line."""
        needed = states.pop("needs")
        lines = [f"verb {package} why" for package in needed.split()]
        (self.folder / "packages.txt").write_text("\n".join(["build gcc why", *lines, ""]))
        (self.tools / "packages").write_text("".join(f"{n.replace('_', '-')} {s}\n" for n, s in states.items()))

    def asked(self) -> list[str]:
        """What apt-get was asked for."""
        path = self.tools / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def run(self, *words: str, status: int, **more: str) -> tuple[str, str]:
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.tools), "LANG": "C.UTF-8", **more}
        done = subprocess.run(
            [str(self.folder / "triptych"), *words], capture_output=True, text=True, timeout=150, env=kept,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == status, (done.returncode, done.stdout[-500:], done.stderr)
        return done.stdout, done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def refused(tree: Tree, *words: str, status: int = 2) -> str:
    """What the launcher says; it has installed and built nothing."""
    out, said = tree.run(*words, status=status)
    assert out == "" and said.startswith("triptych: ")
    assert not tree.asked() and not (tree.folder / "build").exists()
    return said
