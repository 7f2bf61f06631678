"""tests/faults/ against the tree: a fault whose text or test has gone shows nothing."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from conftest import ROOT, build_folder
from faults import FAULTS, Fault
from harness.panels import read_panels
from lab.experiments import load_all
from mutants import planted, reach
from mutants.alike import ALIKE
from mutants.tree import Wrong

FILES = sorted((ROOT / "tests").glob("*/test_*.py"))
TESTS = [name for path in FILES for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fits_the_tree(fault: Fault) -> None:
    found = (ROOT / fault.file).read_text().count(fault.old)
    assert found == fault.times, f"{fault.old!r} stands {found} times: mend tests/faults/"
    assert fault.old != fault.new
    assert fault.units or fault.tests or fault.lab
    assert fault.panel in ("", *(panel.name for panel in read_panels()))
    for unit in fault.units.split():
        assert (ROOT / "tests" / "units" / f"unit_{unit}.c").exists(), unit
    for test in fault.tests.split():
        assert TESTS.count(test) == 1, f"{TESTS.count(test)} files have {test}"


def test_every_experiment_of_the_lab_can_fail() -> None:
    """For each there is a change that must move its outcome."""
    there = {e.name: e.panels for e in load_all(ROOT / "lab" / "experiments")}
    planted = [(name, fault) for fault in FAULTS for name in fault.lab.split()]
    for name, fault in planted:
        assert fault.panel in there[name], f"{fault.name}: {name} does not run on {fault.panel}"
    missing = sorted(set(there) - {name for name, _ in planted})
    assert not missing, f"tests/faults/lab.py plants nothing for {', '.join(missing)}"


def test_names_are_said_once() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names))


def mutate(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", str(ROOT / "tests" / "mutate"), *words]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=150
    )


def test_a_seed_always_chooses_the_same() -> None:
    """So that a red build can be repeated, and many builds see all faults."""
    sample = ["--list", "--sample", "5", "--seed"]
    first, again, other = (mutate(*sample, seed).stdout for seed in "aab")
    assert first == again != other
    assert len(first.splitlines()) == 5
    choose = runpy.run_path(str(ROOT / "tests" / "mutate"))["choose"]
    seen = set()
    for seed in range(30):
        chosen = choose(Namespace(sample=len(FAULTS) // 15, seed=str(seed), names=[]))
        seen |= {fault.name for fault in chosen}
    assert len(seen) > len(FAULTS) * 3 // 4  # 1 - (14/15)^30 is 87 %


@pytest.mark.parametrize("line", ["no-such-fault", "--sample 0", "--all sigpipe", "--what"])
def test_a_wrong_command_line(line: str) -> None:
    assert mutate(*line.split()).returncode == 2


def test_help_that_nobody_reads_on() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-B", str(ROOT / "tests/mutate"), "-h"]
    told = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=150)
    os.close(writer)
    assert told.stderr == ""


def test_a_fault_whose_test_is_gone_says_so() -> None:
    worker = object.__new__(planted.Worker)
    worker.files = planted.test_files()
    with pytest.raises(Wrong, match="there is no test test_that_was_renamed"):
        worker.failed_tests("raw", ["test_that_was_renamed[raw-tcp]"])


@pytest.mark.parametrize("seen", ([True], [False, True], [False, False]))
def test_a_fault_may_escape_once(monkeypatch: pytest.MonkeyPatch, seen: list[bool]) -> None:
    catches = iter([planted.Catch("test_x") if one else None for one in seen])
    monkeypatch.setattr(planted.Worker, "catch_now", lambda worker, fault: next(catches))
    catch = object.__new__(planted.Worker).catch(FAULTS[0])
    second = " (at the second attempt only)" if len(seen) > 1 else ""
    assert (catch.words if catch else None) == (f"test_x{second}" if any(seen) else None)
    assert not list(catches)


def test_a_test_that_fails_twice_without_a_fault_showed_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = ((fault, planted.Catch(fault.name)) for fault in FAULTS[:2])
    fails = iter([[first, second], [second]])
    monkeypatch.setattr(planted.Worker, "fail_now", lambda worker, caught: next(fails))
    assert object.__new__(planted.Worker).fail_anyway([first, second]) == [second]


SAMPLE = """\
#include <errno.h>
#define TWICE(x) do { twice(x); twice(x); } while (0)
int zmq_setsockopt(void *, int, const void *, unsigned long);
void twice(int x);

int
f(int a, void *s)
{
    if (a < 3 && s) /* asked */
        twice(a);
    for (int i = 0; i <= a; i++)
        TWICE(i);
    while (a > 0)
        a -= a + 1;
    if (a > 5)
        a = 5;
    errno = ENOENT;
    a = 7 < a ? 7 : a;
    return zmq_setsockopt(s, a == 1 ? 1 : 2, 0,
        0) < 0 && errno == EINTR;
}
"""


without_clang = pytest.mark.skipif(not shutil.which("clang"), reason="needs clang: ./triptych install ci")


@without_clang
def test_mechanical_faults_of_a_file(tmp_path: Path) -> None:
    """Each kind, where it belongs, and nothing else: a comment, an initial value, a macro's inside."""
    making = pytest.importorskip("mutants.making", reason="needs python3-clang")
    (tmp_path / "raw").mkdir()
    (tmp_path / "build").mkdir()
    (tmp_path / "raw/f.c").write_text(SAMPLE)
    command = {"directory": str(tmp_path / "build"), "file": "../raw/f.c", "command": "cc -c ../raw/f.c"}
    (tmp_path / "build/compile_commands.json").write_text(json.dumps([command]))
    made = making.all_mutants(tmp_path, [])
    assert [(m.kind, m.line, m.old, m.new.rstrip("\n")) for m in made] == [
        ("negate", 9, "a < 3", "!(a < 3)"),
        ("negate", 9, "a < 3 && s", "!(a < 3 && s)"),
        ("bound", 9, "<", "<="),
        ("negate", 9, "s", "!(s)"),
        ("drop", 10, "twice(a);", ";"),
        ("negate", 11, "i <= a", "!(i <= a)"),
        ("bound", 11, "<=", "<"),
        ("drop", 12, "TWICE(i);", ";"),
        ("negate", 13, "a > 0", "!(a > 0)"),
        ("bound", 13, ">", ">="),
        ("drop", 14, "a -= a + 1;", ";"),
        ("bound", 14, "+ 1", "+ 0"),
        ("negate", 15, "a > 5", "!(a > 5)"),
        ("drop", 16, "a = 5;", ";"),
        ("drop", 17, "errno = ENOENT;", ";"),
        ("errno", 17, "ENOENT", "EDOM"),
        ("drop", 18, "a = 7 < a ? 7 : a;", ";"),
        ("negate", 18, "7 < a", "!(7 < a)"),
        ("option", 19, "zmq_setsockopt(s, a == 1 ? 1 : 2, 0,\n        0)", "0"),
        ("negate", 19, "zmq_setsockopt(s, a == 1 ? 1 : 2, 0,\n        0) < 0",
         "!(zmq_setsockopt(s, a == 1 ? 1 : 2, 0,\n        0) < 0)"),
        ("negate", 19, "a == 1", "!(a == 1)"),
        ("bound", 20, "<", "<="),
        ("negate", 20, "errno == EINTR", "!(errno == EINTR)"),
        ("errno", 20, "EINTR", "EDOM"),
    ]
    text = SAMPLE.encode()
    for m in made:
        changed = text[: m.start] + m.new.encode() + text[m.end :]
        assert changed.count(b"\n") == text.count(b"\n"), m
        assert m.function == "f" and m.first == 6
    assert made[2].key == ("raw/f.c", "f", "if (a < 3 && s) /* asked */", "if (a <= 3 && s) /* asked */")


def test_a_sample_takes_from_each_folder_in_turn() -> None:
    running = pytest.importorskip("mutants.running", reason="needs python3-clang")
    made = [
        running.Mutant("drop", f"{folder}/f.c", "f", line, line, line + 1, "x;", ";", f"{line}", "", 1)
        for folder, lines in (("raw", 50), ("zmq", 2), ("tools/wire/decode", 400)) for line in range(lines)
    ]
    chosen = running.sampled(made, 9, "seed")
    folders = [m.file.rsplit("/", 1)[0] for m in chosen]
    assert folders[:6] == ["raw", "zmq", "tools/wire/decode"] * 2
    assert folders[6:] == ["raw", "tools/wire/decode", "raw"]
    assert chosen == running.sampled(made, 9, "seed") != running.sampled(made, 9, "other")
    results = [running.Result(m, outcome, "") for m, outcome in zip(made, ("noticed", "alike", "survived", "noticed"))]
    assert round(running.share(results)) == 67


@without_clang
def test_the_mechanical_faults_that_change_nothing_fit_the_tree(request: pytest.FixtureRequest) -> None:
    """Who changes such a line must think again whether the fault can be seen."""
    making = pytest.importorskip("mutants.making", reason="needs python3-clang")
    build = build_folder(request.config)
    made = making.all_mutants(ROOT, sorted({file for file, *_ in ALIKE}), str(build)) if ALIKE else []
    gone = set(ALIKE) - {mutant.key for mutant in made}
    assert not gone, f"mend tests/mutants/alike.py: {gone}"
    assert all(len(reason) > 20 for reason in ALIKE.values())


def test_the_map_is_not_too_old() -> None:
    """It need not be new: what it does not know costs a fault only tests. But it must be of use."""
    found = reach.load()
    there = {name.split("[")[0] for name in found.tests} & {
        f"{path.relative_to(ROOT)}::{name}"
        for path in FILES for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    named = {name.split("[")[0] for name in found.tests if "::" in name}
    assert len(there) > 0.8 * len(named), "make it anew: tests/mutate --map"
    for test in found.tests.values():
        assert not test.unit or (ROOT / "tests/units" / f"unit_{test.unit}.c").exists(), test


def functions_of(file: str) -> set[str]:
    """Each has its name at the beginning of a line."""
    path = ROOT / file
    return set(re.findall(r"^(\w+)\(", path.read_text(), re.M)) if path.exists() else set()


def test_the_map_knows_the_functions() -> None:
    """Of one that has moved, its tests would not run: each of its faults would survive."""
    places = {(file, name) for file, name in (place.split(" ") for place in reach.load().functions)}
    gone = sorted(f"{name} is not in {file}" for file, name in places if name not in functions_of(file))
    assert not gone, f"tests/mutate --map, of the tests that reach it: {gone}"
    there = {
        (str(path.relative_to(ROOT)), name)
        for area in reach.AREAS for path in (ROOT / area).glob("*.c")
        if not path.stem.endswith("_windows") and path.stem != "driver"
        for name in functions_of(str(path.relative_to(ROOT)))
    }
    new = there - places
    assert len(new) < 0.03 * len(there), f"tests/mutate --map, of the tests that reach these: {sorted(new)}"


def test_lines_are_stored_as_ranges() -> None:
    for lines, text in (({0}, "0"), ({3, 1, 2, 7}, "1-3,7"), ({0, 2, 4, 5}, "0,2,4-5")):
        assert reach.ranges(lines) == text
        assert reach.numbers(text) == lines
