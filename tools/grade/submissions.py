"""Submissions as learning systems export them: a folder or an archive for each student.

Everything here is written by somebody else. An archive is read member by member: no name leaves
its folder, no link and no device is taken, and size and number are bounded. What cannot be taken
is an Unfit submission, with the reason; the others are not touched by it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MOST_BYTES = 16 << 20  # of a submission, unpacked
MOST_FILES = 2000
MOST_NESTED = 3  # archives in archives
CLUTTER = re.compile(r"^(\.|__MACOSX$|__pycache__$|Thumbs\.db$)|~$")
ARCHIVE = re.compile(r"\.(zip|tar|tar\.gz|tgz|tar\.bz2|tbz2?|tar\.xz|txz)$", re.I)
ROLES = ("req", "rep", "pub", "sub")
SOURCES = ("reqrep.c", "pubsub.c")
OURS = ("winsock", "template-programs")  # ready programs that this project has itself
TAKEN = ("common", "lab", "programs", "template", "tests", "tools")  # its own folders in a sandbox
NAME = re.compile(r"[a-z][-a-z0-9_]{0,31}")  # of a panel, as ./triptych new takes it


class Unfit(Exception):
    """A submission that cannot be marked; its text says why."""


@dataclass(frozen=True)
class Submission:
    student: str  # as the folder or the archive is named
    path: Path


@dataclass(frozen=True)
class Work:
    """The panel in a submission: a folder of its own, as the sandbox gets it."""

    folder: Path
    panel: str
    programs: bool  # ready programs, no sources


def find(folder: Path) -> list[Submission]:
    """Every folder and archive in it, by name. Other files are left out (see `strange`)."""
    return [
        Submission(ARCHIVE.sub("", path.name), path)
        for path in sorted(folder.iterdir())
        if not CLUTTER.search(path.name) and not path.is_symlink() and is_submission(path)
    ]


def is_submission(path: Path) -> bool:
    return path.is_dir() or bool(path.is_file() and ARCHIVE.search(path.name))


def strange(folder: Path) -> list[str]:
    """The names in it that are neither a folder nor an archive."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if not CLUTTER.search(path.name) and (path.is_symlink() or not is_submission(path))
    )


class Room:
    """A folder that is filled with checked names, up to the limits."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.bytes = 0
        self.files = 0

    def place(self, name: str) -> Path | None:
        """Where a file of this name goes; None: it is clutter. Its folder is made."""
        name = name.replace("\\", "/")  # as Windows packs
        if "\0" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name):
            raise Unfit(f"the path {name!r} is not relative to the submission")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise Unfit(f"the path {name!r} leaves the submission")
        if not parts or any(CLUTTER.search(part) for part in parts):
            return None
        if len(parts) > 20 or any(len(part.encode("utf-8", "replace")) > 200 for part in parts):
            raise Unfit("a path is too long or too deep")
        self.files += 1
        if self.files > MOST_FILES:
            raise Unfit(f"it has more than {MOST_FILES} files")
        path = self.folder.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise Unfit(f"{name!r} is both a file and a folder") from None
        if path.exists():
            raise Unfit(f"{name!r} is there twice")
        return path

    def fill(self, path: Path, source: IO[bytes]) -> None:
        with path.open("xb") as file:
            while data := source.read(1 << 16):
                self.bytes += len(data)
                if self.bytes > MOST_BYTES:
                    raise Unfit(f"unpacked it is larger than {MOST_BYTES >> 20} MiB")
                file.write(data)


def take(source: Path, room: Room) -> None:
    """Copies a folder, or unpacks an archive, into the room."""
    if source.is_dir():
        take_folder(source, room)
        return
    try:
        if zipfile.is_zipfile(source):
            take_zip(source, room)
        elif tarfile.is_tarfile(source):
            take_tar(source, room)
        else:
            raise Unfit("it is no zip and no tar archive, whatever its name says")
    except (
        zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError,
    ) as error:
        raise Unfit(f"the archive is damaged: {error}") from None
    except (NotImplementedError, RuntimeError) as error:  # a method, a password
        raise Unfit(f"the archive cannot be unpacked: {error}") from None


def take_folder(source: Path, room: Room) -> None:
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if not CLUTTER.search(name))
        for name in sorted(files):
            path = Path(folder, name)
            if not stat.S_ISREG(path.lstat().st_mode):
                continue  # a link, a pipe, a device
            if to := room.place(str(path.relative_to(source))):
                with path.open("rb") as file:
                    room.fill(to, file)


def take_zip(source: Path, room: Room) -> None:
    with zipfile.ZipFile(source) as archive:
        for member in archive.infolist():
            mode = member.external_attr >> 16
            if member.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
                continue
            if to := room.place(member.filename):
                with archive.open(member) as file:
                    room.fill(to, file)


def take_tar(source: Path, room: Room) -> None:
    with tarfile.open(source) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file and (to := room.place(member.name)):
                room.fill(to, file)


def unpack(submission: Submission, folder: Path) -> Work:
    """Brings the submission into this empty folder, and finds the panel in it."""
    room = Room(folder / "0")
    room.folder.mkdir()
    try:
        take(submission.path, room)
    except PermissionError as error:
        raise Unfit(f"it cannot be read: {error.filename}") from None
    for depth in range(1, MOST_NESTED + 1):
        files = [path for path in room.folder.rglob("*") if path.is_file()]
        packed = [path for path in files if ARCHIVE.search(path.name)]
        if any(is_panel(path.parent) for path in files) or len(packed) != 1:
            break
        inner = Room(folder / str(depth))
        inner.folder.mkdir()
        take(packed[0], inner)
        room = inner
    return work_in(room.folder, folder / "panel")


def is_panel(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    return bool(names & set(SOURCES)) or bool(programs_in(names))


def programs_in(names: set[str]) -> str:
    """The panel that these programs are of: "mine" if mine-req ... mine-sub are all there."""
    for name in sorted(names):
        panel = name.removesuffix("-req")
        if panel != name and all(f"{panel}-{role}" in names for role in ROLES):
            return panel
    return ""


def folders(top: Path) -> Iterator[Path]:
    yield top
    yield from sorted(path for path in top.rglob("*") if path.is_dir())


def work_in(top: Path, to: Path) -> Work:
    """Moves the one panel found below `top` to the folder `to`."""
    found = [folder for folder in folders(top) if is_panel(folder)]
    # A whole checkout: the panel is what its panels.txt lists as the reader's own
    if len(found) > 1:
        found = [
            f for f in found if str(f.relative_to(top).as_posix()) in own_folders(top)
        ] or found
        least = min(len(folder.parts) for folder in found)
        found = [folder for folder in found if len(folder.parts) == least]
    if not found:
        names = sorted(path.name for path in top.rglob("*") if path.is_file())
        what = ", ".join(names[:8]) or "no file at all"
        raise Unfit(f"there is no reqrep.c and no pubsub.c in it, but {what}")
    if len(found) > 1:
        names = [folder.relative_to(top).as_posix() for folder in found]
        raise Unfit(f"several folders could be the panel: {', '.join(names[:8])}")
    shutil.move(found[0], to)
    names = {path.name for path in to.iterdir()}
    if not names & set(SOURCES):
        panel = programs_in(names)
        for role in ROLES:  # a zip archive forgets who may be run
            (to / f"{panel}-{role}").chmod(0o755)
        return Work(to, checked(panel), True)
    if "meson.build" not in names:
        (to / "meson.build").write_text(default_meson(names))
    text = (to / "meson.build").read_text("utf-8", "replace")
    named = re.search(r"panel_sources\s*\+=\s*\{\s*'([^']*)'", text)
    if not named:
        raise Unfit("its meson.build adds nothing to panel_sources: compare template/meson.build")
    if "panel.c" not in names:
        (to / "panel.c").write_text(DEFAULT_PANEL.replace("NAME", checked(named[1])))
    return Work(to, checked(named[1]), False)


def own_folders(top: Path) -> set[str]:
    """The folders of a reader's own panels in the panels.txt files below `top`."""
    found = set()
    for listed in top.rglob("panels.txt"):
        for line in listed.read_text("utf-8", "replace").splitlines():
            words = line.split()
            if len(words) >= 2 and not line.startswith("#"):
                kinds = [word for word in words if word.startswith("kind=")] or ["kind=own"]
                ready = kinds[0] == "kind=programs" and words[1] not in OURS
                if kinds[0] == "kind=own" or ready:
                    found.add((listed.parent.relative_to(top) / words[1]).as_posix())
    return found


def checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Unfit(f"{name!r} is no name for a panel")
    if name in TAKEN:  # in the sandbox the panel would stand in the place of the tests
        raise Unfit(f"a panel must not be named {name!r}: the project has a folder of that name")
    return name


DEFAULT_PANEL = """#include "pattern.h"

#include <string.h>

const char *
panel_name(void)
{
    return "NAME";
}

const char *
panel_version(void)
{
    return "NAME 0";
}

const char *
panel_strerror(int errnum)
{
    return strerror(errnum);
}
"""


def default_meson(names: set[str]) -> str:
    sources = sorted({name for name in names if name.endswith(".c")} | {"panel.c"})
    listed = ", ".join(f"'{name}'" for name in sources if re.fullmatch(r"[\w.-]+", name))
    return (
        f"panel_sources += {{'mine': files({listed})}}\n"
        "panel_libraries += {'mine': declare_dependency()}\n"
    )


def digest(submission: Submission) -> str:
    """Changes when anything in the submission does; it is not read further than the limits."""
    total = hashlib.sha256()
    paths: list[Path] = [submission.path]
    if submission.path.is_dir():
        paths = [Path(f, name) for f, _, files in os.walk(submission.path) for name in files]
    for path in sorted(paths)[:MOST_FILES]:
        state = path.lstat()
        total.update(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\n".encode("utf-8", "replace"))
    return total.hexdigest()
