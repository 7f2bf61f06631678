"""The published run: RESULTS.json.gz, what was made from it, and the documents that quote it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import results as bench_results
from bench import words
from bench.chart import charts
from bench.stated import RECORDED, STATED, Stated, restate
from conftest import ROOT
from harness.svg import svg_text

pytestmark = pytest.mark.together  # one process reads the run, once
FOLDER = RECORDED.parent


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return bench_results.read(RECORDED)


def test_the_published_run_is_all_of_one_piece(results: dict[str, Any]) -> None:
    """It follows its schema, and charts/ has the charts of it and no others."""
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(results, json.loads((FOLDER / "results.schema.json").read_text()))
    assert results["found"] == words.found(results)
    made = {f"{chart.name}.svg": svg_text(chart) for chart in charts(results["cells"])}
    drawn = {path.name: path.read_text() for path in (FOLDER / "charts").iterdir()}
    assert drawn == made, "tools/bench/publish makes them"


def test_the_text_is_what_the_command_prints() -> None:
    """The command is the one that the text itself names."""
    pytest.importorskip("rich")
    text = (FOLDER / "RESULTS.txt").read_text()
    (command,) = [line.strip() for line in text.splitlines() if line.startswith("    ./triptych bench ")]
    arguments = ["/usr/bin/python3", "-B", "tools", "bench.bench", *command.split()[2:]]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == text, "tools/bench/publish makes it"


@pytest.mark.parametrize("one", STATED, ids=lambda one: f"{one.document}: {one.pattern[:40]}")
def test_documents_quote_the_published_run(one: Stated, results: dict[str, Any]) -> None:
    match = one.find((ROOT / one.document).read_text())
    assert match, f"{one.document}: nothing like {one.pattern}"
    assert list(match.groups()) == one.figures(results), "tools/bench/publish writes them"


def test_figures_are_written_into_documents(results: dict[str, Any], tmp_path: Path) -> None:
    """And nothing else is changed; a text that is not there any more is told."""
    for name in {one.document for one in STATED}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    assert restate(results, tmp_path) == []
    page = tmp_path / "CHOOSING.md"
    text = page.read_text()
    row = next(line for line in text.splitlines() if line.startswith("| round trip on one core"))
    page.write_text(text.replace(row, row.rpartition(" | ")[0] + " | 17.0 |"))
    assert len(told := restate(results, tmp_path)) == 1 and told[0].startswith("CHOOSING.md: 17.0, now ")
    assert page.read_text() == text
    page.write_text(text.replace("| round trip on one core", "| round trips"))
    assert any("has no text like" in line for line in restate(results, tmp_path))


@pytest.mark.parametrize(
    "changed",
    [{"quick": True}, {"interrupted": True}, {"lossless": []}, {"version": 2}],
)
def test_only_a_whole_run_is_published(changed: dict[str, Any], results: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**results, **changed}))
    before = RECORDED.read_bytes()
    done = subprocess.run([FOLDER / "publish", path], capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 2 and done.stderr.startswith("publish: ") and done.stderr.count("\n") == 1
    assert RECORDED.read_bytes() == before


def test_a_run_is_published_by_one_command(results: dict[str, Any], tmp_path: Path) -> None:
    """In a copy of the tree: from this run's figures come the same files, with what was to be said of it."""
    pytest.importorskip("rich")
    copy = tmp_path / "tree"
    for name in ("tools", "CHOOSING.md", "panels.txt"):
        copying = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy.mkdir(exist_ok=True)
        copying(ROOT / name, copy / name)
    shutil.rmtree(copy / "tools/bench/charts")
    (copy / "tools/bench/charts").mkdir()
    for name in ("RESULTS.json.gz", "RESULTS.txt"):
        (copy / "tools/bench" / name).unlink()
    path = tmp_path / "run.json"
    path.write_text(json.dumps(results))
    remarks = results.get("remarks", [])
    done = subprocess.run([copy / "tools/bench/publish", path, *remarks], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("RESULTS.txt", "README.md", *(f"charts/{one.name}" for one in (FOLDER / "charts").iterdir())):
        assert (copy / "tools/bench" / name).read_bytes() == (FOLDER / name).read_bytes(), name
    assert bench_results.read(copy / "tools/bench/RESULTS.json.gz") == results
