"""One real exchange of a panel's own programs through build/tap, and what the decoder says of it.

    requests(): connect, one request, one reply
    events():   connect, subscribe to "weather.", two events of which one matches, unsubscribe

Whatever happens, no process and no file is left behind.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from harness import panels
from harness.panels import Panel
from harness.program import Driver, Event, Failed, Tap
from harness.stage import PanelStage

WANTED, UNWANTED, PREFIX = "weather.bern", "sport.tennis", "weather."
STEP_SECONDS = 5.0  # nothing here takes so long, unless it is broken
SUB_TIMEOUT_MS = 200
SUB_SECONDS = 1.0  # a step may know no time limit: it is not waited for
APART_SECONDS = 0.05  # between two events: where there are no frames, they would be one
QUIET_SECONDS = 0.2  # nothing more passes: the handshake is over
SHOW_MOST = 1 << 24  # bytes of an element that the decoder can give


class Exchange:
    """Where one panel's exchange takes place."""

    def __init__(
        self, panel: Panel, folder: Path, ipc: bool, round_trip: float = 0.0, patience: float = 1.0
    ):
        if "tcp" not in panel.speaks:
            raise Failed(f"{panel.name} sends datagrams; the tap forwards streams alone: TCP, UNIX")
        self.panel = panel
        self.transport = "ipc" if ipc else "tcp"
        self.recording = folder / f"{panel.name}.tap"
        self.round_trip = round_trip  # seconds that the bytes take to the server and back
        self.quiet = patience * max(QUIET_SECONDS, 1.5 * round_trip)
        self.version = ""

    def tap(self, stage: PanelStage, front: str, back: str) -> Tap:
        # All of the way's length on the way back: the same as half on each, with the server's
        # clock put forward, and the tap's own connection to the server is then no shortcut.
        delay = ["--delay", f"down:{self.round_trip * 1000:g}"] if self.round_trip else []
        return stage.tap(front, back, "-r", self.recording, *delay)

    def requests(self, body: bytes) -> None:
        with PanelStage(self.panel.name) as stage:
            front, back = stage.url(self.transport), stage.url(self.transport)
            stage.ready("rep", back, "-n", 1)
            tap = self.tap(stage, front, back)
            req = stage.program("req", "-u", front, "-t", 4000, "-n", 1, "-")
            req.say(body)
            summary = req.hear("summary")
            self.version = str(summary["version"])
            if summary["received"] != 1:
                raise req.fail("got no reply")
            finish(tap)

    def events(self, body: bytes, publish: bool = True) -> None:
        silent = self.panel.framing in (None, "none")  # it may tell the publisher nothing
        with PanelStage(self.panel.name) as stage:
            front, back = stage.url(self.transport), stage.url(self.transport)
            pub = stage.ready("pub", back, "-T", UNWANTED, "-T", WANTED, "-")
            tap = self.tap(stage, front, back)
            sub = stage.driver()
            opened = sub.must(f"open sub {front} timeout={SUB_TIMEOUT_MS}")
            self.version = str(opened["version"])
            sub.must(f"subscribe {PREFIX}")
            receives(sub)  # a panel without a thread works nowhere else
            wait_quiet(tap, self.quiet, silent)
            if publish:
                pub.say(body)
                time.sleep(APART_SECONDS)
                pub.say(body)
                deadline = time.monotonic() + STEP_SECONDS
                while not receives(sub):
                    if time.monotonic() > deadline:
                        raise Failed(f"the event did not arrive within {STEP_SECONDS:g} s")
                sub.must(f"unsubscribe {PREFIX}")
                receives(sub)
                wait_quiet(tap, self.quiet, silent)
            if sub.owed:
                sub.kill()
            else:
                sub.must("close")
            pub.hang_up()
            finish(tap)


def receives(sub: Driver) -> bool:
    """Has the driver receive; false: nothing came in its time,
    or a step without one still waits."""
    if not sub.owed:
        sub.begin("recv")
    said = sub.heard("", SUB_SECONDS)
    if said is None and sub.running:
        return False
    said = said or sub.result(0)
    if said["result"] < 0 and said["errno"] != "ETIMEDOUT":
        raise sub.fail(f"cannot receive: {said['error']}")
    return bool(said["result"] >= 0)


def wait_quiet(tap: Tap, seconds: float, silent: bool = False) -> None:
    """Until a connection is there, something has gone up, and nothing moves for so long.

    silent: it may be that nothing goes up.
    """
    deadline = time.monotonic() + STEP_SECONDS
    last, since = None, 0.0
    while True:
        said = tap.stats()
        seen = [said[way][what] for way in ("up", "down") for what in ("received", "passed")]
        now = time.monotonic()
        if seen != last:
            last, since = seen, now
        begun = seen[0] > 0 or (silent and said["open"] > 0)
        if begun and seen[0] == seen[1] and seen[2] == seen[3] and now - since > seconds:
            return
        if now > deadline:
            raise Failed(f"no subscription arrived at the tap within {STEP_SECONDS:g} s")
        time.sleep(0.01)


def finish(tap: Tap) -> None:
    """Waits for the connections to end, and ends."""
    deadline = time.monotonic() + 1.0
    while tap.stats()["open"] > 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    tap.say("quit")
    tap.hear("summary")


def decode(hint: str, *arguments: object) -> list[Event]:
    """What build/decode says; the hint is Panel.hint()."""
    command = [str(panels.BUILD / "decode"), "--" + hint, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failed(done.stderr.strip() or "decode failed")
    return [json.loads(line) for line in done.stdout.splitlines()]
