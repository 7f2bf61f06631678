"""./triptych grade --gradescope: what it packs marks by itself, in Gradescope's folders."""

import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from check.rubric import Item, understood
from conftest import ROOT
from grade import gradescope, pack, sandbox
from grade.results import Student
from programs import alive

RUBRIC = 'title = "Parts"\nframing = "raw"\ntransports = ["ipc"]\n[clauses]\nR4 = 2\nR9 = 1\n'
PROGRAMS = ROOT / "template-programs"
REFUSED = "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"

# At its start, a hostile server leaves a daemon, and says what it could read and write.
HOSTILE = """
import os, sys
if sys.argv[0].endswith("-rep") and not os.fork():
    os.setsid()
    if not os.fork():
        os.closerange(0, 100)
        with open("/dev/shm/NAME", "w") as file:
            print(os.getpid(), open("/proc/self/stat").read().rpartition(")")[2].split()[19], file=file, flush=True)
            for path in ("BASE/source/rubric.toml", "BASE/results/results.json"):
                for mode in "ra":
                    try:
                        open(path, mode)
                        print(mode, path, file=file, flush=True)
                    except OSError:
                        pass
            __import__("time").sleep(600)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    (folder / "rubric.toml").write_text(RUBRIC)
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools"), "grade.grade"]
    command += ["--gradescope", str(folder / "a.zip"), "--rubric", str(folder / "rubric.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    assert "'Parts', 3 points" in done.stdout
    return folder / "a.zip"


@pytest.fixture
def base(archive: Path) -> Iterator[Path]:
    """Gradescope's folders, with the autograder as it unpacks one. Where the path of a socket in a
    folder of the test fits into 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="g") as folder:
        base = Path(folder, "autograder")
        for name in ("source", "submission", "results"):
            (base / name).mkdir(parents=True)
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                path = Path(packed.extract(member, base / "source"))
                path.chmod(member.external_attr >> 16 & 0o777)
        shutil.copy(base / "source" / "run_autograder", base)
        base.parent.chmod(0o755)  # as /autograder is
        yield base


def hand_in(base: Path, hostile: str = "") -> None:
    for path in PROGRAMS.iterdir():
        copy = base / "submission" / path.name.replace("python-", "mine-")
        text = path.read_text()
        copy.write_text(text + hostile if path.name == "frames.py" else text)


def mark(base: Path, path: str = "") -> dict[str, Any]:
    environment = {**os.environ, "AUTOGRADER": str(base), "TMPDIR": str(base.parent)}
    if path:
        environment["PATH"] = f"{path}:{environment['PATH']}"
    done = subprocess.run([str(base / "run_autograder")], env=environment, cwd=base, timeout=200,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((base / "results" / "results.json").read_text())
    return found


def test_what_is_packed(base: Path, archive: Path) -> None:
    """The two scripts at the top, nothing of teach/, and the same bytes each time."""
    source = base / "source"
    assert {path.name for path in source.iterdir()} == {"setup.sh", "run_autograder", "rubric.toml", "triptych"}
    for name in ("setup.sh", "run_autograder", "triptych/triptych"):
        assert os.access(source / name, os.X_OK)
    assert not (source / "triptych" / "teach").exists() and not list(source.rglob("*.pyc"))
    assert pack.pack(archive.parent / "rubric.toml") == archive.read_bytes()


@pytest.mark.parametrize("where", ["sandbox", "container"])
def test_it_marks(base: Path, where: str) -> None:
    """In a sandbox of its own; and where bubblewrap can make none. A hostile submission gets what
    it deserves, reads nothing, writes nothing, and leaves nothing behind."""
    if why := sandbox.missing():
        pytest.skip(why)
    if where == "container" and os.getuid() != 0:
        pytest.skip("only root can mark without a sandbox")
    fake = base.parent / "fake"
    if where == "container":
        fake.mkdir()
        (fake / "bwrap").write_text(REFUSED)
        (fake / "bwrap").chmod(0o755)
    left = Path(f"/dev/shm/triptych-test-{os.getpid()}")
    hand_in(base, HOSTILE.replace("BASE", str(base)).replace("NAME", left.name))
    try:
        found = mark(base, str(fake) if where == "container" else "")
        assert left.exists() == (where == "container")  # the sandbox has a /dev/shm of its own
        if where == "container":
            daemon, *could = left.read_text().splitlines()
            assert could == []
            pid, began = daemon.split()
            assert not alive(int(pid), began)
    finally:
        left.unlink(missing_ok=True)
    assert (found["score"], found["stdout_visibility"]) == (2, "hidden")
    assert "Parts: 2 of 3 points" in found["output"]
    assert ("this container allows no namespaces" in found["output"]) == (where == "container")
    first, second = found["tests"]
    assert (first["score"], first["max_score"], first["status"]) == (2, 2, "passed")
    assert first["output"] == "ipc: kept"
    assert (second["score"], second["max_score"], second["status"]) == (0, 1, "failed")
    assert "they need PANEL-driver" in second["output"]
    assert not [path for path in base.parent.iterdir() if path.name.startswith("triptych")]


def test_what_cannot_be_marked_says_so(base: Path) -> None:
    if why := sandbox.missing():
        pytest.skip(why)
    (base / "submission" / "essay.txt").write_text("hello")
    found = mark(base)
    assert found["score"] == 0
    assert "no reqrep.c and no pubsub.c" in found["output"]
    assert [test["score"] for test in found["tests"]] == [0, 0]


def test_results_are_plain_text() -> None:
    """The members and their values: https://gradescope-autograders.readthedocs.io/en/latest/specs/."""
    item = Item("R1", "bytes", 1.5, 2.0, {"tcp": "broken"}, "Came: \x1b[31m<b>\u202e")
    student = Student("submission", "d", problem="Stopped: \x1b]0;x\x07", words=["</script>"], items=[item])
    student.again = ["R1 over ipc", "R11 over ipc"]
    found = gradescope.results(student, understood({"clauses": {"R1": 2}}, "x"), False)
    text = json.dumps(found, ensure_ascii=False)
    assert "\x1b" not in text and "\u202e" not in text and "\x07" not in text
    assert set(found) == {"score", "execution_time", "output", "output_format", "test_output_format",
                          "test_name_format", "visibility", "stdout_visibility", "tests"}  # fmt: skip
    (test,) = found["tests"]
    assert found["output_format"] == test["output_format"] == found["test_output_format"] == "text"
    assert test["status"] == "failed" and test["output"].startswith("tcp: broken\nCame:")
    assert test["output"].count("failed at first") == 1
