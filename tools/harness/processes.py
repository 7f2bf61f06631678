"""The panels' programs as child processes: started, listened to, stopped, never left behind.

A Stage holds programs that run at the same time and reads what they all say, in one thread, by
select. Every wait takes the seconds it may last. Whatever ends a stage - its block's end, an
exception, Ctrl-C - kills what still runs on it; should this process itself be killed, the kernel
kills its children (PR_SET_PDEATHSIG, through setpriv).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import selectors
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.panels import Panel
from harness.signals import uninterrupted

Event = dict[str, Any]

READY_SECONDS = 5.0  # a program that has not opened its socket by then is not going to
STOP_SECONDS = 2.0  # the contract gives a program one second to end on SIGTERM
LINE_MAX = 1 << 20  # a longer line is not from one of our programs


class Program:
    """One running program: what it said and what became of it."""

    def __init__(self, panel: Panel, role: str, name: str, process: subprocess.Popen[bytes]):
        self.panel = panel
        self.role = role
        self.name = name  # what the audience calls it: "sub A"
        self.process = process
        self.ready = False
        self.asked = 0  # lines given to a req
        self.summary: Event | None = None
        self.counts: dict[str, int] = {}  # events seen, by kind; messages by direction too
        self.complaint = ""  # the last line on its standard error

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def count(self, kind: str) -> int:
        """How many events of a kind came: "timeout", "sent", "received", ..."""
        return self.counts.get(kind, 0)

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def say(self, line: bytes) -> None:
        """Gives the program one line on its standard input."""
        with contextlib.suppress(BrokenPipeError):
            if self.process.stdin is not None:
                self.process.stdin.write(line + b"\n")
                self.process.stdin.flush()

    def hang_up(self) -> None:
        """Ends the program's standard input."""
        with contextlib.suppress(BrokenPipeError):
            if self.process.stdin is not None:
                self.process.stdin.close()

    def resources(self) -> tuple[int, int]:
        """Its threads and its resident memory in KiB, now, as /proc tells; zeros if it is gone."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return 0, 0
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields.get("Threads", "0")), int(fields.get("VmRSS", "0 kB").split()[0])


def dying(command: list[str]) -> list[str]:
    """A command whose process the kernel kills when this program dies, however it does."""
    return [*(["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []), *command]


class Stage:
    """Programs that run together, and one loop that hears them all."""

    process_class: type[subprocess.Popen[bytes]] = subprocess.Popen

    def __init__(self, listener: Callable[[Program, Event], None], tick: Callable[[], None]):
        self.listener = listener  # is told every event
        self.tick = tick  # is called many times a second while waiting
        self.programs: list[Program] = []
        self.selector = selectors.DefaultSelector()
        self.partial: dict[int, bytes] = {}  # by descriptor: a line that has begun

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with uninterrupted():
            for program in self.programs:
                if program.running:
                    program.signal(signal.SIGKILL)
            for program in self.programs:
                self._forget(program)
            self.selector.close()

    def start(
        self, panel: Panel, role: str, name: str, *arguments: str, under: tuple[str, ...] = ()
    ) -> Program:
        """Starts a program with --json and these arguments, in a process group of its own.

        With `under` it is the child of a tracer: these words are the tracer's command.
        """
        command = dying([str(panel.program(role)), "--json", *arguments])
        if under:
            command = dying([*under, *command])
        with uninterrupted():  # a child that is started is also known
            process = self.process_class(
                command,
                stdin=subprocess.PIPE if "-" in arguments else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            program = Program(panel, role, name, process)
            self.programs.append(program)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            self.selector.register(stream, selectors.EVENT_READ, program)
        return program

    def pump(self, seconds: float) -> None:
        """Hears what is said within so many seconds, at most; returns after the first."""
        for key, _ in self.selector.select(min(seconds, 0.05)):
            program: Program = key.data
            try:
                data = os.read(key.fd, 65536)
            except BlockingIOError:
                continue
            if not data:
                self.selector.unregister(key.fileobj)
                self.partial.pop(key.fd, None)
                continue
            *lines, rest = (self.partial.get(key.fd, b"") + data).split(b"\n")
            self.partial[key.fd] = rest if len(rest) < LINE_MAX else b""
            for line in lines:
                if key.fileobj is program.process.stderr:
                    program.complaint = line.decode(errors="replace")
                else:
                    self._heard(program, line)
        self.tick()

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Waits until something is true; false if it is not in that time."""
        deadline = time.monotonic() + seconds
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.pump(left)
        return True

    def pause(self, seconds: float) -> None:
        """Goes on listening for so long."""
        self.wait(lambda: False, seconds)

    def wait_ready(self, programs: list[Program]) -> list[Program]:
        """Waits until these have opened their sockets; returns those that have not."""
        self.wait(lambda: all(p.ready or not p.running for p in programs), READY_SECONDS)
        return [program for program in programs if not program.ready]

    def wait_ended(self, programs: list[Program], seconds: float) -> list[Program]:
        """Waits until these have ended and said all; returns those that still run."""
        self.wait(lambda: not any(p.running or self._speaking(p) for p in programs), seconds)
        return [program for program in programs if program.running]

    def stop(self, programs: list[Program]) -> None:
        """Asks these to end (SIGTERM), hears their summaries, kills what does not listen."""
        for program in programs:
            if program.running:
                program.signal(signal.SIGTERM)
                program.signal(signal.SIGCONT)
        for program in self.wait_ended(programs, STOP_SECONDS):
            program.complaint = "did not end on SIGTERM"
            program.signal(signal.SIGKILL)
        self.wait_ended(programs, STOP_SECONDS)

    def kill(self, program: Program) -> None:
        """SIGKILL, and the program is gone when this returns."""
        program.signal(signal.SIGKILL)
        program.process.wait()

    def _heard(self, program: Program, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, TypeError, KeyError):
            event = {
                "event": "error",
                "text": "said what is no event: " + line.decode(errors="replace"),
            }
            kind = "error"
        if kind == "ready":
            program.ready = True
        elif kind == "summary":
            program.summary = event
        elif kind == "message":
            direction = event.get("direction", "")
            program.counts[direction] = program.count(direction) + 1
        program.counts[kind] = program.count(kind) + 1
        self.listener(program, event)

    def _speaking(self, program: Program) -> bool:
        return any(key.data is program for key in self.selector.get_map().values())

    def _forget(self, program: Program) -> None:
        program.process.wait()
        for stream in (program.process.stdin, program.process.stdout, program.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


_given: set[int] = set()


def free_port() -> int:
    """A TCP port that is free now, never the same twice.

    Below the ephemeral range: the kernel gives no outgoing connection a port from there, so it
    stays free while a server is down, and a client's attempts cannot meet themselves.
    """
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    low, high = (10000, first_ephemeral) if first_ephemeral > 11000 else (10000, 65536)
    for _ in range(1000):
        port = random.randrange(low, high)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port
    raise OSError("no free TCP port found on 127.0.0.1")
