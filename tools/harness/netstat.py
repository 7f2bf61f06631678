"""What /proc/net tells of this machine's sockets."""

from __future__ import annotations

import contextlib
from pathlib import Path

LISTENING, TIME_WAIT = "0A", "06"  # states in /proc/net/tcp


def sockets(table: str, port: int, end: int = 1) -> list[list[str]]:
    """The lines of /proc/net/TABLE whose local port this is; end 2: whose peer's."""
    rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return [row for row in rows if int(row[end].rpartition(":")[2], 16) == port]


def unread(port: int) -> int:
    """Bytes that were sent on the connections of this port, and that nobody has read yet.

    Those that are not acknowledged count at their sender, the others at their receiver.
    """
    bytes_there = 0
    for table, end in (("tcp", 1), ("tcp", 2), ("tcp6", 1), ("tcp6", 2)):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for row in sockets(table, port, end):
                if row[3] != LISTENING:
                    bytes_there += sum(int(queue, 16) for queue in row[4].split(":"))
    return bytes_there
