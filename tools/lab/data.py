"""The lab as data: what an experiment says, what was recorded of it,
what a run saw (lab.schema.json)."""

from __future__ import annotations

import re
import textwrap
import time
from typing import Any

from harness.here import machine, system, versions
from harness.panels import ROOT, Panel

from lab.document import recorded_phrases
from lab.experiments import FOLDER, Experiment, Outcome
from lab.words import sentence

Outcomes = dict[str, Outcome]


def file_of(experiment: Experiment) -> str:
    """Its path: in the tree, if it stands there."""
    path = FOLDER / (experiment.name.replace("-", "_") + ".py")
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def upstream(source: str) -> list[str]:
    """Links to the manual pages that a source names and Debian does not ship:
    nanomsg's and NNG's."""
    if "https://" in source:
        return []
    pages = re.findall(r"\b(nng?_\w+)\((\d)\)", source)
    return [
        f"https://nng.nanomsg.org/man/v1.10.0/{name}.{section}.html"
        if name.startswith("nng_")
        else f"https://nanomsg.org/v1.1.5/{name}.html"
        for name, section in dict.fromkeys(pages)
    ]


def recorded(experiment: Experiment) -> dict[str, Any]:
    """By panel: what is expected, in sentences, and the phrase of the run in lab/RESULTS.md."""
    phrases = recorded_phrases().get(experiment.name, {})
    return {
        panel: {
            "expected": [sentence(experiment.words, key, value) for key, value in expected.items()],
            "phrase": phrases.get(panel),
        }
        for panel, expected in experiment.expected.items()
    }


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    """What its file says."""
    paragraphs = textwrap.dedent(experiment.explanation).strip().split("\n\n")
    return {
        "name": experiment.name,
        "theme": experiment.theme,
        "question": experiment.question,
        "find": " ".join(experiment.find.split()),
        "predict": experiment.predict,
        "runs_on": experiment.panels,
        "needs": experiment.needs,
        "timing": experiment.timing,
        "explanation": [" ".join(paragraph.split()) for paragraph in paragraphs],
        "sources": [{"text": source, "links": upstream(source)} for source in experiment.sources],
        "try_next": " ".join(experiment.try_next.split()),
        "file": file_of(experiment),
        "code": (ROOT / file_of(experiment)).read_text("utf-8"),
        "recorded": recorded(experiment),
    }


def as_json(
    experiments: list[Experiment],
    panels: list[Panel],
    results: dict[str, Outcomes],
    seconds: float,
) -> dict[str, Any]:
    """Experiments, and of those that were run what was seen on each panel."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "system": system(),
        "machine": machine(),
        "versions": versions(panels),
        "seconds": round(seconds, 1),
        "experiments": [
            experiment_json(e)
            | {
                "panels": {
                    name: {**outcome.as_json(), "expected": e.expected.get(name)}
                    for name, outcome in results.get(e.name, {}).items()
                }
            }
            for e in experiments
        ],
    }
