"""The experiments: loading lab/*.py, running one on its panels, comparing with what was recorded.

An expectation is compared with one value of what was observed:

    True, 3, "text", None        exactly this
    [low, high]                  a number in this range
    {"one_of": [...]}            one of these expectations
    {"luck": "why"}              anything: nothing is asserted, and every table says so
    {"key": expectation, ...}    each of these keys of an observed dict

Keys that were observed and are not expected are for the reader alone. What a key means, an
experiment says in WORDS: {"first_ms": "the first answer takes {} ms"}. FIND has words that a
beginner would look for, where question and explanation lack them.
"""

from __future__ import annotations

import importlib.util
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.words import sentence, words
from harness.panels import ROOT, read_panels
from harness.stage import Stage
from lab.workbench import Failed, Observation, Skip, Workbench, lack

FOLDER = Path(os.environ.get("TRIPTYCH_LAB") or ROOT / "lab" / "experiments")
THEMES = (
    "request/reply",
    "publish/subscribe",
    "streams, signals, processes",
    "the lecture's sockets",
)
REQUIRED = (
    "THEME",
    "ORDER",
    "QUESTION",
    "PREDICT",
    "PANELS",
    "EXPLANATION",
    "SOURCES",
    "TRY_NEXT",
    "EXPECTED",
    "run",
)
OPTIONAL: dict[str, Any] = {"needs": [], "timing": False, "words": {}, "find": "", "hosts": False}
RUN_SECONDS = 60.0  # no run of an experiment on one panel takes longer
STOP_SECONDS = 5.0  # nor does it take longer to end one

Say = Callable[[str, str], None]  # panel, what happens now


class Wrong(Exception):
    """An experiment's file is not as it must be."""


@dataclass(frozen=True)
class Experiment:
    name: str
    module: ModuleType = field(repr=False)

    def __getattr__(self, name: str) -> Any:
        """question, predict, run, ...: the module's QUESTION, PREDICT, run, ..."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "run":
            return self.module.run
        return getattr(self.module, name.upper(), OPTIONAL.get(name))

    def lacks(self) -> Skip | None:
        """What the machine lacks of its NEEDS."""
        return next((skip for need in self.needs if (skip := lack(need))), None)

    def runs_on(self, panel: str, known: list[str]) -> bool:
        """A panel of one's own takes part where all four do."""
        return panel in self.panels or (panel not in known and len(self.panels) >= len(known))


@dataclass
class Outcome:
    """What became of an experiment on one panel."""

    status: str  # matches, deviates, unrecorded, skipped, broken
    phrase: str
    data: dict[str, Any] = field(default_factory=dict)
    deviations: list[str] = field(default_factory=list)
    lack: str = ""  # skipped, in whole or in part, for this one of LACKS
    luck: list[str] = field(default_factory=list)  # what was seen and not compared
    answer: int = 0
    seconds: float = 0.0
    reruns: int = 0

    def as_json(self) -> dict[str, Any]:
        return vars(self)


def load(path: Path) -> Experiment:
    """One file of lab/; Wrong says what is missing in it."""
    spec = importlib.util.spec_from_file_location("lab_" + path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise Wrong(f"{path}: {type(error).__name__}: {error}") from error
    missing = [name for name in REQUIRED if not hasattr(module, name)]
    if missing:
        raise Wrong(f"{path}: {', '.join(missing)} missing; lab/README.md has a template")
    if module.THEME not in THEMES:
        raise Wrong(f"{path}: THEME is none of: {'; '.join(THEMES)}")
    return Experiment(path.stem.replace("_", "-"), module)


def load_all(folder: Path = FOLDER) -> list[Experiment]:
    """Every experiment, by theme and order."""
    experiments = [load(path) for path in sorted(folder.glob("*.py"))]
    experiments.sort(key=lambda e: (THEMES.index(e.theme), e.order, e.name))
    return experiments


def fits(expected: Any, observed: Any) -> bool:
    if isinstance(expected, dict):
        if set(expected) == {"one_of"}:
            return any(fits(choice, observed) for choice in expected["one_of"])
        if set(expected) == {"luck"}:
            return True
        return isinstance(observed, dict) and all(
            key in observed and fits(value, observed[key]) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(observed, (int, float)) and len(expected) == 2:
        return not isinstance(observed, bool) and bool(expected[0] <= observed <= expected[1])
    if isinstance(expected, bool) or isinstance(observed, bool):
        return expected is observed
    return bool(expected == observed)


def deviations(
    expected: dict[str, Any],
    data: dict[str, Any],
    templates: dict[str, str] | None = None,
    place: str = "",
) -> list[str]:
    """A sentence for each key that is not as recorded, also for those within another."""
    lines = []
    for key, value in expected.items():
        seen = data.get(key)
        if isinstance(value, dict) and isinstance(seen, dict) and is_nested(value):
            title = sentence(templates, key, "").rstrip(": ")
            lines += deviations(value, seen, templates, f"{place}{title}: ")
        elif key not in data:
            lines.append(f"{place}{sentence(templates, key, '...')} was not observed")
        elif not fits(value, seen):
            lines.append(f"{place}{sentence(templates, key, seen)} (expected: {words(value)})")
    return lines


def is_nested(expected: dict[str, Any]) -> bool:
    return set(expected) not in ({"one_of"}, {"luck"})


def luck(
    expected: dict[str, Any], data: dict[str, Any], templates: dict[str, str] | None = None
) -> list[str]:
    """A sentence for each key of which nothing is asserted, and why."""
    lines = []
    for key, value in expected.items():
        if isinstance(value, dict) and set(value) == {"luck"}:
            lines.append(f"{sentence(templates, key, data.get(key))} ({value['luck']})")
        elif isinstance(value, dict) and isinstance(data.get(key), dict) and is_nested(value):
            lines += luck(value, data[key], templates)
    return lines


def judge(experiment: Experiment, panel: str, seen: Observation) -> Outcome:
    """Observed against recorded."""
    outcome = Outcome("matches", seen.phrase, seen.data, answer=seen.answer)
    outcome.lack = next(iter(seen.left_out.values()), "")
    if panel not in experiment.expected:
        outcome.status = "unrecorded"
    else:
        expected = experiment.expected[panel]
        asked = {key: value for key, value in expected.items() if key not in seen.left_out}
        outcome.deviations = deviations(asked, seen.data, experiment.words)
        outcome.luck = luck(asked, seen.data, experiment.words)
        outcome.status = "deviates" if outcome.deviations else "matches"
    return outcome


def unfinished(experiment: Experiment, panel: str, why: str) -> Outcome:
    """What did not come to its end: a fault, except on a panel that keeps a part of the contract.

    The experiments are written for panels that keep all of it, and some know four by name.
    """
    part = any(p.name == panel and p.kind in ("step", "programs") for p in read_panels())
    if panel in experiment.panels or not part:
        return Outcome("broken", why)
    keeps = f"{panel} keeps a part of the contract: ./triptych steps {panel} says which"
    return Outcome("skipped", f"this experiment is for whole panels. {keeps}. It stopped at: {why}")


class Running:
    """An experiment under way: a thread and a workbench for each panel.

    All panels at once, or, where timing matters, one after the other.
    """

    def __init__(self, experiment: Experiment, panels: list[str], say: Say = lambda p, t: None):
        self.experiment = experiment
        self.panels = panels
        self.say = say
        self.outcomes: dict[str, Outcome] = {}
        self.workbenches: dict[str, Workbench] = {}
        self.overdue = False
        self.stopped = False  # by Ctrl-C

    def run(self) -> dict[str, Outcome]:
        """To its end; an exception (Ctrl-C) leaves nothing running."""
        skip = self.experiment.lacks()
        if skip:
            skipped = Outcome("skipped", str(skip), lack=skip.lack)
            self.outcomes = {panel: skipped for panel in self.panels}
            return self.outcomes
        groups = [[p] for p in self.panels] if self.experiment.timing else [self.panels]
        for group in groups:
            try:
                for panel in group:
                    threading.Thread(target=self._one, args=(panel,), daemon=True).start()
                if not self._wait_for(group, RUN_SECONDS):
                    self.overdue = True
                    self.cancel()
                    self._wait_for(group, RUN_SECONDS)
                if Stage.hosts:
                    Stage.hosts.stand()
            except BaseException:
                self.stop()
                self._wait_for(self.workbenches, STOP_SECONDS)
                raise
        endless = Outcome("broken", f"took more than {RUN_SECONDS:g} s, and could not be ended")
        return {panel: self.outcomes.setdefault(panel, endless) for panel in self.panels}

    def _wait_for(self, panels: Iterable[str], seconds: float) -> bool:
        """Waits until these panels' runs have tidied up.

        Not by Thread.join(): when a signal interrupts it, Python takes the thread for ended.
        """
        deadline = time.monotonic() + seconds
        while not all(panel in self.outcomes for panel in panels):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def again(self, panel: str) -> None:
        """Once more on one panel, alone."""
        before = self.outcomes[panel]
        once = Running(self.experiment, [panel], self.say)
        self.workbenches = once.workbenches  # cancel() reaches it
        self.outcomes[panel] = once.run()[panel]
        self.outcomes[panel].reruns = before.reruns + 1

    def stop(self) -> None:
        """Ends it, from any thread; nothing of it begins any more."""
        self.stopped = True
        self.cancel()

    def cancel(self) -> None:
        for workbench in list(self.workbenches.values()):
            workbench.cancel()

    def _one(self, panel: str) -> None:
        started = time.monotonic()
        workbench = Workbench(panel, lambda text: self.say(panel, text))
        self.workbenches[panel] = workbench
        if self.stopped:  # between its making and its being known
            workbench.cancel()
        try:
            with workbench:
                outcome = judge(self.experiment, panel, self.experiment.run(workbench, panel))
        except Skip as reason:
            outcome = Outcome("skipped", str(reason), lack=reason.lack)
        except Failed as problem:
            outcome = unfinished(self.experiment, panel, str(problem))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            why = f"{type(error).__name__}: {error} ({place})"
            outcome = unfinished(self.experiment, panel, why)
        if self.overdue:
            outcome = Outcome("broken", f"took more than {RUN_SECONDS:g} s")
        outcome.seconds = round(time.monotonic() - started, 3)
        self.outcomes[panel] = outcome
