"""What the kernel tells of this machine's sockets."""

from __future__ import annotations

import subprocess
from pathlib import Path

ESTABLISHED, TIME_WAIT, LISTENING = "01", "06", "0A"  # states in /proc/net/tcp


def sockets(table: str, port: int, end: int = 1, of: int | str = "self") -> list[list[str]]:
    """The lines of /proc/net/TABLE whose local port this is; end 2: whose peer's.

    of: a process whose network that is.
    """
    text = Path(f"/proc/{of}/net/{table}").read_text()
    rows = [line.split() for line in text.splitlines()[1:]]
    return [row for row in rows if int(row[end].rpartition(":")[2], 16) == port]


def unread(url: str, end: int = 1) -> int:
    """Bytes that were sent to the server at this address and not read by it; end 2: to its clients.

    Those of connections that the other side has closed count, too.

    What has come counts at its receiver until it is read, and at its sender until the receiver has
    acknowledged it. So it may count twice for a moment, and nothing is left out.
    """
    address = url.partition("://")[2]
    listed = subprocess.run(["ss", "-Hntx"], capture_output=True, text=True, check=True).stdout
    number = 0
    for line in listed.splitlines():
        _, _, received, sent, local, *peer = line.split()
        if address in (local, *peer):
            number += int(received if (local == address) == (end == 1) else sent)
    return number
