"""A sandbox for one submission: bubblewrap, limits, and a watcher.

What runs in it sees the system's /usr and this project, read-only; its own panel, read-only; a
temporary file system of its own for everything that it writes, which ends with it; a loopback
interface of its own and no other; processes of its own and no others. It never sees the rubric.

As root the sandbox is made by root and left for an unprivileged user, since the limit on the
number of processes does not bind root. Other users need user namespaces, as Debian has them.

Memory is the sum of what its processes hold for themselves (Pss). The watcher reads it, because a
limit on the address space would refuse what libraries reserve and never touch.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from check.rubric import Limits
from grade.submissions import Work
from harness.panels import ROOT

# What of the project the sandbox sees. Rubrics and answers are not among it.
SEEN = (
    "common programs raw zmq nng template lab tests tools meson.build meson_options.txt"
).split()
SCRATCH = "/scratch"  # what the sandbox writes, the build included; it ends with it
FIRST_USER = 61000  # nobody's number on Debian; one for each submission that runs
THREADS = 2000  # with processes, the kernel's own bound: 500 ZeroMQ subscribers have two each
MOST_OUTPUT = 8 << 20  # bytes of results and of other output each
LOOK_S = 0.25  # between two looks of the watcher


class Failed(Exception):
    """The sandbox itself did not work; the text is what it said."""


@dataclass
class Outcome:
    """What came out of a sandbox."""

    lines: list[dict[str, Any]] = field(default_factory=list)  # as inside.py writes them
    ended: str = ""  # why it was stopped, in words; "": it ended by itself
    log: str = ""  # the end of its other output
    seconds: float = 0.0


def copy_project(to: Path) -> None:
    """What the sandbox sees of the project, readable for its user whatever this checkout's modes."""
    for name in SEEN:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__", "build*"))
        else:
            shutil.copy(source, to / name)
    readable(to)


def readable(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def bubblewrap(project: Path, panels: Path, work: Work, limits: Limits, user: int) -> list[str]:
    """The command that makes the sandbox; a program's own command follows."""
    command = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--die-with-parent", "--hostname", "sandbox"]
    if os.getuid() != 0:
        command += ["--unshare-user", "--disable-userns"]
    command += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if os.path.islink(f"/{name}"):
            command += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
    for name in ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "group", "hosts",
                 "localtime", "nsswitch.conf", "passwd"):  # fmt: skip
        command += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    command += ["--perms", "0755", "--dir", "/triptych"]
    for name in SEEN:
        command += ["--ro-bind", str(project / name), f"/triptych/{name}"]
    command += ["--ro-bind", str(panels), "/triptych/panels.txt"]
    command += ["--ro-bind", str(work.folder), f"/triptych/{work.panel}"]
    for folder in (SCRATCH, "/tmp"):
        command += ["--perms", "1777", "--size", str(limits.disk << 20), "--tmpfs", folder]
    command += ["--remount-ro", "/", "--chdir", SCRATCH, "--clearenv"]
    variables = {
        "HOME": SCRATCH,
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": "/triptych/tools",
        "TMPDIR": "/tmp",
        "TRIPTYCH_BUILD": f"{SCRATCH}/build",
        "TRIPTYCH_GUARD": "yes",
    }
    for name, value in variables.items():
        command += ["--setenv", name, value]
    if os.getuid() == 0:
        command += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        command += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]
    return command


def lines_of_panels(work: Work, keys: str) -> str:
    """A panels.txt with the shipped panels, which the build needs, and the submission's."""
    shipped = [
        line
        for line in (ROOT / "panels.txt").read_text("utf-8").splitlines()
        if " kind=shipped " in line and line.split()[0] != work.panel
    ]
    kind = "kind=programs " if work.programs else ""
    return "\n".join([*shipped, f"{work.panel} {work.panel} {kind}{keys}submission"]) + "\n"


def missing() -> str:
    """Why no sandbox can be made here; "": it can."""
    if not shutil.which("bwrap"):
        return "bubblewrap is not installed: ./triptych install grade"
    command = ["bwrap", "--ro-bind", "/", "/", "--unshare-pid", "--unshare-net", "--proc", "/proc"]
    if os.getuid() != 0:
        command += ["--unshare-user"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, timeout=30)
    if tried.returncode == 0:
        return ""
    return f"this machine lets bubblewrap make no namespaces: {tried.stderr.strip()[-200:]}"


class Watched:
    """The processes of a sandbox, seen from outside: all that descend from its first one."""

    def __init__(self, first: int):
        self.first = first
        self.group = {first}

    def look(self) -> list[int]:
        parents: dict[int, int] = {}
        for name in os.listdir("/proc"):
            if name.isdecimal():
                with suppress(OSError, IndexError, ValueError):
                    text = Path("/proc", name, "stat").read_text("utf-8", "replace")
                    parents[int(name)] = int(text.rpartition(")")[2].split()[1])
        group = {self.first}
        while more := {pid for pid, parent in parents.items() if parent in group} - group:
            group |= more
        return sorted(group & parents.keys())

    @staticmethod
    def memory(pids: list[int]) -> int:
        """MiB that they hold."""
        total = 0
        for pid in pids:
            with suppress(OSError, ValueError, IndexError):
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += next(int(l.split()[1]) for l in rollup.splitlines() if l.startswith("Pss:"))
        return total >> 10


def run(
    project: Path,
    work: Work,
    keys: str,
    order: dict[str, Any],
    limits: Limits,
    slot: int,
    scratch: Path,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Builds and checks a submission as `order` says (see inside.py). Nothing of it is left.

    project: made by copy_project().     keys: of its line in panels.txt. slot: which of those that run at a time. stopped is asked whether to give up.
    """
    panels = scratch / "panels.txt"
    panels.write_text(lines_of_panels(work, keys))
    scratch.chmod(0o755)
    panels.chmod(0o644)
    readable(work.folder)
    order = {**order, "panel": work.panel, "programs": work.programs}
    order |= {"threads": THREADS, "disk": limits.disk}
    command = bubblewrap(project, panels, work, limits, FIRST_USER + slot)
    command += ["/usr/bin/python3", "-B", "-m", "grade.inside", json.dumps(order)]
    began = time.monotonic()
    outcome = Outcome()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout and process.stderr
    watched = Watched(process.pid)
    results, other = bytearray(), bytearray()
    open_pipes = {process.stdout.fileno(): results, process.stderr.fileno(): other}
    next_look = began + LOOK_S
    try:
        while open_pipes and not outcome.ended:
            for fd in select.select(list(open_pipes), [], [], 0.2)[0]:
                data = os.read(fd, 1 << 16)
                if not data:
                    del open_pipes[fd]
                elif open_pipes[fd] is other:
                    other += data
                    del other[: -(64 << 10)]  # its end says why
                else:
                    results += data
                    if len(results) > MOST_OUTPUT:
                        outcome.ended = f"it wrote more than {MOST_OUTPUT >> 20} MiB of results"
            now = time.monotonic()
            if stopped():
                outcome.ended = "stopped"
            elif now - began > limits.seconds:
                outcome.ended = f"it was not done after {limits.seconds} s"
            elif now >= next_look:
                pids = watched.look()
                if len(pids) > limits.processes:
                    outcome.ended = f"it had more than {limits.processes} processes ({len(pids)})"
                elif (held := watched.memory(pids)) > limits.memory:
                    outcome.ended = f"it used more than {limits.memory} MiB of memory ({held} MiB)"
                next_look = time.monotonic() + LOOK_S
    finally:
        left = watched.look()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pid in left:  # bubblewrap's first process ends with it, and all others with that
            wait_for_end(pid)
        process.stdout.close()
        process.stderr.close()
    for line in results.split(b"\n"):  # the last may have been cut off
        with suppress(ValueError):
            outcome.lines.append(json.loads(line))
    outcome.log = other.decode("utf-8", "replace")[-4000:]
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def wait_for_end(pid: int, seconds: float = 10.0) -> None:
    """The kernel ends a namespace's processes one after the other."""
    deadline = time.monotonic() + seconds
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.01)
