"""What a message costs besides time: threads, system calls, and bytes.

Threads are counted while messages pass. System calls come from a traced run and bytes from the tap:
both are differences of two runs, a long and a short one, so that what starting and ending cost
drops out. The traced runs are runs of their own: tracing makes a program many times slower.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

from bench.kinds import Case, sized, stage_for
from bench.run import FREE, ONE, Baseline, BenchStage, Failed, summary_of
from bench.session import why
from harness.panels import Panel
from harness.stage import Player
from harness.strace import calls, counting

SIZE = 64  # bytes of a body
JOIN_SECONDS = 0.8  # a publisher waits so long for its subscriber
FEW, MANY = 100, 400  # messages traced
FEW_BYTES, MANY_BYTES = 20, 120  # messages through the tap
PACE = 2000  # events a second: a publisher at full speed makes other calls
WAIT_SECONDS = 20.0
SETTLE_SECONDS, WATCH_SECONDS = 0.2, 0.3  # of the run in which threads are counted
WATCHES = 10  # such times at most, until each side's busiest thread has been woken ...
WOKEN_MIN = 100  # ... so often
WORKING = 0.1  # of the busiest thread's switches: a thread that messages pass has more

ROLES = {"reqrep": ("rep", "req"), "pubsub": ("pub", "sub")}


def arguments_of(panel: Panel, role: str, url: str, count: int) -> list[str]:
    """What that role is told, for so many messages."""
    size = sized(panel, Case("latency", size=SIZE), "pub" if role in ("pub", "sub") else "rep")
    arguments = ["--quiet", "-u", url, "-q", "1000"]
    if role != "rep":
        arguments += ["-n", str(count)]
    if role == "pub":
        arguments += ["-d", str(round(JOIN_SECONDS * 1e3))]
        arguments += [] if isinstance(panel, Baseline) else ["-r", str(PACE)]
    if role in ("pub", "req") or isinstance(panel, Baseline):
        arguments += size
    return arguments


def check_all_came(client: Player, count: int) -> None:
    if client.running or summary_of(client)["received"] != count:
        raise Failed(f"{client.panel.name}: not all of {count} messages came")


def traced(panel: Panel, roles: tuple[str, str], count: int) -> dict[str, dict[str, int]]:
    """One run with both sides traced: system calls by role and name."""
    with stage_for(Case("latency", placement=FREE)) as stage:
        url = stage.url()
        tables = {role: stage.path(role) for role in roles}
        programs = []
        for role in roles:
            arguments = arguments_of(panel, role, url, count)
            programs.append(
                stage.play(panel, role, role, *arguments, under=counting(tables[role]))
            )
            stage.need_ready(programs[0])
        stage.wait_ended(programs[1:], WAIT_SECONDS)
        stop_traced(stage, programs)
        if any(program.running for program in programs):
            raise Failed(f"{panel.name}: a traced program did not end")
        check_all_came(programs[1], count)
        return {role: calls(table) for role, table in tables.items()}


def stop_traced(stage: BenchStage, programs: list[Player]) -> None:
    """Asks the traced programs to end, not their tracers, which then write what they counted."""
    for program in programs:
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
        for pid in children.read_text().split() if program.running else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)
    stage.wait_ended(programs, WAIT_SECONDS)


def system_calls(panel: Panel, roles: tuple[str, str]) -> dict[str, dict[str, float]]:
    """System calls a message, by role and name; "all" is their sum."""
    if not shutil.which("strace"):
        raise Failed("no system calls: strace is not installed")
    few, many = (traced(panel, roles, count) for count in (FEW, MANY))
    result = {}
    for role in roles:
        names = {
            name: (number - few[role].get(name, 0)) / (MANY - FEW)
            for name, number in many[role].items()
        }
        names = {name: round(value, 2) for name, value in names.items() if value >= 0.01}
        result[role] = {"all": round(sum(names.values()), 2), **names}
    return result


def switches_of(pid: int) -> dict[str, int]:
    """By thread: how often it was switched to so far."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            text = (task / "status").read_text()
            found[task.name] = sum(map(int, re.findall(r"ctxt_switches:\s*(\d+)", text)))
    return found


def woken_since(before: dict[str, int], after: dict[str, int]) -> list[int]:
    """How often each thread was switched to meanwhile."""
    return [switches - before.get(thread, 0) for thread, switches in after.items()]


def working_threads(before: dict[str, int], after: dict[str, int]) -> int:
    """How many threads take part in each message: those that wake about as often as the busiest."""
    woken = woken_since(before, after)
    busiest = max(woken, default=0)
    return sum(switches >= max(1, WORKING * busiest) for switches in woken)


def threads(panel: Panel, roles: tuple[str, str]) -> dict[str, dict[str, int]]:
    """By role: all threads, and those that a message passes,
    while messages pass on one processor."""
    with stage_for(Case("latency", placement=ONE)) as stage:
        url = stage.url()
        programs = []
        for role in roles:
            arguments = arguments_of(panel, role, url, 0)
            programs.append(stage.play(panel, role, role, *arguments))
            stage.need_ready(programs[-1])
        stage.pause(SETTLE_SECONDS + (JOIN_SECONDS if "pub" in roles else 0))
        before = [switches_of(program.pid) for program in programs]
        for _ in range(WATCHES):
            stage.pause(WATCH_SECONDS)
            after = [switches_of(program.pid) for program in programs]
            woken = min(max(woken_since(*pair), default=0) for pair in zip(before, after))
            if woken >= WOKEN_MIN:
                break
        stage.stop(programs)
    if woken < WOKEN_MIN:
        raise Failed(f"{panel.name}: too few messages passed while threads were counted")
    return {
        role: {"all": len(later), "working": working_threads(earlier, later)}
        for role, earlier, later in zip(roles, before, after)
    }


def bytes_passed(panel: Panel, roles: tuple[str, str], count: int) -> tuple[int, int]:
    """Bytes to the server and from it when so many messages go through the tap."""
    with stage_for(Case("latency", placement=FREE)) as stage:
        back, front = stage.url(), stage.url()
        server = stage.play(panel, roles[0], "server", *arguments_of(panel, roles[0], back, count))
        stage.need_ready(server)
        tap = stage.tap(front, back)
        client = stage.play(
            panel, roles[1], "client", *arguments_of(panel, roles[1], front, count)
        )
        stage.wait_ended([client], WAIT_SECONDS)
        stage.stop([client, server, tap])
        check_all_came(client, count)
        passed = tap.said("summary")
        if not passed:
            raise Failed("the tap has not told what passed")
        return passed["up"]["received"], passed["down"]["received"]


def wire_bytes(panel: Panel, roles: tuple[str, str]) -> dict[str, float]:
    """Bytes a message takes on the wire, each way."""
    few, many = (bytes_passed(panel, roles, count) for count in (FEW_BYTES, MANY_BYTES))
    to, back = ((many[i] - few[i]) / (MANY_BYTES - FEW_BYTES) for i in (0, 1))
    return {"to_server": to, "from_server": back}


def costs_of(panel: Panel, patterns: list[str]) -> dict[str, Any]:
    """Threads, system calls and bytes of a message;
    "failed" says what could not be had, and why."""
    # It ends after so many messages, and starts no other threads
    bare = isinstance(panel, Baseline)
    costs: dict[str, Any] = {"calls": {}, "wire": {}, "threads": {}, "failed": []}
    for pattern in patterns:
        for measure in (
            lambda: costs["threads"].update({} if bare else threads(panel, ROLES[pattern])),
            lambda: costs["calls"].update(system_calls(panel, ROLES[pattern])),
            lambda: costs["wire"].update({pattern: wire_bytes(panel, ROLES[pattern])}),
        ):
            try:
                measure()
            except Exception as error:  # whatever it is: the others go on
                costs["failed"].append(why(error))
    return costs
