"""Runs one verb of ./triptych, which knows their programs: /usr/bin/python3 -B tools PROGRAM ARGUMENT...

PROGRAM is a module of a folder beside this file, "compare.diff". What is common to all verbs is
done here: signals, a reader that has gone, a package that is missing.
"""

import importlib
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is something to tidy: just end

from harness.command import run_verb
from harness.panels import complain

program = sys.argv.pop(1)
verb = program.rpartition(".")[2]
try:
    module = importlib.import_module(program)
except ModuleNotFoundError as missing:
    complain(1, f"{verb}: needs Python's module {missing.name}: ./triptych install {verb}")
run_verb(module.main)
