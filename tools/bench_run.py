"""One run of the benchmark: starts two or more programs, waits, and says what each has used.

The programs are the panels' own four and the floors, told apart by nothing but their names. What a
process has used - CPU time, context switches, memory - comes from wait4(2), for all its threads and
without disturbing it; what others used meanwhile is the rest of /proc/stat.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from panels import BUILD, Panel
from processes import Program, Stage, free_port, uninterrupted

RUN_SECONDS = 30.0  # no run takes so long; one that does has failed
QUIET_SECONDS = 0.1  # a subscriber that did next to nothing for so long, twice, has had all that comes
QUIET_NS = 3_000_000  # of CPU in that time: some look for their publisher again, with many threads
TICK = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.05  # between two looks at a few programs' memory
SAMPLED_MAX = 4
OTHERS_MAX = 0.05  # of the CPU time that was to be had: more used by others is a disturbance
STEAL_MAX = 0.02  # likewise, taken by the hypervisor
HEADER = 25  # bytes of a message that are not its body, with the empty topic
FRAME = {"rep": 8, "pub": 4}  # bytes that raw's framing adds

Metrics = dict[str, float]


@dataclass(frozen=True)
class Floor(Panel):
    """A bare program: one file for all roles, and sizes that are those of the whole message."""

    label: str = ""
    framed: bool = False  # it has to be told the bytes of raw's framing, too

    def program(self, role: str) -> Path:
        return BUILD / self.name.removesuffix("-push")  # its PUSH/PULL loop, the same program

    @property
    def built(self) -> bool:
        return os.access(self.program("pub"), os.X_OK)


class Failed(Exception):
    """A run that came to nothing, and why."""


class Child(subprocess.Popen[bytes]):
    """A process that remembers what it has used."""

    usage: resource.struct_rusage | None = None

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        # Popen's own, with wait4() in place of waitpid().
        try:
            pid, status, usage = os.wait4(self.pid, wait_flags)
        except ChildProcessError:
            return self.pid, 0
        if pid == self.pid:
            self.usage = usage
        return pid, status

    def _internal_poll(self, *_: object, **__: object) -> int | None:
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid == self.pid:
                self._handle_exitstatus(status)  # type: ignore[attr-defined]
        return self.returncode


@dataclass
class Placement:
    """Where the programs run: on one processor, a side on each of two, or wherever the kernel likes."""

    name: str  # "one core", "two cores", "free"

    def cpus(self) -> list[int]:
        return sorted(ALL_CPUS)

    def cpu(self, serves: bool) -> int | None:
        cpus = self.cpus()
        if self.name == "one core":
            return cpus[-1]
        if self.name == "two cores":
            return cpus[-1] if serves else cpus[0]
        return None

    def used(self) -> list[int]:
        return self.cpus()[-1:] if self.name == "one core" else self.cpus()


ALL_CPUS = os.sched_getaffinity(0)
PLACEMENTS = {name: Placement(name) for name in ("one core", "two cores", "free")}


class BenchStage(Stage):
    """A stage whose programs are pinned, accounted for, and may be floors."""

    def __init__(self, placement: Placement) -> None:
        super().__init__(lambda program, event: None, lambda: None)
        self.placement = placement
        self.tick = self.sample
        self.prefix: list[str] = []  # a tracer, for instance
        self.memory: dict[int, int] = {}  # by process: most resident memory seen, KiB
        self.sampled = 0.0
        self.options: dict[str, int] = {}  # what the floors say is in force

    def start(self, panel: Panel, role: str, name: str, *arguments: str, pinned: bool = True) -> Program:
        command = [*self.prefix, str(panel.program(role)), "--json", *arguments]
        if isinstance(panel, Floor):
            command.append(role)
        cpu = self.placement.cpu(role in ("rep", "pub", "push"))
        if pinned and cpu is not None:
            command += ["--cpu", str(cpu)]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        with uninterrupted():
            process = Child(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            program = Program(panel, role, name, process)
            self.programs.append(program)
        return self.listen(program)

    def sample(self) -> None:
        """Notes the memory of a few programs, now and then. (Of a child, ru_maxrss is its parent's at the fork.)"""
        now = time.monotonic()
        if now - self.sampled < SAMPLE_SECONDS:
            return
        self.sampled = now
        for program in self.programs[:SAMPLED_MAX]:
            with contextlib.suppress(OSError, AttributeError, ValueError):
                status = Path(f"/proc/{program.process.pid}/status").read_text()
                kib = int(status.split("VmHWM:")[1].split()[0]) if "VmHWM:" in status else 0
                self.memory[program.process.pid] = max(kib, self.memory.get(program.process.pid, 0))

    def listen(self, program: Program) -> Program:
        """Hears a program that was started otherwise, too."""
        for stream in (program.process.stdout, program.process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            self.selector.register(stream, 1, program)
        return program

    def need_ready(self, program: Program, seconds: float = 10.0) -> None:
        self.wait(lambda: program.ready or not program.running, seconds)
        if not program.ready:
            raise Failed(f"{program.panel.name}-{program.role}: {program.complaint or 'did not start'}")


@dataclass
class Usage:
    """What processes have used: seconds of CPU, switches of context."""

    cpu: float = 0.0
    voluntary: int = 0
    involuntary: int = 0

    @staticmethod
    def of(program: Program) -> Usage:
        process = program.process
        usage = process.usage if isinstance(process, Child) else None
        if usage is None:
            return Usage()
        return Usage(usage.ru_utime + usage.ru_stime, usage.ru_nvcsw, usage.ru_nivcsw)


@dataclass
class Watch:
    """What the machine did during a run that was not ours."""

    placement: Placement
    began: float = field(default_factory=time.monotonic)
    before: dict[int, tuple[int, int]] = field(default_factory=dict)
    own: float = field(default_factory=time.process_time)
    others: float = 0.0  # share of the CPU time to be had
    steal: float = 0.0

    def __post_init__(self) -> None:
        self.before = self._read()

    @staticmethod
    def _read() -> dict[int, tuple[int, int]]:
        """By processor: ticks busy, ticks stolen."""
        ticks = {}
        for line in Path("/proc/stat").read_text().splitlines():
            words = line.split()
            if words[0].startswith("cpu") and words[0] != "cpu":
                user, nice, system, _, _, irq, softirq, steal = (int(w) for w in words[1:9])
                ticks[int(words[0][3:])] = (user + nice + system + irq + softirq, steal)
        return ticks

    def end(self, programs: list[Program]) -> None:
        after = self._read()
        used = self.placement.used()
        had = (time.monotonic() - self.began) * len(used)
        busy = sum(after[c][0] - self.before[c][0] for c in used) / TICK
        ours = sum(Usage.of(program).cpu for program in programs)
        if self.placement.name != "one core":
            ours += time.process_time() - self.own
        self.others = max(0.0, busy - ours) / had
        self.steal = sum(after[c][1] - self.before[c][1] for c in used) / TICK / had

    @property
    def disturbed(self) -> bool:
        return self.others > OTHERS_MAX or self.steal > STEAL_MAX


@contextlib.contextmanager
def placed(placement: Placement) -> Iterator[None]:
    """Keeps this program itself off the processor that is measured, if there is another."""
    rest = ALL_CPUS - {placement.cpus()[-1]}
    if placement.name == "one core" and rest:
        os.sched_setaffinity(0, rest)
    try:
        yield
    finally:
        os.sched_setaffinity(0, ALL_CPUS)


@contextlib.contextmanager
def address(transport: str) -> Iterator[str]:
    """An address that is free: tcp://127.0.0.1:PORT or ipc:///PATH."""
    if transport == "tcp":
        yield f"tcp://127.0.0.1:{free_port()}"
        return
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        yield f"ipc://{folder}/s"


def size_for(panel: Panel, body: int, server: str) -> int:
    """What -s says: a panel wants the body's bytes, a floor those of the whole message."""
    if not isinstance(panel, Floor):
        return body
    return body + HEADER + (FRAME[server] if panel.framed else 0)


def summary_of(program: Program) -> dict[str, Any]:
    if program.summary is None:
        raise Failed(f"{program.panel.name}-{program.role}: {program.complaint or 'no summary'}")
    return program.summary


def cpu_now(program: Program) -> int:
    """Nanoseconds of CPU that a running process has used, in all its threads."""
    total = 0
    with contextlib.suppress(OSError, ValueError):
        for task in Path(f"/proc/{program.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def wait_quiet(stage: Stage, programs: list[Program], seconds: float) -> None:
    """Waits until these have ended, or do nothing any more."""
    deadline = time.monotonic() + seconds
    before = -1
    quiet = 0
    while any(p.running for p in programs) and time.monotonic() < deadline:
        now = sum(cpu_now(p) for p in programs)
        quiet = quiet + 1 if before >= 0 and now - before < QUIET_NS * len(programs) else 0
        if quiet == 2:
            return
        before = now
        stage.wait(lambda: not any(p.running for p in programs), QUIET_SECONDS)
