"""./triptych check - which clauses of the contract a panel keeps

Usage:  ./triptych check PANEL [CLAUSE...] [--reqrep|--pubsub]
                         [--tcp] [--tcp6] [--ipc] [--udp] [--udp6] [--json]

Runs the tests of common/CONTRACT.md on one panel, and nothing else: no rule
of this project about style or size. A row is a clause, a column a transport.
Below stands, for each clause that is not kept, what was done, what was
expected and what came; what to look at next; and an experiment of the lab
and a step that show it. A clause's first failure ends the clause.

  PANEL       a panel of panels.txt; steps too
  CLAUSE      R1 to R11, P1 to P9; none: all
  --reqrep    only R1 to R11, which need PANEL-req and PANEL-rep alone
  --pubsub    only P1 to P9, which need PANEL-pub and PANEL-sub alone
  --tcp       only TCP over IPv4    --tcp6     only TCP over IPv6
  --ipc       only UNIX sockets     several may be named
  --udp       only UDP over IPv4    --udp6     only UDP over IPv6
  --json      the result as JSON: tools/check/check.schema.json

A panel whose folder has a rubric.toml is checked by it, unless clauses are
named: only its clauses, with the marks so far.

Marks:  ✓ kept     every test of the clause passed
        ✗ broken   a test failed
        ~ luck     some runs keep it, some do not, as the panel's kept.txt says
        – not reached     not tried: the pattern's first exchange failed
        ? not reachable   no test of the clause applies to this panel
        · no test         the contract has none over this transport

Exit status: 0 all is kept that can be tested, and nothing by luck, 1 not,
2 wrong command line, 130 stopped.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from check.clauses import CLAUSES, PATTERNS, pattern_of
from check.contract import BROKEN, KEPT, NO_TEST, NOT_REACHABLE, NOT_REACHED
from check.contract import Failed, Failure, Report, Result, run
from check.kept import LUCK, Claim, keeps_a_part, read_kept
from check.rubric import BadRubric, Rubric, mark, read
from harness.command import CommandLine
from harness.panels import ROOT, SPEAKS, Panel, choose_panels, complain
from harness.terminal import BROWN, GREEN, RED

WIDTH_MOST = 100
MARKS = {
    KEPT: ("✓", GREEN),
    BROKEN: ("✗", f"bold {RED}"),
    LUCK: ("~", BROWN),
    NOT_REACHED: ("–", BROWN),
    NOT_REACHABLE: ("?", "dim"),
    NO_TEST: ("·", "dim"),
}


def lucky(panel: Panel) -> dict[str, Claim]:
    """The clauses that the panel's kept.txt says are kept by luck."""
    claims = read_kept(panel) if keeps_a_part(panel) else {}
    return {clause: claim for clause, claim in claims.items() if claim.word == LUCK}


def word_of(clause: str, result: Result, luck: dict[str, Claim]) -> str:
    return LUCK if clause in luck and result.word in (KEPT, BROKEN) else result.word


def table(console: Console, report: Report, luck: dict[str, Claim]) -> None:
    widest = max(len(CLAUSES[clause].title) for clause in report.clauses)
    head = " " * (widest + 7) + "  ".join(report.transports)
    console.print(Text(head, style="dim"))
    for clause, row in report.clauses.items():
        line = Text(f" {clause:<4} ", style="bold")
        line.append(f"{CLAUSES[clause].title:<{widest}} ", style="not bold")
        for transport in report.transports:
            mark, style = MARKS[word_of(clause, row[transport], luck)]
            line.append(f"{mark:^{len(transport)}}  ", style=style)
        line.rstrip()
        console.print(line)
    console.print(Text(legend(report, luck), style="dim"))


def legend(report: Report, luck: dict[str, Claim]) -> str:
    """The marks that stand in the table."""
    words = {
        word_of(clause, cell, luck) for clause, row in report.clauses.items()
        for cell in row.values()
    }
    return "  ".join(f"{mark} {word}" for word, (mark, _) in MARKS.items() if word in words)


def over(row: dict[str, Result], word: str) -> str:
    """ "over tcp, ipc": where a clause has this result; nothing if it is so everywhere."""
    tested = [t for t, result in row.items() if result.word not in (NO_TEST, NOT_REACHABLE)]
    found = [t for t, result in row.items() if result.word == word]
    return f" over {', '.join(found)}" if found != tested or len(row) == 1 else ""


def sentence(failure: Failure) -> str:
    return f"{failure.done}. Expected: {failure.expected}. Came: {failure.came}."


def failures(row: dict[str, Result]) -> list[Failure]:
    return [failure for result in row.values() for failure in result.failures]


def paragraph(console: Console, head: str, text: str, *more: str) -> None:
    """A sentence, and below it, indented, what to do about it."""
    for number, line in enumerate(wrap(f"{head}: {text}", console.width)):
        shown = Text(line)
        if number == 0:
            shown.stylize(f"bold {RED}", 0, len(head))
        console.print(shown, soft_wrap=True)
    for one in more:
        for line in wrap(one, console.width - 4):
            console.print(Text(f"    {line}", style="dim"), soft_wrap=True)


def wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)


def show(console: Console, panel: Panel, report: Report, luck: dict[str, Claim]) -> None:
    table(console, report, luck)
    console.print()
    for pattern, row in report.first.items():
        if broken := failures(row):
            unreached = [
                clause
                for clause, results in report.clauses.items()
                if pattern_of(clause) == pattern
                and any(result.word == NOT_REACHED for result in results.values())
            ]
            where = over(row, BROKEN)
            paragraph(
                console,
                f"first {'request' if pattern == 'reqrep' else 'event'}{where}",
                sentence(broken[0]),
                f"Nothing else was tried{where or ' of ' + ' '.join(unreached)}: "
                "each clause needs this exchange.",
            )
    for clause, results in report.clauses.items():
        if clause in luck:
            told, seen = luck[clause], {result.word for result in results.values()}
            word = next((w for w in (BROKEN, NOT_REACHED, KEPT) if w in seen), NOT_REACHABLE)
            now = f"This time{over(results, word)}: {word}"
            paragraph(console, clause, f"luck, kept in {told.rate} trials: {told.reason}. {now}.")
        elif broken := failures(results):
            about = CLAUSES[clause]
            paragraph(
                console,
                f"{clause}{over(results, BROKEN)}",
                sentence(broken[0]),
                f"Next: {about.next}. See: ./triptych lab {about.experiment}; step {about.step}.",
            )
    for reason, names in not_applied(report).items():
        for line in wrap(
            f"{' '.join(names)}: some tests do not apply to {panel.name}: {reason}.", console.width
        ):
            console.print(Text(line, style="dim"), soft_wrap=True)
    console.print(Text(summary(panel, report, luck), style="bold"))


def not_applied(report: Report) -> dict[str, list[str]]:
    """Why tests do not apply, and of which clauses."""
    found: dict[str, list[str]] = {}
    for clause, results in report.clauses.items():
        for reason in sorted({reason for result in results.values() for reason in result.reasons}):
            found.setdefault(reason, []).append(clause)
    return found


def summary(panel: Panel, report: Report, luck: dict[str, Claim]) -> str:
    count = {word: 0 for word in MARKS}
    for clause, results in report.clauses.items():
        words = [result.word for result in results.values()]
        order = (BROKEN, NOT_REACHED, KEPT, NOT_REACHABLE)
        word = next(word for word in order if word in words)
        count[LUCK if clause in luck and word in (BROKEN, KEPT) else word] += 1
    parts = [f"{number} {word}" for word, number in count.items() if number or word == KEPT]
    of_all = f"of {len(report.clauses)} clauses {', '.join(parts)}"
    return f"{panel.name}: {of_all}; {report.seconds:.0f} s"


def rubric_of(panel: Panel) -> Rubric | None:
    """What an assignment has put beside the panel's sources."""
    path = ROOT / panel.folder / "rubric.toml"
    if not path.exists():
        return None
    try:
        return read(path)
    except BadRubric as wrong:
        complain(2, f"check: {wrong}")


def marks(console: Console, rubric: Rubric, report: Report) -> None:
    """What the rubric gives for it. Points for style are not counted here."""
    items = [i for i in mark(rubric, report.as_json(), 0, 0) if i.name in rubric.clauses]
    console.print(Text("marks so far:", style="bold"))
    for item in items:
        console.print(f" {item.name:<4} {item.points:5g} of {item.most:g}", markup=False)
    got, most = (sum(getattr(item, what) for item in items) for what in ("points", "most"))
    console.print(Text(f" in all {got:3g} of {most:g}", style="bold"))


def progress(console: Console) -> Callable[[int, int, str], None] | None:
    """One line on a terminal, redrawn as each test ends."""
    if not console.is_terminal or console.is_dumb_terminal:
        return None

    def tell(ended: int, number: int, clause: str) -> None:
        text = f"{ended} of {number} tests; the last one was of {clause}"
        console.file.write(f"\r\033[K{text if ended < number else ''}")
        console.file.flush()

    return tell


def choose_clauses(words: list[str], reqrep: bool, pubsub: bool) -> list[str]:
    named = [word.upper() for word in words]
    for name, word in zip(named, words):
        if name not in CLAUSES:
            complain(2, f"check: no clause '{word}'; there are: R1 to R11, P1 to P9")
    patterns = [p for p, chosen in zip(PATTERNS, (reqrep, pubsub)) if chosen] or list(PATTERNS)
    chosen = [c for c in CLAUSES if pattern_of(c) in patterns and c in (named or CLAUSES)]
    if not chosen:
        complain(2, "check: none of these clauses belongs to that pattern")
    return chosen


def main() -> int:
    command = CommandLine("check", __doc__)
    command.add_argument("panel", nargs="?")
    command.add_argument("clauses", nargs="*")
    for option in ("--reqrep", "--pubsub", "--json", *(f"--{one}" for one in SPEAKS)):
        command.add_argument(option, action="store_true")
    arguments = command.read()
    if not arguments.panel:
        complain(2, "check: which panel? ./triptych check raw; ./triptych check --help")
    clauses = choose_clauses(arguments.clauses, arguments.reqrep, arguments.pubsub)
    patterns = [p for p in PATTERNS if any(pattern_of(clause) == p for clause in clauses)]
    panel = choose_panels([arguments.panel], "check", patterns)[0][0]
    named = [transport for transport in SPEAKS if getattr(arguments, transport)]
    rubric = None
    if not (arguments.clauses or arguments.reqrep or arguments.pubsub or named):
        rubric = rubric_of(panel)
    if rubric:
        clauses, named = list(rubric.clauses), list(rubric.transports)
    if named and not set(named) & set(panel.speaks):
        speaks = " ".join(panel.speaks)
        complain(2, f"check: {panel.name} does not speak {named[0]}; it speaks: {speaks}")
    errors = Console(stderr=True)
    try:
        report = run(
            panel, clauses, named, tests=rubric.tests if rubric else (), tell=progress(errors)
        )
    except Failed as failed:
        print(failed, file=sys.stderr)
        complain(1, "check: the tests themselves could not be run (output above)")
    luck = lucky(panel)
    if arguments.json:
        said = report.as_json()
        for clause in luck.keys() & said["clauses"].keys():
            said["clauses"][clause]["luck"] = {
                "kept": luck[clause].rate,
                "reason": luck[clause].reason,
            }
        print(json.dumps(said, indent=2))
    else:
        console = Console(highlight=False)
        console.width = min(console.width, WIDTH_MOST)
        show(console, panel, report, luck)
        if rubric:
            marks(console, rubric, report)
    return 0 if report.kept and not luck.keys() & report.clauses.keys() else 1
