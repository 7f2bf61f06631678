"""./triptych lab: running, comparing, reporting, searching, tidying up.

The experiments used here are made for the purpose, in a folder of their own; those of lab/ are run
by ./triptych lab all --check.
"""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tool
from conftest import ROOT
from programs import alive, until

pytest.importorskip("rich")

from harness import panels
from lab import experiments as lab
from lab import lab as verb

LAB = ["/usr/bin/python3", "-B", str(ROOT / "tools"), "lab.lab"]

FAKE = '''
import signal, time
from lab.workbench import Failed, Observation, Skip, Workbench
THEME = "request/reply"
ORDER = 1
QUESTION = "What is it?"
PREDICT = ["one", "two"]
PANELS = ["raw"]
EXPLANATION = """Because."""
SOURCES = ["the source"]
TRY_NEXT = "Something else."
EXPECTED = {{"raw": {{"n": {expected}}}}}
{settings}
def run(workbench, panel):
    workbench.say("now it happens")
    {body}
    return Observation({{"n": 2}}, "it is 2", 2)
'''


@pytest.fixture
def fake(tmp_path: Path) -> Any:
    """Writes experiments into a lab of their own, and runs ./triptych lab there."""

    class Fake:
        folder = tmp_path / "lab"

        def write(
            self, name: str, expected: str = "2", body: str = "pass", settings: str = ""
        ) -> None:
            self.folder.mkdir(exist_ok=True)
            text = FAKE.format(expected=expected, body=body, settings=settings)
            (self.folder / f"{name}.py").write_text(text)

        def start(self, *words: str) -> "subprocess.Popen[str]":
            environment = {**os.environ, "TRIPTYCH_LAB": str(self.folder), "TMPDIR": str(tmp_path)}
            return subprocess.Popen(
                [*LAB, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )

        def run(self, *words: str) -> tuple[int, str, str]:
            lab = {"TRIPTYCH_LAB": str(self.folder), "TMPDIR": str(tmp_path)}
            status, out, err = tool.run("lab.lab", *words, seconds=150, **lab)
            assert status is not None
            return status, out, err

        def leftovers(self) -> list[Path]:
            return list(tmp_path.glob("triptych-*"))

    return Fake()


@pytest.fixture(autouse=True)
def needs_raw() -> None:
    if not (panels.BUILD / "raw-rep").exists():
        pytest.skip("raw is not built")


def test_list_names_each_question(fake: Any) -> None:
    fake.write("one_thing")
    status, out, err = fake.run()
    assert status == 0 and "one-thing" in out and "What is it?" in out and "request/reply" in out


def test_one_experiment_from_question_to_try_next(fake: Any) -> None:
    fake.write("one_thing")
    status, out, err = fake.run("one-thing")
    assert status == 0, err
    order = [
        "What is it?",
        "now it happens",
        "it is 2",
        "Because.",
        "the source",
        "Something else.",
    ]
    places = [out.index(text) for text in order]
    assert places == sorted(places)
    assert "What do you expect?" not in out, "asked without a terminal"


def test_manual_pages_that_debian_does_not_ship_are_linked(fake: Any) -> None:
    fake.write("one_thing", settings='SOURCES = ["nn_recv(3), nng_ctx(5)", "poll(2), zmq_recv(3)"]')
    out = fake.run("one-thing")[1]
    assert re.findall(r"https://\S+", out) == [
        "https://nanomsg.org/v1.1.5/nn_recv.html",
        "https://nng.nanomsg.org/man/v1.10.0/nng_ctx.5.html",
    ]


def test_json(fake: Any) -> None:
    fake.write("one_thing", "[5, 6]")
    status, out, err = fake.run("one-thing", "--json")
    said = json.loads(out)
    assert status == 0
    (experiment,) = said["experiments"]
    raw = experiment["panels"]["raw"]
    assert (
        experiment["name"] == "one-thing"
        and raw["data"] == {"n": 2}
        and raw["expected"] == {"n": [5, 6]}
    )
    assert raw["status"] == "deviates" and raw["deviations"] == ["n: 2 (expected: 5 to 6)"]
    assert said["machine"] and set(said["versions"]) >= {"raw"}


def test_markdown_is_a_table_with_the_question(fake: Any) -> None:
    fake.write("one_thing")
    fake.write("other_thing", settings="THEME = 'publish/subscribe'")
    status, out, err = fake.run("all", "--markdown")
    assert status == 0 and "| **one-thing**: What is it? | it is 2 |" in out
    assert "## Publish/subscribe" in out and err.count("lab: ") == 2


def test_two_runs_stand_side_by_side_where_more_than_numbers_differ(fake: Any, tmp_path: Path) -> None:
    fake.write("one_thing")
    fake.write("two_things")
    run = json.loads(fake.run("all", "--json")[1])
    run["system"] = "Plan 9"
    one, two = (e["panels"]["raw"] for e in run["experiments"])
    one["phrase"], two["phrase"] = "it is 1 to 3", "it is gone"
    other = tmp_path / "other.json"
    other.write_text(json.dumps(run))
    out = fake.run("all", "--beside", str(other))[1]
    assert "What is it? | it is 2 |" in out, "numbers alone differ"
    assert f"| {run['system']}" not in out and "it is 2<br>Plan 9: it is gone |" in out
    for text in ("no json", "{}", "[]"):
        other.write_text(text)
        status, _, err = fake.run("all", "--beside", str(other))
        assert status == 2 and "is not the output of" in err and "lab: 1 of" not in err


def test_a_deviation_fails_a_check_alone(fake: Any) -> None:
    fake.write("one_thing", "3")
    assert fake.run("one-thing")[0] == 0
    status, out, err = fake.run("one-thing", "--check")
    assert (
        status == 1 and "n: 2 (expected: 3)" in out and "n: 2 (expected: 3)" in err
    )
    assert fake.run("all")[0] == 0 and fake.run("all", "--check")[0] == 1


@pytest.mark.parametrize("which", ["all", "one-thing"])
@pytest.mark.parametrize(
    "fault",
    ["return Observation({'n': 9}, 'late')", "raise Failed('late')"],
    ids=["deviates", "breaks-off"],
)
def test_a_check_makes_once_more_what_deviates(
    fake: Any, tmp_path: Path, which: str, fault: str
) -> None:
    """A second attempt is said; a deviation that repeats is a failure."""
    mark = tmp_path / "mark"
    mark.write_text("")
    times = f"import pathlib; p = pathlib.Path({str(mark)!r}); p.write_text(p.read_text() + '.')"
    fake.write("one_thing", body=f"{times}\n    if len(p.read_text()) == 1: {fault}")
    status, out, err = fake.run(which, "raw", "--check", "--json")
    assert status == 0 and "second attempt only: one-thing, raw" in err
    assert json.loads(out)["experiments"][0]["panels"]["raw"]["reruns"] == 1
    fake.write("one_thing", body=f"{times}\n    {fault}")
    mark.write_text("")
    status, _, err = fake.run(which, "raw", "--check")
    assert status == 1 and mark.read_text() == ".." and "second attempt only" not in err
    mark.write_text("")
    fake.run(which, "raw")
    assert mark.read_text() == ".", "only a check judges"


def test_an_experiment_that_breaks_off_fails(fake: Any) -> None:
    fake.write("one_thing", body="raise Failed('no luck')")
    fake.write("two_things", body="1 / 0")
    status, out, err = fake.run("all")
    assert status == 1 and "no luck" in err and "ZeroDivisionError" in err


def test_a_skip_passes_a_check_for_a_named_lack_alone(fake: Any) -> None:
    fake.write("one_thing", settings="NEEDS = ['cores:9999']")
    fake.write("two_things", body="raise Skip('no mounts', 'namespaces')")
    status, out, err = fake.run("all", "--check", "--json")
    assert status == 0, err
    raw = [e["panels"]["raw"] for e in json.loads(out)["experiments"]]
    assert [o["lack"] for o in raw] == ["cores", "namespaces"]
    for settings, body, why in (
        ("NEEDS = ['package:no-such-package-at-all']", "pass", "no-such-package-at-all"),
        ("NEEDS = ['program:no-such-program']", "pass", "no-such-program"),
        ("", "workbench.probe('no-such-probe')", "no probe no-such-probe"),
        ("", "raise Skip('I do not want to')", "I do not want to"),
    ):
        fake.write("two_things", settings=settings, body=body)
        assert fake.run("all")[0] == 0
        for which in ("all", "two-things"):
            status, _, err = fake.run(which, "--check")
            assert status == 1 and why in err, which


def test_a_step_may_stop_before_the_end(fake: Any) -> None:
    """It keeps a part of the contract, so that is no fault; a panel that ships, or a reader's, may not."""

    def outcome(body: str, panel: str) -> tuple[str, str]:
        fake.write("one_thing", body=body)
        seen = lab.Running(lab.load(fake.folder / "one_thing.py"), [panel]).run()[panel]
        return seen.status, seen.phrase

    for body, why in (("raise Failed('no luck')", "no luck"), ("1 / 0", "ZeroDivisionError")):
        assert outcome(body, "raw")[0] == outcome(body, "mine")[0] == "broken"
        status, phrase = outcome(body, "raw-2")
        assert status == "skipped" and why in phrase
        assert "raw-2 keeps a part of the contract: ./triptych steps raw-2" in phrase
    status, phrase = outcome("workbench.probe('no-such-probe')", "raw-2")
    assert status == "skipped" and "there is none for raw-2: name raw, zmq, nanomsg or nng" in phrase


def test_what_is_left_out_in_part_is_said(fake: Any) -> None:
    """A key that was not tried for a named lack deviates nowhere; without that it would."""
    left_out = "return Observation({}, 'tried nothing', 0, {'n': 'namespaces'})"
    fake.write("one_thing", body=left_out)
    status, out, _ = fake.run("one-thing", "--check", "--json")
    assert status == 0 and json.loads(out)["experiments"][0]["panels"]["raw"]["lack"] == "namespaces"
    fake.write("one_thing", body="return Observation({}, 'tried nothing', 0)")
    assert fake.run("one-thing", "--check")[0] == 1


def test_a_panel_that_is_not_built_fails_a_check(fake: Any, tmp_path: Path) -> None:
    build = tmp_path / "build"
    build.mkdir()
    for program in panels.BUILD.glob("raw-*"):
        (build / program.name).symlink_to(program)
    fake.write("one_thing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIPTYCH_BUILD", str(build))
        assert fake.run("all")[0] == 0 and fake.run("all", "raw", "--check")[0] == 0
        status, _, err = fake.run("all", "--check")
    assert status == 1 and "panel zmq is left out" in err


def test_what_is_luck_is_marked_and_not_compared(fake: Any) -> None:
    fake.write("one_thing", "{'luck': 'a coin'}")
    for form in ((), ("--markdown",)):
        status, out, _ = fake.run("all", "--check", *form)
        assert status == 0 and "~ luck: n: 2 (a coin)" in out, form
    assert "~ luck: n: 2 (a coin)" in fake.run("one-thing")[1]


def test_wrong_command_lines(fake: Any) -> None:
    fake.write("one_thing")
    for words in (("one-thin",), ("one-thing", "nobody"), ("--markdown",), ("--events",), ("all", "--events"), ("one-thing", "--what")):
        status, out, err = fake.run(*words)
        assert status == 2 and not out and err.startswith("triptych: lab: "), words
    assert "did you mean one-thing?" in fake.run("one-thin")[2]


def test_a_file_that_lacks_something_is_named(fake: Any) -> None:
    fake.write("one_thing")
    (fake.folder / "broken.py").write_text("THEME = 'request/reply'")
    status, _, err = fake.run("all")
    assert status == 1 and "broken.py" in err and "QUESTION" in err


SLEEPERS = (
    "server = workbench.ready('rep', workbench.url('ipc')); "
    "child = workbench.start('sh', '-c', 'sleep 100 & echo $! >{pids}; wait'); "
    "workbench.path('a file').write_text('x'); workbench.wait_for(lambda: False, 50)"
)


@pytest.mark.parametrize("name", ["one-thing", "all"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_lab_nothing_is_left(
    fake: Any, tmp_path: Path, number: int, name: str
) -> None:
    pids = tmp_path / "pids"
    fake.write("one_thing", body=SLEEPERS.format(pids=pids))
    process = fake.start(name)
    try:
        grandchild = int(until(lambda: pids.exists() and pids.read_text().strip(), 20))
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        started = [
            int(pid)
            for path in children.parent.parent.glob("*/children")
            for pid in path.read_text().split()
        ]
        assert len(started) >= 2
        process.send_signal(number)
        process.communicate(timeout=150)
    finally:
        process.kill()
    gone = [grandchild, *started] if number != signal.SIGKILL else started
    until(lambda: not any(alive(pid) for pid in gone), 10, f"{gone} to be gone")
    if number == signal.SIGKILL:  # sh's own child has no parent who could have asked for it
        os.kill(grandchild, signal.SIGKILL)
    else:
        assert process.returncode == 130
        assert not fake.leftovers()


def test_a_child_that_is_killed_breaks_nothing(fake: Any) -> None:
    body = "rep = workbench.ready('rep', workbench.url()); rep.kill(); rep.hear('summary', 5)"
    fake.write("one_thing", body=body)
    status, out, err = fake.run("all")
    assert status == 1 and "raw-rep ended by SIGKILL and has not said summary" in err
    assert not fake.leftovers()


def test_a_run_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, fake: Any) -> None:
    monkeypatch.setattr(lab, "RUN_SECONDS", 0.5)
    fake.write("one_thing", body="workbench.start('sleep', '100').hear('ever', 100)")
    started = time.monotonic()
    outcome = lab.Running(lab.load(fake.folder / "one_thing.py"), ["raw"]).run()["raw"]
    assert outcome.status == "broken" and "more than 0.5 s" in outcome.phrase
    assert time.monotonic() - started < 20


def test_a_search(fake: Any) -> None:
    """Words of its own lab, and of what every lab has: clauses and steps."""
    fake.write("one-thing", settings='FIND = "zebra crossing"')
    found = "lab one-thing\n  What is it?\n  ./triptych lab one-thing\n"
    assert fake.run("crossing", "zebras?") == (0, found, "")
    said = "triptych: lab: nothing answers 'xyzzy'; try other words. ./triptych lab lists all\n"
    assert fake.run("xyzzy") == (1, "", said)
    assert "did you mean one-thing?" in fake.run("one-thng")[2]
    assert fake.run("one-things") == (0, found, "")  # each word is one that is used
    assert "did you mean one-thing?" in fake.run("one-things", "--check")[2]
    assert fake.run("zebra", "--json")[0] == 2


@pytest.mark.parametrize("name, expected, share, said", [
    ("it", "3", 0.9, True), ("all", "3", 0.9, True), ("it", "3", 0.1, False), ("it", "2", 0.9, False), ("all", "2", 0.9, False),
])  # fmt: skip
def test_a_deviation_on_a_busy_machine_says_so(
    name: str, expected: str, share: float, said: bool, fake: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.write("it", expected)
    monkeypatch.setattr(verb, "load_all", lambda: lab.load_all(fake.folder))
    monkeypatch.setattr(verb, "Others", lambda: SimpleNamespace(share=lambda: share))
    monkeypatch.setattr(sys, "argv", ["lab", name, "raw", "--no-predict"])
    assert verb.main() == 0
    text = " ".join(capsys.readouterr().out.split())
    assert ("used 90% of the processors meanwhile. What deviates may come from that" in text) == said


def test_the_prediction_is_asked_on_a_terminal(fake: Any) -> None:
    fake.write("one_thing")
    master, slave = pty.openpty()
    environment = {**os.environ, "TRIPTYCH_LAB": str(fake.folder), "TERM": "dumb"}
    process = subprocess.Popen(
        [*LAB, "one-thing"], stdin=slave, stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    shown = ""

    def shows(text: str) -> bool:
        nonlocal shown
        if select.select([master], [], [], 0.05)[0]:
            try:
                shown += os.read(master, 65536).decode()
            except OSError:  # the other end is closed
                return True
        return text in shown

    until(lambda: shows("or Enter"), 20)
    os.write(master, b"7\n2\n")  # there is no 7: asked again
    until(lambda: shows("Something else."), 20)
    assert process.wait(20) == 0
    os.close(master)
    assert shown.count("  1 to 2, or Enter") == 1
    assert shown.index("2  two") < shown.index("now it happens"), "asked too late"
    assert "You expected: two. That came true in raw." in shown


def test_the_template_of_the_readme_runs(fake: Any) -> None:
    text = (ROOT / "lab" / "README.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    fake.folder.mkdir()
    (fake.folder / "template.py").write_text(block)
    status, out, err = fake.run("template", "raw")
    assert status == 0 and "comes first" in out and "not observed" not in out, err
