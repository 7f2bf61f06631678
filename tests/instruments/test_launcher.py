"""./triptych itself: what it says before it installs or builds anything, and what it asks of apt-get.

Each test works on a copy of the tree in which fake tools come first in PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from harness import panels
from harness.panels import COLOURS, Panel, read_panels
from tool import folder_for_all

VERBS = {
    "demo": "demo/demo.py", "lab": "lab/lab.py", "diff": "compare/diff.py", "size": "compare/size.py",
    "wire": "wire/view/wire.py", "bench": "bench/bench.py", "test": "check/test.py",
    "check": "check/check.py", "steps": "compare/steps.py",
    "teach": "teach/teach.py", "grade": "grade/grade.py", "net": "net/net.py",
    "web": "web/web.py", "report": "web/report.py",
}  # fmt: skip
FILES = ("triptych", "panels.txt", "packages.txt")
FOLDERS = ("tools", "template", "template-programs", "lab/experiments", "raw/steps", "nng/steps")
NOBODY = 65534

# Knows the packages of a file: "NAME STATE", the state being installed, available or unknown.
FAKE = {
    "dpkg-query": """awk '$2 ~ /^(installed|config-files)$/ { print $2, $1, "1" }' "$HOME/packages" """,
    "apt-cache": """shift
        for name; do
            state=$(awk -v name="$name" '$1 == name { print $2 }' "$HOME/packages")
            case $state in
            '') ;;
            unknown) printf '%s:\\n  Installed: (none)\\n  Candidate: (none)\\n' "$name" ;;
            *) printf '%s:\\n  Installed: (none)\\n  Candidate: 1\\n' "$name" ;;
            esac
        done""",
    "apt-get": """echo "$@" | sed 's/^.*Timeout=120 //' >>"$HOME/asked"
        case $* in *update) [ ! -f "$HOME/lists" ] || cp "$HOME/lists" "$HOME/packages" ;; esac""",
    "id": "echo 0",
    "meson": "case $1 in --version) echo 1.0 ;; *) exit 7 ;; esac",
    "ninja": "exit 7",
}


class Tree:
    """A copy of the launcher and of what it reads, with fake tools. The folders that it reads are
    links; copies are for another user, who may not enter ours."""

    def __init__(self, folder: Path, copies: bool = False) -> None:
        self.folder, self.tools = folder / "tree", folder / "tools"
        self.tools.mkdir()
        self.folder.mkdir()
        for name in FILES:
            shutil.copy(ROOT / name, self.folder)
        for name in FOLDERS:
            there = self.folder / name
            there.parent.mkdir(exist_ok=True)
            shutil.copytree(ROOT / name, there) if copies else there.symlink_to(ROOT / name)
        launcher = self.folder / "triptych"
        text, changed = re.subn(r"(?m)^PATH=", f"PATH={self.tools}:", launcher.read_text())
        assert changed == 1
        launcher.write_text(text)
        for name, script in FAKE.items():
            self.fake(name, script)

    def fake(self, name: str, script: str) -> None:
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    def packages(self, **states: str) -> None:
        """What is there, and what a verb needs: NAME=STATE, _ standing for - and needs= for a line."""
        needed = states.pop("needs")
        lines = [f"verb {package} why" for package in needed.split()]
        (self.folder / "packages.txt").write_text("\n".join(["build gcc why", *lines, ""]))
        (self.tools / "packages").write_text("".join(f"{n.replace('_', '-')} {s}\n" for n, s in states.items()))

    def asked(self) -> list[str]:
        """What apt-get was asked for."""
        path = self.tools / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def run(self, *words: str, status: int, **more: str) -> tuple[str, str]:
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.tools), "LANG": "C.UTF-8", **more}
        done = subprocess.run(
            [str(self.folder / "triptych"), *words], capture_output=True, text=True, timeout=60, env=kept,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == status, (done.returncode, done.stdout[-500:], done.stderr)
        return done.stdout, done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def refused(tree: Tree, *words: str, status: int = 2) -> str:
    """What the launcher says; it has installed and built nothing."""
    out, said = tree.run(*words, status=status)
    assert out == "" and said.startswith("triptych: ")
    assert not tree.asked() and not (tree.folder / "build").exists()
    return said


def test_the_verbs_are_listed(tree: Tree) -> None:
    said = refused(tree)
    names = [line.split()[0] for line in said.splitlines()[1:]]
    assert names == [*"demo lab diff steps size wire bench check net grade web report teach test build new install help".split()]
    assert all(len(line) <= 80 and len(line.split()) > 3 for line in said.splitlines())
    out, _ = tree.run("help", status=0)
    assert all(line in out for line in said.splitlines()[1:])


@pytest.mark.parametrize("verb", [*VERBS, "build", "new", "install", "help"])
def test_help_needs_nothing(tree: Tree, verb: str) -> None:
    tree.fake("python3", "exit 9")
    out, said = tree.run(verb, "--help", status=0)
    assert said == "" and not tree.asked() and not (tree.folder / "build").exists()
    assert out.startswith("NAME\n" if verb == "help" else f"./triptych {verb} - ")
    assert verb == "help" or f"Usage:  ./triptych {verb}" in out
    assert all(len(line) <= 80 for line in out.splitlines()), "a terminal has 80 columns"
    assert tree.run(verb, "-h", status=0)[0] == tree.run("help", verb, status=0)[0] == out


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
        ("demo foo", "demo: no panel 'foo'; there are: raw zmq nanomsg nng "),
        ("demo pubsub zqm", "demo: no panel 'zqm'; did you mean zmq?"),
        ("demo pubsbu", "demo: no panel 'pubsbu'; did you mean pubsub?"),
        ("demo --hlep", "demo: no option '--hlep'; did you mean --help?"),
        ("help stesp", "no verb 'stesp'; did you mean steps?"),
        ("demo raw --plian", "demo: no option '--plian'; did you mean --plain?"),
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


@pytest.mark.parametrize(
    ("states", "asked"),
    [
        ({"needs": "a|b", "a": "installed"}, []),
        ({"needs": "a|b", "b": "installed", "a": "available"}, []),
        ({"needs": "a|b", "a": "available", "b": "available"}, ["install --no-install-recommends a"]),
        ({"needs": "a-1|b-2 c", "a_1": "unknown", "b_2": "available", "c": "available"},
         ["install --no-install-recommends b-2 c"]),
        ({"needs": "python3", "python3": "available", "python3_rich": "installed"}, ["install --no-install-recommends python3"]),
        ({"needs": "a|b c", "b": "available", "c": "installed"}, ["install --no-install-recommends b"]),
        ({"needs": "a|b x-a", "b": "available", "x_a": "available"}, ["install --no-install-recommends b x-a"]),
    ],
)  # fmt: skip
def test_alternatives(tree: Tree, states: dict[str, str], asked: list[str]) -> None:
    tree.packages(**states)
    _, said = tree.run("install", "verb", status=0)
    assert tree.asked() == asked and ("installing for verb" in said) == bool(asked)


def test_a_package_that_was_removed_is_missing(tree: Tree) -> None:
    """dpkg still knows it, by its settings."""
    tree.packages(needs="a", a="config-files")
    tree.run("install", "verb", status=0)
    assert tree.asked() == ["install --no-install-recommends a"]


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs dpkg-query")
def test_dpkg_says_what_the_launcher_reads() -> None:
    """The format is dpkg's own; in the other tests, a script answers."""
    (form,) = re.findall(r"dpkg-query -W -f '([^']+)'", (ROOT / "triptych").read_text())
    told = subprocess.run(["dpkg-query", "-W", "-f", form, "dpkg"], capture_output=True, text=True)
    assert re.fullmatch(r"installed dpkg \S+", told.stdout.strip()), told


def test_what_a_verb_needs_through_another(tree: Tree) -> None:
    tree.packages(needs="a build", a="available", gcc="available")
    tree.run("install", "verb", status=0)
    assert tree.asked() == ["install --no-install-recommends a gcc"]


def test_a_build_that_fails_is_shown(tree: Tree) -> None:
    tree.fake("meson", 'case $1 in --version) echo 1.0 ;; *) mkdir -p "$2" ;; esac')
    tree.fake("ninja", 'case $* in *build.ninja) ;; *) echo "[1/2] cc a.c"; echo "a.c:1: error: what"; exit 3 ;; esac')
    _, said = tree.run("build", status=1, TRIPTYCH_INSTALL="no")
    assert "a.c:1: error: what\n" in said and said.endswith("triptych: the build failed (output above)\n")
    assert "exit 3" not in said and "built in" not in said


MINE_FAILS = r"""case $* in *build.ninja) exit 0 ;; esac
mkdir -p "$2"
for panel in raw $OTHER; do touch "$2/$panel-req"; chmod +x "$2/$panel-req"; done
echo "[1/3] Compiling C object libmine.a.p/mine_reqrep.c.o"
echo "FAILED: libmine.a.p/mine_reqrep.c.o "
echo "cc -o libmine.a.p/mine_reqrep.c.o -c ../mine/reqrep.c"
echo "../mine/reqrep.c:20:5: error: expected ';' before 'return'"
echo "  20 | return"
case $* in
*-k*) echo "[2/3] cc common.c" ;;
esac
[ -z "$ALSO" ] || { echo "FAILED: $ALSO"; echo "cc also"; echo "also.c:1: error: more"; }
echo "ninja: build stopped: subcommand failed."
exit 1"""


def broken(tree: Tree) -> None:
    """A tree with a panel `mine` that does not compile, and what it was when it did."""
    tree.fake("meson", 'case $1 in --version) echo 1.0 ;; *) mkdir -p "$2" ;; esac')
    tree.fake("ninja", MINE_FAILS)
    tree.run("new", "mine", status=0)
    text = (tree.folder / "triptych").read_text()
    assert text.count("exec /usr/bin/python3") == 1
    (tree.folder / "triptych").write_text(text.replace("exec /usr/bin/python3", "exec echo"))


WHY = "mine/reqrep.c:20:5: error: expected ';' before 'return'\n"


def test_a_panel_of_the_reader_that_does_not_compile_is_left_out(tree: Tree) -> None:
    broken(tree)
    for line in ("demo", "check raw", "size raw zmq", "lab late-reply raw", "lab mine"):
        out, said = tree.run(*line.split(), status=0, TRIPTYCH_INSTALL="no", OTHER="mine")
        assert out.startswith("-B ") and out.count("\n") == 1, "the verb did not begin"
        last = said.splitlines()[-1]
        assert last == f"triptych: mine/ does not compile: {WHY.strip()}; the other panels work"
        assert not (tree.folder / "build/mine-req").exists(), "an older program of it would be run"
    for line in ("demo raw mine", "check mine R1", "lab late-reply mine"):
        out, said = tree.run(*line.split(), status=1, TRIPTYCH_INSTALL="no")
        assert out == "" and said.endswith(f"{line.split()[0]}: mine/ does not compile:\n{WHY}  20 | return\n")
        assert "ninja:" not in said and "cc -o" not in said
    _, said = tree.run("build", status=1, TRIPTYCH_INSTALL="no")
    assert "/build: raw python; left out" in said and "is wrong: zmq" in said and " mine" not in said.split("is wrong:")[1].splitlines()[0]
    assert said.endswith(f"build: mine/ does not compile:\n{WHY}  20 | return\n")


@pytest.mark.parametrize("also", ["libraw.a.p/raw_conn.c.o ", "raw-req", "tap.p/tools_wire_tap.c.o", "[code=1] libmine-2.a"])
def test_what_is_shipped_and_does_not_compile_is_an_error(tree: Tree, also: str) -> None:
    broken(tree)
    out, said = tree.run("demo", "raw", status=1, TRIPTYCH_INSTALL="no", ALSO=also)
    assert out == "" and "also.c:1: error: more\n" in said and said.endswith("the build failed (output above)\n")


@pytest.mark.parametrize("also", ["mine-driver", "[code=1] mine-req ", "libmine.a"])
def test_a_panel_of_the_reader_that_does_not_link_is_left_out(tree: Tree, also: str) -> None:
    broken(tree)
    _, said = tree.run("demo", "raw", status=0, TRIPTYCH_INSTALL="no", ALSO=also)
    assert said.endswith("; the other panels work\n")


UNREADABLE = """case $1 in --version) echo 1.0; exit ;; esac
echo "$@" >>"$HOME/told"
case $* in *-Dwithout=mine) mkdir -p "$BUILD"; touch "$BUILD/build.ninja"; exit 0 ;; esac
echo "$WHERE/meson.build:1:18: ERROR: Expecting rcurl got eof."
exit 1"""


def test_a_panel_of_the_reader_whose_meson_build_is_wrong_is_left_out(tree: Tree) -> None:
    broken(tree)
    tree.fake("meson", UNREADABLE)
    tree.fake("ninja", "exit 0")
    for begin in ("", "--reconfigure "):  # at each run, for it may have been mended
        out, said = tree.run("demo", "raw", status=0, TRIPTYCH_INSTALL="no", WHERE="../tree/mine", BUILD=f"{tree.folder}/build")
        assert out.startswith("-B ") and "triptych: mine/meson.build:1:18: ERROR: Expecting rcurl got eof.\n" in said
        assert "mine is left out: mend mine/meson.build, or move mine/ and its line in panels.txt away" in said
        told = (tree.tools / "told").read_text().splitlines()
        setup = f"setup {begin}{tree.folder}/build {tree.folder} -Dwithout="
        assert told[-2:] == [setup, setup + "mine"]
    out, said = tree.run("demo", "raw", status=1, TRIPTYCH_INSTALL="no", WHERE="raw")
    assert out == "" and "raw/meson.build:1:18" in said and said.endswith("could not be configured (output above)\n")


def test_a_bare_system_gets_its_lists_first(tree: Tree) -> None:
    tree.packages(needs="a|b c")
    (tree.tools / "lists").write_text("b available\nc available\n")
    tree.run("install", "verb", status=0)
    assert tree.asked() == ["update", "install --no-install-recommends b c"]


def test_what_one_panel_needs(tmp_path: Path) -> None:
    tree = Tree(tmp_path, copies=True)  # a search goes on to the verb, which finds nothing there
    tree.packages(needs="a", a="installed", w="available")
    with (tree.folder / "packages.txt").open("a") as file:
        file.write("demo a why\nlab a why\npanel:zmq w why\n")
    tree.run("install", "panel:zmq", status=0)
    assert tree.asked() == ["install --no-install-recommends w"]
    _, said = tree.run("demo", "raw", "zmq", status=1, TRIPTYCH_INSTALL="no")
    assert "not installed, going on without (TRIPTYCH_INSTALL=no): w" in said
    # A panel's name among words that the lab searches for: nothing of it runs.
    for words, wanted in ((["demo", "raw"], False), (["lab", "zmq"], False), (["lab", "fork", "zmq"], True)):
        _, said = tree.run(*words, status=1, TRIPTYCH_INSTALL="no")
        assert ("going on without" in said) == wanted, words


def test_another_system(tree: Tree) -> None:
    tree.fake("uname", "echo Darwin")
    said = refused(tree, "demo", status=1)
    assert "this system is Darwin" in said and all(word in said for word in ("container", "WSL", "virtual machine"))


def test_no_apt_get(tree: Tree) -> None:
    tree.packages(needs="a")
    without = tree.tools / "without"  # what the launcher needs, and no apt-get
    without.mkdir()
    for name in "sh awk cat cut dirname basename dpkg-query grep head id mktemp rm sed sort tail tr uname".split():
        (without / name).symlink_to(tree.tools / name if name in FAKE else f"/usr/bin/{name}")
    launcher = tree.folder / "triptych"
    launcher.write_text(re.sub(r"(?m)^PATH=.*", f"PATH={without}", launcher.read_text()))
    said = refused(tree, "install", "verb", status=1)
    assert "no apt-get" in said and "container" in said and "TRIPTYCH_INSTALL=no: a" in said


def test_a_meson_that_is_too_old(tree: Tree) -> None:
    tree.fake("meson", "echo 0.61.2")
    _, said = tree.run("build", status=1, TRIPTYCH_INSTALL="no")
    assert "Meson 0.61.2 is too old: 1.0 is needed" in said


def test_meson_is_asked_only_to_configure(tree: Tree) -> None:
    """It takes a tenth of a second to say anything."""
    told = tree.tools / "told"
    tree.fake("meson", 'echo "$1" >>"$HOME/told"; case $1 in --version) echo 1.0 ;; *) mkdir -p "$2"; touch "$2/build.ninja" ;; esac')
    tree.fake("ninja", "exit 0")
    for _ in range(2):
        tree.run("build", status=0, TRIPTYCH_INSTALL="no")
        assert told.read_text().split() == ["--version", "setup"]


def test_a_build_folder_elsewhere(tree: Tree, tmp_path: Path) -> None:
    tree.fake("meson", 'echo "$@" >>"$HOME/told"; case $1 in --version) echo 1.0 ;; *) mkdir -p "$2" ;; esac')
    tree.fake("ninja", 'case $* in *build.ninja) ;; *) touch "$2/raw-req"; chmod +x "$2/raw-req" ;; esac')
    _, said = tree.run("build", status=0, TRIPTYCH_INSTALL="no", TRIPTYCH_BUILD=str(tmp_path / "else where"))
    assert f"built in {tmp_path}/else where: raw python; left out" in said  # python's programs are ready
    assert not (tree.folder / "build").exists()
    assert f"setup {tmp_path}/else where {tree.folder}" in (tree.tools / "told").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_checkout_of_somebody_else() -> None:
    """It runs what was built; what has to be written goes elsewhere."""
    with folder_for_all() as folder:
        somebody_elses(Tree(folder, copies=True))


def somebody_elses(tree: Tree) -> None:
    tree.fake("id", "echo 1000")
    tree.fake("python3", "exit 9")

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [str(tree.folder / "triptych"), *words], capture_output=True, text=True, user=NOBODY, group=NOBODY,
            extra_groups=[], env={"PATH": os.environ["PATH"], "HOME": str(tree.tools), "TRIPTYCH_INSTALL": "no"},
        )  # fmt: skip
        return done.returncode, done.stderr

    status, said = run("demo", "raw")
    assert status == 1 and "build is not yours to write. Build elsewhere: TRIPTYCH_BUILD=$HOME/triptych-build ./triptych demo" in said
    assert run("new", "mine")[0] == 1 and not (tree.folder / "mine").exists()
    (tree.folder / "build").mkdir()
    (tree.folder / "build/configured-for").touch()
    _, said = run("demo", "raw")
    assert "running what is built there" in said
    assert "Build elsewhere" in run("test", "raw")[1]


def test_a_build_that_another_user_holds_up_nobody(tree: Tree) -> None:
    with open(tree.folder / "triptych") as file:
        subprocess.run(["flock", "-n", "0"], stdin=file, check=True)
        _, said = tree.run("build", status=1, TRIPTYCH_INSTALL="no")
    assert "waiting" not in said and "could not be configured" in said


# panels.txt


def panels_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *lines: str) -> list[Panel]:
    (tmp_path / "panels.txt").write_text("\n".join(["# comment", "", *lines, ""]))
    monkeypatch.setattr(panels, "ROOT", tmp_path)
    return read_panels()


def test_lines_of_panels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old, new, step = panels_of(
        monkeypatch, tmp_path, "zmq zmq ZeroMQ = a library", "my-2 a/b/c kind=programs speaks=tcp,udp framing=sp colour=blue mark=▲",
        "raw-1 raw/steps/1-lecture kind=step The lecture",
    )  # fmt: skip
    assert (old.heading, old.kind, old.speaks, old.framing) == ("ZeroMQ = a library", "own", ("tcp", "tcp6", "ipc"), None)
    assert (new.name, new.folder, new.heading, new.kind, new.framing) == ("my-2", "a/b/c", "my-2", "programs", "sp")
    assert (new.speaks, new.rgb, new.mark) == (("tcp", "udp"), "#0072B2", "▲")
    assert (step.kind, step.heading) == ("step", "The lecture")


@pytest.mark.parametrize("word", ["kin=own", "kind=mine", "speaks=tcp,sctp", "colour=yellow", "mark=ab"])
def test_a_wrong_line_is_said(
    word: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        panels_of(monkeypatch, tmp_path, f"zmq zmq {word} ZeroMQ")
    assert capsys.readouterr().err.startswith("triptych: panels.txt, line 3: ")


def test_a_panels_colour_is_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = panels_of(monkeypatch, tmp_path, "a a A", "b b B")
    second = panels_of(monkeypatch, tmp_path, "c c C", "b b B", "a a A")
    assert first[0] == second[2] and first[1] == second[1]


def test_colours_are_readable_on_white_and_on_black() -> None:
    def luminance(rgb: str) -> float:
        parts = [int(rgb[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for rgb, _ in COLOURS.values():  # WCAG's contrast, 3:1
        assert 1.05 / (luminance(rgb) + 0.05) >= 3 and (luminance(rgb) + 0.05) / 0.05 >= 3
    shipped = [panel for panel in read_panels() if panel.kind == "shipped"]
    assert len({p.rgb for p in shipped}) == len({p.mark for p in shipped}) == len({COLOURS[p.hue][1] for p in shipped}) == 4
