"""What a benchmark has measured so far: kept in a file as it goes,
and told on one line of progress."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from bench import results as bench_results
from bench import words as bench_words
from bench.machine import build_type, machine
from bench.session import Session, why
from bench.stats import interval
from harness.files import OutputFile
from harness.here import commit, versions
from harness.panels import Panel


class Bar:
    """One line of progress on standard error: what runs, and how much time is left."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.told = 0.0
        self.shown = sys.stderr.isatty()

    def __call__(self, what: str, done: float, planned: float) -> None:
        now = time.monotonic()
        share = min(1.0, done / planned) if planned else 0.0
        left = (now - self.began) * (1 - share) / share if share > 0.02 else planned
        text = f"{share:4.0%}  {int(left) // 60}:{int(left) % 60:02} left  {what}"
        if self.shown:
            print(f"\r\033[K{text[:78]}", end="", file=sys.stderr, flush=True)
        elif now - self.told > 10:
            self.told = now
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Before anything else is printed."""
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Recorder:
    """The results so far, and the file that they are kept in."""

    def __init__(
        self, session: Session, panels: list[Panel], rounds: int, quick: bool,
        output: OutputFile | None,
    ) -> None:
        self.session = session
        self.output = output
        self.began = time.monotonic()
        self.results: dict[str, Any] = {
            "format": bench_results.FORMAT,
            "version": bench_results.VERSION,
            "commit": commit(),
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "quick": quick,
            "interrupted": True,  # until it is over
            "failed": [],  # what besides the cells
            "machine": machine(),
            "build": build_type(),
            "versions": versions(panels),
            "method": {
                "rounds": rounds,
                "run_seconds": session.seconds,
                "coverage": interval([float(i) for i in range(rounds)]).coverage,
                "placements": "one core: both sides on the last processor; two cores: server or "
                "publisher on the last, the others on another core of the same socket; either of "
                "two cores: all on these two; free: the kernel's choice",
            },
        }

    @contextlib.contextmanager
    def going_on(self, what: str) -> Iterator[None]:
        """If this part fails, that is noted, and the run goes on."""
        try:
            yield
        except Exception as error:  # whatever it is: the figures of the rest must not be lost
            self.results["failed"].append(f"{what}: {why(error)}")

    def write(self, last: bool = False) -> None:
        """All that was measured by now, so that nothing is lost if there is no more."""
        cells = self.session.cells
        self.results["cells"] = [bench_results.cell_dict(cell, cells) for cell in cells]
        self.results["seconds"] = round(time.monotonic() - self.began, 1)
        self.results["found"] = bench_words.found(self.results)
        if self.output:
            text = bench_results.text_of(self.results)
            (self.output.write if last else self.output.keep)(text)
