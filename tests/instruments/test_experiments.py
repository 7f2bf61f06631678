"""What experiments work with, and how they are judged; and what every file of lab/experiments must be."""

import re
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from harness import panels
from lab import experiments as lab
from lab.workbench import Failed, Skip, Workbench
from programs import until


@pytest.mark.parametrize(
    ("expected", "observed", "fits"),
    [
        (2, 2, True),
        (2, 3, False),
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        (None, None, True),
        (None, 0, False),
        ("lost", "lost", True),
        ([1, 3], 1, True),
        ([1, 3], 3, True),
        ([1, 3], 3.01, False),
        ([0, 1], True, False),
        ([1, 3], [1, 3], True),
        ([1, 3], "2", False),
        ({"one_of": ["a", [1, 2]]}, 2, True),
        ({"one_of": ["a", [1, 2]]}, "b", False),
        ({"k": {"one_of": [1, None]}}, {"k": None, "more": 1}, True),
        ({"k": 1}, {}, False),
        ({"k": 1}, 1, False),
    ],
)
def test_comparison(expected: Any, observed: Any, fits: bool) -> None:
    assert lab.fits(expected, observed) is fits


def test_a_deviation_says_expected_and_observed() -> None:
    told = lab.deviations(
        {"dropped": "the newest", "n": [1, 3], "x_ms": 1, "tcp": {"x_ms": [1, 2], "y": True}},
        {"dropped": "the oldest", "n": 2, "tcp": {"x_ms": 3, "y": True}},
        {"x_ms": "the answer takes {} ms", "tcp": "over TCP"},
    )
    assert told == [
        "dropped: the oldest (expected: the newest)",
        "the answer takes ... ms was not observed",
        "over TCP: the answer takes 3 ms (expected: 1 to 2)",
    ]


def test_two_labs_at_once_get_different_addresses() -> None:
    with Workbench("raw") as one, Workbench("raw") as two:
        kinds = ("tcp", "ipc") * 20
        urls = [workbench.url(kind) for workbench in (one, two) for kind in kinds]
        assert len(set(urls)) == len(urls)


def test_the_workbench_speaks_with_programs() -> None:
    if not (panels.BUILD / "raw-rep").exists():
        pytest.skip("raw is not built")
    with Workbench("raw") as workbench:
        url = workbench.url()
        server = workbench.driver("rep", url, timeout=2000)
        client = workbench.driver("req", url, timeout=2000)
        client.must("send hello")
        assert server.must("recv")["text"] == "hello"
        assert client.call("send two")["result"] == 0 and server.call("send late")["result"] == 0
        with pytest.raises(Failed, match="unknown"):
            server.call("nonsense")
        with pytest.raises(Skip):
            workbench.probe("no-such-probe")
        folder = workbench.folder
    assert not folder.exists() and not server.running and not client.running


WORKS = """
import sys, threading, time
def work():
    while time.thread_time() < 0.3:
        pass
    print('{"event":"done"}', flush=True)
    time.sleep(100)
threading.Thread(target=work).start()
"""


def test_nothing_moves_when_all_threads_sleep() -> None:
    """However long that takes; a thread that waits for a processor does not sleep."""
    with Workbench("raw") as workbench:
        python = ("/usr/bin/python3", "-c")
        works = workbench.start(*python, WORKS)
        until(lambda: "R" in works.process.states())
        assert workbench.settle(works) and works.heard("done", 0)
        restless = workbench.start(*python, "while True: pass")
        until(lambda: "R" in restless.process.states())
        assert not workbench.settle(works, restless, seconds=0.5)
        restless.freeze()
        assert workbench.settle(works, restless), "a stopped program does nothing either"
        restless.kill()
        assert workbench.settle(works, restless), "and one that has ended"


def test_every_experiment_is_whole() -> None:
    experiments = lab.load_all(ROOT / "lab" / "experiments")
    assert len(experiments) >= 13
    for experiment in experiments:
        path = ROOT / "lab" / "experiments" / (experiment.name.replace("-", "_") + ".py")
        assert set(experiment.expected) == set(
            experiment.panels
        ), f"{path}: EXPECTED is not for PANELS"
        assert len(experiment.predict) >= 2 and experiment.sources and experiment.try_next, path
        assert experiment.question.endswith(("?", ".")) and len(experiment.explanation) > 200, path
        lines = path.read_text().splitlines()
        assert len(lines) <= 180 and max(map(len, lines)) <= 100, path
    names = [e.name for e in experiments]
    assert len(set(names)) == len(names)
    orders = [(e.theme, e.order) for e in experiments]
    assert len(set(orders)) == len(orders), "two experiments of one theme have the same ORDER"


def test_what_an_experiment_refers_to_is_there() -> None:
    """./triptych lab NAME, and files of ours, in what it tells."""
    experiments = lab.load_all(ROOT / "lab" / "experiments")
    for e in experiments:
        told = " ".join([e.explanation, e.try_next, *e.sources])
        for path in re.findall(r"\b(?:raw|zmq|nng|common|wire|lab)/[\w/]+\.\w+\b", told):
            if not re.search(rf"(nanomsg|NNG|libzmq): \S*{re.escape(path)}", told):
                assert (ROOT / path).exists(), f"{e.name}: {path}"


def test_the_readme_names_experiments_that_exist() -> None:
    text = (ROOT / "lab" / "README.md").read_text()
    named = set(re.findall(r"`(?:\./triptych )?lab ([a-z]+-[a-z-]+)", text))
    experiments = lab.load_all(ROOT / "lab" / "experiments")
    there = {e.name for e in experiments}
    assert "late-server" in named & there and len(named & there) > 5
    if {e.theme for e in experiments} == set(lab.THEMES):
        assert named <= there


def test_a_sentence_of_an_experiment_is_about_a_value_and_in_use() -> None:
    """WORDS has a place for the value; its keys are expected, or a probe says them."""
    for experiment in lab.load_all():
        source = Path(experiment.module.__file__ or "").read_text()
        expected = str(experiment.expected)
        for key, template in experiment.words.items():
            values = [each.get(key) for each in experiment.expected.values()]
            title = any(isinstance(v, dict) and lab.is_nested(v) for v in values)
            assert template.count("{}") == (not title), (experiment.name, key)
            assert repr(key) in expected or "workbench.probe" in source, (experiment.name, key)
