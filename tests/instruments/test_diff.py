"""./triptych diff over a frozen tree: every form of it, and what it refuses."""

import importlib.util
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compare.alignment import align, count
from compare.sources import Line
from conftest import ROOT
from tool import SAMPLE, copy_of_sample, is_golden, sample, tool

NEEDED = [name for name in ("ctags",) if not shutil.which(name)]
NEEDED += [name for name in ("rich", "pygments") if not importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {' '.join(NEEDED)}")

FORMS = {
    "diff-100.txt": [],
    "diff-165.txt": ["--width", "165"],
    "diff-80.txt": ["--width", "80"],
    "diff-200.txt": ["zmq", "raw", "--width", "200"],
    "diff-engines.txt": ["reqrep", "nanomsg", "nng", "--width", "165"],
    "diff-engines-100.txt": ["reqrep", "nanomsg", "nng"],
    "diff-engines-all.txt": ["nanomsg", "nng", "--all", "--width", "165"],
    "diff-function-120.txt": ["--function", "req_send", "--width", "120"],
    "diff-function-200.txt": ["--function", "req_send", "--width", "200"],
    "diff-function-two.txt": ["--function", "req_open", "raw", "zmq", "--width", "165"],
    "diff-helper.txt": ["--function", "tune", "--width", "80"],
    "diff-stat.txt": ["--stat"],
    "diff-unified.patch": ["--unified"],
    "diff-unified-engines.patch": ["--unified", "nanomsg", "nng"],
}


@pytest.mark.parametrize("name", FORMS)
def test_golden(name: str) -> None:
    is_golden(name, sample("diff", *FORMS[name]))


@pytest.mark.parametrize("width", [40, 80, 120, 165, 200])
def test_no_line_is_wider_than_asked(width: int) -> None:
    text = sample("diff", "--width", str(width))
    assert max(len(line) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", ["100", "200"])
def test_every_line_of_both_files_is_shown(width: str) -> None:
    text = re.sub(r"\s+", "", sample("diff", "--width", width))
    for panel in ("raw", "zmq"):
        for line in (SAMPLE / panel / "reqrep.c").read_text().splitlines():
            assert re.sub(r"\s+", "", line) in text


def test_the_patch_applies(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "raw", tmp_path / "raw")
    patch = sample("diff", "--unified")
    subprocess.run(["patch", "-s", str(tmp_path / "raw/reqrep.c")], input=patch, text=True, check=True)
    assert (tmp_path / "raw/reqrep.c").read_text() == (SAMPLE / "zmq/reqrep.c").read_text()


def test_a_helper_stands_with_the_function_it_precedes() -> None:
    whole = sample("diff", "--function", "req_open", "raw", "zmq")
    assert whole.index("tune(int fd") < whole.index("req_open(struct")


def test_a_function_that_is_asked_for_brings_the_helpers_that_it_calls() -> None:
    """Here the only recv() of step 1, which stands far above; each helper once."""
    out = tool("diff", "raw-1", "zmq-1", "--function", "req_recv", "--width", "100")[0]
    assert out.count("recv(conn->fd") == out.count("conn_recv(struct conn") == 1 and "conn_drop" not in out
    assert out.index("recv(conn->fd") < out.index("req_recv(struct req")
    (section,) = json.loads(tool("diff", "raw-1", "zmq-1", "--function", "req_recv", "--json")[0])["sections"]
    assert [block["name"] for block in section["blocks"]] == ["conn_recv", "req_recv"]
    assert "conn_recv(struct" in tool("diff", "raw-1", "zmq-1", "--function", "req_recv", "--unified")[0]


def test_functions_line_up_although_one_panel_has_more_above_them() -> None:
    rows = [line for line in sample("diff", "--width", "165").splitlines() if "req_send(struct" in line]
    assert len(rows) == 1 and rows[0].count("req_send(struct") == 2


def test_counts_follow_a_change(tmp_path: Path) -> None:
    def counts(tree: Path) -> list[int]:
        out, _ = tool("diff", "--tree", str(tree), "--stat")
        row = next(line.split() for line in out.splitlines() if line.startswith("req_close"))
        return [int(word) for word in row[1:]]

    tree = copy_of_sample(tmp_path)
    before = counts(tree)
    path = tree / "raw" / "reqrep.c"
    path.write_text(path.read_text().replace("    free(req);\n}", "    free(req);\n    errno = 0;\n}"))
    assert counts(tree) == [before[0], before[1], before[2] + 1, before[3]]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nobody", "raw"], "no panel 'nobody'"),
        (["raw"], "diff: which panel beside raw? ./triptych diff raw zmq"),
        (["zmq"], "diff: which panel beside zmq? ./triptych diff zmq raw"),
        (["raw", "raw"], "diff: two different panels, not raw raw; there are: raw zmq"),
        (["raw", "zmq", "nng"], "diff: two panels at a time, not 3: ./triptych diff raw zmq"),
        (["--function", "nothing"], "reqrep.c has no function 'nothing'; there are: file header includes"),
        (["--function", "req_snd"], "no function 'req_snd'; did you mean req_send?"),
        (["RAW", "zmq"], "no panel 'RAW'; did you mean raw?"),
        (["--width", "9"], "at least 40"),
        (["--width", "wide"], "--width"),
        (["--stat", "--unified"], "not allowed"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_command_lines(words: list[str], says: str) -> None:
    out, said = tool("diff", "--tree", str(SAMPLE), *words, status=2)
    assert out == "" and says in said and said.count("\n") == 1 and said.startswith("triptych: diff: ")


def test_a_missing_file_is_named() -> None:
    out, said = tool("diff", "--tree", str(SAMPLE), "pubsub", status=1)
    assert out == "" and "raw/pubsub.c is missing" in said


def test_living_sources() -> None:
    """Every pattern of every pair can be shown; what it shows is nobody's business here."""
    for words in (["reqrep"], ["pubsub", "zmq", "nng"], ["pubsub", "nanomsg", "nng"], ["--function", "sub_recv"]):
        assert tool("diff", *words)[0].count("\n") > 10


def on_a_terminal(*words: str, **environment: str) -> str:
    """What it prints on a terminal of 24 lines."""
    leader, follower = pty.openpty()
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools"), "compare.diff", "--tree", str(SAMPLE), *words]
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "LINES", "COLUMNS")}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=follower, env={**kept, "TERM": "xterm-256color", **environment}
    ) as process:
        os.close(follower)
        said = b""
        while True:
            try:
                data = os.read(leader, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            said += data
        assert process.wait(10) == 0
    os.close(leader)
    return said.decode()


def test_long_output_goes_to_the_pager() -> None:
    pager = f"{sys.executable} -c 'import sys; print(\"PAGED\", len(sys.stdin.read()) > 99)'"
    assert "PAGED True" in on_a_terminal("--width", "80", PAGER=pager)
    assert "PAGED" not in on_a_terminal("--function", "req_close", "raw", "zmq", "--width", "160", PAGER=pager)


def test_the_pager_says_how_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for less says what it was told to prompt."""
    less = tmp_path / "less"
    less.write_text('#!/bin/sh\ncat > /dev/null\necho "TOLD $*"\n')
    less.chmod(0o755)
    monkeypatch.delenv("PAGER", raising=False)
    told = on_a_terminal("--width", "80", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert re.search(r"TOLD -R -Ps.*q ends", told)


@pytest.mark.parametrize("width, marks", [("80", {"<", ">"}), ("165", {"|", "<", ">", "<>"})])
def test_each_mark_is_explained_above_the_code(width: str, marks: set[str]) -> None:
    key = re.search(r"^no mark: .*", sample("diff", "--width", width), re.M)
    assert key and set(re.findall(r"[<>|]+", key[0])) == marks
    assert "< raw only, > zmq only" in key[0]


def test_colours_on_a_terminal_unless_not_wanted() -> None:
    words = ("--function", "req_close", "raw", "zmq", "--width", "160")
    coloured = on_a_terminal(*words, PAGER="")
    assert "\x1b[" in coloured and "48;5;" in coloured  # words that changed have a background
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9]", on_a_terminal(*words, PAGER="", NO_COLOR="1"))
    assert "\x1b" not in sample("diff", *words)


# Which line stands opposite which.


def aligned(left: str, right: str) -> list[tuple[str, str, str]]:
    sides = [[Line(number, text) for number, text in enumerate(text.splitlines(), 1)] for text in (left, right)]
    return [(row.mark, row.left.text if row.left else "", row.right.text if row.right else "") for row in align(*sides)]


LEFT = "int a;\nfirst(call, with, many, words);\nonly_left();\nmore_left(x);\nint z;"
RIGHT = "int a;\nfirst(call, with, many, letters);\nint z;\nfree(nothing, here, alike);"


def test_lines_of_either_side_are_all_there() -> None:
    for left, right in ((LEFT, RIGHT), (RIGHT, LEFT), (LEFT, ""), ("", RIGHT), ("a\nb\nc", "x y\nz w q")):
        rows = aligned(left, right)
        assert [row[1] for row in rows if row[1]] == left.splitlines()
        assert [row[2] for row in rows if row[2]] == right.splitlines()


def test_only_lines_that_are_alike_are_a_pair() -> None:
    assert aligned(LEFT, RIGHT) == [
        (" ", "int a;", "int a;"),
        ("|", "first(call, with, many, words);", "first(call, with, many, letters);"),
        ("<", "only_left();", ""),
        ("<", "more_left(x);", ""),
        (" ", "int z;", "int z;"),
        (">", "", "free(nothing, here, alike);"),
    ]
    assert aligned("return one;", "while (two > 3)") == [("<>", "return one;", "while (two > 3)")]


def test_what_count_counts() -> None:
    def counts(left: str, right: str) -> list[int]:
        return count(align(*([Line(1, text) for text in side.split("\n")] for side in (left, right))))

    assert counts(LEFT, RIGHT) == [2, 1, 2, 1]
    assert counts("return one;", "while (two > 3)") == [0, 0, 1, 1], "next to each other, and unlike"
    assert counts("same", "same\n\n \n") == [1, 0, 0, 0], "blank lines do not count"
