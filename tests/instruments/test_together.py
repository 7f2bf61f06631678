"""./triptych diff --json: panels aligned as data, and what it says of the calls and options."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from typing import Any

import pytest

from check.clauses import CLAUSES
from compare.alignment import align
from compare.glossary import entries_of, glossary, spans, terms, terms_in
from compare.sources import Line, Source, contract_functions
from compare.together import as_json, row_json, union, weave
from conftest import ROOT
from harness.panels import read_panels
from tool import SAMPLE, sample, tool

NEEDED = [name for name in ("ctags",) if not shutil.which(name)]
NEEDED += [name for name in ("rich", "pygments") if not importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {' '.join(NEEDED)}")

SCHEMA = ROOT / "tools" / "compare" / "diff.schema.json"


def lines(text: str) -> list[Line]:
    return [Line(number, word) for number, word in enumerate(text.splitlines(), 1)]


def woven(*texts: str) -> list[list[tuple[str, str] | None]]:
    """The rows of these texts: mark and line of each cell."""
    rows = [row_json(row, len(texts)) for row in weave([lines(text) for text in texts])]
    return [[cell and (cell["mark"], cell["text"]) for cell in row] for row in rows]


LEFT = "int a;\nfirst(call, with, many, words);\nonly_left();\nint z;"
MIDDLE = "int a;\nfirst(call, with, many, letters);\nint z;\nreturn middle;"
RIGHT = "int a;\nwhile (right > 3)\nint z;"
MORE = "more(1);\nint a;\nmore(of, all, that, there, is);\nint z;\n(3, 4);\n{ at_the_end; }"


def test_three_panels_in_one_row() -> None:
    assert woven(LEFT, MIDDLE, RIGHT) == [
        [("alike", "int a;")] * 3,
        [("changed", "first(call, with, many, words);"), ("changed", "first(call, with, many, letters);"),
         ("alone", "while (right > 3)")],
        [("alone", "only_left();"), None, None],
        [("alike", "int z;")] * 3,
        [None, ("alone", "return middle;"), None],
    ]  # fmt: skip


def test_a_panel_without_the_block_is_passed_over() -> None:
    assert woven("int a;", "", "int b;") == [[("changed", "int a;"), None, ("changed", "int b;")]]
    assert woven("", "int a;", "") == [[None, ("alone", "int a;"), None]]
    assert woven("", "", "") == []


@pytest.mark.parametrize("texts", [(LEFT, MIDDLE, RIGHT), (MORE, LEFT, MIDDLE), (LEFT, MIDDLE, MORE), (RIGHT, MORE)])
def test_no_line_is_lost_and_each_keeps_its_place(texts: tuple[str, ...]) -> None:
    rows = woven(*texts)
    for place, text in enumerate(texts):
        assert [row[place][1] for row in rows if row[place]] == text.splitlines()  # type: ignore[index]


def test_two_panels_stand_as_side_by_side() -> None:
    for left, right in ((LEFT, MIDDLE), (LEFT, RIGHT), (MIDDLE, RIGHT)):
        pairs = [(row.left and row.left.text, row.right and row.right.text) for row in align(lines(left), lines(right))]
        assert pairs == [tuple(cell and cell[1] for cell in row) for row in woven(left, right)]


def test_changed_words_of_both_neighbours() -> None:
    (row,) = weave([lines("call(one, two);"), lines("call(uno, two);"), lines("call(uno, due);")])
    words = [[row[place].line.text[a:b] for a, b in row[place].changed] for place in range(3)]
    assert words == [["one"], ["uno", "two"], ["due"]]
    assert union([(4, 6), (0, 2), (1, 3), (6, 7)]) == [(0, 3), (4, 7)]


def validated(text: str) -> dict[str, Any]:
    jsonschema = pytest.importorskip("jsonschema")
    said: dict[str, Any] = json.loads(text)
    jsonschema.validate(said, json.loads(SCHEMA.read_text()))
    return said


def check(said: dict[str, Any], whole: bool) -> None:
    """Each line of every file stands in it once; what is marked in a line is in the line."""
    for place, panel in enumerate(said["panels"]):
        rows = [row for section in said["sections"] for block in section["blocks"] for row in block["rows"]]
        cells = [row[place] for row in rows if row[place]]
        file = (ROOT / panel["file"]).read_text().splitlines()
        assert cells and all(file[cell["number"] - 1] == cell["text"] for cell in cells)
        for cell in cells:
            assert all(0 <= a < b <= len(cell["text"]) for a, b in cell["changed"])
            assert all(cell["text"][a:b] in said["words"] for a, b in cell["words"])
        if whole:
            shown = [cell["number"] for cell in cells if cell["text"].strip()]
            assert sorted(shown) == [number for number, line in enumerate(file, 1) if line.strip()]


def test_the_panels_that_ship() -> None:
    """The figures are those of --stat."""
    said = validated(tool("diff", "--json", "raw", "zmq", "nng")[0])
    check(said, whole=False)  # nng's source has lines of nanomsg
    out, _ = tool("diff", "--stat", "raw", "zmq")
    (total,) = re.findall(r"^all +(\d+) +(\d+) +(\d+) +(\d+)$", out, re.M)
    assert list(map(int, total)) == list(said["counts"][0].values())


@pytest.mark.parametrize(
    ("pattern", "names", "function"),
    [("reqrep", "raw-1 zmq-1", None), ("pubsub", "raw-1 raw-2 raw-3", None), ("reqrep", "raw-4 raw-5", "req_recv")],
)
def test_steps(pattern: str, names: str, function: str | None) -> None:
    known = {panel.name: panel for panel in read_panels()}
    sources = [Source(known[name], pattern, contract_functions()) for name in names.split()]
    check(validated(json.dumps(as_json(sources, pattern, function))), whole=function is None)


def test_the_schema_refuses_what_it_does_not_know() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text())
    said = json.loads(sample("diff", "--json"))
    jsonschema.validate(said, schema)
    for row in (said["sections"][0]["blocks"][0]["rows"][0], said["panels"]):
        row[0]["new"] = 1
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(said, schema)
        del row[0]["new"]


@pytest.mark.parametrize(
    ("words", "says"), [(["raw"], "which panel beside raw?"), (["raw", "zmq", "raw"], "two different panels"), (["--stat"], "not allowed"),
                        (["--function", "nothing"], "no function 'nothing'")]
)  # fmt: skip
def test_wrong_command_lines(words: list[str], says: str) -> None:
    out, said = tool("diff", "--tree", str(SAMPLE), "--json", *words, status=2)
    assert out == "" and says in said and said.count("\n") == 1


# The glossary.


def test_names_are_found_in_a_line() -> None:
    line = "    if (close(req->socket) < 0 || zmq_bind(s, url) < 0) /* see bind(2), ZMQ_LINGER; my_bind(1) a.send( */"
    assert [line[a:b] for a, b in spans(line)] == ["close", "zmq_bind", "bind", "ZMQ_LINGER"]
    assert list(entries_of([line])) == ["ZMQ_LINGER", "bind", "close", "zmq_bind"]


def test_clauses_and_experiments_of_the_glossary_exist() -> None:
    experiments = {path.stem.replace("_", "-") for path in (ROOT / "lab" / "experiments").glob("*.py")}
    assert not glossary().keys() & terms().keys()
    for name, entry in {**glossary(), **terms()}.items():
        assert set(entry.clauses) <= CLAUSES.keys(), name
        assert entry.experiment in experiments | {""}, name
        assert re.match(r"[a-zA-Z]", entry.says) and not entry.says.endswith("."), name


def test_terms_are_found_in_a_text_once_each_and_the_longest_first() -> None:
    text = "Time-outs: a high-water mark, HWM, is no round-trip; the round trips of SIGKILL, and a timeout; Nagle's algorithm."
    found = [(text[start:end], name) for start, end, name in terms_in(text)]
    assert found == [("Time-outs", "time-out"), ("high-water mark", "high-water mark"),
                     ("round trips", "round trip"), ("SIGKILL", "SIGKILL"), ("Nagle's algorithm", "Nagle's algorithm")]  # fmt: skip
    forms = [form.lower() for entry in terms().values() for form in entry.forms]
    assert len(set(forms)) == len(forms) > 50


# POSIX's calls of <sys/socket.h>, <poll.h> and <sys/epoll.h>, Linux's own ones among them.
SOCKET_CALLS = """accept accept4 bind connect epoll_create1 epoll_ctl epoll_pwait2 epoll_wait getpeername getsockname
    getsockopt listen poll ppoll recv recvfrom recvmsg recvmmsg select send sendmsg sendmmsg sendto setsockopt shutdown
    sockatmark socket socketpair closesocket ioctlsocket unlink WSA\\w+""".split()
MUST = re.compile(
    rf"(?<![\w>.])(?:(?:zmq|nn|nng)_\w+|{'|'.join(SOCKET_CALLS)})(?=\()|\b(?:ZMQ|NN|SO|TCP|MSG|IPV6|EPOLL)_[A-Z]\w+"
)
OURS = re.compile(r"(EPOLL_CLOEXEC|EPOLL_CTL_\w+)$")  # said with epoll_create1 and epoll_ctl


def test_every_entry_is_used_and_every_call_and_option_has_one() -> None:
    paths = {path for panel in read_panels() for path in panel.sources()}
    comments = re.compile(r"/\*.*?\*/", re.S)
    text = "".join(path.read_text() for path in sorted(paths))
    used = {name for name in MUST.findall(comments.sub("", text)) if not OURS.match(name)}
    assert len(used) > 60
    assert used - set(glossary()) == set()
    assert set(glossary()) - set(re.findall(r"\w+", text)) == set()
