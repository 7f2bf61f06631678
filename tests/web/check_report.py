"""A report in a browser, from a file, with the network off: ./triptych test --web."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsing import NAMELESS, OUTSIDE, Browser, browser
from test_report import packed_in
from web import report
from web.pages import play, read

pytestmark = pytest.mark.together  # one session


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quick report with one story, and few panels to read."""
    path = tmp_path_factory.mktemp("report") / "a report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(play, "QUICK", ("killed-server",))
        patch.setattr(play, "REPORT_SECONDS", 1.0)
        patch.setattr(read, "ways", lambda: {"raw": ["raw-1", "raw-2"]})
        patch.setattr(read, "IN_REPORTS", (["raw-1", "zmq-1"],))
        path.write_text(asyncio.run(report.make(quick=True)))
    return path


@pytest.fixture(scope="module")
def session() -> Iterator[Browser]:
    with browser() as one:
        one.driver.execute_cdp_cmd("Network.enable", {})
        off = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        one.driver.execute_cdp_cmd("Network.emulateNetworkConditions", off)
        yield one


@pytest.fixture
def page(session: Browser) -> Iterator[Browser]:
    session.messages()
    yield session
    assert session.messages() == []


def show(page: Browser, document: Path, place: str) -> None:
    page.open("about:blank")
    page.open(f"{document.as_uri()}#{place}")
    page.one("html[data-ready]")


def run_in(document: Path) -> tuple[str, list[Any]]:
    """The recorded run, and its events."""
    for view in packed_in(document.read_text(), ""):
        for name, events in view["streams"].items():
            return name, events
    raise AssertionError("no run is recorded")


def test_every_page_opens(page: Browser, document: Path) -> None:
    for name in ("play", "read", "read?pattern=echo", "reference", "lab", "lab?experiment=killed-server", "wire", "wire?pattern=pubsub"):
        show(page, document, name)
        assert page.text("h1") == page.text("nav a[aria-current]")
        assert page.run(NAMELESS) == []
    for width in (360, 1440):
        page.size(width)
        assert page.run(OUTSIDE) == []
    assert document.stat().st_size < 3_000_000


def test_a_run_shows_the_figures_of_its_json(page: Browser, document: Path) -> None:
    run, events = run_in(document)
    show(page, document, f"play?run={run}")
    page.one("html[data-run='over']")
    counts = next(event for event in events if event["k"] == "count")["panels"]
    assert counts
    for panel, has in counts.items():
        for role, counted in has["roles"].items():
            for measure in ("sent", "received", "lost", "duplicates", "timeouts"):
                cell = page.text(f"[data-panel='{panel}'] td[data-role='{role}'][data-measure='{measure}']")
                assert cell == f"{counted[measure]:,}", (panel, role, measure)
            for measure in ("memory", "threads", "descriptors"):
                cell = page.text(f"[data-panel='{panel}'] td[data-role='{role}'][data-measure='{measure}'] span")
                most = counted["most"][measure]
                assert cell == (f"{most / 1024:.1f}" if measure == "memory" else str(most)), (panel, role, measure)
        assert "agree" in page.text(f"[data-panel='{panel}'] .agree")
    page.one("[data-panel='raw'] .diagram .band-dead")
    assert not page.one("#stop").is_displayed()
    page.run("const at = document.getElementById('at'); at.value = 1000; at.dispatchEvent(new Event('input'))")
    page.wait(lambda: page.text("#until") == "until 1.0 s", "time that follows the slider")
    page.run("document.getElementById('at').dispatchEvent(new Event('change'))")
    assert "at=1000" in page.run("return location.hash")
    page.driver.refresh()
    page.one("html[data-ready]")
    page.wait(lambda: page.text("#until") == "until 1.0 s", "time of the address")


def test_the_search_works_without_a_network(page: Browser, document: Path) -> None:
    show(page, document, "lab")
    page.one("#seek").send_keys("high-water mark")
    page.wait(lambda: "high-water mark" in page.text("#found li:first-child b"), "the term")
    page.one("#found a").click()
    page.wait(lambda: "limit of a queue" in page.text(".entry[data-on]"), "what it means")
    page.one("#seek").send_keys("echo stream server")
    page.one("#found a[href*='at=stream_server']").click()
    page.wait(lambda: "main(int argc" in page.text("#stream_server"), "the echo server")


def test_a_message_shows_its_recorded_bytes(page: Browser, document: Path) -> None:
    run, _ = run_in(document)
    show(page, document, f"play?run={run}")
    page.one("[data-panel='raw'] .diagram .arrow")
    page.run("document.querySelector(\"[data-panel='raw'] .diagram .arrow\").dispatchEvent(new Event('click', { bubbles: true }))")
    page.one("#message-bytes .hex")
    page.one("#close").click()
    assert not page.all("#message:not([hidden])")


def test_a_prediction_is_made_before_the_outcome_shows(page: Browser, document: Path) -> None:
    show(page, document, "lab?experiment=killed-server")
    seen = "return document.querySelector('.seen-part .outcomes').checkVisibility()"
    assert not page.run(seen)
    page.one(".choices button").click()
    assert "predict=1" in page.run("return location.hash")
    page.one(".look").click()
    assert page.run(seen)


def test_links_lead_through_the_document(page: Browser, document: Path) -> None:
    show(page, document, "lab")
    page.one("a[href*='experiment=late-reply']").click()
    page.wait(lambda: page.run("return document.querySelector('.experiment')?.dataset.name") == "late-reply", "experiment")
    page.one("nav a[data-page='wire']").click()
    page.wait(lambda: page.text("h1") == "Wire", "another page")
    show(page, document, "read?panels=raw-1+raw-2")
    page.wait(lambda: "raw-2" in page.text(".reading"), "panels of the address")


def test_all_can_be_read_without_scripts(page: Browser, document: Path) -> None:
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.open("about:blank")
        page.open(document.as_uri())
        text = page.one("body").text
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "rep killed" in " ".join(text.split()) and "at most, while it ran" in text  # what happened in a run
    for words in ("The server is killed at work", "What do you expect?", "req_open", "handshake bytes to the server",
                  "serve a second client before", "ZeroMQ's word for the limit of a queue"):  # fmt: skip
        assert words in text, words
