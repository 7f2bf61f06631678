"""check: it names the clause that a panel breaks, in words that fit; and it can fail at all."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rich.console import Console

from check import check as verb
from check import kept
from check import words as in_words
from check.clauses import CLAUSES
from check.contract import BROKEN, KEPT, NOT_REACHABLE, NOT_REACHED, Failure, Report, Result
from conftest import ROOT
from contract.test_template import LEFT_OUT, run
from harness import panels

# One process, so that the tree is built once; and early, because that takes a minute.
pytestmark = [pytest.mark.together, pytest.mark.first]

STEP = "raw/steps/5-lasting"
ROLES = ("req", "rep", "pub", "sub", "driver")

# One line changed in a copy of raw-5: file, what stands there, what is put there.
FAULTS: dict[str, tuple[str, str, str]] = {
    "cut": ("reqrep.c", "memcpy(out + HEAD, data, len);", "memcpy(out + HEAD, data, len > 70000 ? 70000 : len);"),
    "late": ("reqrep.c", "req->conn.id != req->id", "false"),
    "again": ("reqrep.c", "errno == EINTR;\n    return len;", "errno == EINTR;\n    errno = errno == ETIMEDOUT ? EAGAIN : errno;\n    return len;"),
    "once": ("reqrep.c", "RETRY_MS = 50", "RETRY_MS = 9000"),
    "blocking": ("reqrep.c", "MSG_NOSIGNAL | MSG_DONTWAIT", "MSG_NOSIGNAL"),
    "waits": ("reqrep.c", "if (!req->pending) {", "if (!req->pending && req->id > 1000) {"),
    "path": ("reqrep.c", "(void)unlink(rep->address.un.sun_path);", "(void)rep;"),
    "sieve": ("pubsub.c", "memcmp(list->bytes, data, list->len) != 0", "list->len > 200"),
    "patient": ("pubsub.c", "MSG_NOSIGNAL | MSG_DONTWAIT", "MSG_NOSIGNAL"),
    "hasty": ("pubsub.c", "while (!drop_served(pub) &&", "while (false && !drop_served(pub) &&"),
}  # fmt: skip

# The clause that the fault breaks, over this transport, and what must be said of it.
SAYS = {
    "cut": ("R1", "tcp", "differ|wrong|got"),
    "late": ("R2", "tcp", "got 'late'; expected 'right 0'|got 'to one'|got (another message: )?.*; expected 'true 0'"),
    "again": ("R3", "tcp", "EAGAIN"),
    "once": ("R5", "tcp", "failed with ETIMEDOUT after 2.0 s|nothing for 5 s"),
    "blocking": ("R6", "tcp", "did not return|not done|no answer|ETIMEDOUT"),
    "waits": ("R9", "tcp", "ETIMEDOUT|got False|req_recv"),
    "path": ("R10", "ipc", "the file was still there"),
    "sieve": ("P1", "tcp", "number \\d+ was .*; expected"),
    "patient": ("P3", "tcp", "pub_send|received, lost: .*\\(1, 0, 0\\)"),
}


def plant(tree: Path, name: str, fault: tuple[str, str, str]) -> str:
    """A copy of raw-5 under that name, with the fault; returns its line of panels.txt."""
    shutil.copytree(tree / STEP, tree / name)
    build = tree / name / "meson.build"
    build.write_text(build.read_text().replace("raw-5", name))
    for source in (tree / name).glob("*.c"):
        source.write_text(source.read_text().replace('"raw-5"', f'"{name}"'))
    if fault[0]:
        source = tree / name / fault[0]
        text = source.read_text()
        assert text.count(fault[1]) == 1, (name, text.count(fault[1]))
        source.write_text(text.replace(fault[1], fault[2]))
    return f"{name} {name} framing=raw {name}\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree whose panels are the template, raw-5 with a fault each, and ready programs."""
    if not shutil.which("meson"):
        pytest.skip("meson is not installed")
    tree = tmp_path_factory.mktemp("check") / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    lines = [plant(tree, name, fault) for name, fault in FAULTS.items()]
    lines.append(plant(tree, "sound", ("", "", "")))
    shutil.copytree(tree / "template", tree / "empty")
    for path in (tree / "empty").iterdir():
        path.write_text(path.read_text().replace("template", "empty"))
    lines.append("empty empty a panel that does nothing\n")
    (tree / "scripts").mkdir()
    for role in ROLES[:4]:
        script = tree / "scripts" / f"ready-{role}"
        script.write_text(f'#!/bin/sh\nexec {tree}/build/sound-{role} "$@"\n')
        script.chmod(0o755)
    lines.append("ready scripts kind=programs speaks=tcp programs of any language\n")
    (tree / "half").mkdir()
    for role in ROLES[:2]:
        (tree / "half" / f"half-{role}").symlink_to(tree / "scripts" / f"ready-{role}")
    lines.append("half half kind=programs speaks=tcp a client and a server\n")
    (tree / "panels.txt").write_text("".join(lines))
    names = [*FAULTS, "sound", "empty"]
    programs = [f"{name}-{role}" for name in names for role in ROLES]
    for argv in (("meson", "setup", "--buildtype", "plain", "build"), ("ninja", "-C", "build", *programs)):
        built = run(*argv, cwd=tree)
        assert built.returncode == 0, built.stdout[-4000:] + built.stderr
    return tree


def check(tree: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = ["/usr/bin/python3", "-B", "tools", "check.check", *words]
    environment = {**os.environ, "TRIPTYCH_BUILD": str(tree / "build"), "COLUMNS": "80"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=240
    )


def report(tree: Path, *words: str) -> dict[str, Any]:
    done = check(tree, *words, "--json")
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["kept"] == (done.returncode == 0)
    return found


@pytest.fixture(scope="module")
def planted(tree: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, "Future[dict[str, Any]]"]]:
    """What check says of each fault whose test is to run: most of the time it waits for a program
    that hangs, so several at once."""
    chosen = [item.callspec.params["name"] for item in request.session.items
              if getattr(item, "originalname", "") == "test_a_planted_fault_is_named"]  # fmt: skip
    with ThreadPoolExecutor(3) as pool:
        yield {name: pool.submit(report, tree, name, SAYS[name][0], f"--{SAYS[name][1]}") for name in chosen}


def results(found: dict[str, Any]) -> set[str]:
    return {r["result"] for c in found["clauses"].values() for r in c["results"].values()}


def test_the_template_keeps_nothing(tree: Path) -> None:
    found = report(tree, "empty")
    assert set(found["clauses"]) == set(CLAUSES)
    assert results(found) == {NOT_REACHED, "no test"}
    for pattern in found["first_exchange"].values():
        for result in pattern.values():
            assert "Function not implemented" in result["failures"][0]["came"]


def test_its_screen_says_what_was_done_expected_and_came(tree: Path) -> None:
    done = check(tree, "empty", "--tcp")
    assert done.returncode == 1 and not done.stderr
    rows = [line.split()[0] for line in done.stdout.splitlines() if line.endswith("–")]
    assert rows == list(CLAUSES)
    text = " ".join(done.stdout.split())
    assert "PANEL-req asks once. Expected: an answer. Came: empty-rep ended with status 1 (" in text
    assert "empty: of 20 clauses 0 kept, 20 not reached;" in text
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", SAYS)
def test_a_planted_fault_is_named(planted: dict[str, "Future[dict[str, Any]]"], name: str) -> None:
    clause, transport, words = SAYS[name]
    found = planted[name].result()
    result = found["clauses"][clause]["results"][transport]
    assert result["result"] == BROKEN, result
    came = [failure["came"] for failure in result["failures"]]
    assert any(re.search(words, one) for one in came), came
    for failure in result["failures"]:
        assert failure["test"].startswith(f"test_{clause}_") and "{" not in failure["done"]


def test_without_a_fault_these_clauses_are_kept(tree: Path) -> None:
    clauses = sorted({clause for clause, *_ in SAYS.values()} - {"P3"})
    found = report(tree, "sound", *clauses, "--tcp", "--ipc")
    broken = [c for c, about in found["clauses"].items()
              if any(r["result"] == BROKEN for r in about["results"].values())]  # fmt: skip
    if broken:  # a busy machine breaks one now and then, but not twice
        found = report(tree, "sound", *broken, "--tcp", "--ipc")
    assert found["kept"] and results(found) == {KEPT}, found


def test_clauses_are_selected_exactly(tree: Path) -> None:
    found = report(tree, "sound", "R1", "--tcp")
    assert list(found["clauses"]) == ["R1"] and list(found["first_exchange"]) == ["reqrep"]
    names = re.findall(r"def (test_R1_\w+)", (tree / "tests/contract/test_reqrep.py").read_text())
    assert found["clauses"]["R1"]["results"]["tcp"]["passed"] == len(names)
    assert report(tree, "sound", "r9", "--tcp")["kept"]  # the launcher lets R9 pass only


def test_what_pytest_has_made_of_the_tests_is_kept_in_the_build_folder(tree: Path) -> None:
    report(tree, "sound", "R9", "--tcp")
    assert list((tree / "build" / "pycache").rglob("test_reqrep*.pyc"))
    assert not [path for path in tree.rglob("*.pyc") if tree / "build" not in path.parents]


def test_what_needs_the_driver_is_not_reachable(tree: Path) -> None:
    found = report(tree, "ready", "R1", "R2", "P1", "P5")
    words = {clause: c["results"]["tcp"]["result"] for clause, c in found["clauses"].items()}
    assert words == {"R1": KEPT, "R2": NOT_REACHABLE, "P1": KEPT, "P5": NOT_REACHABLE}
    assert found["transports"] == ["tcp"]
    shown = check(tree, "ready", "R1", "R2", "--tcp").stdout
    assert "\n✓ kept  ? not reachable\n" in shown  # the marks that stand there, and no other
    told = "R1 R2: some tests do not apply to ready: they need PANEL-driver, which calls the functions of"
    assert told in " ".join(shown.split())


def test_one_pattern_needs_its_programs_alone(tree: Path) -> None:
    assert report(tree, "half", "R1")["kept"]
    done = check(tree, "half")
    said = "triptych: check: panel half: half/ lacks half-pub, half-sub, needed for pubsub\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_json_is_as_the_schema_says(tree: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "tools/check/check.schema.json").read_text())
    for words in (("late", "R2", "R7"), ("empty", "--reqrep"), ("ready", "P5")):
        jsonschema.validate(report(tree, *words, "--tcp"), schema)


@pytest.mark.parametrize(
    "words, said",
    [
        ((), "which panel?"),
        (("nobody",), "no panel 'nobody'"),
        (("sound", "R12"), "no clause 'R12'"),
        (("sound", "R1", "--pubsub"), "none of these clauses"),
        (("ready", "--ipc"), "does not speak ipc"),
        (("sound", "--tpc"), "did you mean --tcp?"),
    ],
)
def test_a_wrong_command_line_gives_one_line(tree: Path, words: tuple[str, ...], said: str) -> None:
    done = check(tree, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and said in done.stderr


def test_the_step_of_a_clause_is_the_first_that_keeps_it() -> None:
    steps = [panel for panel in panels.read_panels() if re.fullmatch(r"raw-\d", panel.name)]
    keeps = [(step.name, kept.read_kept(step)) for step in steps]
    for name, clause in CLAUSES.items():
        first = next(step for step, claims in keeps if claims[name].word == kept.KEPT)
        assert clause.step == first, name


def test_every_clause_has_its_words() -> None:
    """Each test of a clause says what it does; each experiment and step exists."""
    contract = (ROOT / "common/CONTRACT.md").read_text()
    titles = re.findall(r"^- \*\*([RP]\d+)\*\*", contract, re.MULTILINE)
    assert titles == list(CLAUSES)
    panels = (ROOT / "panels.txt").read_text()
    for clause in CLAUSES.values():
        assert (ROOT / "lab/experiments" / f"{clause.experiment.replace('-', '_')}.py").exists()
        assert re.search(rf"^{clause.step} ", panels, re.MULTILINE)
    for path in (ROOT / "tests/contract").glob("test_*.py"):
        text = path.read_text()
        tests = re.findall(r"((?:^@.*\n(?:[ )].*\n)*)*)def (test_[RP]\d\w*)", text, re.MULTILINE)
        for decorators, name in tests:
            assert "@pytest.mark.says(" in decorators, name


@pytest.mark.parametrize("word, now", [(BROKEN, "over tcp: broken"), (KEPT, ": kept")])
def test_what_kept_txt_calls_luck_is_luck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, now: str
) -> None:
    """Whatever one run saw: the row has the mark of luck, and the sentence its rate and reason."""
    says = {clause: "kept" for clause in CLAUSES} | {"R2": "luck 3 of 10 because of the weather"}
    (tmp_path / "kept.txt").write_text("".join(f"{c} {words}\n" for c, words in says.items()))
    monkeypatch.setattr(panels, "ROOT", tmp_path)
    step = panels.Panel("raw-1", ".", "made up", kind="step")
    failed = Result(word, failures=[Failure("test_R2_x", "tcp", "a", "b", "c", "")] * (word == BROKEN))
    rows = {"R1": {"tcp": Result(KEPT), "ipc": Result(KEPT)}, "R2": {"tcp": failed, "ipc": Result(KEPT)}}
    report = Report("raw-1", ("tcp", "ipc"), rows, {})
    console = Console(width=100, highlight=False)
    with console.capture() as capture:
        verb.show(console, step, report, verb.lucky(step))
    shown = capture.get()
    assert re.search(r"^ R1 .* ✓ +✓$", shown, re.M) and re.search(r"^ R2 .* ~ +~$", shown, re.M)
    assert f"R2: luck, kept in 3 of 10 trials: of the weather. This time{'' if now[0] == ':' else ' '}{now}." in shown
    assert "\n✓ kept  ~ luck\n" in shown and "Next:" not in shown and "of 2 clauses 1 kept, 1 luck;" in shown


def test_times_in_words() -> None:
    assert [in_words.seconds(us) for us in (7, 1000, 949_999, 950_000, 2_340_000)] == ["7 us", "1 ms", "950 ms", "0.9 s", "2.3 s"]


def test_what_differs_first_is_said() -> None:
    def said(left: object, right: object) -> str:
        return in_words.assertion("", "assert got == sent", ("==", left, right), [])

    assert said(["a", "b"], ["a", "c"]) == "number 2 was 'b'; expected 'c'"
    assert said(["a"], ["a", "b"]) == "1 of them; expected 2"
    assert said("a", "b") == "got 'a'; expected 'b'"
    assert said("\0\1\2", "true 0") == "got another message: 3 bytes that are no text; expected 'true 0'"
    assert said("true 0", "\0") == "got another message: 'true 0'; expected 1 bytes that are no text"


def test_a_drivers_answer_in_words() -> None:
    assert in_words.answer({"result": -1, "errno": "EPIPE", "us": 2000}, "req_send") == "req_send failed with EPIPE after 2 ms"
    assert in_words.answer({"result": 0, "us": 1}, "req_send") == "req_send succeeded"
    assert in_words.answer({"result": 3, "text": "abc"}, "req_recv") == "req_recv returned 'abc'"
    assert in_words.answer({"result": 9, "wrong": 2}, "") == "9 answers, 2 of them wrong"
    assert in_words.answer({"result": 9, "ordered": False}, "") == "9 events, not in order"
