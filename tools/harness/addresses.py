"""Fresh addresses: TCP ports that nobody else takes, and paths in a folder of one's own."""

from __future__ import annotations

import contextlib
import random
import socket
from functools import cached_property
from pathlib import Path

from harness.folders import Folder

LOWEST_PORT = 10000
ENOUGH_PORTS = 1000
TRIES = 500


class Addresses:
    """Gives addresses and files, until close() removes the folder and frees the ports."""

    given: set[int] = set()  # by this process, so that no port is given twice

    def __init__(self) -> None:
        self.held: list[socket.socket] = []  # each holds a port
        self.paths = 0

    @cached_property
    def kept_folder(self) -> Folder:
        return Folder()

    @property
    def folder(self) -> Path:
        return self.kept_folder.path

    def port(self) -> int:
        """A TCP port that is free on IPv4 and IPv6.

        An abstract socket with the port in its name holds it against other runs of this project.
        """
        chosen_from = ports()
        for port in (random.choice(chosen_from) for _ in range(TRIES)):
            holder = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError):
                holder.bind(f"\0triptych-port-{port}")
                if port not in self.given and port_is_free(port):
                    self.given.add(port)
                    self.held.append(holder)
                    return port
            holder.close()
        raise OSError(f"no free TCP port among {TRIES} of {chosen_from}")

    def path(self, name: str = "") -> Path:
        """A path in this folder where nothing is yet, or the path of that name."""
        if name:
            return self.folder / name
        self.paths += 1
        return self.folder / f"s{self.paths}"

    def url(self, transport: str = "tcp") -> str:
        """A fresh address: tcp, tcp6, udp, udp6 or ipc."""
        if transport == "ipc":
            return f"ipc://{self.path()}"
        host = "[::1]" if transport.endswith("6") else "127.0.0.1"
        return f"{transport.removesuffix('6')}://{host}:{self.port()}"

    def close(self) -> None:
        for holder in self.held:
            holder.close()
        self.held.clear()
        if "kept_folder" in vars(self):
            self.kept_folder.close()
            del self.kept_folder


def ports() -> range:
    """Ports outside the ephemeral range, if there are enough.

    The kernel gives none of them to an outgoing connection. So a port stays free while its server
    is down, and a client cannot connect to itself.
    """
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    low, high = map(int, limits)
    ranges = (range(LOWEST_PORT, low), range(high + 1, 65536), range(LOWEST_PORT, 65536))
    return next(found for found in ranges if len(found) >= ENOUGH_PORTS)


def port_is_free(port: int) -> bool:
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            probe = socket.socket(family)
        except OSError:  # a kernel without IPv6
            continue
        with probe:
            # Without SO_REUSEADDR: a port with connections in TIME_WAIT is
            # not free for all servers.
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
