"""Runs a verb with --json for a page: the page computes nothing that a verb computes."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from harness.panels import ROOT
from harness.program import Failed, Program
from web.page import Refused

AT_ONCE = 2  # verbs; others wait
OUTPUT_MAX = 64 << 20  # bytes

_slots = asyncio.Semaphore(AT_ONCE)
_running: set[Program] = set()


def run(program: str, words: tuple[str, ...], seconds: float) -> Any:
    """Its JSON. The thread that starts it waits for it: the kernel kills it with that thread."""
    command = [sys.executable, "-B", ROOT / "tools", program, *words]
    verb = program.rpartition(".")[2]
    child = Program(command, name=verb)
    _running.add(child)
    try:
        child.hang_up()
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
    """Ends those that run; what waits for them is told so."""
    for child in list(_running):
        child.kill_group()


async def verb(program: str, *words: str, seconds: float = 60.0) -> Any:
    async with _slots:
        return await asyncio.to_thread(run, program, words, seconds)
