"""A test must be able to fail: on a panel that does nothing every test of a clause does."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from conftest import ROOT

CLAUSES = {f"R{i}" for i in range(1, 12)} | {f"P{i}" for i in range(1, 10)}
LEFT_OUT = shutil.ignore_patterns(".git", "build*", "__pycache__", ".pytest_cache", "subprojects")


def new_panel(tree: Path, name: str) -> None:
    """The template under a new name, the only panel of the tree."""
    shutil.copytree(tree / "template", tree / name)
    for path in (tree / name).iterdir():
        path.write_text(path.read_text().replace("template", name))
    (tree / "panels.txt").write_text(f"{name} {name} framing=raw a panel that does nothing\n")


def run(*argv: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return subprocess.run(
        argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=480
    )


@pytest.mark.first
def test_every_clause_fails_on_the_template(tmp_path: Path) -> None:
    if not shutil.which("meson"):
        pytest.skip("meson is not installed")
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    new_panel(tree, "mine")
    programs = [f"mine-{role}" for role in ("req", "rep", "pub", "sub", "driver")]
    for argv in (("meson", "setup", "--buildtype", "plain", "build"), ("ninja", "-C", "build", *programs)):
        built = run(*argv, cwd=tree)
        assert built.returncode == 0, built.stdout + built.stderr

    tests = sorted(str(p) for p in (tree / "tests").glob("*/test_*.py"))
    chosen = [p for p in tests if re.search(r"def test_[RP]\d", Path(p).read_text())]
    report = tmp_path / "report.xml"
    arguments = ("-q", "--tb=no", "--panel", "mine", "-k", "_R or _P", f"--junitxml={report}")
    done = run(sys.executable, "-m", "pytest", *chosen, *arguments, cwd=tree)
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr

    failed, other = set(), []
    for case in xml.parse(report).iter("testcase"):
        clause = re.match(r"test_([RP]\d+)_", case.get("name", ""))
        if not clause:
            continue
        skipped = case.find("skipped")
        if skipped is not None and "empty parameter set" in skipped.get("message", ""):
            continue  # of other panels' protocols
        if case.find("failure") is not None:
            failed.add(clause[1])
        else:
            other.append(case.get("name"))
    assert not other, f"did not fail: {other}"
    assert failed == CLAUSES
