"""Several tests at once: whatever a process does, no result is lost, and nothing is left over."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

import processes
from conftest import ROOT
from programs import until

TESTS = '''
import os, sys, time
from pathlib import Path
import pytest

def test_passes(tmp_path): assert (tmp_path / "a").write_text("x")
def test_fails():
    print("said before")
    assert [1, 2] == [1, 3]
def test_is_skipped(): pytest.skip("why not")
@pytest.fixture
def bad():
    yield
    raise OSError("at its end")
def test_whose_fixture_fails(bad): pass
def test_whose_process_ends(): os._exit(7)
@pytest.mark.parametrize("n", range(20))
def test_many(n): pass
'''
SLOW = '''
import os, time
from pathlib import Path
import pytest
LOG = Path(__file__).with_name("log")

@pytest.fixture
def noted():
    with LOG.open("a") as log: log.write(f"begin {os.getpid()}\\n")
    yield
    with LOG.open("a") as log: log.write(f"end {os.getpid()}\\n")
'''
MARKED = SLOW + "MARK\n@pytest.mark.parametrize('n', range(12))\ndef test_marked(noted, n): time.sleep(0.05)\n"
LONG = SLOW + "@pytest.mark.parametrize('n', range(9))\ndef test_long(noted, n): time.sleep(60)\n"
FAILING = SLOW + "@pytest.mark.parametrize('n', range(200))\ndef test_bad(noted, n): assert n != 3 and not time.sleep(0.05)\n"


def command(folder: Path, text: str, *words: str) -> tuple[list[str], dict[str, str]]:
    file = folder / "test_it.py"
    file.write_text(text)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "conftest", f"--rootdir={folder}", "-n", "4"]
    return [sys.executable, "-B", "-m", "pytest", str(file), *options, *words], {
        **os.environ,
        "PYTHONPATH": str(ROOT / "tests"),
    }


def run(folder: Path, text: str, *words: str) -> tuple[int, str, list[str]]:
    """Its status, what it said, and what its tests noted."""
    argv, environment = command(folder, text, *words)
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=150)
    log = folder / "log"
    return done.returncode, done.stdout + done.stderr, log.read_text().splitlines() if log.exists() else []


def test_every_result_comes_back(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    status, said, _ = run(tmp_path, TESTS, f"--junitxml={report}")
    assert status == 1
    assert re.search(r"2 failed, 22 passed, 1 skipped, 1 error", said), said
    for words in ("At index 1 diff: 2 != 3", "said before", "OSError: at its end"):
        assert words in said
    assert "its process has ended in test_it.py::test_whose_process_ends" in said
    cases = {str(case.get("name")): case for case in xml.parse(report).iter("testcase")}
    assert len(cases) == 25
    bad = {name for name, case in cases.items() if {"failure", "error"} & {child.tag for child in case}}
    assert bad == {"test_fails", "test_whose_fixture_fails", "test_whose_process_ends"}


@pytest.mark.parametrize("mark, most", [("heavy", 1), ("heavy and not", 4), ("together", 1)])
def test_how_many_run_at_once(tmp_path: Path, mark: str, most: int) -> None:
    line = "" if "not" in mark else f"pytestmark = pytest.mark.{mark}"
    status, said, noted = run(tmp_path, MARKED.replace("MARK", line))
    assert status == 0, said
    now, peak = 0, 0
    for word in noted:
        now += 1 if word.startswith("begin") else -1
        peak = max(peak, now)
    assert len(noted) == 24 and (peak == 1 if most == 1 else peak > 1), noted
    if mark == "together":
        assert len(set(noted)) == 2  # one process


class Item:
    """A test, as a plan sees it."""

    def __init__(self, path: str, mark: str = ""):
        self.path, self.mark = path, mark

    def get_closest_marker(self, name: str) -> bool | None:
        return name == self.mark or None


def test_the_tests_of_a_file_are_spread_over_the_run() -> None:
    """In one file they wait, in another they compute."""
    items = [*30 * [Item("a")], *10 * [Item("b")], *3 * [Item("c", "together")]]
    plan = processes.Plan(items)  # type: ignore[arg-type]
    order = [items[job[0]].path for job in iter(plan.take, None)]
    assert "".join(order) == "c" + 10 * "aaba"


def test_the_first_failure_ends_it_on_demand(tmp_path: Path) -> None:
    status, said, noted = run(tmp_path, FAILING, "-x")
    assert status == 1 and "stopping after 1 failures" in said
    begun, ended = (sum(word.startswith(what) for word in noted) for what in ("begin", "end"))
    assert begun == ended < 100


def test_an_interrupt_ends_the_tests_and_their_fixtures(tmp_path: Path) -> None:
    argv, environment = command(tmp_path, LONG)
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    log = tmp_path / "log"
    try:
        until(lambda: log.exists() and log.read_text().count("begin") == 4, 150)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=150)
    finally:
        process.kill()
    assert process.returncode == 2 and "KeyboardInterrupt" in said
    noted = log.read_text().splitlines()
    pids = {word.split()[1] for word in noted}
    assert len(noted) == 8 and {word for word in noted} == {f"{what} {pid}" for what in ("begin", "end") for pid in pids}
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
