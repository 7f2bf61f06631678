"""A plugin of pytest: of what it has collected, the tests of a list, in the list's order.

    pytest -p mutants.chosen, with TRIPTYCH_CHOSEN=FILE: one name a line

A name that nothing has any more is passed over: the list may be older than the tests.
"""

import os
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """The programs under test, not Python, are looked at by LeakSanitizer, if that is asked for."""
    if preload := os.environ.pop("TRIPTYCH_PRELOAD", ""):
        os.environ["LD_PRELOAD"] = preload


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    by_name = {item.nodeid: item for item in items}
    wanted = Path(os.environ["TRIPTYCH_CHOSEN"]).read_text().splitlines()
    chosen = [by_name[name] for name in wanted if name in by_name]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        with open(Path(os.environ["TRIPTYCH_CHOSEN"]).with_name("failed.txt"), "a") as file:
            file.write(f"{report.nodeid}\n")
