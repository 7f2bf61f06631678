"""Two hosts and the machine between them, made of namespaces; root alone can make them.

`left` and `right` have a network, processes, a home folder and a clock of their own: their
CLOCK_MONOTONIC is shifted, and the project's folder is empty there. sshd runs on each. `here` is a
third network, where a test runs its command and which forwards what the two send to each other, at
a bounded rate where that is asked for.

Each is the child of one process that dies with the test, and takes all of its host with it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.panels import ROOT
from harness.program import Program, dying

AHEAD_SECONDS = {"left": 86_400, "right": 1_000}
START_SECONDS = 20.0

# In the mount namespace of a host: a home and a /run of its own, and nothing of the project.
FILES = """
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs none /root
mount -t tmpfs none /run
mkdir -p /run/sshd
mount -t tmpfs none {root}
ip link set lo up
exec /usr/sbin/sshd -D -e -f {config}
"""

SSHD = """
Port 22
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PidFile none
MaxStartups 100
"""

SSH = """
Host left
    HostName 10.77.1.2
Host right
    HostName 10.77.2.2
Host stranger
    HostName 10.77.1.2
    IdentityFile {folder}/host_key
Host newcomer
    HostName 10.77.1.2
    UserKnownHostsFile {folder}/nobody
Host changed
    HostName 10.77.1.2
    UserKnownHostsFile {folder}/wrong_hosts
Host closed
    HostName 10.77.1.2
    Port 23
Host personal
    HostName 10.77.2.2
    RemoteCommand cat
    RequestTTY force
    LocalForward 5999 localhost:22
    ExitOnForwardFailure yes
Host silent
    HostName 10.77.1.2
    IdentityFile {folder}/host_key
    LogLevel QUIET
Host * !stranger !silent
    IdentityFile {folder}/user_key
Host *
    User root
    KexAlgorithms curve25519-sha256
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {folder}/known_hosts
"""


@functools.cache
def lacking() -> str:
    """What this machine lacks; empty: nothing."""
    if os.geteuid() != 0:
        return "needs root, which makes namespaces"
    for program in ("/usr/sbin/sshd", "ssh", "ssh-keygen", "ip", "tc", "unshare", "nsenter"):
        if not shutil.which(program):
            return f"needs the program {program}"
    trial = ["unshare", "-n", "-m", "-p", "-T", "--fork", "--monotonic", "1", "ip", "link", "add"]
    done = subprocess.run(
        [*trial, "a0", "type", "veth", "peer", "name", "b0"], capture_output=True, text=True
    )
    return f"needs namespaces: {done.stderr.strip()}" if done.returncode else ""


class Network:
    def __init__(self, folder: Path):
        self.folder = folder
        self.programs: list[Program] = []
        self.pids: dict[str, int] = {}  # of a process in that host's namespaces
        for key in ("host_key", "user_key"):
            path = str(folder / key)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        (folder / "sshd_config").write_text(SSHD.format(folder=folder))
        (folder / "ssh_config").write_text(SSH.format(folder=folder))
        public = (folder / "host_key.pub").read_text()
        addresses = ("10.77.1.2", "10.77.2.2")
        (folder / "known_hosts").write_text("".join(f"{a} {public}" for a in addresses))
        wrong = (folder / "user_key.pub").read_text()
        (folder / "wrong_hosts").write_text(f"{addresses[0]} {wrong}")
        (folder / "bin").mkdir()
        ssh = folder / "bin" / "ssh"  # the first of that name in PATH
        self._begin("here", ["unshare", "--net", "sleep", "infinity"])
        words = self.inside("here", shutil.which("ssh"), "-F", folder / "ssh_config")
        ssh.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        ssh.chmod(0o755)
        for name, ahead in AHEAD_SECONDS.items():
            script = FILES.format(root=shlex.quote(str(ROOT)), config=folder / "sshd_config")
            own = ["--net", "--mount", "--pid", "--time", "--monotonic", str(ahead)]
            self._begin(name, ["unshare", *own, "--fork", "--kill-child", "sh", "-c", script])
        self.run("here", "ip", "link", "set", "lo", "up")
        self.run("here", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        for number, name in enumerate(AHEAD_SECONDS, 1):
            net = f"10.77.{number}"
            there = str(self.pids[name])
            for words in (
                f"ip link add {name} type veth peer name eth0 netns {there}",
                f"ip address add {net}.1/24 dev {name}",
                f"ip link set {name} up",
            ):
                self.run("here", *words.split())
            for words in (
                f"ip address add {net}.2/24 dev eth0",
                "ip link set eth0 up",
                f"ip route add default via {net}.1",
            ):
                self.run(name, *words.split())
        for name in AHEAD_SECONDS:
            self.await_ssh(name)

    def _begin(self, name: str, command: Sequence[str]) -> None:
        """Starts what holds a host's namespaces, and notes a process that is in them."""
        program = Program(command, name)
        self.programs.append(program)
        ours = os.readlink("/proc/self/ns/net")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
            pid = int(children[0]) if children else program.pid
            if name == "here" or children:
                try:
                    if os.readlink(f"/proc/{pid}/ns/net") != ours:
                        self.pids[name] = pid
                        return
                except OSError:
                    pass
            if not program.running:
                break
            time.sleep(0.01)
        raise program.fail("did not get its namespaces")

    def inside(self, name: str, *command: object) -> list[str]:
        """A command in a host's network, with the files of this machine."""
        return ["nsenter", f"--net=/proc/{self.pids[name]}/ns/net", "--", *map(str, command)]

    def run(self, name: str, *command: object, **more: Any) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.inside(name, *command), capture_output=True, text=True, timeout=150, **more
        )
        assert done.returncode == 0, f"{name}: {command}: {done.stderr}"
        return done

    def await_ssh(self, name: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            done = subprocess.run(
                [self.folder / "bin" / "ssh", "-o", "BatchMode=yes", name, "true"],
                capture_output=True,
                text=True,
                timeout=START_SECONDS,
            )
            if done.returncode == 0:
                return
            assert time.monotonic() < deadline, f"{name}: {done.stderr}"
            time.sleep(0.05)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}

    def files(self, name: str, *command: object) -> str:
        """What a command prints that sees a host's files."""
        own = ["--target", str(self.pids[name]), "--mount", "--pid"]
        words = ["nsenter", *own, "--", *map(str, command)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=150)
        assert done.returncode == 0, f"{name}: {command}: {done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def without(self, name: str, path: str) -> Iterator[None]:
        """A host on which these files are missing."""
        folder, _, pattern = path.rpartition("/")
        over = f"lowerdir={folder},upperdir=/run/over/upper,workdir=/run/over/work"
        script = f"""
            mkdir /run/over && mount -t tmpfs none /run/over && mkdir /run/over/upper /run/over/work
            mount -t overlay none -o {over} {folder} && rm {folder}/{pattern}"""
        self.files(name, "sh", "-e", "-c", script)
        try:
            yield
        finally:
            self.files(name, "sh", "-c", f"umount -l {folder}; umount -l /run/over; rmdir /run/over")

    @contextlib.contextmanager
    def rate(self, name: str, rate: str) -> Iterator[None]:
        """Bounds what is sent to that host and what it sends."""
        ends = ((self.inside("here"), name), (self.inside(name), "eth0"))
        bucket = f"tbf rate {rate} burst 16kb limit 256kb".split()
        for inside, device in ends:
            words = ["tc", "qdisc", "add", "dev", device, "root", *bucket]
            subprocess.run([*inside, *words], check=True, timeout=150)
        try:
            yield
        finally:
            for inside, device in ends:
                words = ["tc", "qdisc", "del", "dev", device, "root"]
                subprocess.run([*inside, *words], check=True, timeout=150)

    def processes(self, name: str) -> dict[int, str]:
        """What runs on that host, but sshd itself: command lines by number."""
        net = os.readlink(f"/proc/{self.pids[name]}/ns/net")
        found = {}
        for path in Path("/proc").iterdir():
            if path.name.isdecimal():
                try:
                    if os.readlink(path / "ns/net") == net:
                        words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                        found[int(path.name)] = words.strip()
                except OSError:
                    pass
        return {pid: words for pid, words in found.items() if "sshd" not in words}

    def close(self) -> None:
        for program in self.programs:
            program.kill()


def main() -> None:
    """For a look by hand: runs a command in `here`."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        network = Network(Path(folder))
        try:
            subprocess.run(network.inside("here", *sys.argv[1:]), env=network.environment)
        finally:
            network.close()
