"""What pytest does for check: which tests it runs, where, when it gives up, what it says of each.

check starts pytest with `-p check.plugin` and the settings in the environment (contract.py writes
them). Pytest collects the tests once; then this module forks processes that take one test after
the other from a common queue, and write a JSON line for each to the descriptor `lines`. (With
pytest-xdist each process would start an interpreter and collect again: ten seconds and more of
a slow machine's time.) The heavy tests are a queue of their own, which one process serves.

The processes share a folder of empty files: `reqrep-tcp.kept` or `.broken` says what became of the
first exchange, `R6-tcp.broken` that a test of the clause has failed there.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import signal
import struct
import time
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from check.clauses import pattern_of
from check.words import NotDone, Witness, came, says

SETTINGS: dict[str, Any] = json.loads(os.environ.get("TRIPTYCH_CHECK", "{}"))
FIRST = {"test_first_request": "reqrep", "test_first_event": "pubsub"}
AWAIT_S = 60.0  # for what has a time limit of its own: only a safeguard

pytest.register_assert_rewrite("programs", "peers")
compared: tuple[str, Any, Any] | None = None  # what the failed assertion compared
cheap: dict[tuple[str, str], list[str]] = {}  # tests of a clause over a transport, before its heavy ones
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
    return clause in SETTINGS["clauses"] and name in (SETTINGS["tests"] or [name])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if wanted(item)]
    heavy = {clause_of(item) for item in items if item.get_closest_marker("heavy")}

    def rank(item: pytest.Item) -> int:
        """Those that others wait for come first."""
        if name_of(item) in FIRST:
            return 0
        if item.get_closest_marker("heavy"):
            return 3
        return 1 if clause_of(item) in heavy else 2

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


def queue_of(numbers: list[int]) -> int:
    """A pipe that holds these numbers: who reads takes the next one."""
    reading, writing = os.pipe()
    os.write(writing, b"".join(struct.pack("=H", number) for number in numbers))
    os.close(writing)
    return reading


def serve(session: pytest.Session, queues: list[int]) -> None:
    """Runs tests until these queues are empty, one queue after the other."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: none outlives pytest
    for queue in queues:
        while taken := os.read(queue, 2):
            item = session.items[struct.unpack("=H", taken)[0]]
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Instead of pytest's own loop: the tests in several processes."""
    write({"tests": len(session.items)})
    heavy = [bool(item.get_closest_marker("heavy")) for item in session.items]
    alone = queue_of([i for i, one in enumerate(heavy) if one])
    common = queue_of([i for i, one in enumerate(heavy) if not one])
    children = []
    for number in range(min(SETTINGS["processes"], len(session.items))):
        child = os.fork()
        if not child:
            try:
                serve(session, [alone, common] if number == 0 else [common])
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(3)
        children.append(child)
    for child in children:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            write({"crash": f"a process of the tests ended with {status}"})
    return True
