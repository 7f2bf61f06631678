"""What pytest does for check: which tests it runs, where, when it gives up, what it says of each.

check starts pytest with `-p check.plugin` and the settings in the environment (contract.py writes
them). The processes that run the tests (forks.py) write a JSON line for each to the descriptor
`lines`.

The processes share a folder of empty files: `reqrep-tcp.broken` says that the first exchange has
failed there, `R6-tcp.broken` that a test of the clause has.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from check import forks
from check.clauses import pattern_of
from check.words import NotDone, Witness, came, says

SETTINGS: dict[str, Any] = json.loads(os.environ.get("TRIPTYCH_CHECK", "{}"))
NO_DRIVER = "they need PANEL-driver, which calls the functions of common/pattern.h one by one"
FIRST = {"test_first_request": "reqrep", "test_first_event": "pubsub"}

if os.environ.get("TRIPTYCH_GUARD"):
    # A submission's programs run as this user: they must not trace this process or open what it
    # has open (ptrace(2), PR_SET_DUMPABLE).
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)

pytest.register_assert_rewrite("programs", "peers")
compared: tuple[str, Any, Any] | None = None  # what the failed assertion compared
phases: list[pytest.TestReport] = []  # of the test that is under way


def pytest_sessionstart() -> None:
    import programs  # which conftest.py has brought within reach

    programs.Stage.driver_class = Witness


def name_of(item: pytest.Item) -> str:
    return str(getattr(item, "originalname", item.name))


def clause_of(item: pytest.Item) -> str:
    """R6; of a first exchange its pattern; of any other test nothing."""
    match = re.match(r"test_([RP]\d+)_", name_of(item))
    return match[1] if match else FIRST.get(name_of(item), "")


def transport_of(item: pytest.Item) -> str:
    return str(item.callspec.params.get("transport", "")) if hasattr(item, "callspec") else ""


def wanted(item: pytest.Item) -> bool:
    clause, name = clause_of(item), name_of(item)
    if transport_of(item) not in SETTINGS["transports"]:
        return False
    if name in FIRST:
        return any(pattern_of(one) == clause for one in SETTINGS["clauses"])
    named = [test for test in SETTINGS["tests"] if test.startswith(f"test_{clause}_")]
    return clause in SETTINGS["clauses"] and name in (named or [name])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if wanted(item)]
    heavy = {clause_of(item) for item in items if item.get_closest_marker("heavy")}
    items.sort(key=lambda item: (name_of(item) not in FIRST, clause_of(item) not in heavy))


def note(name: str) -> Path:
    return Path(SETTINGS["folder"]) / name


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    global compared
    compared = None
    clause, transport = clause_of(item), transport_of(item)
    if name_of(item) in FIRST:
        return
    if note(f"{pattern_of(clause)}-{transport}.broken").exists():
        pytest.skip("not reached")
    if not SETTINGS["every"] and note(f"{clause}-{transport}.broken").exists():
        pytest.skip("left out")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """No test takes longer than the limit."""

    def late(number: int, frame: FrameType | None) -> None:
        raise NotDone(f"not done within {SETTINGS['limit']:g} s")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SETTINGS["limit"])
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """After a failure nothing is asked to end by itself, which could take ten seconds each."""
    stage = getattr(item, "funcargs", {}).get("stage")
    if getattr(item, "failed", False) and stage:
        for program in stage.programs:
            program.kill()


def pytest_assertrepr_compare(op: str, left: object, right: object) -> None:
    global compared
    compared = (op, left, right)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    clause, transport = clause_of(item), transport_of(item)
    result, reason = "kept", ""
    if report.failed and missing_driver(call):
        result, reason = "not reachable", NO_DRIVER
    elif report.failed:
        result = "broken"
        note(f"{clause}-{transport}.broken").touch()
    elif report.skipped:
        text = str(report.longrepr[2]).removeprefix("Skipped: ")
        known = text in ("not reached", "left out")
        result, reason = (text, "") if known else ("not reachable", text)
    done, expected = says(item)
    stage = getattr(item, "funcargs", {}).get("stage")
    report.check = {
        "test": name_of(item),
        "clause": clause,
        "transport": transport,
        "result": result,
        "reason": reason,
        "done": done,
        "expected": expected,
        "came": came(call.excinfo, compared, stage) if result == "broken" else "",
        "detail": str(report.longreprtext)[-4000:] if result == "broken" else "",
    }


def missing_driver(call: pytest.CallInfo[None]) -> bool:
    error = call.excinfo.value if call.excinfo else None
    return bool(re.search("there is no program .*-driver$", str(error)))


def write(line: dict[str, Any]) -> None:
    data = json.dumps(line).encode() + b"\n"
    with note("lock").open("w") as lock:  # a long line would be written in parts
        fcntl.flock(lock, fcntl.LOCK_EX)
        while data:
            data = data[os.write(SETTINGS["lines"], data) :]


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        write({"crash": str(report.longreprtext)[-4000:]})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One line a test, after its last phase."""
    phases.append(report)
    if report.when == "teardown":
        worst = next((r for r in phases if r.check["result"] != "kept"), phases[0])
        write({**worst.check, "seconds": round(sum(r.duration for r in phases), 2)})
        phases.clear()


class Plan:
    """Which test is next.

    The first exchange of a pattern comes before its other tests. No two heavy tests run at a time,
    and none before the cheap ones of its cell (a clause over a transport). A cell's second test
    waits until the first has passed: in a broken cell most tests take until their time limit.
    """

    def __init__(self, items: list[pytest.Item]):
        self.items = items
        self.waiting = list(range(len(items)))
        self.running: list[int] = []
        self.tried: set[tuple[str, str]] = set()  # cells of which a test has ended

    def cell(self, number: int) -> tuple[str, str]:
        return clause_of(self.items[number]), transport_of(self.items[number])

    def heavy(self, number: int) -> bool:
        return self.items[number].get_closest_marker("heavy") is not None

    def may_run(self, number: int) -> bool:
        clause, transport = cell = self.cell(number)
        if name_of(self.items[number]) in FIRST:
            return True
        if (pattern_of(clause), transport) not in self.tried:
            return False
        running = [self.cell(one) for one in self.running]
        if self.heavy(number):
            cheap = [one for one in self.waiting if self.cell(one) == cell and not self.heavy(one)]
            return not (cheap or cell in running or any(map(self.heavy, self.running)))
        return cell in self.tried or cell not in running

    def take(self) -> forks.Job | None:
        number = next((one for one in self.waiting if self.may_run(one)), None)
        if number is None:
            return None
        self.waiting.remove(number)
        self.running.append(number)
        return [number]

    def ended(self, job: forks.Job) -> None:
        self.running.remove(job[0])
        self.tried.add(self.cell(job[0]))


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of pytest's own loop: the tests in several processes."""

    def lost(job: forks.Job) -> None:
        write({"crash": f"a process ended in {session.items[job[0]].nodeid}"})

    write({"tests": len(session.items)})
    forks.run(session, Plan(session.items), SETTINGS["processes"], lost=lost)
    return True
