#!/usr/bin/python3 -B
"""A raw-rep with a fault, for the fuzzer to find. The variable FAULT says which; without it: none.

The fault shows after a request that is well-framed and of the wrong kind. FAULT=slow is none: it
works for 30 ms on each 16 KiB.
"""

import json
import os
import select
import signal
import socket
import struct
import sys
import time

FAULT = os.environ.get("FAULT", "")
ERROR = struct.pack(">xBBHIQQ", 1, 4, 0, 0, 0, 0)


class Rep:
    def __init__(self, url: str) -> None:
        if url.startswith("ipc://"):
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(url[len("ipc://") :])
        else:
            self.listener = socket.create_server(("127.0.0.1", int(url.rpartition(":")[2])))
        self.listener.listen(100)
        self.received: dict[socket.socket, bytes] = {}
        self.kept: list[object] = []
        self.bad = False

    def turn(self) -> None:
        wait = 0 if self.bad and FAULT == "spins" else None
        for s in select.select([self.listener, *self.received], [], [], wait)[0]:
            if s is self.listener:
                self.received[s.accept()[0]] = b""
                continue
            try:
                data = s.recv(1 << 14)
                if FAULT == "slow":
                    work(0.03)
                self.received[s] += data
                self.answer(s)
            except OSError:
                data = b""
            if not data and s in self.received:
                self.close(s)

    def close(self, s: socket.socket) -> None:
        del self.received[s]
        if self.bad and FAULT == "leaks":
            self.kept.append(s)
        else:
            s.close()

    def answer(self, s: socket.socket) -> None:
        """Every whole frame that has come gets an answer of kind 4, if the client takes it."""
        while len(self.received[s]) >= 4:
            length = struct.unpack(">I", self.received[s][:4])[0]
            if length > 1 << 20 or length < 4:
                raise OSError
            if len(self.received[s]) < 4 + length:
                return
            frame = self.received[s][4 : 4 + length]
            self.received[s] = self.received[s][4 + length :]
            if frame[4:6] == b"\0\1" and frame[6:7] != b"\1":
                self.show()
            s.send(struct.pack(">I", 4 + len(ERROR)) + frame[:4] + ERROR, socket.MSG_DONTWAIT)

    def show(self) -> None:
        """The fault begins."""
        self.bad = True
        if FAULT == "dies":
            os.abort()
        if FAULT == "hangs":
            signal.pause()
        if FAULT == "stays":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if FAULT == "grows" and len(self.kept) < 3:
            self.kept.append(b"x" * (100 << 20))


def work(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def end(*_: object) -> None:
    print(json.dumps({"event": "summary"}), flush=True)
    os._exit(0)


signal.signal(signal.SIGTERM, end)
rep = Rep(sys.argv[sys.argv.index("-u") + 1])
print(json.dumps({"event": "ready"}), flush=True)
while True:
    rep.turn()
