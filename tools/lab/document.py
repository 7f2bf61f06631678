"""The matrix as Markdown, from the JSON of a run; beside another run if there is one.

Where two runs differ in more than numbers, both stand in the cell.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from harness.panels import ROOT
from lab.experiments import THEMES

Json = dict[str, Any]
UNCHECKED = "~ luck:"  # stands before what was seen and not compared


def escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def entry(outcome: Json) -> str:
    if outcome["status"] in ("skipped", "broken"):
        return f"*{outcome['status']}: {outcome['phrase']}*"
    parts = [outcome["phrase"], *(f"**{deviation}**" for deviation in outcome["deviations"])]
    parts += [f"*{UNCHECKED} {seen}*" for seen in outcome["luck"]]
    return "\n".join(parts)


def words(text: str) -> str:
    """What a phrase says, numbers aside, and what follows from them: "1 to 3" is a number, too."""
    return re.sub(r"\d+([.,]\d+)*( to #)?", "#", re.sub(r"\d+([.,]\d+)* to (?=\d)", "", text))


def cell(name: str, panel: str, runs: list[Json]) -> str:
    """What one run saw, or each of them under its system's name."""
    seen = []
    for run in runs:
        outcomes = [e["panels"] for e in run["experiments"] if e["name"] == name]
        if outcomes and panel in outcomes[0]:
            seen.append((run["system"], entry(outcomes[0][panel])))
    if len({words(text) for _, text in seen}) > 1:
        return escape("\n".join(f"{system}: {text}" for system, text in seen))
    return escape(seen[0][1]) if seen else "-"


def as_markdown(runs: list[Json]) -> str:
    """The first run's experiments and panels."""
    lines = ["# The lab's results", ""]
    for number, run in enumerate(runs):
        said = "; ".join(f"`{name}`: {version}" for name, version in run["versions"].items())
        written = "Beside it" if number else "Written by `./triptych lab all --markdown`"
        lines.append(f"{written}, {run['date']}, {run['system']}, on {run['machine']}.")
        lines += [f"{said}.", f"{tally(run)}, in {run['seconds']:.0f} s.", ""]
    lines.append(
        "Each cell is what a run observed; `./triptych lab NAME` repeats it and explains it."
    )
    if len(runs) > 1:
        lines.append("Where the two differ in more than numbers, both are told.")
    for theme in THEMES:
        of_theme = [e for e in runs[0]["experiments"] if e["theme"] == theme]
        if not of_theme:
            continue
        panels = [p for p in runs[0]["versions"] if any(p in e["panels"] for e in of_theme)]
        lines += ["", f"## {theme[0].upper()}{theme[1:]}", ""]
        lines.append("| experiment | " + " | ".join(panels) + " |")
        lines.append("|---" * (len(panels) + 1) + "|")
        for e in of_theme:
            cells = [cell(e["name"], panel, runs) for panel in panels]
            lines.append(
                f"| **{e['name']}**: {escape(e['question'])} | " + " | ".join(cells) + " |"
            )
    return "\n".join(lines) + "\n"


def tally(run: Json) -> str:
    statuses = [o["status"] for e in run["experiments"] for o in e["panels"].values()]
    right = statuses.count("matches")
    text = f"{len(run['experiments'])} experiments, {len(statuses)} outcomes: {right} as recorded"
    others = sorted({status for status in statuses if status != "matches"})
    return ", ".join([text, *(f"{statuses.count(status)} {status}" for status in others)])


@cache
def recorded_phrases(path: Path = ROOT / "lab" / "RESULTS.md") -> dict[str, dict[str, str]]:
    """What as_markdown() once wrote: the cell of each experiment and panel, without its marks."""
    found: dict[str, dict[str, str]] = {}
    panels: list[str] = []
    for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells[:1] == ["experiment"]:
            panels = cells[1:]
        elif cells and (name := re.match(r"\*\*([\w-]+)\*\*: ", cells[0])):
            phrases = dict(zip(panels, map(plain, cells[1:])))
            found[name[1]] = {panel: phrase for panel, phrase in phrases.items() if phrase != "-"}
    return found


def plain(cell: str) -> str:
    """A cell without Markdown: the reverse of escape() and entry()."""
    lines = cell.replace("\\|", "|").split("<br>")
    return "\n".join(re.sub(r"^(\*+)(.*)\1$", r"\2", line) for line in lines)
