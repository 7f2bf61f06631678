"""The acts of the demo: each runs the panels' programs and tells the view what they do."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from demo.own_input import Lines
from harness.panels import Panel
from harness.program import Event, Failed
from harness.stage import Player, Stage
from demo.views import View

QUESTIONS = (b"hello", b"how deep is the sea?", b"say it again", b"good night")
TIMEOUT_MS = 2000  # of a request
DOWN_SECONDS = 1.0  # the server is gone so long
STEP_SECONDS = 0.35  # between two inputs: long enough to be read
OWN_STEP_SECONDS = 0.15  # the same for your own lines, ...
OWN_STEPS = 30  # ... and after so many of them there is no time for pauses

JOIN_SECONDS = 1.0  # a subscriber's subscription has travelled by then (clause P4)
TOPICS = ("oslo.temp", "rome.temp", "oslo.wind", "osaka.wind")
PREFIXES = {"A": "oslo.", "B": "os", "C": "rome."}
NEWS = (b"-4 C", b"16 C", b"3 m/s", b"9 m/s", b"-6 C", b"17 C", b"5 m/s", b"8 m/s")

FLOOD_RATE = 1500  # a second
FLOOD_COUNT = 6750
FLOOD_BODY = 8192  # bytes: 12 MiB a second, which no kernel buffer holds for long
FLOOD_QUEUE = 200  # nanomsg takes it for KiB: 25 of these messages
FLOOD_STOP, FLOOD_CONTINUE = 0.7, 3.2  # seconds after the flood began

MEASURE_COUNT = 10000
MEASURE_BODY = 64
MEASURE_SECONDS = 20.0  # that it may take


@dataclass
class Figures:
    """What the demo has measured on one panel; None: not in this run."""

    version: str = ""
    asked: int | None = None
    answered: int | None = None
    p50_us: float | None = None
    p99_us: float | None = None
    published: int | None = None
    received: int | None = None
    lost: int | None = None
    flooded: int | None = None
    steady: tuple[int, int] | None = None  # received and lost by the subscriber that kept up
    paused: tuple[int, int] | None = None  # by the one that paused
    threads: int | None = None
    memory_kib: int | None = None


class Demo:
    """The acts, in any order; the figures that they gathered."""

    def __init__(self, panels: list[Panel], view: View, lines: Lines | None):
        self.panels = panels
        self.view = view
        self.lines = lines
        self.figures = {panel.name: Figures() for panel in panels}
        self.failures: dict[str, str] = {}  # by program: what went wrong first
        self.core = max(os.sched_getaffinity(0))
        self.number = 0
        self.sent_us: dict[
            tuple[str, int], int
        ] = {}  # by panel and sequence, of the latest requests

    # What the programs say, in the view's words.

    def heard(self, program: Player, event: Event) -> None:
        kind, us = event["event"], event.get("us")
        panel, name = program.panel, program.name
        if kind == "summary":
            self.figures[panel.name].version = str(event.get("version") or "")
        elif kind == "message" and event.get("direction") == "sent":
            if program.role == "req":
                self.sent_us[panel.name, event["sequence"]] = event["us"]
            self.view.tell(panel, name, "> " + words(event), us=us)
        elif kind == "message":
            note = ""
            if program.role == "req":
                sent = self.sent_us.get((panel.name, event["sequence"]))
                note = duration(event["us"] - sent) if sent is not None else ""
            self.view.tell(panel, name, "< " + words(event), note, us=us)
        elif kind == "timeout":
            self.view.tell(panel, name, "no answer in time", us=us, strong=True)
        elif kind in ("error", "malformed"):
            self.view.tell(panel, name, f"{kind}: {event.get('text', '')}", us=us, strong=True)
            if kind == "error":
                self.fail(program, str(event.get("text", "")))

    def silent(self, program: Player, event: Event) -> None:
        """For what is measured: only what goes wrong is told."""
        if event["event"] in ("error", "malformed", "timeout", "summary"):
            self.heard(program, event)

    def fail(self, program: Player, text: str) -> None:
        """Notes a program's first failure: what follows from it is no news."""
        self.failures.setdefault(f"{program.panel.name}: {program.name}", text)

    @property
    def wrong(self) -> dict[str, str]:
        """The failures that nobody expects: a step keeps a part of the contract, and ends early."""
        steps = {panel.name for panel in self.panels if panel.kind == "step"}
        return {who: text for who, text in self.failures.items() if who.split(":")[0] not in steps}

    # Requests and answers.

    def requests(self) -> None:
        with self.act(
            "Requests and answers",
            "A client asks (req), a server answers with the same words (rep): the simplest "
            "conversation there is.",
        ) as stage:
            urls = {panel.name: stage.url() for panel in self.panels}
            servers = {
                p.name: stage.play(p, "rep", "rep", "-u", urls[p.name]) for p in self.panels
            }
            self.ready(stage, list(servers.values()))
            clients = [
                stage.play(p, "req", "req", "-u", urls[p.name], "-t", str(TIMEOUT_MS), "-")
                for p in self.panels
            ]
            clients = self.ready(stage, clients)
            for line in self.inputs(stage, QUESTIONS):
                self.ask(stage, clients, line)
            if not self.lines:
                self.announce(
                    stage,
                    "The server is killed, and comes back",
                    "SIGKILL: no goodbye. The client keeps its handle, asks meanwhile, and asks "
                    "again. Whose question arrives after all, and when?",
                )
                for panel in self.panels:
                    servers[panel.name].kill()
                    self.view.tell(panel, "rep", "KILLED", strong=True)
                stage.pause(STEP_SECONDS)
                self.begin_asking(clients, b"are you there?")
                stage.pause(DOWN_SECONDS)
                self.view.step()
                for panel in self.panels:
                    self.view.tell(panel, "rep", "RESTARTED", strong=True)
                    servers[panel.name] = stage.play(panel, "rep", "rep", "-u", urls[panel.name])
                self.ready(stage, list(servers.values()))
                self.finish_asking(stage, clients)
                stage.pause(max(DOWN_SECONDS, STEP_SECONDS))
                self.ask(stage, clients, b"and now?")
            for client in clients:
                client.hang_up()
            self.end(stage, clients, TIMEOUT_MS / 1000)
            stage.stop(list(servers.values()))
        for client in clients:
            figures = self.figures[client.panel.name]
            figures.asked, figures.answered = summary(client, "sent"), summary(client, "received")

    def ask(self, stage: Stage, clients: list[Player], line: bytes) -> None:
        """All clients ask the same at once; returns when each has an answer or gave up."""
        self.begin_asking(clients, line)
        self.finish_asking(stage, clients)

    def begin_asking(self, clients: list[Player], line: bytes) -> None:
        self.view.step()
        for client in clients:
            say(client, line)

    def finish_asking(self, stage: Stage, clients: list[Player]) -> None:
        def settled(client: Player) -> bool:
            done = client.counts["received"] + client.counts["timeout"] + client.counts["error"]
            return done >= client.told or not client.running

        stage.wait(lambda: all(settled(client) for client in clients), TIMEOUT_MS / 1000 + 1)

    # Topics and prefixes.

    def topics(self) -> None:
        with self.act(
            "Topics and prefixes",
            "One publisher (pub) of the weather, three subscribers: "
            + ", ".join(f'{name} wants "{prefix}"' for name, prefix in PREFIXES.items())
            + ". A prefix is compared byte by byte: it need not end where a word does.",
        ) as stage:
            urls = {panel.name: stage.url() for panel in self.panels}
            topics = [word for topic in TOPICS for word in ("-T", topic)]
            publishers = [
                stage.play(p, "pub", "pub", "-u", urls[p.name], *topics, "-") for p in self.panels
            ]
            publishers = self.ready(stage, publishers)
            subscribers = [
                stage.play(p, "sub", f"sub {name}", "-u", urls[p.name], "-T", prefix)
                for p in self.panels
                for name, prefix in PREFIXES.items()
            ]
            subscribers = self.ready(stage, subscribers)
            stage.pause(JOIN_SECONDS)
            for line in self.inputs(stage, NEWS):
                self.view.step()
                for publisher in publishers:
                    say(publisher, line)
            stage.pause(STEP_SECONDS)
            for publisher in publishers:
                publisher.hang_up()
            self.end(stage, publishers, 3)
            stage.stop(subscribers)
        for publisher in publishers:
            figures = self.figures[publisher.panel.name]
            own = [s for s in subscribers if s.panel is publisher.panel]
            figures.published = summary(publisher, "sent")
            figures.received = sum(summary(s, "received") for s in own)
            figures.lost = sum(summary(s, "lost") for s in own)

    def flood(self) -> None:
        seconds = FLOOD_COUNT / FLOOD_RATE
        with self.act(
            "A subscriber pauses under a flood",
            f"{FLOOD_RATE} messages a second of {FLOOD_BODY // 1024} KiB for {seconds:.1f} s, queues "
            f"of {FLOOD_QUEUE} (-q {FLOOD_QUEUE}). Subscriber B is stopped (SIGSTOP) and continued "
            "(SIGCONT); A is never stopped. The publisher waits for neither. What does each of them "
            "miss?",
            self.silent,
        ) as stage:
            urls = {panel.name: stage.url() for panel in self.panels}
            queue = ["-q", str(FLOOD_QUEUE), "--quiet"]
            size = ["-n", str(FLOOD_COUNT), "-s", str(FLOOD_BODY), "-r", str(FLOOD_RATE)]
            delay = ["-d", str(int(JOIN_SECONDS * 1000)), "-T", "flood"]
            publishers = [
                stage.play(p, "pub", "pub", "-u", urls[p.name], *delay, *size, *queue)
                for p in self.panels
            ]
            subscribers = [
                stage.play(p, "sub", f"sub {name}", "-u", urls[p.name], *queue)
                for p in self.panels
                for name in "AB"
            ]
            publishers, subscribers = self.ready(stage, publishers), self.ready(stage, subscribers)
            pausing = [s for s in subscribers if s.name == "sub B"]
            stage.wait(lambda: any(s.counts["first"] for s in subscribers), JOIN_SECONDS + 1)
            started = time.monotonic()
            self.memory(stage, publishers, started + FLOOD_STOP)
            self.halt(pausing, signal.SIGSTOP, "STOPPED")
            self.memory(stage, publishers, started + FLOOD_CONTINUE)
            self.halt(pausing, signal.SIGCONT, "CONTINUED")
            self.memory(stage, publishers, started + seconds)
            self.end(stage, publishers, seconds + 5)
            stage.pause(STEP_SECONDS)
            stage.stop(subscribers)
            self.view.step()
            for program in publishers + subscribers:
                strong = program.name == "sub B"
                if program.role == "pub":
                    self.view.tell(program.panel, "pub", f"sent {summary(program, 'sent')}")
                else:
                    self.view.tell(
                        program.panel,
                        program.name,
                        f"got {summary(program, 'received')}",
                        strong=strong,
                    )
                    self.view.tell(
                        program.panel,
                        program.name,
                        f"lost {summary(program, 'lost')}",
                        strong=strong,
                    )
        for program in publishers + subscribers:
            figures = self.figures[program.panel.name]
            if program.role == "pub":
                figures.flooded = summary(program, "sent")
            else:
                counts = summary(program, "received"), summary(program, "lost")
                if program.name == "sub A":
                    figures.steady = counts
                else:
                    figures.paused = counts
        self.view.remark([flood_sentence(p, self.figures[p.name]) for p in self.panels])

    def memory(self, stage: Stage, publishers: list[Player], until: float) -> None:
        """Tells the publishers' memory now and then: their queues are bounded."""
        while (left := until - time.monotonic()) > 0:
            self.view.step()
            for publisher in publishers:
                kib = publisher.figure("VmRSS")
                self.view.tell(publisher.panel, "pub", "memory", f"{kib / 1024:.1f} MiB")
            stage.wait(lambda: not any(p.running for p in publishers), min(left, 0.8))
            if not any(p.running for p in publishers):
                return

    def halt(self, programs: list[Player], number: signal.Signals, text: str) -> None:
        self.view.step()
        for program in programs:
            program.signal(number)
            self.view.tell(program.panel, program.name, text, strong=True)

    # Figures.

    def measure(self) -> None:
        with self.act(
            "Measured",
            f"{MEASURE_COUNT} requests of {MEASURE_BODY} bytes over TCP on each panel, one panel "
            "after the other; "
            f"client and server share core {self.core} (--cpu {self.core}).",
            self.silent,
        ) as stage:
            pinned = ["--cpu", str(self.core), "--quiet"]
            for panel in self.panels:
                address = stage.url()
                server = stage.play(panel, "rep", "rep", "-u", address, *pinned)
                if not self.ready(stage, [server]):
                    continue
                count = ["-n", str(MEASURE_COUNT), "-s", str(MEASURE_BODY)]
                client = stage.play(panel, "req", "req", "-u", address, *count, *pinned)
                figures = self.figures[panel.name]

                def done() -> bool:
                    if server.running and client.running and client.counts["ready"]:
                        figures.threads = server.figure("Threads")
                        figures.memory_kib = server.figure("VmRSS")
                    return not client.running

                stage.wait(done, MEASURE_SECONDS)
                self.end(stage, [client], 0.5, MEASURE_SECONDS)
                stage.stop([server])
                latency: dict[str, Any] = (client.said("summary") or {}).get("latency_us") or {}
                figures.p50_us, figures.p99_us = latency.get("p50"), latency.get("p99")
                if figures.p50_us is not None:
                    self.view.tell(panel, "p50", f"{figures.p50_us:.1f} us")

    # What acts have in common.

    @contextlib.contextmanager
    def act(self, title: str, sentence: str, listener: Any = None) -> Iterator[Stage]:
        """A stage for one act; what fails on it ends the demo's panel, not the demo."""
        with Stage(listener or self.heard, self.view.tick) as stage:
            self.announce(stage, title, sentence)
            yield stage
            self.view.end_act()

    def announce(self, stage: Stage, title: str, sentence: str) -> None:
        self.view.end_act()
        self.number += 1
        self.view.act(f"{self.number}. {title}", sentence)
        stage.pause(self.view.reading_seconds)

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

    def ready(self, stage: Stage, programs: list[Player]) -> list[Player]:
        """Waits for these to be ready; returns those that are, and notes what the others failed."""
        late = stage.wait_ready(programs)
        for program in late:
            self.failed(program, "did not get ready")
        return [program for program in programs if program not in late]

    def end(
        self, stage: Stage, programs: list[Player], seconds: float, waited: float = 0.0
    ) -> None:
        """Waits for these to end by themselves; stops and notes those that do not."""
        late = stage.wait_ended(programs, seconds)
        stage.stop(late)
        for program in programs:
            if program in late:
                self.failed(program, f"did not end within {waited + seconds:g} s")
            elif not program.said("summary"):
                self.failed(program, f"{program.end()} and has not said a summary")

    def failed(self, program: Player, what: str) -> None:
        if not program.counts["error"]:  # else it has said so itself
            text = f"{what}: {program.complaint}" if program.complaint else what
            self.view.tell(program.panel, program.name, text, strong=True)
            self.fail(program, text)


def flood_sentence(panel: Panel, figures: Figures) -> str:
    """What the two subscribers of a flood received, in words."""

    def told(name: str, counts: tuple[int, int] | None) -> str:
        received, sent = (counts or (0, 0))[0], figures.flooded or 0
        if received >= sent:
            return f"{name} received all {sent} messages"
        return f"{name} missed {sent - received} of {sent} messages"

    stopped = FLOOD_CONTINUE - FLOOD_STOP
    steady, paused = told("A", figures.steady), told("B", figures.paused)
    return f"{panel.name}: {steady}; {paused}, after it had been stopped for {stopped:.1f} s."


def say(program: Player, line: bytes) -> None:
    """A line to a program; that it has ended is told at the end of the act."""
    with contextlib.suppress(Failed):
        program.say(line)


def words(event: Event) -> str:
    """What a message says: its topic, if it has one, and its text."""
    topic, text = event.get("topic") or "", event.get("text") or "(empty)"
    return f"{topic} {text}" if topic else text


def duration(us: float) -> str:
    return f"{us:.0f} us" if us < 10000 else f"{us / 1000:.0f} ms"


def summary(program: Player, field: str) -> int:
    """A count of a program's summary; 0 if it has none."""
    return int((program.said("summary") or {}).get(field) or 0)
