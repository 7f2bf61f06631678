"""Marking where bubblewrap cannot make a sandbox: in a container that allows no namespaces.

Docker does not allow it to make its own (https://github.com/containers/bubblewrap/issues/505).
Then the container is the sandbox, as it is for every autograder of Gradescope. What runs in it is a
user of its own, has the limits of inside.py, and the same watcher. In contrast to sandbox.py:

- it sees the container's files as far as any user may read them, its processes and its network;
- it may write where any user may (/tmp, /dev/shm), and what it writes there stays;
- it is stopped when the disk has become fuller by the limit, not before.

So it is for a container that marks one submission and ends. Only root can do it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from grade.sandbox import SEEN, as_user, readable
from grade.submissions import Work

FIRST_USER = 62000  # nobody's number on Debian and Ubuntu
USERS = 3000
SENTENCE = (
    "Marked without a sandbox of its own, because this container allows no namespaces. The "
    "container is the sandbox. The limits on time, memory, processes and files hold all the same."
)


def user_of_this() -> int:
    """One that no other marking on this machine has at the same time."""
    return FIRST_USER + os.getpid() % USERS


def container(project: Path, panels: Path, work: Work, scratch: Path, user: int) -> list[str]:
    """A copy of the project with the submission in it; and the beginning of a command that runs
    there, as this user, with a folder of its own to write to."""
    tree = scratch / "tree"
    tree.mkdir()
    for name in SEEN:
        source = project / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tree / name)
    shutil.copy(panels, tree / "panels.txt")
    shutil.copytree(work.folder, tree / work.panel, dirs_exist_ok=True)
    readable(tree)
    own = scratch / "own"
    for folder in (own, own / "t"):  # a short name: the path of a socket has 107 bytes at most
        folder.mkdir()
        os.chown(folder, user, user)
    variables = {
        "HOME": own,
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "yes",
        "PYTHONNOUSERSITE": "yes",
        "PYTHONPATH": tree / "tools",
        "TMPDIR": own / "t",
        "TRIPTYCH_BUILD": own / "build",
        "TRIPTYCH_GUARD": "yes",
    }
    settings = [f"{name}={value}" for name, value in variables.items()]
    command = [*as_user(user)[:-1], "--pdeathsig", "KILL", "--"]
    return [*command, "env", "-i", "-C", str(own), *settings]


def end_all_of(user: int) -> None:
    """Ends all its processes at one moment: kill(-1) is atomic, so no fork escapes it."""
    for _ in range(2):  # the second finds what was forked by one that was not yet its own
        subprocess.run([*as_user(user), "sh", "-c", "kill -9 -1"], check=False, capture_output=True)
