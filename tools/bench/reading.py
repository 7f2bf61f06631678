"""A run that is over, from its JSON: all that it printed, its charts, and what it found."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape

from bench import results as bench_results
from bench import scale_doc, show, words
from bench.cases import groups_of
from bench.chart import charts
from bench.session import why
from bench.tables import WIDE, show_costs, show_lossless, show_table
from harness.chart import Chart
from harness.files import OutputFile, make_folder
from harness.panels import complain, printable
from harness.svg import svg_text
from harness.terminal import TEXT_WIDTH, Output


def draw_file(console: Console, chart: Chart, folder: Path) -> None:
    """Into the folder, if there is anything to draw; a file has the baselines as well."""
    if drawn := svg_text(chart):
        path = folder / f"{chart.name}.svg"
        OutputFile("bench: --svg", path).write(drawn)
        beside = ", with the baselines" if any(line.dashed for line in chart.lines) else ""
        console.print(f"[dim]{escape(printable(str(path)))}{beside}[/]\n", soft_wrap=True)


def headline(results: dict[str, Any], command: str) -> list[str]:
    """What run it is, and what made the text, a paragraph each."""
    commit = f", at commit {results['commit']}" if results.get("commit") else ""
    seconds = results.get("seconds", 0)
    quick = " --quick" if results.get("quick") else ""
    return [
        f"All of one run of ./triptych bench{quick}{commit}, on {results['started'][:10]}: "
        f"{seconds // 60:.0f} minutes {seconds % 60:.0f} seconds. A command made this text from "
        "the run's figures:",
        f"    {command}",
        "First stands what was found, in short; then the tables; at the end the sentences case by "
        "case. tools/bench/METHOD.md says how it was measured, and how to read it. The charts are "
        "SVG files: --svg FOLDER makes them.",
        *results.get("remarks", []),
    ]


def show_run(console: Console, results: dict[str, Any], command: str) -> None:
    """All that the run printed, but the charts in the terminal.

    The answer in short comes first, since the text is long.
    """
    for paragraph in headline(results, command):
        whole = len(paragraph) if paragraph[0] == " " else 0  # a command stays on one line
        width = max(min(console.width, TEXT_WIDTH), whole)
        console.print(f"{escape(paragraph)}\n", width=width)
    show.show_opening(console, results, results.get("seconds", 0.0))
    if "goals" not in results:
        show.show_short(console, results)
    for group in groups_of(results):
        show_table(console, group, results["method"]["rounds"])
    if results.get("lossless"):
        show_lossless(console, results)
    if results.get("costs"):
        show_costs(console, results)
    if results.get("options"):
        show.show_options(console, results["options"])
    show.show_method(console, results)
    if "goals" in results:
        show.show_goals(console, results)
    else:
        show.show_cases(console, results)


def damaged(path: Path, error: Exception) -> NoReturn:
    complain(2, f"bench: --read {printable(str(path))}: damaged: {why(error)}")


def read_out(path: Path, folder: Path | None, tables: bool) -> int:
    """What an earlier run found, or all that it printed, or the document that --scale makes of it.

    Its charts go into the folder.
    """
    with contextlib.suppress(ValueError):
        scale = scale_doc.read(path)
        try:
            document = scale_doc.document(scale)
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            damaged(path, error)
        sys.stdout.write(document)
        return 0
    try:
        results = bench_results.read(path)
    except ValueError as error:
        complain(2, f"bench: --read {error}")
    console = Output(WIDE)
    try:
        words.found(results)
        drawn = charts(results["cells"]) if folder else []
        with console.capture() as captured:
            if tables:
                command = f"./triptych bench --read {printable(str(path))} --tables"
                show_run(console, results, command)
            elif "goals" in results:
                show.show_goals(console, results)
            else:
                show.show_short(console, results)
                show.show_cases(console, results)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        damaged(path, error)
    console.file.write(captured.get())
    if folder and drawn:
        make_folder("bench: --svg", folder)
        for chart in drawn:
            draw_file(console, chart, folder)
    return 0
