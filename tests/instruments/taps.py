"""A running tap with plain sockets at its two ends, for the tests of the tap."""

import contextlib
import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from typing import Any, Callable

LIMIT = 20.0  # seconds; nothing that works takes a tenth of it
QUIET = 0.3  # seconds in which nothing must happen

FRONT = ("-l", "tcp://127.0.0.1:0")
BACK = ("-c", "tcp://127.0.0.1:9")


class Tap:
    """A running tap; command() and event() speak to it."""

    def __init__(
        self, program: str, listen: str, connect: str, *options: str, **popen: Any
    ) -> None:
        self.process = subprocess.Popen(
            [program, "-l", listen, "-c", connect, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **popen,
        )
        self.pending = b""
        self.events: list[dict[str, Any]] = []
        self.url = self.event("ready")["listen"]

    def event(self, *names: str, **members: Any) -> dict[str, Any]:
        """The next event of one of these names with these members; others are skipped."""
        deadline = time.monotonic() + LIMIT
        assert self.process.stdout is not None
        while True:
            while b"\n" not in self.pending:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                    raise AssertionError(f"no event {names} {members}; there were {self.events}")
                some = os.read(self.process.stdout.fileno(), 65536)
                if not some:
                    assert self.process.stderr is not None
                    raise AssertionError(f"the tap ended: {self.process.stderr.read()!r}")
                self.pending += some
            line, self.pending = self.pending.split(b"\n", 1)
            event: dict[str, Any] = json.loads(line)
            self.events.append(event)
            if event["event"] in names and members.items() <= event.items():
                return event

    def write(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def command(self, text: str, answer: str = "ok") -> dict[str, Any]:
        self.write(text + "\n")
        return self.event(answer, command=text)

    def stats(self) -> dict[str, Any]:
        return self.command("stats", "stats")

    def end(self, how: int = signal.SIGTERM) -> dict[str, Any]:
        self.process.send_signal(how)
        return self.ended()

    def ended(self, status: int = 0) -> dict[str, Any]:
        summary = self.event("summary")
        assert self.process.wait(LIMIT) == status
        return summary

    def memory(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                if pipe:
                    pipe.close()


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

    def __init__(self, program: str, folder: pathlib.Path) -> None:
        self.program = program
        self.folder = folder
        self.stack = contextlib.ExitStack()

    def address(self, kind: str, name: str) -> str:
        return {
            "tcp": "tcp://127.0.0.1:0",
            "tcp6": "tcp://[::1]:0",
            "ipc": f"ipc://{self.folder}/{name}",
        }[kind]

    def start(self, *options: str, front: str = "tcp", back: str = "tcp", **popen: Any) -> Tap:
        self.server, url = listen(self.address(back, "server"))
        self.stack.callback(self.server.close)
        self.tap = self.only_tap(self.address(front, "tap"), url, *options, **popen)
        return self.tap

    def only_tap(self, front: str, back: str, *options: str, **popen: Any) -> Tap:
        tap = Tap(self.program, front, back, *options, **popen)
        self.stack.callback(tap.close)
        return tap

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
            [self.program, *arguments], stdin=stdin, capture_output=True, text=True, timeout=LIMIT
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
