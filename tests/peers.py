"""Bytes, written from the documents alone: the message format, and the three wire protocols.

The protocols are only as complete as a well-behaved or an ill-behaved client needs them.
"""

import socket
import struct
import time
from dataclasses import dataclass

import pytest

from harness.panels import read_panels

REQUEST, REPLY, EVENT, ERROR = 1, 2, 3, 4
HEADER = struct.Struct(">xBBHIQQ")  # from the NUL after the topic to the body


@dataclass
class Message:
    kind: int
    body: bytes = b""
    topic: bytes = b""
    sequence: int = 1
    sent: int = 0
    version: int = 1
    zero: int = 0

    def encode(self) -> bytes:
        head = HEADER.pack(
            self.version, self.kind, self.zero, len(self.body), self.sequence, self.sent
        )
        return self.topic + head + self.body

    @staticmethod
    def decode(data: bytes) -> "Message":
        topic, nul, _ = data.partition(b"\0")
        head = data[len(topic) : len(topic) + HEADER.size]
        if not nul or len(topic) > 255 or len(head) < HEADER.size:
            raise ValueError(f"no message: {data[:40]!r}")
        version, kind, zero, length, sequence, sent = HEADER.unpack(head)
        body = data[len(topic) + HEADER.size :]
        if version != 1 or zero or not REQUEST <= kind <= ERROR or length != len(body):
            raise ValueError(f"no message: {data[:40]!r}")
        return Message(kind, body, topic, sequence, sent)


def connect(url: str, timeout: float = 5.0) -> socket.socket:
    """A plain connection to an address of ours."""
    if url.startswith("ipc://"):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout)
        s.connect(url[len("ipc://") :])
    else:
        host, _, port = url[len("tcp://") :].rpartition(":")
        s = socket.create_connection((host.strip("[]").replace("*", "127.0.0.1"), int(port)), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read(s: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise ConnectionError(f"closed after {len(data)} of {n} bytes")
        data += part
    return data


class Protocol:
    """What a connecting req or sub says and hears. `ipc` only matters to SP."""

    def __init__(self, role: str, ipc: bool = False) -> None:
        self.role, self.ipc = role, ipc

    def greeting(self) -> bytes:
        return b""

    def read_greeting(self, s: socket.socket) -> None:
        pass

    def frame(self, message: bytes) -> bytes:
        raise NotImplementedError

    def read_frame(self, s: socket.socket) -> bytes:
        raise NotImplementedError

    def subscription(self, prefix: bytes) -> bytes:
        return b""

    def claims(self) -> list[bytes]:
        """The beginnings of frames of the largest lengths that the framing can claim."""
        raise NotImplementedError

    def claim(self, length: int) -> bytes:
        """The beginning of a frame of so many bytes."""
        raise NotImplementedError


class Raw(Protocol):
    ID = 0x01020304

    def frame(self, message: bytes) -> bytes:
        if self.role == "req":
            message = struct.pack(">I", self.ID) + message
        return struct.pack(">I", len(message)) + message

    def read_frame(self, s: socket.socket) -> bytes:
        data = read(s, struct.unpack(">I", read(s, 4))[0])
        if self.role == "req":
            assert data[:4] == struct.pack(">I", self.ID)
            return data[4:]
        return data

    def subscription(self, prefix: bytes) -> bytes:
        return self.frame(b"\1" + prefix)

    def claims(self) -> list[bytes]:
        return [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]

    def claim(self, length: int) -> bytes:
        return struct.pack(">I", length)


class Zmtp(Protocol):
    def greeting(self) -> bytes:
        kind = self.role.upper().encode()
        start = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
        ready = b"\5READY\x0bSocket-Type" + struct.pack(">I", 3) + kind
        return start + b"\4" + bytes([len(ready)]) + ready

    def read_greeting(self, s: socket.socket) -> None:
        assert read(s, 64)[:1] == b"\xff"
        self._read_part(s)

    @staticmethod
    def _part(flags: int, data: bytes) -> bytes:
        if len(data) > 255:
            return struct.pack(">BQ", flags | 2, len(data)) + data
        return bytes([flags, len(data)]) + data

    @staticmethod
    def _read_part(s: socket.socket) -> tuple[int, bytes]:
        flags = read(s, 1)[0]
        length = struct.unpack(">Q", read(s, 8))[0] if flags & 2 else read(s, 1)[0]
        return flags, read(s, length)

    def frame(self, message: bytes) -> bytes:
        return (b"\1\0" if self.role == "req" else b"") + self._part(0, message)

    def read_frame(self, s: socket.socket) -> bytes:
        flags, data = self._read_part(s)
        while flags & 5:  # a command, or more to come: the empty part before a reply
            flags, data = self._read_part(s)
        return data

    def subscription(self, prefix: bytes) -> bytes:
        return self._part(0, b"\1" + prefix)

    def claims(self) -> list[bytes]:
        start = b"\1\0" if self.role == "req" else b""
        return [start + b"\2" + b"\xff" * 8, start + b"\2\x7f" + b"\xff" * 7]

    def claim(self, length: int) -> bytes:
        return (b"\1\0" if self.role == "req" else b"") + struct.pack(">BQ", 2, length)


class Sp(Protocol):
    ID = 0x80000001

    def greeting(self) -> bytes:
        return bytes([0, 0x53, 0x50, 0, 0, {"req": 0x30, "sub": 0x21}[self.role], 0, 0])

    def read_greeting(self, s: socket.socket) -> None:
        assert read(s, 8)[:4] == b"\0SP\0"

    def frame(self, message: bytes) -> bytes:
        if self.role == "req":
            message = struct.pack(">I", self.ID) + message
        return b"\1" * self.ipc + struct.pack(">Q", len(message)) + message

    def read_frame(self, s: socket.socket) -> bytes:
        data = read(s, struct.unpack(">Q", read(s, 8 + self.ipc)[-8:])[0])
        if self.role == "req":
            assert data[:4] == struct.pack(">I", self.ID)
            return data[4:]
        return data

    def claims(self) -> list[bytes]:
        return [b"\1" * self.ipc + b"\xff" * 8, b"\1" * self.ipc + b"\x7f" + b"\xff" * 7]

    def claim(self, length: int) -> bytes:
        return b"\1" * self.ipc + struct.pack(">Q", length)


PROTOCOLS = {"raw": Raw, "zmtp": Zmtp, "sp": Sp}  # by framing, as panels.txt declares it
FRAMING = {panel.name: panel.framing for panel in read_panels()}


class Peer:
    """A hand-made client of a panel: says what it is told to, well or ill."""

    def __init__(self, panel: str, role: str, url: str) -> None:
        framing = FRAMING[panel]
        if framing not in PROTOCOLS:
            pytest.skip(f"panels.txt declares no framing= of {panel} that the tests speak by hand")
        self.protocol: Protocol = PROTOCOLS[framing](role, url.startswith("ipc"))
        self.socket = connect(url)

    def greet(self) -> "Peer":
        self.socket.sendall(self.protocol.greeting())
        self.protocol.read_greeting(self.socket)
        return self

    def send(self, message: bytes) -> None:
        self.socket.sendall(self.protocol.frame(message))

    def receive(self) -> bytes:
        return self.protocol.read_frame(self.socket)

    def subscribe(self, prefix: bytes) -> None:
        self.socket.sendall(self.protocol.subscription(prefix))

    def push(self, data: bytes, within: float) -> int:
        """Sends as much as is taken within so many seconds."""
        deadline, n = time.monotonic() + within, 0
        self.socket.settimeout(0.05)
        while n < len(data) and time.monotonic() < deadline:
            try:
                n += self.socket.send(data[n : n + (1 << 18)])
            except TimeoutError:
                pass
        self.socket.settimeout(5)
        return n

    def close(self, reset: bool = False) -> None:
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
