"""What size has found, for people: the table, and below it what the figures consist of and mean."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.terminal import RED

from compare.costs import machine
from compare.report import NOTES, Report, cell
from compare.rows import SOURCE, value_of
from compare.serves import BOTH, SERVES

BARS = {"reqrep.c": "█", "pubsub.c": "▓", "other files": "░"}


def show(report: Report, console: Console) -> None:
    """The whole of it, for people."""
    show_table(report, console)
    show_apart(report, console)
    show_bars(report, console)
    show_units(report, console)
    if report.costs:
        show_libraries(report, console)
        show_calls(report, console)
        show_behind(report, console)
    show_notes(report, console)


def show_table(report: Report, console: Console) -> None:
    table = plain_table()
    table.add_column("")
    for panel in report.panels:
        table.add_column(
            Text(panel.name, style=f"bold {panel.colour}"), justify="right", overflow="fold"
        )
    part = ""
    for row in report.rows:
        if row.part != part:
            part = row.part
            table.add_row(*[""] * (1 + len(report.panels)) if table.row_count else [])
            table.add_row(Text(part, style="bold"))
        unit = (
            f", {row.unit}" if row.unit in ("bytes", "KiB", "lines") and row.key != "lines" else ""
        )
        table.add_row(
            f"  {row.label}{unit}", *(cell(row.values[panel.name]) for panel in report.panels)
        )
    console.print(table)


def show_apart(report: Report, console: Console) -> None:
    title(console, "Counted once, apart")
    table = plain_table()
    table.add_column("")
    for name in report.apart:
        table.add_column(f"{name}/", justify="right")
    for key, label, _ in SOURCE:
        values = [value_of(counts, key, None) for counts in report.apart.values()]
        table.add_row(f"  {label}", *map(cell, values))
    console.print(table)
    notes(
        console,
        "common/ is what every panel shares: the interface, the message format, addresses, "
        "clocks and encodings.",
    )


def show_bars(report: Report, console: Console) -> None:
    title(console, "Lines of code by part")
    values = {row.part: row.values for row in report.rows if row.key == "lines"}
    most = max((int(v or 0) for v in values["whole"].values()), default=0) or 1
    label = max(len(panel.name) for panel in report.panels)
    room = max(console.width - label - 10, 10)
    for panel in report.panels:
        bar = Text(f"{panel.name:<{label}}  ", style=f"bold {panel.colour}")
        edge = done = 0
        for part, block in BARS.items():
            done += int(values[part][panel.name] or 0)
            bar.append(block * (round(done * room / most) - edge), style=panel.colour)
            edge = round(done * room / most)
        bar.append(f" {done:,}")
        console.print(bar)
    console.print(Text("  ".join(f"{block} {part}" for part, block in BARS.items()), style="dim"))


def show_units(report: Report, console: Console) -> None:
    """Each file of the panels whose README says which clauses it buys."""
    for panel in report.panels:
        units = report.units[panel.name]
        if not any(unit.clauses for unit in units):
            continue
        title(console, f"{panel.name}: what each file serves, and the clauses that it buys")
        table = plain_table()
        table.add_column("")
        table.add_column("lines", justify="right")
        table.add_column("clauses", overflow="fold")
        for serves in SERVES:
            own = [unit for unit in units if unit.serves == serves]
            lines = sum(unit.lines for unit in own)
            name = serves if serves == BOTH else f"{serves} alone"
            table.add_row(Text(f"  {name}", style="bold"), Text(f"{lines:,}", style="bold"), "")
            for unit in own:
                table.add_row(f"    {unit.name}", f"{unit.lines:,}", " ".join(unit.clauses) or "-")
        console.print(table)


def show_libraries(report: Report, console: Console) -> None:
    title(console, "Shared libraries, by package")
    table = plain_table()
    for name in ("package", "version", "bytes", "licence", "of"):
        table.add_column(name, justify="right" if name == "bytes" else "left", overflow="fold")
    users: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    lines: dict[str, tuple[str, str]] = {}
    for panel in report.panels:
        for x in report.costs[panel.name].libraries:
            package = x.package or x.path
            if panel.name not in users.setdefault(package, []):
                users[package].append(panel.name)
            lines[package] = x.version, x.licence
    for package in users:
        files = {
            x.path: x.size for c in report.costs.values() for x in c.libraries
            if (x.package or x.path) == package
        }
        sizes[package] = sum(files.values())
    for package in sorted(users, key=lambda name: (-len(users[name]), users[name], name)):
        of = "all" if len(users[package]) == len(report.panels) > 1 else " ".join(users[package])
        table.add_row(package, lines[package][0], f"{sizes[package]:,}", lines[package][1], of)
    console.print(table)


def show_calls(report: Report, console: Console) -> None:
    title(console, "The server's system calls per request, by name")
    for panel in report.panels:
        found = sorted(report.costs[panel.name].calls_by_name.items(), key=lambda pair: -pair[1])
        text = ", ".join(f"{name} {count:g}" for name, count in found) or "not counted"
        notes(console, f"{panel.name}: {text}")


def show_behind(report: Report, console: Console) -> None:
    title(console, "What stands behind those few lines")
    notes(
        console,
        "Written down, not measured now: lines of the libraries' own source, by the same counter. "
        "The command repeats it (apt needs a deb-src line).",
    )
    for fact in report.behind:
        panel = str(fact["panel"])
        notes(
            console,
            f"{panel}: {fact['lines']:,} lines of {fact['what']}, {fact['version']}, "
            f"counted {fact['counted']}.",
        )
        console.print(Text(f"    {fact['command']}", style="dim"), soft_wrap=True)
        found = (
            {x.version for x in report.costs[panel].libraries if x.package == fact["package"]}
            if panel in report.costs else set()
        )
        if found and str(fact["debian"]) not in found:
            notes(console, f"Installed here is {', '.join(found)}: another.")
    if "raw" in report.costs:
        notes(
            console,
            "raw: no library, so that its lines are all there is to read. Beneath raw, as beneath "
            "the others, lie the C library and the kernel's TCP.",
        )


def show_notes(report: Report, console: Console) -> None:
    title(console, "What each measure means, and how it was taken")
    for name, text in NOTES:
        if report.costs or name not in (
            "text, data", "shared libraries", "threads, descriptors, memory",
            "system calls per request",
        ):
            notes(console, f"{name}: {text}")
    if report.costs:
        here = machine()
        versions = "; ".join(
            f"{name}: {costs.version or 'not run'}" for name, costs in report.costs.items()
        )
        notes(
            console,
            f"measured: {versions}. Built by {here['compiler']}, {here['optimised']}. "
            f"{here['system']}, {here['machine']}, {here['cores']} cores.",
        )
        for panel in (panel for panel in report.panels if panel.kind == "programs"):
            notes(
                console,
                f"{panel.name}: of ready programs (kind=programs) the source is counted, "
                "and nothing is run.",
            )
    for text in report.troubles():
        console.print(Text(f"! {text}", style=f"bold {RED}"), soft_wrap=True)


def plain_table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))


def title(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def notes(console: Console, text: str) -> None:
    for line in textwrap.wrap(
        text, min(console.width, 100), initial_indent="  ", subsequent_indent="    "
    ):
        console.print(line)
