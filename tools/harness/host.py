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
import json
import os
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

from harness import addresses, far, folders, process, threads
from harness.distant import READ, FarProcess, HostFailed
from harness.process import Failed, dying
from harness.signals import uninterrupted
from harness.way import NET, PACKAGES, command_for, far_program, refusal, way_to

CONNECT_SECONDS = 20.0
ANSWER_SECONDS = 60.0  # of a far end that gives signs of life: a line may be full
END_SECONDS = 2.0  # that ssh has, when its far end has ended
CLOCK_READINGS = 10
SLOWEST = 4096  # bytes a second at which a program is still copied
SENT = (folders, addresses, threads, process, far)  # modules that the far end needs


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
        self.way = way_to(name)
        self.lost = ""  # why there is no connection
        self.greeted = b""  # by the far end; what came before was said by the host's shell
        self.printed = b""  # by the shell, or ~/.bashrc, before that
        self.complained = 0  # bytes of standard error, likewise
        self.hello: dict[str, Any] = {}
        self.processes: dict[int, FarProcess] = {}
        self.answers: dict[int, dict[str, Any]] = {}
        self.news = threading.Condition()  # something of the above has changed
        self.writing = threading.RLock()
        self.given = 0  # numbers of processes and questions
        self.paths: dict[Path, str] = {}  # of programs, here and there
        command = command_for(name)
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
        self._send(far_program(SENT, self.silence))
        self.reader.start()
        try:
            self.wait(lambda: self.hello, "the start of its python3", CONNECT_SECONDS)
            self.ahead_us, self.error_us = self.read_clock()
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        """Where other hosts reach it: where ssh has reached it, if it was ssh."""
        if self.way == "net":
            return NET[self.name.removeprefix("net:")]
        if self.way == "ssh" and self.hello["address"]:
            return str(self.hello["address"])
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
                    said = "" if self.hello else self._said() or "; does its shell ask something?"
                    raise HostFailed(
                        f"host {self.name}: {what} did not come within {seconds:.0f} s{said}"
                    )
                self.news.wait(min(left, 0.2))

    def ask(self, do: str, data: bytes = b"", **members: Any) -> dict[str, Any]:
        """A question and its answer."""
        number = self.number()
        self.tell(do, data, ask=number, **members)
        seconds = ANSWER_SECONDS + len(data) / SLOWEST
        self.wait(lambda: number in self.answers, f"the answer to '{do}'", seconds)
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
                if self.greeted or self._greets(buffer):
                    self._take(buffer)
            except (ValueError, KeyError, AttributeError):
                self._lose(f"it said {bytes(buffer[:60])!r}, which is no answer")
                return

    def _word(self) -> None:
        """Asks for a sign of life, unless that would wait: a question like the others."""
        if self.hello and self.writing.acquire(blocking=False):
            try:
                if not self.down.closed and ready(self.down, select.POLLOUT, 0.0):
                    self.tell("clock", ask=0)
            finally:
                self.writing.release()

    def _greets(self, buffer: bytearray) -> bool:
        """Whether the far end has come; puts away what the host's shell has printed before."""
        printed, self.greeted, rest = buffer.partition(far.GREETING)
        self.printed = bytes(printed[-READ:])
        if self.greeted:
            self.complained = os.fstat(self.errors.fileno()).st_size
        buffer[:] = rest if self.greeted else buffer[-READ:]
        return bool(self.greeted)

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
        try:
            last = f"status {self.link.wait(END_SECONDS)}"
        except subprocess.TimeoutExpired:  # it has closed its output, and goes on
            last = "it says no more"
        text = os.pread(self.errors.fileno(), process.COMPLAINT_MAX, self.complained)
        lines = text.decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else last
        if self.hello:
            return f"the connection has ended: {last}"
        return refusal(self.name, "\n".join(lines)) or f"no connection: {last}{self._said()}"

    def _said(self) -> str:
        """What came instead of the far end, in words."""
        printed = self.printed.decode(errors="replace").strip().splitlines()
        slurm = (
            "; srun was used, as in any Slurm job, and nobody has tried that"
            if self.way == "srun" else ""
        )
        return (f"; its shell printed {printed[-1][:80]!r}" if printed else "") + slurm

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
            self.link.wait(END_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.link.pid, signal.SIGKILL)
        self.link.wait()
        self.reader.join()
        self.up.close()
        self.errors.close()

    # What runs there.

    def start(self, argv: Sequence[str], name: str, **popen: Any) -> FarProcess:
        """A program of the build folder, as process.Process starts one here.

        It does not wait until that has been done there.
        What cannot be started ends with status 127.
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

    def read_clock(self) -> tuple[float, float]:
        """How far its CLOCK_MONOTONIC is before ours and the error,
        by the fastest of a few questions.

        It was read at some time between the question and the answer. So half of that is the error,
        whichever of the two ways is the longer.
        """
        best = None
        for _ in range(CLOCK_READINGS):
            before = time.monotonic_ns() / 1000
            there = self.ask("clock")["us"]
            took = time.monotonic_ns() / 1000 - before
            if best is None or took < best[0]:
                best = took, there - before - took / 2
        assert best
        return best[1], best[0] / 2
