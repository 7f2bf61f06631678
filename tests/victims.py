"""A program of a panel between peers that misbehave and a healthy one that it must go on serving.

Binder: rep and pub, which listen. Connector: req and sub, whose server is the test itself.
"""

import json
import select
import time

from peers import EVENT, REPLY, REQUEST, Message, Peer, Server
from programs import Driver, Program, Stage, Stopwatch, until

OTHER = {"rep": "req", "req": "rep", "pub": "sub", "sub": "pub"}  # who speaks with whom


class Binder:
    """A program that binds, and a healthy peer of it."""

    def __init__(self, stage: Stage, role: str, *args: object) -> None:
        self.stage, self.role, self.url = stage, role, stage.url()
        self.peer_role = OTHER[role]
        pace = ("-n", 0, "-r", 100, "-s", 64) if role == "pub" else ()
        self.program: Program = stage.ready(role, self.url, "--quiet", *pace, *args)
        self.healthy = self.connect()

    def connect(self) -> Driver:
        """One more healthy peer, served."""
        peer = self.stage.healthy(self.peer_role, self.url, timeout=1000)
        if self.role == "pub":
            peer.must("subscribe")
        until(lambda: self.served(peer), 10, "a new peer is served")
        return peer

    def served(self, peer: Driver) -> bool:
        """Whether a request is answered, or the next event comes, within a second."""
        if self.role == "pub":
            return bool(peer.call("recv")["result"] > 0)
        line = peer.ask("no message: the server's answer is kind 4")
        assert line["result"] < 0 or line["text"].startswith("\0\1\4"), line
        return bool(line["result"] >= 0)

    def still_serves(self) -> None:
        """Of the healthy peer's requests at most the next one is lost."""
        assert self.program.running, self.program.fail("ended")
        for _ in range(3):
            watch = Stopwatch(self.program, self.healthy)
            served = [self.served(self.healthy) for _ in range(5)]
            if served.count(False) <= 1 or watch.waited < 1.0:  # else the machine may be to blame
                break
        assert served.count(False) <= 1, served

    def stranger(self) -> Peer:
        return Peer(self.stage.panel, self.peer_role, self.url)

    def first_words(self, peer: Peer) -> bytes:
        """What a well-behaved peer says after its greeting; SP's subscribers say nothing."""
        if self.role == "pub":
            return peer.protocol.subscription(b"weather")
        return peer.protocol.frame(Message(REQUEST, b"hello").encode())


class Connector:
    """A program that connects, and the address where the test serves it, well or badly."""

    def __init__(self, stage: Stage, role: str, *args: object) -> None:
        self.stage, self.role, self.url = stage, role, stage.url()
        self.peer_role = OTHER[role]
        self.server = Server(stage.panel, self.peer_role, self.url)
        self.number = 0  # of the last honest event
        work = ("-n", 0, "-r", 100, "-t", 100, "hello") if role == "req" else ()
        self.program: Program = stage.ready(role, self.url, *work, *args)

    def served(self, within: float) -> bool:
        """Whether an honest server, which is there from now on, serves it within that time.

        Afterwards nobody serves it.
        """
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            self.drain()
            if not select.select([self.server.socket], [], [], 0)[0]:
                # It may have much to say before it comes: whoever waits for it here holds it up.
                if not self.program.read(0.01):
                    time.sleep(0.001)
                continue
            try:
                peer = self.server.greeted(0.05)
            except TimeoutError:
                continue
            try:
                if self.serve(peer, deadline):
                    return True
            except (OSError, ValueError):
                pass  # the program gave up this connection; it makes another
            finally:
                peer.close()
        return False

    def drain(self) -> None:
        """Forgets what the program has printed; it would wait for somebody who reads it."""
        while self.program.read(0):
            self.program.pending.clear()

    def serve(self, peer: Peer, deadline: float) -> bool:
        """Answers every request, or publishes, until the program says that it has received that."""
        texts: set[str] = set()
        while time.monotonic() < deadline:
            if self.role == "sub":
                self.number += 1
                texts.add(f"honest {self.number}")
                event = Message(EVENT, b"honest %d" % self.number, b"", self.number, self.number)
                peer.send(event.encode())
            elif select.select([peer.socket], [], [], 0.01)[0]:
                request = Message.decode(peer.receive())
                reply = Message(REPLY, b"honest", b"", request.sequence, request.sent)
                if request.body == b"hello":
                    reply.body = request.body
                    texts.add(str(request.sequence))
                peer.send(reply.encode())
            if self.received(texts):
                return True
        return False

    def received(self, texts: set[str]) -> bool:
        """Whether the program says, within 10 ms, that it has received one of these."""
        while (line := self.program.line(0.01)) is not None:
            said = json.loads(line)
            if said.get("direction") == "received":
                if str(said["sequence"] if self.role == "req" else said["text"]) in texts:
                    return True
        return False

    def close(self) -> None:
        self.server.socket.close()
