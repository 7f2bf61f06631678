"""./triptych size - what each panel costs, counted and measured now

Usage:  ./triptych size [PANEL...] [--steps] [--source]
                        [--json | --csv | --markdown] [--width N]
        ./triptych size --count DIR

One column a panel, one row a measure. Source: lines of code, tokens, functions,
complexity, calls, options, error checks, for reqrep.c, pubsub.c, the
panel's other files, the whole, and net of template/, which does nothing;
lines by the pattern that they serve; for raw also which clauses each file buys.
Program: bytes, shared libraries, licences. Running, a server with one client:
threads, descriptors, memory, system calls per request. Below the table stands
what each measure means and how it was taken. It takes half a minute.

  PANEL...     these panels only; none: all of panels.txt but the steps. Of
               ready programs (winsock) only the source is counted
  --steps      the steps as well
  --source     what the sources tell: runs nothing, and takes a few seconds
  --json       all of it, for programs
  --csv        the table: part, measure, unit, a column a panel
  --markdown   the table, for a document
  --count DIR  lines of code of another source tree, C or C++, tests left out,
               by the same counter: how the libraries' own lines were counted
  --width N    this many columns wide; default: the terminal's, else 100

Exit status: 0 done, 1 something could not be measured (it says what), 2 wrong
command line.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

from rich.console import Console

from harness import panels
from harness.command import CommandLine
from harness.panels import check_names, complain, read_panels, warn
from harness.terminal import progress

from compare.costs import Costs, costs_of
from compare.display import show
from compare.measures import measure, total
from compare.report import Report
from compare.rows import cost_rows, parts_of, pattern_rows, read_behind, source_rows
from compare.serves import units_of
from compare.sources import TEMPLATE, lines_of_code

WIDTH = 100
WIDTH_MIN = 40
TESTS = re.compile(r"(^|[/_])(test|tests|testing)([/_.]|$)")


def count_tree(folder: str) -> int:
    """Lines of code of any C or C++ tree;
    what is named test, or lies in such a folder, left out."""
    root = Path(folder)
    if not root.is_dir():
        complain(2, f"size: --count {folder}: no such folder")
    endings = {".c", ".h", ".cc", ".hh", ".cpp", ".hpp"}
    files = sorted(path for path in root.rglob("*") if path.suffix in endings and path.is_file())
    files = [path for path in files if not TESTS.search(str(path.relative_to(root)))]
    if not files:
        complain(1, f"size: --count {folder}: no C or C++ files there")
    lines = 0
    for i, path in enumerate(files):
        progress(f"{i} of {len(files)} files")
        lines += lines_of_code(path.read_text(errors="replace"))
    progress("")
    print(f"{lines} lines of code in {len(files)} files of {folder}")
    return 0


def main() -> int:
    command = CommandLine("size", __doc__)
    form = command.add_mutually_exclusive_group()
    for name in ("json", "csv", "markdown"):
        form.add_argument(f"--{name}", action="store_true")
    for name in ("source", "steps"):
        command.add_argument(f"--{name}", action="store_true")
    command.add_argument("--count", metavar="DIR")
    command.add_argument("--width", type=int, metavar="N")
    # For tests: another copy's sources
    command.add_argument("--tree", metavar="DIR", help=argparse.SUPPRESS)
    command.add_argument("panels", nargs="*")
    arguments = command.read()
    if arguments.count:
        return count_tree(arguments.count)
    if arguments.tree:
        panels.ROOT = Path(arguments.tree).resolve()
        arguments.source = True
    if arguments.width is not None and arguments.width < WIDTH_MIN:
        complain(2, f"size: --width {arguments.width} is too narrow: at least {WIDTH_MIN}")
    known = {panel.name: panel for panel in read_panels()}
    check_names("size", "panel", arguments.panels, known)
    chosen = [known[name] for name in dict.fromkeys(arguments.panels)]
    chosen = chosen or [panel for panel in known.values() if panel.kind in ("shipped", "own")]
    if arguments.steps:
        chosen += [
            panel for panel in known.values() if panel.kind == "step" and panel not in chosen
        ]

    template = parts_of(TEMPLATE)["whole"]
    parts = {panel.name: parts_of(panel) for panel in chosen}
    common = total(
        [measure(path, TEMPLATE) for path in sorted((panels.ROOT / "common").glob("*.[ch]"))]
    )
    units = {panel.name: units_of(panel) for panel in chosen}
    rows = source_rows(chosen, parts, template) + pattern_rows(units)
    costs: dict[str, Costs] = {}
    behind: list[dict[str, Any]] = []
    if not arguments.source:
        behind = read_behind(chosen)
        for panel in chosen:
            progress(f"running {panel.name}")
            costs[panel.name] = costs_of(panel) if panel.kind != "programs" else Costs()
        rows += cost_rows(costs, behind)
    progress("")
    wrong = {panel.name: parts[panel.name]["whole"].incomplete for panel in chosen}
    report = Report(
        chosen, rows, units, {"common": common, "template": template}, costs, behind, wrong
    )
    if arguments.json:
        print(report.as_json())
    elif arguments.csv:
        report.write_csv()
    elif arguments.markdown:
        print(report.as_markdown())
    else:
        console = Console(highlight=False, markup=False)
        if arguments.width or not console.is_terminal:
            console.width = arguments.width or int(os.environ.get("COLUMNS") or WIDTH)
        with console.capture() as capture:
            show(report, console)
        for line in capture.get().splitlines():
            print(line.rstrip(" "))
    if arguments.json or arguments.csv or arguments.markdown:
        for text in report.troubles():
            warn(f"size: {text}")
    return 1 if report.troubles() else 0
