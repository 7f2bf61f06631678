"""./triptych size - what each panel costs, counted and measured now

Usage:  ./triptych size [PANEL...] [--steps] [--source]
                        [--json | --csv | --markdown]
        ./triptych size --count DIR

One column a panel, one row a measure. Source: lines of code, tokens, functions,
complexity, calls, options, error checks, for reqrep.c, pubsub.c, the
panel's other files, the whole, and net of template/, which does nothing.
Program: bytes, shared libraries, licences. Running, a server with one client:
threads, descriptors, memory, system calls per request. Below the table stands
what each measure means and how it was taken. It takes half a minute.

  PANEL...     these panels only; none: all of panels.txt but the steps
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
import csv
import json
import os
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import panels
from harness.command import CommandLine
from harness.panels import Panel, complain, read_panels
from harness.terminal import RED

from compare.costs import BODY, C_LIBRARY, REQUESTS, Costs, costs_of, machine
from compare.measures import Counts, measure, total
from compare.sources import lines_of_code

Value = int | float | str | None
SCHEMA = 1
PATTERNS = ("reqrep.c", "pubsub.c")
PARTS = (*PATTERNS, "other files", "whole", "net of template")
TEMPLATE = Panel("template", "template", "does nothing", "grey")
WIDTH = 100
WIDTH_MIN = 40
TESTS = re.compile(r"(^|[/_])(test|tests|testing)([/_.]|$)")
BARS = {"reqrep.c": "█", "pubsub.c": "▓", "other files": "░"}

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

# What each measure means and how it is taken.
NOTES = (
    ("whole source", "Each file as its engine compiles it: what stands between #ifdef and #endif for another engine is left out. Header "
     "files count; meson.build does not. nanomsg and nng share their source, so what the one column holds the other holds, too. Whole: all files of the panel's folder. Net of template: the whole less "
     "template/, which declares the same functions and does nothing; of calls and options: those that template/ does not use."),
    ("lines of code", "Lines that hold more than blanks and comments, as they stand in the file. How a line is broken counts, so the panels that "
     "ship are formatted by one .clang-format; tokens do not depend on it."),
    ("C tokens", "What the compiler's lexer sees, comments left out: names, numbers, operators, directives. Long names and short weigh the same."),
    ("functions", "Definitions, static ones included."),
    ("cyclomatic complexity", "McCabe's: 1 + decisions (if, loops, case, ?:, && and ||), by pmccabe, its traditional count, summed over "
     "the functions. A sum of 9 is 9 functions without a decision, or one with eight."),
    ("library, socket calls used", "Distinct functions, and the places that call them. Which function a call reaches, and which header declares "
     "it, tells libclang: those of headers that are neither ours nor the C library's; of the C library those of <sys/socket.h>, "
     "<sys/epoll.h>, <poll.h>, <sys/uio.h>, <sys/un.h>, <netinet/...>, <arpa/inet.h>, and close, read, write, unlink."),
    ("options set", "Distinct options given to setsockopt, zmq_setsockopt, nn_setsockopt and their like, subscriptions among them."),
    ("error checks", "Comparisons that ask whether a call has failed: its result, or the variable that took it, against 0 by sign, against -1 "
     "or NULL, or negated as a pointer; and each comparison of errno. A failure passed on by return alone is none."),
    ("text, data", "size(1) of the panel's static library, as built: text is code and constants, data includes bss. Net of template: less "
     "template/ compiled by the same command. Debugging information does not count."),
    ("shared libraries", f"ldd of the panel's rep: what the loader loads, transitively; bytes of the files. Beyond the C library: not of "
     f"Debian's {C_LIBRARY}. Licence: Files: * in /usr/share/doc/PACKAGE/copyright; prose: that file is not machine-readable, and these are "
     "the texts it refers to, for whatever part: read it."),
    ("threads, descriptors, memory", "Of /proc/PID of the server, over TCP on 127.0.0.1, when its one client, asking 500 times a second, has its "
     f"{REQUESTS}th answer. Three of the descriptors are the standard streams. Memory is resident, libraries included."),
    ("system calls per request", f"strace -f -c, all threads, in runs of their own: those of {2 * REQUESTS} requests less those of {REQUESTS}, divided by "
     f"{REQUESTS}; bodies of {BODY} bytes; each as fast as the last is answered. Being traced slows a program, so threads may meet otherwise than in freedom."),
)  # fmt: skip


@dataclass
class Row:
    part: str
    key: str
    label: str
    unit: str
    values: dict[str, Value]


def progress(text: str) -> None:
    """What is being done, on a terminal; the next replaces it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def parts_of(panel: Panel) -> dict[str, Counts]:
    """The source's parts but the last, which needs template/ beside it."""
    progress(f"reading {panel.name}")
    by_name = {path.name: measure(path, panel) for path in panel.sources()}
    parts = {name: by_name.get(name, Counts()) for name in PATTERNS}
    parts["other files"] = total([counts for name, counts in by_name.items() if name not in PATTERNS])
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


def source_rows(chosen: list[Panel], parts: dict[str, dict[str, Counts]], template: Counts) -> list[Row]:
    rows = []
    for part in PARTS:
        less = template if part == "net of template" else None
        for key, label, unit in SOURCE:
            of = {panel.name: parts[panel.name]["whole" if less else part] for panel in chosen}
            values = {name: value_of(counts, key, less) for name, counts in of.items()}
            if any(value is not None for value in values.values()):
                rows.append(Row(part, key, label, unit, values))
    return rows


def cost_rows(costs: dict[str, Costs], behind: list[dict[str, Any]]) -> list[Row]:
    rows: list[Row] = []

    def row(part: str, key: str, label: str, unit: str, values: dict[str, Value]) -> None:
        rows.append(Row(part, key, label, unit, values))

    def less(value: int | None, template: int | None) -> int | None:
        return None if value is None or template is None else value - template

    beyond = {n: [x for x in c.libraries if x.package != C_LIBRARY] for n, c in costs.items()}
    known = {n: c for n, c in costs.items() if c.libraries}
    row("program", "text", "text", "bytes", {n: c.text for n, c in costs.items()})
    row("program", "text_net", "  net of template", "bytes", {n: less(c.text, c.template_text) for n, c in costs.items()})
    row("program", "data", "data", "bytes", {n: c.data for n, c in costs.items()})
    row("program", "data_net", "  net of template", "bytes", {n: less(c.data, c.template_data) for n, c in costs.items()})
    row("program", "libraries", "shared libraries", "files", {n: len(c.libraries) if n in known else None for n, c in costs.items()})
    row("program", "libraries_bytes", "  their size", "bytes",
        {n: sum(x.size for x in c.libraries) if n in known else None for n, c in costs.items()})  # fmt: skip
    row("program", "libraries_beyond", "  beyond the C library", "files", {n: len(beyond[n]) if n in known else None for n in costs})
    row("program", "libraries_beyond_bytes", "  their size", "bytes",
        {n: sum(x.size for x in beyond[n]) if n in known else None for n in costs})  # fmt: skip
    row("running", "threads", "threads", "threads", {n: c.threads for n, c in costs.items()})
    row("running", "descriptors", "descriptors", "descriptors", {n: c.descriptors for n, c in costs.items()})
    row("running", "memory", "resident memory", "KiB", {n: c.memory_kib for n, c in costs.items()})
    row("running", "calls_server", "system calls a request", "calls", {n: c.calls_server for n, c in costs.items()})
    row("running", "calls_client", "  of the client", "calls", {n: c.calls_client for n, c in costs.items()})
    lines = {str(fact["panel"]): int(fact["lines"]) for fact in behind}
    row("behind", "behind_lines", "the library's own source", "lines", {n: lines.get(n) for n in costs})
    return rows


def read_behind(chosen: list[Panel]) -> list[dict[str, Any]]:
    """The lines of the libraries' own source: written down once, with the command that repeats it."""
    facts = json.loads((Path(__file__).parent / "library_sources.json").read_text())
    names = [panel.name for panel in chosen]
    return [fact for fact in facts if fact["panel"] in names]


def cell(value: Value) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


@dataclass
class Report:
    """All that was found, in whatever form it goes out."""

    panels: list[Panel]
    rows: list[Row]
    apart: dict[str, Counts]
    costs: dict[str, Costs]
    behind: list[dict[str, Any]]
    incomplete: dict[str, set[str]]  # by panel: what libclang could not make out

    def troubles(self) -> list[str]:
        """What is missing from the figures, and why."""
        wrong = [text for costs in self.costs.values() for text in costs.why_not]
        for name, texts in self.incomplete.items():
            wrong += [f"{name}: calls may be missing: {text}" for text in sorted(texts)]
        return wrong

    def as_json(self) -> str:
        behind = {str(fact["panel"]): fact for fact in self.behind}
        return json.dumps(
            {
                "schema": SCHEMA,
                "machine": machine(),
                "panels": [
                    {
                        "name": panel.name,
                        "folder": panel.folder,
                        "heading": panel.heading,
                        "version": self.costs[panel.name].version if self.costs else None,
                        "libraries": [vars(x) for x in self.costs[panel.name].libraries] if self.costs else [],
                        "system_calls": self.costs[panel.name].calls_by_name if self.costs else {},
                        "behind": behind.get(panel.name),
                    }
                    for panel in self.panels
                ],
                "measures": [vars(row) for row in self.rows],
                "apart": {
                    name: {key: value_of(counts, key, None) for key, _, _ in SOURCE} for name, counts in self.apart.items()
                },
                "notes": dict(NOTES),
                "troubles": self.troubles(),
            },
            indent=1,
        )

    def write_csv(self) -> None:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["part", "measure", "unit", *(panel.name for panel in self.panels)])
        for row in self.rows:
            values = [row.values[panel.name] for panel in self.panels]
            writer.writerow([row.part, row.key, row.unit, *("" if v is None else v for v in values)])

    def as_markdown(self) -> str:
        names = [panel.name for panel in self.panels]
        lines = [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
        part = ""
        for row in self.rows:
            if row.part != part:
                part = row.part
                lines.append(f"| **{part}** |{' |' * len(names)}")
            unit = f" ({row.unit})" if row.unit in ("bytes", "KiB") else ""
            lines.append(f"| {row.label.strip()}{unit} | {' | '.join(cell(row.values[name]) for name in names)} |")
        return "\n".join(lines)

    def show(self, console: Console) -> None:
        """The whole of it, for people."""
        self.show_table(console)
        self.show_apart(console)
        self.show_bars(console)
        if self.costs:
            self.show_libraries(console)
            self.show_calls(console)
            self.show_behind(console)
        self.show_notes(console)

    def show_table(self, console: Console) -> None:
        table = plain_table()
        table.add_column("")
        for panel in self.panels:
            table.add_column(Text(panel.name, style=f"bold {panel.colour}"), justify="right", overflow="fold")
        part = ""
        for row in self.rows:
            if row.part != part:
                part = row.part
                table.add_row(*[""] * (1 + len(self.panels)) if table.row_count else [])
                table.add_row(Text(part, style="bold"))
            unit = f", {row.unit}" if row.unit in ("bytes", "KiB", "lines") and row.key != "lines" else ""
            table.add_row(f"  {row.label}{unit}", *(cell(row.values[panel.name]) for panel in self.panels))
        console.print(table)

    def show_apart(self, console: Console) -> None:
        title(console, "Counted once, apart")
        table = plain_table()
        table.add_column("")
        for name in self.apart:
            table.add_column(f"{name}/", justify="right")
        for key, label, _ in SOURCE:
            values = [value_of(counts, key, None) for counts in self.apart.values()]
            table.add_row(f"  {label}", *map(cell, values))
        console.print(table)
        notes(console, "common/ is what every panel shares: the interface, the message format, addresses, clocks and encodings.")

    def show_bars(self, console: Console) -> None:
        title(console, "Lines of code by part")
        values = {row.part: row.values for row in self.rows if row.key == "lines"}
        most = max((int(v or 0) for v in values["whole"].values()), default=0) or 1
        label = max(len(panel.name) for panel in self.panels)
        room = max(console.width - label - 10, 10)
        for panel in self.panels:
            bar = Text(f"{panel.name:<{label}}  ", style=f"bold {panel.colour}")
            edge = done = 0
            for part, block in BARS.items():
                done += int(values[part][panel.name] or 0)
                bar.append(block * (round(done * room / most) - edge), style=panel.colour)
                edge = round(done * room / most)
            bar.append(f" {done:,}")
            console.print(bar)
        console.print(Text("  ".join(f"{block} {part}" for part, block in BARS.items()), style="dim"))

    def show_libraries(self, console: Console) -> None:
        title(console, "Shared libraries, by package")
        table = plain_table()
        for name in ("package", "version", "bytes", "licence", "of"):
            table.add_column(name, justify="right" if name == "bytes" else "left", overflow="fold")
        users: dict[str, list[str]] = {}
        sizes: dict[str, int] = {}
        lines: dict[str, tuple[str, str]] = {}
        for panel in self.panels:
            for x in self.costs[panel.name].libraries:
                package = x.package or x.path
                if panel.name not in users.setdefault(package, []):
                    users[package].append(panel.name)
                lines[package] = x.version, x.licence
        for package in users:
            files = {x.path: x.size for c in self.costs.values() for x in c.libraries if (x.package or x.path) == package}
            sizes[package] = sum(files.values())
        for package in sorted(users, key=lambda name: (-len(users[name]), users[name], name)):
            of = "all" if len(users[package]) == len(self.panels) > 1 else " ".join(users[package])
            table.add_row(package, lines[package][0], f"{sizes[package]:,}", lines[package][1], of)
        console.print(table)

    def show_calls(self, console: Console) -> None:
        title(console, "The server's system calls per request, by name")
        for panel in self.panels:
            found = sorted(self.costs[panel.name].calls_by_name.items(), key=lambda pair: -pair[1])
            text = ", ".join(f"{name} {count:g}" for name, count in found) or "not counted"
            notes(console, f"{panel.name}: {text}")

    def show_behind(self, console: Console) -> None:
        title(console, "What stands behind those few lines")
        notes(
            console,
            "Written down, not measured now: lines of the libraries' own source, by the same counter. The command repeats it (apt needs a deb-src line).",
        )
        for fact in self.behind:
            panel = str(fact["panel"])
            notes(console, f"{panel}: {fact['lines']:,} lines of {fact['what']}, {fact['version']}, counted {fact['counted']}.")
            console.print(Text(f"    {fact['command']}", style="dim"), soft_wrap=True)
            found = {x.version for x in self.costs[panel].libraries if x.package == fact["package"]} if panel in self.costs else set()
            if found and str(fact["debian"]) not in found:
                notes(console, f"Installed here is {', '.join(found)}: another.")
        if "raw" in self.costs:
            notes(
                console,
                "raw: no library, so that its lines are all there is to read. Beneath raw, as beneath the others, lie the C library "
                "and the kernel's TCP.",
            )

    def show_notes(self, console: Console) -> None:
        title(console, "What each measure means, and how it was taken")
        for name, text in NOTES:
            if self.costs or name not in ("text, data", "shared libraries", "threads, descriptors, memory", "system calls per request"):
                notes(console, f"{name}: {text}")
        if self.costs:
            here = machine()
            versions = "; ".join(f"{name}: {costs.version or 'not run'}" for name, costs in self.costs.items())
            notes(console, f"measured: {versions}. Built by {here['compiler']}, {here['optimised']}. {here['system']}, "
                  f"{here['machine']}, {here['cores']} cores.")  # fmt: skip
        for text in self.troubles():
            console.print(Text(f"! {text}", style=f"bold {RED}"), soft_wrap=True)


def plain_table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))


def title(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def notes(console: Console, text: str) -> None:
    for line in textwrap.wrap(text, min(console.width, 100), initial_indent="  ", subsequent_indent="    "):
        console.print(line)


def count_tree(folder: str) -> int:
    """Lines of code of any C or C++ tree; what is named test, or lies in such a folder, left out."""
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
    command.add_argument("--tree", metavar="DIR", help=argparse.SUPPRESS)  # for tests: another copy's sources
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
    for name in arguments.panels:
        if name not in known:
            complain(2, f"size: no panel '{name}'; there are: {' '.join(known)}")
    chosen = [known[name] for name in dict.fromkeys(arguments.panels)]
    chosen = chosen or [panel for panel in known.values() if panel.kind in ("shipped", "own")]
    if arguments.steps:
        chosen += [panel for panel in known.values() if panel.kind == "step" and panel not in chosen]

    template = parts_of(TEMPLATE)["whole"]
    parts = {panel.name: parts_of(panel) for panel in chosen}
    common = total([measure(path, TEMPLATE) for path in sorted((panels.ROOT / "common").glob("*.[ch]"))])
    rows = source_rows(chosen, parts, template)
    costs: dict[str, Costs] = {}
    behind: list[dict[str, Any]] = []
    if not arguments.source:
        behind = read_behind(chosen)
        for panel in chosen:
            progress(f"running {panel.name}")
            costs[panel.name] = costs_of(panel)
        rows += cost_rows(costs, behind)
    progress("")
    wrong = {panel.name: parts[panel.name]["whole"].incomplete for panel in chosen}
    report = Report(chosen, rows, {"common": common, "template": template}, costs, behind, wrong)
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
            report.show(console)
        for line in capture.get().splitlines():
            print(line.rstrip(" "))
    if arguments.json or arguments.csv or arguments.markdown:
        for text in report.troubles():
            print(f"triptych: size: {text}", file=sys.stderr)
    return 1 if report.troubles() else 0
