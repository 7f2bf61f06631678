"""Temporary folders that do not stay: neither when their program ends, nor when it was killed.

While its program lives, a folder is locked (flock). A program that was killed with SIGKILL cannot
remove its folder; the next one that makes such a folder finds it without a lock, and does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
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
