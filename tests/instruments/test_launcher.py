"""./triptych itself: what it says of verbs, words and options, before it installs or builds anything; new."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess

import pytest

from conftest import ROOT
from harness import panels
from launcher import Tree, refused, tree  # noqa: F401

VERBS = {
    "demo": "demo/demo.py", "lab": "lab/lab.py", "diff": "compare/diff.py", "size": "compare/size.py",
    "wire": "wire/view/wire.py", "bench": "bench/bench.py", "test": "check/test.py",
    "check": "check/check.py", "steps": "compare/steps.py",
    "teach": "teach/teach.py", "grade": "grade/grade.py", "net": "net/net.py",
    "web": "web/web.py", "report": "web/report.py",
}  # fmt: skip


def test_the_verbs_are_listed(tree: Tree) -> None:
    said = refused(tree)
    names = [line.split()[0] for line in said.splitlines()[1:]]
    assert names == [*"demo lab diff steps size wire bench check net grade web report teach test build new install help".split()]
    assert all(len(line) <= 80 and len(line.split()) > 3 for line in said.splitlines())
    out, _ = tree.run("help", status=0)
    assert all(line in out for line in said.splitlines()[1:])
    assert "with --json:\n    lab diff steps size wire bench check grade\n" in out


@pytest.mark.parametrize("verb", [*VERBS, "build", "new", "install", "help"])
def test_help_needs_nothing(tree: Tree, verb: str) -> None:
    tree.fake("python3", "exit 9")
    out, said = tree.run(verb, "--help", status=0)
    assert said == "" and not tree.asked() and not (tree.folder / "build").exists()
    assert out.startswith("NAME\n" if verb == "help" else f"./triptych {verb} - ")
    assert verb == "help" or f"Usage:  ./triptych {verb}" in out
    assert all(len(line) <= 80 for line in out.splitlines()), "a terminal has 80 columns"
    assert tree.run(verb, "-h", status=0)[0] == tree.run("help", verb, status=0)[0] == out


def test_the_version_is_that_of_the_build(tree: Tree) -> None:
    shutil.copy(ROOT / "meson.build", tree.folder)
    (version,) = re.findall("version: '([0-9.]+)'", (ROOT / "meson.build").read_text().partition("license")[0])
    for word in ("--version", "-v", "-V"):
        assert tree.run(word, status=0) == (f"triptych {version}\n", "")


def test_output_that_cannot_be_written_is_said(tree: Tree) -> None:
    for words in (["help"], ["demo", "-h"], ["build", "--help"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(tree.folder / "triptych"), *words], stdout=full, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (1, "triptych: standard output cannot be written\n")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([str(tree.folder / "triptych"), "help"], stdout=writer, stderr=subprocess.PIPE, text=True,
                          preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_no_word_is_obeyed_by_a_terminal(tree: Tree) -> None:
    said = refused(tree, "demo", "\x1b[31mraw\x07")
    assert "'?[31mraw?'" in said and "\x1b" not in said


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_text_names_every_option(verb: str) -> None:
    """The launcher lets pass what the help text names: so nothing may be missing there."""
    source = (ROOT / "tools" / VERBS[verb]).read_text()
    text = source.split('"""')[1]
    for call in re.findall(r"add_argument\(.*", source):
        for option in re.findall(r'"(--?[a-z][-a-z]*)"', call if "SUPPRESS" not in call else ""):
            assert option in ("-h", "--help") or re.search(rf"(?<![-a-z]){option}(?![-a-z])", text), option
            takes = "metavar" in call or option == "-k"
            assert not takes or re.search(rf"{option} [A-Z]", text), f"{option} takes a value"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("dmo", "no verb 'dmo'; did you mean demo?"),
        ("tset", "no verb 'tset'; did you mean test?"),
        ("xyzzy", "no verb 'xyzzy'; there are: demo lab"),
        ("demo foo", "demo: no panel 'foo'; there are: reqrep pubsub raw zmq nanomsg nng "),
        ("demo pub", "demo: no panel 'pub'; did you mean pubsub?"),
        ("size nano", "size: no panel 'nano'; did you mean nanomsg?"),
        ("demo pubsub zqm", "demo: no panel 'zqm'; did you mean zmq?"),
        ("demo pubsbu", "demo: no panel 'pubsbu'; did you mean pubsub?"),
        ("demo --hlep", "demo: no option '--hlep'; did you mean --help?"),
        ("help stesp", "no verb 'stesp'; did you mean steps?"),
        ("demo raw --plian", "demo: no option '--plian'; did you mean --plain?"),
        ("demo --json", "demo: no option '--json'; these verbs have it: lab diff steps size wire bench check grade;"),
        ("demo --text", "demo: --text needs its FILE;"),
        ("wire --size 64 rwa", "wire: no panel 'rwa'; did you mean raw?"),
        ("wire --size=64 --ip", "wire: no option '--ip'; did you mean --ipc?"),
        ("test -k R4 -y", "test: no option '-y';"),
        ("test raw -k", "test: -k needs its EXPRESSION;"),
        ("test nmq", "test: no panel 'nmq'; did you mean zmq?"),
        ("lab slow-joinre", "lab: no experiment 'slow-joinre'; did you mean slow-joiner?"),
        ("lab slow_joinre raw", "lab: no experiment 'slow-joinre'; did you mean slow-joiner?"),
        ("lab fork rwa", "lab: no panel 'rwa'; did you mean raw?"),
        ("lab who filters --jsn", "lab: no option '--jsn'; did you mean --json?"),
        ("lab slow-joiner fork", "lab: 'fork' is an experiment, too: name one of them, or all;"),
        ("bench latncy", "bench: no panel 'latncy'; did you mean latency?"),
        ("size -- --json", "size: no panel '--json'"),
        ("diff raw zmq2", "diff: no panel 'zmq2'; did you mean zmq?"),
        ("demo RWA", "demo: no panel 'RWA'; did you mean raw?"),
        ("check raw r12", "check: no clause 'r12'; there are: R1 to R11, P1 to P9; ./triptych check --help"),
        ("check raw R1 zmq", "check: no clause 'zmq'; there are: R1 to R11"),
        ("check Raww r1", "check: no panel 'Raww'; did you mean raw?"),
        ("check r1 raw", "check: no panel 'r1'; there are: raw"),
        ("build all", "build takes no arguments"),
        ("install", "install needs one verb"),
        ("install nothing", "install needs one verb"),
        ("new", "new needs a name"),
        ("new raw", "has a panel 'raw' already"),
        ("new Mine", "'Mine' is no name for a panel"),
        ("new mine --from", "--from needs its STEP"),
        ("new mine --from raw", "'raw' is no step to start from; there are: raw-1 raw-2"),
        ("new mine --from raw-xyz", "'raw-xyz' is no step to start from; there are: raw-1"),
        ("new mine --from raw2", "'raw2' is no step to start from; did you mean raw-2?"),
        ("new mine --form raw-2", "no option '--form'; there are: --from STEP, --assignment N, --programs"),
        ("new mine --programs --from raw-2", "--programs goes with neither"),
        ("new a-rep --from raw-2", "a meaning of its own"),
        ("new a-req", "a meaning of its own"),
        ("new tools", "tools/ is there already"),
        (f"new {33 * 'x'}", "32 characters at most"),
    ],
)  # fmt: skip
def test_arguments_are_checked_first(tree: Tree, line: str, says: str) -> None:
    said = refused(tree, *line.split())
    assert says in said and said.count("\n") == 1


def test_odd_words_are_words(tree: Tree) -> None:
    for word in ("", " ", "raw zmq", " raw", "raw\nzmq", ".*", "ü", "'"):
        assert f"no panel '{word}'; " in refused(tree, "demo", word)
    assert "no verb ''; there are: demo" in refused(tree, "")
    assert "no verb 'demo lab'; " in refused(tree, "demo lab")
    assert "no experiment ''; " in refused(tree, "lab", "", "raw")


def test_right_arguments_pass(tree: Tree) -> None:
    """They go on to the build, which fails here."""
    for line in ("demo pubsub raw zmq --plain", "lab all --check", "lab slow_joiner raw", "lab first messages vanish", "lab udp", "lab first", "lab fork child", "wire raw --size 5", "check raw r1 P2", "bench all nng",
                 "test -k demo -x raw", "size --width=80 raw"):  # fmt: skip
        assert "could not be configured" in tree.run(*line.split(), status=1, TRIPTYCH_INSTALL="no")[1]


def test_new(tree: Tree) -> None:
    out, _ = tree.run("new", "my-2", "Mine,", "second", status=0)
    assert "./triptych check my-2" in out
    assert sorted(p.name for p in (tree.folder / "my-2").iterdir()) == sorted(p.name for p in (ROOT / "template").iterdir())
    assert "'my-2': files(" in (tree.folder / "my-2/meson.build").read_text()
    lines = (tree.folder / "panels.txt").read_text().splitlines()
    assert lines[-1].split() == ["my-2", "my-2", "Mine,", "second"]
    assert "did you mean my-2?" in tree.run("demo", "my2", status=2)[1]


def test_new_programs(tree: Tree) -> None:
    out, _ = tree.run("new", "my-2", "--programs", "Mine", status=0)
    assert "./triptych check my-2" in out
    mine, theirs = tree.folder / "my-2", ROOT / "template-programs"
    names = {path.name.replace("python-", "my-2-") for path in theirs.iterdir()} - {"README.md"}
    assert {path.name for path in mine.iterdir()} == names
    for name in names:
        assert (mine / name).read_text() == (theirs / name.replace("my-2-", "python-")).read_text()
        assert os.access(mine / name, os.X_OK) == name.startswith("my-2-")
    panel = panels.read_panel((tree.folder / "panels.txt").read_text().splitlines()[-1], 1)
    assert (panel.kind, panel.framing, panel.heading) == ("programs", "raw", "Mine")


def test_new_from_a_step(tree: Tree) -> None:
    out, _ = tree.run("new", "my-2", "--from", "raw-2", "Mine,", "framed", status=0)
    assert "./triptych diff raw-2 my-2" in out
    step, mine = ROOT / "raw/steps/2-framed", tree.folder / "my-2"
    assert sorted(p.name for p in mine.iterdir()) == ["meson.build", "panel.c", "pubsub.c", "reqrep.c"]
    for name in ("reqrep.c", "pubsub.c"):
        assert (mine / name).read_text() == (step / name).read_text()
    assert (mine / "panel.c").read_text() == (step / "panel.c").read_text().replace('"raw-2"', '"my-2"')
    assert "'my-2': files(" in (mine / "meson.build").read_text() and "raw-2" not in (mine / "meson.build").read_text()
    line = (tree.folder / "panels.txt").read_text().splitlines()[-1]
    panel = panels.read_panel(line, 1)
    assert (panel.kind, panel.framing, panel.speaks, panel.heading) == ("own", "raw", ("tcp", "tcp6", "ipc"), "Mine, framed")


def test_new_from_a_step_that_says_what_it_speaks(tree: Tree) -> None:
    with (tree.folder / "panels.txt").open("a") as file:
        file.write("raw-9 raw/steps/1-lecture kind=step framing=raw speaks=udp,ipc mark=x nine\n")
        file.write("own-9 raw/steps/1-lecture nine\n")
    assert "'own-9' is no step" in tree.run("new", "mine", "--from", "own-9", status=2)[1]
    tree.run("new", "--from=raw-9", "mine", status=0)
    assert (tree.folder / "panels.txt").read_text().splitlines()[-1].split() == "mine mine framing=raw speaks=udp,ipc mine".split()


@pytest.mark.parametrize(("step", "other"), [("nng-1", "nanomsg"), ("nanomsg-1", "nng")])
def test_new_from_one_of_two_panels_with_one_source(tree: Tree, step: str, other: str) -> None:
    tree.run("new", "mine", "--from", step, status=0)
    built = (tree.folder / "mine/meson.build").read_text()
    assert f"panel_libraries['{step[:-2]}']" in built and f"'{other}" not in built and "-1'" not in built
    assert '-1"' not in (tree.folder / "mine/panel.c").read_text()
