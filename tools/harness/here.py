"""What a result was made with, in words: the libraries, the system and the machine."""

from __future__ import annotations

import os
import platform
import subprocess

from harness.panels import ROOT, Panel


def versions(panels: list[Panel]) -> dict[str, str]:
    """What each panel says of its library."""
    said = {}
    for panel in panels:
        done = subprocess.run(
            [panel.program("rep"), "-V"], capture_output=True, text=True, timeout=10
        )
        said[panel.name] = done.stdout.strip().removeprefix(panel.name).strip(" ()")
    return said


def system() -> str:
    """Debian 12."""
    try:
        said = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return f"{said['NAME'].split()[0]} {said.get('VERSION_ID', '')}".strip()


def machine() -> str:
    cores = len(os.sched_getaffinity(0))
    return f"{platform.system()} {platform.release()}, {platform.machine()}, {cores} cores"


def commit() -> str:
    """Which version of this project: git's short hash, -dirty where files were changed;
    empty: not known."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
