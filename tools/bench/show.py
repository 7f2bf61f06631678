"""What the benchmark prints around its tables: opening, method, what was found, goals."""

from __future__ import annotations

import math
import re
import textwrap
from dataclasses import fields
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench import words
from bench.cases import number
from bench.disturbed import disturbance
from bench.goals import MET, MISSED, MORE_RUNS, RUNS, VERDICTS
from bench.kinds import Case
from bench.results import cell_dict
from bench.run import OTHERS_MAX, SLOW_MAX, STEAL_MAX
from bench.session import EXTRA_ROUNDS, Cell
from bench.summary import summary
from bench.tables import left_out, legend, show_table
from harness.terminal import BROWN, GREEN, RED, TEXT_WIDTH


def show_group(console: Console, group: list[Cell]) -> None:
    """One case of a running session."""
    show_table(console, [cell_dict(cell, group) for cell in group], group[0].wanted)


def shorter(cpu: str) -> str:
    """A processor's name without what says nothing."""
    return re.sub(r"\((R|TM)\)|\b(CPU|Processor)\b|@.*", "", cpu).strip() or cpu


def show_opening(console: Console, results: dict[str, Any], seconds: float) -> None:
    """One line: where it runs, what a figure is, and how long it takes, or took."""
    info = results["machine"]
    virtual = "virtual " if info["hypervisor"] else ""
    took = f"{seconds / 60:.0f} minutes"
    if seconds < 120:
        took = f"{math.ceil(seconds / 10) * 10} seconds"
    text = (
        f"{' '.join(shorter(info['cpu']).split())}, {info['cpus']} {virtual}processors, load "
        f"{info['load_before'][0]:.1f}; each figure: median of {results['method']['rounds']} runs; "
        f"{took if 'seconds' in results else f'about {took}'}"
    )
    console.print(f"[bold]{escape(text)}[/]\n", soft_wrap=True)


def show_method(console: Console, results: dict[str, Any]) -> None:
    """What was measured with, and how the tables are read."""
    info, method = results["machine"], results["method"]
    width = min(console.width, TEXT_WIDTH)
    virtual = "virtual, " if info["hypervisor"] else ""
    load = " ".join(map(str, info["load_before"]))
    pair = f"two cores: {info['pair']}; " if info.get("pair") else ""
    console.print(
        f"{escape(info['cpu'])} ({virtual}{info['cpus']} processors), {info['kernel']}, "
        f"{info['system']}\nload before: {load}; {pair}clock {info['clock']}; TCP "
        f"{info['congestion_control']}; built as {results['build']}; "
        f"{', '.join(f'{name}: {version}' for name, version in results['versions'].items())}",
        width=width,
    )
    rounds = method["rounds"]
    below = legend(results["cells"])
    benches = [] if "goals" in results else [cell["bench"] for cell in results["cells"]]
    told = [
        f"Each row: {rounds} to {rounds + EXTRA_ROUNDS} runs, in turns, in a new order each round. "
        f"The {rounds} least disturbed count; a figure is their median, and the interval holds the "
        f"true median with a probability of {method['coverage']:.0%}. Sizes are those of the body; "
        f"a message has 25 bytes more. *: in one of the runs other programs used more than "
        f"{OTHERS_MAX:.0%} of the CPU, or the hypervisor took {STEAL_MAX:.0%}, or the processor "
        f"was {SLOW_MAX:.0%} slower than it can be. CPU, switches and MiB: client + server, or "
        "subscribers + publisher; CPU and switches for each message received and sent.",
        below and "Below each panel stand its baselines, the smallest programs that do the same: "
        f"{below}.",
        left_out(list(dict.fromkeys(benches)), console.width),
    ]
    for text in filter(None, told):
        console.print(f"[dim]{escape(text)}[/]", width=width)
    console.print()


def show_options(console: Console, options: dict[str, Any]) -> None:
    console.print("options in force, read back from running programs:")
    for panel, found in options.items():
        for role, values in found.items():
            text = ", ".join(f"{name} {value}" for name, value in values.items())
            console.print(f"[dim]{panel:13} {role:4} {text or 'not readable'}[/]")
    console.print()


def show_words(console: Console, sentences: list[str]) -> None:
    """What was found, a paragraph each."""
    console.print("[bold]What was found[/]")
    for sentence in sentences:
        console.print(escape(sentence), width=min(console.width, TEXT_WIDTH))
        console.print()


def show_short(console: Console, results: dict[str, Any]) -> None:
    """How much disturbances matter, and the answer in short."""
    width = min(console.width, TEXT_WIDTH)
    if told := disturbance(results):
        console.print(f"{escape(told)}\n", width=width)
    if lines := summary(results):
        console.print("[bold]Which is fastest, and why[/]")
        for line in lines:
            text = textwrap.fill(
                line,
                width - 1,
                initial_indent="- ",
                subsequent_indent="  ",
                break_on_hyphens=False,
            )
            console.print(escape(text), soft_wrap=True)
        console.print()


def show_cases(console: Console, results: dict[str, Any]) -> None:
    """The sentences case by case."""
    console.print("[bold]Case by case[/]")
    for sentence in words.by_case(results):
        console.print(f"{escape(sentence)}\n", width=min(console.width, TEXT_WIDTH))


def show_goals(console: Console, results: dict[str, Any]) -> None:
    """The table; above it, once, how far disturbances may have changed what is in it."""
    goals = results["goals"]
    width = min(console.width, TEXT_WIDTH)
    if told := disturbance(results):
        hit = sum(goal["disturbed"] for goal in goals)
        console.print(f"{told} {hit} of {len(goals)} goals rest on such runs.\n", width=width)
    table = Table(title="goals", title_justify="left", box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for heading in ("goal", "measured", "interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for goal in goals:
        value = goal["value"]
        sign = ">=" if goal["at_least"] else "<="
        colour = {MET: GREEN, MISSED: RED}.get(goal["verdict"], BROWN)
        hit = goal["disturbed"] and goal["verdict"] != MET
        notes = [goal["note"], "on disturbed runs" if hit else ""]
        note = f" [dim]({escape(', '.join(filter(None, notes)))})[/]" if any(notes) else ""
        table.add_row(
            goal["what"],
            f"{sign} {goal['bound']:.3g}{goal['unit']}",
            f"{value['median']:.3g}{goal['unit']}" if value else "-",
            f"{value['low']:.3g}..{value['high']:.3g}" if value and value["n"] > 1 else "",
            f"[{colour}]{goal['verdict']}[/]{note}",
        )
    console.print(table)
    counts = {verdict: sum(goal["verdict"] == verdict for goal in goals) for verdict in VERDICTS}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    console.print(
        f"{told}. A goal cannot be told where its interval covers the bound: another run may say "
        f"otherwise. Goals that {RUNS} runs of each program left open had {MORE_RUNS}.",
        width=width,
    )


def show_changes(console: Console, changes: list[dict[str, Any]], differences: list[str]) -> None:
    table = Table(
        title="compared with the earlier run", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("", overflow="fold")
    for heading in ("before", "now", "change", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    colours = {"better": GREEN, "worse": RED, "equal": "dim"}
    for change in changes:
        cell = change["cell"]
        case = Case(**{field.name: cell[field.name] for field in fields(Case)})
        what = f"{case}: {cell['competitor']} {change['metric']}"
        colour = colours[change["verdict"]]
        before, now = number(change["before"]), number(change["after"])
        table.add_row(
            what, before, now, f"{change['change']:+.1%}", f"[{colour}]{change['verdict']}[/]"
        )
    console.print(table)
    for difference in differences:
        console.print(f"[bold]not the same: {escape(difference)}[/]")
    if not changes:
        console.print("nothing that both runs have measured")
