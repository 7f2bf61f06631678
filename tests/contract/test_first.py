"""The first exchange of each pattern, through the programs. No clause is kept without it."""

import pytest

from programs import Stage


@pytest.mark.says(
    "PANEL-rep starts; then PANEL-req asks once",
    "an answer",
)
def test_first_request(stage: Stage) -> None:
    url = stage.url()
    stage.ready("rep", url, "--quiet")
    code, lines, errors = stage.run("req", "-u", url, "-t", 3000, "--quiet", "hello")
    assert code == 0, errors
    assert lines[-1]["received"] == 1


@pytest.mark.says(
    "PANEL-pub publishes 50 events a second; then PANEL-sub subscribes to all",
    "an event",
)
def test_first_event(stage: Stage) -> None:
    url = stage.url()
    stage.ready("pub", url, "-n", 0, "-r", 50, "--quiet", "hello")
    code, lines, errors = stage.run("sub", "-u", url, "-n", 1, "-t", 5000, "--quiet")
    assert code == 0, errors
    assert lines[-1]["received"] == 1
