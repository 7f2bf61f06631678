"""Runs mechanical faults: for each the tests that reach its line, the cheapest first, until one fails."""

from __future__ import annotations

import collections
import hashlib
import json
import os
import random
import re
import resource
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from .alike import ALIKE
from .making import FOLDERS, Mutant, all_mutants
from .reach import Map, Test, load
from .tree import FAILING, PYTEST, ROOT, UNLIMITED, Tree, Wrong

ROLES = ("req", "rep", "pub", "sub", "driver")
PANELS = ("raw", "zmq", "nanomsg", "nng")
PROGRAMS = [f"{panel}-{role}" for panel in PANELS for role in ROLES] + ["tap", "decode", FAILING]
QUICK = ("--buildtype", "plain", "-Doptimization=1")  # and no debug information: equal code is equal
UNIT_S = 20  # and four times what it takes
FREEING = re.compile(r"(\(void\))?(\w*_)?(free|freemsg|close|clear|remove|release|term)\(|while \(")
QUICK_S = 2  # of a unit
MEMORY_MAX, FILE_MAX = 8 << 30, 1 << 30  # bytes of a process gone mad, and of what it writes
OUTCOMES = ("noticed", "survived", "alike", "invalid")


@dataclass
class Result:
    mutant: Mutant
    outcome: str  # one of OUTCOMES
    words: str
    by: list[str] = field(default_factory=list)  # what noticed it, to be run without it
    leaks: bool = False  # LeakSanitizer looked on
    seconds: float = 0.0


class Bench(Tree):
    """A copy of the tree whose programs and units are built."""

    def __init__(self, tree: Path, like: Bench | None = None) -> None:
        if like:  # Meson's files name each other relatively, so a copy is as good as the first
            self.tree, self.process, self.stopped = tree, None, False
            shutil.copytree(like.tree, tree, symlinks=True)
        else:
            super().__init__(tree, *QUICK)
            units = [f"tests/units/unit-{p.stem[5:]}" for p in (ROOT / "tests/units").glob("unit_*.c")]
            self.ninja([*PROGRAMS, *sorted(units)])
        built = json.loads((self.tree / "build/compile_commands.json").read_text())
        self.objects: dict[str, list[str]] = collections.defaultdict(list)
        for command in built:
            file = os.path.normpath(Path("build") / command["file"])
            if (self.tree / "build" / command["output"]).exists():
                self.objects[file].append(command["output"])
        self.code = self.hashes([output for outputs in self.objects.values() for output in outputs])

    def hashes(self, outputs: list[str]) -> dict[str, bytes]:
        return {
            output: hashlib.sha256((self.tree / "build" / output).read_bytes()).digest()
            for output in outputs
        }

    def leak_finder(self) -> dict[str, str]:
        """For the environment of a program: LeakSanitizer looks at it when it ends."""
        found = subprocess.run(["gcc", "-print-file-name=liblsan.so"], capture_output=True, text=True)
        options = f"suppressions={ROOT}/.ci/leaks.txt:print_suppressions=0"
        return {"LD_PRELOAD": found.stdout.strip(), "LSAN_OPTIONS": options}

    def fail_in_pytest(self, tests: list[Test], stop: bool, environment: dict[str, str]) -> list[str]:
        if not tests:
            return []
        chosen, report = self.tree / "chosen.txt", self.tree / "failed.txt"
        chosen.write_text("".join(f"{test.name}\n" for test in tests))
        report.unlink(missing_ok=True)
        command = [*PYTEST, "--rootdir", str(self.tree), "-p", "mutants.chosen"]
        command += ["-x"] if stop else []
        command += sorted({test.name.split("::")[0] for test in tests})
        limit = 20 + 2 * sum(test.seconds for test in tests)
        more = {"PYTHONPATH": "tests", "TRIPTYCH_CHOSEN": str(chosen), **environment}
        if preload := more.pop("LD_PRELOAD", ""):  # not for Python: the plugin hands it on
            more["TRIPTYCH_PRELOAD"] = preload
            command = [*UNLIMITED, *command]
        done = self.run(command, limit, **more)
        if done is None:
            return [test.name for test in tests]  # one of them hangs
        if done.returncode in (0, 5):  # 5: the tests of the list are no more
            return []
        failed = report.read_text().split("\n")[:-1] if report.exists() else []
        return failed or [test.name for test in tests]

    def judge(self, mutant: Mutant, tests: list[Test]) -> Result:
        path = self.tree / mutant.file
        text = path.read_bytes()
        assert text[mutant.start : mutant.end].decode() == mutant.old
        try:
            path.write_bytes(text[: mutant.start] + mutant.new.encode() + text[mutant.end :])
            return self.judge_planted(mutant, tests)
        finally:
            path.write_bytes(text)

    def judge_planted(self, mutant: Mutant, tests: list[Test]) -> Result:
        outputs = self.objects[mutant.file]
        try:
            self.ninja(outputs)
        except Wrong as wrong:
            return Result(mutant, "invalid", str(wrong).split("\n")[0])
        if self.hashes(outputs) == {output: self.code[output] for output in outputs}:
            return Result(mutant, "alike", "the compiler makes the same code")
        if mutant.key in ALIKE:
            return Result(mutant, "alike", ALIKE[mutant.key])
        leaks = mutant.kind == "drop" and bool(FREEING.match(mutant.old))
        for some in stages(tests):
            self.build(some)
            if failed := self.fail(some, leaks):
                words = failed[0].split("::")[-1] if len(failed) == 1 else "a test that hangs"
                return Result(mutant, "noticed", words, failed, leaks)
        ran = f"{len(tests)} tests pass" if tests else "no test reaches it"
        return Result(mutant, "survived", ran)

    def build(self, tests: list[Test]) -> None:
        units = [f"tests/units/unit-{test.unit}" for test in tests if test.unit]
        self.ninja(units + (PROGRAMS if len(units) < len(tests) else []))

    def fail(self, tests: list[Test], leaks: bool, stop: bool = True) -> list[str]:
        """The names of those that fail; with `stop` of the first one."""
        environment = self.leak_finder() if leaks else {}
        failed = []
        for test in [test for test in tests if test.unit]:
            if self.unit_fails(test.unit, UNIT_S + 4 * test.seconds, **environment):
                failed.append(test.name)
                if stop:
                    return failed
        return failed + self.fail_in_pytest([test for test in tests if not test.unit], stop, environment)

    def fail_anyway(self, results: list[Result], known: dict[str, Test]) -> list[Result]:
        """Those whose test fails without any fault, too, so that it showed nothing."""
        bad = []
        for leaks in (False, True):
            here = [result for result in results if result.by and result.leaks == leaks]
            tests = [known[name] for name in sorted({name for result in here for name in result.by})]
            if tests:
                self.build(tests)
                lame = set(self.fail(tests, leaks, stop=False))
                bad += [result for result in here if set(result.by) <= lame]
        return bad


def stages(tests: list[Test]) -> list[list[Test]]:
    """What is built and run together: quick units, tests of programs, units that take seconds."""
    quick = [test for test in tests if test.unit and test.seconds < QUICK_S]
    slow = [test for test in tests if test.unit and test.seconds >= QUICK_S]
    return [some for some in (quick, [test for test in tests if not test.unit], slow) if some]


def sampled(mutants: list[Mutant], number: int, seed: str) -> list[Mutant]:
    """By the seed; from each folder in turn, since the large ones have most of the mutants."""
    chance = random.Random(seed)
    piles = {folder: [m for m in mutants if m.file.startswith(folder + "/")] for folder in FOLDERS}
    for pile in piles.values():
        chance.shuffle(pile)
    turns = [pile[i] for i in range(max(map(len, piles.values()))) for pile in piles.values() if i < len(pile)]
    return turns[:number]


def run(mutants: list[Mutant], known: Map, benches: list[Bench], most_s: float) -> list[Result]:
    """Judges each of them. Tests whose seconds add up to more than `most_s` are left out."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX, resource.RLIM_INFINITY))
    waiting = iter(list(enumerate(mutants, 1)))
    lock = threading.Lock()
    results: list[Result] = []

    def work(bench: Bench) -> None:
        mine: list[Result] = []
        while True:
            with lock:
                at, mutant = next(waiting, (0, None))
            if not mutant:
                break
            since = time.monotonic()
            result = bench.judge(mutant, known.tests_of(mutant, most_s))
            result.seconds = time.monotonic() - since
            mine.append(result)
            with lock:
                results.append(result)
                print(f"{at:3}/{len(mutants)}  {result.outcome:8}  {mutant.kind:6}  {mutant}\n"
                      f"                   {result.words}  ({result.seconds:.0f} s)", flush=True)
        for result in bench.fail_anyway(mine, known.tests):
            result.outcome = "invalid"
            result.words = f"{result.words} fails without the fault, too"
            print(f"invalid  {result.mutant}: {result.words}", flush=True)

    with ThreadPoolExecutor(len(benches)) as pool:
        try:
            for future in [pool.submit(work, bench) for bench in benches]:
                future.result()
        except BaseException:
            for bench in benches:
                bench.stop()
            raise
    return results


def table(results: list[Result]) -> str:
    """How many of each area were tried, and what became of them."""
    lines = ["| area | tried | noticed | equivalent | survived | noticed of the rest |",
             "|---|---|---|---|---|---|"]
    for area in (*FOLDERS, "all"):
        here = [r for r in results if area == "all" or r.mutant.file.startswith(area + "/")]
        count = collections.Counter(r.outcome for r in here)
        tried = len(here) - count["invalid"]
        if tried:
            lines.append(f"| {area} | {tried} | {count['noticed']} | {count['alike']} | "
                         f"{count['survived']} | {share(here):.0f} % |")
    return "\n".join(lines)


def share(results: list[Result]) -> float:
    """Per cent noticed of those that change something."""
    count = collections.Counter(r.outcome for r in results)
    return 100 * count["noticed"] / ((count["noticed"] + count["survived"]) or 1)


def mechanical(
    files: list[str], number: int | None, seed: str, jobs: int, folder: Path, most_s: float
) -> list[Result]:
    """Makes the mutants of the files, runs them or a sample, and prints what became of them."""
    first = Bench(folder / "tree0")
    mutants = all_mutants(first.tree, files)
    chosen = sampled(mutants, number, seed) if number else mutants
    print(f"{len(chosen)} of {len(mutants)} mechanical faults", flush=True)
    benches = [first, *(Bench(folder / f"tree{i}", first) for i in range(1, min(jobs, len(chosen))))]
    results = run(chosen, load(), benches, most_s)
    for outcome in ("survived", "invalid"):
        for r in sorted((r for r in results if r.outcome == outcome), key=lambda r: r.mutant.key):
            print(f"{outcome}: {r.mutant.kind} {r.mutant} ({r.words})")
    print("\n" + table(results), flush=True)
    return results
