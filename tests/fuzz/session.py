"""One program, and the cases that tests/fuzz/frames plays to it: what was found, in a sentence."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Union

from fuzz.cases import KEEPS, MAX, Case, Script
from harness.netstat import unread
from harness.program import Failed, Program
from harness.threads import busy
from peers import Peer
from programs import Stage, Stopwatch, ends_in_time, forget_peak, memory, peak, until
from victims import Binder, Connector

SERVED_S = 1.0  # R7, P7: a request after the first is answered within it; R5, P4: after a restart
ENDED_S = 1.0  # R10, P8
FREED_S = 1.0  # R7, P7
STALLED_S = 1.0  # it reads no byte of what it was sent
IDLE_S = 0.25  # while nobody asks anything
IDLE_CPU = 0.25  # of a processor; the busiest of them needs 0.03 then
GROWTH_KIB = 192 << 10  # with -m 1 MiB; a client may have to keep a message of 64 MiB (R8, P7)
ACCEPT_S = 0.5  # until a client comes
STEP_S = 0.3  # for what a peer does not take, or does not say
CASE_S = 1.0  # then a case has no further steps
ZEROS = bytes(1 << 20)

Side = Union[Binder, Connector]


@dataclass
class Session:
    """All that is needed to do it once more."""

    panel: str
    role: str
    transport: str = "tcp"
    arguments: list[str] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    busy: bool = False  # the last case goes on while the program is told to end
    served: bool = True  # a healthy peer asks after each case, the last one too


class Found(Exception):
    """A fault of the program; the text says which."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


class Play:
    """The peers of one case; at its end all are gone."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.peers: list[Peer] = []
        self.ended = threading.Event()
        self.hoses: list[threading.Thread] = []
        self.until = time.monotonic() + CASE_S

    def run(self, case: Case) -> None:
        for script in case:
            if not self.side.program.running or time.monotonic() > self.until:
                break
            if isinstance(self.side, Connector) and self.peers:
                self.peers[-1].close()  # a client has one connection at a time
            with contextlib.suppress(OSError, ValueError, AssertionError):
                self.play(script)
        if self.hoses:
            drain(self.side.program, STEP_S)

    def play(self, script: Script) -> None:
        if isinstance(self.side, Binder):
            peer = self.side.stranger()
        else:
            peer = self.side.server.accept(ACCEPT_S)
        self.peers.append(peer)
        peer.socket.settimeout(STEP_S)
        for name, *words in script:
            if time.monotonic() > self.until:
                break
            if name == "greet":
                peer.greet()
            elif name == "read":
                peer.protocol.read_frame(peer.socket)
            elif name == "half":
                peer.socket.shutdown(socket.SHUT_WR)
            elif name == "pause":
                time.sleep(words[0] / 1000)
            elif name in ("close", "reset"):
                peer.close(reset=name == "reset")
            else:
                self.send(peer, name, words)
            drain(self.side.program)

    def send(self, peer: Peer, name: str, words: list[Any]) -> None:
        if name == "bytes":
            peer.push(bytes.fromhex(words[0]), STEP_S)
        elif name == "claim" and words[1] < 0:
            self.hose(peer, peer.protocol.claim(words[0]), ZEROS, words[0])
        elif name == "claim":
            peer.push(peer.protocol.claim(words[0]) + bytes(words[1]), STEP_S)
        elif name == "frame":
            peer.push(packed(peer, words), STEP_S)
        elif name == "flood":
            peer.push(packed(peer, words[1:]) * words[0], STEP_S)
        elif name == "cut":
            peer.push(packed(peer, words[1:])[: words[0]], STEP_S)
        elif name == "hose":
            data = packed(peer, words)
            self.hose(peer, b"", data * (1 + len(ZEROS) // 4 // len(data)))
        elif name == "slow":
            for byte in packed(peer, words):
                peer.socket.send(bytes([byte]))
                time.sleep(0.0005)
        else:
            raise SystemExit(f"fuzz: there is no step {name!r}")

    def hose(self, peer: Peer, first: bytes, again: bytes, most: int | None = None) -> None:
        """Sends without end, in a thread of its own; or `most` bytes after the first."""

        def flow() -> None:
            data, left = first, most
            with contextlib.suppress(OSError):
                while not self.ended.is_set() and (data or left != 0):
                    if not data:
                        data = again[:left]
                        left = None if left is None else left - len(data)
                    data = data[peer.push(data, 0.1) :]

        thread = threading.Thread(target=flow, daemon=True)
        self.hoses.append(thread)
        thread.start()

    def close(self) -> None:
        self.ended.set()
        for thread in self.hoses:
            thread.join()
        for peer in self.peers:
            peer.close()


def packed(peer: Peer, parts: list[str]) -> bytes:
    kept = peer.protocol.envelope
    given = [p for part in parts for p in (kept if part == "@" else [bytes.fromhex(part)])]
    return peer.protocol.pack(*(given or [b""]))


def drain(program: Program, seconds: float = 0.0) -> None:
    """Reads and forgets what the program prints, so that it never waits for us."""
    deadline = time.monotonic() + seconds
    while program.read(max(0.0, deadline - time.monotonic())):
        program.pending.clear()


class Trial:
    """A session as it is played."""

    def __init__(self, session: Session, stage: Stage) -> None:
        self.session = session
        binds = session.role in ("rep", "pub")
        arguments = ["-m", MAX, *session.arguments]
        kind = Binder if binds else Connector
        self.side: Side = kind(stage, session.role, *arguments)
        self.program = self.side.program
        self.slack = 0 if binds else 4  # a client may be about to connect
        if isinstance(self.side, Connector) and not self.side.served(10):
            raise Failed(f"{self.program.name} is not served before any case")
        self.descriptors = self.program.descriptors()
        self.before = memory(self.program)
        forget_peak(self.program)

    def alive(self) -> None:
        if self.program.running:
            return
        raise Found(self.program.end() + self.complaint(), "ended")

    def complaint(self) -> str:
        return f": {self.program.complaint}" if self.program.complaint else ""

    def serves(self) -> None:
        """A healthy peer's next request may be lost, the one after it not."""
        watch, served = Stopwatch(self.program), False
        while not served and self.program.running and watch.seconds < SERVED_S:
            if isinstance(self.side, Binder):
                healthy = self.side.healthy
                served = any(self.side.served(healthy) for _ in range(2))
            else:  # a client's next request, made 1 s after its server came back
                served = self.side.served(2 * SERVED_S)
        self.alive()
        if not served:
            raise Found("does not serve a healthy peer any more", "hung")

    def grown(self) -> None:
        growth = peak(self.program) - self.before
        if growth > GROWTH_KIB:
            raise Found(f"grew by {growth >> 10} MiB; {GROWTH_KIB >> 10} are allowed", "memory")

    def unread(self) -> int:
        """Bytes that the kernel keeps for the program, those of closed connections, too."""
        return unread(self.side.url, 1 if isinstance(self.side, Binder) else 2)

    def settle(self) -> None:
        """Waits while it works through what it was sent: ten hoses leave many megabytes."""
        left, watch = self.unread(), Stopwatch(self.program)
        while left and watch.seconds < STALLED_S:
            drain(self.program, 0.02)
            if (now := self.unread()) < left:
                left, watch = now, Stopwatch(self.program)

    def held(self) -> int:
        """Descriptors that it should not have any more."""
        drain(self.program, 0.01)
        return self.program.descriptors() - self.descriptors - self.slack

    def tidy(self) -> None:
        """Nobody is connected but the healthy peer: nothing is held, and nothing is done."""
        self.settle()  # a connection has not ended before its last byte is read
        if f"{self.session.panel}-{self.session.role}" not in KEEPS:
            try:
                until(lambda: self.held() <= 0, FREED_S, of=[self.program])
            except Failed:
                what = f"holds {self.held()} descriptors 1 s after the connections closed"
                raise Found(what, "descriptors") from None
        for seconds in (IDLE_S, 2 * IDLE_S):  # the first may see the end of some work
            part = busy(self.program.pid, seconds, lambda s: drain(self.program, s))
            if part < IDLE_CPU:
                return
        raise Found(f"uses {part:.0%} of a processor while nobody asks anything", "spins")

    def ends(self) -> None:
        drain(self.program)
        self.program.signal(signal.SIGTERM)
        try:
            ends_in_time(self.program, ENDED_S)
        except Failed:
            raise Found("does not end within 1 s after SIGTERM", "stays") from None
        if self.program.wait() != 0:
            raise Found(f"{self.program.end()} on SIGTERM{self.complaint()}", "ended")
        if b'"summary"' not in bytes(self.program.pending).strip().rpartition(b"\n")[2]:
            raise Found("ended without its summary on SIGTERM", "ended")

    def run(self, until: float) -> None:
        """Plays the cases; raises Found. After that time it plays no more of them."""
        last = len(self.session.cases) - 1
        for i, case in enumerate(self.session.cases):
            if time.monotonic() > until:
                del self.session.cases[i:]
                break
            play = Play(self.side)
            try:
                play.run(case)
                self.alive()
                self.grown()
                if i == last and self.session.busy:
                    self.ends()
                    return
            finally:
                play.close()
            if self.session.served:
                self.serves()
        self.alive()
        self.tidy()
        self.grown()
        self.ends()


def try_session(session: Session, until: float = float("inf")) -> Found | None:
    """Plays it; returns what was found. A case that was played last is the last in the session."""
    stage = Stage(session.panel, session.transport)
    trial = None
    try:
        trial = Trial(session, stage)
        trial.run(until)
    except Found as found:
        return found
    except (Failed, AssertionError, OSError) as problem:
        # It dies under our hands: its memory goes some time before its end is told.
        if trial and trial.program.ended(1.0) is not None:
            return Found(trial.program.end() + trial.complaint(), "ended")
        return Found(f"cannot be tested: {problem}", "hung")
    finally:
        if trial and isinstance(trial.side, Connector):
            trial.side.close()
        stage.close()
    return None


def shorter(session: Session) -> Iterator[Session]:
    """Sessions with less in them, the shortest first."""
    cases = session.cases
    if len(cases) > 1:
        for case in reversed(cases):
            yield replace(session, cases=[case])
        for i in range(len(cases)):
            yield replace(session, cases=cases[:i] + cases[i + 1 :])
    for i, case in enumerate(cases):
        for smaller in smaller_cases(case):
            yield replace(session, cases=[*cases[:i], smaller, *cases[i + 1 :]])


def smaller_cases(case: Case) -> Iterator[Case]:
    """With fewer peers, or with a step less in what all of them do."""
    if len(case) > 1:
        yield case[:1]
        yield case[: len(case) // 2]
    if case and case == case[:1] * len(case):
        script = case[0]
        for i in range(1, len(script)):
            yield [script[:i] + script[i + 1 :]] * len(case)


def shrink(session: Session, kind: str, seconds: float) -> Session:
    """The same fault with less, as far as that is found in this time."""
    until = time.monotonic() + seconds
    again = True
    while again and time.monotonic() < until:
        again = False
        for smaller in shorter(session):
            if time.monotonic() > until:
                break
            tries = (try_session(replace(smaller, cases=list(smaller.cases))) for _ in range(2))
            if all(found and found.kind == kind for found in tries):  # twice: not by luck
                session, again = smaller, True
                break
    return session
