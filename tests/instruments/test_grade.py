"""./triptych grade: submissions of every kind, and what a hostile one can do to the others."""

import csv
import gzip
import io
import json
import os
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

from check.rubric import BadRubric, Item, mark, understood
from conftest import ROOT
from grade import results, sandbox, submissions
from grade.results import Student, as_csv, cell, merged, slug
from grade.submissions import Submission, Unfit, unpack
from grade.unpacking import unpack_apart

STEP = ROOT / "raw" / "steps" / "2-framed"
FILES = ("reqrep.c", "pubsub.c", "panel.c", "meson.build")


def verb(*words: str, seconds: int, scratch: Path) -> subprocess.CompletedProcess[str]:
    command = ["/usr/bin/python3", "-B", str(ROOT / "tools"), "grade.grade", *words]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds,
        env={**os.environ, "TMPDIR": str(scratch)},
    )  # fmt: skip


def texts(name: str = "mine") -> dict[str, str]:
    """A submission's files: the step raw-2 under another name."""
    return {file: (STEP / file).read_text().replace("raw-2", name) for file in FILES}


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def packed(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def opened(path: Path, tmp_path: Path) -> submissions.Work:
    scratch = tmp_path / f"scratch-{path.name}"
    scratch.mkdir()
    return unpack(Submission(path.name, path), scratch)


def test_a_panel_is_found_wherever_it_stands(tmp_path: Path) -> None:
    deep = {f"a/b c/{name}": text for name, text in texts().items()}
    inner = packed(tmp_path / "inner.zip", {**deep, "__MACOSX/a/._reqrep.c": "x"})
    nested = write(tmp_path / "Nested é", {"read.me": "hello"})
    (nested / "work.zip").write_bytes(inner.read_bytes())
    with tarfile.open(tmp_path / "t.tar.xz", "w:xz") as archive:
        archive.add(write(tmp_path / "folder", texts()), "mine")
    windows = packed(tmp_path / "w.zip", {f"mine\\{name}": text for name, text in texts().items()})
    for path in (inner, nested, tmp_path / "t.tar.xz", windows, tmp_path / "folder"):
        work = opened(path, tmp_path)
        assert work.panel == "mine" and not work.programs
        assert {file.name for file in work.folder.iterdir()} == set(FILES)


def test_of_a_whole_checkout_the_students_panel_is_taken(tmp_path: Path) -> None:
    files = {f"mine/{name}": text for name, text in texts().items()}
    files |= {f"raw/{name}": text for name, text in texts("raw").items()}
    files["panels.txt"] = "raw raw kind=shipped raw sockets\nmine mine my panel\n"
    assert opened(packed(tmp_path / "all.zip", files), tmp_path).panel == "mine"
    del files["panels.txt"]
    with pytest.raises(Unfit, match="several folders"):
        opened(packed(tmp_path / "two.zip", files), tmp_path)


def test_the_projects_own_programs_are_nobodys(tmp_path: Path) -> None:
    """A whole checkout has them too, and panels.txt lists them as kind=programs."""
    files = {f"mine/mine-{role}": "" for role in ("req", "rep", "pub", "sub")}
    for folder in submissions.OURS:
        files |= {f"{folder}/python-{role}": "" for role in ("req", "rep", "pub", "sub")}
    files["panels.txt"] = (ROOT / "panels.txt").read_text() + "mine mine kind=programs my panel\n"
    listed = [f"{folder} kind=programs" in " ".join(line.split()) for folder in submissions.OURS
              for line in files["panels.txt"].splitlines()]  # fmt: skip
    assert sum(listed) == len(submissions.OURS)
    assert opened(packed(tmp_path / "all.zip", files), tmp_path).panel == "mine"


def test_no_panel_takes_the_place_of_the_tests(tmp_path: Path) -> None:
    """The panel's folder in the sandbox has the panel's name."""
    assert set(submissions.TAKEN) >= {n for n in sandbox.SEEN if (ROOT / n).is_dir()} - {"raw", "zmq", "nng"}
    for name in submissions.TAKEN:
        with pytest.raises(Unfit, match="must not be named"):
            opened(packed(tmp_path / f"{name}.zip", texts(name)), tmp_path)
        files = {f"{name}-{role}": "" for role in ("req", "rep", "pub", "sub")}
        with pytest.raises(Unfit, match="must not be named"):
            opened(packed(tmp_path / f"{name}-programs.zip", files), tmp_path)


def test_programs_are_found_and_may_be_run(tmp_path: Path) -> None:
    files = {f"mine-{role}": "#!/bin/sh\n" for role in ("req", "rep", "pub", "sub")}
    work = opened(packed(tmp_path / "p.zip", files), tmp_path)
    assert work.programs and work.panel == "mine"
    assert os.access(work.folder / "mine-req", os.X_OK)


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/tmp/evil", "C:\\evil", "a/../../../evil/reqrep.c"]
)
def test_no_path_leaves_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="leaves|not relative"):
        opened(packed(tmp_path / "x.zip", {**texts(), name: "evil"}), tmp_path)
    assert not (tmp_path / "evil").exists() and not Path("/tmp/evil").exists()


def test_links_and_devices_are_not_taken(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, kind in (("reqrep.c", tarfile.SYMTYPE), ("pubsub.c", tarfile.LNKTYPE),
                           ("panel.c", tarfile.FIFOTYPE), ("x.c", tarfile.CHRTYPE)):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    link = zipfile.ZipInfo("reqrep.c")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped:
        zipped.writestr(link, "/etc/passwd")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "reqrep.c").symlink_to("/etc/passwd")
    for path in (tmp_path / "x.tar", tmp_path / "x.zip", folder):
        with pytest.raises(Unfit, match="no reqrep.c"):
            opened(path, tmp_path)


def test_sizes_and_numbers_are_bounded(tmp_path: Path) -> None:
    large = "0" * (submissions.MOST_BYTES + 1)
    with pytest.raises(Unfit, match="larger than"):
        opened(packed(tmp_path / "bomb.zip", {"reqrep.c": large}), tmp_path)
    many = {f"{n}.c": "" for n in range(submissions.MOST_FILES + 1)}
    with pytest.raises(Unfit, match="more than"):
        opened(packed(tmp_path / "many.zip", many), tmp_path)


def test_a_bomb_costs_its_own_process(tmp_path: Path) -> None:
    """Of 700 MiB in the header of a member, before any name is known."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 700 << 20
    zeros = gzip.compress(bytes(1 << 20))  # members of a gzip file may follow each other
    (tmp_path / "x.tgz").write_bytes(gzip.compress(header.tobuf(tarfile.USTAR_FORMAT)) + zeros * 701)
    (tmp_path / "scratch").mkdir()
    with pytest.raises(Unfit, match="too much"):
        unpack_apart(Submission("x", tmp_path / "x.tgz"), tmp_path / "scratch")


def test_what_is_no_archive_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\3\4 garbage")
    whole = packed(tmp_path / "whole.zip", texts()).read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[:200] + bytes(50) + whole[250:])
    for name in ("x.zip", "half.zip"):
        with pytest.raises(Unfit, match="archive"):
            opened(tmp_path / name, tmp_path)


def test_a_rubric_says_what_is_wrong_with_it() -> None:
    for given, words in (
        ({}, "no clause gives points"),
        ({"clauses": {"R12": 1}}, "no clause 'R12'"),
        ({"clauses": {"R1": -1}}, "R1: -1"),
        ({"clauses": {"R1": {"udp": 1}}}, "R1: udp"),
        ({"clauses": {"R1": 1}, "transport": ["tcp"]}, "no key 'transport'"),
        ({"clauses": {"R1": 1}, "transports": ["tpc"]}, "transports"),
        ({"clauses": {"R1": 1}, "limits": {"time": 1}}, "no 'time'"),
        ({"clauses": {"R1": 1}, "extra": {"lines": 4}}, "lines ="),
        ({"clauses": {"R1": True}}, "R1: True"),
        ({"clauses": {"R1": 1}, "tests": {"R1": ["test_R6_x"]}}, "tests of a clause"),
        ({"clauses": {"R1": 1}, "tests": {"R6": ["test_R6_x"]}}, "tests of a clause"),
    ):
        with pytest.raises(BadRubric, match=words):
            understood(given, "x")


def report(**words: str) -> dict:
    """check's JSON of one clause: R1 over these transports."""
    failure = {"done": "Asked", "expected": "an answer", "came": "nothing"}
    row = {
        transport: {"result": word, "reasons": [], "failures": [failure] * (word == "broken")}
        for transport, word in words.items()
    }
    return {"clauses": {"R1": {"results": row}}, "kept": False}


def test_points_follow_the_transports() -> None:
    half = understood({"clauses": {"R1": 6}, "transports": ["tcp", "ipc"]}, "x")
    assert [i.points for i in mark(half, report(tcp="kept", ipc="broken"), 1, 0)] == [3]
    assert [i.points for i in mark(half, report(tcp="kept"), 1, 0)] == [3]
    assert [i.points for i in mark(half, report(tcp="kept", ipc="no test"), 1, 0)] == [6]
    said = understood({"clauses": {"R1": {"tcp": 5, "ipc": 1}}, "transports": ["tcp", "ipc"]}, "x")
    item = mark(said, report(tcp="broken", ipc="kept"), 1, 0)[0]
    assert item.points == 1 and item.most == 6 and "Came: nothing" in item.why
    assert [i.points for i in mark(said, None, 1, 0)] == [0]


def test_style_alone_is_worth_nothing() -> None:
    given = {"clauses": {"R1": 6}, "transports": ["tcp"],
             "extra": {"lines": {"most": 10, "points": 2}, "warnings": 1}}  # fmt: skip
    asked = understood(given, "x")
    assert asked.most == 9
    assert sum(i.points for i in mark(asked, report(tcp="broken"), 5, 0)) == 0
    assert sum(i.points for i in mark(asked, report(tcp="kept"), 5, 0)) == 9
    assert sum(i.points for i in mark(asked, report(tcp="kept"), 11, 2)) == 6


def test_what_passes_at_the_second_try_counts_and_is_named() -> None:
    first, changed = merged(report(tcp="broken", ipc="broken"), report(tcp="kept", ipc="broken"))
    row = first["clauses"]["R1"]["results"]
    assert (row["tcp"]["result"], row["ipc"]["result"]) == ("kept", "broken")
    assert changed == ["R1 over tcp"]
    first, changed = merged(report(tcp="kept"), report(tcp="broken"))  # it had passed: it counts
    assert first["clauses"]["R1"]["results"]["tcp"]["result"] == "kept" and not changed


def test_names_are_data() -> None:
    for text in ("=cmd|' /C calc'!A0", "+1", "-1", "@x", " =1", "\t=1", "\n=1", "\uff1d1", "\u3000=1"):
        assert cell(text).startswith("'"), text
    assert cell("Ada-Bo = x") == "Ada-Bo = x" and "\n" not in cell("a\nb")
    assert "\x1b" not in results.clean("a\x1b[31mb") and "\u202e" not in results.clean("\u202e")
    assert slug("../../etc") == "etc" and slug("é") == "e" and slug("日本") == "student"
    assert slug("A", ["a"]) == "A-2"
    student = Student('<script>"=1', "d", items=[Item("R1", "t", 1, 2, {})])
    divided = Student("a;=1", "d", items=[Item("R1", "t", 1, 2, {})])
    assert list(csv.reader(io.StringIO(as_csv([divided])), delimiter=";"))[1][0].startswith("a;=1")
    row = list(csv.reader(io.StringIO(as_csv([student]))))
    assert row[1][:3] == ['<script>"=1', "1", "2"]


# Said by a hostile module that Python imports instead of its own, in the process of the tests.
FORGE = """
import os
try:
    lines = int(os.environ["TRIPTYCH_CHECK"].rpartition('"lines": ')[2].rstrip("}"))
    for clause in ("R4", "P4"):
        os.write(lines, b'{"test": "test_%s_x", "clause": "%s", "transport": "ipc", "result": "kept",'
                        b' "reason": "", "seconds": 0}\\n' % (clause.encode(), clause.encode()))
    os._exit(0)
except (KeyError, ValueError, OSError):
    pass
"""

# Leaves a process behind the build that ends the tests.
LINGER = """
run_command('python3', '-c', '''
import os, time
if not os.fork():
    os.setsid()
    os.closerange(0, 100)
    while True:
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            try:
                if b"pytest" in open(f"/proc/{pid}/cmdline", "rb").read().split(bytes(1)):
                    os.kill(int(pid), 9)
            except OSError:
                pass
        time.sleep(0.01)
''', check: true)
"""

AT_OPEN = {
    "Forks": "for (;;) (void)!fork();",
    "Kills": "(void)kill(getppid(), SIGKILL); (void)kill(-1, SIGKILL);",
    "Elsewhere": 'for (int n = 0; n < 2; n++) { FILE *f = fopen(n ? "EVIL" : '
    '"/triptych/tests/conftest.py", "w"); if (f) { fputs("evil", f); fclose(f); } }',
}
RUBRIC = """title = "Framing & <more>"
framing = "raw"
transports = ["ipc"]
[clauses]
R11 = 4
[limits]
seconds = 90
"""


@pytest.mark.heavy
def test_a_class_with_hostile_submissions(tmp_path: Path) -> None:
    """A hostile submission costs its own marks; good ones get theirs; nothing is left behind."""
    if why := sandbox.missing():
        pytest.skip(why)
    evil = tmp_path / "evil"
    folder = tmp_path / "class"
    write(folder / "Ada <b>", texts())
    packed(folder / "Bob.zip", {f"deep/{name}": text for name, text in texts("bobs").items()})
    broken = texts()
    broken["reqrep.c"] = broken["reqrep.c"].replace("int\nreq_send(", "int int\nreq_send(")
    write(folder / "Wrong", broken)
    for name, code in AT_OPEN.items():
        files = texts()
        head, found, rest = files["reqrep.c"].partition("\nrep_open(")
        before, brace, body = rest.partition("{\n")
        headers = "#include <signal.h>\n#include <stdio.h>\n#include <sys/types.h>\n"
        files["reqrep.c"] = headers + head + found + before + brace + code.replace(
            "EVIL", str(evil)) + body  # fmt: skip
        write(folder / name, files)
    write(folder / "Empty", {})
    answers = ("raw", "raw/steps/2-framed", "zmq/steps/1-first", "nng/steps/1-first")
    found = " || ".join(f'__has_include("/triptych/{answer}/reqrep.c")' for answer in answers)
    copies = f"#if !({found})\n#error there is no answer\n#endif\n"
    write(folder / "Copies", {**texts(), "reqrep.c": copies})
    lingers = texts()
    write(folder / "Lingers", {**lingers, "meson.build": LINGER + lingers["meson.build"]})
    (tmp_path / "rubric.toml").write_text(RUBRIC)
    line = [str(folder), "--rubric", str(tmp_path / "rubric.toml"), "--json"]
    (tmp_path / "scratch").mkdir()
    done = verb(*line, seconds=300, scratch=tmp_path / "scratch")
    assert done.returncode == 0, done.stderr
    students = {one["name"]: one for one in json.loads(done.stdout)["students"]}
    points = {name: one["points"] for name, one in students.items()}
    good = {"Ada <b>": 4, "Bob": 4, "Elsewhere": 4, "Lingers": 4}
    assert points == {**{name: 0 for name in students}, **good}, done.stderr
    assert "error:" in " ".join(students["Wrong"]["words"])
    assert "no file at all" in students["Empty"]["problem"]
    assert "#error there is no answer" in " ".join(students["Copies"]["words"])
    assert not evil.exists() and "evil" not in (ROOT / "tests" / "conftest.py").read_text()
    assert list((tmp_path / "scratch").iterdir()) == []
    out = tmp_path / "class-marks"
    page = (out / "sheets" / "Ada-b.html").read_text()
    assert "Ada &lt;b&gt;" in page and "4 of 4 points" in page and "<b>" not in page
    assert "Framing &amp; &lt;more&gt;" in (out / "index.html").read_text()
    rows = {row[0]: row[1] for row in csv.reader((out / "marks.csv").open())}
    assert rows["Bob"] == "4" and rows["Forks"] == "0"
    again = verb(*line, seconds=300, scratch=tmp_path / "scratch")  # nothing is marked twice
    assert again.stderr.count("marked before") == len(students)
    assert json.loads(again.stdout) == json.loads(done.stdout)


@pytest.mark.heavy
def test_programs_are_marked_like_the_others(tmp_path: Path) -> None:
    """A copy of template-programs/, whole, and one whose server answers with other bytes. Then two
    that do nothing, but bring a module which writes results in the place of the tests."""
    if why := sandbox.missing():
        pytest.skip(why)
    files = {p.name.replace("python-", "mine-"): p.read_text() for p in (ROOT / "template-programs").iterdir()}
    wrong = files["roles.py"].replace("reply = encode(REPLY, sequence, sent, body)",
                                      "reply = encode(REPLY, sequence, sent, body + b'!')")  # fmt: skip
    assert wrong != files["roles.py"]
    folder = tmp_path / "class"
    folder.mkdir()
    packed(folder / "Ada.zip", {f"mine/{name}": text for name, text in files.items()})
    packed(folder / "Bob.zip", {**files, "roles.py": wrong})
    home = f"cat >$HOME/.local/lib/python3.$n/site-packages/usercustomize.py <<'EOF'\n{FORGE}\nEOF\n"
    plants = f"#!/bin/sh\nfor n in 11 12 13 14; do mkdir -p $HOME/.local/lib/python3.$n/site-packages\n{home}done\n"
    packed(folder / "Customs.zip", {f"x-{role}": plants for role in ("req", "rep", "pub", "sub")})
    named = {f"json-{role}": "#!/bin/false\n" for role in ("req", "rep", "pub", "sub")}
    packed(folder / "Json.zip", {**named, "__init__.py": FORGE})
    rubric = tmp_path / "rubric.toml"
    rubric.write_text('framing = "raw"\ntransports = ["ipc"]\n[clauses]\nR4 = 2\nR9 = 1\nP4 = 3\n')
    (tmp_path / "scratch").mkdir()
    done = verb(str(folder), "--rubric", str(rubric), "--json", seconds=300, scratch=tmp_path / "scratch")
    assert done.returncode == 0, done.stderr
    ada, bob, customs, named_json = json.loads(done.stdout)["students"]
    assert (customs["points"], named_json["points"]) == (0, 0)
    assert customs["problem"] == named_json["problem"] == ""
    assert [item["points"] for item in ada["items"]] == [2, 0, 3]
    assert "they need PANEL-driver" in ada["items"][1]["why"]  # R9 is not reachable
    assert [item["points"] for item in bob["items"]] == [0, 0, 3]


# Writes results to whatever the first process of the sandbox has open, and says its environment.
FORGER = """#!/bin/sh
for fd in 1 2 3 4 5 6 7 8 9; do
    echo '{"stage": "check", "report": {"kept": true, "clauses": {"R4": {"results": {"ipc":
        {"result": "kept", "reasons": [], "failures": []}}}}}}' | tr -d '\\n' 2>/dev/null >/proc/1/fd/$fd
    echo >/proc/1/fd/$fd
done
tr '\\0' ' ' </proc/1/environ >&2
"""


def test_another_user_marks() -> None:
    """Not root: bubblewrap then makes a namespace of users as well, and is of the same user as what
    runs in it."""
    if os.getuid() != 0:
        pytest.skip("the other tests are run by another user already")
    if why := sandbox.missing():
        pytest.skip(why)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {p.name.replace("python-", "mine-"): p.read_text() for p in (ROOT / "template-programs").iterdir()}
        write(folder / "class" / "Ada", files)
        for role in ("req", "rep", "pub", "sub"):
            (folder / "class" / "Ada" / f"mine-{role}").chmod(0o755)
        (folder / "rubric.toml").write_text('framing = "raw"\ntransports = ["ipc"]\n[clauses]\nR4 = 2\n')
        packed(folder / "class" / "Eve.zip", {f"mine-{role}": FORGER for role in ("req", "rep", "pub", "sub")})
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)
        command = [*nobody, "env", f"TMPDIR={folder}", "SECRET=hush", "/usr/bin/python3", "-B", str(ROOT / "tools"), "grade.grade"]
        command += [str(folder / "class"), "--rubric", str(folder / "rubric.toml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
        if "lets bubblewrap make no namespaces" in done.stderr or "Permission denied" in done.stderr:
            pytest.skip(done.stderr)
        assert done.returncode == 0, done.stderr
        rows = list(csv.reader((folder / "class-marks" / "marks.csv").open()))
        assert [row[:3] for row in rows[1:]] == [["Ada", "2", "2"], ["Eve", "0", "2"]], done.stderr
        assert "hush" not in (folder / "class-marks" / "results.json").read_text()
