"""One other host: a connection, the programs that run there, and its clock.

The connection is `ssh HOST`, with the names and keys of ~/.ssh/config. Over it runs the far end
(far.py), which starts programs there. A Program started with where=host.start is used as one that
runs here: what it says, its end, what it has used, its /proc are those of the process there. Times
by its clock are told by ours: the difference was measured when the host was connected.

Whatever ends this process or the connection, the far end notices it and kills what it has started.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from harness import addresses, far, folders, process
from harness.process import Failed, dying
from harness.signals import uninterrupted
from harness.way import NET, PACKAGES, command_for, refusal

CONNECT_SECONDS = 20.0
ANSWER_SECONDS = 15.0
CLOCK_READINGS = 10
READ = 1 << 16
SENT = (folders, addresses, process, far)  # modules that the far end needs

class HostFailed(Failed):
    """A host cannot be used; the text is a sentence that says why."""


class Input:
    """The standard input of a process on another host."""

    def __init__(self, host: Host, number: int):
        self.host, self.number, self.closed = host, number, False

    def write(self, data: bytes) -> None:
        if self.closed:
            raise ValueError("its input is closed")
        self.host.tell("write", data, of=self.number)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.host.tell("close", of=self.number)


class Output:
    """What a process on another host has said: a descriptor that is ready when there is some of it.

    What nobody reads stays in memory here: one connection serves all processes of a host.
    """

    def __init__(self) -> None:
        self.ready = os.eventfd(0, os.EFD_NONBLOCK)
        self.lock = threading.Lock()
        self.waiting = bytearray()
        self.whole = False
        self.closed = False

    def fileno(self) -> int:
        return self.ready

    def add(self, data: bytes, whole: bool = False) -> None:
        with self.lock:
            self.waiting += data
            self.whole |= whole
            if not self.closed:
                os.eventfd_write(self.ready, 1)

    def take(self) -> bytes:
        with self.lock:
            data = bytes(self.waiting[:READ])
            del self.waiting[:READ]
            if not self.waiting and not self.whole:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self.ready)
            return data

    def close(self) -> None:
        with self.lock:
            if not self.closed:
                self.closed = True
                os.close(self.ready)


class FarProcess:
    """A process on another host, with the attributes and methods of process.Process."""

    def __init__(self, host: Host, number: int, fed: bool):
        self.host, self.number = host, number
        self.ahead_us = round(host.ahead_us)
        self.told_pid = 0
        self.stdin = Input(host, number) if fed else None
        self.stdout = Output()
        self.returncode: int | None = None
        self.usage: resource.struct_rusage | None = None
        self.end: tuple[int, Any, bytes] | None = None  # status, usage, complaints

    @property
    def pid(self) -> int:
        """Its number there; 0 if it did not start."""
        self.host.wait(lambda: self.told_pid or self.end, "the start of a program")
        return self.told_pid

    def take(self) -> bytes:
        return self.stdout.take()

    def signal(self, number: int) -> None:
        if self.returncode is None:
            self.host.ask("signal", of=self.number, number=number)  # it has it when this returns

    def kill_group(self) -> None:
        if self.returncode is None:
            self.host.tell("kill", of=self.number)

    def reap(self, wait: bool) -> bool:
        if self.returncode is not None:
            return False
        if wait:
            try:
                self.host.wait(lambda: self.end, "the end of a program that was killed")
            except HostFailed as problem:  # it is as good as dead: the far end kills it
                self.end = -signal.SIGKILL, None, str(problem).encode()
        if self.end is None:
            return False
        self.returncode, usage, _ = self.end
        self.usage = resource.struct_rusage(usage) if usage else None
        return True

    def complaints(self) -> bytes:
        if self.end:
            return self.end[2]
        text: str = self.host.ask("complaints", of=self.number)["text"]
        return text.encode()

    def forget(self) -> None:
        with self.host.news:
            self.host.processes.pop(self.number, None)

    def look(self, name: str) -> str:
        if self.end:
            return ""
        text: str = self.host.ask("look", of=self.number, name=name)["text"]
        return text

    def descriptors(self) -> int:
        number: int = self.host.ask("descriptors", of=self.number)["number"]
        return number


def ready(file: IO[bytes], event: int, seconds: float) -> bool:
    """Waits so long for a file; select() knows no descriptor above 1023."""
    poll = select.poll()
    poll.register(file, event)
    return bool(poll.poll(seconds * 1000))


class Host:
    """One host, from its connection to close()."""

    silence = 10.0  # seconds after which either end takes the connection for lost
    ahead_us = 0.0  # its clock before ours ...
    error_us = 0.0  # ... give or take

    def __init__(self, name: str):
        self.name = name
        self.lost = ""  # why there is no connection
        self.hello: dict[str, Any] = {}
        self.processes: dict[int, FarProcess] = {}
        self.answers: dict[int, dict[str, Any]] = {}
        self.news = threading.Condition()  # something of the above has changed
        self.writing = threading.RLock()
        self.given = 0  # numbers of processes and questions
        self.paths: dict[Path, str] = {}  # of programs, here and there
        command = command_for(name, self.silence)
        if not shutil.which(command[0]):
            raise HostFailed(f"host {name}: needs the program {command[0]}; {PACKAGES}")
        self.errors = tempfile.TemporaryFile()
        try:
            self.link = subprocess.Popen(
                dying(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                start_new_session=True,
            )
        except OSError as error:
            raise HostFailed(f"host {name}: {error.strerror}") from None
        assert self.link.stdin and self.link.stdout
        self.down: IO[bytes] = self.link.stdin
        self.up: IO[bytes] = self.link.stdout
        self.reader = threading.Thread(target=self._read, daemon=True)
        texts = [(module.__name__, inspect.getsource(module)) for module in SENT]
        self._send(json.dumps(texts).encode() + b"\n")
        self.reader.start()
        try:
            self.wait(lambda: self.hello, "a word of its python3", CONNECT_SECONDS)
            self.measure_clock()
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        """Where other hosts reach it."""
        if self.hello["address"]:
            return str(self.hello["address"])
        if own := NET.get(self.name.partition("net:")[2]):
            return own
        try:
            return str(socket.getaddrinfo(self.name, 0, type=socket.SOCK_STREAM)[0][4][0])
        except OSError:
            raise HostFailed(f"host {self.name}: it has no address that is known here") from None

    # The connection.

    def _send(self, frame: bytes) -> None:
        with uninterrupted(), self.writing:
            if not self.lost:
                try:
                    self.down.write(frame)
                    self.down.flush()
                except (OSError, ValueError):
                    pass  # _read() tells why

    def tell(self, do: str, data: bytes = b"", **members: Any) -> None:
        members["do"] = do
        if data:
            members["n"] = len(data)
        self._send(json.dumps(members).encode() + b"\n" + data)

    def number(self) -> int:
        with self.writing:
            self.given += 1
            return self.given

    def wait(self, until: Callable[[], Any], what: str, seconds: float = ANSWER_SECONDS) -> None:
        """Waits for something that the far end tells."""
        deadline = time.monotonic() + seconds
        with self.news:
            while not until():
                if self.lost:
                    raise HostFailed(f"host {self.name}: {self.lost}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise HostFailed(f"host {self.name}: {what} did not come within {seconds:g} s")
                self.news.wait(min(left, 0.2))

    def ask(self, do: str, data: bytes = b"", **members: Any) -> dict[str, Any]:
        """A question and its answer."""
        number = self.number()
        self.tell(do, data, ask=number, **members)
        self.wait(lambda: number in self.answers, f"the answer to '{do}'")
        answer = self.answers.pop(number)
        if "failed" in answer:
            raise Failed(f"host {self.name}: {answer['failed']}")
        return answer

    def _read(self) -> None:
        """In a thread: hands what the far end says to whom it is for."""
        heard = time.monotonic()
        asked = 0.0
        buffer = bytearray()
        while True:
            now = time.monotonic()
            if now - asked > self.silence / 5:
                asked = now
                self._word()
            if now - heard > self.silence + CONNECT_SECONDS * (not self.hello):
                self._lose(f"it said nothing for {now - heard:.0f} s")
                return
            if not ready(self.up, select.POLLIN, self.silence / 20):
                continue
            data = os.read(self.up.fileno(), READ)
            if not data:
                self._lose(self._why())
                return
            heard = time.monotonic()
            buffer += data
            try:
                self._take(buffer)
            except (ValueError, KeyError, AttributeError):
                self._lose(f"it said {bytes(buffer[:60])!r}: does its shell print something?")
                return

    def _word(self) -> None:
        """Asks for a sign of life, unless that would wait: a question like the others."""
        if self.hello and self.writing.acquire(blocking=False):
            try:
                if not self.down.closed and ready(self.down, select.POLLOUT, 0.0):
                    self.tell("clock", ask=0)
            finally:
                self.writing.release()

    def _take(self, buffer: bytearray) -> None:
        while (end := buffer.find(b"\n")) >= 0:
            frame = json.loads(buffer[:end])
            whole = end + 1 + frame.get("n", 0)
            if len(buffer) < whole:
                return
            data = bytes(buffer[end + 1 : whole])
            del buffer[:whole]
            with self.news:
                if "to" in frame:
                    self._tell_process(frame, data)
                elif frame.get("answer"):
                    self.answers[frame["answer"]] = frame
                elif "hello" in frame:
                    self.hello = frame
                self.news.notify_all()

    def _tell_process(self, frame: dict[str, Any], data: bytes) -> None:
        of = self.processes.get(frame["to"])
        if of is None:
            return
        if "pid" in frame:
            of.told_pid = frame["pid"]
        elif "ended" in frame:
            of.end = frame["ended"], frame["usage"], data
            of.stdout.add(b"", whole=True)
        else:
            of.stdout.add(data, whole=frame.get("closed", False))

    def _why(self) -> str:
        """The reason for which the connection has ended, in words."""
        status = self.link.wait(ANSWER_SECONDS)
        text = os.pread(self.errors.fileno(), process.COMPLAINT_MAX, 0).decode(errors="replace")
        last = (text.strip().splitlines() or [f"status {status}"])[-1]
        if self.hello:
            return f"the connection has ended: {last}"
        return refusal(self.name, text) or f"no connection: {last}"

    def _lose(self, why: str) -> None:
        """No connection any more: by now, or soon, all that ran there has been killed."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.link.pid, signal.SIGKILL)
        with self.news:
            self.lost = why
            complaint = f"host {self.name}: {why}".encode()
            for of in self.processes.values():
                if of.end is None:
                    of.end = -signal.SIGKILL, None, complaint
                    of.stdout.add(b"", whole=True)
            self.news.notify_all()

    def close(self) -> None:
        """The end of the connection, and so of all that runs there."""
        with self.writing, contextlib.suppress(OSError):
            self.down.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.link.wait(2)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.link.pid, signal.SIGKILL)
        self.link.wait()
        self.reader.join()
        self.up.close()
        self.errors.close()

    # What runs there.

    def start(self, argv: Sequence[str], name: str, **popen: Any) -> FarProcess:
        """A program of the build folder, as process.Process starts one here.

        It does not wait until that has been done there. What cannot be started ends with status 127.
        """
        fed = popen.pop("stdin", subprocess.PIPE) == subprocess.PIPE
        if popen:
            raise Failed(f"{name} cannot be started on {self.name}: {', '.join(popen)}")
        words = [self.bring(Path(argv[0])), *argv[1:]]
        number = self.number()
        with self.news:
            if self.lost:
                raise HostFailed(f"host {self.name}: {self.lost}")
            of = self.processes[number] = FarProcess(self, number, fed)
        self.tell("start", of=number, argv=words, name=name, fed=fed)
        return of

    def bring(self, path: Path) -> str:
        """The path there of a program that is here: it is copied, once."""
        if path not in self.paths:
            try:
                data = path.read_bytes()
            except OSError:
                raise Failed(f"there is no program {path}") from None
            what = {"digest": hashlib.sha256(data).hexdigest(), "name": path.name}
            there = self.ask("have", **what)["have"] or self.ask("put", data, **what)["path"]
            self.paths[path] = there
        return self.paths[path]

    def url(self, transport: str) -> str:
        """A fresh address there."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        if transport not in ("tcp", "udp"):
            raise Failed(f"{transport} does not lead from host to host")
        return f"{transport}://{host}:{self.ask('port')['port']}"

    def measure_clock(self) -> None:
        """How far its CLOCK_MONOTONIC is before ours, by the fastest of a few questions."""
        best = None
        for _ in range(CLOCK_READINGS):
            before = time.monotonic_ns() / 1000
            there = self.ask("clock")["us"]
            took = time.monotonic_ns() / 1000 - before
            if best is None or took < best[0]:
                best = took, there - before - took / 2
        assert best
        self.error_us, self.ahead_us = best[0] / 2, best[1]
