"""The process under a program: how it is started, looked at and ended, on this machine.

host.py has another class with the same attributes and methods, for a process on another host.
A Program works on either.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from harness.threads import states

COMPLAINT_MAX = 1 << 20  # bytes of standard error that are read


class Failed(Exception):
    """A step did not come about; the text is a sentence that says which."""


def dying(command: Iterable[object]) -> list[str]:
    """A command whose process the kernel kills when this program dies, however it does."""
    setpriv = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    return [*setpriv, *map(str, command)]


def unnamed_file() -> IO[bytes]:
    """A file without a name; in memory where no folder for temporary files can be written."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.memfd_create("unnamed"), "r+b")


class Process:
    """A child of this process, the leader of a session of its own."""

    ahead_us = 0  # its clock is this one's
    usage: resource.struct_rusage | None = None  # by all its threads; known at its end

    def __init__(self, argv: Sequence[str], name: str, **popen: Any):
        if not shutil.which(argv[0]):
            raise Failed(f"there is no program {argv[0]}")
        # A program that nobody reads from would block on a second pipe: a file without a name.
        self.errors = unnamed_file()
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        try:
            self.popen = subprocess.Popen(
                dying(argv), start_new_session=True, **{**streams, **popen}
            )
        except OSError as error:
            self.errors.close()
            raise Failed(f"{name} cannot be started: {error.strerror}") from None
        self.pid = self.popen.pid
        self.stdin = self.popen.stdin
        assert self.popen.stdout
        self.stdout = self.popen.stdout

    @property
    def returncode(self) -> int | None:
        """As reap() found it: negative for a signal; None: not yet."""
        code: int | None = self.popen.returncode
        return code

    def take(self) -> bytes:
        """Some of its output, which is there; empty: the end of it."""
        return os.read(self.stdout.fileno(), 1 << 16)

    def signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill_group(self) -> None:
        """SIGKILL to it and to what it has forked. The one call that any thread may make."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def reap(self, wait: bool) -> bool:
        """Takes note of its end, and of what it has used; whether this call did."""
        # Until it is reaped its number is its group's: what it has forked ends with it.
        flags = os.WEXITED | os.WNOWAIT | (0 if wait else os.WNOHANG)
        if self.returncode is not None or not os.waitid(os.P_PID, self.pid, flags):
            return False
        self.kill_group()
        _, status, self.usage = os.wait4(self.pid, 0)
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        return True

    def complaints(self) -> bytes:
        """The end of what it has written to standard error."""
        size = os.fstat(self.errors.fileno()).st_size
        return os.pread(self.errors.fileno(), COMPLAINT_MAX, max(0, size - COMPLAINT_MAX))

    def forget(self) -> None:
        """Nobody asks for its complaints any more."""
        self.errors.close()

    def look(self, name: str) -> str:
        """The text of /proc/PID/NAME; empty: it is gone."""
        try:
            return Path(f"/proc/{self.pid}/{name}").read_text()
        except OSError:
            return ""

    def states(self) -> set[str]:
        """Of its threads: R wants a processor, S sleeps; empty: it is gone."""
        return states(self.pid)

    def descriptors(self) -> int:
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))
