"""Options and fixtures. Every test of a clause runs once per panel and transport.

    /usr/bin/python3 -m pytest tests [--panel NAME]... [--build DIR] [-n PROCESSES]

A panel that panels.txt names and whose programs are not in the build folder is left out. Most
tests wait rather than compute, so with pytest-xdist several run at once; those that load or time
the machine are marked `heavy` and run one after the other.
"""

import gc
import os
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tools")]
sys.dont_write_bytecode = True

import harness.panels  # noqa: E402
from programs import Stage  # noqa: E402
from instruments.taps import Rig  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
TRANSPORTS = ["tcp", "tcp6", "ipc"]
PROCESSES = 8


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--panel", action="append", help="a panel to test; default: all that are built")
    parser.addoption("--build", default="build", help="the build folder; default: build")


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "transports(*names): the clause holds over these only",
        "heavy: loads or times the machine; never two at once",
        "panels(*names): only these panels speak what the test speaks",
        "first: takes long on its own, so it starts first",
        "says(done, expected): the test in words, for ./triptych check",
    ):
        config.addinivalue_line("markers", line)
    harness.panels.BUILD = build_folder(config)
    os.environ["TRIPTYCH_BUILD"] = str(harness.panels.BUILD)  # of the verbs that tests run


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Several at once by default, where pytest-xdist is installed."""
    if hasattr(config, "workerinput") or not config.pluginmanager.hasplugin("xdist"):
        return
    options = config.option
    if options.numprocesses is None and not options.collectonly and not options.usepdb:
        options.numprocesses = PROCESSES
    if options.numprocesses:
        options.dist = "loadgroup"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("heavy"):
            item.add_marker(pytest.mark.xdist_group("heavy"))
    rank = {"first": 0, "heavy": 1}
    items.sort(key=lambda item: min([rank.get(m.name, 2) for m in item.iter_markers()], default=2))


def build_folder(config: pytest.Config) -> Path:
    return (Path(config.invocation_params.dir) / str(config.getoption("build"))).resolve()


def panels(config: pytest.Config) -> list[str]:
    chosen: list[str] = config.getoption("panel") or []
    if chosen:
        return chosen
    listed = harness.panels.read_panels()
    whole = [panel for panel in listed if panel.kind in ("shipped", "own")]  # steps keep a part
    return [panel.name for panel in whole if panel.program("driver").exists()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "panel" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("panels")
        names = [p for p in panels(metafunc.config) if not only or p in only.args]
        metafunc.parametrize("panel", names)
    if "transport" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("transports")
        metafunc.parametrize("transport", only.args if only else TRANSPORTS)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def stage(panel: str, transport: str, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Where a test's processes live; what they leave behind fails it."""
    gc.collect()  # what an earlier test left to be collected is not this one's
    before = open_descriptors()
    stage = Stage(panel, transport)
    yield stage
    wrong = stage.end()
    if not getattr(request.node, "failed", False):
        assert not wrong, "; ".join(wrong)
        assert open_descriptors() <= before


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
        stage = getattr(item, "funcargs", {}).get("stage")
        for program in stage.programs if stage else []:
            if program.complaint:
                report.sections.append((f"standard error of {program.name}", program.stderr()))


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A tap, a server behind it, and clients; what they leave behind fails the test."""
    before = open_descriptors()
    rig = Rig()
    with rig.stack:
        yield rig
    if not getattr(request.node, "failed", False):
        assert open_descriptors() <= before
