"""./triptych diff - two panels next to each other, function by function

Usage:  ./triptych diff [reqrep|pubsub] [PANEL PANEL] [--function NAME]
                        [--unified | --stat | --json] [--width N] [--all]

Shows the same file of two panels in the order of the contract
(common/pattern.h): each function stands opposite the function of the same name.
A static helper stands with the function that it precedes. The sources are read
now, so it shows what you have changed.

  reqrep       the request/reply files (default)
  pubsub       the publish/subscribe files
  PANEL PANEL  the left panel and the right panel, steps too (./triptych steps
               lists them); without: raw-1 zmq-1, the first steps

  --function NAME  this function only, and the static helpers of the file that
                   it calls: of the two panels that are named, or, if none is
                   named, of all panels that are no steps
  --unified        a patch from left to right, for other programs
  --stat           counts, by function: lines that are alike, changed, or in one
                   panel only
  --json           the alignment as one JSON object, for programs: of all that
                   the engines compile, of three panels and more, too
  --all            nanomsg and nng share a source; shows all of it, not only
                   where the two engines differ
  --width N        the width in columns; default: the terminal's; without a
                   terminal, COLUMNS or 100

From 124 columns on the panels stand side by side, and a mark stands between:
  |   changed; the words that differ are coloured      <   only left
      (nothing) alike         <>  both, but not alike    >   only right
On fewer columns the lines stand one below the other: < left, > right, and
without a mark if both panels have the line.

Output that is longer than the terminal goes to $PAGER, or to less -R: there the
space bar goes on, and q ends it.
Exit status: 0 done, 1 a file or program is missing, 2 the command line was
wrong, 141 the reader of the output has gone.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from pygments.token import Comment, Keyword, Number, String
from rich.console import Console
from rich.style import Style
from rich.syntax import ANSISyntaxTheme, Syntax
from rich.table import Table
from rich.text import Text

from harness import panels
from compare.alignment import Row, count, paired, rows_of
from harness.command import PATTERNS, CommandLine
from harness.panels import Panel, check_names, complain, read_panels, unknown
from harness.terminal import BLUE, GREEN, TEAL, VIOLET, columns
from compare.together import as_json
from compare.sources import Line, Section, Source, contract_functions

WIDTH_MIN = 40
NUMBERED_MIN = 85  # columns of a pane that has room for line numbers
CODE_MIN = 60  # columns of code worth standing beside another
PAGER = ["less", "-R", "-Ps?e(END) .q ends, the space bar goes on"]  # instead of its ":"
CONTEXT = 3  # lines around a difference between two engines of one source
STYLES = {"<": "white on #8b1a1a", ">": "white on #1a6b2a"}  # words that differ
THEME = ANSISyntaxTheme(
    {
        token: Style.parse(style)
        for token, style in {
            Comment: "dim",
            Comment.Preproc: VIOLET,
            Comment.PreprocFile: GREEN,
            Keyword: BLUE,
            Keyword.Type: TEAL,
            Number: TEAL,
            String: GREEN,
        }.items()
    }
)


class Coloured(Source):
    """A panel's file with the syntax of C in the terminal's colours."""

    def __init__(self, panel: Panel, pattern: str, contract: list[str]):
        super().__init__(panel, pattern, contract)
        syntax = Syntax("", "c", theme=THEME, background_color="default")
        coloured = syntax.highlight("\n".join(line.text for line in self.lines))
        self.coloured = dict(
            zip((line.number for line in self.lines), list(coloured.split("\n", allow_blank=True)))
        )

    def text(self, line: Line) -> Text:
        return self.coloured[line.number].copy()


def near_differences(rows: list[Row]) -> list[Row | None]:
    """Rows that differ and those around them; None where some are left out."""
    keep = {
        j for i, row in enumerate(rows) if row.mark != " "
        for j in range(i - CONTEXT, i + CONTEXT + 1)
    }
    found: list[Row | None] = []
    for i, row in enumerate(rows):
        if i in keep:
            found.append(row)
        elif not found or found[-1] is not None:
            found.append(None)
    return found


def folded(text: Text, width: int) -> list[Text]:
    """A line of code in this width: folded between words, what follows set further in."""
    lead = len(text.plain) - len(text.plain.lstrip())
    if width < CODE_MIN:  # half of the indentation will do
        text = text[lead - lead // 2 :]
        lead //= 2
    pieces = []
    indent = 0
    while len(text) > width - indent:
        room = width - indent
        at = text.plain.rfind(" ", lead if not indent else 0, room + 1)
        at = at + 1 if at > room // 3 else room
        piece, text = text.divide([at])
        pieces.append(Text(" " * indent) + piece)
        indent = min(lead + 4, width // 3)
    pieces.append(Text(" " * indent) + text)
    return pieces


def marked(source: Coloured, line: Line, words: list[tuple[int, int]], side: str) -> Text:
    """A line of a source, with the words that differ marked."""
    text = source.text(line)
    for start, end in words:
        text.stylize(STYLES[side], start, end)
    return text


def in_columns(row: Row, left: Coloured, right: Coloured, pane: int) -> list[Text]:
    """A row as two panes, with the row's mark between them."""
    numbers = 5 if pane >= NUMBERED_MIN else 0

    def cell(
        source: Coloured, line: Line | None, words: list[tuple[int, int]], side: str
    ) -> list[Text]:
        if line is None:
            return []
        pieces = folded(marked(source, line, words, side), pane - numbers)
        if numbers:
            labels = [Text(f"{line.number:>4} ", style="dim")] + [Text("     ")] * (len(pieces) - 1)
            pieces = [label + piece for label, piece in zip(labels, pieces)]
        return pieces

    a = cell(left, row.left, row.left_words, "<")
    b = cell(right, row.right, row.right_words, ">")
    lines = []
    for i in range(max(len(a), len(b), 1)):
        line = a[i].copy() if i < len(a) else Text()
        line.pad_right(pane - len(line))
        line.append(f" {row.mark if i == 0 else ' ':^2} ", style="bold")
        if i < len(b):
            line.append_text(b[i])
        lines.append(line)
    return lines


def stacked(rows: list[Row | None], left: Coloured, right: Coloured, width: int) -> list[Text]:
    """Rows one below the other, each line with the mark of its side: "<", ">",
    or nothing for both."""
    lines: list[Text] = []
    # Lines of the right that have no like, until those of the left are told
    waiting: list[Text] = []

    def add(to: list[Text], side: str, text: Text) -> None:
        for piece in folded(text, width - 2):
            to.append(Text(f"{side} ", style="bold") + piece)

    for row in rows:
        if row is None or row.mark in " |":
            lines += waiting
            waiting = []
        if row is None:
            lines.append(Text("  ...", style="dim"))
        elif row.mark == " ":
            add(lines, " ", left.text(row.left) if row.left else Text())
        else:
            if row.left:
                add(lines, "<", marked(left, row.left, row.left_words, "<"))
            if row.right:
                to = lines if row.mark == "|" else waiting
                add(to, ">", marked(right, row.right, row.right_words, ">"))
    return lines + waiting


def heading(source: Coloured) -> Text:
    text = f"{source.panel.name}  {source.name}  {source.panel.heading}"
    return Text(text, style=f"bold {source.panel.colour}")


def show_pair(
    console: Console, left: Coloured, right: Coloured, name: str | None, everything: bool,
    brief: bool = False,
) -> None:
    """Two panels: side by side if there is room for two panes of code, else one below the other.

    brief: only where they differ.
    """
    pane = (console.width - 4) // 2
    beside = pane >= CODE_MIN
    shared = left.name == right.name and not everything
    brief |= shared and not name

    def put(line: Text) -> None:
        line.rstrip()
        console.print(line)

    if beside:
        first = heading(left)
        first.truncate(pane, overflow="ellipsis", pad=True)
        put(first + Text("    ") + heading(right))
    else:
        for side, source in (("<", left), (">", right)):
            line = Text(f"{side:<2}") + heading(source)
            line.truncate(console.width, overflow="ellipsis")
            put(line)
    alone = f"< {left.panel.name} only, > {right.panel.name} only"
    marks = f"no mark: both, {alone}; {2 * CODE_MIN + 4} columns show them side by side"
    marks = f"no mark: alike, | changed, {alone}, <> both, but not alike" if beside else marks
    for text in textwrap.wrap(marks, console.width):
        put(Text(text, style="dim"))
    if shared:
        put(Text("One source, two engines: each as its engine compiles it, where they differ. "
                 "--all: the whole."))
    differences = 0
    for title, here, there in paired(left, right, name):
        rows = rows_of(here, there)
        differs = sum(row.mark != " " for row in rows)
        differences += differs
        if brief and not differs:
            continue
        put(Text(f"── {title} ".ljust(console.width, "─"), style="bold"))
        chosen = near_differences(rows) if brief else list(rows)
        if not beside:
            for line in stacked(chosen, left, right, console.width):
                put(line)
            continue
        for row in chosen:
            for line in in_columns(row, left, right, pane) if row else [Text("  ...", style="dim")]:
                put(line)
    if shared and not differences:
        put(Text("The two engines compile the same lines."))


def every_panel(console: Console, sources: list[Coloured], name: str) -> None:
    """One function in every panel; panels that compile the same lines share a place."""
    groups: list[tuple[list[Coloured], Section | None]] = []
    for source in sources:
        section = source.asked_for(name)
        for others, known in groups:
            if (
                section and known
                and [x.text for x in known.lines] == [x.text for x in section.lines]
            ):
                others.append(source)
                break
        else:
            groups.append(([source], section))
    columns = max(1, min(len(groups), (console.width + 3) // (CODE_MIN + 3)))
    pane = (console.width - 3 * (columns - 1)) // columns

    def panel_lines(group: list[Coloured], section: Section | None) -> list[Text]:
        names = ", ".join(source.panel.name for source in group)
        title = Text(
            f"── {names}  {group[0].name} ".ljust(pane, "─"), style=f"bold {group[0].panel.colour}"
        )
        title.truncate(pane)
        lines = [title]
        if section is None:
            return [*lines, Text(f"no {name} here")]
        for i, block in enumerate(section.blocks):
            lines += [Text()] * (i > 0)
            for line in block.lines:
                lines += folded(group[0].text(line), pane)
        return lines

    for first in range(0, len(groups), columns):
        if first:
            console.print()
        texts = [panel_lines(*group) for group in groups[first : first + columns]]
        for i in range(max(len(lines) for lines in texts)):
            row = Text()
            for column, lines in enumerate(texts):
                row.pad_right(column * (pane + 3) - len(row))
                row.append_text(lines[i] if i < len(lines) else Text())
            row.rstrip()
            console.print(row)


def unified(left: Coloured, right: Coloured, name: str | None) -> str:
    """A patch from left to right, as the engines see the files."""

    def lines(source: Coloured) -> list[str]:
        section = source.asked_for(name) if name else None
        chosen = (section.lines if section else []) if name else source.lines
        return [line.text + "\n" for line in chosen]

    def label(source: Coloured) -> str:
        return source.name if left.name != right.name else f"{source.name}\t({source.panel.name})"

    return "".join(difflib.unified_diff(lines(left), lines(right), label(left), label(right)))


def changes(left: Coloured, right: Coloured) -> str:
    """How many lines differ: "reqrep.c: 12 changed, 80 new, 3 gone"."""
    total = [0, 0, 0, 0]
    for _, here, there in paired(left, right, None):
        total = [a + b for a, b in zip(total, count(rows_of(here, there)))]
    _, changed, gone, new = total
    return (
        f"{Path(right.name).name}: lines that are not blank: {changed} changed, "
        f"{new} new, {gone} gone"
    )


def stat(console: Console, left: Coloured, right: Coloured, name: str | None) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("lines that are not blank", no_wrap=True)
    for title in ("alike", "changed", f"only {left.panel.name}", f"only {right.panel.name}"):
        table.add_column(title, justify="right")
    total = [0, 0, 0, 0]
    for title, here, there in paired(left, right, name):
        counts = count(rows_of(here, there))
        total = [a + b for a, b in zip(total, counts)]
        table.add_row(title, *map(str, counts))
    table.add_row("all", *map(str, total), style="bold")
    console.print(f"{left.panel.name}: {left.name}   {right.panel.name}: {right.name}")
    console.print(table)
    others = [
        p for s in (left, right) for p in s.panel.sources()
        if p.name not in ("reqrep.c", "pubsub.c", "panel.c")
    ]
    if others:
        folders = ", ".join(sorted({f"{path.parent.name}/" for path in others}))
        console.print(
            f"{folders} has other files, too ({len(set(others))}): ./triptych size counts them."
        )


def show(text: str, height: int) -> None:
    """Prints it, by the pager if it is longer than the terminal."""
    pager = shlex.split(os.environ["PAGER"]) if "PAGER" in os.environ else PAGER
    if sys.stdout.isatty() and text.count("\n") >= height and pager and shutil.which(pager[0]):
        environment = {"LESS": "R", **os.environ}
        with subprocess.Popen(pager, stdin=subprocess.PIPE, env=environment) as process:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pager's affair
            try:
                process.communicate(text.encode())
            except BrokenPipeError:
                pass
        return
    sys.stdout.write(text)


def main() -> int:
    command = CommandLine("diff", __doc__)
    command.add_argument("--function", metavar="NAME")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--unified", action="store_true")
    form.add_argument("--stat", action="store_true")
    form.add_argument("--json", action="store_true")
    command.add_argument("--all", action="store_true")
    command.add_argument("--width", type=int, metavar="N")
    # For tests: another copy's sources
    command.add_argument("--tree", metavar="DIR", help=argparse.SUPPRESS)
    command.add_argument("words", nargs="*")
    arguments = command.read()
    if arguments.tree:
        panels.ROOT = Path(arguments.tree).resolve()
    if arguments.width is not None and arguments.width < WIDTH_MIN:
        complain(2, f"diff: --width {arguments.width} is too narrow: at least {WIDTH_MIN}")
    width = arguments.width or max(columns(), WIDTH_MIN)

    words: list[str] = arguments.words
    known = {panel.name: panel for panel in read_panels()}
    named = [word for word in words if word in PATTERNS]
    words = [word for word in words if word not in PATTERNS]
    if len(named) > 1:
        complain(2, "diff: reqrep or pubsub, not both; ./triptych diff --help")
    pattern = named[0] if named else None
    check_names("diff", "panel", words, known)
    several = arguments.json and len(words) > 2
    if len(set(words)) != len(words):
        complain(
            2, f"diff: two different panels, not {' '.join(words)}; there are: {' '.join(known)}"
        )
    if len(words) == 1:
        other = next((panel for panel in known if panel != words[0]), "PANEL")
        complain(2, f"diff: which panel beside {words[0]}? ./triptych diff {words[0]} {other}")
    if len(words) > 2 and not several:
        complain(
            2,
            f"diff: two panels at a time, not {len(words)}: ./triptych diff {words[0]} {words[1]}",
        )

    contract = contract_functions()
    name: str | None = arguments.function
    if pattern is None:
        pattern = "pubsub" if name and re.match("(pub|sub)_", name) else "reqrep"
    whole = [panel.name for panel in known.values() if panel.kind in ("shipped", "own")]
    pairs = (["raw-1", "zmq-1"], ["raw", "zmq"], whole[:2])
    compared = words or next(pair for pair in pairs if all(panel in known for panel in pair))
    all_of_them = name is not None and not words and not (arguments.unified or arguments.stat)
    chosen = whole if all_of_them else compared
    if len(chosen) < 2 and not all_of_them:
        complain(1, "diff: panels.txt lists fewer than two panels")
    sources = [Coloured(known[panel], pattern, contract) for panel in chosen]
    if name and not any(source.section(name) for source in sources):
        there = dict.fromkeys(block.name for s in sources for x in s.sections for block in x.blocks)
        complain(2, f"diff: {pattern}.c has {unknown('function', name, there)}")

    if arguments.json:
        print(json.dumps(as_json(sources, pattern, name), indent=1))
        return 0
    if arguments.unified:
        show(unified(sources[0], sources[1], name), sys.maxsize)
        return 0
    console = Console(width=width, highlight=False, markup=False, soft_wrap=True)
    with console.capture() as capture:
        if arguments.stat:
            stat(console, sources[0], sources[1], name)
        elif all_of_them and name:
            every_panel(console, sources, name)
        else:
            show_pair(console, sources[0], sources[1], name, arguments.all)
    show(capture.get(), shutil.get_terminal_size().lines)
    return 0
