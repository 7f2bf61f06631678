"""What the acts of the demo have in common: programs that are started, told, heard and awaited.

Nothing here waits without a limit, and no program is given more than it takes: a step of the way
may block for ever, or be killed by what another does. Then that is what the audience is shown.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

from demo.own_input import Lines
from demo.verdicts import Client, Outcome, what_differed
from demo.views import View
from harness.others import WHO
from harness.panels import Panel
from harness.program import Event, Failed
from harness.stage import Player, Stage
from harness.terminal import wait_for_key

TIMEOUT_MS = 2000  # of a request
TAKEN_SECONDS = 0.5  # a program that has not taken a line by then is not given another
WATCH_SECONDS = 0.1  # between two looks at who has ended
STEP_SECONDS = 0.35  # between two inputs: long enough to be read
OWN_STEP_SECONDS = 0.15  # the same for your own lines, ...
OWN_STEPS = 30  # ... and after so many of them there is no time for pauses
BUSY = 0.1  # of a processor that is measured: used by others, it is a busy machine


def disturbed(share: float, core: int) -> str:
    """A sentence if others had much of the core on which something was measured."""
    if share <= BUSY:
        return ""
    return (
        f"{WHO} used {share:.0%} of core {core} meanwhile: "
        "these figures are those of a busy machine, and their order may be another on a quiet one."
    )


def over(panels: list[Panel]) -> str:
    """ "TCP", or what these panels speak first: a panel of datagrams has no TCP."""
    ways = dict.fromkeys(panel.speaks[0].rstrip("6") for panel in panels)
    return " or ".join({"ipc": "UNIX sockets"}.get(way, way.upper()) for way in ways)


class Scene:
    """Panels on a stage before an audience."""

    def __init__(self, panels: list[Panel], view: View, lines: Lines | None, step: bool = False):
        self.panels = panels
        self.view = view
        self.lines = lines
        self.by_step = step  # a key begins the next act
        self.failures: dict[str, str] = {}  # by program: what went wrong first
        self.failed_before: set[str] = set()  # those of earlier acts
        self.versions: dict[str, str] = {}  # by panel
        self.number = 0
        self.over: set[Player] = set()  # those whose end is no news
        self.stuck: set[Player] = set()  # those that do not take what they are told
        self.watched = 0.0
        self.killed_at: dict[str, float] = {}  # by panel: when a program of it was killed last
        # By panel, sequence and `sent`, of requests
        self.sent_us: dict[tuple[str, int, int], int] = {}

    # What the programs say, in the view's words.

    def heard(self, program: Player, event: Event) -> None:
        if not isinstance(program, Player):
            return  # a tap
        kind, us = event["event"], event.get("us")
        panel, name = program.panel, program.name
        if kind == "summary":
            self.over.add(program)
            self.versions[panel.name] = str(event.get("version") or "")
        elif kind == "message" and event.get("direction") == "sent":
            if program.role == "req":
                self.sent_us[panel.name, event["sequence"], event.get("sent", 0)] = event["us"]
            self.view.tell(panel, name, "> " + words(event), us=us)
        elif kind == "message":
            note = ""
            if program.role == "req":
                sent = self.sent_us.get((panel.name, event["sequence"], event.get("sent", 0)))
                note = duration(event["us"] - sent) if sent is not None else ""
            self.view.tell(panel, name, "< " + words(event), note, us=us)
        elif kind == "timeout":
            self.view.tell(panel, name, "no answer in time", us=us, strong=True)
        elif kind in ("error", "malformed", "notice"):
            text = f"error: {said(event)}" if kind == "error" else said(event)
            self.view.tell(panel, name, text, us=us, strong=True)
            if kind == "error":
                self.fail(program, str(event.get("text", "")))

    def silent(self, program: Player, event: Event) -> None:
        """For what is measured: only what goes wrong is told."""
        if event["event"] in ("error", "malformed", "notice", "timeout", "summary"):
            self.heard(program, event)

    def fail(self, program: Player, text: str) -> None:
        """Notes a program's first failure: what follows from it is no news.

        A step keeps only a part of the contract. What it cannot do is shown, and is no failure.
        """
        if program.panel.kind != "step":
            self.failures.setdefault(f"{program.panel.name}: {program.name}", text)

    def watch(self, stage: Stage) -> None:
        """Shows what is due, and who has ended before its time."""
        self.view.tick()
        now = time.monotonic()
        if now - self.watched < WATCH_SECONDS:
            return
        self.watched = now
        for program in stage.programs:
            if isinstance(program, Player) and program not in self.over and not program.running:
                if not program.unheard:  # else its summary may be to come
                    self.over.add(program)
                    self.failed(program, program.end().upper())

    # Acts.

    @contextlib.contextmanager
    def act(self, title: str, sentence: str, listener: Any = None) -> Iterator[Stage]:
        """A stage for one act; what fails on it ends the demo's panel, not the demo."""
        if self.number:
            self.next_act()
        self.over.clear()
        self.stuck.clear()
        self.sent_us.clear()
        self.failed_before = set(self.failures)
        with Stage(listener or self.heard) as stage:
            stage.tick = lambda: self.watch(stage)
            self.number += 1
            self.view.act(f"{self.number}. {title}", sentence)
            stage.pause(0 if self.by_step else self.view.reading_seconds)
            yield stage
            self.view.end_act()

    def next_act(self) -> None:
        """Waits for a key, where that is asked for."""
        if self.by_step:
            wait_for_key(self.view.console, "A key: what comes next")

    def differed(self, outcomes: dict[str, Outcome], clause: str, experiment: str) -> None:
        """The last lines of an act: what came of it, and which panels' outcome proves nothing."""
        new = [program for program in self.failures if program not in self.failed_before]
        failed = (f"{name}: {self.failures[name]}; so its panel shows nothing here" for name in new)
        lines = [what_differed(outcomes, clause, experiment), *(f"But {one}." for one in failed)]
        self.view.remark(lines)

    def inputs(self, stage: Stage, story: tuple[bytes, ...]) -> Iterator[bytes]:
        """The lines of this act: yours, as they arrive, or the story's."""
        if self.lines is None:
            for line in story:
                yield line
                stage.pause(STEP_SECONDS)
            return
        number = 0
        while True:
            if number < len(self.lines.seen):  # by an earlier act
                own: bytes | None = self.lines.seen[number]
            else:
                while not self.lines.poll():
                    stage.pause(0.05)
                own = self.lines.next()
            if own is None:
                return
            yield own
            number += 1
            stage.pause(OWN_STEP_SECONDS if number < OWN_STEPS else 0)

    # Programs.

    def say(self, stage: Stage, programs: list[Player], line: bytes) -> None:
        """A line to each of these at once, to those that have dealt with what they were told.

        To write to one that reads no more would wait for ever as soon as its pipe is full.
        """
        self.view.step()
        self.await_dealt(stage, programs, TAKEN_SECONDS)
        for program in programs:
            if program not in self.stuck and program not in self.over:
                with contextlib.suppress(Failed):  # it has ended: watch() tells
                    program.say(line)

    def await_dealt(self, stage: Stage, programs: list[Player], seconds: float) -> None:
        """Waits until each has dealt with all that it was told, or is found to be stuck."""

        def dealt(program: Player) -> bool:
            counts = program.counts
            done = counts["sent"] if program.role == "pub" else counts["received"]
            done += counts["timeout"] + counts["error"] + counts["malformed"]
            return done >= program.told or not program.running

        waiting = [p for p in programs if p not in self.stuck]
        stage.wait(lambda: all(map(dealt, waiting)), seconds)
        for program in programs:
            if dealt(program):
                self.stuck.discard(program)
            elif program not in self.stuck:
                self.stuck.add(program)
                self.view.tell(program.panel, program.name, "still waits", strong=True)

    def ask(self, stage: Stage, clients: list[Player], line: bytes, ms: int = TIMEOUT_MS) -> None:
        """All clients ask the same at once; returns when each has a reply or gave up."""
        self.say(stage, clients, line)
        self.await_dealt(stage, clients, ms / 1000 + 0.5)

    def client(self, client: Player, number: int) -> Client:
        """What a client has said about its request of that number, from 1."""
        at = 0  # the request that the events are about
        got, timed_out, ended = None, False, ""
        for event in client.events:
            kind = event["event"]
            if kind == "message" and event["direction"] == "sent":
                at = event["sequence"]
            elif at == number and kind == "message":
                got = str(event.get("text") or "")
            elif at == number and kind == "timeout":
                timed_out = True
            elif kind == "error" and got is None and at in (number, number - 1):
                ended = f"ended: {said(event)}"
        if not client.running and not ended and got is None and not timed_out:
            ended = client.end()
        return Client(got, timed_out, ended if not client.running else "")

    def ready(self, stage: Stage, programs: list[Player]) -> list[Player]:
        """Waits for these to be ready; returns those that are, and notes what the others failed."""
        late = stage.wait_ready(programs)
        for program in late:
            self.failed(program, "did not get ready")
        return [program for program in programs if program not in late]

    def kill(self, program: Player) -> None:
        self.over.add(program)
        self.view.tell(program.panel, program.name, "KILLED", strong=True)
        self.killed_at[program.panel.name] = time.monotonic()
        program.kill()

    def halt(self, programs: list[Player], number: int, text: str) -> None:
        self.view.step()
        for program in programs:
            self.view.tell(program.panel, program.name, text, strong=True)
            program.signal(number)

    def end(
        self, stage: Stage, programs: list[Player], seconds: float, waited: float = 0.0
    ) -> None:
        """Waits for these to end by themselves; stops and notes those that do not."""
        late = stage.wait_ended(programs, seconds)
        self.over |= set(late)
        stage.stop(late)
        for program in programs:
            if program in late:
                self.failed(program, f"did not end within {waited + seconds:g} s")
            elif not program.said("summary") and program not in self.over:
                self.over.add(program)
                self.failed(program, program.end().upper())

    def stop(self, stage: Stage, programs: list[Player]) -> None:
        self.over |= set(programs)
        stage.stop(programs)

    def failed(self, program: Player, what: str) -> None:
        if not program.counts["error"]:  # else it has said so itself
            text = f"{what}: {program.complaint}" if program.complaint else what
            self.view.tell(program.panel, program.name, text, strong=True)
            self.fail(program, text)


def words(event: Event) -> str:
    """What a message says: its topic, if it has one, and its text."""
    topic, text = event.get("topic") or "", event.get("text") or "(empty)"
    return f"{topic} {text}" if topic else text


def duration(us: float) -> str:
    return f"{us:.0f} us" if us < 10000 else f"{us / 1000:.0f} ms"


def said(event: Event) -> str:
    """The text of an error, without the address before it: the column is narrow."""
    return re.sub(r"^\S+://\S+: ", "", str(event.get("text", "")))
