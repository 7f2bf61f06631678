"""Runs a verb with --json for a page: the page computes nothing that a verb computes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness.folders import environ
from harness.panels import ROOT
from harness.program import Failed, Program
from web.page import Refused

AT_ONCE = 2  # verbs; others wait
OUTPUT_MAX = 64 << 20  # bytes

_threads = ThreadPoolExecutor(AT_ONCE, "verb")
_running: set[Program] = set()
_stops = 0  # so often all that had been asked was ended


def started(program: str, words: Iterable[str]) -> Program:
    """A verb: program is its module, words its command line. The thread that starts it waits for
    it: the kernel kills it with that thread."""
    command = [sys.executable, "-B", ROOT / "tools", program, *words]
    child = Program(command, name=program.rpartition(".")[2], env=environ())
    child.hang_up()
    return child


def run(program: str, words: tuple[str, ...], seconds: float, stops: int) -> Any:
    """Its JSON. `stops` is how often stop() had been called when it was asked for."""
    child = started(program, words)
    verb = child.name
    _running.add(child)
    try:
        if stops != _stops:
            raise Refused("it was stopped")
        text = child.text(seconds)
        status = child.wait(seconds)
        if status or len(text) > OUTPUT_MAX:
            raise Refused(child.complaint or f"{verb} {child.end()}")
        return json.loads(text)
    except Failed as problem:
        raise Refused(str(problem)) from None
    except ValueError:
        raise Refused(f"{verb} printed something that is no JSON") from None
    finally:
        _running.discard(child)
        child.kill()


def stop() -> None:
    """Ends those that run, and those that wait; who has asked is told so."""
    global _stops
    _stops += 1
    for child in list(_running):
        child.kill_group()


async def verb(program: str, *words: str, seconds: float = 60.0) -> Any:
    return await asyncio.get_running_loop().run_in_executor(
        _threads, run, program, words, seconds, _stops
    )
