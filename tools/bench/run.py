"""One run of the benchmark: starts two or more programs, waits, and says what each has used.

The programs are the panels' own four and the baselines, told apart by nothing but their names. What
a process has used - CPU time, context switches - comes from wait4(2), for all its threads and
without disturbing it. What disturbed the run comes from three places: /proc/stat, less our own
processes (other programs, and the hypervisor), and a fixed piece of work before and after it
(bench-speed: whoever shares the core's other half).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.others import TICK, ticks
from harness.panels import BUILD, Panel
from harness.program import Event, Failed, Program
from harness.stage import Player, Stage

RUN_SECONDS = 30.0  # no run takes so long; one that does has failed
QUIET_SECONDS = 0.06  # subscribers that did next to nothing for so long, twice, have had all ...
QUIET_TRIPS = 3  # round trips of a line between hosts, likewise
QUIET_SHARE = 0.25  # ... this share of it, each: some look for their publisher again
SAMPLE_SECONDS = 0.05  # between two looks at a few programs' memory
SAMPLED_MAX = 4
OTHERS_MAX = 0.05  # of the CPU time measured: more used by others is a disturbance ...
OTHERS_TICKS = 3  # ... but no fewer ticks, the unit in which it is known
STEAL_MAX = 0.02  # likewise, taken by the hypervisor
SLOW_MAX = 0.25  # by which a processor may be slower than it can be
HEADER = 25  # bytes of a message that are not its body, with the empty topic
FRAME = {"rep": 8, "pub": 4}  # bytes that raw's framing adds

Metrics = dict[str, float]

ALL_CPUS = sorted(os.sched_getaffinity(0))
ONE, TWO, FREE = "one core", "two cores", "free"
EITHER = "either of two cores"  # as on a machine that has no more
HOSTS = "between hosts"  # of --hosts: each side where the kernel of its host likes


def place_of(cpu: int) -> tuple[str, str]:
    """Its socket and its core; without that knowledge each processor is a core of one socket."""
    folder = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
    try:
        socket, core = ((folder / name).read_text() for name in ("physical_package_id", "core_id"))
    except OSError:
        return "0", str(cpu)
    return socket.strip(), core.strip()


def partner_of(
    last: int, cpus: list[int], place: Callable[[int], tuple[str, str]] = place_of
) -> int:
    """The other of two processors: another core of the same socket, or else the nearest to that."""
    socket, core = place(last)
    others = [cpu for cpu in cpus if cpu != last] or [last]
    return min(others, key=lambda cpu: (place(cpu)[0] != socket, place(cpu)[1] == core, cpu))


PARTNER = partner_of(ALL_CPUS[-1], ALL_CPUS)


def pair_in_words() -> str:
    """What the two processors are to each other: it decides how fast a message gets across."""
    (socket, core), (other_socket, other_core) = place_of(PARTNER), place_of(ALL_CPUS[-1])
    if PARTNER == ALL_CPUS[-1]:
        return "one processor alone"
    what = "halves of one core" if core == other_core else "cores of one socket"
    what = what if socket == other_socket else "of two sockets"
    return f"processors {PARTNER} and {ALL_CPUS[-1]}, {what} as the kernel sees them"


@dataclass(frozen=True)
class Baseline(Panel):
    """A bare program: one file for all roles, and sizes that are those of the whole message."""

    label: str = ""
    framed: bool = False  # it has to be told the bytes of raw's framing, too

    def program(self, role: str) -> Path:
        return BUILD / self.name.removesuffix("-push")  # its PUSH/PULL loop, the same program

    @property
    def built(self) -> bool:
        return os.access(self.program("pub"), os.X_OK)


@dataclass(frozen=True)
class Placement:
    """Where the programs run: on one processor, a side on each of two,
    or where the kernel likes."""

    name: str  # ONE, TWO, EITHER, FREE or HOSTS

    def cpu(self, serves: bool) -> int | None:
        if self.name in (EITHER, FREE, HOSTS):
            return None
        return PARTNER if self.name == TWO and not serves else ALL_CPUS[-1]

    def used(self) -> list[int]:
        """The processors of this machine that are measured."""
        if self.name in (FREE, HOSTS):
            return ALL_CPUS if self.name == FREE else []
        if self.name == EITHER:
            return sorted({PARTNER, ALL_CPUS[-1]})
        return sorted({cpu for serves in (True, False) if (cpu := self.cpu(serves)) is not None})

    @property
    def ours_too(self) -> bool:
        """Whether this program itself runs on a processor that is measured."""
        return self.used() == ALL_CPUS or self.name == EITHER


PLACEMENTS = {name: Placement(name) for name in (ONE, TWO, EITHER, FREE, HOSTS)}


def possible(placement: str) -> str:
    """That placement, or the one that a machine with a single processor has."""
    return placement if len(ALL_CPUS) > 1 else ONE


class BenchStage(Stage):
    """A stage whose programs are pinned, accounted for, and may be baselines."""

    def __init__(self, placement: Placement) -> None:
        super().__init__(lambda program, event: None, self.sample)
        self.placement = placement
        self.memory: dict[int, int] = {}  # by process: most resident memory seen, KiB
        self.sampled = 0.0

    def play(
        self, panel: Panel, role: str, name: str, *arguments: str, under: Sequence[str] = ()
    ) -> Player:
        cpu = self.placement.cpu(role in ("rep", "pub", "push"))
        pin = ["--cpu", str(cpu)] if cpu is not None else []
        role_word = [role] if isinstance(panel, Baseline) else []
        return super().play(panel, role, name, *arguments, *pin, *role_word, under=under)

    def sample(self) -> None:
        """Notes the memory of a few programs, now and then. (A child's ru_maxrss is no use: it
        begins with its parent's.)"""
        now = time.monotonic()
        if now - self.sampled < SAMPLE_SECONDS or self.hosts:  # a question to a host takes its time
            return
        self.sampled = now
        for program in self.programs[:SAMPLED_MAX]:
            kib = program.figure("VmHWM") if program.process.returncode is None else 0
            self.memory[program.pid] = max(kib, self.memory.get(program.pid, 0))

    def need_ready(self, program: Player, seconds: float = 10.0) -> None:
        self.wait(lambda: program.counts["ready"] or not program.running, seconds)
        if not program.counts["ready"]:
            raise Failed(f"{of(program)}: {program.complaint or 'did not start'}")


@dataclass
class Usage:
    """What processes have used: seconds of CPU, switches of context."""

    cpu: float = 0.0
    voluntary: int = 0
    involuntary: int = 0

    @staticmethod
    def of(program: Program) -> Usage:
        usage = program.usage
        if usage is None:
            return Usage()
        return Usage(usage.ru_utime + usage.ru_stime, usage.ru_nvcsw, usage.ru_nivcsw)


Probe = dict[tuple[int, int], float]  # by processor and piece of work: nanoseconds


class Speed:
    """How fast the processors are, by the best that was seen since this program began."""

    best: Probe = {}

    @classmethod
    def probe(cls, cpus: list[int]) -> Probe:
        """How fast they are now, one after the other: they would slow each other.
        Empty: unknown."""
        found: Probe = {}
        for cpu in cpus:
            try:
                command = [str(BUILD / "bench-speed"), str(cpu)]
                done = subprocess.run(command, capture_output=True, timeout=5, check=True)
                for work, ns in enumerate(done.stdout.split()):
                    found[cpu, work] = float(ns)
            except (OSError, ValueError, subprocess.SubprocessError):
                continue
        for key, ns in found.items():
            cls.best[key] = min(ns, cls.best.get(key, ns))
        return found

    @classmethod
    def slowness(cls, probe: Probe) -> float:
        """By which share the slowest of these was slower than it can be, as is known by now."""
        return max((ns / cls.best[key] - 1 for key, ns in probe.items()), default=0.0)

    @classmethod
    def await_best(cls, cpus: list[int], seconds: float) -> float:
        """Waits until they are as fast as they can be, at most so long; returns how long it was."""
        began = time.monotonic()
        while cls.slowness(cls.probe(cpus)) > SLOW_MAX and time.monotonic() - began < seconds:
            time.sleep(0.05)
        return time.monotonic() - began


@dataclass
class Disturbance:
    """What else the machine did, as shares of what was measured; each has its limit."""

    others: float = 0.0  # CPU time of other programs
    steal: float = 0.0  # CPU time that the hypervisor took
    probes: tuple[Probe, ...] = ()  # the processors' speed before and after
    others_max: float = OTHERS_MAX

    @property
    def slow(self) -> float:
        """By how much the processors were slower than they can be, before and after, on average."""
        return sum(map(Speed.slowness, self.probes)) / max(1, len(self.probes))

    @property
    def score(self) -> float:
        """Over 1: too much of one of them."""
        return max(self.others / self.others_max, self.steal / STEAL_MAX, self.slow / SLOW_MAX)


@dataclass
class Watch:
    """What the machine does during a run that is not the run."""

    placement: Placement
    speed: Probe = field(default_factory=dict)
    before: dict[int, tuple[int, int]] = field(default_factory=dict)
    own: float = 0.0

    def __post_init__(self) -> None:
        self.speed = Speed.probe(self.placement.used())
        self.own = time.process_time()
        self.before = ticks()

    def end(self, programs: list[Program], seconds: float) -> Disturbance:
        """All programs have ended, after so many seconds that were measured."""
        if not self.placement.used():
            return Disturbance()  # nobody watches other hosts
        after = ticks()
        used = self.placement.used()
        busy, stolen = (
            sum(after[cpu][i] - self.before[cpu][i] for cpu in used) / TICK for i in (0, 1)
        )
        ours = sum(Usage.of(program).cpu for program in programs)
        if self.placement.ours_too:
            ours += time.process_time() - self.own
        had = max(seconds, 1 / TICK) * len(used)
        return Disturbance(
            max(0.0, busy - ours) / had,
            stolen / had,
            (self.speed, Speed.probe(used)),
            max(OTHERS_MAX, OTHERS_TICKS / TICK / had),
        )


@contextlib.contextmanager
def placed(placement: Placement) -> Iterator[None]:
    """Keeps this program itself off the processor that is measured, if there is another.

    Where the kernel chooses between two, it is on these: the programs that it starts inherit them.
    """
    used = set(placement.used())
    rest = used if placement.name == EITHER else set(ALL_CPUS) - used
    os.sched_setaffinity(0, rest or ALL_CPUS)
    try:
        yield
    finally:
        os.sched_setaffinity(0, ALL_CPUS)


@contextlib.contextmanager
def tool_server(stage: BenchStage, *command: object) -> Iterator[list[str]]:
    """An independent tool's server, while the block runs; gives what its client begins with."""
    if not shutil.which(str(command[0])):
        raise Failed(f"{command[0]} is not installed")
    pins = [
        ["taskset", "-c", str(cpu)] if cpu is not None else []
        for cpu in map(stage.placement.cpu, (True, False))
    ]
    server = stage.start(*pins[0], *command)
    stage.pause(0.3)
    try:
        yield pins[1]
    finally:
        server.kill()


def size_for(panel: Panel, body: int, server: str) -> int:
    """What -s says: a panel wants the body's bytes, a baseline those of the whole message."""
    if not isinstance(panel, Baseline):
        return body
    return body + HEADER + (FRAME[server] if panel.framed else 0)


def of(program: Player) -> str:
    """A program's name for people."""
    return f"{program.panel.name}-{program.role}"


def summary_of(program: Player) -> Event:
    summary = program.said("summary")
    if not summary:
        raise Failed(f"{of(program)}: {program.complaint or 'no summary'}")
    return summary


def activity(program: Program) -> int:
    """Nanoseconds that a process's first thread, the one that receives, has run or waited to run.

    A thread that waits for a processor just now counts when it gets one, which may be late: a
    process that has such a thread is as busy as it can be.
    """
    words = program.process.look("schedstat").split()
    if not words or "R" in program.process.states():
        return time.monotonic_ns()  # not known, or busy
    return int(words[0]) + int(words[1])


def wait_quiet(stage: Stage, programs: list[Program], seconds: float) -> bool:
    """Waits until these have ended, or receive no more: what has not come by then is lost.

    False: they still receive after so many seconds, and nobody knows what would be lost.
    """
    deadline = time.monotonic() + seconds
    # A long line is silent for a few round trips, and goes on.
    each = max(QUIET_SECONDS, QUIET_TRIPS * stage.hosts.reach_us * 1e-6 if stage.hosts else 0.0)
    before: dict[Program, int] = {}
    quiet = 0
    while time.monotonic() < deadline and quiet < 2:
        running = [program for program in programs if program.running]
        if not running:
            return True
        now = {program: activity(program) for program in running}
        busiest = max(now[program] - before.get(program, 0) for program in running)
        quiet = quiet + 1 if before and busiest < QUIET_SHARE * each * 1e9 else 0
        before = now
        stage.wait(lambda: not any(p.running for p in running), each)
    return quiet >= 2 or not any(program.running for program in programs)
