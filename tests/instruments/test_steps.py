"""./triptych steps: the table, the picture, kept.txt against the tests, the programs that break."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from check.clauses import CLAUSES
from compare import steps, steps_check
from compare.echo import BREAKS, FOLDER
from compare.picture import picture
from check.kept import BROKEN, KEPT, NOT_REACHABLE, Claim, kept_file
from conftest import ROOT
from harness.chart import script
from harness.panels import Panel, read_panels
from harness.svg import svg_text
from test_size import NEEDED
from tool import copy_of_sample, tool

pytestmark = pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {' '.join(NEEDED)}")

ALL = [panel for panel in read_panels() if panel.kind in ("step", "shipped")]
STEPS = [panel for panel in ALL if panel.kind == "step"]
by_name = {panel.name: panel for panel in ALL}
OTHERS = {
    "R2": "broken test_R2_x because it is so",
    "R3": "luck 3 of 10 because of the weather",
    "R4": "not reachable because nobody can",
}


def made_up(folder: Path, **lines: str) -> Path:
    """A tree with one step, raw-1, that keeps all clauses but these."""
    tree = copy_of_sample(folder)
    step = tree / "raw/steps/1-lecture"
    step.mkdir(parents=True)
    for copy in (step / "reqrep.c", step / "pubsub.c", tree / "raw/pubsub.c"):
        shutil.copy(tree / "zmq/reqrep.c", copy)
    (tree / "panels.txt").write_text(
        "raw raw kind=shipped colour=blue mark=● sockets\nraw-1 raw/steps/1-lecture kind=step first\n"
    )
    words = {clause: "kept" for clause in CLAUSES} | lines
    (step / "kept.txt").write_text("# made up\n\n" + "".join(f"{c} {w}\n" for c, w in words.items() if w))
    return tree


def steps_of(tree: Path, *words: str, status: int = 0) -> tuple[str, str]:
    return tool("steps", "--tree", str(tree), *words, status=status)


def test_the_table_says_what_kept_txt_says(tmp_path: Path) -> None:
    tree = made_up(tmp_path, **OTHERS)
    (first, whole) = json.loads(steps_of(tree, "--json")[0])
    assert (first["name"], first["towards"], first["kept"], first["not_reachable"]) == ("raw-1", "raw", 17, 1)
    assert (whole["name"], whole["kept"]) == ("raw", 20)
    assert first["clauses"]["R2"] == {
        "word": BROKEN, "reason": "it is so", "test": "test_R2_x", "rate": "", "passes": [],
        "title": CLAUSES["R2"].title, "experiment": CLAUSES["R2"].experiment,
    }  # fmt: skip
    assert first["adds"] is None
    assert (whole["adds"]["to"], whole["adds"]["gained"], whole["adds"]["lost"]) == ("raw-1", ["R2", "R3", "R4"], [])
    assert whole["adds"]["lines"] == whole["lines"] - first["lines"]
    assert first["clauses"]["R3"]["rate"] == "3 of 10"
    row = next(line for line in steps_of(tree, "--markdown")[0].splitlines() if "raw-1" in line)
    marks = [cell.strip() for cell in row.split("|")[4:-2]]
    assert marks == ["✓", "✗", "~", "?"] + ["✓"] * 16
    shown = steps_of(tree)[0]
    assert re.search(r"raw-1 .*✓ +✗ +~ +\? +✓.* 17$", shown, re.M)
    assert re.search(r"^Lines without the (\d+) of template/", shown, re.M)
    told = steps_of(tree, "raw-1")[0]
    for reason in ("it is so", "3 of 10", "of the weather", "nobody can"):
        assert reason in told


@pytest.mark.together
@pytest.mark.parametrize("width", [60, 80, 150])
def test_the_table_is_whole_at_any_width(width: int) -> None:
    """No name, figure or mark is cut; where one table does not fit, there is one a pattern."""
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as captured:
        steps.show_table(console, counted(), 1)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    assert max(map(len, lines)) <= width and "…" not in captured.get()
    assert "R1 to P9: clauses of common/CONTRACT.md." in captured.get()
    for step in counted():
        rows = [line.split()[2:] for line in lines if line.split()[1:2] == [step.panel.name]]
        marks = [steps.MARKS[claim.word][0] for claim in step.claims.values()]
        kept, count = str(step.count(KEPT)), f"{step.lines:,}"
        apart = [[count, *marks[:11]], [*marks[11:], kept]]
        assert rows == ([[count, f"{step.tokens:,}", *marks, kept]] if width == 150 else apart), step.panel.name
    heads = [line.split() for line in lines if re.match(" +(lines|P1) ", line)]
    assert [name for head in heads for name in head if name in CLAUSES] == list(CLAUSES)


def test_what_a_step_adds(tmp_path: Path) -> None:
    told = steps_of(made_up(tmp_path, **OTHERS), "raw-1", "raw")[0]
    for clause in ("R2", "R3", "R4"):
        assert re.search(rf"^gained {clause} +{CLAUSES[clause].title}$", told, re.M)
        assert f"./triptych lab {CLAUSES[clause].experiment}" in told
    assert "gained R1 " not in told and "lost" not in told
    assert "it is so" in told and "reqrep.c: lines that are not blank" in told
    assert "\nlost R2 " in steps_of(tmp_path / "tree", "raw", "raw-1")[0]


@pytest.mark.parametrize(
    "lines, said",
    [
        ({"R2": "kept perhaps"}, "kept.txt, line 4: no clause, or no claim: R2 kept perhaps"),
        ({"R2": "broken because of it"}, "line 4"),
        ({"R2": "kept\nR2 kept"}, "R2 stands there twice"),
        ({"R2": ""}, "says nothing of R2"),
        ({"R2": "kept\n    passes test_R2_x"}, "line 5: \"passes TEST\" stands below a broken clause"),
        ({"R2": "broken test_R2_x because\n    passes"}, "line 4"),
        ({"Q1": "kept"}, "Q1 kept"),
    ],
    ids=str,
)
def test_a_wrong_kept_txt_is_refused(tmp_path: Path, lines: dict[str, str], said: str) -> None:
    told = steps_of(made_up(tmp_path, **lines), status=1)[1]
    assert told.count("\n") == 1 and said in told


@pytest.mark.parametrize(
    "words",
    [["nobody"], ["raw-1", "raw-1"], ["raw-1", "raw-2", "raw-3"], ["echo", "raw-1"], ["--check", "raw"],
     ["--check", "nobody"], ["--width", "9"], ["--nothing"]],
    ids=" ".join,
)  # fmt: skip
def test_what_the_command_line_shows_to_be_wrong(words: list[str]) -> None:
    out, told = tool("steps", *words, status=2)
    assert out == "" and told.count("\n") == 1 and told.startswith("triptych: steps: ")


# The tree's own steps.


@cache
def counted() -> list[steps.Step]:
    """With their lines."""
    found = steps.all_steps()
    steps.count_lines(found)
    return found


@pytest.mark.together
def test_the_points_are_the_figures_of_size_and_of_kept_txt() -> None:
    report = json.loads(tool("size", "--steps", "--source", "--json")[0])
    rows = {m["key"]: m["values"] for m in report["measures"] if m["part"] == "net of template"}
    found = counted()
    assert {step.panel.name for step in found if step.panel.kind == "step"} == {p.name for p in STEPS}
    assert all(step.tokens == rows["tokens"][step.panel.name] for step in found if step.panel in ALL)
    chart = picture([step.as_json() for step in found])
    points = {n: p for line in chart.lines for n, p in zip(line.names, line.points)}
    for panel in ALL:
        (point,) = [point for name, point in points.items() if name.split(" ")[1] == panel.name]
        kept = 20
        if panel.kind == "step":
            kept = len(re.findall(r"^[RP]\d+ kept$", kept_file(panel).read_text(), re.M))
        assert point == (rows["lines"][panel.name], kept), panel.name
        assert f"\n{point[0]} {point[1]}\n" in script(chart, "dumb size 78,27 mono")


@pytest.mark.together
def test_the_page_shows_the_table_of_today() -> None:
    assert steps.markdown(counted()) in (ROOT / "raw/steps/README.md").read_text()


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    out = tool("steps", "--svg", str(tmp_path / "a.svg"))[0]
    drawn = (tmp_path / "a.svg").read_text()
    for panel in ALL:
        assert re.search(rf"[> ]{panel.name}( \+\d\?)?<", drawn) and (panel.name in out or not shutil.which("gnuplot"))


@pytest.mark.together
def test_the_names_in_the_picture_stand_apart() -> None:
    """A letter is less than 9 of its pixels wide, and 12 high; a hollow point says how many more it may keep."""
    chart = picture([step.as_json() for step in counted()])
    texts = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">(?:<tspan[^>]*>.</tspan> )?([a-z][\w-]+(?: \+\d\?)?)</text>', svg_text(chart))
    names = {words.split()[0]: (float(x) - (len(words) * 9 if side == "end" else 0), float(y), words) for x, y, side, words in texts}
    assert set(names) == {step.panel.name for step in counted()}
    for (one, (x, y, words)), (other, (at, height, _)) in itertools.combinations(sorted(names.items(), key=lambda item: item[1]), 2):
        assert abs(y - height) > 12 or at > x + len(words) * 7, f"{one} and {other} overlap"
    assert {name for name, (*_, words) in names.items() if "+" in words} == {"raw-1", "raw-dgram", "winsock"}


def verdict(monkeypatch: pytest.MonkeyPatch, name: str, **claims: Claim) -> list[str]:
    """What --check has against these claims of a step, over tcp and ipc."""
    monkeypatch.setattr(steps_check, "read_kept", lambda panel: claims)
    return steps_check.check_step(replace(by_name[name], speaks=("tcp", "ipc"))).wrong


def built(*names: str) -> bool:
    return all(by_name[name].built for name in names)


@pytest.mark.skipif(not built("raw-1", "raw-5"), reason="raw-1 or raw-5 is not built")
def test_a_step_is_compared_with_its_kept_txt_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    r4 = Claim(BROKEN, "it is so", "test_R4_nobody_there_yet")
    r9 = Claim(BROKEN, "it is so", "test_R9_rep_send_out_of_turn")
    assert verdict(monkeypatch, "raw-1", R4=r4) == []
    assert verdict(monkeypatch, "raw-5", R4=Claim(KEPT), R9=Claim(KEPT)) == []
    (too_much,) = verdict(monkeypatch, "raw-1", R4=Claim(KEPT))
    assert "R4 is said to be kept" in too_much and "test_R4_" in too_much
    (too_little,) = verdict(monkeypatch, "raw-5", R4=Claim(KEPT), R9=r9)
    assert "R9 is said to be broken, and test_R9_rep_send_out_of_turn passes" in too_little
    (reached,) = verdict(monkeypatch, "raw-5", R9=Claim(NOT_REACHABLE, "it is so"))
    assert "tests of it pass" in reached
    (nothing,) = verdict(monkeypatch, "raw-5", R9=Claim(BROKEN, "it is so", "test_R9_nothing"))
    assert "there is no test test_R9_nothing that applies" in nothing


@pytest.mark.skipif(not built("raw-1"), reason="raw-1 is not built")
def test_what_passes_although_the_clause_is_broken_must_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody, first, stale = "test_R4_nobody_there_yet", "test_R4_client_first", "test_R10_stale_path"
    r10 = Claim(BROKEN, "it is so", stale, passes=("test_R10_address_in_use", "test_R10_regular_file_in_the_way"))
    assert verdict(monkeypatch, "raw-1", R10=r10) == []
    (fails,) = verdict(monkeypatch, "raw-1", R4=Claim(BROKEN, "it is so", nobody, passes=(first,)))
    assert "R4: test_R4_client_first is said to pass, and fails over" in fails
    (absent,) = verdict(monkeypatch, "raw-1", R10=Claim(BROKEN, "it is so", stale, passes=("test_R10_nothing",)))
    assert "R10: test_R10_nothing is said to pass, and has not been reached" in absent


def test_what_should_be_kept_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["R4 fails", "R9 fails", "", "R9 fails again"]
    tried: list[list[str]] = []
    monkeypatch.setattr(steps_check, "read_kept", lambda panel: {"R4": Claim(KEPT), "R9": Claim(KEPT)})
    monkeypatch.setattr(steps_check, "run", lambda panel, clauses, **more: tried.append(list(clauses)))
    monkeypatch.setattr(steps_check, "compare", lambda *claim: answers.pop(0))
    found = steps_check.check_step(by_name["raw-5"])
    assert tried == [["R4", "R9"], ["R4", "R9"]]
    assert [text.rpartition(": ")[2] for text in found.wrong] == ["R9 fails"]
    assert found.notes == ["R4: kept at the second attempt only; the first: R4 fails"]


@pytest.mark.skipif(not built("raw-1"), reason="raw-1 is not built")
def test_check_ends_with_the_counts_that_ci_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    r4 = Claim(BROKEN, "it is so", "test_R4_nobody_there_yet")
    monkeypatch.setattr(steps_check, "read_kept", lambda panel: {"R4": r4})
    assert steps_check.check_steps(["raw-1"], as_json=False) == 0
    assert capsys.readouterr().out.endswith("\n1 passed, 0 failed\n")
    monkeypatch.setattr(steps_check, "read_kept", lambda panel: {"R4": Claim(KEPT)})
    assert steps_check.check_steps(["raw-1"], as_json=False) == 1
    assert capsys.readouterr().out.endswith("\n0 passed, 1 failed\n")


MOST = {("raw-1", "raw-2"): 80}  # changed lines of a file between neighbours, else:
MOST_ELSE = 150
WAY = ["raw-1", "raw-2", "raw-3", "raw-4", "raw-5"]


@pytest.mark.skipif(not shutil.which("git"), reason="no git to count changed lines")
@pytest.mark.parametrize("one, other", list(zip(WAY, WAY[1:])), ids="-".join)
def test_neighbours_differ_by_few_lines_and_the_page_says_how_many(one: str, other: str) -> None:
    counted = []
    for name in ("reqrep.c", "pubsub.c"):
        paths = [str(ROOT / by_name[panel].folder / name) for panel in (one, other)]
        words = ["git", "diff", "--no-index", "--numstat", *paths]
        said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        counted.append(sum(map(int, said.split()[:2])))
    assert max(counted) <= MOST.get((one, other), MOST_ELSE)
    row = f"| `{one}` | `{other}` | {counted[0]} | {counted[1]} |"
    assert row in (ROOT / "raw/steps/README.md").read_text("utf-8"), row


# echo


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_line_in_each_head_compiles(compiler: str, tmp_path: Path) -> None:
    if not (found := shutil.which(compiler)):
        pytest.skip(f"no {compiler}")
    (tmp_path / "cc").symlink_to(found)
    (tmp_path / "programs").mkdir()
    path = f"{tmp_path}:{os.environ['PATH']}"
    words = [sys.executable, "-B", "-c", COMPILE, str(tmp_path / "programs")]
    done = subprocess.run(words, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    made = {p.name for p in (tmp_path / "programs").iterdir() if os.access(p, os.X_OK)}
    assert made == {"stream-server", "stream-client", "datagram-server", "datagram-client"}


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.1:", "[::1]:65536", "127.0.0.1:-1", "127.0.0.1:5x", "here"])
def test_the_echo_programs_refuse_what_is_no_address(address: str, echo_server: Path) -> None:
    done = subprocess.run([echo_server, address], capture_output=True, text=True, timeout=150)
    assert done.returncode == 2 and done.stderr == f"{address}: not IPV4:PORT, [IPV6]:PORT or /PATH\n"


@pytest.fixture(scope="module")
def echo_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("cc"):
        pytest.skip("no C compiler named cc")
    made = tmp_path_factory.mktemp("echo") / "stream-server"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-o", made, ROOT / FOLDER / "stream_server.c"], check=True)
    return made


COMPILE = f"""
import sys, pathlib
sys.path.insert(0, {str(ROOT / "tools")!r})
from compare.echo import compile_programs
compile_programs(pathlib.Path(sys.argv[1]))
"""


def processes_of(folder: Path) -> list[str]:
    """Programs that still run and were compiled there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append(str((process / "exe").readlink()))
        except OSError:
            pass
    return [path for path in found if path.startswith(str(folder))]


needs_cc = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler named cc")


@needs_cc
def test_every_break_comes_about_and_nothing_is_left() -> None:
    with tempfile.TemporaryDirectory(prefix="t3-") as short:  # a socket's path has 107 characters
        report = json.loads(tool("steps", "echo", "--json", TMPDIR=short)[0])
        assert processes_of(Path(short)) == [] and os.listdir(short) == []
    assert [line.split()[0] for line in report["compiled"]] == ["cc"] * 4
    assert [one["name"] for one in report["breaks"]] == [one.name for one in BREAKS]
    experiments = {path.stem.replace("_", "-") for path in (ROOT / "lab/experiments").glob("*.py")}
    for one in report["breaks"]:
        assert one["came_about"], one["after"]
        assert one["seconds"] < 5 and one["before"] and one["after"]
        assert one["experiment"] in experiments
        assert any(act["printed"] for act in one["acts"]) or one["name"] in ("lost",), one
    assert sum(one["seconds"] for one in report["breaks"]) < 20


@needs_cc
def test_a_break_that_does_not_come_about_is_told(tmp_path: Path) -> None:
    tree = made_up(tmp_path)
    shutil.copytree(ROOT / FOLDER, tree / FOLDER)
    server = tree / FOLDER / "stream_server.c"
    text = server.read_text()
    assert "        if (n < 0)\n            fail(\"recv\");\n" in text
    server.write_text(
        text.replace("fail(\"send\");", "break;")
        .replace("        if (n < 0)\n            fail(\"recv\");\n", "")
        .replace("(size_t)n, 0) < 0)", "(size_t)n, MSG_NOSIGNAL) < 0)")
    )
    out, told = steps_of(tree, "echo", "--json", status=1)
    other = [one["name"] for one in json.loads(out)["breaks"] if not one["came_about"]]
    assert other == ["vanishing"]
    assert "It came otherwise: the server still runs" in out


def test_the_steps_that_repair_a_break_are_there_or_to_come() -> None:
    names = {panel.name for panel in read_panels()} | {"raw-dgram"}
    assert {one.step for one in BREAKS} <= names


def test_a_step_of_a_panel_that_has_two_has_a_file_of_its_own() -> None:
    folders = [panel.folder for panel in STEPS]
    for panel in STEPS:
        shared = folders.count(panel.folder) > 1
        assert kept_file(panel).name == (f"kept-{panel.name}.txt" if shared else "kept.txt")


def test_a_panel_without_a_step_keeps_all() -> None:
    assert isinstance(by_name["raw"], Panel)
    assert {claim.word for claim in steps.read_kept(by_name["raw"]).values()} == {KEPT}
