"""What the threads of a process on this machine do, have run, and waited for a processor.

The kernel counts the last two for each thread, in nanoseconds: /proc/PID/task/*/schedstat.
A wait is counted when it is over.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

Times = dict[str, tuple[float, float]]  # of each thread: seconds run, and seconds waited
LONGEST_S = 60.0  # that busy() watches a process which gets hardly any processor


def times(pid: int) -> Times:
    """Of the threads that there are; empty: the process is gone."""
    found: Times = {}
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError, ValueError):  # a thread may end meanwhile
                ran, waited = map(int, (task / "schedstat").read_text().split()[:2])
                found[task.name] = (ran * 1e-9, waited * 1e-9)
    return found


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have run."""
    return sum(ran for ran, _ in times(pid).values())


def since(before: Times, pid: int) -> Times:
    """What came to that, of the threads that there are now."""
    return {
        thread: (ran - before.get(thread, (0, 0))[0], waited - before.get(thread, (0, 0))[1])
        for thread, (ran, waited) in times(pid).items()
    }


def states(pid: int) -> set[str]:
    """Of the threads, as in /proc/PID/stat: R runs or wants a processor, S sleeps; empty: gone."""
    found = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread may end meanwhile
                found.add((task / "stat").read_text().rpartition(")")[2].split()[0])
    return found


def busy(pid: int, seconds: float, pause: Callable[[float], object] = time.sleep) -> float:
    """What a process uses of the processors while it can have one: 1 is one of them.

    It is watched until each thread could have run for so many seconds. A thread that never sleeps
    uses 1, even where it gets a twentieth of a processor because others want it, too.
    """
    before, began, last = times(pid), time.monotonic(), 0.0
    while True:
        pause(seconds / 10)
        waits = "R" in states(pid)  # perhaps for long, which is not counted before it runs
        passed, wall = since(before, pid), time.monotonic() - began
        total = sum(ran for ran, _ in passed.values())
        enough = wall - max((waited for _, waited in passed.values()), default=0.0) >= seconds
        if enough and (total > last or not waits) or wall > LONGEST_S:
            return sum(ran / max(wall - waited, ran) for ran, waited in passed.values() if ran)
        last = total
