"""One panel of a run: its programs, the line between them, and what the page is told of both."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.panels import Panel
from harness.program import Event, Failed, Tap
from harness.stage import Player, Stage
from web.page import Refused
from web.play.journal import Journal
from web.play.settings import Settings, check_text, role_names

LINE_MOST = 1 << 20  # bytes of a line that a program says
EVENTS_KEPT = 40  # of a program, beside its messages
RECORDED_MOST = 16 << 20  # bytes of a line's recording
OWED_MOST = 100  # texts given by hand that a program has not dealt with
FLUSH_SECONDS = 2.0
RESTART_SECONDS = 1.0  # that a program has to end before it is started again
FAULTS = {"delay": 10000, "slice": 65536, "rate": 1 << 30}  # most values
SUDDEN = ("stall", "cut", "reset", "go", "clear")  # without a value
COUNTED = ("sent", "received", "lost", "duplicates", "timeouts")


class Voice(Player):
    """A program that may talk for hours: what it said of each message is told, and not kept."""

    place: tuple[Conversation, Role]

    def read(self, seconds: float) -> bool:
        if len(self.pending) > LINE_MOST and not self.unheard:
            self.kill_group()
            self.pending[:] = (
                b'{"event":"error","text":"said a line of more than 1 MiB, and was killed"}\n'
            )
            return True
        return super().read(seconds)

    def note(self, line: bytes) -> Event:
        said = super().note(line)
        if said.get("event") == "message":
            self.events.pop()
        elif len(self.events) > EVENTS_KEPT:
            del self.events[1]
        return said


@dataclass
class Role:
    """A part in the conversation: who plays it changes when it is started again."""

    name: str  # "rep", "sub A"
    kind: str  # "rep", "sub"
    arguments: list[str]
    voice: Voice | None = None
    state: str = "none"
    figures: dict[str, int] = field(default_factory=dict)  # of now; empty: it does not run
    most: dict[str, int] = field(default_factory=dict)  # the largest of each so far
    lives: int = 0  # how often it was started
    told: int = 0  # how many of these have given their summary
    own: dict[str, int] = field(default_factory=dict)  # the sum of these summaries


class Conversation:
    def __init__(self, stage: Stage, panel: Panel, settings: Settings, now: Callable[[], float],
                 tell: Callable[[Event], None]):  # fmt: skip
        self.stage = stage
        self.panel = panel
        self.settings = settings
        self.now = now
        self.tell = tell
        self.tap: Tap | None = None
        self.flushed = False  # its recording
        self.recording: Path | None = None
        self.line = ""  # the faults that hold, in the tap's words
        transport = settings.transport if settings.transport in panel.speaks else panel.speaks[0]
        self.back = stage.url(transport)
        streams = "tcp" in panel.speaks  # the tap forwards no datagrams
        self.front = stage.url(transport) if streams else self.back
        self.roles = {role.name: role for role in self.cast()}
        self.journal = self.open_journal()

    def cast(self) -> list[Role]:
        """The roles, in the order in which they are started."""
        own = self.settings
        common = ["-q", str(own.queue)]
        paced = ["-r", str(own.rate), "-n", "0"] if own.rate else []
        first, *others = role_names(own)

        def texts(who: str) -> list[str]:
            letter = who.partition(" ")[2]
            return ["--", *own.bodies(letter)] if own.rate else ["-"]

        if own.pattern == "reqrep":
            server = Role(first, "rep", ["-u", self.back, "-w", str(own.work), *common])
            asks = ["-u", self.front, "-t", str(own.timeout), *common, *paced]
            return [server, *(Role(name, "req", [*asks, *texts(name)]) for name in others)]
        topics = [word for topic in own.topics for word in ("-T", topic)]
        says = ["-u", self.back, "-d", str(own.join), *common, *topics, *paced, *texts("")]
        hears = ["-u", self.front, *common]
        prefixes = [own.prefixes[i % len(own.prefixes)] for i in range(own.peers)]
        wants = [[*hears, *(["-T", prefix] if prefix else [])] for prefix in prefixes]
        return [
            Role(first, "pub", says),
            *(Role(name, "sub", want) for name, want in zip(others, wants)),
        ]

    def open_journal(self) -> Journal:
        """It knows for whom a message is."""
        first, *others = self.roles
        if self.settings.pattern == "reqrep":
            return Journal(self.panel.name, self.tell, server=first)
        wanted = self.settings.prefixes
        prefixes = {name: wanted[i % len(wanted)] for i, name in enumerate(others)}
        return Journal(self.panel.name, self.tell, prefixes=prefixes)

    @property
    def server(self) -> Role:
        return next(iter(self.roles.values()))

    # Starting and ending.

    def start(self, role: Role) -> None:
        command = [str(self.panel.program(role.kind)), "--json", *role.arguments]
        stdin = subprocess.PIPE if "-" in role.arguments else subprocess.DEVNULL
        try:
            voice = self.stage.start(*command, kind=Voice, name=role.name, stdin=stdin)
        except Failed as problem:
            self.trouble(role, "error", str(problem))
            return
        voice.panel, voice.role, voice.place = self.panel, role.kind, (self, role)
        role.voice = voice
        role.lives += 1
        self.change(role, "started")

    def open_line(self) -> None:
        """The tap, through which all clients go."""
        if self.front == self.back:
            return
        self.recording = self.stage.path(f"{self.panel.name}.tap")
        # Without restore_signals the tap ignores SIGXFSZ:
        # at the limit its recording ends, it does not.
        self.tap = self.stage.tap(
            self.front, self.back, "-r", self.recording, restore_signals=False
        )
        limit = (RECORDED_MOST, RECORDED_MOST)
        with contextlib.suppress(OSError):
            resource.prlimit(self.tap.pid, resource.RLIMIT_FSIZE, limit)

    def tell_line(self, word: str) -> None:
        if self.tap:
            with contextlib.suppress(Failed):
                self.tap.say(word)

    def shut_line(self, role: Role) -> None:
        """Where there is no server, clients are refused. It is told before the server ends: the tap
        reads it before it reads the end of a connection."""
        if role is self.server:
            self.tell_line("shut")

    def flush(self) -> None:
        """The recording is then in its file."""
        self.flushed = False
        self.tell_line("flush")
        self.stage.wait(lambda: self.flushed, FLUSH_SECONDS)

    def change(self, role: Role, state: str, text: str = "") -> None:
        role.state = state
        self.tell({"k": "state", "p": self.panel.name, "r": role.name, "state": state,
                   "text": text, "t": self.now()})  # fmt: skip

    def trouble(self, role: Role | None, what: str, text: str, t: float | None = None,
                since: float | None = None) -> None:  # fmt: skip
        when: Event = {"t": self.now() if t is None else t}
        if since is not None:
            when["t0"] = since
        self.tell({"k": "trouble", "p": self.panel.name, "r": role.name if role else "line",
                   "what": what, "text": text, **when})  # fmt: skip

    # What is said.

    def heard(self, role: Role, event: Event, t: float) -> None:
        kind = event.get("event")
        if kind == "message":
            self.journal.message(role.name, event, t)
        elif kind == "ready":
            if role.state == "started":
                self.change(role, "ready")
            if role is self.server:
                self.tell_line("listen")
        elif kind == "summary":
            role.told += 1
            for name in COUNTED:
                role.own[name] = role.own.get(name, 0) + int(event.get(name) or 0)
            own = {name: event.get(name) and int(event[name]) for name in COUNTED}
            self.tell({**own, "k": "summary", "p": self.panel.name, "r": role.name, "t": self.now(),
                       "version": str(event.get("version", ""))[:100]})  # fmt: skip
        elif kind in ("timeout", "malformed", "error", "notice"):
            text = str(event.get("text", "")).removeprefix(f"{kind}: ")[:400]
            since = None
            if kind == "timeout":
                asked = self.journal.timed_out(role.name)
                since = asked.t if asked else t - self.settings.timeout
                kind = "timeout" if asked else "unsent"
            self.trouble(role, kind, text, t, since)

    def heard_line(self, event: Event) -> None:
        self.flushed = self.flushed or event.get("command") == "flush"
        if self.tap and len(self.tap.events) > 2 * EVENTS_KEPT:
            del self.tap.events[1:-EVENTS_KEPT]
        if event["event"] == "error":
            self.trouble(None, "line", str(event.get("text", "")))
        elif event["event"] == "close":
            self.tell({"k": "close", "p": self.panel.name, "by": event.get("by"),
                       "how": event.get("how"), "t": self.now()})  # fmt: skip

    def watch(self) -> None:
        """Notices who has ended, and takes the figures of those that run."""
        for role in self.roles.values():
            voice = role.voice
            if voice is None:
                continue
            if not voice.running and not voice.unheard and role.state not in ("killed", "ended"):
                self.shut_line(role)
                calm = voice.process.returncode == 0
                self.change(
                    role, "ended", "" if calm else f"{voice.end()}. {voice.complaint}"[:400]
                )
            role.figures = figures(voice) if voice.running else {}
            role.most.update(
                {name: max(value, role.most.get(name, 0)) for name, value in role.figures.items()}
            )
        self.journal.look(self.now())

    # What the reader does.

    def act(self, do: str, name: str, value: Any, way: str) -> None:
        if do in FAULTS or do in SUDDEN:
            self.fault(do, value, way)
            return
        role = self.roles.get(name)
        if role is None:
            raise Refused(f"{self.panel.name} has no {name!r}")
        actions: dict[str, Callable[[Role], None]] = {
            "kill": self.kill, "stop": self.halt, "continue": self.go_on, "restart": self.restart,
        }  # fmt: skip
        if do == "say":
            self.say(role, value)
        elif do in actions:
            actions[do](role)
        else:
            raise Refused(f"nothing is called {do!r} here")

    def kill(self, role: Role) -> None:
        if not role.voice or not role.voice.running:
            raise Refused(f"{role.name} does not run")
        self.change(role, "killed")
        self.shut_line(role)
        role.voice.kill()

    def halt(self, role: Role) -> None:
        if not role.voice or not role.voice.running:
            raise Refused(f"{role.name} does not run")
        if role.state == "stopped":
            raise Refused(f"{role.name} is paused already")
        role.voice.freeze()
        self.change(role, "stopped")

    def go_on(self, role: Role) -> None:
        if not role.voice or role.state != "stopped":
            raise Refused(f"{role.name} is not paused")
        role.voice.thaw()
        self.change(role, "ready")

    def restart(self, role: Role) -> None:
        """Ends it in order where it runs, and starts it with the same command line."""
        voice = role.voice
        if voice and voice.running:
            self.shut_line(role)
            voice.thaw()
            voice.signal(signal.SIGTERM)
            self.stage.wait_ended([voice], RESTART_SECONDS)
            voice.kill()
        self.forget(voice)
        self.journal.new_life(role.name)
        self.start(role)

    def forget(self, voice: Voice | None) -> None:
        """The stage keeps no program that has ended: a role may be started many times."""
        if voice:
            while voice.unheard:
                with contextlib.suppress(Failed):
                    self.stage.listener(voice, voice.hear("", 0))
            with contextlib.suppress(ValueError):
                self.stage.programs.remove(voice)

    def say(self, role: Role, text: Any) -> None:
        """A text by hand, to a program that reads its texts."""
        voice = role.voice
        if not isinstance(text, str):
            raise Refused("a text is text")
        check_text(text)
        if not voice or not voice.running or not voice.process.stdin:
            return
        done = voice.counts["sent"] + voice.counts["error"]
        if voice.told - done >= OWED_MOST:
            raise Refused(
                f"{role.name} of {self.panel.name} has not dealt with the last {OWED_MOST} texts"
            )
        os.set_blocking(voice.process.stdin.fileno(), False)
        try:
            voice.say(text)
        except (Failed, BlockingIOError) as problem:
            self.trouble(role, "error", f"takes no text: {problem}")

    def fault(self, do: str, value: Any, way: str) -> None:
        if not self.tap:
            raise Refused(
                f"{self.panel.name} sends datagrams: there is no line between its programs to hold"
            )
        if way not in ("", "up", "down"):
            raise Refused("a way is up or down")
        words = [do, way] if way else [do]
        if do in FAULTS:
            if (
                not isinstance(value, int)
                or isinstance(value, bool)
                or not 0 <= value <= FAULTS[do]
            ):
                raise Refused(f"{do}: a number from 0 to {FAULTS[do]}; 0 ends it")
            words.append(str(value))
        if do == "clear" and way:
            raise Refused("clear ends all faults of both ways")
        line = " ".join(words)
        self.tell_line(line)
        self.tell({"k": "fault", "p": self.panel.name, "text": line, "t": self.now()})


def figures(voice: Voice) -> dict[str, int]:
    try:
        return {
            "memory": voice.figure("VmRSS"),
            "threads": voice.figure("Threads"),
            "descriptors": voice.descriptors(),
        }
    except OSError:
        return {}
