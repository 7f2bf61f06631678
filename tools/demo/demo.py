"""./triptych demo - the same conversation on every panel, side by side

Usage:  ./triptych demo [reqrep|pubsub] [PANEL...] [--text FILE] [--plain]
                        [--step] [--hosts NAMES]

Starts the panels' own programs as processes, gives all of them the same input
at the same moment, and shows what each program says and when. On a terminal
each panel has a column: four of them need 80 columns and 24 lines. In a pipe,
or on a smaller terminal, each line begins with the panel's name. At the end a
table shows what was measured.

Each act ends with one line: what differed in this run, the clause of
common/CONTRACT.md, and the experiment that explains it.

  reqrep       requests and replies; the server is killed while it works; a
               reply comes too late
  pubsub       topics and prefixes; a subscriber is stopped during a flood
               without either word, or with both: both, in half a minute
  PANEL...     these panels only, in this order; without: all that are built.
               Steps are shown when named: ./triptych demo raw-1 zmq-1

  --text FILE  the lines of FILE are the conversation, one message each. Lines
               on standard input are, too: echo hello | ./triptych demo
  --plain      lines instead of columns, on a terminal, too
  --step       waits for a key between the acts; needs a terminal
  --hosts NAMES
               runs servers and publishers on the first of these hosts, clients
               and subscribers on the second: --hosts one,two. `ssh one true`
               must work without a question; the hosts need python3 and the
               panels' libraries (tools/harness/README.md). With one name,
               clients run here; with three, subscribers run on the second and
               the third in turn.
               Within a Slurm allocation srun takes the place of ssh (not tried)

Ctrl-C ends the demo at any moment and leaves no process and no file behind.
Exit status: 0 done, 1 a panel failed (a step that cannot do something does
not count), 2 the command line was wrong,
130 stopped by Ctrl-C, 141 the reader of the output has gone.
"""

from __future__ import annotations

import time
from argparse import Namespace

from harness.command import CommandLine, split_patterns
from harness.hosts import Hosts, on_hosts
from harness.panels import Panel, choose_panels
from harness.terminal import Output, need_terminal

from demo import acts
from demo.own_input import Lines, own_lines
from demo.results import show_results
from demo.views import view_for


def main() -> int:
    command = CommandLine("demo", __doc__)
    command.add_argument("--text", metavar="FILE")
    command.add_argument("--plain", action="store_true")
    command.add_argument("--step", action="store_true")
    command.add_argument("--hosts", metavar="NAMES")
    command.add_argument("words", nargs="*")
    arguments = command.read()
    patterns, names = split_patterns(arguments.words)
    if arguments.step:
        need_terminal("demo")
    panels, left_out = choose_panels(names, "demo", patterns)

    with on_hosts("demo", arguments.hosts, panels) as hosts:
        return play(arguments, patterns, panels, left_out, hosts)


def play(
    arguments: Namespace,
    patterns: list[str],
    panels: list[Panel],
    left_out: list[Panel],
    hosts: Hosts | None,
) -> int:
    lines: Lines | None = own_lines(arguments.text)
    console = Output()
    view = view_for(panels, console, arguments.plain)
    for panel in left_out:
        console.print(f"Panel {panel.name} is left out: {panel.left_out(patterns)}.")
    for line in hosts.describe() if hosts else []:
        console.print(line, style="dim", markup=False)
    started = time.monotonic()
    demo = acts.Demo(panels, view, lines, arguments.step)
    try:
        if "reqrep" in patterns:
            demo.requests()
            if not lines:
                demo.killed()
                demo.late()
        if "pubsub" in patterns:
            demo.topics()
            if not lines:
                demo.flood()
        demo.measure()
        demo.next_act()
    finally:
        view.close()
    for line in hosts.describe_drift() if hosts else []:
        console.print(line, style="dim", markup=False)
    show_results(console, panels, demo, time.monotonic() - started)
    return 1 if demo.failures else 0
