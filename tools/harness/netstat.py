"""What /proc/net tells of this machine's sockets."""

from __future__ import annotations

import contextlib
from pathlib import Path

LISTENING, TIME_WAIT = "0A", "06"  # states in /proc/net/tcp


def sockets(table: str, port: int, end: int = 1) -> list[list[str]]:
    """The lines of /proc/net/TABLE whose local port this is; end 2: whose peer's."""
    rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return [row for row in rows if int(row[end].rpartition(":")[2], 16) == port]


def unread(port: int, end: int = 1) -> int:
    """Bytes that were sent to the server at this port and not read by it; end 2: to its clients.

    What has come counts at its receiver until it is read, and at its sender until the receiver has
    acknowledged it. So it may count twice for a moment, and nothing is left out.
    """
    number = 0
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            for queue, at in ((1, end), (0, 3 - end)):  # received and not read; sent and not there
                for row in sockets(table, port, at):
                    number += 0 if row[3] == LISTENING else int(row[4].split(":")[queue], 16)
    return number
