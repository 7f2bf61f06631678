"""The map: which tests reach which lines of the C code. It is kept in map.json.

One line a function: the tests that reach it. A line that few tests reach is rare, and these tests
name it, counted from the function's first line, so that a function may move in its file. Of the
cases of one test the cheapest is kept, and of many tests the cheapest of each file in turn, and all
of test_failing_*.py, each of which makes other calls fail.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .tree import ROOT

if TYPE_CHECKING:
    from .making import Mutant

FILE = Path(__file__).parent / "map.json"
RARE = 10  # tests reach such a line, at most
KEPT = 120  # tests of a function, at most


@dataclass(frozen=True)
class Test:
    name: str  # as pytest names it, or unit:NAME
    seconds: float

    @property
    def unit(self) -> str:
        return self.name[5:] if self.name.startswith("unit:") else ""

    @property
    def file(self) -> str:
        return f"tests/units/unit_{self.unit}.c" if self.unit else self.name.split("::")[0]


# By file and function: each test with the rare lines that it reaches, or with none if it reaches
# others. Who reaches both stands there twice.
Places = dict[str, list[tuple[Test, set[int]]]]


@dataclass
class Map:
    tests: dict[str, Test]
    functions: Places

    def tests_of(self, mutant: Mutant, most_s: float) -> list[Test]:
        """Those that reach its line if it is rare, or else those that reach its function."""
        found = self.functions.get(f"{mutant.file} {mutant.function}", [])
        offset = mutant.line - mutant.first
        there = [test for test, lines in found if offset in lines] or [test for test, at in found if not at]
        there.sort(key=lambda test: test.seconds)
        chosen, total = [], 0.0
        for test in there:
            total += test.seconds
            if not chosen or total <= most_s:
                chosen.append(test)
        return chosen


def numbers(text: str) -> set[int]:
    """0-3,7 is 0, 1, 2, 3 and 7."""
    ends = [part.split("-") for part in text.split(",") if part]
    return {n for end in ends for n in range(int(end[0]), int(end[-1]) + 1)}


def ranges(found: set[int]) -> str:
    parts: list[list[int]] = []
    for n in sorted(found):
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def load() -> Map:
    stored = json.loads(FILE.read_text())
    tests = [
        Test(f"{file}::{name}" if file else name, seconds)
        for file, cases in stored["tests"].items() for name, seconds in cases.items()
    ]
    found = {}
    for place, reached in stored["functions"].items():
        parts = [part.partition(":") for part in reached.split(" ")]
        found[place] = [(tests[int(number)], numbers(lines)) for number, _, lines in parts]
    return Map({test.name: test for test in tests}, found)


def store(places: Places) -> None:
    """Places are files with their functions. A test gets a number, in the order of the file."""
    used = sorted({test for tests in places.values() for test, _ in tests}, key=lambda test: test.name)
    cases: dict[str, dict[str, float]] = defaultdict(dict)
    for test in used:
        file, _, name = test.name.rpartition("::")
        cases[file][name] = round(test.seconds, 1)
    order = [f"{file}::{name}" if file else name for file in cases for name in cases[file]]
    number_of = {name: i for i, name in enumerate(order)}
    functions = {
        place: " ".join(f"{number_of[test.name]}:{ranges(at)}".rstrip(":") for test, at in tests)
        for place, tests in sorted(places.items())
    }
    FILE.write_text(json.dumps({"tests": cases, "functions": functions}, indent=0) + "\n")


# Making it. A build of clang's counts what runs, and writes the counts to files that stay mapped.
COUNTING = "-fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation"
PYTHON = [
    "tests/contract", "tests/foreign/test_foreign.py", "tests/foreign/test_notices.py",
    "tests/instruments/test_frames.py",
    *(f"tests/instruments/test_{name}.py" for name in (
        "tap", "tap_commands", "tap_faults", "tap_record", "wire_capture", "wire_decode", "wire_failing_calls",
        "wire_verb",
    )),
]
WHICH = "not test_template and (not tcp6 or test_R1 or test_P1 or test_first)"
AREAS = ("raw", "zmq", "nng", "common", "programs", "tools/wire/decode", "tools/wire")


def built(build: Path) -> None:
    if not (build / "build.ninja").exists():
        setup = ["meson", "setup", str(build), "--buildtype", "plain", "-Doptimization=1",
                 f"-Dc_args={COUNTING}", "-Dc_link_args=-fprofile-instr-generate"]
        subprocess.run(setup, cwd=ROOT, check=True, env={**os.environ, "CC": "clang"})
    subprocess.run(["ninja", "-C", str(build)], cwd=ROOT, check=True)


def programs(build: Path) -> list[Path]:
    """The programs that count, of the panels that we ship."""
    found = [p for folder in (build, build / "tests/units") for p in sorted(folder.iterdir())]
    return [p for p in found if p.is_file() and os.access(p, os.X_OK) and not re.search(r"-\d-|winsock|dgram", p.name)]


def count(build: Path, folder: Path, files: list[str]) -> None:
    """Runs the tests of these files, or all; what each test reached stands in files of the folder then."""
    signatures = {}
    for program in programs(build):
        with tempfile.TemporaryDirectory() as counts:
            where = {**os.environ, "LLVM_PROFILE_FILE": f"{counts}/%c%m.profraw"}
            subprocess.run([program, "-h"], env=where, stdin=subprocess.DEVNULL, capture_output=True)
            for name in os.listdir(counts):
                signatures[name.split("_")[0]] = str(program)
    (folder / "programs.json").write_text(json.dumps(signatures))
    reached = {**os.environ, "TRIPTYCH_REACH": str(folder), "PYTHONPATH": "tests"}
    os.environ["TRIPTYCH_REACH"] = str(folder)
    from .recorder import record

    for program in programs(build):
        unit = program.name.removeprefix("unit-")
        if program.parent.name == "units" and (not files or f"tests/units/unit_{unit}.c" in files):
            with record(f"unit:{unit}"):
                subprocess.run([program, ROOT / "tests/data/corpus" / unit], stdout=subprocess.DEVNULL,
                               stdin=subprocess.DEVNULL)
    python = [file for file in files or PYTHON if not file.endswith(".c")]
    command = ["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "mutants.recorder",
               f"--build={build}", "-k", WHICH, *python]
    if python:
        subprocess.run(command, cwd=ROOT, env=reached)


def condense(folder: Path, build: Path, files: list[str]) -> None:
    """Writes map.json from what each test reached. Of other files than these, what it says stays."""
    from .making import functions  # needs libclang, which a reader of the map does not

    reached: dict[tuple[str, int], list[Test]] = defaultdict(list)
    for path in sorted(folder.glob("tests-*.jsonl")):
        for line in path.read_text().splitlines():
            said = json.loads(line)
            test = Test(said["test"], said["seconds"])
            for file, lines in said["lines"].items():
                for number in lines:
                    reached[file, number].append(test)
    places: Places = {}
    known = load().functions if files else {}
    for file, found in functions(ROOT, build.name).items():
        for name, first, last in found:
            rare: dict[Test, set[int]] = defaultdict(set)
            common: set[Test] = set()
            stay = [(t, at) for t, at in known.get(f"{file} {name}", []) if t.file not in files]
            common.update(test for test, at in stay if not at)
            for number in range(first, last + 1):
                few = [test for test, at in stay if number - first in at]
                tests = cheapest(few + reached.get((file, number), []), file)
                if len(tests) > RARE or (common and not few):
                    common.update(tests)
                    continue
                for test in tests:
                    rare[test].add(number - first)
            inturn = in_turn(cheapest(list(common), file))
            kept = inturn[:KEPT] + [test for test in inturn[KEPT:] if "failing_" in test.name]
            if rare or kept:
                places[f"{file} {name}"] = [*((test, set()) for test in kept), *rare.items()]
    store(places)


def cheapest(tests: list[Test], file: str) -> list[Test]:
    """Of the cases of one test the cheapest; nanomsg and NNG share a source, but not its branches.

    The cases of test_wire_decode.py stay apart, since each is another recording, and so do those of
    test_failing_*.py, each of which makes other calls fail, and IPv6.
    """
    best: dict[str, Test] = {}
    for test in sorted(tests, key=lambda test: test.seconds):
        panel = re.search(r"nanomsg|nng", test.name) if file.startswith("nng/") else None
        apart = "test_wire_decode" in test.name or "failing_" in test.name
        name = test.name if apart else test.name.split("[")[0]
        best.setdefault(name + (panel[0] if panel else "") + "6" * ("tcp6" in test.name), test)
    return list(best.values())


def in_turn(tests: list[Test]) -> list[Test]:
    """One of each file of tests in turn."""
    piles: dict[str, list[Test]] = defaultdict(list)
    for test in tests:
        piles["unit" if test.unit else test.name.split("::")[0]].append(test)
    return [pile[i] for i in range(len(tests)) for pile in piles.values() if i < len(pile)]


def coverage(folder: Path, build: Path) -> str:
    """A table: lines and branches reached, by area."""
    merged = folder / "all.profdata"
    listed = folder / "profiles.txt"
    listed.write_text("".join(f"{p}\n" for p in (folder / "profiles").iterdir()))
    subprocess.run(["llvm-profdata", "merge", "-sparse", "-f", listed, "-o", merged], check=True)
    first, *others = programs(build)
    command = ["llvm-cov", "export", "-summary-only", f"-instr-profile={merged}", str(first)]
    command += [word for program in others for word in ("-object", str(program))]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = ["| area | lines | of | branches | of |", "|---|---|---|---|---|"]
    files = json.loads(output)["data"][0]["files"]
    for area in (*AREAS, "all"):
        figures = []
        for what in ("lines", "branches"):
            here = [f["summary"][what] for f in files if in_area(os.path.normpath(f["filename"]), area)]
            total, hit = sum(s["count"] for s in here), sum(s["covered"] for s in here)
            figures.append(f"{100 * hit / (total or 1):.1f} % | {total}")
        rows.append(f"| {area} | {' | '.join(figures)} |")
    return "\n".join(rows)


def in_area(file: str, area: str) -> bool:
    path = os.path.relpath(file, ROOT)
    if area == "all":
        return any(in_area(file, one) for one in AREAS)
    return path.startswith(area + "/") and (area != "tools/wire" or not path.startswith("tools/wire/decode/"))


def make(build: Path, files: list[str]) -> str:
    """Runs all tests, writes map.json, and returns the table of the coverage; or those of some files alone."""
    built(build)
    with tempfile.TemporaryDirectory(prefix="reach-") as folder:
        count(build, Path(folder), files)
        condense(Path(folder), build, files)
        return coverage(Path(folder), build) if not files else f"added what {', '.join(files)} reach"
