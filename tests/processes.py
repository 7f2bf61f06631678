"""Several tests at once, where pytest runs them all: in which order, and how their results come back.

forks.py runs them in processes. What a process reports to pytest's plugins there, it sends here,
where it is reported once more: to the terminal, and to the JUnit report.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import pytest
from _pytest.config import create_terminal_writer

from check import forks
from check.forks import Job

NUMBER = 12  # of processes: most tests wait rather than compute
HEAVY = 1  # of the tests that load or time the machine, so many at a time


class Plan:
    """Those that take long come first, then those that load the machine, beside all others.

    The tests of a file are much alike: in some files they wait, in others they compute. Each file's
    are spread over the whole run, so that at any time there are tests of both kinds.
    """

    def __init__(self, items: list[pytest.Item]):
        self.items = items
        self.first: deque[Job] = deque()
        self.heavy: deque[Job] = deque()
        self.others: deque[Job] = deque()
        self.loading = 0
        together: dict[object, Job] = {}
        for number, item in enumerate(items):
            key = item.path if self.marked(number, "together") else number
            together.setdefault(key, []).append(number)
        for job in self.spread(list(together.values())):
            self.pile(job).append(job)

    def spread(self, jobs: list[Job]) -> list[Job]:
        """The longest first, then those of one test: of each file at equal distances."""
        number = Counter(self.items[job[0]].path for job in jobs)
        before: Counter[object] = Counter()

        def place(job: Job) -> tuple[int, float]:
            path = self.items[job[0]].path
            before[path] += 1
            return -len(job), (before[path] - 0.5) / number[path]

        return sorted(jobs, key=place)

    def marked(self, number: int, name: str) -> bool:
        return self.items[number].get_closest_marker(name) is not None

    def pile(self, job: Job) -> deque[Job]:
        if any(self.marked(number, "first") for number in job):
            return self.first
        return self.heavy if any(self.marked(number, "heavy") for number in job) else self.others

    def take(self) -> Job | None:
        heavy = self.heavy if self.loading < HEAVY else None
        pile = self.first or heavy or self.others
        if not pile:
            return None
        self.loading += pile is self.heavy
        return pile.popleft()

    def ended(self, job: Job) -> None:
        self.loading -= self.pile(job) is self.heavy


class Reports:
    """In a process: what became of a test goes to the parent."""

    def __init__(self, config: pytest.Config, say: Callable[[Any], None]):
        self.config = config
        self.say = say

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        hook = self.config.hook.pytest_report_to_serializable
        self.say(hook(config=self.config, report=report))


class Nowhere:
    """In a process: the terminal that pytest asks when it explains why two values differ."""

    def __init__(self, config: pytest.Config):
        self._tw = create_terminal_writer(config, open(os.devnull, "w"))  # by pytest's own name


def run(session: pytest.Session, number: int) -> None:
    config = session.config
    folders = config._tmp_path_factory  # type: ignore[attr-defined]
    base = folders.getbasetemp()

    def begin(say: Callable[[Any], None]) -> None:
        """A process writes nothing to the terminal. Its files are its own: those that collect
        what a test prints, and those of tests."""
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(Nowhere(config), "terminalreporter")
        capture = config.pluginmanager.getplugin("capturemanager")
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture()
        folders._basetemp = base / f"process-{os.getpid()}"
        folders._basetemp.mkdir(mode=0o700)
        config.pluginmanager.register(Reports(config, say))

    def hear(said: Any) -> None:
        report = config.hook.pytest_report_from_serializable(config=config, data=said)
        config.hook.pytest_runtest_logreport(report=report)
        if report.when == "teardown":
            config.hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)

    def lost(job: Job) -> None:
        first = session.items[job[0]].nodeid
        for number in job:
            item = session.items[number]
            words = f"its process has ended in {first}"
            report = pytest.TestReport(item.nodeid, item.location, {}, "failed", words, "call")
            config.hook.pytest_runtest_logreport(report=report)

    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal:
        terminal.showfspath = False  # tests of many files end by turns
    forks.run(session, Plan(session.items), number, begin, hear, lost)
