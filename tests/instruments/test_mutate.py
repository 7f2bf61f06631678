"""tests/faults/ against the tree: a fault whose text or test has gone shows nothing."""

import re
import subprocess
import sys

import pytest

from conftest import ROOT
from faults import FAULTS, Fault
from harness.panels import read_panels
from lab.experiments import load_all

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
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )


def test_a_seed_always_chooses_the_same() -> None:
    """So that a red build can be repeated, and many builds see all faults."""
    sample = ["--list", "--sample", "5", "--seed"]
    first, again, other = (mutate(*sample, seed).stdout for seed in "aab")
    assert first == again != other
    assert len(first.splitlines()) == 5
    seen = set()
    for seed in range(20):
        seen |= set(mutate("--list", "--sample", "24", "--seed", str(seed)).stdout.splitlines())
    assert len(seen) > len(FAULTS) * 3 // 4


@pytest.mark.parametrize("line", ["no-such-fault", "--sample 0", "--all sigpipe", "--what"])
def test_a_wrong_command_line(line: str) -> None:
    assert mutate(*line.split()).returncode == 2
