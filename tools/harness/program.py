"""One child process that says lines, JSON as a rule: started, listened to, stopped, never left.

A program runs in a session of its own, so that Ctrl-C in a terminal reaches this process alone and
what the program forks can be killed with it. Should this process be killed itself, the kernel kills
the program (PR_SET_PDEATHSIG, through setpriv). That is bound to the thread that starts it.

Every wait has a limit in seconds. A wait for what must come raises Failed: hear(), wait(). A wait
for what is observed returns None: heard(), ended().

Standard output is a pipe. Standard error is a file without a name: a program that nobody reads from
would block on a second pipe. Both are closed when the program has ended and all was read.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.signals import uninterrupted

Event = dict[str, Any]

STEP_SECONDS = 10.0  # a step that works takes a hundredth of it, even on a loaded machine
ORDERLY = signal.SIGTERM  # every program ends in order on this one
POLL_SECONDS = 0.05  # between two looks at a process whose pipe is still open
PIPE_READS = 32  # empty any pipe, unless what the program has forked goes on writing
COMPLAINT_MAX = 1 << 20  # bytes of standard error that are read


class Failed(Exception):
    """A step did not come about; the text is a sentence that says which."""


def dying(command: Iterable[object]) -> list[str]:
    """A command whose process the kernel kills when this program dies, however it does."""
    setpriv = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    return [*setpriv, *map(str, command)]


class Program:
    """A running program: what it said, and what became of it."""

    def __init__(self, command: Iterable[object], name: str = "", **popen: Any):
        argv = [str(word) for word in command]
        self.name = name or Path(argv[0]).name
        self.events: list[Event] = []  # all that were heard
        self.counts: collections.Counter[str] = collections.Counter()  # of them, by kind
        self.told = 0  # lines given to it
        self.usage: resource.struct_rusage | None = None  # by all its threads; known at its end
        self.pending = bytearray()  # was read, is not heard
        self.complaints = b""
        if not shutil.which(argv[0]):
            raise Failed(f"there is no program {argv[0]}")
        self.errors = tempfile.TemporaryFile()
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        try:
            self.process = subprocess.Popen(
                dying(argv), start_new_session=True, **{**streams, **popen}
            )
        except OSError as error:
            self.errors.close()
            raise Failed(f"{self.name} cannot be started: {error.strerror}") from None
        self.pid = self.process.pid
        assert self.process.stdout
        self.stdout = self.process.stdout

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
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill_group(self) -> None:
        """SIGKILL to it and to what it has forked. The one call that any thread may make."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """The same; it is gone when this returns. What it has said can still be heard."""
        self.kill_group()
        self._reap(0)
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
        data = os.read(self.stdout.fileno(), 1 << 16)
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
        line, _, self.pending = self.pending.partition(b"\n")
        return bytes(line)

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
            raise self.fail(f"said {text!r}, which is no event") from None
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
        self.signal(number)
        self.thaw()
        summary = self.summary(seconds)
        if self.process.returncode != 0:
            raise self.fail(f"{self.end()} on {signal.Signals(number).name}")
        return summary

    def stderr(self) -> str:
        """What it has written to standard error, to the end of it."""
        if not self.errors.closed:
            size = os.fstat(self.errors.fileno()).st_size
            self.complaints = os.pread(
                self.errors.fileno(), COMPLAINT_MAX, max(0, size - COMPLAINT_MAX)
            )
        return self.complaints.decode(errors="replace")

    @property
    def complaint(self) -> str:
        """The last line on its standard error; empty: there is none."""
        return (self.stderr().strip().splitlines() or [""])[-1]

    # What it is.

    def _reap(self, flags: int) -> None:
        """Takes note of its end, and of what it has used. Nothing stays open that nobody needs."""
        if self.process.returncode is not None:
            return
        with uninterrupted():
            # Until it is reaped its number is its group's: what it has forked ends with it.
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | flags)
            if ended:
                self.kill_group()
                _, status, self.usage = os.wait4(self.pid, 0)
                self.process.returncode = os.waitstatus_to_exitcode(status)
        if ended:
            self.hang_up()
            for _ in range(PIPE_READS):
                if not self.read(0):
                    break
            self.stderr()
            self.errors.close()

    @property
    def running(self) -> bool:
        self._reap(os.WNOHANG)
        return self.process.returncode is None

    def ended(self, seconds: float = STEP_SECONDS) -> int | None:
        """Its exit status, negative for a signal; None: it still runs after that time."""
        deadline = time.monotonic() + seconds
        while self.running:
            left = deadline - time.monotonic()
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
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith(name + ":"):
                    return int(line.split()[1])
        return 0

    def descriptors(self) -> int:
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Driver(Program):
    """PANEL-driver: a command of programs/driver.c a line, a JSON line for each."""

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
