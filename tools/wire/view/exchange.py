"""One real exchange of a panel's own programs through build/tap, and what the decoder says of it.

    requests(): connect, one request, one reply
    events():   connect, subscribe to "weather.", two events of which one matches, unsubscribe

Whatever happens, no process and no file is left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.panels import BUILD, Panel
from harness.processes import dying, free_port
from harness.signals import uninterrupted

Event = dict[str, Any]

WANTED, UNWANTED, PREFIX = "weather.bern", "sport.tennis", "weather."
STEP_SECONDS = 5.0  # nothing here takes so long, unless it is broken
SUB_TIMEOUT_MS = 200
QUIET_SECONDS = 0.2  # nothing more passes: the handshake is over
SHOW_MOST = 1 << 24  # bytes of an element that the decoder can give


class Failed(Exception):
    """The exchange did not come about; the text says why, for people."""


class Child:
    """A program that says JSON lines."""

    def __init__(self, *command: object):
        self.name = Path(str(command[0])).name
        line = dying([str(word) for word in command])
        pipe = subprocess.PIPE
        with uninterrupted():
            self.process = subprocess.Popen(
                line, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.stdout, self.stderr = (
            self.process.stdin, self.process.stdout, self.process.stderr
        )  # fmt: skip
        self.pending = b""

    def fail(self, what: str) -> Failed:
        self.process.kill()
        complaint = self.stderr.read().decode(errors="replace").strip().splitlines()
        return Failed(complaint[-1] if complaint else f"{self.name}: {what}")

    def say(self, line: bytes) -> None:
        try:
            self.stdin.write(line + b"\n")
            self.stdin.flush()
        except BrokenPipeError:
            raise self.fail("has ended") from None

    def hear(self, seconds: float = STEP_SECONDS) -> Event:
        """The next line."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.pending:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self.stdout], [], [], left)[0]:
                raise self.fail(f"said nothing within {seconds:g} s")
            data = os.read(self.stdout.fileno(), 1 << 16)
            if not data:
                raise self.fail("ended too early")
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        said: Event = json.loads(line)
        return said

    def wait_for(self, event: str) -> Event:
        while (said := self.hear()).get("event") != event:
            pass
        return said

    def ask(self, line: str) -> Event:
        """A line, and its answer: of the driver."""
        self.say(line.encode())
        answer = self.hear()
        wrong = answer.get("usage") or answer.get("errno")
        if wrong and wrong != "ETIMEDOUT":
            raise Failed(f"{self.name}: {line}: {wrong}")
        return answer

    def receive(self) -> bool:
        """Has the driver receive; false: nothing came in its time."""
        return not self.ask("recv").get("errno")

    def close(self) -> None:
        with uninterrupted():
            self.process.kill()
            self.process.wait()
            for stream in (self.stdin, self.stdout, self.stderr):
                with contextlib.suppress(OSError):
                    stream.close()


class Tap(Child):
    def stats(self) -> Event:
        self.say(b"stats")
        return self.wait_for("stats")

    def wait_quiet(self, seconds: float) -> None:
        """Until a connection is there, something has gone up, and nothing moves for so long."""
        deadline = time.monotonic() + STEP_SECONDS
        last, since = None, 0.0
        while True:
            said = self.stats()
            seen = [said[way][what] for way in ("up", "down") for what in ("received", "passed")]
            now = time.monotonic()
            if seen != last:
                last, since = seen, now
            if seen[0] > 0 and seen[0] == seen[1] and seen[2] == seen[3] and now - since > seconds:
                return
            if now > deadline:
                raise Failed("no subscription arrived at the tap")
            time.sleep(0.01)

    def finish(self) -> None:
        """Waits for the connections to end, and ends."""
        deadline = time.monotonic() + 1.0
        while self.stats()["open"] > 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        self.say(b"quit")
        self.wait_for("summary")


class Exchange:
    """Where one panel's exchange takes place."""

    def __init__(
        self, panel: Panel, folder: Path, ipc: bool, round_trip: float = 0.0, patience: float = 1.0
    ):
        self.panel = panel
        self.recording = folder / f"{panel.name}.tap"
        self.round_trip = round_trip  # seconds that the bytes take to the server and back
        self.quiet = patience * max(QUIET_SECONDS, 1.5 * round_trip)
        self.version = ""
        if ipc:
            self.front, self.back = (f"ipc://{folder}/{panel.name}.{end}" for end in ("f", "b"))
        else:
            self.front, self.back = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))

    @contextlib.contextmanager
    def children(self) -> Iterator[contextlib.ExitStack]:
        with contextlib.ExitStack() as stack:
            yield stack

    def start(self, stack: contextlib.ExitStack, role: str, *arguments: object) -> Child:
        child = Child(self.panel.program(role), *arguments)
        stack.callback(child.close)
        return child

    def tap(self, stack: contextlib.ExitStack) -> Tap:
        # All of the way's length on the way back: the same as half on each, with the server's
        # clock put forward, and the tap's own connection to the server is then no shortcut.
        delay = ["--delay", f"down:{self.round_trip * 1000:g}"] if self.round_trip else []
        tap = Tap(BUILD / "tap", "-l", self.front, "-c", self.back, "-r", self.recording, *delay)
        stack.callback(tap.close)
        tap.wait_for("ready")
        return tap

    def requests(self, body: bytes) -> None:
        with self.children() as stack:
            rep = self.start(stack, "rep", "--json", "-u", self.back, "-n", 1)
            rep.wait_for("ready")
            tap = self.tap(stack)
            req = self.start(stack, "req", "--json", "-u", self.front, "-t", 4000, "-n", 1, "-")
            req.say(body)
            summary = req.wait_for("summary")
            self.version = str(summary["version"])
            if summary["received"] != 1:
                raise req.fail("no reply came")
            tap.finish()

    def events(self, body: bytes, publish: bool = True) -> None:
        with self.children() as stack:
            topics = ("-T", UNWANTED, "-T", WANTED)
            pub = self.start(stack, "pub", "--json", "-u", self.back, *topics, "-")
            pub.wait_for("ready")
            tap = self.tap(stack)
            sub = self.start(stack, "driver")
            opened = sub.ask(f"open sub {self.front} timeout={SUB_TIMEOUT_MS}")
            self.version = str(opened["version"])
            sub.ask(f"subscribe {PREFIX}")
            sub.receive()  # a panel without a thread works nowhere else
            tap.wait_quiet(self.quiet)
            if publish:
                pub.say(body)
                pub.say(body)
                deadline = time.monotonic() + STEP_SECONDS
                while not sub.receive():
                    if time.monotonic() > deadline:
                        raise Failed("the event did not arrive")
                sub.ask(f"unsubscribe {PREFIX}")
                sub.receive()
                tap.wait_quiet(self.quiet)
            sub.ask("close")
            pub.stdin.close()
            tap.finish()


def decode(pattern: str, *arguments: object) -> list[Event]:
    """What build/decode says."""
    command = [str(BUILD / "decode"), "--" + pattern, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failed(done.stderr.strip() or "decode failed")
    return [json.loads(line) for line in done.stdout.splitlines()]
