"""Runs the tests that pytest has collected in processes that are forked from its own.

So they are collected once, and every process has them. (With pytest-xdist each would start an
interpreter and collect again.) A process is given one job after the other: numbers of tests that it
runs in this order, which share the fixtures of their module.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, NoReturn, Protocol

import pytest

Job = list[int]
Begin = Callable[[Callable[[Any], None]], None]
END_SECONDS = 10.0  # for the fixtures of a test that is interrupted


class Plan(Protocol):
    def take(self) -> Job | None:
        """What may run now; None: something must end first, or nothing is left."""

    def ended(self, job: Job) -> None:
        """It has, or its process."""


class Fork:
    """One of the processes, as its parent sees it."""

    def __init__(self, session: pytest.Session, begin: Begin):
        self.pipe, there = Pipe()
        self.job: Job = []
        self.left: Job = []  # of it
        sys.stdout.flush()  # what is not written yet is not the child's
        self.pid = os.fork()
        if not self.pid:
            serve(session, there, begin)
        there.close()

    def give(self, job: Job) -> None:
        self.job, self.left = job, list(job)
        self.pipe.send(job)

    def let_end(self) -> None:
        """At once, where it is in the middle of a test."""
        with contextlib.suppress(OSError):
            self.pipe.send(None)
        if self.left:
            os.kill(self.pid, signal.SIGINT)

    def reap(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.002)
        self.pipe.close()


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Once: the fixtures that end then are not interrupted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def serve(session: pytest.Session, pipe: Connection, begin: Begin) -> NoReturn:
    """Runs the jobs that come, and says the number of each test that has ended."""
    status = 3
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: none outlives pytest
        signal.signal(signal.SIGINT, interrupt)
        begin(pipe.send)
        while job := pipe.recv():
            items = [session.items[number] for number in job]
            for number, item, following in zip(job, items, [*items[1:], None]):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                pipe.send(number)
        status = 0
    except KeyboardInterrupt:
        session._setupstate.teardown_exact(None)  # as pytest does at the end of a session
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def run(
    session: pytest.Session,
    plan: Plan,
    most: int,
    begin: Begin = lambda say: None,
    hear: Callable[[Any], None] = lambda said: None,
    lost: Callable[[Job], None] = lambda job: None,
) -> None:
    """Runs all jobs of the plan, in so many processes at most.

    begin is called in each process, with a function: what that is given, hear is given here. lost
    is told the rest of a job whose process has ended: first the test that it has ended in.
    """
    idle: list[Fork] = []
    busy: dict[Connection, Fork] = {}
    try:
        while not session.shouldfail and not session.shouldstop:
            while len(busy) < most and (job := plan.take()):
                fork = idle.pop() if idle else Fork(session, begin)
                busy[fork.pipe] = fork
                fork.give(job)
            if not busy:
                break
            for pipe in wait(list(busy)):
                fork = busy[pipe]
                try:
                    said = pipe.recv()
                except (EOFError, ConnectionResetError):
                    lost(fork.left)
                    fork.left.clear()
                    fork.reap()
                    plan.ended(busy.pop(pipe).job)
                    continue
                if not isinstance(said, int):
                    hear(said)
                    continue
                fork.left.remove(said)
                if not fork.left:
                    plan.ended(busy.pop(pipe).job)
                    idle.append(fork)
    finally:
        forks = [*busy.values(), *idle]
        for fork in forks:
            fork.let_end()
        for fork in forks:
            fork.reap()
