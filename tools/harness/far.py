"""The far end of host.py: it runs on another host and starts programs there, as it is told.

host.py sends the text of this module and of those that it imports, so that nothing of the project
needs to be installed there but what the programs themselves need. It is told and answers by frames:
a line of JSON, then as many bytes as its member "n" says.

It lives as long as it hears from host.py, which says something every few seconds. At the end of
its input, or after `silence` seconds without a word, it kills what it has started and ends. If it
is killed itself, the kernel kills what it has started (process.py).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.addresses import Addresses, ports
from harness.process import Failed, Process

# Its first word: what came before was printed by the host's shell
GREETING = b"triptych: the far end\n"
KEPT_SECONDS = 14 * 86400.0  # a program that nobody asked for so long is removed
REACH_SECONDS = 5.0
TRIAL_SECONDS = 10.0
WORD_SECONDS = 1.0  # between two signs of life while a long frame comes
READ = 1 << 16


class End(Exception):
    """The connection has ended."""


class FarEnd:
    def __init__(self, silence: float) -> None:
        self.silence = silence  # seconds after which the connection is lost
        self.addresses = Addresses()
        self.processes: dict[int, Process] = {}
        self.inputs: dict[int, bytearray] = {}  # by process: not yet taken by it
        self.closing: set[int] = set()  # whose input ends when it has taken that
        self.names: dict[int, tuple[str, int]] = {}  # by descriptor: what it is, and of whom
        self.poll = select.poll()
        self.heard = bytearray()
        self.told = 0.0  # when it last gave a sign of life
        self.memory: list[int] = []  # programs that no folder takes
        self.listener: socket.socket | None = None
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.cache = home / "triptych"

    # Frames.

    def tell(self, data: bytes = b"", **members: Any) -> None:
        if data:
            members["n"] = len(data)
        self.say(json.dumps(members).encode() + b"\n" + data)

    def say(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(1, left) :]

    def frames(self) -> list[tuple[dict[str, Any], bytes]]:
        """What has come as a whole, after its next part."""
        data = os.read(0, READ)
        if not data:
            raise End
        signal.setitimer(signal.ITIMER_REAL, self.silence)
        self.heard += data
        found = []
        while (end := self.heard.find(b"\n")) >= 0:
            frame = json.loads(self.heard[:end])
            whole = end + 1 + frame.get("n", 0)
            if len(self.heard) < whole:
                break
            found.append((frame, bytes(self.heard[end + 1 : whole])))
            del self.heard[:whole]
        if self.heard and time.monotonic() - self.told > WORD_SECONDS:  # a program, on a slow line
            self.told = time.monotonic()
            self.tell(coming=len(self.heard))
        return found

    # Processes.

    def start(self, number: int, argv: list[str], name: str, fed: bool) -> None:
        stdin = subprocess.PIPE if fed else subprocess.DEVNULL
        try:
            process = self.processes[number] = Process(argv, name, stdin=stdin)
        except (Failed, OSError) as problem:
            self.tell(str(problem).encode(), to=number, ended=127, usage=None)
            return
        self.tell(to=number, pid=process.pid)
        for what, descriptor in (
            ("output", process.stdout.fileno()),
            ("end", os.pidfd_open(process.pid)),
        ):
            self.names[descriptor] = what, number
            self.poll.register(descriptor, select.POLLIN)
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            self.inputs[number] = bytearray()

    def write(self, number: int, data: bytes) -> None:
        if number in self.inputs:
            self.inputs[number] += data
            self.feed(number)

    def close(self, number: int) -> None:
        if number in self.inputs:
            self.closing.add(number)
            self.feed(number)

    def feed(self, number: int) -> None:
        """Gives a process what it takes of its input now."""
        pipe, waiting = self.processes[number].stdin, self.inputs[number]
        assert pipe
        try:
            while waiting:
                del waiting[: os.write(pipe.fileno(), waiting)]
        except BlockingIOError:
            self.names[pipe.fileno()] = "input", number
            self.poll.register(pipe.fileno(), select.POLLOUT)
            return
        except BrokenPipeError:
            waiting.clear()
        self.unwatch(pipe.fileno())
        if number in self.closing:
            self.drop_input(number)

    def drop_input(self, number: int) -> None:
        pipe = self.processes[number].stdin
        if self.inputs.pop(number, None) is not None and pipe:
            self.unwatch(pipe.fileno())
            with contextlib.suppress(OSError):
                pipe.close()

    def unwatch(self, descriptor: int) -> None:
        if self.names.pop(descriptor, None):
            self.poll.unregister(descriptor)

    def output(self, number: int) -> None:
        """Tells some of what it says, or that it has said all."""
        process = self.processes[number]
        data = process.take()
        if data:
            self.tell(data, to=number)
            return
        self.unwatch(process.stdout.fileno())
        process.stdout.close()
        self.tell(to=number, closed=True)

    def ended(self, number: int) -> None:
        """Tells a process's end, after all that it has said."""
        process = self.processes[number]
        process.reap(wait=True)
        self.drop_input(number)
        pipe = process.stdout
        while not pipe.closed and is_ready(pipe.fileno()):
            self.output(number)
        if not pipe.closed:  # what it has forked, in another session, still holds it
            self.unwatch(pipe.fileno())
            pipe.close()
        self.tell(process.complaints(), to=number, ended=process.returncode, usage=process.usage)
        process.forget()
        del self.processes[number]

    def kill_all(self) -> None:
        for process in self.processes.values():
            process.kill_group()

    # What it is asked.

    def answer(self, frame: dict[str, Any], data: bytes) -> dict[str, Any]:
        do, process = frame["do"], self.processes.get(frame.get("of", 0))
        if do == "clock":
            return {"us": time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6}
        if do == "port":
            return {"port": self.addresses.port()}
        if do == "signal":
            if process:
                process.signal(frame["number"])
            return {}
        if do == "look":
            return {"text": process.look(frame["name"]) if process else ""}
        if do == "complaints":
            return {"text": process.complaints().decode(errors="replace") if process else ""}
        if do == "states":
            return {"states": sorted(process.states()) if process else []}
        if do == "descriptors":
            return {"number": process.descriptors() if process else 0}
        if do == "have":
            return {"have": self.has(frame["digest"], frame["name"])}
        if do == "put":
            return {"path": str(self.put(frame["digest"], frame["name"], data))}
        if do == "try":
            return try_program(frame["argv"])
        if do == "listen":
            # A port as servers get: a firewall may let others pass.
            at = frame["address"], self.addresses.port()
            self.listener = socket.create_server(at, family=family(at[0]))
            return {"port": at[1], "ports": [ports()[0], ports()[-1]]}
        if do == "reach":
            return {"us": reach(frame["address"], frame["port"])}
        raise Failed(f"it does not know how to '{do}'")

    def act(self, frame: dict[str, Any], data: bytes) -> None:
        do, number = frame["do"], frame.get("of", 0)
        process = self.processes.get(number)
        if "ask" in frame:
            try:
                self.tell(answer=frame["ask"], **self.answer(frame, data))
            except Failed as problem:
                self.tell(answer=frame["ask"], failed=str(problem))
            except OSError as error:
                self.tell(answer=frame["ask"], failed=error.strerror or str(error))
        elif do == "start":
            self.start(number, frame["argv"], frame["name"], frame["fed"])
        elif do == "write":
            self.write(number, data)
        elif do == "close":
            self.close(number)
        elif do == "kill" and process:
            process.kill_group()

    # Programs that were copied here, each in a folder that its digest names, or in memory where no
    # folder keeps them: it is read-only, full, or mounted so that nothing in it may be executed.

    def has(self, digest: str, name: str) -> str:
        """The path of a program that is here and whole; empty: it is not."""
        path = self.cache / digest / name
        try:
            if (
                hashlib.sha256(path.read_bytes()).hexdigest() != digest
                or not os.access(path, os.X_OK)
            ):
                return ""
            os.utime(path.parent)
        except OSError:
            return ""
        return str(path)

    def put(self, digest: str, name: str, data: bytes) -> Path:
        if hashlib.sha256(data).hexdigest() != digest:
            raise Failed(f"{name} did not arrive as it was sent")
        try:
            path = self.keep(digest, name, data)
            return path if os.access(path, os.X_OK) else self.keep_in_memory(name, data)
        except OSError:
            return self.keep_in_memory(name, data)

    def keep(self, digest: str, name: str, data: bytes) -> Path:
        self.cache.mkdir(parents=True, exist_ok=True)
        self.remove_old()
        with tempfile.TemporaryDirectory(dir=self.cache, prefix="new-") as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            path.chmod(0o755)
            target = self.cache / digest
            target.mkdir(exist_ok=True)
            path.rename(target / name)
        return target / name

    def keep_in_memory(self, name: str, data: bytes) -> Path:
        """A file without a name, until this program ends."""
        with open(os.memfd_create(name), "wb") as file:
            file.write(data)
            file.flush()
            # What is open for writing cannot be executed: hence a second descriptor.
            self.memory.append(
                os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
            )
        return Path(f"/proc/{os.getpid()}/fd/{self.memory[-1]}")

    def remove_old(self) -> None:
        for folder in self.cache.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)

    # The loop.

    def hello(self) -> None:
        self.say(GREETING)
        connection = os.environ.get("SSH_CONNECTION", "").split()
        self.tell(
            hello=True,
            machine=platform.machine(),
            address=connection[2] if len(connection) == 4 else "",
        )

    def serve(self) -> None:
        self.poll.register(0, select.POLLIN)
        self.hello()
        while True:
            # 0 comes last: a program that it starts may get a descriptor of one that has ended.
            for descriptor, _ in sorted(self.poll.poll(), reverse=True):
                if descriptor == 0:
                    for frame, data in self.frames():
                        self.act(frame, data)
                    continue
                what, number = self.names.get(descriptor, ("", 0))
                if what == "output":
                    self.output(number)
                elif what == "input":
                    self.feed(number)
                elif what == "end":
                    self.unwatch(descriptor)
                    os.close(descriptor)
                    self.ended(number)


def is_ready(descriptor: int) -> bool:
    """Whether there is something to read; select() knows no descriptor above 1023."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def reach(address: str, port: int) -> float:
    """How long a connection takes to be made: one round trip. OSError: it is not made."""
    began = time.monotonic()
    socket.create_connection((address, port), REACH_SECONDS).close()
    return (time.monotonic() - began) * 1e6


def try_program(argv: list[str]) -> dict[str, Any]:
    """What a program says to the end, or why it does not run here."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=TRIAL_SECONDS
        )
    except OSError as error:
        wrong = {
            errno.ENOEXEC: "it was made for another kind of processor",
            errno.ENOENT: "it was made for another C library: its loader is missing there",
        }
        return {"status": 126, "output": "", "errors": wrong.get(error.errno or 0, str(error))}
    except subprocess.TimeoutExpired:
        return {"status": 124, "output": "", "errors": "it does not end"}
    return {"status": done.returncode, "output": done.stdout, "errors": done.stderr}


def main(silence: float) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    far = FarEnd(silence)

    def lost(*_: object) -> None:
        far.kill_all()
        os.set_blocking(2, False)
        with contextlib.suppress(OSError):  # it reaches host.py where the line was only full
            os.write(2, b"it heard nothing for %.0f s: the line is full, or was cut\n" % silence)
        os._exit(1)

    signal.signal(signal.SIGALRM, lost)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, silence)
    try:
        far.serve()
    except (End, ConnectionError):
        pass  # anything else is a fault of this program: its last words reach host.py
    finally:
        far.kill_all()
        far.addresses.close()
