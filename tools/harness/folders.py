"""Temporary folders that do not stay: neither when their program ends, nor when it was killed.

While its program lives, a folder is locked (flock). A program that was killed with SIGKILL cannot
remove its folder; the next one that makes such a folder finds it without a lock, and does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "triptych-run-"
BEGUN = "triptych-new-"  # has no lock yet


class Folder:
    """A temporary folder, until close() or the end of the program."""

    swept = False  # by this program

    def __init__(self) -> None:
        begun = Path(tempfile.mkdtemp(prefix=BEGUN))
        self.lock = os.open(begun, os.O_RDONLY)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.path = begun.with_name(PREFIX + begun.name.removeprefix(BEGUN))
        begun.rename(self.path)
        if not Folder.swept:
            Folder.swept = True
            sweep(self.path.parent)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


class OutlivedFolder(Folder):
    """A folder for all that this program makes, which a shell removes if this program cannot.

    The shell waits at the end of a pipe: this program holds the other end, however it ends. What
    this program starts makes its folders there, too, if it gets the environment environ().
    """

    WAIT = 'exec 3<&0; (read -r _ <&3; exec rm -rf -- "$1") >/dev/null 2>&1 &'

    def __init__(self) -> None:
        super().__init__()
        waits, self.end = os.pipe()
        subprocess.run(
            ["sh", "-c", self.WAIT, "sh", self.path], stdin=waits, start_new_session=True,
            check=True,
        )
        os.close(waits)
        tempfile.tempdir = str(self.path)

    def close(self) -> None:
        tempfile.tempdir = None
        super().close()
        os.close(self.end)


def environ() -> dict[str, str]:
    """The environment of a program whose temporary files go where ours do."""
    return {**os.environ, "TMPDIR": tempfile.gettempdir()}


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    folder = Folder()
    try:
        yield folder.path
    finally:
        folder.close()


def sweep(parent: Path) -> None:
    """Removes what programs that were killed have left."""
    for path in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.lstat().st_uid == os.geteuid():
                remove_if_left(path)


def remove_if_left(path: Path) -> None:
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
