"""./triptych itself: what it asks of apt-get, of Meson and of Ninja, and what it says when they fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from launcher import FAKE, Tree, refused, tree  # noqa: F401
from tool import folder_for_all

NOBODY = 65534


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
for panel in raw $OTHER; do
    for role in req rep pub sub; do touch "$2/$panel-$role"; chmod +x "$2/$panel-$role"; done
done
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


def test_programs_that_the_reader_has_not_written_are_named(tree: Tree) -> None:
    """Nothing builds them, so that no library and no meson.build is the reason."""
    broken(tree)
    tree.fake("ninja", MINE_FAILS.replace("exit 1", "exit 0"))
    tree.run("new", "prog", "--programs", status=0)
    assert tree.run("build", status=0, TRIPTYCH_INSTALL="no", OTHER="mine")[1].count(" python mine prog; left out")
    for name in ("prog-pub", "prog-sub"):
        (tree.folder / "prog" / name).unlink()
    (tree.folder / "prog/prog-req").chmod(0o644)
    _, said = tree.run("build", status=0, TRIPTYCH_INSTALL="no", OTHER="mine")
    assert said.endswith("    prog lacks these executable files in prog/: prog-req prog-pub prog-sub\n")
    assert " prog" not in said.partition("is wrong:")[2].splitlines()[0]


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
    tree.fake("ninja", 'case $* in *build.ninja) ;; *) for role in req rep pub sub; do touch "$2/raw-$role"; chmod +x "$2/raw-$role"; done ;; esac')
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
    status, said = run("demo", "raw")
    assert "running what is built there" in said
    assert status == 1 and "panel raw: it is not built" in said, said  # the verb itself
    assert "Build elsewhere" in run("test", "raw")[1]


def test_a_build_that_another_user_holds_up_nobody(tree: Tree) -> None:
    with open(tree.folder / "triptych") as file:
        subprocess.run(["flock", "-n", "0"], stdin=file, check=True)
        _, said = tree.run("build", status=1, TRIPTYCH_INSTALL="no")
    assert "waiting" not in said and "could not be configured" in said
