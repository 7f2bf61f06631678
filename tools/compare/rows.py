"""The rows of size's table: each a measure of every panel, of its source or of its programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.panels import Panel
from harness.terminal import progress

from compare.costs import C_LIBRARY, Costs
from compare.measures import Counts, measure, total
from compare.serves import BOTH, SERVES, Unit

Value = int | float | str | None
PATTERNS = ("reqrep.c", "pubsub.c")
PARTS = (*PATTERNS, "other files", "whole", "net of template")

# Of the source: key, label, unit.
SOURCE = (
    ("lines", "lines of code", "lines"),
    ("tokens", "C tokens", "tokens"),
    ("functions", "functions", "functions"),
    ("complexity", "cyclomatic complexity, sum", ""),
    ("worst", "  of the worst function", ""),
    ("worst_name", "  which is", ""),
    ("calls", "library, socket calls used", "functions"),
    ("places", "  places they stand in", "places"),
    ("options", "options set", "options"),
    ("checks", "error checks", "places"),
)


@dataclass
class Row:
    part: str
    key: str
    label: str
    unit: str
    values: dict[str, Value]


def parts_of(panel: Panel) -> dict[str, Counts]:
    """The source's parts but the last, which needs template/ beside it."""
    progress(f"reading {panel.name}")
    by_name = {path.name: measure(path, panel) for path in panel.sources()}
    parts = {name: by_name.get(name, Counts()) for name in PATTERNS}
    parts["other files"] = total(
        [counts for name, counts in by_name.items() if name not in PATTERNS]
    )
    parts["whole"] = total(list(by_name.values()))
    return parts


def value_of(counts: Counts, key: str, less: Counts | None) -> Value:
    """One measure; less: what is taken off."""
    if key in ("worst", "worst_name"):
        return None if less or not counts.worst[0] else counts.worst[0 if key == "worst" else 1]
    value = getattr(counts, key)
    if isinstance(value, set):
        return len(value - getattr(less, key)) if less else len(value)
    return int(value - getattr(less, key)) if less else int(value)


def source_rows(
    chosen: list[Panel], parts: dict[str, dict[str, Counts]], template: Counts
) -> list[Row]:
    rows = []
    for part in PARTS:
        less = template if part == "net of template" else None
        for key, label, unit in SOURCE:
            of = {panel.name: parts[panel.name]["whole" if less else part] for panel in chosen}
            values = {name: value_of(counts, key, less) for name, counts in of.items()}
            if any(value is not None for value in values.values()):
                rows.append(Row(part, key, label, unit, values))
    return rows


def pattern_rows(units: dict[str, list[Unit]]) -> list[Row]:
    """Lines of code by the pattern that they serve."""

    def lines(name: str, serves: str) -> int:
        return sum(unit.lines for unit in units[name] if unit.serves == serves)

    keys = ("lines_reqrep", "lines_pubsub", "lines_both")
    return [
        Row("by pattern", key, label, "lines", {name: lines(name, serves) for name in units})
        for key, serves in zip(keys, SERVES)
        for label in [serves if serves == BOTH else f"{serves} alone"]
    ]


def cost_rows(costs: dict[str, Costs], behind: list[dict[str, Any]]) -> list[Row]:
    rows: list[Row] = []

    def row(part: str, key: str, label: str, unit: str, values: dict[str, Value]) -> None:
        rows.append(Row(part, key, label, unit, values))

    def less(value: int | None, template: int | None) -> int | None:
        return None if value is None or template is None else value - template

    beyond = {n: [x for x in c.libraries if x.package != C_LIBRARY] for n, c in costs.items()}
    known = {n: c for n, c in costs.items() if c.libraries}
    row("program", "text", "text", "bytes", {n: c.text for n, c in costs.items()})
    row(
        "program", "text_net", "  net of template", "bytes",
        {n: less(c.text, c.template_text) for n, c in costs.items()},
    )
    row("program", "data", "data", "bytes", {n: c.data for n, c in costs.items()})
    row(
        "program", "data_net", "  net of template", "bytes",
        {n: less(c.data, c.template_data) for n, c in costs.items()},
    )
    row(
        "program", "libraries", "shared libraries", "files",
        {n: len(c.libraries) if n in known else None for n, c in costs.items()},
    )
    row(
        "program", "libraries_bytes", "  their size", "bytes",
        {n: sum(x.size for x in c.libraries) if n in known else None for n, c in costs.items()},
    )
    row(
        "program", "libraries_beyond", "  beyond the C library", "files",
        {n: len(beyond[n]) if n in known else None for n in costs},
    )
    row("program", "libraries_beyond_bytes", "  their size", "bytes",
        {n: sum(x.size for x in beyond[n]) if n in known else None for n in costs})  # fmt: skip
    row("running", "threads", "threads", "threads", {n: c.threads for n, c in costs.items()})
    row(
        "running", "descriptors", "descriptors", "descriptors",
        {n: c.descriptors for n, c in costs.items()},
    )
    row("running", "memory", "resident memory", "KiB", {n: c.memory_kib for n, c in costs.items()})
    row(
        "running", "calls_server", "system calls a request", "calls",
        {n: c.calls_server for n, c in costs.items()},
    )
    row(
        "running", "calls_client", "  of the client", "calls",
        {n: c.calls_client for n, c in costs.items()},
    )
    lines = {str(fact["panel"]): int(fact["lines"]) for fact in behind}
    row(
        "behind", "behind_lines", "the library's own source", "lines",
        {n: lines.get(n) for n in costs},
    )
    return rows


def read_behind(chosen: list[Panel]) -> list[dict[str, Any]]:
    """The lines of the libraries' own source: written down once,
    with the command that repeats it."""
    facts = json.loads((Path(__file__).parent / "library_sources.json").read_text())
    names = [panel.name for panel in chosen]
    return [fact for fact in facts if fact["panel"] in names]
