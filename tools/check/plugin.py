"""What pytest does for check: which tests it runs, when it gives up, what it says of each.

check starts pytest with `-p check.plugin` and the settings in the environment (contract.py writes
them). With pytest-xdist this module is loaded into each process: the workers run the tests, the
first process writes one JSON line for each finished test to the descriptor `lines`.

The workers share a folder of empty files: `reqrep-tcp.kept` or `.broken` says what became of the
first exchange, `R6-tcp.broken` that a test of the clause has failed there.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from check.clauses import pattern_of
from check.words import NotDone, came, says

SETTINGS: dict[str, Any] = json.loads(os.environ.get("TRIPTYCH_CHECK", "{}"))
FIRST = {"test_first_request": "reqrep", "test_first_event": "pubsub"}
AWAIT_S = 60.0  # for what has a time limit of its own: only a safeguard

pytest.register_assert_rewrite("programs", "peers")
compared: tuple[str, Any, Any] | None = None  # what the failed assertion compared
cheap: dict[tuple[str, str], list[str]] = {}  # tests of a clause over a transport, before its heavy ones
phases: dict[str, list[pytest.TestReport]] = {}  # of the tests that are under way


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
    return clause in SETTINGS["clauses"] and name in (SETTINGS["tests"] or [name])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if wanted(item)]
    heavy = {clause_of(item) for item in items if item.get_closest_marker("heavy")}

    def rank(item: pytest.Item) -> int:
        """The heavy tests come early, as they run one after the other; cheap ones before them."""
        if name_of(item) in FIRST:
            return 0
        return 2 if item.get_closest_marker("heavy") else 1 if clause_of(item) in heavy else 3

    items.sort(key=rank)
    for item in items:
        if rank(item) == 1:
            cheap.setdefault((clause_of(item), transport_of(item)), []).append(number_of(item))


def number_of(item: pytest.Item) -> str:
    """A name for a file."""
    return f"{zlib.crc32(item.nodeid.encode()):08x}"


def note(name: str) -> Path:
    return Path(SETTINGS["folder"]) / name


def await_first(pattern: str, transport: str) -> bool:
    """Whether the first exchange worked; it may be running in another process."""
    deadline = time.monotonic() + AWAIT_S
    while time.monotonic() < deadline:
        if note(f"{pattern}-{transport}.kept").exists():
            return True
        if note(f"{pattern}-{transport}.broken").exists():
            return False
        time.sleep(0.02)
    return False


def await_cheap(clause: str, transport: str) -> None:
    """The heavy tests run one after the other: none for a clause that a cheap test shows broken."""
    deadline = time.monotonic() + AWAIT_S
    waiting = [note(f"{number}.done") for number in cheap.get((clause, transport), [])]
    while time.monotonic() < deadline and not all(path.exists() for path in waiting):
        if note(f"{clause}-{transport}.broken").exists():
            return
        time.sleep(0.02)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    global compared
    compared = None
    clause, transport = clause_of(item), transport_of(item)
    if name_of(item) in FIRST:
        return
    if not await_first(pattern_of(clause), transport):
        pytest.skip("not reached")
    if item.get_closest_marker("heavy") and not SETTINGS["every"]:
        await_cheap(clause, transport)
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
        result, reason = "not reachable", "it has no driver (PANEL-driver)"
    elif report.failed:
        result = "broken"
        note(f"{clause}-{transport}.broken").touch()
    elif report.skipped:
        text = str(report.longrepr[2]).removeprefix("Skipped: ")
        known = text in ("not reached", "left out")
        result, reason = (text, "") if known else ("not reachable", text)
    passed = report.when == "call" and not report.failed
    if name_of(item) in FIRST and (passed or result == "not reachable"):
        note(f"{clause}-{transport}.kept").touch()
    if report.when == "teardown":
        note(f"{number_of(item)}.done").touch()
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
    return isinstance(error, FileNotFoundError) and str(error.filename).endswith("-driver")


def write(line: dict[str, Any]) -> None:
    if SETTINGS.get("lines") is not None:
        os.write(SETTINGS["lines"], json.dumps(line).encode() + b"\n")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(ids: list[str]) -> None:
    write({"tests": len(ids)})


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.items and not hasattr(session.config, "workerinput"):
        write({"tests": len(session.items)})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In the first process: one line a test, after its last phase."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return
    if not hasattr(report, "check"):  # xdist says so that a worker ended
        write({"crash": report.nodeid, "detail": str(report.longreprtext)[-4000:]})
        return
    phases.setdefault(report.nodeid, []).append(report)
    if report.when == "teardown":
        reports = phases.pop(report.nodeid)
        worst = next((r for r in reports if r.check["result"] != "kept"), reports[0])
        write({**worst.check, "seconds": round(sum(r.duration for r in reports), 2)})
