"""What an experiment works with: real programs, addresses and files of its own.

A Workbench is the stage of one run of one experiment on one panel, in one thread; harness/stage.py
and harness/program.py say what it and its programs can do. Start programs in run() itself, not in a
thread of yours: the kernel kills a program when the thread that started it ends.

Every wait has a limit. A wait for what an experiment needs raises Failed, a wait for what it
observes returns None or what is false: heard(), ended(), wait_for().
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness import panels
from harness.netstat import unread
from harness.program import STEP_SECONDS, Driver, Event, Failed, Program, Tap, at_rest
from harness.stage import PanelStage

__all__ = [
    "Driver",
    "Event",
    "Failed",
    "Observation",
    "Program",
    "Skip",
    "Tap",
    "Workbench",
    "lack",
    "unread",
    "version",
]


# What a machine may lack, and why it then cannot have it. For these an experiment may be skipped;
# skipped for any other reason (a probe that is not built, a program that can be installed) it has
# not been made, and --check counts that as a failure.
LACKS = {
    "namespaces": "a container mostly may not make any",
    "root": "a user without it cannot pull a cable or mount a file",
    "cores": "a small virtual machine has one",
}


class Skip(Exception):
    """The experiment cannot be made here; the text says why, `lack` is one of LACKS or empty."""

    def __init__(self, text: str, lack: str = ""):
        super().__init__(text)
        assert not lack or lack in LACKS, lack
        self.lack = lack


def lack(need: str) -> Skip | None:
    """What is missing of namespaces, root, cores:N, package:NAME or program:NAME."""
    missing = missing_of(need)
    kind = need.partition(":")[0]
    return Skip(missing, kind if kind in LACKS else "") if missing else None


def missing_of(need: str) -> str:
    kind, _, name = need.partition(":")
    if kind == "namespaces":
        trial = ["unshare", "-n", "true"] if os.geteuid() == 0 else ["unshare", "-rn", "true"]
        try:
            allowed = subprocess.run(trial, capture_output=True, timeout=10).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            allowed = False
        return "" if allowed else "needs network namespaces, which are not allowed here"
    if kind == "root":
        return "" if os.geteuid() == 0 else "needs root"
    if kind == "program":
        return "" if shutil.which(name) else f"needs the program {name}"
    if kind == "package":
        show = ["dpkg-query", "-W", "-f", "${db:Status-Status}", name]
        try:
            done = subprocess.run(show, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return ""  # no Debian: it may be there all the same
        return "" if done.stdout == "installed" else f"needs Debian's package {name}"
    if kind == "cores":
        cores = len(os.sched_getaffinity(0))
        return "" if cores >= int(name) else f"needs {name} cores; there are {cores}"
    return f"needs {need}, of which the lab knows nothing"


@functools.cache
def version(panel: str) -> tuple[int, ...]:
    """Of the panel's library, where an outcome depends on it; () if that is not known."""
    try:
        program = panels.BUILD / f"{panel}-rep"
        done = subprocess.run([program, "-V"], capture_output=True, text=True, timeout=10)
    except OSError:
        return ()
    said = re.search(r"\d+(\.\d+)+", done.stdout)
    return tuple(map(int, said[0].split("."))) if said else ()


@dataclass
class Observation:
    """What was seen: as data, and as one short phrase built from the data.

    answer: which of the experiment's PREDICT it was, from 1; 0 if none of them.
    left_out: what was not tried, by its key, and which of LACKS is the reason.
    """

    data: dict[str, Any]
    phrase: str
    answer: int = field(default=0)
    left_out: dict[str, str] = field(default_factory=dict)


class Workbench(PanelStage):
    """One run of one experiment on one panel."""

    def __init__(self, panel: str, say: Callable[[str], None] = lambda text: None):
        super().__init__(panel)
        self.say = say  # tells the audience what happens now

    def probe(self, name: str, *arguments: object, **options: Any) -> Any:
        """A program of lab/probes/: NAME-PANEL if there is one for this panel, else NAME."""
        folder = panels.BUILD / "lab" / "probes"
        for path in (folder / f"{name}-{self.panel}", folder / name):
            if os.access(path, os.X_OK):
                return self.start(path, *arguments, **options)
        if any(
            panel.name == self.panel and panel.kind == "shipped" for panel in panels.read_panels()
        ):
            why = "its library is missing, or it is not built"
            raise Skip(f"no probe {name} for {self.panel}: {why}")
        about = f"this experiment looks at a library itself, with a probe ({name})"
        raise Skip(f"{about}, and there is none for {self.panel}: name raw, zmq, nanomsg or nng")

    def calls(self, *lines: str) -> Driver:
        """The library's own calls, one a line, with its own defaults; these lines at once."""
        calls: Driver = self.probe("calls", kind=Driver)
        for line in lines:
            calls.must(line)
        return calls

    def wait_for(self, condition: Callable[[], Any], seconds: float = STEP_SECONDS) -> Any:
        """Asks again and again; what the condition returned, at the end something false."""
        deadline = time.monotonic() + seconds
        while not (value := condition()) and time.monotonic() < deadline and not self.closed:
            time.sleep(0.005)
        return value

    def settle(
        self, *programs: Program, seconds: float = STEP_SECONDS, each: bool = False
    ) -> bool:
        """Waits until these have done what there is to do: at_rest() in harness/program.py.

        What comes by a timer, or over a slow line, still comes. A publisher's driver never rests
        between two commands.
        """
        return bool(self.wait_for(at_rest(*programs, each=each), seconds))

    def pause(self, seconds: float) -> None:
        """Lets time pass; the run breaks off if the workbench is closed meanwhile."""
        if self.wait_for(lambda: self.closed, seconds):
            raise Failed("the workbench is closed")
