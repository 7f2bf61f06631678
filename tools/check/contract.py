"""Runs the tests of the contract on one panel, and collects what became of each clause.

The tests are those of tests/contract/: pytest runs them in a process of its own (plugin.py says
which, and for how long) and writes a JSON line for each that has ended, which run() reads.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from check.clauses import CLAUSES, PATTERNS, pattern_of
from harness.folders import temporary_folder
from harness.panels import BUILD, ROOT, Panel
from harness.program import dying

LIMIT_S = 20.0  # of one test; on a busy machine the longest takes 8 s
PROCESSES = 16  # at once: most tests wait
PROCESSES_SLOW = 4  # of ready programs: an interpreter, or Wine, takes long to start

KEPT = "kept"  # every test that applies passed
BROKEN = "broken"  # a test failed
NOT_REACHED = "not reached"  # no test was run: the first exchange of the pattern failed
NOT_REACHABLE = "not reachable"  # no test applies to this panel
NO_TEST = "no test"  # the contract has none for this clause over this transport


class Failed(Exception):
    """pytest itself did not work."""


@dataclass
class Failure:
    """One failed test in words."""

    test: str
    transport: str
    done: str
    expected: str
    came: str
    detail: str  # as pytest shows it

    @staticmethod
    def of(line: dict[str, Any]) -> Failure:
        return Failure(**{key: line[key] for key in Failure.__dataclass_fields__})


@dataclass
class Result:
    """What became of one clause over one transport."""

    word: str = NO_TEST
    passed: int = 0
    passes: set[str] = field(default_factory=set)  # the tests that passed
    failures: list[Failure] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)  # why tests do not apply
    left_out: int = 0  # tests not run, because one of the clause had failed already
    unreached: int = 0
    seconds: float = 0.0  # of all its tests

    def add(self, line: dict[str, Any]) -> None:
        self.seconds = round(self.seconds + line["seconds"], 2)
        if line["result"] == "kept":
            self.passed += 1
            self.passes.add(line["test"])
        elif line["result"] == "broken":
            self.failures.append(Failure.of(line))
        elif line["result"] == "left out":
            self.left_out += 1
        elif line["result"] == "not reached":
            self.unreached += 1
        else:
            self.reasons.append(line["reason"])
        if self.failures:
            self.word = BROKEN
        elif self.unreached or self.left_out:
            self.word = NOT_REACHED
        else:
            self.word = KEPT if self.passed else NOT_REACHABLE


@dataclass
class Report:
    """What check found out about a panel."""

    panel: str
    transports: tuple[str, ...]
    clauses: dict[str, dict[str, Result]]  # by clause, by transport
    first: dict[str, dict[str, Result]]  # the first exchange, by pattern
    seconds: float = 0.0

    @property
    def kept(self) -> bool:
        """Whether all is kept that could be tested, and something could."""
        words = {result.word for row in self.clauses.values() for result in row.values()}
        return KEPT in words and not words & {BROKEN, NOT_REACHED}

    def as_json(self) -> dict[str, Any]:
        """As check.schema.json describes."""

        def row(results: dict[str, Result]) -> dict[str, Any]:
            return {
                transport: {
                    "result": result.word,
                    "passed": result.passed,
                    "not_run": result.left_out + result.unreached,
                    "seconds": result.seconds,
                    "reasons": sorted(set(result.reasons)),
                    "failures": [vars(failure) for failure in result.failures],
                }
                for transport, result in results.items()
            }

        return {
            "panel": self.panel,
            "kept": self.kept,
            "seconds": round(self.seconds, 1),
            "transports": list(self.transports),
            "first_exchange": {pattern: row(results) for pattern, results in self.first.items()},
            "clauses": {
                clause: {**CLAUSES[clause]._asdict(), "results": row(results)}
                for clause, results in self.clauses.items()
            },
        }


def run(
    panel: Panel,
    clauses: Iterable[str] = (),
    transports: Iterable[str] = (),
    *,
    tests: Iterable[str] = (),
    every: bool = False,
    tell: Callable[[int, int, str], None] | None = None,
) -> Report:
    """These clauses on a panel that is built, over these transports. None named: all of them.

    tests: of the clauses that these belong to, only they. every: goes on after a clause's first
    failure. tell is told, as each test ends, how many have, of how many, and which clause it was.
    """
    clauses = [clause for clause in CLAUSES if clause in (set(clauses) or CLAUSES)]
    spoken = tuple(t for t in panel.speaks if not transports or t in set(transports))
    patterns = [p for p in PATTERNS if any(pattern_of(clause) == p for clause in clauses)]
    report = Report(
        panel.name,
        spoken,
        {clause: {t: Result() for t in spoken} for clause in clauses},
        {pattern: {t: Result() for t in spoken} for pattern in patterns},
    )
    began = time.monotonic()
    with temporary_folder() as folder:
        settings = {
            "clauses": clauses,
            "transports": spoken,
            "tests": list(tests),
            "every": every,
            "limit": LIMIT_S,
            "folder": str(folder),
            "processes": PROCESSES_SLOW if panel.kind == "programs" else PROCESSES,
        }
        number, ended = 0, 0
        for line in pytest_lines(panel.name, settings):
            if "tests" in line:
                number = line["tests"]
                continue
            if "crash" in line:
                raise Failed(line["crash"])
            ended += 1
            rows = report.first if line["clause"] in report.first else report.clauses
            rows[line["clause"]][line["transport"]].add(line)
            if tell:
                tell(ended, number, line["clause"])
    settle(report)
    report.seconds = time.monotonic() - began
    return report


def settle(report: Report) -> None:
    """A clause that no test reaches over any transport is not reachable."""
    for row in report.clauses.values():
        if all(result.word == NO_TEST for result in row.values()):
            for result in row.values():
                result.word = NOT_REACHABLE
                result.reasons.append("no test reaches it over these transports")


def files_of(clauses: Iterable[str]) -> list[str]:
    """The files with tests of these clauses, and of the first exchange:
    the others need no reading."""
    wanted = re.compile(rf"^def test_({'|'.join(['first', *clauses])})_", re.MULTILINE)
    files = sorted((ROOT / "tests" / "contract").glob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if wanted.search(file.read_text("utf-8"))]


def pytest_lines(panel: str, settings: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """What the plugin writes, line by line; in the end nothing is left running."""
    reading, writing = os.pipe()
    folder = Path(settings["folder"])
    # -P: nothing is imported from the folder of a panel that has the name of a module
    command = ["/usr/bin/python3", "-BP", "-m", "pytest", *files_of(settings["clauses"]), "-q"]
    command += ["--panel", panel, "--build", str(BUILD), "--capture=no", "-p", "check.plugin"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", "-n", "0"]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
        "TRIPTYCH_CHECK": json.dumps({**settings, "lines": writing}),
        "PYTHONPATH": str(ROOT / "tools"),
        "TMPDIR": settings["folder"],
    }
    log = folder / "pytest.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            dying(command),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            start_new_session=True,
        )
    os.close(writing)
    try:
        said = 0
        with os.fdopen(reading, encoding="utf-8") as lines:
            for said, line in enumerate(lines, 1):
                yield json.loads(line)
        status = process.wait()
        if not said or status not in (0, 1, 5):  # 1: a test failed; 5: none was selected
            raise Failed(log.read_text("utf-8", "replace")[-4000:])
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has ended, and all that it started
        process.wait()
