"""A running tap with plain sockets at its two ends, for the tests of the tap."""

import contextlib
import pathlib
import select
import socket
import struct
import subprocess
import threading
import time
from typing import Any, Callable

from harness import panels
from harness.program import Tap
from harness.stage import Stage

LIMIT = 20.0  # seconds; nothing that works takes a tenth of it
QUIET = 0.3  # seconds in which nothing must happen

FRONT = ("-l", "tcp://127.0.0.1:0")
BACK = ("-c", "tcp://127.0.0.1:9")


def family(url: str) -> int:
    if url.startswith("ipc"):
        return socket.AF_UNIX
    return socket.AF_INET6 if "[" in url else socket.AF_INET


def where(url: str) -> Any:
    if url.startswith("ipc://"):
        return url[6:]
    host, port = url[6:].rsplit(":", 1)
    return host.strip("[]"), int(port)


def dial(url: str) -> socket.socket:
    sock = socket.socket(family(url), socket.SOCK_STREAM)
    sock.settimeout(LIMIT)
    sock.connect(where(url))
    return sock


def listen(url: str) -> tuple[socket.socket, str]:
    sock = socket.socket(family(url), socket.SOCK_STREAM)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(where(url))
    sock.listen(512)
    sock.settimeout(LIMIT)
    if sock.family != socket.AF_UNIX:
        url = url.rsplit(":", 1)[0] + f":{sock.getsockname()[1]}"
    return sock, url


class Rig:
    """A server, a tap and clients, all closed at the end."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.stack = contextlib.ExitStack()
        self.stack.callback(self.stage.close)

    @property
    def folder(self) -> pathlib.Path:
        return self.stage.folder

    def address(self, kind: str, name: str) -> str:
        return {
            "tcp": "tcp://127.0.0.1:0",
            "tcp6": "tcp://[::1]:0",
            "ipc": f"ipc://{self.folder}/{name}",
        }[kind]

    def start(self, *options: str, front: str = "tcp", back: str = "tcp", **popen: Any) -> Tap:
        self.server, url = listen(self.address(back, "server"))
        self.stack.callback(self.server.close)
        self.tap = self.stage.tap(self.address(front, "tap"), url, *options, **popen)
        return self.tap

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """A client, and the server's side of its connection."""
        client = dial(self.tap.url)
        self.stack.callback(client.close)
        served, _ = self.server.accept()
        self.stack.callback(served.close)
        served.settimeout(LIMIT)
        return client, served

    def run(self, *arguments: str, stdin: Any = subprocess.DEVNULL) -> Any:
        """A tap that is expected to end by itself."""
        return subprocess.run(
            [panels.BUILD / "tap", *arguments], stdin=stdin, capture_output=True, text=True, timeout=LIMIT
        )


KINDS = ["tcp", "tcp6", "ipc"]


def bytes_of(n: int, seed: int = 1) -> bytes:
    """n bytes in which no stretch repeats another at a power of two."""
    piece = b"".join(struct.pack(">I", (i * 2654435761 + seed) & 0xFFFFFFFF) for i in range(4099))
    return (piece * (n // len(piece) + 1))[:n]


def send_and_shut(sock: socket.socket, data: bytes) -> None:
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def receive(sock: socket.socket, n: int) -> bytes:
    data = bytearray()
    while len(data) < n:
        some = sock.recv(min(n - len(data), 1 << 20))
        if not some:
            break
        data += some
    return bytes(data)


def receive_all(sock: socket.socket) -> bytes:
    return receive(sock, 1 << 62)


def echo(sock: socket.socket) -> None:
    """Answers a whole stream by the same."""
    send_and_shut(sock, receive_all(sock))


def in_thread(
    stack: contextlib.ExitStack, work: Callable[..., Any], *args: Any
) -> threading.Thread:
    thread = threading.Thread(target=work, args=args, daemon=True)
    thread.start()
    stack.callback(thread.join, LIMIT)
    return thread


def silent(sock: socket.socket, seconds: float = QUIET) -> bool:
    return not select.select([sock], [], [], seconds)[0]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def end_of(sock: socket.socket) -> tuple[bytes, str]:
    """All that still comes, and how it ends: "end" or "reset"."""
    data = bytearray()
    try:
        while some := sock.recv(1 << 20):
            data += some
    except ConnectionResetError:
        return bytes(data), "reset"
    return bytes(data), "end"
