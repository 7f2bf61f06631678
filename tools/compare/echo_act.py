"""What every break of the echo programs has: programs that are started and heard,
and the kernel's tables.

Every wait has a limit, and all that runs ends with the stage.
"""

from __future__ import annotations

import collections
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.netstat import LISTENING, sockets
from harness.program import Program
from harness.stage import Stage

SOON_S = 3.0  # within this time happens what should
LINE_MAX = 60  # characters of a printed line that are shown
UNIX_LISTENS = 0x10000  # a flag in /proc/net/unix: __SO_ACCEPTCON


class Different(Exception):
    """A break did not come about; the text says what happened instead."""


def check(holds: object, otherwise: str) -> None:
    if not holds:
        raise Different(otherwise)


@dataclass
class Act:
    """One break as it happened."""

    stage: Stage
    told: list[tuple[str, Program | str]] = field(default_factory=list)  # commands, in their order
    lines: dict[int, list[str]] = field(default_factory=dict)  # of each program, by its pid

    def run(self, program: str, *words: str) -> Program:
        started: Program = self.stage.start(self.stage.folder / program, *words, name=program)
        self.told.append((f"./{program} {' '.join(described(words))}", started))
        self.lines[started.pid] = []
        return started

    def serve(self, program: str, address: str, *words: str) -> Program:
        """A server, once its socket is bound."""
        server = self.run(program, address, *words)
        self.await_true(
            lambda: bound(address, program.startswith("datagram")) or not server.running,
            f"{program} has not bound its socket",
        )
        check(server.running, f"{program} {ending(server)} at its start")
        return server

    def note(self, text: str) -> None:
        """What is done to the programs."""
        self.told.append((text, ""))

    def line(self, program: Program, seconds: float = SOON_S) -> str | None:
        """The next line that it prints; None: it prints none in that time."""
        said = program.line(seconds)
        if said is None:
            return None
        self.lines[program.pid].append(said.decode(errors="replace"))
        return self.lines[program.pid][-1]

    def all_lines(self, program: Program, seconds: float = SOON_S) -> list[str]:
        """Its lines until it has ended, or prints no more for that time."""
        while self.line(program, seconds) is not None:
            pass
        return self.lines[program.pid]

    def counts(self, program: Program, number: int) -> list[int]:
        """The bytes of its first calls, as it prints them."""
        while len(self.lines[program.pid]) < number and self.line(program) is not None:
            pass
        return [bytes_of(line) for line in self.lines[program.pid][:number]]

    def await_true(self, holds: Callable[[], object], otherwise: str) -> None:
        deadline = time.monotonic() + SOON_S
        while not holds():
            check(time.monotonic() < deadline, f"{otherwise} within {SOON_S:g} s")
            time.sleep(0.005)

    def freeze(self, program: Program) -> None:
        """SIGSTOP; it stands still when this returns."""
        program.freeze()
        stat = Path(f"/proc/{program.pid}/stat")
        self.await_true(
            lambda: stat.read_text().rpartition(")")[2].split()[0] == "T",
            f"{program.name} has not stopped",
        )

    def end(self, program: Program) -> None:
        """It is killed, and what it printed before is heard."""
        program.kill()
        self.all_lines(program, 0.0)

    def address(self) -> str:
        return f"127.0.0.1:{self.stage.port()}"

    def path(self) -> str:
        return str(self.stage.path())


def bytes_of(line: str) -> int:
    """ "recv: 40 bytes: ..." -> 40"""
    found = re.match(r"\w+: (\d+) bytes", line)
    return int(found[1]) if found else -1


def text_of(line: str) -> str:
    return line.partition(" bytes: ")[2]


def shortened(text: str, most: int = LINE_MAX) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def described(words: tuple[str, ...]) -> list[str]:
    """Words as a reader would type them; long ones by their length, repeated ones once."""
    shown = []
    for word, times in collections.Counter(words).items():
        long = len(word) > LINE_MAX
        text = f"{word[:3]}... ({len(word):,} bytes)" if long else word
        text = f'"{text}"' if " " in text and not long else text
        shown.append(f"{text} {times} times" if times > 1 else text)
    return shown


def ending(program: Program, seconds: float = 0.0) -> str:
    """How it ended: "ended by SIGPIPE", "ended with status 1 (send: ...)"."""
    program.ended(seconds)
    complaint = f" ({program.complaint})" if program.complaint else ""
    return ("still runs" if program.running else program.end()) + complaint


# What the kernel tells.


def bound(address: str, datagram: bool) -> bool:
    """Whether a server is bound there, and listens if it is to."""
    if not address.startswith("/"):
        rows = sockets("udp" if datagram else "tcp", port_of(address))
        return any(datagram or row[3] == LISTENING for row in rows)
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    flags = [int(row[3], 16) for row in rows if row[-1] == address]
    return any(datagram or flag & UNIX_LISTENS for flag in flags)


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def waiting_bytes(address: str, end: int = 1) -> int:
    """Bytes that TCP has brought to the server (end 2: to its clients), and no recv() fetched."""
    rows = [row for row in sockets("tcp", port_of(address), end) if row[3] != LISTENING]
    return sum(int(row[4].partition(":")[2], 16) for row in rows)


def udp_port(program: Program) -> int | None:
    """The port that the kernel chose for a client's UDP socket."""
    found = set()
    for descriptor in os.listdir(f"/proc/{program.pid}/fd"):
        target = os.readlink(f"/proc/{program.pid}/fd/{descriptor}")
        if inode := re.fullmatch(r"socket:\[(\d+)\]", target):
            found.add(inode[1])
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    ports = [int(row[1].rpartition(":")[2], 16) for row in rows if row[9] in found]
    return ports[0] if ports else None
