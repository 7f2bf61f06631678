"""What the tests of the contract need beside harness/stage.py and harness/program.py."""

import contextlib
import os
import signal
import time
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Callable, Optional

from harness import panels
from harness.program import Driver, Event, Failed, Program
from harness.stage import PanelStage
from harness.threads import since, times

__all__ = [
    "Driver", "Event", "Failed", "Program", "Stage", "Stopwatch",
    "alive", "descendants", "ends_in_time", "sync", "until",
]  # fmt: skip


class Stopwatch:
    """Seconds since its start, without those in which programs waited for a processor.

    On a machine that others use, too, a program takes longer, and is no worse for it.
    """

    def __init__(self, *programs: Program, ours: bool = False):
        """ours: this process's waits do not count either."""
        pids = [program.pid for program in programs if program.running] + [os.getpid()] * ours
        self.before = {pid: times(pid) for pid in pids}
        self.began = time.monotonic()

    def spent(self) -> list[tuple[float, float]]:
        """What each of their threads has run and waited."""
        return [t for pid, before in self.before.items() for t in since(before, pid).values()]

    @property
    def waited(self) -> float:
        return sum(waited for _, waited in self.spent())

    @property
    def late_us(self) -> int:
        """By how much a call of theirs may be late."""
        return round(self.waited * 1e6)

    @property
    def seconds(self) -> float:
        passed, spent = time.monotonic() - self.began, self.spent()
        # Threads may wait at the same time. What one has run has passed in any case.
        return max(passed - sum(waited for _, waited in spent), *(ran for ran, _ in spent), 0.0)


def until(
    condition: Callable[[], Any], within: float = 5.0, what: str = "", of: Sequence[Program] = ()
) -> Any:
    """Calls condition until it is true and returns that; a failure after so many seconds.

    Time in which one of these programs waits for a processor does not count.
    """
    watch = Stopwatch(*of)
    while True:
        passed = watch.seconds  # before the look: this process may be kept from it
        value = condition()
        if value:
            return value
        if passed > within:
            raise Failed(f"not within {within:g} s: {what or condition}")
        time.sleep(0.002)


def ends_in_time(program: Program, within: float = 1.0) -> int:
    """Its exit status; it must end within so many seconds of those in which it could run."""
    until(lambda: program.ended(0.02) is not None, within, f"{program.name} ends", of=[program])
    return program.wait()


def one_line(text: str) -> bool:
    """Whether it is one sentence, as a program complains."""
    return text.endswith("\n") and text.count("\n") == 1 and len(text) > 20


def alive(pid: int, began: str = "") -> bool:
    """Whether this process runs. One that nobody has reaped is over: ./triptych test inherits
    orphans, and reaps them at its end. `began`, its starting time, tells it from a later one with its number."""
    state = stat(pid)
    return bool(state) and state[0] not in "ZX" and began in ("", state[19])


def stat(pid: int) -> list[str]:
    """The words of /proc/PID/stat behind its name; none: it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def descendants(pid: int) -> set[int]:
    """Its children and theirs."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found |= {child} | descendants(child)
    return found


class Stage(PanelStage):
    """One test's programs, addresses and files, over the test's transport."""

    def __init__(self, panel: str, transport: str) -> None:
        super().__init__(panel)
        self.transport = transport

    def url(self, transport: Optional[str] = None) -> str:
        """A fresh address of the test's transport."""
        return super().url(transport or self.transport)

    def run(self, role: str, *args: object, seconds: float = 20.0) -> tuple[int, list[Event], str]:
        """PANEL-role to its end: exit status, JSON lines, stderr."""
        program = self.program(role, *args)
        lines = program.rest(seconds)
        return program.wait(seconds), lines, program.stderr()

    def healthy(self, role: str, url: str, **tuning: int) -> Driver:
        """A driver that speaks with the panel's server, which is what is tested: the panel's own, or,
        of programs that a reader has written, that of a panel with the same frames. Not under Wine:
        its server holds the sockets of all programs, and the tests would be about that."""
        path = self.path_of("driver")
        if not path.exists() and self.path_of(role).parent != panels.BUILD:
            listed = panels.read_panels()
            framing = next((p.framing for p in listed if p.name == self.panel), None)
            alike = (p for p in listed if framing and (p.framing, p.kind) == (framing, "shipped"))
            path = next((p.program("driver") for p in alike if p.built), path)
        driver: Driver = self.start(path, kind=self.driver_class, where=self.where(role))
        return driver.open(role, url, **tuning)

    def end(self) -> list[str]:
        """Ends all; returns what was wrong with their ends."""
        wrong = []
        for p in self.programs:
            p.hang_up()
            if p.running and not (isinstance(p, Driver) and p.owed == 0):
                p.kill()
        for p in self.programs:
            if p.ended(10) is None:
                wrong.append(str(p.fail("has not ended within 10 s after its input")))
                p.kill()
            elif p.ended() not in (0, 1, 2, -signal.SIGKILL):
                wrong.append(str(p.fail(p.end())))
            if "Sanitizer" in p.stderr():
                wrong.append(str(p.fail("was stopped by a sanitizer")))
        self.close()
        return wrong


@cache
def sanitized(path: Path) -> bool:
    """Whether a program is a sanitizer's build, whose memory tells nothing."""
    return b"__asan_init" in path.read_bytes()


def memory(program: Program, figure: str = "VmRSS") -> int:
    """Resident KiB now; 0 in a sanitizer's build."""
    path = Path(f"/proc/{program.pid}/exe").resolve()
    return 0 if sanitized(path) else program.figure(figure)


def peak(program: Program) -> int:
    """Resident KiB at most since the start or the last forget_peak()."""
    return memory(program, "VmHWM")


def forget_peak(program: Program) -> None:
    Path(f"/proc/{program.pid}/clear_refs").write_text("5")


def pattern(length: int, seed: int = 0) -> int:
    """The crc32 of the bytes that `send -s` makes."""
    return zlib.crc32((bytes(range(256)) * (length // 256 + 2))[seed % 256 :][:length])


def sync(pub: Driver, subs: list[tuple[Driver, str]]) -> None:
    """Publishes until each subscriber is served; then empties them of what that sent."""
    for sub, prefix in subs:
        sub.begin("recv")
        deadline = time.monotonic() + 5
        while not sub.has_line():
            pub.must(f"send {prefix}~sync")
            sub.has_line(0.02)
            if time.monotonic() > deadline:
                raise sub.fail(f"got nothing of {prefix!r} within 5 s")
        line = sub.result()
        if line["result"] < 0:
            raise sub.fail(f"got nothing of {prefix!r}: {line}")
    ends = [f"{prefix}~end {i}" for i, (_, prefix) in enumerate(subs)]
    for end in ends:
        pub.must(f"send {end}")
    for sub, prefix in subs:
        last = [end for end in ends if end.startswith(prefix)][-1]
        sub.must(f"until {last}")


def others_are_answered(stage: Stage, url: str, asks: int = 10) -> None:
    """A client of 500 ms patience is answered every time.

    On a busy machine it may not be: if the programs waited for a processor meanwhile, one of ten.
    """
    other = stage.driver("req", url, timeout=5000)
    assert other.asked("warm")
    impatient = stage.driver("req", url, timeout=500)
    assert impatient.asked("warm") or impatient.asked("warm")  # its connection, once
    late = 0
    for i in range(asks):
        watch = Stopwatch(*stage.programs)
        line = impatient.ask(f"ask {i}")
        late += line["result"] < 0
        assert line["result"] >= 0 or watch.seconds < 0.5 and late == 1, f"ask {i} of {asks}: {line}"


def cut_short(driver: Driver) -> None:
    """Stops and continues a driver that waits in a call: its system call returns what it has done."""
    for _ in range(3):
        time.sleep(0.1)  # until it waits again
        driver.freeze()
        until(lambda: stat(driver.pid)[0] == "T")
        driver.thaw()


def pair(stage: Stage, **tuning: int) -> tuple[Driver, Driver, str]:
    """A server and a client that have spoken once."""
    url = stage.url()
    rep = stage.driver("rep", url, **{"timeout": 5000, **tuning})
    req = stage.driver("req", url, **{"timeout": 5000, **tuning})
    rep.begin("echo 1")
    assert req.asked("hello")
    assert rep.result()["result"] == 1
    return rep, req, url


def stage_pub(stage: Stage, *prefixes: str, **tuning: int) -> tuple[Driver, Driver, str]:
    """A publisher and a subscriber to these prefixes, served."""
    url = stage.url()
    pub = stage.driver("pub", url, **tuning)
    sub = stage.driver("sub", url, **{"timeout": 5000, **tuning})
    for prefix in prefixes:
        sub.must("subscribe " + prefix)
    for prefix in prefixes:
        sync(pub, [(sub, prefix)])
    return pub, sub, url


def gets(pub: Driver, sub: Driver, texts: str, expected: str) -> None:
    """Of these texts, published in this order, sub gets the expected ones, each once."""
    for text in texts.split():
        pub.must("send " + text)
    assert [sub.recv() for _ in expected.split()] == expected.split()


def summary_of(sub: Program) -> dict[str, Any]:
    """Its summary, whether it goes on after its publisher has gone (P4) or has ended, too."""
    sub.signal(signal.SIGINT)
    return sub.summary()
