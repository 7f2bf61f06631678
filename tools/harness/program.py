"""One child process that says lines, JSON as a rule: started, listened to, stopped, never left.

A program runs in a session of its own, so that Ctrl-C in a terminal reaches this process alone and
what the program forks can be killed with it. Should this process be killed itself, the kernel kills
the program (PR_SET_PDEATHSIG, through setpriv). That is bound to the thread that starts it.

Every wait has a limit in seconds. A wait for what must come raises Failed: hear(), wait(). A wait
for what is observed returns None: heard(), ended().

Its standard output and what is kept of its standard error are closed when it has ended and all was
read. Where it runs is told by `where`: process.py starts it here, host.py on another host.
"""

from __future__ import annotations

import collections
import contextlib
import json
import resource
import select
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness.process import Failed, Process, dying
from harness.signals import uninterrupted

__all__ = ["Driver", "Event", "Failed", "Program", "Tap", "dying"]

Event = dict[str, Any]

STEP_SECONDS = 10.0  # a step that works takes a hundredth of it, even on a loaded machine
ORDERLY = signal.SIGTERM  # every program ends in order on this one
POLL_SECONDS = 0.05  # between two looks at a process whose pipe is still open
PIPE_READS = 32  # empty any pipe, unless what the program has forked goes on writing
LOOKS = 4  # that find all asleep, before they are taken to be at rest
WORKS = {"R", "D"}  # a thread that waits for a processor works, too, or for a disk

class Program:
    """A running program: what it said, and what became of it."""

    clocked: tuple[str, ...] = ("us", "first_us", "last_us")  # in a line: times by its clock

    def __init__(
        self,
        command: Iterable[object],
        name: str = "",
        where: Callable[..., Any] = Process,
        **popen: Any,
    ):
        argv = [str(word) for word in command]
        self.name = name or Path(argv[0]).name
        self.events: list[Event] = []  # all that were heard
        self.counts: collections.Counter[str] = collections.Counter()  # of them, by kind
        self.told = 0  # lines given to it
        self.pending = bytearray()  # was read, is not heard
        self.complaints = b""
        self.forgotten = False  # its end was noted, and what it complained of
        self.process: Process = where(argv, self.name, **popen)
        self.stdout = self.process.stdout

    @property
    def pid(self) -> int:
        """Its number there, where it runs."""
        return self.process.pid

    @property
    def usage(self) -> resource.struct_rusage | None:
        """What all its threads have used; known at its end."""
        return self.process.usage

    def fail(self, what: str) -> Failed:
        """The program and what it did, with the last line of its standard error."""
        return Failed(f"{self.name} {what}" + (f" ({self.complaint})" if self.complaint else ""))

    # What it is told.

    def write(self, text: str | bytes) -> None:
        try:
            if self.process.stdin:
                self.process.stdin.write(text.encode() if isinstance(text, str) else text)
                self.process.stdin.flush()
        except (BrokenPipeError, ValueError):  # it has ended; its end has been closed
            raise self.fail("has ended and reads no more") from None

    def say(self, line: str | bytes) -> None:
        """One line on its standard input."""
        self.write((line.encode() if isinstance(line, str) else line) + b"\n")
        self.told += 1

    def hang_up(self) -> None:
        """The end of its standard input."""
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()

    def signal(self, number: int) -> None:
        self.process.signal(number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill_group(self) -> None:
        """SIGKILL to it and to what it has forked. The one call that any thread may make."""
        self.process.kill_group()

    def kill(self) -> None:
        """The same; it is gone when this returns. What it has said can still be heard."""
        self.kill_group()
        self._reap(wait=True)
        self.stdout.close()

    # What it says.

    def read(self, seconds: float) -> bool:
        """Reads some of what it says within that time; false: it says nothing, or has said all."""
        if self.stdout.closed:
            return False
        poll = select.poll()  # select() knows no descriptor above 1023
        poll.register(self.stdout, select.POLLIN)
        if not poll.poll(max(0.0, seconds) * 1000):
            return False
        data = self.process.take()
        self.pending += data
        if not data:
            self.stdout.close()
        return bool(data)

    @property
    def unheard(self) -> bool:
        """Whether a line has been read that nobody has heard."""
        return b"\n" in self.pending

    def has_line(self, seconds: float = 0.0) -> bool:
        """Whether there is a line to be heard; waits that long for more of one."""
        return self.unheard or (self.read(seconds) and self.unheard)

    def line(self, seconds: float = STEP_SECONDS) -> bytes | None:
        """The next line; None: none in that time, or it has said all."""
        deadline = time.monotonic() + seconds
        while not self.unheard:
            if not self.read(deadline - time.monotonic()):
                return None
        end = self.pending.index(b"\n")
        line = bytes(self.pending[:end])
        del self.pending[: end + 1]  # partition() would copy the rest, for each line of a flood
        return line

    def heard(self, event: str = "", seconds: float = STEP_SECONDS) -> Event | None:
        """The next JSON line, or the next of that event; None: it did not come."""
        deadline = time.monotonic() + seconds
        while (line := self.line(deadline - time.monotonic())) is not None:
            said = self.note(line)
            if not event or said.get("event") == event:
                return said
        return None

    def note(self, line: bytes) -> Event:
        """What a line says, which is counted and kept."""
        try:
            said: Event = json.loads(line)
            kind = str(said.get("event", ""))
        except (ValueError, AttributeError):
            text = line[:80].decode(errors="replace")
            raise self.fail(f"said {text!r}, which is no event of programs/README.md") from None
        for key in self.clocked if self.process.ahead_us else ():
            if isinstance(said.get(key), (int, float)):
                said[key] -= self.process.ahead_us
        self.events.append(said)
        self.counts[kind] += 1
        if kind == "message":
            self.counts[str(said.get("direction", ""))] += 1
        return said

    def said(self, event: str) -> Event | None:
        """The last of these events that was heard."""
        return next((e for e in reversed(self.events) if e.get("event") == event), None)

    def hear(self, event: str = "", seconds: float = STEP_SECONDS) -> Event:
        """The same as heard(), where it must come."""
        said = self.heard(event, seconds)
        if said is None:
            raise self.silent(event or "a line", seconds)
        return said

    def silent(self, what: str, seconds: float) -> Failed:
        """That it has not said something: it has ended, or the time has."""
        if self.stdout.closed:
            return self.fail(f"{self.end()} and has not said {what}")
        return self.fail(f"has not said {what} within {seconds:g} s")

    def rest(self, seconds: float = STEP_SECONDS) -> list[Event]:
        """All JSON lines to the end of its output."""
        before = len(self.events)
        deadline = time.monotonic() + seconds
        while self.heard("", deadline - time.monotonic()) is not None:
            pass
        if not self.stdout.closed:
            raise self.fail(f"has not ended its output within {seconds:g} s")
        return self.events[before:]

    def text(self, seconds: float = STEP_SECONDS) -> str:
        """All to the end of its output, where that is no JSON."""
        deadline = time.monotonic() + seconds
        while self.read(deadline - time.monotonic()):
            pass
        if not self.stdout.closed:
            raise self.fail(f"has not ended its output within {seconds:g} s")
        return self.pending.decode(errors="replace")

    def summary(self, seconds: float = STEP_SECONDS) -> Event:
        """Its last line, which must be the summary; it has then ended."""
        self.rest(seconds)
        self.wait(seconds)
        if not self.events or self.events[-1].get("event") != "summary":
            raise self.fail(f"{self.end()} without a summary; it said last: {self.events[-3:]}")
        return self.events[-1]

    def stop(self, number: int = ORDERLY, seconds: float = STEP_SECONDS) -> Event:
        """A signal, and its summary; it must end with status 0."""
        # In this order: SIGCONT takes back any SIGSTOP that is pending. LeakSanitizer stops a
        # program's threads at its end by such signals (PTRACE_ATTACH), and would wait for ever.
        self.thaw()
        self.signal(number)
        summary = self.summary(seconds)
        if self.process.returncode != 0:
            raise self.fail(f"{self.end()} on {signal.Signals(number).name}")
        return summary

    def stderr(self) -> str:
        """What it has written to standard error, to the end of it."""
        if not self.forgotten:
            self.complaints = self.process.complaints()
        return self.complaints.decode(errors="replace")

    @property
    def complaint(self) -> str:
        """The last line on its standard error; empty: there is none."""
        return (self.stderr().strip().splitlines() or [""])[-1]

    # What it is.

    def _reap(self, wait: bool) -> None:
        """Takes note of its end. Nothing stays open that nobody needs."""
        with uninterrupted():
            ended = self.process.reap(wait)
        if ended:
            self.hang_up()
            for _ in range(PIPE_READS):
                if not self.read(0):
                    break
            self.stderr()
            self.forgotten = True
            self.process.forget()

    @property
    def running(self) -> bool:
        self._reap(wait=False)
        return self.process.returncode is None

    def ended(self, seconds: float = STEP_SECONDS) -> int | None:
        """Its exit status, negative for a signal; None: it still runs after that time."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()  # before the look: this process may be kept from it
            if not self.running:
                break
            if left <= 0:
                return None
            if not self.read(min(left, POLL_SECONDS)) and self.stdout.closed:
                time.sleep(0.001)
        return self.process.returncode

    def wait(self, seconds: float = STEP_SECONDS) -> int:
        """The same, where it must end."""
        status = self.ended(seconds)
        if status is None:
            raise self.fail(f"has not ended within {seconds:g} s")
        return status

    def end(self) -> str:
        """How it ended, in words."""
        status = self.ended(1.0)
        if status is None:
            return "has closed its output"
        if status < 0:
            return f"ended by {signal.Signals(-status).name}"
        return f"ended with status {status}"

    def figure(self, name: str) -> int:
        """A number of /proc/PID/status: Threads, VmRSS or VmHWM (KiB), ...; 0 if it is gone."""
        for line in self.process.look("status").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        return 0

    def descriptors(self) -> int:
        """How many it has open."""
        return self.process.descriptors()


def at_rest(*programs: Program, each: bool = False) -> Callable[[], bool]:
    """Asked again and again: whether all threads of these sleep, at some looks in a row.

    On a busy machine that takes longer: a thread that is ready to run does not sleep. With `each`,
    they have nothing to do with one another, and need not rest together: of many that look for
    their servers again and again, one is always awake.
    """
    groups = [[program] for program in programs] if each else [list(programs)]
    asleep = [0] * len(groups)

    def look() -> bool:
        for number, group in enumerate(groups):
            if asleep[number] < LOOKS:
                works = any(one.running and one.process.states() & WORKS for one in group)
                asleep[number] = 0 if works else asleep[number] + 1
        return min(asleep, default=LOOKS) >= LOOKS

    return look


class Driver(Program):
    """PANEL-driver: a command of programs/driver.c a line, a JSON line for each."""

    clocked = ()  # its "us" is how long a call took
    owed = 0  # answers to commands that were begun

    def begin(self, command: str) -> None:
        self.say(command)
        self.owed += 1

    def note(self, line: bytes) -> Event:
        self.owed -= 1
        said = super().note(line)
        if "usage" in said:
            raise self.fail(f"refuses a command: {said['usage']}")
        return said

    def result(self, seconds: float = STEP_SECONDS) -> Event:
        return self.hear("", seconds)

    def call(self, command: str, seconds: float = STEP_SECONDS) -> Event:
        """A command and its answer: result (-1: failed), errno, error (the library's words), us."""
        self.begin(command)
        return self.result(seconds)

    def must(self, command: str, seconds: float = STEP_SECONDS) -> Event:
        """The same, where it must succeed."""
        said = self.call(command, seconds)
        if said["result"] < 0:
            raise self.fail(f"cannot {command[:80]}: {said['error']}")
        return said

    def open(self, role: str, url: str, **tuning: int) -> Driver:
        """Opens a handle: timeout (ms), queue, max (bytes)."""
        self.must(f"open {role} {url} " + " ".join(f"{k}={v}" for k, v in tuning.items()))
        return self

    def ask(self, text: str, seconds: float = STEP_SECONDS) -> Event:
        """A send and a recv; the send's line where that failed already."""
        self.begin("send " + text)
        self.begin("recv")
        sent, received = self.result(seconds), self.result(seconds)
        return sent if sent["result"] < 0 else received

    def recv(self, seconds: float = STEP_SECONDS) -> str:
        """The text of a message that must come."""
        return str(self.must("recv", seconds)["text"])

    def asked(self, text: str, seconds: float = STEP_SECONDS) -> bool:
        """Whether an echo came back in time."""
        line = self.ask(text, seconds)
        if line["result"] >= 0 and line["text"] != text:
            raise self.fail(f"asked {text!r} and was answered {line}")
        return bool(line["result"] >= 0)


class Tap(Program):
    """build/tap: tools/wire/tap/README.md lists its faults and commands."""

    @property
    def url(self) -> str:
        """Where clients come; known when it has said ready."""
        return str((self.said("ready") or {})["listen"])

    def event(self, *names: str, seconds: float = STEP_SECONDS, **members: Any) -> Event:
        """The next event of one of these names with these members."""
        deadline = time.monotonic() + seconds
        while (said := self.heard("", deadline - time.monotonic())) is not None:
            if said["event"] in names and members.items() <= said.items():
                return said
        raise self.silent(" or ".join(names), seconds)

    def command(self, line: str, refused: bool = False) -> Event:
        """A fault or another command, and its answer."""
        self.say(line)
        said = self.event("ok", "stats", "error", command=line)
        if (said["event"] == "error") != refused:
            raise self.fail(f"answers {line!r} with: {said}")
        return said

    def stats(self) -> Event:
        """Bytes received and passed, up and down, and the connections open."""
        return self.command("stats")
