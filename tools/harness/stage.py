"""A stage: where programs run together, with addresses and files of their own.

What ends a stage - the end of its block, an exception, Ctrl-C - kills what still runs on it, and
removes its folder. Its programs are heard one at a time, by their own hear(), or all together in
one loop: wait() and what is built on it tell a listener every event.
"""

from __future__ import annotations

import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import panels
from harness.addresses import Addresses
from harness.panels import Panel
from harness.process import Process
from harness.program import Driver, Event, Failed, Program, Tap, dying
from harness.signals import uninterrupted

READY_SECONDS = 5.0  # a program that has not opened its socket by then is not going to
STOP_SECONDS = 2.0  # the contract gives a program one second to end on SIGTERM
TICK_SECONDS = 0.05


class Player(Program):
    """A program that plays a panel's role."""

    panel: Panel
    role: str


Listener = Callable[[Any, Event], None]


class Stage(Addresses):
    hosts: Any = None  # a Hosts (hosts.py): where the roles of every stage run; None: here

    def __init__(
        self,
        listener: Listener = lambda program, event: None,
        tick: Callable[[], None] = lambda: None,
    ):
        super().__init__()
        self.listener = listener  # is told every event that the loop hears
        self.tick = tick  # is called many times a second by the loop
        self.programs: list[Any] = []
        self.by_pipe: dict[int, Program] = {}
        self.epoll = select.epoll()
        self.lock = threading.Lock()
        self.closed = False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, *command: object, kind: type[Any] = Program, **options: Any) -> Any:
        """Any program, which the stage ends."""
        with uninterrupted(), self.lock:  # what is started is also known
            if self.closed:
                raise Failed("nothing can be started: the stage is closed")
            program = kind(command, **options)
            self.programs.append(program)
            self.by_pipe[program.stdout.fileno()] = program
            self.epoll.register(program.stdout, select.EPOLLIN)
        return program

    def where(self, role: str) -> Callable[..., Any]:
        """What starts a role's process, where it is to run."""
        host = self.hosts.of(role) if self.hosts else None
        return host.start if host else Process

    def url(self, transport: str = "tcp", role: str = "rep") -> str:
        """A fresh address of a role: tcp, tcp6, udp, udp6 or ipc; between hosts tcp and udp."""
        there = self.hosts.url(transport, role) if self.hosts else None
        return there or super().url(transport)

    def play(
        self, panel: Panel, role: str, name: str, *arguments: str, under: Sequence[str] = ()
    ) -> Player:
        """A panel's program with --json and these arguments, under a name for the audience.

        With `under` it is the child of a tracer: these words are the tracer's command.
        """
        command = [str(panel.program(role)), "--json", *arguments]
        stdin = subprocess.PIPE if "-" in arguments else subprocess.DEVNULL
        if under:
            command = [*under, *dying(command)]
        where = self.where(role)
        player: Player = self.start(*command, kind=Player, name=name, where=where, stdin=stdin)
        player.panel, player.role = panel, role
        return player

    def tap(self, front: str, back: str, *options: object, **popen: Any) -> Tap:
        """The tap: clients come to front, the server is at back; clients may come."""
        words = (panels.BUILD / "tap", "-l", front, "-c", back, *options)
        tap: Tap = self.start(*words, kind=Tap, where=self.where("tap"), **popen)
        tap.hear("ready")
        return tap

    # All programs, heard in one loop.

    def pump(self, seconds: float) -> None:
        """Hears what is said within that time; returns after the first of it."""
        if not any(program.unheard for program in self.programs):
            for pipe, _ in self.epoll.poll(min(seconds, TICK_SECONDS)):
                self.by_pipe[pipe].read(0)
        for program in self.programs:
            while program.unheard:
                try:
                    event = program.heard()
                except Failed as problem:
                    event = {"event": "error", "text": str(problem)}
                    program.counts["error"] += 1
                self.listener(program, event)
        self.tick()

    def wait(self, until: Callable[[], object], seconds: float) -> bool:
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

    def wait_ready(self, programs: Sequence[Program]) -> list[Program]:
        """Waits until these have opened their sockets; returns those that have not."""
        self.wait(lambda: all(p.counts["ready"] or not p.running for p in programs), READY_SECONDS)
        return [program for program in programs if not program.counts["ready"]]

    def wait_ended(self, programs: Sequence[Program], seconds: float) -> list[Program]:
        """Waits until these have ended and said all; returns those that still run."""
        self.wait(lambda: not any(p.running or p.unheard for p in programs), seconds)
        return [program for program in programs if program.running]

    def stop(self, programs: Sequence[Program]) -> None:
        """Asks these to end (SIGTERM), hears their summaries, kills those that do not end."""
        for program in programs:
            program.signal(signal.SIGTERM)
            program.thaw()
        for program in self.wait_ended(programs, STOP_SECONDS):
            program.kill()
        self.wait_ended(programs, STOP_SECONDS)

    # The end.

    def cancel(self) -> None:
        """From any thread: kills what runs. Its waits fail, and nothing starts any more."""
        with self.lock:
            self.closed = True
            for program in self.programs:
                program.kill_group()

    def close(self) -> None:
        with uninterrupted():
            self.cancel()
            for program in self.programs:
                program.kill()
            self.epoll.close()
            super().close()


class PanelStage(Stage):
    """A stage for the programs of one panel."""

    driver_class = Driver  # a subclass of it, where a driver must do more

    def __init__(self, panel: str):
        super().__init__()
        self.panel = panel

    def path_of(self, role: str) -> Path:
        """PANEL-role; ready programs may stand in their panel's folder."""
        found = [panel.program(role) for panel in panels.read_panels() if panel.name == self.panel]
        return found[0] if found else panels.BUILD / f"{self.panel}-{role}"

    def program(self, role: str, *arguments: object) -> Program:
        """The panel's req, rep, pub or sub, with --json and these arguments."""
        words = (self.path_of(role), "--json", *arguments)
        program: Program = self.start(*words, where=self.where(role))
        return program

    def ready(self, role: str, url: str, *arguments: object) -> Program:
        """The same on that address, after it said ready: bound, or opened and subscribed."""
        program = self.program(role, "-u", url, *arguments)
        program.hear("ready")
        return program

    def driver(self, role: str = "", url: str = "", **tuning: int) -> Driver:
        """The panel's driver; with a role also opened: timeout (ms), queue, max (bytes)."""
        driver: Driver = self.start(
            self.path_of("driver"), kind=self.driver_class, where=self.where(role)
        )
        return driver.open(role, url, **tuning) if role else driver

