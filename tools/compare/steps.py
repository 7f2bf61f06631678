"""./triptych steps - the way from the lecture's calls to the whole contract

Usage:  ./triptych steps [--svg FILE] [--json | --markdown] [--width N]
        ./triptych steps STEP [STEP] [--width N]
        ./triptych steps --check [STEP...] [--json]
        ./triptych steps echo [--step | --list] [--json]

A step is a panel that keeps a part of the contract (common/CONTRACT.md), and
says in its kept.txt which part. Without words: a table of all steps, a column a
clause, and a picture: lines of code against clauses kept, one line from the
first step to the panel that keeps all. Lines and tokens are those of
./triptych size, net of template/, which does nothing. It runs nothing.

  STEP         what this step keeps, and why it does not keep the rest
  STEP STEP    what the second adds to the first: clauses, experiments, the diff
  echo         compiles four programs with the lecture's calls and breaks them,
               one after the other; about ten seconds

  --check      runs the contract's tests, and compares with what kept.txt says:
               a step that keeps more than it says is wrong, too
  --svg FILE   writes the picture to FILE
  --json       all of it, for programs
  --markdown   the table, for a document
  --step       waits for a key before each break, on a terminal
  --list       names the programs and the breaks, and runs none
  --width N    this many columns wide; default: the terminal's, else 100

Marks:  ✓ kept  ✗ not kept  ~ kept with luck  ? not reachable: no test applies

Exit status: 0 done, 1 a step is not what its kept.txt says, or a break did not
come about, 2 wrong command line, 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from check.clauses import CLAUSES
from check.kept import BROKEN, KEPT, LUCK, NOT_REACHABLE, Claim, keeps_a_part, read_kept
from compare import echo_programs
from compare.diff import Coloured, changes, show, show_pair
from compare.echo import BREAKS, FOLDER, Outcome, compile_programs, perform
from compare.picture import HOLLOW, picture
from compare.sources import TEMPLATE, contract_functions, panel_lines, panel_tokens
from compare.steps_check import check_steps
from harness import panels
from harness.chart import terminal_chart
from harness.command import CommandLine
from harness.files import OutputFile
from harness.panels import Panel, check_names, complain, read_panels
from harness.stage import Stage
from harness.svg import svg_text
from harness.terminal import BROWN, GREEN, RED, Output, need_terminal, wait_for_key

MARKS = {
    KEPT: ("✓", GREEN),
    BROKEN: ("✗", RED),
    LUCK: ("~", BROWN),
    NOT_REACHABLE: ("?", "dim"),
}
WIDTH_MIN = 60
WIDTH_MOST = 1000  # a table is not wider
LINES_SHOWN = 4  # that a program printed in steps echo


@dataclass
class Step:
    """A panel on the way, and where it stands."""

    panel: Panel
    towards: Panel  # the panel that ships, where this line of steps ends
    claims: dict[str, Claim]
    lines: int = 0  # net of template
    tokens: int = 0
    before: Step | None = None  # on the way

    def count(self, word: str) -> int:
        return sum(claim.word == word for claim in self.claims.values())

    @property
    def sibling(self) -> bool:
        """Whether it stands beside the way: datagrams, not streams; another system's sockets."""
        return "tcp" not in self.panel.speaks or self.panel.kind == "programs"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.panel.name,
            "folder": self.panel.folder,
            "heading": self.panel.heading,
            "towards": self.towards.name,
            "sibling": self.sibling,
            "lines": self.lines,
            "tokens": self.tokens,
            "kept": self.count(KEPT),
            "not_reachable": self.count(NOT_REACHABLE),
            "clauses": {
                clause: vars(claim)
                | {"title": CLAUSES[clause].title, "experiment": CLAUSES[clause].experiment}
                for clause, claim in self.claims.items()
            },
            "adds": self.adds_json() if self.before else None,
        }

    def gained(self, before: Step) -> list[str]:
        return [c for c in CLAUSES if self.claims[c].word == KEPT != before.claims[c].word]

    def adds_json(self) -> dict[str, Any]:
        """What it has and the step before it has not."""
        assert self.before
        return {
            "to": self.before.panel.name,
            "gained": self.gained(self.before),
            "lost": self.before.gained(self),
            "lines": self.lines - self.before.lines,
        }


def all_steps() -> list[Step]:
    """Every step, each line of steps in front of the panel that it leads to."""
    known = read_panels()
    found = []
    for shipped in (panel for panel in known if panel.kind == "shipped"):
        steps = (panel for panel in known if panel.kind == "step")
        way = [panel for panel in steps if re.fullmatch(rf"{shipped.name}-\w+", panel.name)]
        # winsock: step 5 on other sockets, in the same frames
        ready = (panel for panel in known if panel.kind == "programs" and keeps_a_part(panel))
        way += [panel for panel in ready if panel.framing == shipped.name]
        steps_of = [Step(panel, shipped, read_kept(panel)) for panel in [*way, shipped]]
        on_the_way = [step for step in steps_of if not step.sibling]
        for before, step in pairwise(on_the_way):
            step.before = before
        found += steps_of
    return found


def count_lines(steps: list[Step]) -> int:
    """The figures of size: the whole of a panel, less template/. Returns the lines of template/."""
    lines, tokens = panel_lines(TEMPLATE), panel_tokens(TEMPLATE)
    for step in steps:
        step.lines = panel_lines(step.panel) - lines
        step.tokens = panel_tokens(step.panel) - tokens
    return lines


# The table and the picture.


def table_of(steps: list[Step], *titles: str) -> Table:
    """A row a step; a column a title: lines, tokens, a clause, kept. Nothing is cut."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for title in titles:
        table.add_column(title, justify="left" if title in CLAUSES else "right", no_wrap=True)
    before = steps[0].towards
    for step in steps:
        if step.towards != before:
            table.add_row()
        before = step.towards
        cells = {clause: Text(*MARKS[claim.word]) for clause, claim in step.claims.items()}
        counts = {"lines": step.lines, "tokens": step.tokens, "kept": step.count(KEPT)}
        cells |= {title: Text(f"{count:,}") for title, count in counts.items()}
        name = Text(f"{step.towards.mark} {step.panel.name}", style=f"bold {step.towards.colour}")
        table.add_row(name, *(cells[title] for title in titles))
    return table


def show_table(console: Console, steps: list[Step], template: int) -> None:
    """One table where it fits; else one a pattern, without the tokens."""
    whole = table_of(steps, "lines", "tokens", *CLAUSES, "kept")
    if (
        console.measure(whole, options=console.options.update(width=WIDTH_MOST)).maximum
        <= console.width
    ):
        console.print(whole)
    else:
        requests, events = ([c for c in CLAUSES if c[0] == letter] for letter in "RP")
        console.print(Text("Request/reply", style="bold"))
        console.print(table_of(steps, "lines", *requests))
        console.print(Text("\nPublish/subscribe", style="bold"))
        console.print(table_of(steps, *events, "kept"))
        console.print(Text("kept: of the clauses of both patterns.", style="dim"))
    console.print(Text("✓ kept  ✗ not kept  ~ kept with luck  ? not reachable", style="dim"))
    hanging(
        console,
        "R1 to P9: clauses of common/CONTRACT.md. ./triptych steps NAME says each in a few words.",
        "",
    )
    said = (
        f"Lines without the {template} of template/, which does nothing; demo and size count them."
    )
    console.print(Text(said, style="dim"))


def markdown(steps: list[Step]) -> str:
    names = list(CLAUSES)
    lines = [
        f"| step | lines | tokens | {' | '.join(names)} | kept |",
        f"|---|---:|---:|{'---|' * len(names)}---:|",
    ]
    for step in steps:
        marks = " | ".join(MARKS[claim.word][0] for claim in step.claims.values())
        name = f"`{step.panel.name}`"
        lines.append(
            f"| {name} | {step.lines:,} | {step.tokens:,} | {marks} | {step.count(KEPT)} |"
        )
    return "\n".join(lines)


def show_picture(console: Console, steps: list[Step]) -> None:
    text = terminal_chart(
        picture([step.as_json() for step in steps]), console.width, console.is_terminal
    )
    if not text:
        console.print(Text("The picture needs gnuplot: ./triptych install steps", style="dim"))
        return
    for line in text.strip("\f\n").splitlines():
        console.file.write(line.rstrip(" ") + "\n")
    hanging(console, f"{HOLLOW} +9?: no test reaches 9 of its clauses, which it may keep, too.", "")


# One step, and the way from one to another.


def show_step(console: Console, step: Step, template: int) -> None:
    panel, kept = step.panel, step.count(KEPT)
    head = f"{panel.name}  {panel.folder}/  {panel.heading}"
    console.print(Text(head, style=f"bold {step.towards.colour}"))
    console.print(
        f"{step.lines:,} lines of code beside the {template} of template/; {kept} of "
        f"{len(CLAUSES)} clauses kept, {step.count(NOT_REACHABLE)} not reachable"
    )
    for clause, claim in step.claims.items():
        mark, style = MARKS[claim.word]
        line = Text(f"{mark} ", style=style)
        line.append(f"{clause:<4}{CLAUSES[clause].title}", style="default")
        console.print(line)
        why = f"kept in {claim.rate} trials: " if claim.rate else ""
        if claim.reason:
            hanging(console, f"{why}{claim.reason}" + (f" ({claim.test})" if claim.test else ""))
    if keeps_a_part(panel):
        console.print(Text(f"./triptych steps --check {panel.name} runs the tests.", style="dim"))


def hanging(console: Console, text: str, indent: str = "      ", style: str = "dim") -> None:
    shown = Text(text, style=style)
    for line in shown.wrap(console, console.width - len(indent)):
        line.rstrip()
        console.print(Text(indent) + line, soft_wrap=True)


def show_between(console: Console, before: Step, after: Step, template: int) -> None:
    """What the second step has and the first has not."""
    console.print(Text(f"What {after.panel.name} adds to {before.panel.name}", style="bold"))
    console.print(
        f"lines of code beside the {template} of template/: {before.lines:,}, "
        f"then {after.lines:,}; clauses kept: {before.count(KEPT)}, then {after.count(KEPT)}"
    )
    gained, lost = after.gained(before), before.gained(after)
    for title, clauses, style in (("gained", gained, GREEN), ("lost", lost, RED)):
        for clause in clauses:
            line = Text(f"{title} ", style=style)
            line.append(f"{clause:<4}{CLAUSES[clause].title}", style="default")
            console.print(line)
            without = before if title == "gained" else after
            if reason := without.claims[clause].reason:
                hanging(console, f"{without.panel.name}: {reason}", " " * 7)
            hanging(console, f"./triptych lab {CLAUSES[clause].experiment}", " " * 7)
    if not gained:
        console.print("no clause gained")
    contract = contract_functions()
    for pattern in ("reqrep", "pubsub"):
        left, right = (Coloured(step.panel, pattern, contract) for step in (before, after))
        console.print()
        console.print(Text(changes(left, right), style="bold"))
        show_pair(console, left, right, None, everything=False, brief=True)


# echo


def show_outcome(console: Console, number: int, outcome: Outcome) -> None:
    for text, printed in outcome.told:
        hanging(console, text, "  ", "bold" if text.startswith("./") else "italic")
        shown = printed if len(printed) <= LINES_SHOWN + 1 else printed[:LINES_SHOWN]
        for line in shown:
            hanging(console, line, "      ", "default")
        if len(printed) > len(shown):
            hanging(console, f"... {len(printed) - len(shown)} more lines")
    hanging(console, outcome.after, "", "default" if outcome.came_about else f"bold {RED}")
    repair = f"Repaired by {outcome.of.step}: {outcome.of.repair}."
    hanging(console, repair, "")
    hanging(console, f"Explained by: ./triptych lab {outcome.of.experiment}", "")


def list_echo(console: Console, as_json: bool) -> int:
    """The programs and the breaks; nothing is compiled, and nothing runs."""
    said = echo_programs.as_json()
    if as_json:
        print(json.dumps({"compiled": [], **said, "breaks": echo_programs.breaks_json()}, indent=2))
        return 0
    for program in said["programs"]:
        console.print(Text(program["file"], style="bold"))
        hanging(console, f"{program['says']} It cannot:", "  ", "default")
        for text in program["cannot"]:
            hanging(console, f"- {text}", "    ", "default")
    for number, chosen in enumerate(BREAKS, 1):
        console.print(Text(f"{number}. {chosen.title}", style="bold"))
        hanging(
            console, f"{chosen.before} Repaired by {chosen.step}: {chosen.repair}.", "   ",
            "default",
        )
    console.print("./triptych steps echo plays them.")
    return 0


def echo(console: Console, step: bool, as_json: bool) -> int:
    if not shutil.which("cc"):
        complain(1, "steps echo: needs a C compiler named cc: ./triptych install build")
    outcomes = []
    with Stage() as stage:
        lines = compile_programs(stage.folder)
        if not as_json:
            console.print(f"Four programs with the lecture's calls, in {FOLDER}/.")
            console.print("Each program's head shows the line that compiles it:")
            for line in lines:
                console.print(Text(f"  {line}", style="bold"))
        for number, chosen in enumerate(BREAKS, 1):
            if not as_json:
                console.print()
                console.print(Text(f"{number}. {chosen.title}", style="bold"))
                hanging(console, chosen.before, "", "default")
                if step:
                    wait_for_key(console, "a key goes on")
            outcomes.append(outcome := perform(chosen, stage))
            if not as_json:
                show_outcome(console, number, outcome)
    came = sum(outcome.came_about for outcome in outcomes)
    if as_json:
        breaks = [outcome.as_json() for outcome in outcomes]
        print(
            json.dumps({"compiled": lines, **echo_programs.as_json(), "breaks": breaks}, indent=2)
        )
    else:
        console.print()
        console.print(f"{came} of {len(outcomes)} breaks came about.")
        console.print("Next: ./triptych steps raw-1 raw-2")
    return 0 if came == len(outcomes) else 1


def main() -> int:
    command = CommandLine("steps", __doc__)
    form = command.add_mutually_exclusive_group()
    for name in ("json", "markdown"):
        form.add_argument(f"--{name}", action="store_true")
    command.add_argument("--svg", metavar="FILE")
    for name in ("check", "step", "list"):
        command.add_argument(f"--{name}", action="store_true")
    command.add_argument("--width", type=int, metavar="N")
    # For tests: another copy's sources.
    command.add_argument("--tree", metavar="DIR", help=argparse.SUPPRESS)
    command.add_argument("words", nargs="*")
    arguments = command.read()
    if arguments.tree:
        panels.ROOT = Path(arguments.tree).resolve()
    if arguments.width is not None and arguments.width < WIDTH_MIN:
        complain(2, f"steps: --width {arguments.width} is too narrow: at least {WIDTH_MIN}")
    words: list[str] = arguments.words
    console = Output()
    if arguments.width:
        console.width = arguments.width
    if arguments.check:
        return check_steps(words, arguments.json)
    if arguments.list and words != ["echo"]:
        complain(2, "steps: --list goes with echo: ./triptych steps echo --list")
    if words == ["echo"]:
        if arguments.list:
            return list_echo(console, arguments.json)
        if arguments.step:
            need_terminal("steps")
        return echo(console, arguments.step, arguments.json)
    known = {p.name for p in read_panels() if p.kind == "shipped" or keeps_a_part(p)}
    check_names("steps", "step", words, sorted(known))
    if len(words) > 2 or len(set(words)) != len(words):
        complain(2, "steps: one step, or two that differ: ./triptych steps raw-1 raw-2")

    steps = all_steps()
    by_name = {step.panel.name: step for step in steps}
    chosen = [by_name[word] for word in words]
    needed = chosen + [step.before for step in chosen if step.before and arguments.json]
    template = count_lines(needed or steps)
    if arguments.svg and not words:
        OutputFile("steps: --svg", arguments.svg).write(
            svg_text(picture([step.as_json() for step in steps]))
        )
    if arguments.json:
        print(json.dumps([step.as_json() for step in chosen or steps], indent=2))
    elif arguments.markdown:
        print(markdown(chosen or steps))
    elif len(chosen) == 2:
        wide = Console(width=console.width, highlight=False, markup=False, soft_wrap=True)
        with wide.capture() as capture:
            show_between(wide, *chosen, template)
        show(capture.get(), shutil.get_terminal_size().lines)
    elif chosen:
        show_step(console, chosen[0], template)
    else:
        show_table(console, steps, template)
        show_picture(console, steps)
    return 0
