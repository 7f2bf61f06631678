"""./triptych demo - the same conversation on every panel, side by side

Usage:  ./triptych demo [reqrep|pubsub] [PANEL...] [--text FILE] [--plain]

Runs the panels' own programs as processes, gives all of them the same input at
the same moment, and shows what each role says and when: in columns on a
terminal, as plain lines elsewhere. It ends with a table of what it measured.

  reqrep       requests and answers; the server is killed and comes back
  pubsub       topics and prefixes; a subscriber that pauses under a flood
               neither: both, which takes half a minute
  PANEL...     these panels only, in this order; none: all that are built

  --text FILE  your lines are the conversation, one message each
               so are lines on standard input: echo hello | ./triptych demo
  --plain      plain lines on a terminal, too

Ctrl-C ends it at any moment; no process and no file is left behind.
Exit status: 0 done, 1 a panel failed, 2 wrong command line, 130 stopped.
"""

from __future__ import annotations

import time

from rich.console import Console

from harness.command import CommandLine
from harness.panels import choose_panels, complain

from demo import acts
from demo.own_input import Lines, own_lines
from demo.results import show_results
from demo.views import view_for


def main() -> int:
    command = CommandLine("demo", __doc__)
    command.add_argument("--text", metavar="FILE")
    command.add_argument("--plain", action="store_true")
    command.add_argument("words", nargs="*")
    arguments = command.read()
    words: list[str] = arguments.words
    patterns = ["reqrep", "pubsub"]
    if words and words[0] in patterns:
        patterns = [words.pop(0)]
    panels, left_out = choose_panels(words, "demo")

    lines: Lines | None = own_lines(arguments.text)
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = 200
    view = view_for(panels, console, arguments.plain)
    for panel in left_out:
        console.print(f"{panel.name} is left out: it is not built; ./triptych build says why")
    started = time.monotonic()
    demo = acts.Demo(panels, view, lines)
    try:
        if "reqrep" in patterns:
            demo.requests()
        if "pubsub" in patterns:
            demo.topics()
            if not lines:
                demo.flood()
        demo.measure()
    finally:
        view.close()
    show_results(console, panels, demo, time.monotonic() - started)
    return 1 if demo.failures else 0
