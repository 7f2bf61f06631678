"""What serves a clause, as diff --json says it: marked lines, calls, files, and only of what is kept."""

from __future__ import annotations

import re
from typing import Any

import pytest

from check.clauses import CLAUSES
from check.kept import KEPT, read_kept
from compare.marked import left_out, marks_in, served
from compare.sources import Line, engine_lines
from conftest import ROOT
from harness.panels import Panel, read_panels

PATTERNS = ("reqrep", "pubsub")
PANELS = {panel.name: panel for panel in read_panels()}
WITH_SOURCES = [one for one in PANELS.values() if (ROOT / one.folder / "pubsub.c").is_file() and one.kind in ("shipped", "step")]


def marks(text: str) -> list[tuple[str, int, int, int]]:
    return [(m.clause, m.first, m.last, m.lines) for m in marks_in([Line(n, line) for n, line in enumerate(text.splitlines(), 1)])]


def serving(name: str, pattern: str = "reqrep") -> dict[str, Any]:
    return served(PANELS[name], pattern, engine_lines(ROOT / PANELS[name].folder / f"{pattern}.c", PANELS[name]))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("    a = 1; /* out of turn: R9 */\n    b = 2;", [("R9", 1, 1, 1)]),
        ("    ; /* R11 */", [("R11", 1, 1, 1)]),
        ("/* The limit (R8). */\nint\nf(void)\n{\n    g();\n\n}\nint i;", [("R8", 2, 7, 5)]),
        ("    /* First (R2). Then\n     * the other (R3, R4). */\n    if (f(1) ||\n        f(2))\n        g();\n    h();",
         [("R2", 3, 5, 3), ("R3", 3, 5, 3), ("R4", 3, 5, 3)]),
        ("    /* Both: R7, R8 */\n    if (a) {\n        g();\n    } else {\n        h();\n    }\n    i();", [("R7", 2, 6, 5), ("R8", 2, 6, 5)]),
        ("    while (a && /* R5 */\n        b)\n        c();\n    d();", [("R5", 1, 3, 3)]),
        ("enum {\n    /* Many (R6). */\n    MANY = 3,\n    FEW = 2,\n};", [("R6", 3, 3, 1)]),
        ("    /* it may cost all (R7 is narrowed for it) */\n    f();", []),
        ("    f(\"/* R1 */\"); /* R12, and (R99) */", []),
        ("    f(\"(\"); /* (R1) */\n    g();", [("R1", 1, 1, 1)]),
        ("/* (R1) */", []),
    ],
)  # fmt: skip
def test_a_comment_marks_a_line_a_statement_or_a_function(text: str, found: list[tuple[str, int, int, int]]) -> None:
    assert marks(text) == found


@pytest.mark.parametrize("one", WITH_SOURCES, ids=lambda one: one.name)
def test_nothing_serves_a_clause_that_is_not_kept(one: Panel) -> None:
    claims = read_kept(one)
    for pattern in PATTERNS:
        found = serving(one.name, pattern)
        assert list(found) == [clause for clause in CLAUSES if (clause[0] == "R") == (pattern == "reqrep")]
        for clause, by in found.items():
            assert by["kept"] == claims[clause].word
            assert by["kept"] == KEPT or not (by["marks"] or by["calls"] or by["files"]), clause


@pytest.mark.parametrize("one", WITH_SOURCES, ids=lambda one: one.name)
def test_each_mark_of_a_source_is_found(one: Panel) -> None:
    """Where the source names a clause that is kept, there is a mark that begins there or just below."""
    for pattern in PATTERNS:
        lines = engine_lines(ROOT / one.folder / f"{pattern}.c", one)
        found = serving(one.name, pattern)
        for line in lines:
            for clause in re.findall(r"\b[RP]\d+\b(?! is narrowed)", line.text):
                if found[clause]["kept"] == KEPT:
                    assert any(0 <= mark["first"] - line.number < 16 for mark in found[clause]["marks"]), (line, clause)


def test_a_late_reply_in_each_panel() -> None:
    """raw compares the id, nanomsg's panel too; ZeroMQ has an option; NNG does it by itself."""
    text = {file: (ROOT / file).read_text().splitlines() for file in ("raw/reqrep.c", "nng/reqrep.c")}
    raw = serving("raw")["R2"]
    assert any("continue; /* a late reply" in text["raw/reqrep.c"][mark["first"] - 1] for mark in raw["marks"])
    assert any("get_u32(id) ==" in text["nng/reqrep.c"][mark["first"] - 1] for mark in serving("nanomsg")["R2"]["marks"])
    assert "ZMQ_REQ_CORRELATE" in [call["word"] for call in serving("zmq")["R2"]["calls"]]
    assert serving("nng")["R2"] == {"kept": "kept", "marks": [], "calls": [], "files": []}


def test_what_stands_in_another_file() -> None:
    """Calls of a helper; and the files that raw's README names. Not those of the other pattern."""
    assert {"word": "nn_connect", "file": "nng/reconnect.c"}.items() <= serving("nng")["R4"]["calls"][0].items()
    assert [one["name"] for one in serving("raw")["R4"]["files"]] == ["conn", "dialer"]
    assert not any(call["file"] == "zmq/refusals.c" for one in serving("zmq").values() for call in one["calls"]), "no clause needs it"
    assert not any(call["file"] == "raw/log.c" for one in serving("raw").values() for call in one["calls"])


def test_what_raw_does_for_each_clause_is_marked() -> None:
    """In any of its files. Many subscribers (P9) are no lines of their own: the whole loop serves them."""
    unmarked = [clause for pattern in PATTERNS for clause, one in serving("raw", pattern).items() if not one["marks"]]
    assert unmarked == ["P9"]
    assert {mark["file"] for mark in serving("raw")["R11"]["marks"]} == {"raw/conn.c", "raw/server.c"}


def test_what_the_other_engine_compiles_is_left_out() -> None:
    for name in ("nanomsg", "nng", "raw"):
        panel = PANELS[name]
        path = ROOT / panel.folder / "reqrep.c"
        lines = engine_lines(path, panel)
        missing = [number for first, last in left_out(panel, "reqrep", lines) for number in range(first, last + 1)]
        assert sorted([*missing, *(line.number for line in lines)]) == list(range(1, len(path.read_text().splitlines()) + 1))
        assert bool(missing) == (name != "raw")
