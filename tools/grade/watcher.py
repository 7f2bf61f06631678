"""Runs a submission in its sandbox, watches it, and ends all that it has started.

Memory is the sum of what its processes hold for themselves (Pss). The watcher reads it, because a
limit on the address space would refuse what libraries reserve and never touch.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from check.rubric import Limits
from grade.contained import container, end_all_of, user_of_this
from grade.sandbox import FIRST_USER, bubblewrap, readable, write_panels
from grade.submissions import Work

THREADS = 2000  # with processes, the kernel's own bound: 500 ZeroMQ subscribers have two each
MOST_OUTPUT = 8 << 20  # bytes of results and of other output each
LOOK_S = 0.25  # between two looks of the watcher


@dataclass
class Outcome:
    """What came out of a sandbox."""

    lines: list[dict[str, Any]] = field(default_factory=list)  # as inside.py writes them
    ended: str = ""  # why it was stopped, in words; "": it ended by itself
    log: str = ""  # the end of its other output
    seconds: float = 0.0


class Watched:
    """The processes of a sandbox, seen from outside: all that descend from its first one; without
    namespaces, all of its user, since a daemon has another parent."""

    def __init__(self, first: int, user: int | None):
        self.first = first
        self.user = user

    def look(self) -> list[int]:
        parents: dict[int, int] = {}
        for name in os.listdir("/proc"):
            if name.isdecimal():
                with suppress(OSError, IndexError, ValueError):
                    text = Path("/proc", name, "stat").read_text("utf-8", "replace")
                    parents[int(name)] = int(text.rpartition(")")[2].split()[1])
        group = {self.first}
        if self.user is not None:
            group |= {pid for pid in parents if owner(pid) == self.user}
        while more := {pid for pid, parent in parents.items() if parent in group} - group:
            group |= more
        return sorted(group & parents.keys())

    @staticmethod
    def memory(pids: list[int]) -> int:
        """MiB that they hold."""
        return sum(map(memory_of, pids)) >> 10


def owner(pid: int) -> int:
    """The user of a process; -1: it has ended."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return -1


def memory_of(pid: int) -> int:
    """KiB that a process holds for itself; where that may not be read, all that it has touched."""
    for name, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        with suppress(OSError, ValueError, IndexError, StopIteration):
            lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith(key))
    return 0


def run(
    project: Path,
    work: Work,
    keys: str,
    order: dict[str, Any],
    limits: Limits,
    slot: int,
    scratch: Path,
    stopped: Callable[[], bool] = lambda: False,
    contained: bool = False,
) -> Outcome:
    """Builds and checks a submission as `order` says (see inside.py). Nothing of it is left.

    project: made by copy_project(). keys: of its line in panels.txt. slot: which of those that run
    at a time. stopped is asked whether to give up. contained: this container is the sandbox.
    """
    scratch.chmod(0o755)
    readable(work.folder)
    panels = write_panels(scratch, work, keys)
    order = {**order, "panel": work.panel, "programs": work.programs}
    order |= {"threads": THREADS, "disk": limits.disk}
    user = user_of_this() if contained else None
    if user is not None:
        command = container(project, panels, work, scratch, user)
    else:
        command = bubblewrap(project, panels, work, limits, FIRST_USER + slot)
    reading, writing = os.pipe()
    order["results"] = writing
    command += ["/usr/bin/python3", "-BP", "-m", "grade.inside", json.dumps(order)]
    began, free = time.monotonic(), free_mib(scratch)
    outcome = Outcome()
    process = subprocess.Popen(
        command,
        env={"PATH": os.environ["PATH"]},  # what runs in the sandbox may read that of bubblewrap
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[writing],
        start_new_session=True,
    )
    os.close(writing)
    assert process.stderr
    watched = Watched(process.pid, user)
    results, other = bytearray(), bytearray()
    open_pipes = {reading: results, process.stderr.fileno(): other}
    next_look = began + LOOK_S
    try:
        while open_pipes and not outcome.ended:
            for fd in select.select(list(open_pipes), [], [], 0.2)[0]:
                data = os.read(fd, 1 << 16)
                if not data:
                    del open_pipes[fd]
                elif open_pipes[fd] is other:
                    other += data
                    del other[: -(64 << 10)]  # its end says why
                else:
                    results += data
                    if len(results) > MOST_OUTPUT:
                        outcome.ended = f"it wrote more than {MOST_OUTPUT >> 20} MiB of results"
            now = time.monotonic()
            if stopped():
                outcome.ended = "stopped"
            elif now - began > limits.seconds:
                outcome.ended = f"it was not done after {limits.seconds} s"
            elif now >= next_look:
                pids = watched.look()
                if len(pids) > limits.processes:
                    outcome.ended = f"it had more than {limits.processes} processes ({len(pids)})"
                elif (held := watched.memory(pids)) > limits.memory:
                    outcome.ended = f"it used more than {limits.memory} MiB of memory ({held} MiB)"
                elif contained and free - free_mib(scratch) > limits.disk:
                    outcome.ended = f"it wrote more than {limits.disk} MiB"
                next_look = time.monotonic() + LOOK_S
    finally:
        left = watched.look()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if user is not None:
            end_all_of(user)
        process.wait()
        for pid in left:  # bubblewrap's first process ends with it, and all others with that
            wait_for_end(pid)
        os.close(reading)
        process.stderr.close()
    for line in results.split(b"\n"):  # the last may have been cut off
        with suppress(ValueError):
            outcome.lines.append(json.loads(line))
    outcome.log = other.decode("utf-8", "replace")[-4000:]
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def free_mib(folder: Path) -> int:
    """What the file system has room for. (A sandbox has one of its own, as large as it may be.)"""
    return shutil.disk_usage(folder).free >> 20


def wait_for_end(pid: int, seconds: float = 10.0) -> None:
    """The kernel ends a namespace's processes one after the other."""
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """False for a zombie, too: not every first process of a container reaps what it inherits."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"
