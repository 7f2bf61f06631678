"""Files that a user names: tried before a long run, and written in one way by every verb.

A regular file is replaced as a whole, so that whoever is killed while writing leaves the old file
or the new one. A link stays a link; what it points to is written. A pipe, a terminal or another
device is written through, and so is what this program's own output goes to: `--json /dev/stdout`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from harness.panels import complain


class OutputFile:
    """What an option like `--json FILE` names.

    To make one tries whether it can be written; if not, the program ends with one line and status
    2. A regular file is not touched before there is something to write.
    """

    def __init__(self, option: str, path: str | Path):
        self.option = option  # "bench: --json", for what is said when it cannot be written
        self.path = Path(path)
        self.stream: int | None = None  # the descriptor of what is not a regular file
        try:
            self.stream = opened(self.path)
            if self.stream is None:
                self._try()
        except OSError as error:
            self._refuse(2, error)

    def keep(self, content: str | bytes) -> None:
        """What there is by now, and more may come. A stream waits for the last: write()."""
        if self.stream is None:
            self.write(content)

    def write(self, content: str | bytes) -> None:
        """All of it; nothing leaves the file as it is.
        Ends the program with one line and status 1 where that cannot be done."""
        data = content.encode() if isinstance(content, str) else content
        if not data:
            return
        try:
            if self.stream is None:
                replace(self.path, data)
            else:
                sys.stdout.flush()  # it may be the same
                write_all(self.stream, data)
        except BrokenPipeError:
            raise
        except OSError as error:
            self._refuse(1, error)

    def _try(self) -> None:
        """As replace() does it, but for the replacing. Nothing is left behind."""
        target = Path(os.path.realpath(self.path))
        if target.exists():
            os.close(os.open(target, os.O_WRONLY))
        if replaceable(target):
            beside(target, b"").unlink()

    def _refuse(self, status: int, error: OSError) -> NoReturn:
        complain(status, f"{self.option} {self.path}: {error.strerror}")


def opened(path: Path) -> int | None:
    """A descriptor that writes to a device, a pipe, or our own output;
    None: a regular file, or none yet."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    for number in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(found, os.fstat(number)):
                return os.dup(number)
    return None if stat.S_ISREG(found.st_mode) else os.open(path, os.O_WRONLY)


def replaceable(target: Path) -> bool:
    """Whether a new file may take its place: the old one would lose nothing by it.

    Other links to it would keep the old content, and a file of somebody else its owner.
    """
    if not os.access(target.parent, os.W_OK) and target.exists():
        return False
    with contextlib.suppress(FileNotFoundError):
        found = target.stat()
        return found.st_nlink == 1 and (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
    return True


def replace(path: Path, data: bytes) -> None:
    target = Path(os.path.realpath(path))
    if replaceable(target):
        new = beside(target, data)
        try:
            new.replace(target)
        except OSError:
            new.unlink(missing_ok=True)
            raise
    else:
        with target.open("wb") as file:
            file.write(data)


def beside(target: Path, data: bytes) -> Path:
    """A new file in the same folder with this content,
    and with the mode that the target has or would have."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        try:
            write_all(descriptor, data)
            os.fchmod(descriptor, mode_of(target))
        finally:
            os.close(descriptor)
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def mode_of(target: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def make_folder(option: str, path: str | Path) -> Path:
    """The folder that an option names, made where it is missing, and tried."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside(folder / "try", b"").unlink()
    except OSError as error:
        complain(2, f"{option} {folder}: {error.strerror}")
    return folder
