"""Runs the faults of tests/faults/: for each the tests that it names, until one fails."""

from __future__ import annotations

import json
import re
import threading
import time
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from faults import Fault

from .tree import FAILING, PYTEST, ROOT, Tree, Wrong

TESTS_S, LAB_S = 180, 150  # seconds until what hangs counts as failed


@dataclass
class Catch:
    """What caught a fault: in words, and what is to be run again without it."""

    words: str
    unit: str = ""
    tests: list[str] = field(default_factory=list)
    lab: str = ""


def test_files() -> dict[str, str]:
    """The file of each test in Python, by the test's name."""
    return {
        name: str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").glob("*/test_*.py"))
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }


def plant(tree: Path, fault: Fault) -> str:
    """Changes the file, and returns its text before that."""
    path = tree / fault.file
    text = path.read_text()
    found = text.count(fault.old)
    if found != fault.times:
        raise Wrong(f"its text stands {found} times in {fault.file}: mend tests/faults/")
    path.write_text(text.replace(fault.old, fault.new))
    return text


class Worker(Tree):
    """A copy of the tree, in which one fault after the other is planted."""

    def __init__(self, tree: Path) -> None:
        super().__init__(tree)
        self.files = test_files()

    def build(self, units: list[str], panels: list[str], lab: bool = False) -> None:
        targets = ["tap", "probes"] if lab else []
        targets += [f"tests/units/unit-{unit}" for unit in units]
        for panel in panels:
            roles = [f"{panel}-{role}" for role in ("req", "rep", "pub", "sub", "driver")]
            targets += ["tap", "decode", "bench-idle", FAILING] + (roles if panel else [])
        self.ninja(targets)

    def failed_tests(self, panel: str, tests: list[str], *options: str) -> list[str]:
        """Those of the tests that fail. tcp6 is left out: no fault here needs it."""
        if unknown := [test for test in tests if test.split("[")[0] not in self.files]:
            raise Wrong(f"there is no test {unknown[0]}: mend tests/faults/")
        report = self.tree / "report.xml"
        report.unlink(missing_ok=True)
        command = [*PYTEST, f"--junitxml={report}", "-k", "not tcp6", *options]
        command += ["--panel", panel] if panel else []
        command += [f"{self.files[test.split('[')[0]]}::{test}" for test in tests]
        done = self.run(command, TESTS_S)
        if done is None:
            return tests  # one of them hangs
        cases = list(xml.parse(report).iter("testcase")) if report.exists() else []
        if done.returncode not in (0, 1) or not cases:
            raise Wrong(f"pytest ends with status {done.returncode}:\n{done.stdout[-2000:]}")
        return [str(case.get("name")) for case in cases
                if case.find("failure") is not None or case.find("error") is not None]

    def differs(self, panel: str, experiment: str) -> str:
        """In which way an experiment's outcome differs from the recorded one; "": it does not."""
        command = ["/usr/bin/python3", "-B", "tools", "lab.lab", experiment, panel, "--check", "--json"]
        done = self.run(command, LAB_S)
        if done is None:
            return "it does not end"
        text = done.stdout
        try:
            found = json.loads(text[text.index("{\n") : text.rindex("\n}") + 2])["experiments"][0]
        except ValueError:
            raise Wrong(f"lab {experiment} {panel}:\n{text[-2000:]}") from None
        outcome = found["panels"][panel]
        if outcome["status"] == "skipped":
            raise Wrong(f"lab {experiment} {panel}: {outcome['phrase']}")
        said = "; ".join(outcome["deviations"]) or outcome["phrase"]
        return "" if outcome["status"] == "matches" else said

    def catch(self, fault: Fault) -> Catch | None:
        """What catches the fault; a race that it opens may be lost once by luck, not twice."""
        if caught := self.catch_now(fault):
            return caught
        if caught := self.catch_now(fault):
            caught.words += " (at the second attempt only)"
        return caught

    def catch_now(self, fault: Fault) -> Catch | None:
        """Plants the fault and returns what fails first."""
        text = plant(self.tree, fault)
        try:
            self.build(fault.units.split(), [])
            for unit in fault.units.split():
                if words := self.unit_fails(unit):
                    return Catch(words, unit=unit)
            if tests := fault.tests.split():
                self.build([], [fault.panel])
                if failed := self.failed_tests(fault.panel, tests, "-x"):
                    return Catch(" or ".join(failed), tests=failed)
            for experiment in fault.lab.split():
                self.build([], [fault.panel], lab=True)
                if said := self.differs(fault.panel, experiment):
                    return Catch(f"lab {experiment}, {fault.panel}: {said}", lab=experiment)
            return None
        finally:
            (self.tree / fault.file).write_text(text)

    def fail_anyway(self, caught: list[tuple[Fault, Catch]]) -> list[tuple[Fault, Catch]]:
        """Those whose test fails without any fault, too, so that it showed nothing. It must fail
        twice: a busy machine fails a test now and then."""
        for _ in range(2):
            caught = self.fail_now(caught) if caught else []
        return caught

    def fail_now(self, caught: list[tuple[Fault, Catch]]) -> list[tuple[Fault, Catch]]:
        units = sorted({catch.unit for _, catch in caught if catch.unit})
        panels = sorted({fault.panel for fault, catch in caught if catch.tests})
        self.build(units, panels)
        bad = [unit for unit in units if self.unit_fails(unit)]
        for panel in panels:
            tests = [catch.tests for fault, catch in caught if fault.panel == panel]
            bad += self.failed_tests(panel, sorted(set(sum(tests, []))))
        labs = sorted({(fault.panel, catch.lab) for fault, catch in caught if catch.lab})
        self.build([], sorted({panel for panel, _ in labs}), lab=bool(labs))
        lame = {run for run in labs if self.differs(*run)}
        return [(fault, catch) for fault, catch in caught
                if {catch.unit, *catch.tests} & set(bad) or (fault.panel, catch.lab) in lame]


def mutate(faults: list[Fault], jobs: int, folder: Path) -> tuple[int, int]:
    """Plants each fault; returns how many were caught and how many not."""
    faults = sorted(faults, key=lambda fault: (bool(fault.lab), bool(fault.tests)))  # units are faster
    width = max(len(fault.name) for fault in faults)
    waiting = iter(list(enumerate(faults, 1)))
    lock = threading.Lock()
    failed: set[str] = set()
    workers: list[Worker] = []

    def fail(name: str, what: str) -> None:
        failed.add(name)
        print(f"FAILED {name}: {what}", flush=True)

    def work(number: int) -> None:
        worker = Worker(folder / f"tree{number}")
        workers.append(worker)
        caught: list[tuple[Fault, Catch]] = []
        while True:
            with lock:
                at, fault = next(waiting, (0, None))
            if not fault:
                break
            since = time.monotonic()
            try:
                catch, problem = worker.catch(fault), f"no test notices: {fault.says}"
            except Wrong as wrong:
                catch, problem = None, str(wrong)
            with lock:
                if catch:
                    caught.append((fault, catch))
                    seconds = f"({time.monotonic() - since:.0f} s)"
                    print(f"{at:2}/{len(faults)}  {fault.name:{width}}  {catch.words}  {seconds}",
                          flush=True)
                else:
                    fail(fault.name, problem)
        for fault, catch in worker.fail_anyway(caught):
            with lock:
                fail(fault.name, f"{catch.words} fails without the fault, too")

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for future in [pool.submit(work, number) for number in range(min(jobs, len(faults)))]:
                future.result()
        except BaseException:
            for worker in workers:
                worker.stop()
            raise
    return len(faults) - len(failed), len(failed)
