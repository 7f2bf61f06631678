"""What other programs use of this machine's processors: where it is much, times differ."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

# In a second: the unit in which the kernel tells a processor's time
TICK = os.sysconf("SC_CLK_TCK")
WHO = "Other programs, or other virtual machines,"


def ticks() -> dict[int, tuple[int, int]]:
    """By processor: ticks busy, ticks stolen by the hypervisor, so far."""
    found = {}
    for line in Path("/proc/stat").read_text().splitlines():
        words = line.split()
        if words[0].startswith("cpu") and words[0] != "cpu":
            user, nice, system, _, _, irq, softirq, steal = (int(w) for w in words[1:9])
            found[int(words[0][3:])] = (user + nice + system + irq + softirq, steal)
    return found


class Others:
    """Watches some processors, or all that this program may use, from its making on."""

    def __init__(self, cores: Collection[int] = ()):
        self.cores = cores or os.sched_getaffinity(0)
        self.began, self.used, self.own = time.monotonic(), self._used(), self._own()

    def share(self) -> float:
        """Their part of the time until now, from 0 to 1; what we have started must have ended."""
        seconds = (time.monotonic() - self.began) * len(self.cores)
        theirs = self._used() - self.used - (self._own() - self.own)
        return min(1.0, max(0.0, theirs / seconds)) if seconds else 0.0

    def _used(self) -> float:
        now = ticks()
        return sum(sum(now.get(core, (0, 0))) for core in self.cores) / TICK

    @staticmethod
    def _own() -> float:
        return sum(os.times()[:4])  # with the programs that have ended
