"""A process on another host, as a Program here sees it: its input, its output, its end.

host.py connects the host and hands these classes what the far end tells of the process.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
from typing import Any

from harness.process import Failed

READ = 1 << 16


class HostFailed(Failed):
    """A host cannot be used; the text is a sentence that says why."""


class Input:
    """The standard input of a process on another host."""

    def __init__(self, host: Any, number: int):
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

    def __init__(self, host: Any, number: int, fed: bool):
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

    def states(self) -> set[str]:
        return set(self.host.ask("states", of=self.number)["states"])

    def descriptors(self) -> int:
        number: int = self.host.ask("descriptors", of=self.number)["number"]
        return number
