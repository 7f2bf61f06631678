"""Messages over plain sockets, in raw's frames: the length of each message is sent before it.

    request, reply       length u32 | request id u32 | message
    from a publisher     length u32 | message
    from a subscriber    length u32 | 01 | prefix      (00 to unsubscribe)
"""

import asyncio
import socket
import struct
from pathlib import Path

HEADER = struct.Struct(">xBBHIQQ")  # common/message.h: from the NUL after the topic to the body
REQUEST, REPLY, EVENT, ERROR = 1, 2, 3, 4


def encode(kind: int, sequence: int, sent: int, body: bytes, topic: bytes = b"") -> bytes:
    return topic + HEADER.pack(1, kind, 0, len(body), sequence, sent) + body


def decode(message: bytes) -> tuple[int, int, int, bytes, bytes]:
    """Kind, sequence, sent, body, topic. struct.error: it is no message."""
    topic = message.partition(b"\0")[0]
    version, kind, _, length, sequence, sent = HEADER.unpack_from(message, len(topic))
    body = message[len(topic) + HEADER.size :]
    if version != 1 or not REQUEST <= kind <= ERROR or length != len(body):
        raise struct.error("this is no message")
    return kind, sequence, sent, body, topic


def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(struct.pack(">I", len(data)) + data)


async def receive(reader: asyncio.StreamReader, most: int) -> bytes:
    """The next frame. A stream has no messages: recv() returns a part of one, or several. So this
    waits for as many bytes as the length says. EOFError, OSError: the peer has left, or lies."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length > most + 4:
        raise ConnectionError("no frame is so long")
    return await reader.readexactly(length)


def find(url: str) -> tuple[socket.socket, object]:
    """A socket for this address, and the address as the socket wants it."""
    if url.startswith("ipc://"):
        return socket.socket(socket.AF_UNIX), url.removeprefix("ipc://")
    host, _, port = url.removeprefix("tcp://").replace("*", "0.0.0.0").rpartition(":")
    family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
    return socket.socket(family), address


def connect(url: str) -> socket.socket:
    sock, address = find(url)
    sock.settimeout(1)
    sock.connect(address)
    return sock


def listen(url: str) -> socket.socket:
    sock, address = find(url)
    if url.startswith("ipc://") and Path(str(address)).is_socket() and sock.connect_ex(address):
        Path(str(address)).unlink()  # a server that was killed has left it
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # its port is not free at once
    sock.bind(address)
    sock.listen(128)
    return sock
