"""./triptych test - tests the contract, clause by clause, and everything else

Usage:  ./triptych test [PANEL...] [-k EXPRESSION] [-x]
        ./triptych test --web [-k EXPRESSION] [-x]

First runs the unit tests in C (meson test). Then runs pytest on tests/: the
contract (common/CONTRACT.md) on each panel, through its real programs, and the
tests of the instruments. A busy machine fails a test now and then: up to three
failed tests are run once more, one at a time. What passes then is named. The
last line counts all: "N passed, N failed".

  PANEL...       these panels only; without: all that are built
  -k EXPRESSION  only tests whose names match, as pytest understands it, and no
                 unit tests: ./triptych test raw -k R4
  -x             stops at the first failure
  --web          the pages of ./triptych web in a browser without a window
                 (Chromium), and nothing else: a minute

Ctrl-C ends the tests and leaves no process behind.
Exit status: 0 all passed, 1 something failed, 2 the command line was wrong,
130 stopped by Ctrl-C, 141 the reader of the output has gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import xml.etree.ElementTree as xml
from dataclasses import dataclass
from pathlib import Path

from harness.command import CommandLine
from harness.panels import BUILD, ROOT, choose_panels, complain


PYTEST = "/usr/bin/python3 -B -m pytest -q --tb=short -p no:cacheprovider".split()
NONE_SELECTED = 5  # pytest's exit status
AGAIN_MOST = 3  # failed tests that are run once more; with more of them, it is not the machine


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, report: Path) -> int:
        """Adds the results of a JUnit report; returns how many there were."""
        cases = list(xml.parse(report).iter("testcase")) if report.exists() else []
        for case in cases:
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed += 1
            elif case.find("skipped") is not None:
                self.skipped += 1
            else:
                self.passed += 1
        return len(cases)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def run(command: list[str]) -> int:
    """Runs a command in the foreground. When we are stopped, so is it."""
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.kill()  # what it leaves running becomes ours: kill_orphans()
            raise


def adopt_orphans() -> None:
    """From now on what loses its parent becomes ours (PR_SET_CHILD_SUBREAPER): an interrupted
    pytest leaves the programs that it was testing."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    """Of all its threads; none, if it is gone."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, listed.read_text().split())
    return found


def kill_orphans() -> None:
    """Kills what the tests left running: first all of it,
    so that nothing starts more, then waits."""
    while ours := children(os.getpid()):
        family = list(ours)
        for pid in family:
            family += children(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in ours:
            os.waitpid(pid, 0)


def units(count: Count) -> None:
    """The units: one line each while they run, the output of those that fail."""
    report = BUILD / "meson-logs" / "testlog.junit.xml"
    report.unlink(missing_ok=True)
    print("== units (meson test)", flush=True)
    status = run(["meson", "test", "-C", str(BUILD), "--no-rebuild", "--print-errorlogs"])
    failed = count.failed
    count.add(report)
    for suite in xml.parse(report).iter("testsuite") if report.exists() else []:
        if suite.get("failures", "0") != "0" or suite.get("errors", "0") != "0":
            lines = (suite.findtext("system-out") or "").splitlines()  # which meson keeps to itself
            print("\n".join(line for line in lines if line.startswith("# ")), flush=True)
    if status and count.failed == failed:
        print(f"meson test ended with status {status}", flush=True)
        count.failed += 1


def contract(count: Count, panels: list[str], options: list[str], pages: bool = False) -> None:
    """The contract on these panels, and all else that pytest finds in tests/;
    or the pages in a browser alone."""
    report = BUILD / "pytest.junit.xml"
    report.unlink(missing_ok=True)
    print(f"== {'pages' if pages else 'contract'} (pytest): {' '.join(panels)}", flush=True)
    chosen = [word for panel in panels for word in ("--panel", panel)]
    arguments = ["--build", str(BUILD), f"--junitxml={report}", *chosen]
    files = sorted(map(str, ROOT.glob("tests/web/check_*.py"))) if pages else ["tests"]
    status = run([*PYTEST, *files, *arguments, *options])
    first = Count()
    found = first.add(report)
    if not found and status == NONE_SELECTED:
        complain(
            2,
            f"test: no test's name matches -k {options[options.index('-k') + 1]}; "
            "./triptych test --help"
            if "-k" in options else "test: there is no test of these panels",
        )
    if not found:
        print(f"no test was run (pytest ended with status {status})", flush=True)
        first.failed += 1
    elif status and not first.failed:
        print(f"pytest ended with status {status}", flush=True)
        first.failed += 1
    elif 0 < first.failed <= AGAIN_MOST and "-x" not in options:
        again(first, report, [*arguments, "-n", "0"])
    count.passed += first.passed
    count.failed += first.failed
    count.skipped += first.skipped


def failures(report: Path) -> list[str]:
    """The tests that failed, as pytest names them on its command line."""
    bad = [
        case for kind in ("failure", "error")
        for case in xml.parse(report).iterfind(f".//testcase[{kind}]")
    ]
    return sorted({f"{c.get('classname', '').replace('.', '/')}.py::{c.get('name')}" for c in bad})


def again(count: Count, report: Path, arguments: list[str]) -> None:
    """Runs the tests that failed once more, and corrects the count."""
    tests = failures(report)
    print("== once more, one at a time", flush=True)
    report.replace(report.with_suffix(".first.xml"))
    run([*PYTEST, *tests, *arguments])
    if Count().add(report) != len(tests):
        return  # a name that pytest does not take: what failed stays failed
    passed = [test for test in tests if test not in failures(report)]
    for test in passed:
        print(f"passed at the second attempt only: {test}", flush=True)
    count.failed -= len(passed)
    count.passed += len(passed)


def main() -> int:
    adopt_orphans()
    try:
        return test()
    finally:
        kill_orphans()


def test() -> int:
    command = CommandLine("test", __doc__)
    command.add_argument("-k", metavar="EXPRESSION")
    command.add_argument("-x", action="store_true")
    command.add_argument("--web", action="store_true")
    command.add_argument("panels", nargs="*")
    arguments = command.read()
    panels, left_out = choose_panels(arguments.panels, "test")
    for panel in left_out:
        print(f"Panel {panel.name} is left out: {panel.left_out()}.", flush=True)
    os.environ["TRIPTYCH_BUILD"] = str(BUILD)
    count = Count()
    if not arguments.k and not arguments.web:
        units(count)
    if not (arguments.x and count.failed):
        options = (["-x"] if arguments.x else []) + (["-k", arguments.k] if arguments.k else [])
        names = [panel.name for panel in panels]
        browsers = ["-n", "2"] if arguments.web else []  # each of its own tests' file
        contract(count, names, [*options, *browsers], arguments.web)
    if left_out and arguments.panels:
        count.failed += len(left_out)  # asked for by name, and not tested
    print(f"\n{count}", flush=True)
    return 1 if count.failed else 0
