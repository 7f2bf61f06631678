"""A browser on the pages of a server of ours: the fixtures, and how a test begins and ends a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from browsing import Browser, browser
from site_client import Site, of, site  # noqa: F401: a fixture

begun: list[str] = []  # runs of this test, which page() ends


@pytest.fixture(scope="module")
def session(site: Site) -> Iterator[Browser]:
    with browser() as one:
        one.open(site.base + "/?" + site.address.query)
        yield one


@pytest.fixture
def page(session: Browser, site: Site) -> Iterator[Browser]:
    """The browser; a test leaves nothing in its console, and no run behind."""
    session.messages()
    yield session
    found = [m for m in session.messages() if "favicon" not in m["message"]]
    session.open(site.base + "/play")
    session.size(1440)
    for run in begun:
        site.post("/play/stop", {"run": run})
        site.hears(run, lambda heard: bool(of(heard, "end")))
    begun.clear()
    assert found == []


def in_run(page: Browser) -> str:
    """The run that the page shows."""
    run = page.wait(lambda: page.run("return new URLSearchParams(location.search).get('run')"), "run in the address")
    begun.append(str(run))
    return str(run)


def start(page: Browser, site: Site, story: str) -> str:
    page.open(site.base + "/play")
    page.one(f"button[data-story='{story}']").click()
    return in_run(page)


def own(page: Browser, site: Site, **form: str) -> str:
    """A run with settings of its own, shown."""
    run = site.start(**form)
    begun.append(run)
    page.open(f"{site.base}/play?run={run}")
    return run


def stop(page: Browser) -> None:
    page.one("#stop").click()
    page.one("html[data-run='over']")
