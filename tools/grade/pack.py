"""Packs an autograder for Gradescope: its two scripts, the rubric, and what marking needs of this
project.

The form of the archive: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

from grade.sandbox import copy_project
from harness.folders import temporary_folder
from harness.panels import ROOT

SCRIPTS = Path(__file__).resolve().parent / "autograder"
TOP = ("setup.sh", "run_autograder")  # where Gradescope looks for them
NEEDED = ("triptych", "panels.txt", "packages.txt")  # beside what a sandbox sees


def pack(rubric: Path) -> bytes:
    """The archive. Of the same files it is the same, byte for byte."""
    with temporary_folder() as folder:
        for name in TOP:
            shutil.copy(SCRIPTS / name, folder)
        shutil.copyfile(rubric, folder / "rubric.toml")
        project = folder / "triptych"
        project.mkdir()
        copy_project(project)
        for name in NEEDED:
            shutil.copy(ROOT / name, project)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                member = zipfile.ZipInfo(str(path.relative_to(folder)))
                mode = 0o755 if os.access(path, os.X_OK) else 0o644
                member.external_attr = (0o100000 | mode) << 16
                member.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(member, path.read_bytes())
        return content.getvalue()
