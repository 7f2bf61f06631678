"""Roles on other hosts: the option --hosts of demo, bench and lab.

While Stage.hosts is set, every stage starts its roles where `of()` says, and its addresses are
those of the hosts. host.py says what a host is.
"""

from __future__ import annotations

import contextlib
import platform
import re
import subprocess
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path

from harness import far
from harness.distant import HostFailed
from harness.host import ANSWER_SECONDS, Host
from harness.panels import Panel, complain, warn
from harness.process import Failed
from harness.signals import uninterrupted
from harness.stage import Stage

SERVES = ("rep", "pub", "push")  # roles of the first host
# How a connection fails that a firewall forbids
FIREWALL = ("timed out", "refused", "No route to host")
SPREAD = ("sub", "pull")  # roles of the other hosts in turn; what else there is runs on the second


class Hosts:
    """The hosts of a verb: the first has servers and publishers, the others subscribers in turn.

    With one host alone, clients and subscribers run here.
    """

    def __init__(self, names: Sequence[str]):
        self.all: list[Host] = []
        self.reach_us = 0.0  # how long the slowest connection to the server took to be made
        self.turn = 0
        try:
            for name in names:
                self.all.append(Host(name))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Hosts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with uninterrupted():
            Stage.hosts = None
            for host in self.all:
                host.close()

    @property
    def server(self) -> Host:
        return self.all[0]

    def of(self, role: str) -> Host | None:
        """Where a role runs next; None: here."""
        if role in SERVES:
            return self.server
        others = self.all[1:]
        if not others or role not in SPREAD:
            return others[0] if others else None
        self.turn += 1
        return others[(self.turn - 1) % len(others)]

    def url(self, transport: str, role: str) -> str | None:
        """A fresh address where that role runs; None: here."""
        host = self.of(role)
        return host.url(transport) if host else None

    def describe(self) -> list[str]:
        """Sentences for a reader: what runs where, and how the clocks differ."""
        others = [host.name for host in self.all[1:]] or ["this machine"]
        clients = f"clients and subscribers on {others[0]}"
        if len(others) > 1:
            clients = f"clients on {others[0]}, subscribers on {' and '.join(others)} in turn"
        lines = [f"Servers and publishers run on {self.server.name}, {clients}."]
        if any(host.way == "srun" for host in self.all):
            lines.append(
                "The hosts were reached by srun, as in any Slurm job; nobody has tried that yet."
            )
        for host in self.all:
            lines.append(
                f"The clock of {host.name} is {host.ahead_us / 1e6:+.6f} s "
                f"from this machine's, give or take {host.error_us:.0f} us."
            )
        lines.append(
            "That error is half the time of the fastest question and its answer. "
            "It is not larger, however unequal the two directions are. "
            "The clocks drift apart from then on."
        )
        lines.append(f"To connect a client with {self.server.name} took {self.reach_us:.0f} us.")
        return [
            *lines,
            "That was measured at the start; the times below are by this machine's clock.",
        ]

    def describe_drift(self) -> list[str]:
        """How far the clocks have moved since the start, measured now."""
        lines = []
        for host in self.all:
            ahead, error = host.read_clock()
            lines.append(
                f"At the end the clock of {host.name} was {ahead - host.ahead_us:+.0f} us from "
                f"where it was at the start, give or take {host.error_us + error:.0f} us."
            )
        return lines

    def stand(self) -> None:
        """HostFailed: one of them has been lost."""
        for host in self.all:
            if host.lost:
                raise HostFailed(f"host {host.name}: {host.lost}")

    # Whether they will do.

    def check(self, programs: Sequence[Path]) -> None:
        """Every host runs these programs, and every client reaches the server."""
        for host in self.all:
            if host.hello["machine"] != platform.machine():
                raise HostFailed(
                    f"host {host.name} is {host.hello['machine']}, "
                    f"this machine {platform.machine()}: programs that were "
                    "built here do not run there"
                )
            for path in programs:
                self.check_program(host, path)
        self.check_reach()

    def check_program(self, host: Host, path: Path) -> None:
        """It runs there, with the same library as here."""
        done = host.ask("try", argv=[host.bring(path), "-V"])
        if done["status"]:
            raise HostFailed(
                f"host {host.name} does not run {path.name}: {why_not(done['errors'])}"
            )
        here = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=ANSWER_SECONDS)
        if here.stdout != done["output"]:
            warn(
                f"host {host.name} has another library: {path.name} is "
                f"{done['output'].strip()} there, {here.stdout.strip()} here"
            )

    def check_reach(self) -> None:
        address = self.server.address
        at = self.server.ask("listen", address=address)
        port = at["port"]
        for host in self.all[1:] or [None]:
            try:
                us = host.ask("reach", address=address, port=port)["us"] if host else (
                    far.reach(address, port)
                )
                self.reach_us = max(us, self.reach_us)
            except (Failed, OSError) as problem:
                who = f"host {host.name}" if host else "this machine"
                why = str(problem).rpartition(": ")[2]
                if ip_address(address.partition("%")[0]).is_loopback:
                    why += "; name it as other hosts know it"
                elif any(said in why for said in FIREWALL):
                    why += "; does a firewall keep TCP ports {} to {} closed?".format(*at["ports"])
                raise HostFailed(
                    f"{who} does not reach {self.server.name} at {address}: {why}"
                ) from None


def why_not(errors: str) -> str:
    """What a program's loader says of what it lacks, in words."""
    if lacks := re.search(r"(lib\S+\.so\S*): cannot open shared object", errors):
        found = subprocess.run(["dpkg", "-S", f"*/{lacks[1]}"], capture_output=True, text=True)
        package = found.stdout.partition(":")[0]
        return f"{lacks[1]} is missing there" + (
            f" (Debian's package {package})" if package else ""
        )
    if older := re.search(r"version `(\S+)' not found", errors):
        return f"its C library lacks {older[1]}, being older than this machine's"
    last = (errors.strip().splitlines() or ["it says nothing"])[-1]
    return last + ("; only the program itself is copied there" if "ModuleNotFound" in last else "")


@contextlib.contextmanager
def on_hosts(verb: str, text: str | None, chosen: Sequence[Panel]) -> Iterator[Hosts | None]:
    """The roles of these panels run on the hosts that --hosts names, within the block; None: here.

    Ends the program with one line and status 2 for what is no list of names, 1 for a host that
    cannot be used.
    """
    if text is None:
        yield None
        return
    names = text.split(",")
    if not all(re.fullmatch(r"[\w.@:%\[][\w.@:%\[\]-]*", name, re.ASCII) for name in names):
        complain(2, f"{verb}: --hosts takes names as ssh knows them, with commas: --hosts one,two")
    try:
        with Hosts(names) as hosts:
            try:
                hosts.check([panel.program("rep") for panel in chosen])
            except Failed as problem:
                raise HostFailed(str(problem)) from None
            Stage.hosts = hosts
            yield hosts
    except HostFailed as problem:
        complain(1, f"{verb}: {problem}")
