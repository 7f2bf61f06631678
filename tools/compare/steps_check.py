"""./triptych steps --check: what the contract's tests say of a step,
beside what its kept.txt says."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import Any

from check.contract import Failed, NOT_REACHED, Report, run
from check.contract import KEPT as PASSES
from check.kept import BROKEN, KEPT, LUCK, NOT_REACHABLE, Claim, keeps_a_part, kept_file, read_kept
from harness import panels
from harness.panels import Panel, check_names, choose_panels, complain, read_panels
from harness.terminal import progress

AGAIN_MOST = 2  # clauses of a step that are tried once more


@dataclass
class Verdict:
    """What the tests say of a step, beside what it says itself."""

    panel: Panel
    wrong: list[str]
    notes: list[str]
    seconds: float


def check_step(panel: Panel) -> Verdict:
    """Runs the tests of what a step keeps, and of what it breaks the tests that it names."""
    claims, began = read_kept(panel), time.monotonic()
    file = kept_file(panel).relative_to(panels.ROOT)
    asserted = [clause for clause, claim in claims.items() if claim.word != LUCK]
    named = [test for claim in claims.values() for test in tests_of(claim)]
    for clause, claim in claims.items():
        for test in tests_of(claim):
            if not test.startswith(f"test_{clause}_"):
                complain(1, f"steps: {file}: {test} is no test of {clause}")
    report = run(panel, asserted, tests=named, every=True, tell=progress_of(panel))
    wrong = {c: text for c in asserted if (text := compare(c, claims[c], report))}
    rates = {clause: claim.rate for clause, claim in claims.items() if claim.word == LUCK}
    notes = [f"{clause}: kept in {rate} trials (not asserted)" for clause, rate in rates.items()]
    failed = [clause for clause in wrong if claims[clause].word == KEPT or claims[clause].passes]
    if 0 < len(failed) <= AGAIN_MOST:  # a busy machine fails a test now and then
        report = run(panel, failed, tests=named, every=True, tell=progress_of(panel))
        for clause in failed:
            if not compare(clause, claims[clause], report):
                first = wrong.pop(clause)
                notes.append(f"{clause}: kept at the second attempt only; the first: {first}")
    progress("")
    sentences = [f"{file}: {text}" for text in wrong.values()]
    return Verdict(panel, sentences, notes, time.monotonic() - began)


def tests_of(claim: Claim) -> list[str]:
    """The tests that it names; of a clause that names some, only they are run."""
    return [test for test in (claim.test, *claim.passes) if test]


def progress_of(panel: Panel) -> Any:
    return lambda ended, number, clause: progress(f"{panel.name}: {ended} of {number} tests")


def compare(clause: str, claim: Claim, report: Report) -> str:
    """What is wrong with a claim, in a sentence; nothing if nothing is."""
    if claim.word == BROKEN:
        return compare_broken(clause, claim.test, report) or compare_passes(clause, claim, report)
    results = report.clauses[clause]
    words = {result.word for result in results.values()}
    for transport, result in results.items():
        for failure in result.failures:
            found = f"{failure.done}. Expected: {failure.expected}. Came: {failure.came}"
            where = f"over {transport} {failure.test} fails"
            return f"{clause} is said to be {claim.word}; {where}: {found}"
    if NOT_REACHED in words:
        return f"{clause} is said to be {claim.word}, and not reached: the first exchange fails"
    if claim.word == KEPT and PASSES not in words:
        return f"{clause} is said to be kept, and no test of it applies"
    if claim.word == NOT_REACHABLE and PASSES in words:
        return f"{clause} is said to be not reachable, and tests of it pass: it is kept"
    return ""


def compare_broken(clause: str, test: str, report: Report) -> str:
    results = report.clauses[clause].values()
    failed = {failure.test for result in results for failure in result.failures}
    if test in failed or NOT_REACHED in {result.word for result in results}:
        return ""
    if any(test in result.passes for result in results):
        return (
            f"{clause} is said to be broken, and {test} passes: the step keeps more than it says, "
            f"or another test fails; ./triptych check {report.panel} {clause} tells"
        )
    return f"{clause} is said to be broken, and there is no test {test} that applies"


def compare_passes(clause: str, claim: Claim, report: Report) -> str:
    """The tests that pass although the clause is broken."""
    results = report.clauses[clause]
    for transport, result in results.items():
        for failure in result.failures:
            if failure.test in claim.passes:
                return (
                    f"{clause}: {failure.test} is said to pass, and fails over {transport}: "
                    f"{failure.came}"
                )
    passed = {test for result in results.values() for test in result.passes}
    for test in claim.passes:
        if test not in passed:
            return f"{clause}: {test} is said to pass, and has not been reached"
    return ""


def check_steps(names: list[str], as_json: bool) -> int:
    known = [panel for panel in read_panels() if keeps_a_part(panel)]
    steps = [panel.name for panel in known]
    check_names("steps", "step with a kept.txt", names, steps)
    built, left_out = choose_panels(names or [p.name for p in known if p.kind == "step"], "steps")
    verdicts = []
    for panel in built:
        try:
            verdicts.append(verdict := check_step(panel))
        except Failed as failed:
            print(failed, file=sys.stderr)
            complain(1, "steps: the tests themselves could not be run (output above)")
        if not as_json:
            as_said = "as it says" if not verdict.wrong else "NOT as it says"
            print(f"{panel.name:<10} {as_said}; {verdict.seconds:.0f} s", flush=True)
            for text in verdict.wrong + verdict.notes:
                print(f"    {text}", flush=True)
    failed = sum(bool(verdict.wrong) for verdict in verdicts)
    if as_json:
        print(json.dumps([{**vars(v), "panel": v.panel.name} for v in verdicts], indent=2))
    else:
        for panel in left_out:
            print(f"{panel.name:<10} left out: {panel.left_out()}")
        print(f"{len(verdicts) - failed} passed, {failed} failed")
    return 1 if failed else 0
