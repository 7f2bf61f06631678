"""Runs a verb that prints a line of JSON for everything that happens, and hands the lines on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from harness.program import Failed, Program
from web.verbs import started

Json = Any
LINE_MAX = 4 << 20  # bytes


def tell(
    program: str, words: list[str], seconds: float, heard: Callable[[Json], None],
    ended: Callable[[str], None],
) -> Callable[[], None]:
    """Starts it in a thread that hears it to its end. Returns a function that ends it at once.

    `heard` gets each event, `ended` what the program complained of, or nothing.
    """
    child: list[Program] = []
    stopped = threading.Event()

    def work() -> None:
        complaint = ""
        try:
            child.append(started(program, words))
            complaint = follow(child[0], seconds, heard, stopped)
        except Failed as problem:
            complaint = str(problem)
        finally:
            for one in child:
                one.kill()
            ended("It was stopped." if stopped.is_set() else complaint)

    def stop() -> None:
        stopped.set()
        for one in child:
            one.kill_group()

    threading.Thread(target=work, daemon=True).start()
    return stop


def follow(
    child: Program, seconds: float, heard: Callable[[Json], None], stopped: threading.Event
) -> str:
    """Hears every line; what is wrong, in a sentence, or nothing."""
    deadline = time.monotonic() + seconds
    while not stopped.is_set():
        line = child.line(deadline - time.monotonic())
        if line is None:
            break
        if len(line) > LINE_MAX:
            return "It printed a line that is too long."
        try:
            heard(json.loads(line))
        except ValueError:
            return "It printed something that is no JSON."
    if time.monotonic() > deadline:
        return f"It did not end within {seconds:g} s."
    status = child.wait(5.0)
    return child.complaint or f"It {child.end()}." if status else ""
