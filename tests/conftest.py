"""Options and fixtures. Every test of a clause runs once per panel and transport.

    /usr/bin/python3 -m pytest tests [--panel NAME]... [--build DIR] [-n PROCESSES]

A panel that panels.txt names and whose programs are not in the build folder is left out. Most
tests wait rather than compute, so several run at once (processes.py).
"""

import gc
import os
import sys
from pathlib import Path
from typing import Iterator

import pytest
from _pytest.mark import expression

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tools")]
sys.dont_write_bytecode = True

import harness.panels  # noqa: E402
import processes  # noqa: E402
from programs import Stage  # noqa: E402
from instruments.taps import Rig  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
TRANSPORTS = harness.panels.SPEAKS
PARSE_ERROR = getattr(expression, "ParseError", SyntaxError)  # pytest 9 has none of its own


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    parser.addoption("--panel", action="append", help="a panel to test; default: all that are built")
    parser.addoption("--build", default="build", help="the build folder; default: build")
    if not pluginmanager.hasplugin("xdist"):  # which has the same option; we do without it
        words = f"so many tests at once; default: {processes.NUMBER}"
        parser.getgroup("processes")._addoption("-n", dest="numprocesses", type=int, help=words)


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "transports(*names): the clause holds over these only",
        "heavy: loads or times the machine; never two at once",
        "panels(*names): only these panels speak what the test speaks",
        "first: takes long on its own, so it starts first",
        "together: the tests of a module that are so marked run in one process, one after the other",
        "says(done, expected): the test in words, for ./triptych check",
    ):
        config.addinivalue_line("markers", line)
    harness.panels.BUILD = build_folder(config)
    # pytest loads readline, which sets both for the programs that this one starts, behind os.environ.
    for name in {"COLUMNS", "LINES"} - os.environ.keys():
        os.unsetenv(name)
    os.environ["TRIPTYCH_BUILD"] = str(harness.panels.BUILD)  # of the verbs that tests run
    if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
        keep_bytecode(harness.panels.BUILD / "pycache")


def keep_bytecode(folder: Path) -> None:
    """What pytest makes of the tests' source is kept for its next run, here and in ./triptych check:
    in the build folder, not beside the sources. To make it takes most of the time to collect."""
    sys.pycache_prefix = str(folder)
    sys.dont_write_bytecode = False


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Several tests at once by default, and never by pytest-xdist."""
    try:
        expression.Expression.compile(config.option.keyword)
    except PARSE_ERROR as error:
        raise pytest.UsageError(f"-k {config.option.keyword}: {error}") from None
    options = config.option
    given = options.numprocesses if isinstance(options.numprocesses, int) else processes.NUMBER
    options.processes = 0 if options.collectonly or options.usepdb else given
    options.numprocesses = 0


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """The garbage collector passes over what was collected here: it stays, and is large."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """None: pytest goes on, and runs one test after the other."""
    number = min(session.config.option.processes, len(session.items))
    if session.testsfailed or number < 2:
        return None
    processes.run(session, number)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    return True


def build_folder(config: pytest.Config) -> Path:
    return (Path(config.invocation_params.dir) / str(config.getoption("build"))).resolve()


def panels(config: pytest.Config) -> list[harness.panels.Panel]:
    listed = harness.panels.read_panels()
    chosen: list[str] = config.getoption("panel") or []
    if chosen:
        return [panel for panel in listed if panel.name in chosen]
    whole = [panel for panel in listed if panel.kind in ("shipped", "own")]  # steps keep a part
    return [panel for panel in whole if panel.program("driver").exists()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test on each panel, over each transport that the panel speaks."""
    asked = [name for name in ("panel", "transport") if name in metafunc.fixturenames]
    if not asked:
        return
    only = metafunc.definition.get_closest_marker("panels")
    over = metafunc.definition.get_closest_marker("transports")
    chosen = [p for p in panels(metafunc.config) if not only or p.name in only.args]
    spoken = [t for t in (over.args if over else TRANSPORTS)]
    if asked == ["panel"]:
        metafunc.parametrize("panel", [panel.name for panel in chosen])
    else:
        pairs = [(p.name, t) for p in chosen for t in spoken if t in p.speaks]
        metafunc.parametrize(("panel", "transport"), pairs)


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
