"""A sandbox for one submission: bubblewrap.

What runs in it sees the system's /usr and this project, read-only; its own panel, read-only; a
temporary file system of its own for everything that it writes, which ends with it; a loopback
interface of its own and no other; processes of its own and no others. It never sees the rubric.

As root the sandbox is made by root and left for an unprivileged user, since the limit on the
number of processes does not bind root. Other users need user namespaces, as Debian has them.

In a container that allows no namespaces (Gradescope's) the container is the sandbox: the user, the
limits and the watcher are the same, and contained.py says what is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from check.rubric import Limits
from grade.submissions import Work
from harness.panels import ROOT

# What of the project the sandbox sees: no rubric, no step, and of the panels that an assignment
# asks for only zmq, since its meson.build finds the library.
SEEN = "common programs zmq nng template lab tests tools meson.build meson_options.txt".split()
LEFT_OUT = ("steps", "__pycache__", "build*")
SCRATCH = "/scratch"  # what the sandbox writes, the build included; it ends with it
FIRST_USER = 61000  # nobody's number on Debian; one for each submission that runs


class Failed(Exception):
    """The sandbox itself did not work; the text is what it said."""


def copy_project(to: Path) -> None:
    """What the sandbox sees of the project, readable for its user whatever modes it has here."""
    for name in SEEN:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
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
        "PYTHONDONTWRITEBYTECODE": "yes",  # the submission may write to the build folder,
        "PYTHONNOUSERSITE": "yes",  # and to the home
        "PYTHONPATH": "/triptych/tools",
        "TMPDIR": "/tmp",
        "TRIPTYCH_BUILD": f"{SCRATCH}/build",
        "TRIPTYCH_GUARD": "yes",
    }
    for name, value in variables.items():
        command += ["--setenv", name, value]
    return command + (as_user(user) if os.getuid() == 0 else [])


def as_user(user: int) -> list[str]:
    """The beginning of a command that root runs as this user, for good."""
    command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return command + ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--"]


def write_panels(folder: Path, work: Work, keys: str) -> Path:
    """A panels.txt with the panels whose libraries a build may need, and the submission's."""
    shipped = [
        line
        for line in (ROOT / "panels.txt").read_text("utf-8").splitlines()
        if " kind=shipped " in line and line.split()[0] != work.panel and line.split()[1] in SEEN
    ]
    kind = "kind=programs " if work.programs else ""
    path = folder / "panels.txt"
    path.write_text(
        "\n".join([*shipped, f"{work.panel} {work.panel} {kind}{keys}submission"]) + "\n"
    )
    path.chmod(0o644)
    return path


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
