"""A run: several panels in the same conversation, in a thread of its own.

The thread starts the programs, hears them, does what readers ask, and ends them. It is the thread
that the kernel ties them to: when the server is killed, they are killed. What happens goes to a
stream; pages come and go.

A run ends when it is told so, when no page has looked at it for a minute, or when it takes more
than it may.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from harness.program import Event, Failed
from harness.stage import Stage
from web.page import Refused
from web.play.conversation import Conversation, Voice
from web.play.settings import Settings
from web.stream import Stream

TICK_SECONDS = 0.05
LOOK_SECONDS = 0.25  # between two looks at figures and ends
FIGURES_MS = 500.0  # between two figures that a page draws
DRAIN_SECONDS = 2.0  # to hear what was said before the end
ALONE_SECONDS = 60.0  # without a page
RUN_SECONDS = 2 * 3600.0
MEMORY_MOST = 2 << 20  # KiB of all programs together
COMMANDS_MOST = 200  # that wait
RECORDING_KEPT = 4 << 20  # bytes of a line's recording that is kept after the run

Step = tuple[float, dict[str, Any], str]  # of a story: seconds, what is done, what is said of it


class Run(threading.Thread):
    def __init__(self, settings: Settings, steps: list[Step], story: str = ""):
        self.key = secrets.token_hex(6)
        super().__init__(name=f"run {self.key}", daemon=True)
        self.settings = settings
        self.story = story
        self.steps = sorted(steps, key=lambda step: step[0])
        self.stream = Stream(self.key)
        self.commands: queue.Queue[Callable[[], None]] = queue.Queue(COMMANDS_MOST)
        self.conversations: dict[str, Conversation] = {}
        self.stopping = threading.Event()
        self.why = "stopped"
        self.began = time.monotonic()
        self.seen = self.began  # when a page last looked
        self.looked = 0.0
        self.figures_told = 0.0
        self.kept: dict[str, BinaryIO] = {}  # recordings, by panel, once the run has ended

    # From any thread.

    def stop(self) -> None:
        self.stopping.set()

    def ask(self, command: Callable[[], Any], seconds: float = 10.0) -> Any:
        """Has the run's thread do something; what it returns or raises."""
        result: Future[Any] = Future()

        def do() -> None:
            try:
                result.set_result(command())
            except BaseException as problem:
                result.set_exception(problem)

        if self.stream.ended:
            raise Refused("this run has ended: start another")
        try:
            self.commands.put_nowait(do)
        except queue.Full:
            raise Refused("this run is busy: wait a moment") from None
        try:
            return result.result(seconds)
        except TimeoutError:
            raise Refused("this run does not answer: wait a moment") from None

    def counts(self) -> dict[str, Any]:
        """The newest counters, by panel."""
        newest = self.stream.latest.get("count")
        found: dict[str, Any] = json.loads(newest)["panels"] if newest else {}
        return found

    def act(self, panel: str, role: str, do: str, value: Any = None, way: str = "") -> None:
        """What a reader does to one panel, or to all (""): raises Refused if that is nothing."""
        self.ask(lambda: self.act_here(panel, role, do, value, way))

    # In the run's thread.

    def now(self) -> float:
        """ms since the run began."""
        return round((time.monotonic() - self.began) * 1000, 3)

    def tell(self, event: Event) -> None:
        self.stream.tell(event)

    def act_here(self, panel: str, role: str, do: str, value: Any, way: str) -> None:
        if panel and panel not in self.conversations:
            raise Refused(f"this run has no panel {panel!r}")
        chosen = [self.conversations[panel]] if panel else list(self.conversations.values())
        refused = None
        done = 0
        for one in chosen:
            for name in one.roles if role == "all" else [role]:
                try:
                    one.act(do, name, value, way)
                    done += 1
                except Refused as problem:
                    refused = problem
        if refused and not done:
            raise refused

    def run(self) -> None:
        try:
            with Stage(self.heard) as stage:
                self.play(stage)
        except Exception as problem:
            self.why = str(problem) or type(problem).__name__
            self.tell(
                {
                    "k": "trouble", "p": "", "r": "", "what": "error", "text": self.why,
                    "t": self.now(),
                }
            )
        finally:
            self.tell({"k": "end", "why": self.why, "t": self.now()})
            self.stream.end()
            self.conversations.clear()  # a run is kept to be looked at: its stream tells all
            with contextlib.suppress(queue.Empty):
                while True:
                    self.commands.get_nowait()()

    def play(self, stage: Stage) -> None:
        for panel in self.settings.chosen():
            talk = Conversation(stage, panel, self.settings, self.now, self.tell)
            self.conversations[panel.name] = talk
        talks = list(self.conversations.values())
        for talk in talks:
            talk.start(talk.server)
        stage.wait_ready([talk.server.voice for talk in talks if talk.server.voice])
        for talk in talks:
            try:
                talk.open_line()
            except Failed as problem:
                talk.trouble(None, "error", str(problem))
            for role in list(talk.roles.values())[1:]:
                talk.start(role)
        started = time.monotonic()
        steps = list(self.steps)
        while not self.stopping.is_set():
            stage.pump(TICK_SECONDS)
            self.turn()
            while steps and time.monotonic() - started >= steps[0][0]:
                self.step(steps.pop(0))
        self.end(
            stage, [role.voice for talk in talks for role in talk.roles.values() if role.voice]
        )
        for talk in talks:
            talk.watch()
        self.show()
        self.keep_recordings()

    def keep_recordings(self) -> None:
        """The lines' recordings outlive the stage's folder:
        an open file stays until this run is forgotten."""
        for name in self.conversations:
            recording = self.recording(name)
            if recording and recording.exists() and recording.stat().st_size <= RECORDING_KEPT:
                self.kept[name] = recording.open("rb")

    def kept_recording(self, panel: str) -> Path | None:
        kept = self.kept.get(panel)
        return Path(f"/proc/{os.getpid()}/fd/{kept.fileno()}") if kept else None

    def end(self, stage: Stage, voices: list[Voice]) -> None:
        """Ends them in order. One that is told to end while its output is full would lose a line.
        So all stand still until what they have said was heard."""
        for talk in self.conversations.values():
            talk.journal.over = self.now()
        for voice in voices:
            voice.freeze()

        def drained() -> bool:
            more = [voice.read(0) or voice.unheard for voice in voices]
            return not any(more)

        stage.wait(drained, DRAIN_SECONDS)
        stage.stop(voices)

    def step(self, step: Step) -> None:
        _, action, text = step
        self.tell({"k": "story", "text": text, "t": self.now()})
        try:
            self.act_here(
                "", action.get("role", ""), action["do"], action.get("value"), action.get("way", "")
            )
        except Refused as problem:
            self.tell(
                {
                    "k": "trouble", "p": "", "r": "", "what": "story", "text": str(problem),
                    "t": self.now(),
                }
            )

    def heard(self, program: Any, event: Event) -> None:
        if not isinstance(program, Voice):
            for talk in self.conversations.values():
                if program is talk.tap:
                    talk.heard_line(event)
            return
        talk, role = program.place
        us = event.get("us")
        try:
            t = round(us / 1000 - self.began * 1000, 3) if isinstance(us, int) else self.now()
            talk.heard(role, event, t)
        except (TypeError, ValueError, KeyError, OverflowError) as problem:
            # Programs may say anything.
            talk.trouble(role, "error", f"said what nobody understands: {problem}"[:200])

    def turn(self) -> None:
        """What is to be done between two looks at the pipes."""
        for _ in range(COMMANDS_MOST):
            try:
                self.commands.get_nowait()()
            except queue.Empty:
                break
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked = now
        for talk in self.conversations.values():
            talk.watch()
        self.show()
        self.tell_figures()
        if self.stream.readers:
            self.seen = now
        memory = sum(
            role.figures.get("memory", 0) for talk in self.conversations.values()
            for role in talk.roles.values()
        )
        for over, why in (
            (now - self.seen > ALONE_SECONDS, "no page looked at it for a minute"),
            (now - self.began > RUN_SECONDS, "two hours are over"),
            (
                memory > MEMORY_MOST,
                f"the programs took more than {MEMORY_MOST >> 20} GiB of memory",
            ),
        ):
            if over:
                self.why = why
                self.stopping.set()

    def show(self) -> None:
        """The counters of now: newer ones replace them."""
        panels = {}
        for name, talk in self.conversations.items():
            panels[name] = {
                "told": talk.journal.told,
                "seen": talk.journal.seen,
                "stride": talk.journal.stride,
                "roles": {
                    role.name: {
                        **asdict(talk.journal.of(role.name)),
                        "most": role.most,
                        "state": role.state,
                        "own": role.own if role.lives == role.told else None,
                    }
                    for role in talk.roles.values()
                },
            }
        self.stream.show("count", {"k": "count", "t": self.now(), "panels": panels})

    def tell_figures(self) -> None:
        """What the programs take now. All of it is kept: it is drawn as a line."""
        if self.now() - self.figures_told < FIGURES_MS:
            return
        self.figures_told = self.now()
        for name, talk in self.conversations.items():
            running = {role.name: role.figures for role in talk.roles.values() if role.figures}
            self.tell({"k": "figures", "p": name, "t": self.figures_told, "roles": running})

    def recording(self, panel: str) -> Path | None:
        """The recording of a panel's line, flushed; None: it has none."""
        talk = self.conversations.get(panel)
        if talk is None or talk.tap is None:
            return None
        talk.flush()
        return talk.recording
