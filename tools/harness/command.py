"""What all verbs have in common: how a command line is read, and how a verb ends."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import resource
import sys
from collections.abc import Callable
from typing import NoReturn

from harness.panels import ROLES, complain
from harness.signals import end_on_signals

PATTERNS = tuple(ROLES)
STOPPED = 130  # 128 + SIGINT, as a shell says it
READER_GONE = 141  # 128 + SIGPIPE, as a shell says of `ls | head`; 0 would say that all was done


class CommandLine(argparse.ArgumentParser):
    """The command line of a verb; the verb adds its own options with add_argument().

    -h prints the manual. What is wrong ends the program with one line and status 2; for an
    unknown option the line names the one that it is most like.
    """

    def __init__(self, verb: str, manual: str | None):
        super().__init__(prog=verb, add_help=False, allow_abbrev=False)
        self.manual = manual or ""
        self.add_argument("-h", "--help", action="store_true")

    def read(self) -> argparse.Namespace:
        """Reads sys.argv; options and other words may be mixed."""
        arguments, unknown = self.parse_known_intermixed_args()
        if arguments.help:
            print(self.manual.rstrip())
            sys.exit(0)
        if unknown:
            word = unknown[0].partition("=")[0]
            known = [name for name in self._option_string_actions if name.startswith("--")]
            near = difflib.get_close_matches(word, known, 1)
            self.error(f"no option {word}" + (f", did you mean {near[0]}?" if near else ""))
        return arguments

    def error(self, message: str) -> NoReturn:
        message = re.sub(
            r"argument (\S+): invalid \w+ value: (.*)", r"\1 \2: a number is expected", message
        )
        end = "" if message.endswith("?") else ";"
        complain(2, f"{self.prog}: {message}{end} ./triptych {self.prog} --help")


def split_patterns(words: list[str]) -> tuple[list[str], list[str]]:
    """The patterns among these words, wherever they stand (none: both), and the other words."""
    named = [pattern for pattern in PATTERNS if pattern in words]
    return named or list(PATTERNS), [word for word in words if word not in PATTERNS]


def run_verb(main: Callable[[], int]) -> NoReturn:
    """Runs a verb and exits as it does, or as a signal or a reader that has gone make it."""
    end_on_signals()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two descriptors a program
    try:
        try:
            code = main()
        except KeyboardInterrupt:
            code = STOPPED
            print("\ntriptych: stopped; nothing is left running", file=sys.stderr)
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # what rich, from 13.8 on, makes of it
                raise end.__context__ from None
            code = end.code
        sys.stdout.flush()
    except BrokenPipeError:  # ./triptych VERB | head
        code = READER_GONE
        for stream in (1, 2):  # what is still to be flushed goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    sys.exit(code)
