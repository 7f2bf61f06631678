"""./triptych lab - what differs between the panels, shown by experiment

Usage:  ./triptych lab
        ./triptych lab NAME [PANEL...] [--no-predict] [--step]
        ./triptych lab all [PANEL...] [--beside FILE]
        both with [--check] [--json | --events | --markdown] [--hosts NAMES]
        ./triptych lab WORDS...
        ./triptych lab --index

Without a name it lists the experiments. With a name it shows the question, asks
for your prediction (on a terminal), says what happens while it happens, then
what was seen on each panel, why, and what to try next. Nothing is simulated:
real processes run on this machine, and the figures are compared with the
outcome that was recorded earlier. Words that name no experiment are searched
for.

  NAME          one experiment: ./triptych lab late-server
  all           every experiment, as a table: experiments down, panels across
  PANEL...      these panels only; without: all that are built

  WORDS...      what you would like to know, as in ./triptych lab who filters:
                lists what answers, best first: experiments, clauses, steps,
                terms, calls, functions, verbs and pages

  --no-predict  does not ask for a prediction
  --step        waits for a key before what happens, the outcome and the
                explanation; needs a terminal
  --check       an outcome that differs from the recorded one is a failure. What
                differs is first made once more, alone, and that is said: a busy
                machine may change an outcome once. A panel that is not built is
                a failure as well, and so is an experiment that is skipped,
                except where the machine lacks namespaces, root or cores
  --json        prints what was observed, as one JSON object; without a name:
                all that the experiments' files say, and runs none
  --events      the same with one name, and before it a line of JSON for
                everything that is said to happen, while it happens
  --markdown    prints the table for a document; lab/RESULTS.md is one
  --beside FILE for --markdown: another run's --json output. It shows both where
                the two differ in more than numbers
  --index       prints all that words can find, as one JSON object

  --hosts NAMES runs servers and publishers on the first of these, the others
                on the second: --hosts one,two (./triptych demo --help). Only
                experiments that start nothing but roles and taps can do so;
                `all` is then these. The recorded outcomes are of one machine

TRIPTYCH_LAB=DIR takes the experiments from the folder DIR. lab/README.md says
how to write one. Ctrl-C ends the lab and leaves no process and no file behind.
Exit status: 0 done, 1 an experiment broke off (with --check: or its outcome
differs) or nothing was found, 2 the command line was wrong, 130 stopped by
Ctrl-C, 141 the reader of the output has gone.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import resource
import sys
import threading
import time
from difflib import get_close_matches
from typing import Any

from rich.console import Console

from harness.command import CommandLine
from harness.hosts import on_hosts
from harness.others import Others
from harness.panels import Panel, choose_panels, complain, read_panels
from harness.terminal import Output, need_terminal, wait_for_key

from lab import data, view
from lab.document import as_markdown
from lab.experiments import Experiment, Outcome, Running, Wrong, load_all
from lab.finds import everything, index
from lab.search import search, stems, stems_of

AT_ONCE = 3  # experiments of `lab all` that run together: most only wait
ALIKE = 0.85  # from here on a word is taken for a misspelt name
FOUR = ("raw", "zmq", "nanomsg", "nng")


def second_attempts(running: Running) -> None:
    """Makes once more, alone, what deviated or broke off; says so, and how it ended."""
    name = running.experiment.name
    for panel, first in list(running.outcomes.items()):
        if running.stopped or first.status not in ("deviates", "broken"):
            continue
        print(f"lab: once more, alone: {name}, {panel}: {told(first)}", file=sys.stderr, flush=True)
        running.again(panel)
        if running.outcomes[panel].status not in ("deviates", "broken"):
            print(f"lab: as recorded at the second attempt only: {name}, {panel}", file=sys.stderr)


def told(outcome: Outcome) -> str:
    return "; ".join(outcome.deviations) or outcome.phrase


def run_one(
    console: Console, experiment: Experiment, panels: list[Panel], options: argparse.Namespace
) -> dict[str, Outcome]:
    """One experiment, told as it goes."""
    quiet = options.json or options.markdown or options.events
    prediction = 0

    def key(text: str) -> None:
        if options.step:
            wait_for_key(console, text)

    names = [panel.name for panel in panels]
    if options.events:
        running = Running(experiment, names, Events().say)
    elif quiet:
        running = Running(experiment, names)
    else:
        view.show_question(console, experiment)
        if not options.no_predict and sys.stdin.isatty() and console.is_terminal:
            prediction = view.ask_prediction(console, experiment)
        key("A key: what happens")
        view.heading(console, "What happens")
        running = Running(experiment, names, view.Live(console, panels).say)
    others = Others()
    running.run()
    if options.check:
        second_attempts(running)
    share = others.share()
    if not quiet:
        key("A key: what was seen")
        view.show_outcome(console, experiment, panels, running.outcomes, prediction)
        view.show_busy(console, running.outcomes.values(), share)
        key("A key: why")
        view.show_explanation(console, experiment)
    return running.outcomes


class Events:
    """What happens while it happens, a line of JSON each, from any thread."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.lock = threading.Lock()

    def say(self, panel: str, text: str) -> None:
        seconds = round(time.monotonic() - self.started, 3)
        with self.lock:
            print(
                json.dumps({"event": "said", "panel": panel, "seconds": seconds, "text": text}),
                flush=True,
            )


class Progress:
    """How far `lab all` is: a line redrawn in place on a terminal, else a line each."""

    def __init__(self, total: int):
        self.total, self.done = total, 0
        self.terminal = sys.stderr.isatty()
        self.lock = threading.Lock()

    def step(self, name: str, seconds: float) -> None:
        with self.lock:
            self.done += 1
            text = f"lab: {self.done} of {self.total}: {name}, {seconds:.1f} s"
            if self.terminal:
                print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
            else:
                print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def run_all(
    experiments: list[Experiment], panels_of: dict[str, list[Panel]], check: bool
) -> dict[str, dict[str, Outcome]]:
    """Every experiment: several at once where timing does not matter, then the others alone."""
    progress = Progress(len(experiments))
    runs = {e.name: Running(e, [p.name for p in panels_of[e.name]]) for e in experiments}
    results: dict[str, dict[str, Outcome]] = {}
    stopped = threading.Event()

    def one(experiment: Experiment) -> None:
        if stopped.is_set():
            return
        started = time.monotonic()
        running = runs[experiment.name]
        running.run()
        results[experiment.name] = running.outcomes
        progress.step(experiment.name, time.monotonic() - started)

    try:
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                waiting = [pool.submit(one, e) for e in experiments if not e.timing]
                for future in waiting:
                    while not future.done():  # a wait that Ctrl-C interrupts
                        concurrent.futures.wait([future], 0.1)
                    future.result()
            except BaseException:
                stopped.set()
                for running in runs.values():
                    running.stop()
                raise
        for experiment in experiments:
            if experiment.timing:
                one(experiment)
    finally:
        progress.end()
    for running in runs.values() if check else []:
        second_attempts(running)
    return results


def status_of(results: dict[str, dict[str, Outcome]], check: bool) -> int:
    """0, or 1 and what was wrong on standard error. A skip is right for a named lack alone."""
    bad = {"broken", "deviates", "unrecorded"} if check else {"broken"}
    found = [
        (n, p, o)
        for n, all_of in results.items()
        for p, o in all_of.items()
        if o.status in bad or (check and o.status == "skipped" and not o.lack)
    ]
    for name, panel, outcome in found:
        why = f"{outcome.status}: {told(outcome)}"
        print(f"triptych: lab: {name}, {panel}, {why}", file=sys.stderr)
    return 1 if found else 0


def find(console: Console, experiments: list[Experiment], options: argparse.Namespace) -> int:
    """Searches for words that are no experiment's name, unless they look like one misspelt."""
    name, *others = options.words
    finds = everything(experiments)
    misspelt = not set(stems(name)) <= stems_of(finds)
    near = get_close_matches(name.replace("_", "-"), [e.name for e in experiments], 1, ALIKE)
    wants_a_run = (
        options.json or options.events or options.markdown or options.check or options.step
    )
    if (
        near
        and (misspelt or wants_a_run)
        and set(others) <= {panel.name for panel in read_panels()}
    ):
        asked = f"no experiment '{name}'; did you mean {near[0]}?"
        complain(2, f"lab: {asked} ./triptych lab lists them")
    if wants_a_run:
        complain(2, f"lab: no experiment '{name}'; ./triptych lab lists them")
    found = search(options.words, finds)
    if not found:
        words = " ".join(options.words)
        complain(1, f"lab: nothing answers '{words}'; try other words. ./triptych lab lists all")
    view.show_finds(console, found, options.words)
    return 0


def between_hosts(chosen: list[Experiment], experiments: list[Experiment]) -> list[Experiment]:
    """Those of them that can run between hosts; ends the program if there is none."""
    able = [experiment for experiment in chosen if experiment.hosts]
    if not able:
        names = ", ".join(experiment.name for experiment in experiments if experiment.hosts)
        complain(2, f"lab: {chosen[0].name} needs one machine; between hosts run: {names}")
    return able


def read_run(path: str) -> dict[str, Any]:
    """What --json printed on another machine, read before anything is run."""
    try:
        with open(path, encoding="utf-8") as file:
            run: dict[str, Any] = json.load(file)
        as_markdown([run])
        return run
    except OSError as problem:
        complain(2, f"lab: {path}: {problem.strerror}; --beside takes the output of --json")
    except (ValueError, KeyError, TypeError, AttributeError):
        complain(2, f"lab: {path} is not the output of ./triptych lab all --json")


def main() -> int:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # some libraries abort: no core files
    command = CommandLine("lab", __doc__)
    command.add_argument("--no-predict", action="store_true")
    command.add_argument("--step", action="store_true")
    command.add_argument("--check", action="store_true")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true")
    form.add_argument("--events", action="store_true")
    form.add_argument("--markdown", action="store_true")
    form.add_argument("--index", action="store_true")
    command.add_argument("--beside")
    command.add_argument("--hosts", metavar="NAMES")
    command.add_argument("words", nargs="*")
    options = command.read()
    if options.events and options.words[:1] in ([], ["all"]):
        complain(2, "lab: --events goes with one experiment; ./triptych lab --help")
    if options.step:
        if options.json or options.events or options.markdown or options.words[:1] in ([], ["all"]):
            complain(2, "lab: --step goes with one experiment that is told; ./triptych lab --help")
        need_terminal("lab")
    beside = [read_run(options.beside)] if options.beside else []
    options.markdown = options.markdown or bool(beside)
    console = Output()
    try:
        experiments = load_all()
    except Wrong as problem:
        complain(1, f"lab: {problem}")
    if options.index:
        if options.words:
            complain(2, "lab: --index takes no words; ./triptych lab --help")
        print(json.dumps(index(experiments)))
        return 0
    if not options.words:
        if options.json:
            panels = [panel for panel in read_panels() if panel.built and panel.name in FOUR]
            print(json.dumps(data.as_json(experiments, panels, {}, 0), indent=1))
            return 0
        if options.markdown or options.check:
            complain(2, "lab: which experiment? A name, or all; ./triptych lab lists them")
        view.show_list(console, experiments)
        return 0
    name, *names = options.words
    name = name.replace("_", "-")
    chosen = [e for e in experiments if name in (e.name, "all")]
    known = [panel.name for panel in read_panels()]
    sought = "-" not in name and name != "all" and bool(names)
    if not chosen or (sought and not any(get_close_matches(n, known, 1, 0.5) for n in names)):
        return find(console, experiments, options)
    if options.hosts is not None:
        chosen = between_hosts(chosen, experiments)
    panels, left_out = choose_panels(names, "lab")
    for panel in left_out:
        print(
            f"triptych: panel {panel.name} is left out: {panel.left_out()}",
            file=sys.stderr,
        )
    if not names:  # a panel of one's own takes part when it is asked for
        panels = [panel for panel in panels if panel.name in FOUR]
    known = [panel for panel in known if panel in FOUR]
    panels_of = {e.name: [p for p in panels if e.runs_on(p.name, known)] for e in chosen}
    if not any(panels_of.values()):
        complain(
            2, f"lab: experiment {name} runs on these panels only: {' '.join(chosen[0].panels)}"
        )

    started, others = time.monotonic(), Others()
    with on_hosts("lab", options.hosts, panels) as hosts:
        for line in hosts.describe() if hosts and not (options.json or options.events) else []:
            print(line, file=sys.stderr)
        if name == "all":
            chosen = [e for e in chosen if panels_of[e.name]]
            results = run_all(chosen, panels_of, options.check)
        else:
            results = {name: run_one(console, chosen[0], panels_of[name], options)}
    seconds = time.monotonic() - started
    if options.json:
        print(json.dumps(data.as_json(chosen, panels, results, seconds), indent=1))
    elif options.events:
        print(json.dumps({"event": "run", "run": data.as_json(chosen, panels, results, seconds)}))
    elif options.markdown:
        run = data.as_json(chosen, panels, results, seconds)
        print(as_markdown([run, *beside]), end="")
    elif name == "all":
        view.show_matrix(console, chosen, panels, results, seconds)
        outcomes = [outcome for all_of in results.values() for outcome in all_of.values()]
        view.show_busy(console, outcomes, others.share())
    unbuilt = [panel for panel in left_out if panel.name in FOUR and options.check]
    return status_of(results, options.check) or int(bool(unbuilt))
