"""What size has found, as data: JSON, CSV, and a table for a document."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from typing import Any

from harness.panels import Panel

from compare.costs import BODY, C_LIBRARY, REQUESTS, Costs, machine
from compare.measures import Counts
from compare.rows import SOURCE, Row, Value, value_of
from compare.serves import Unit

SCHEMA = 1

# What each measure means and how it is taken.
NOTES = (
    ("whole source",
     "Each file as its engine compiles it, without the lines between #ifdef and #endif "
     "for another engine. Header files count; meson.build does not. nanomsg and nng share their "
     "source, so a shared line counts in both columns. Whole: all files of the panel's folder. "
     "Net of template: the whole less template/, which declares the same functions and does "
     "nothing; of calls and options: those that template/ does not use."),
    ("lines of code",
     "Lines that hold more than blanks and comments, as they stand in the file. The count depends "
     "on where lines are broken, so one .clang-format formats all panels that ship; "
     "tokens do not depend on it."),
    ("by pattern",
     "A file serves the pattern whose file includes it, reqrep.c or pubsub.c, directly or through "
     "others. A file that neither includes is linked into every program, and serves both. The "
     "table in the README of the panel's folder says which clauses a file buys."),
    ("C tokens",
     "The pieces that the compiler's lexer sees, without comments: names, numbers, operators, "
     "directives. Long and short names weigh the same."),
    ("functions", "Definitions, static ones included."),
    ("cyclomatic complexity",
     "McCabe's: 1 + decisions (if, loops, case, ?:, && and ||), by pmccabe, its traditional count, "
     "summed over the functions. A sum of 9 is 9 functions without a decision, or one with eight."),
    ("library, socket calls used",
     "Distinct functions, and the places that call them. libclang tells which function a call "
     "reaches, and which header declares it. Counted are those of headers that are neither ours "
     "nor the C library's; of the C library those of <sys/socket.h>, <sys/epoll.h>, <poll.h>, "
     "<sys/uio.h>, <sys/un.h>, <netinet/...>, <arpa/inet.h>, and close, read, write, unlink."),
    ("options set",
     "Distinct options given to setsockopt, zmq_setsockopt, nn_setsockopt and their like, "
     "subscriptions among them."),
    ("error checks",
     "Comparisons that ask whether a call has failed: its result, or the variable that took it, "
     "against 0 by sign, against -1 or NULL, or negated as a pointer; and each comparison of "
     "errno. A failure that a return alone passes on does not count."),
    ("text, data",
     "size(1) of the panel's static library, as built: text is code and constants, data includes "
     "bss. Net of template: less template/ compiled by the same command. "
     "Debugging information does not count."),
    ("shared libraries",
     "ldd of the panel's rep: all files that the loader loads, and their bytes. Beyond the C "
     f"library: those that are not in Debian's {C_LIBRARY}. Licence: Files: * in "
     "/usr/share/doc/PACKAGE/copyright. Prose: that file is not machine-readable, and these are "
     "the texts to which it refers, for whatever part: read it."),
    ("threads, descriptors, memory",
     "Of /proc/PID of the server, over TCP on 127.0.0.1, when its one client, "
     f"asking 500 times a second, has its {REQUESTS}th answer. Three of the descriptors are the "
     "standard streams. Memory is resident, libraries included."),
    ("system calls per request",
     f"strace -f -c, all threads, in runs of their own: those of {2 * REQUESTS} requests less "
     f"those of {REQUESTS}, divided by {REQUESTS}; bodies of {BODY} bytes; each request as soon as "
     "the last one is answered. Tracing slows a program, "
     "so its threads may meet in another order."),
)  # fmt: skip


def cell(value: Value) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


@dataclass
class Report:
    """All that was found, in whatever form it goes out."""

    panels: list[Panel]
    rows: list[Row]
    units: dict[str, list[Unit]]  # by panel: its files
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
                        "libraries": [vars(x) for x in self.costs[panel.name].libraries]
                        if self.costs
                        else [],
                        "system_calls": self.costs[panel.name].calls_by_name if self.costs else {},
                        "behind": behind.get(panel.name),
                        "files": [vars(unit) for unit in self.units[panel.name]],
                    }
                    for panel in self.panels
                ],
                "measures": [vars(row) for row in self.rows],
                "apart": {
                    name: {key: value_of(counts, key, None) for key, _, _ in SOURCE}
                    for name, counts in self.apart.items()
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
            writer.writerow(
                [row.part, row.key, row.unit, *("" if v is None else v for v in values)]
            )

    def as_markdown(self) -> str:
        names = [panel.name for panel in self.panels]
        lines = [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
        part = ""
        for row in self.rows:
            if row.part != part:
                part = row.part
                lines.append(f"| **{part}** |{' |' * len(names)}")
            unit = f" ({row.unit})" if row.unit in ("bytes", "KiB") else ""
            lines.append(
                f"| {row.label.strip()}{unit} | "
                f"{' | '.join(cell(row.values[name]) for name in names)} |"
            )
        return "\n".join(lines)
