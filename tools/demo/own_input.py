"""Your own words for a demo: lines of a file, or of standard input as they arrive."""

from __future__ import annotations

import os
import select
import sys

from harness.panels import complain

LINE_MAX = 32768  # bytes: fits a pipe, so that giving it to a program never waits
DATA_SECONDS = 0.5  # an open standard input that says nothing for so long has nothing to say


class Lines:
    """Lines that arrive on a descriptor, and all that have arrived so far."""

    def __init__(self, descriptor: int, begun: bytes = b""):
        self.descriptor = descriptor
        self.pending = begun
        self.ended = False
        self.seen: list[bytes] = []

    def poll(self) -> bool:
        """Whether a next line, or the end, is there; never waits."""
        while b"\n" not in self.pending and not self.ended:
            if not select.select([self.descriptor], [], [], 0)[0]:
                return False
            data = os.read(self.descriptor, 65536)
            self.pending += data
            self.ended = not data
            if len(self.pending) > LINE_MAX and b"\n" not in self.pending:
                complain(2, f"demo: line {len(self.seen) + 1} is longer than {LINE_MAX} bytes")
        return True

    def next(self) -> bytes | None:
        """The next line, without its end, after poll() said that it is there; None: the end."""
        if b"\n" in self.pending:
            line, self.pending = self.pending.split(b"\n", 1)
        elif self.pending:
            line, self.pending = self.pending, b""
        else:
            return None
        self.seen.append(line)
        return line


def own_lines(path: str | None) -> Lines | None:
    """The lines of a file ("-": standard input), or of a standard input that is no terminal and has
    something to say; else None."""
    if path is not None and path != "-":
        try:
            lines = Lines(os.open(path, os.O_RDONLY))
            lines.poll()
        except OSError as error:
            complain(2, f"demo: {path}: {error.strerror}")
        if lines.ended and not lines.pending:
            complain(2, f"demo: {path} holds no lines")
        return lines
    if path == "-":
        return Lines(0)
    if sys.stdin is None or sys.stdin.isatty() or not select.select([0], [], [], DATA_SECONDS)[0]:
        return None
    try:
        data = os.read(0, 65536)
    except OSError:
        return None
    return Lines(0, data) if data else None
