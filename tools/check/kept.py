"""kept.txt of a step: a line a clause, what the step keeps of the contract, and why not.

    R1 kept
    R6 broken TEST because REASON      the test of that name fails, for that reason
        passes TEST TEST               other tests of the clause, which pass all the same
    R5 luck 3 of 10 because REASON     so often the clause held when it was tried
    R7 not reachable because REASON    no test of the clause applies

Two panels of one folder have a file each, kept-NAME.txt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from check.clauses import CLAUSES
from harness import panels
from harness.panels import Panel, complain

KEPT, BROKEN, LUCK, NOT_REACHABLE = "kept", "broken", "luck", "not reachable"
LINE = re.compile(
    r"(?P<clause>[RP]\d+) (?:(?P<kept>kept)"
    r"|broken (?P<test>\w+) because (?P<broken>.+)"
    r"|luck (?P<times>\d+) of (?P<trials>\d+) because (?P<luck>.+)"
    r"|not reachable because (?P<unreachable>.+))"
)


PASSES = re.compile(r"passes( \w+)+")


@dataclass(frozen=True)
class Claim:
    """What a step says of one clause."""

    word: str  # KEPT, BROKEN, LUCK, NOT_REACHABLE
    reason: str = ""
    test: str = ""  # of BROKEN: the test that fails
    rate: str = ""  # of LUCK: "3 of 10"
    passes: tuple[str, ...] = ()  # of BROKEN: tests that pass all the same


def kept_file(panel: Panel) -> Path:
    folder = panels.ROOT / panel.folder
    own = folder / f"kept-{panel.name}.txt"
    return own if own.exists() else folder / "kept.txt"


def keeps_a_part(panel: Panel) -> bool:
    """Whether it says in a kept.txt what it keeps: a step, or ready programs that have one."""
    return panel.kind == "step" or (panel.kind == "programs" and kept_file(panel).is_file())


def read_kept(panel: Panel) -> dict[str, Claim]:
    """What a panel says that it keeps; one that ships keeps all. One line and status 1 if wrong."""
    if not keeps_a_part(panel):
        return {clause: Claim(KEPT) for clause in CLAUSES}
    path = kept_file(panel)
    if not path.is_file():
        complain(1, f"steps: {panel.folder}/kept.txt is missing: it says what {panel.name} keeps")
    name = path.relative_to(panels.ROOT)
    claims: dict[str, Claim] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeError:
        complain(1, f"steps: {name}: not text in UTF-8")
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            last = list(claims)[-1:]
            if not PASSES.fullmatch(line.strip()) or not last or claims[last[0]].word != BROKEN:
                complain(
                    1, f"steps: {name}, line {number}: \"passes TEST\" stands below a broken clause"
                )
            passes = claims[last[0]].passes + tuple(line.split()[1:])
            claims[last[0]] = replace(claims[last[0]], passes=passes)
            continue
        found = LINE.fullmatch(line.strip())
        if not found or found["clause"] not in CLAUSES:
            complain(
                1, f"steps: {name}, line {number}: no clause, or no claim: {line.strip()[:60]}"
            )
        if found["clause"] in claims:
            complain(1, f"steps: {name}, line {number}: {found['clause']} stands there twice")
        claims[found["clause"]] = claim_of(found)
    if missing := [clause for clause in CLAUSES if clause not in claims]:
        complain(1, f"steps: {name} says nothing of {' '.join(missing)}")
    return {clause: claims[clause] for clause in CLAUSES}


def claim_of(found: re.Match[str]) -> Claim:
    if found["kept"]:
        return Claim(KEPT)
    if found["broken"]:
        return Claim(BROKEN, found["broken"], test=found["test"])
    if found["luck"]:
        return Claim(LUCK, found["luck"], rate=f"{found['times']} of {found['trials']}")
    return Claim(NOT_REACHABLE, found["unreachable"])
