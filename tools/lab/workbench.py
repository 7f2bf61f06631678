"""What an experiment works with: real processes, addresses and files of its own.

A Bench belongs to one run of one experiment on one panel, in one thread. What was started on it is
killed at its end, process group by process group, and its folder removed, whatever happened; should
this process itself be killed, the kernel kills its children (PR_SET_PDEATHSIG, through setpriv). That
is bound to the thread that starts a child: start them in run() itself, not in a thread of yours.

Every wait has a limit. A wait for what an experiment needs raises Failed, a wait for what it
observes returns None or what is false: heard(), ended(), wait_for().
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.panels import BUILD, Panel, read_panels
from harness.processes import dying

Event = dict[str, Any]

STEP_SECONDS = 10.0  # a step that works takes a hundredth of it, even on a loaded machine
PORTS_LOW = 10000


class Failed(Exception):
    """A step of the experiment did not come about; the text says which."""


class Skip(Exception):
    """The experiment cannot be made here; the text says why."""


@dataclass
class Observation:
    """What was seen: as data, and as one short phrase built from the data.

    answer: which of the experiment's PREDICT it was, from 1; 0 if none of them.
    """

    data: dict[str, Any]
    phrase: str
    answer: int = field(default=0)


class Child:
    """A running program that says lines, JSON as a rule; its standard error goes to a file."""

    def __init__(self, command: list[str], errors: Path):
        self.name = Path(command[0]).name
        self.errors = errors
        self.pending = b""
        self.events: list[Event] = []  # all that were heard so far
        with open(errors, "wb") as stderr:
            self.process = subprocess.Popen(
                dying(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                start_new_session=True,
            )
        self.pid = self.process.pid
        assert self.process.stdin and self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def stderr(self) -> str:
        return self.errors.read_text("utf-8", "replace")

    def fail(self, what: str) -> Failed:
        complaint = self.stderr().strip().splitlines()
        return Failed(f"{self.name}: {what}" + (f" ({complaint[-1]})" if complaint else ""))

    # What it is told.

    def say(self, line: str) -> None:
        """One line on its standard input."""
        try:
            self.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise self.fail("has ended") from None

    def hang_up(self) -> None:
        """The end of its standard input."""
        with contextlib.suppress(OSError):
            self.stdin.close()

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to it and to what it has forked; it is gone when this returns."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.signal(signal.SIGKILL)
        self.process.wait()

    # What it says.

    def line(self, seconds: float = STEP_SECONDS) -> str | None:
        """The next line as text; None: none in that time, or it said all."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.pending:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self.stdout], [], [], left)[0]:
                return None
            data = os.read(self.stdout.fileno(), 1 << 16)
            if not data:
                return None
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode("utf-8", "replace")

    def heard(self, event: str = "", seconds: float = STEP_SECONDS) -> Event | None:
        """The next JSON line, or the next of that event; None: it did not come."""
        deadline = time.monotonic() + seconds
        while (line := self.line(max(0.0, deadline - time.monotonic()))) is not None:
            try:
                said: Event = json.loads(line)
            except ValueError:
                raise self.fail(f"said {line[:80]!r}, which is no JSON") from None
            self.events.append(said)
            if not event or said.get("event") == event:
                return said
        return None

    def hear(self, event: str = "", seconds: float = STEP_SECONDS) -> Event:
        """The same, where it must come."""
        said = self.heard(event, seconds)
        if said is None:
            raise self.fail(f"no {event or 'line'} within {seconds:g} s")
        return said

    def rest(self, seconds: float = STEP_SECONDS) -> list[Event]:
        """All JSON lines to the end of its output, or for so long."""
        deadline, before = time.monotonic() + seconds, len(self.events)
        while self.heard("", max(0.0, deadline - time.monotonic())) is not None:
            pass
        return self.events[before:]

    def summary(self, seconds: float = STEP_SECONDS) -> Event:
        """The last line of one of the four programs; it ends then."""
        return self.hear("summary", seconds)

    def stop(self, seconds: float = STEP_SECONDS) -> Event:
        """SIGTERM to one of the four programs, and its summary."""
        self.signal(signal.SIGTERM)
        self.thaw()
        return self.summary(seconds)

    # What it is.

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def ended(self, seconds: float = STEP_SECONDS) -> int | None:
        """Its exit status, negative for a signal; None: it still runs after that time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def status(self, name: str) -> int:
        """A number of /proc/PID/status: Threads, VmRSS (KiB), ...; 0 if it is gone."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith(name + ":"):
                    return int(line.split()[1])
        return 0

    def close(self) -> None:
        self.kill()
        for stream in (self.stdin, self.stdout):
            with contextlib.suppress(OSError):
                stream.close()


class Driver(Child):
    """PANEL-driver: a command of programs/driver.c a line, a JSON line for each."""

    def begin(self, command: str) -> None:
        self.say(command)

    def result(self, seconds: float = STEP_SECONDS) -> Event:
        said = self.hear("", seconds)
        if "usage" in said:
            raise self.fail(said["usage"])
        return said

    def call(self, command: str, seconds: float = STEP_SECONDS) -> Event:
        """A command and its answer: result (-1: failed), errno, error (the library's words), us."""
        self.begin(command)
        return self.result(seconds)

    def must(self, command: str, seconds: float = STEP_SECONDS) -> Event:
        """The same, where it must succeed."""
        said = self.call(command, seconds)
        if said["result"] < 0:
            raise Failed(f"{self.name}: {command}: {said['error']}")
        return said


class Tap(Child):
    """build/tap: tools/wire/tap/README.md lists its faults and commands."""

    def command(self, line: str) -> Event:
        """A fault or another command, and its answer."""
        self.say(line)
        while (said := self.hear()).get("command") != line:
            pass
        if said["event"] == "error":
            raise self.fail(f"{line}: {said['text']}")
        return said

    def stats(self) -> Event:
        """Bytes received and passed, up and down, and the connections open."""
        return self.command("stats")


class Bench:
    """One run of one experiment on one panel."""

    def __init__(
        self,
        panel: str,
        say: Callable[[str], None] = lambda text: None,
        seconds: float = 60.0,
    ):
        self.panel = panel
        self.say = say  # tells the audience what happens now
        self.folder = Path(tempfile.mkdtemp(prefix=f"triptych-lab-{os.getpid()}-"))
        self.seconds = seconds  # no run takes longer
        self.children: list[Child] = []
        self.taken: list[socket.socket] = []
        self.closed = False
        self.lock = threading.Lock()
        self.number = 0

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kills what still runs, removes the folder. From any thread, any number of times."""
        with self.lock:
            self.closed = True
            for child in self.children:
                child.close()
            for name in self.taken:
                name.close()
            self.taken.clear()
            shutil.rmtree(self.folder, ignore_errors=True)

    # Addresses and files.

    def port(self) -> int:
        """A free TCP port, held against others by the name of an abstract socket.

        Below the ephemeral range: no client can be given it, or meet itself.
        """
        limits = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
        high = int(limits[0]) if int(limits[0]) > PORTS_LOW + 1000 else 65536
        for port in random.sample(range(PORTS_LOW, high), 500):
            name = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError), socket.socket() as probe:
                name.bind(f"\0triptych-tests-port-{port}")  # the tests hold theirs in the same way
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("0.0.0.0", port))
                self.taken.append(name)
                return port
            name.close()
        raise Failed("no free TCP port")

    def path(self, name: str = "") -> Path:
        """A path in the bench's own folder, where nothing is yet."""
        self.number += 1
        return self.folder / (name or f"s{self.number}")

    def url(self, kind: str = "tcp") -> str:
        """A fresh address: tcp, tcp6 or ipc."""
        if kind == "ipc":
            return f"ipc://{self.path()}"
        return f"tcp://{'[::1]' if kind == 'tcp6' else '127.0.0.1'}:{self.port()}"

    # Processes.

    def start(self, *command: object, kind: type[Any] = Child) -> Any:
        """Any program; the bench ends it."""
        errors = self.path()
        with self.lock:
            if self.closed:
                raise Failed("the bench is closed")
            try:
                child = kind([str(word) for word in command], errors)
            except OSError as error:
                raise Failed(f"{command[0]}: {error.strerror}") from None
            self.children.append(child)
        return child

    def program(self, role: str, *arguments: object) -> Child:
        """The panel's req, rep, pub or sub, with --json and these arguments."""
        child: Child = self.start(self._panel().program(role), "--json", *arguments)
        return child

    def ready(self, role: str, url: str, *arguments: object) -> Child:
        """The same on that address, after it said ready: bound, or opened and subscribed."""
        child = self.program(role, "-u", url, *arguments)
        child.hear("ready")
        return child

    def driver(self, role: str = "", url: str = "", **tuning: int) -> Driver:
        """The panel's driver; with a role also opened: timeout (ms), queue, max (bytes)."""
        driver: Driver = self.start(self._panel().program("driver"), kind=Driver)
        if role:
            driver.must(f"open {role} {url} " + " ".join(f"{k}={v}" for k, v in tuning.items()))
        return driver

    def tap(self, front: str, back: str, *options: object) -> Tap:
        """The tap: clients come to front, the server is at back; clients may come."""
        tap: Tap = self.start(BUILD / "tap", "-l", front, "-c", back, *options, kind=Tap)
        tap.hear("ready")
        return tap

    def probe(self, name: str, *arguments: object) -> Child:
        """A program of lab/probes/: NAME-PANEL if there is one for this panel, else NAME."""
        folder = BUILD / "lab" / "probes"
        for program in (folder / f"{name}-{self.panel}", folder / name):
            if os.access(program, os.X_OK):
                child: Child = self.start(program, *arguments)
                return child
        raise Skip(f"no probe {name} for {self.panel}: its library is missing, or it is not built")

    # Time.

    def wait_for(self, condition: Callable[[], Any], seconds: float = STEP_SECONDS) -> Any:
        """Asks again and again; what the condition returned, at the end something false."""
        deadline = time.monotonic() + seconds
        while not (value := condition()) and time.monotonic() < deadline and not self.closed:
            time.sleep(0.005)
        return value

    def pause(self, seconds: float) -> None:
        """Lets time pass; ends early when the bench is closed."""
        self.wait_for(lambda: self.closed, seconds)
        if self.closed:
            raise Failed("the bench is closed")

    def _panel(self) -> Panel:
        return next(panel for panel in read_panels() if panel.name == self.panel)
