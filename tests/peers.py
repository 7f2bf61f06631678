"""Bytes, written from the documents alone: the message format, and the three wire protocols.

The protocols are only as complete as a well-behaved or an ill-behaved client needs them.
"""

import socket
import struct
import time
from dataclasses import dataclass
from typing import Optional

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
        # With Python's time limit, a queue of connections that is full for a moment is an error.
        limit = struct.pack("@ll", int(timeout), round(timeout % 1 * 1e6))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        s.connect(url[len("ipc://") :])
        s.settimeout(timeout)
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
    """What one side says and hears: req, rep, pub or sub. `ipc` only matters to SP.

    A frame has parts: its message is the last one, and what the protocol puts before it is its
    envelope. Raw and SP write the parts of a frame one after the other, ZMTP keeps them apart.
    """

    own_envelope: list[bytes] = []  # of the requests of a req

    def __init__(self, role: str, ipc: bool = False) -> None:
        self.role, self.ipc = role, ipc
        # Of the next frame; a rep takes that of the request which it read last.
        self.envelope = self.own_envelope if role == "req" else []

    def greeting(self) -> bytes:
        return b""

    def read_greeting(self, s: socket.socket) -> None:
        pass

    def pack(self, *parts: bytes) -> bytes:
        """A frame of these parts."""
        raise NotImplementedError

    def unpack(self, s: socket.socket) -> list[bytes]:
        """The parts of the next frame."""
        raise NotImplementedError

    def frame(self, message: bytes) -> bytes:
        return self.pack(*self.envelope, message)

    def read_frame(self, s: socket.socket) -> bytes:
        *envelope, message = self.unpack(s)
        if self.role == "req":
            assert envelope == self.envelope
        self.envelope = envelope
        return message

    def subscription(self, prefix: bytes) -> bytes:
        return b""

    def claims(self) -> list[bytes]:
        """The beginnings of frames of the largest lengths that the framing can claim."""
        raise NotImplementedError

    def claim(self, length: int) -> bytes:
        """The beginning of a frame of so many bytes."""
        raise NotImplementedError


class Raw(Protocol):
    own_envelope = [b"\1\2\3\4"]

    def pack(self, *parts: bytes) -> bytes:
        data = b"".join(parts)
        return struct.pack(">I", len(data)) + data

    def unpack(self, s: socket.socket) -> list[bytes]:
        data = read(s, struct.unpack(">I", read(s, 4))[0])
        return [data[:4], data[4:]] if self.role in ("req", "rep") else [data]

    def subscription(self, prefix: bytes) -> bytes:
        return self.pack(b"\1" + prefix)

    def claims(self) -> list[bytes]:
        return [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]

    def claim(self, length: int) -> bytes:
        return struct.pack(">I", min(length, 0xFFFFFFFF))


class Zmtp(Protocol):
    own_envelope = [b""]

    def greeting(self) -> bytes:
        kind = self.role.upper().encode()
        start = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
        socket_type = b"\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
        return start + self.command(b"READY", socket_type)

    def read_greeting(self, s: socket.socket) -> None:
        assert read(s, 64)[:1] == b"\xff"
        self._read_part(s)

    @staticmethod
    def part(flags: int, data: bytes) -> bytes:
        if len(data) > 255:
            return struct.pack(">BQ", flags | 2, len(data)) + data
        return bytes([flags, len(data)]) + data

    @staticmethod
    def command(name: bytes, data: bytes) -> bytes:
        return Zmtp.part(4, bytes([len(name)]) + name + data)

    @staticmethod
    def _read_part(s: socket.socket) -> tuple[int, bytes]:
        flags = read(s, 1)[0]
        length = struct.unpack(">Q", read(s, 8))[0] if flags & 2 else read(s, 1)[0]
        return flags, read(s, length)

    def pack(self, *parts: bytes) -> bytes:
        *first, last = parts
        return b"".join(self.part(1, part) for part in first) + self.part(0, last)

    def unpack(self, s: socket.socket) -> list[bytes]:
        parts = []
        flags = 1
        while flags & 1:  # more to come
            flags, data = self._read_part(s)
            if flags & 4:  # a command
                flags = 1
            else:
                parts.append(data)
        return parts

    def subscription(self, prefix: bytes) -> bytes:
        return self.part(0, b"\1" + prefix)

    def _start(self) -> bytes:
        return b"".join(self.part(1, part) for part in self.envelope)

    def claims(self) -> list[bytes]:
        return [self._start() + b"\2" + b"\xff" * 8, self._start() + b"\2\x7f" + b"\xff" * 7]

    def claim(self, length: int) -> bytes:
        return self._start() + struct.pack(">BQ", 2, length)


class Sp(Protocol):
    own_envelope = [b"\x80\0\0\1"]
    KINDS = {"req": 0x30, "rep": 0x31, "pub": 0x20, "sub": 0x21}

    def greeting(self) -> bytes:
        return bytes([0, 0x53, 0x50, 0, 0, self.KINDS[self.role], 0, 0])

    def read_greeting(self, s: socket.socket) -> None:
        assert read(s, 8)[:4] == b"\0SP\0"

    def pack(self, *parts: bytes) -> bytes:
        data = b"".join(parts)
        return self.claim(len(data)) + data

    def unpack(self, s: socket.socket) -> list[bytes]:
        data = read(s, struct.unpack(">Q", read(s, 8 + self.ipc)[-8:])[0])
        return [data[:4], data[4:]] if self.role in ("req", "rep") else [data]

    def claims(self) -> list[bytes]:
        return [b"\1" * self.ipc + b"\xff" * 8, b"\1" * self.ipc + b"\x7f" + b"\xff" * 7]

    def claim(self, length: int) -> bytes:
        return b"\1" * self.ipc + struct.pack(">Q", length)


PROTOCOLS = {"raw": Raw, "zmtp": Zmtp, "sp": Sp}  # by framing, as panels.txt declares it
FRAMING = {panel.name: panel.framing for panel in read_panels()}


def protocol_of(panel: str, role: str, url: str) -> Protocol:
    framing = FRAMING[panel]
    if framing not in PROTOCOLS:
        pytest.skip(f"panels.txt declares no framing= of {panel} that the tests speak by hand")
    return PROTOCOLS[framing](role, url.startswith("ipc"))


class Peer:
    """A hand-made side of a conversation with a panel: says what it is told to, well or ill."""

    def __init__(
        self, panel: str, role: str, url: str, connection: Optional[socket.socket] = None
    ) -> None:
        self.protocol = protocol_of(panel, role, url)
        self.socket = connection or connect(url)

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
        deadline, n, view = time.monotonic() + within, 0, memoryview(data)
        before = self.socket.gettimeout()
        self.socket.settimeout(0.05)
        while n < len(data) and time.monotonic() < deadline:
            try:
                n += self.socket.send(view[n : n + (1 << 18)])
            except TimeoutError:
                pass
        self.socket.settimeout(before)
        return n

    def close(self, reset: bool = False) -> None:
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class Server:
    """A hand-made server or publisher: each client that it accepts becomes a Peer."""

    def __init__(self, panel: str, role: str, url: str) -> None:
        self.panel, self.role, self.url = panel, role, url
        protocol_of(panel, role, url)  # skips a panel whose protocol is not known
        if url.startswith("ipc://"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(url[len("ipc://") :])
        else:
            host, _, port = url[len("tcp://") :].rpartition(":")
            self.socket = socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((host.strip("[]"), int(port)))
        self.socket.listen(100)

    def accept(self, within: float = 5.0) -> Peer:
        """The next client; TimeoutError: none came in that time."""
        self.socket.settimeout(max(0.001, within))
        connection, _ = self.socket.accept()
        connection.settimeout(5)
        return Peer(self.panel, self.role, self.url, connection)

    def greeted(self, within: float = 5.0) -> Peer:
        """The next client that completes its greeting; some give up a connection in the middle."""
        deadline = time.monotonic() + within
        while True:
            peer = self.accept(deadline - time.monotonic())
            try:
                return peer.greet()
            except OSError:
                peer.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
