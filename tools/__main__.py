"""Runs one verb of ./triptych, which knows their programs:
/usr/bin/python3 -B tools PROGRAM ARGUMENT...

PROGRAM is a module of a folder beside this file, "compare.diff". What is common to all verbs is
done here: signals, streams that are closed or full, a reader that has gone, a package that is
missing.
"""

import errno
import importlib
import os
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is something to tidy: just end

from harness.command import run_verb
from harness.panels import complain

program = sys.argv.pop(1)
verb = program.rpartition(".")[2]


def check_streams() -> None:
    """Fills the descriptors 0 to 2 that are closed: the next file would take their number."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is None:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)
    if sys.stdout is None:
        complain(1, f"{verb}: standard output is closed; send it to a file or to /dev/null")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a locale may not have every character


def run() -> int:
    """The verb itself. Output that a full disk refuses ends it with one sentence."""
    try:
        code: int = module.main()
        sys.stdout.flush()
        return code
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be written goes there
        complain(1, f"{verb}: the output cannot be written: {error.strerror}")


check_streams()
try:
    module = importlib.import_module(program)
except ModuleNotFoundError as missing:
    complain(1, f"{verb}: needs Python's module {missing.name}: ./triptych install {verb}")
run_verb(run)
