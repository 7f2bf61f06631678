"""What an experiment works with: real programs, addresses and files of its own.

A Workbench is the stage of one run of one experiment on one panel, in one thread; harness/stage.py
and harness/program.py say what it and its programs can do. Start programs in run() itself, not in a
thread of yours: the kernel kills a program when the thread that started it ends.

Every wait has a limit. A wait for what an experiment needs raises Failed, a wait for what it
observes returns None or what is false: heard(), ended(), wait_for().
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness import panels
from harness.program import STEP_SECONDS, Driver, Event, Failed, Program, Tap
from harness.stage import PanelStage

__all__ = ["Driver", "Event", "Failed", "Observation", "Program", "Skip", "Tap", "Workbench"]


class Skip(Exception):
    """The experiment cannot be made here; the text says why."""


@dataclass
class Observation:
    """What was seen: as data, and as one short phrase built from the data.

    answer: which of the experiment's PREDICT it was, from 1; 0 if none of them.
    """

    data: dict[str, Any]
    phrase: str
    answer: int = field(default=0)


class Workbench(PanelStage):
    """One run of one experiment on one panel."""

    def __init__(self, panel: str, say: Callable[[str], None] = lambda text: None):
        super().__init__(panel)
        self.say = say  # tells the audience what happens now

    def probe(self, name: str, *arguments: object) -> Program:
        """A program of lab/probes/: NAME-PANEL if there is one for this panel, else NAME."""
        folder = panels.BUILD / "lab" / "probes"
        for path in (folder / f"{name}-{self.panel}", folder / name):
            if os.access(path, os.X_OK):
                program: Program = self.start(path, *arguments)
                return program
        raise Skip(f"no probe {name} for {self.panel}: its library is missing, or it is not built")

    def wait_for(self, condition: Callable[[], Any], seconds: float = STEP_SECONDS) -> Any:
        """Asks again and again; what the condition returned, at the end something false."""
        deadline = time.monotonic() + seconds
        while not (value := condition()) and time.monotonic() < deadline and not self.closed:
            time.sleep(0.005)
        return value

    def pause(self, seconds: float) -> None:
        """Lets time pass; the run breaks off if the workbench is closed meanwhile."""
        if self.wait_for(lambda: self.closed, seconds):
            raise Failed("the workbench is closed")
