"""How the lab looks on a terminal: the list, one experiment, the matrix."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab import data
from lab.document import UNCHECKED
from lab.experiments import THEMES, Experiment, Outcome
from lab.search import Find, excerpt
from harness.others import WHO
from harness.panels import Panel
from harness.terminal import BLUE, RED

Outcomes = dict[str, Outcome]
WIDTH_MOST = 100
CELL_MIN = 22  # columns of an outcome that stands beside others
BUSY = 0.2  # of the processors: used by others, a deviation may come from that


def paragraphs(console: Console, text: str, indent: str = "") -> None:
    for number, paragraph in enumerate(textwrap.dedent(text).strip().split("\n\n")):
        if number:
            console.print()
        width = min(console.width, WIDTH_MOST)
        body = " ".join(paragraph.split())
        for line in textwrap.wrap(body, width, initial_indent=indent, subsequent_indent=indent):
            console.print(line, markup=False, soft_wrap=True)


def heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def show_list(console: Console, experiments: list[Experiment]) -> None:
    for theme in THEMES:
        of_theme = [e for e in experiments if e.theme == theme]
        if not of_theme:
            continue
        console.print(Text(theme, style="bold"))
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2), pad_edge=True)
        table.add_column(no_wrap=True, style="bold")
        table.add_column()
        for experiment in of_theme:
            table.add_row(experiment.name, Text(experiment.question))
        console.print(table)
        console.print()
    console.print("./triptych lab NAME runs one of them, ./triptych lab all runs all.")
    console.print("./triptych lab WORDS... searches: ./triptych lab who filters")


def show_finds(console: Console, finds: list[Find], words: list[str]) -> None:
    """What may answer, best first, each with the command that shows it."""
    for find in finds:
        console.print(Text(find.name, style="bold"))
        paragraphs(console, excerpt(find, words), "  ")
        console.print(Text(f"  {find.command}", style=BLUE), soft_wrap=True)


class Live:
    """What happens while it happens: a line each, from any thread."""

    def __init__(self, console: Console, panels: list[Panel]):
        self.console = console
        self.panels = {panel.name: panel for panel in panels}
        self.width = max(len(name) for name in self.panels)
        self.started = time.monotonic()
        self.lock = threading.Lock()

    def say(self, panel: str, text: str) -> None:
        line = Text(f"{time.monotonic() - self.started:7.2f}  ")
        line.append(f"{panel:<{self.width}}  ", style=f"bold {self.panels[panel].colour}")
        indent = len(line)
        first, *more = textwrap.wrap(text, max(20, self.console.width - indent)) or [""]
        line.append("\n".join([first, *(" " * indent + one for one in more)]))
        with self.lock:
            self.console.print(line, soft_wrap=True)


def show_question(console: Console, experiment: Experiment) -> None:
    title = Text(experiment.name, style="bold")
    title.append(f"   {experiment.theme}", style="not bold dim")
    console.print(title)
    paragraphs(console, experiment.question)


def ask_prediction(console: Console, experiment: Experiment) -> int:
    """The choice, from 1; 0: none was made."""
    heading(console, "What do you expect?")
    for number, choice in enumerate(experiment.predict, 1):
        width = min(console.width, WIDTH_MOST)
        for line in textwrap.wrap(
            choice, width, initial_indent=f"  {number}  ", subsequent_indent=" " * 5
        ):
            console.print(line, markup=False, soft_wrap=True)
    while True:
        try:
            word = console.input("A number, or Enter to just look: ").strip()
        except EOFError:
            return 0
        if not word:
            return 0
        if word.isdecimal() and 1 <= int(word) <= len(experiment.predict):
            return int(word)
        console.print(f"  1 to {len(experiment.predict)}, or Enter", markup=False)


def cell(outcome: Outcome) -> Text:
    """An outcome as it stands in a table: what was seen, and what was expected if that differs."""
    if outcome.status == "skipped":
        return Text("skipped: " + outcome.phrase, style="dim")
    if outcome.status == "broken":
        return Text("broke off: " + outcome.phrase, style=f"bold {RED}")
    text = Text(outcome.phrase)
    for deviation in outcome.deviations:
        text.append("\n" + deviation, style=f"bold {RED}")
    for seen in outcome.luck:
        text.append(f"\n{UNCHECKED} {seen}", style="dim")
    return text


def show_busy(console: Console, outcomes: Iterable[Outcome], share: float) -> None:
    """Where something deviates, what may be the reason: the part of the time that others had."""
    if share > BUSY and any(outcome.status in ("deviates", "broken") for outcome in outcomes):
        may = "What deviates may come from that: run it once more when the machine is quiet."
        console.print(f"\n{WHO} used {share:.0%} of the processors meanwhile. {may}", markup=False)


def name_of(panel: Panel) -> Text:
    return Text(f"{panel.mark} {panel.name}", style=f"bold {panel.colour}")


def show_rows(console: Console, panels: list[Panel], outcomes: Outcomes) -> None:
    """Outcomes one below the other, where they have no room beside each other."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for panel in panels:
        if panel.name in outcomes:
            table.add_row(name_of(panel), cell(outcomes[panel.name]))
    console.print(table)


def show_outcome(
    console: Console,
    experiment: Experiment,
    panels: list[Panel],
    outcomes: Outcomes,
    prediction: int,
) -> None:
    heading(console, "What was seen")
    if console.width < len(panels) * (CELL_MIN + 3):
        show_rows(console, panels, outcomes)
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
        for panel in panels:
            table.add_column(name_of(panel), ratio=1)
        table.add_row(*(cell(outcomes[panel.name]) for panel in panels))
        console.print(table)
    answers = {panel.name: outcomes[panel.name].answer for panel in panels}
    if prediction and any(answers.values()):
        right = [name for name, answer in answers.items() if answer == prediction]
        console.print()
        said = f"You expected: {experiment.predict[prediction - 1]}."
        so = f"That came true in {', '.join(right)}." if right else "That came true in no panel."
        console.print(f"{said} {so}", markup=False)
    if any(outcome.status == "unrecorded" for outcome in outcomes.values()):
        console.print(
            "No outcome was recorded for this panel, so nothing is compared.", style="dim"
        )


def show_explanation(console: Console, experiment: Experiment) -> None:
    heading(console, "Why")
    paragraphs(console, experiment.explanation)
    heading(console, "Where it is written")
    for source in experiment.sources:
        paragraphs(console, source, "  ")
        for link in data.upstream(source):
            console.print(f"    {link}", style=BLUE, soft_wrap=True)
    paragraphs(console, f"the experiment itself: {data.file_of(experiment)}", "  ")
    heading(console, "Try next")
    paragraphs(console, experiment.try_next)


def show_matrix(
    console: Console,
    experiments: list[Experiment],
    panels: list[Panel],
    results: dict[str, Outcomes],
    seconds: float,
) -> None:
    for theme in THEMES:
        of_theme = [e for e in experiments if e.theme == theme and e.name in results]
        if not of_theme:
            continue
        console.print()
        columns = [p for p in panels if any(p.name in results[e.name] for e in of_theme)]
        first = max(len(e.name) for e in of_theme)
        if console.width < first + len(columns) * (CELL_MIN + 3):
            console.print(Text(theme, style="bold"))
            for experiment in of_theme:
                heading(console, experiment.name)
                show_rows(console, columns, results[experiment.name])
            continue
        table = Table(title=Text(theme, style="bold"), title_justify="left", show_lines=True)
        table.add_column("", no_wrap=True)
        for panel in columns:
            table.add_column(name_of(panel), ratio=1)
        for experiment in of_theme:
            outcomes = results[experiment.name]
            cells = [cell(outcomes[p.name]) if p.name in outcomes else Text("-") for p in columns]
            table.add_row(experiment.name, *cells)
        console.print(table)
    console.print()
    console.print(tally(results) + f" in {seconds:.0f} s", markup=False)


def tally(results: dict[str, Outcomes]) -> str:
    """How many of the outcomes are as recorded."""
    statuses = [outcome.status for outcomes in results.values() for outcome in outcomes.values()]
    told = {
        "matches": "as recorded",
        "deviates": "different",
        "unrecorded": "never recorded",
        "skipped": "skipped",
        "broken": "broke off",
    }
    counts = [f"{statuses.count(s)} {w}" for s, w in told.items() if s in statuses]
    return f"{len(results)} experiments, {len(statuses)} outcomes: {', '.join(counts)}"
