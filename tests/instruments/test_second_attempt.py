"""./triptych test runs few failed tests once more: what it counts, and what it says."""

from pathlib import Path

import pytest

from check import test as verb

TESTS = """
from pathlib import Path

def test_fails_once():
    seen = Path(__file__).with_name("seen")
    there = seen.exists()
    seen.touch()
    assert there

def test_fails_always():
    assert False

def test_passes():
    pass
"""


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], Path]:
    """Three tests of which two have failed, pytest's arguments, and its report."""
    monkeypatch.setattr(verb, "ROOT", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_three.py").write_text(TESTS)
    report = tmp_path / "report.xml"
    arguments = [f"--rootdir={tmp_path}", f"--junitxml={report}"]
    assert verb.run([*verb.PYTEST, "tests", *arguments]) == 1
    return arguments, report


def test_what_passes_alone_is_named_and_what_fails_again_counts(
    three: tuple[list[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments, report = three
    count = verb.Count()
    count.add(report)
    assert (count.passed, count.failed) == (1, 2)
    verb.again(count, report, arguments)
    assert (count.passed, count.failed) == (2, 1)
    said = [line for line in capfd.readouterr().out.splitlines() if "second attempt" in line]
    assert said == ["passed at the second attempt only: tests/test_three.py::test_fails_once"]


def test_a_second_attempt_that_runs_nothing_excuses_nothing(three: tuple[list[str], Path]) -> None:
    arguments, report = three
    count = verb.Count()
    count.add(report)
    verb.again(count, report, [*arguments, "-k", "nothing"])
    assert (count.passed, count.failed) == (1, 2)


def test_a_name_that_no_test_has_is_a_wrong_command_line(
    three: tuple[list[str], Path], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest only says that it has selected nothing. A report that is there from before counts for nothing."""
    (three[1].parent / "tests" / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--build')\n    parser.addoption('--panel')\n"
    )
    monkeypatch.setattr(verb, "BUILD", three[1].parent)
    with pytest.raises(SystemExit) as end:
        verb.contract(verb.Count(), ["raw"], ["-k", "nosuchtest"])
    said = capfd.readouterr()
    assert end.value.code == 2 and "ended with status" not in said.out
    assert said.err == "triptych: test: no test's name matches -k nosuchtest; ./triptych test --help\n"
    count = verb.Count()
    verb.contract(count, ["raw"], ["-k", "passes"])
    assert (count.passed, count.failed) == (1, 0)
