"""All pages in a browser: ./triptych test --web runs this, and nothing else does."""

from __future__ import annotations

import http.server
import threading
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from browsing import NAMELESS, OUTSIDE, PALE, STUCK, Browser
from site_client import Site, site  # noqa: F401: a fixture
from visiting import begun, own, page, session  # noqa: F401: fixtures
from web.pages import PAGES

pytestmark = pytest.mark.together  # one session

WIDTHS = ((360, 1000), (800, 1000), (1440, 1000), (2560, 1000))
PROJECTORS = ((1280, 720), (1024, 768), (640, 360), (512, 384))  # the last two are the others at a zoom of 200 %


@pytest.mark.parametrize("name", [one.name for one in PAGES])
def test_a_page_loads_without_a_message(page: Browser, site: Site, name: str) -> None:
    page.open(f"{site.base}/{name}")
    assert page.text("h1") and page.text("nav a[aria-current]") == page.text("h1")
    assert page.run(NAMELESS) == []


def test_the_address_with_its_token_leads_to_one_without(page: Browser, site: Site) -> None:
    page.open(f"{site.base}/lab?{site.address.query}&outcomes=1")
    assert page.run("return location.href") == f"{site.base}/lab?outcomes=1"
    assert page.run("return localStorage.getItem('key')") == site.key
    # from a page of another site, too
    page.open(f"http://localhost:{site.address.port}/play?{site.address.query}")
    page.run("const a = document.createElement('a'); a.href = arguments[0]; document.body.append(a); a.click()", f"{site.base}/wire?{site.address.query}")
    page.wait(lambda: page.run("return location.href") == f"{site.base}/wire" and page.text("h1") == "Wire", "page of this server")


def test_a_server_on_another_port_gets_the_cookie_and_can_do_nothing_with_it(page: Browser, site: Site) -> None:
    heard: list[str] = []

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Cookie", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        page.open(f"http://127.0.0.1:{other.server_port}/")
        other.shutdown()
    assert site.cookie in heard[0], "if browsers told ports apart, the key would not be needed"
    assert site.key not in "".join(heard)
    assert site.request("GET", "/play", Cookie=heard[0])[0] == 200
    asked = {"Cookie": heard[0], "Origin": site.base, "Content_Type": "application/json"}
    assert site.request("POST", "/play/start", '{"story": "requests"}', **asked)[0] == 403
    page.messages()


def test_the_address_keeps_what_is_chosen(page: Browser, site: Site) -> None:
    own(page, site, panels="raw", rate="5")
    page.one("html[data-heard]")
    page.one("#big").click()
    page.run("const s = document.getElementById('span'); s.value = '1000'; s.dispatchEvent(new Event('change'))")
    page.wait(lambda: {"big=1", "span=1000"} <= set(page.driver.current_url.split("?")[1].split("&")), "what was chosen in the address")
    page.driver.refresh()
    assert page.all("html[data-big]") and page.one("#span").get_attribute("value") == "1000"
    assert "big=1" in str(page.one("nav a").get_attribute("href"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_and_all_can_be_read(page: Browser, site: Site, scheme: str) -> None:
    page.dark(scheme == "dark")
    wrong = {}
    run = site.start(panels="raw\nzmq\nnanomsg\nnng", pattern="pubsub", peers="2", rate="10", prefixes="", join="200")
    begun.append(run)
    site.post("/wire/exchange", {"panels": "raw zmq"})
    more = ["/lab?outcomes=1", "/lab?experiment=killed-server", "/read?panels=raw+zmq+nng", "/wire?panels=raw+zmq",
            "/read?pattern=echo", "/read?file=nng/reqrep.c", "/wire?seek=echo"]  # fmt: skip
    for path in [*(f"/{one.name}" for one in PAGES), f"/play?run={run}", *more]:
        page.open(site.base + path)
        sizes = [(size, big) for big, sizes in ((False, WIDTHS), (True, PROJECTORS)) for size in sizes]
        for size, big in sizes if scheme == "light" else [sizes[0]]:  # colours move nothing
            page.size(*size)
            page.run("document.documentElement.toggleAttribute('data-big', arguments[0])", big)
            found = page.run(OUTSIDE) + (page.run(PALE) + page.run(STUCK) if size == WIDTHS[0] else [])
            if found:
                wrong[f"{path} at {size}{', large' * big}"] = found[:5]
    page.dark(False)
    assert wrong == {}


PLACES = "return [...document.querySelectorAll(arguments[0])].map((one) => one.getBoundingClientRect()).map((box) => [box.left, box.top])"


def test_a_prediction_is_made_and_compared(page: Browser, site: Site) -> None:
    page.size(1920, 1080)
    page.open(f"{site.base}/lab?experiment=out-of-turn&on=raw&big=1")
    seen = page.one(".seen-part")
    assert seen.get_attribute("open") is None, "the outcome is not shown before a prediction"
    page.one("body").send_keys("2")
    page.addressed("predict=2")
    page.one(".run").click()
    page.wait(lambda: page.all(".told [data-panel='raw'] li"), "line of what happens")
    page.wait(lambda: "You expected" in page.text(".verdict"), "comparison")
    assert page.one(".choices button[aria-pressed='true']").text in page.text(".verdict")
    assert page.run(PLACES, ".seen-part")[0][1] < 100, "the outcome comes into view by itself"
    assert page.run("return document.activeElement.closest('summary')?.parentElement.className") == "seen-part card", "the keyboard is there"
    assert len({left for left, _ in page.run(PLACES, ".outcomes > *")}) == 2, "four panels stand two by two"
    assert "this run" in page.text(".outcomes [data-panel='raw'] .now") and not page.text(".outcomes [data-panel='zmq'] .now")
    page.driver.refresh()
    assert page.all(".choices button[data-number='2'][aria-pressed='true']")
    page.open(f"{site.base}/lab?find=filter&outcomes=1&without=nng")
    rows = [row for row in page.all(".matrix tbody tr") if row.is_displayed()]
    assert 0 < len(rows) < 10 and "where-filtered" in " ".join(row.text for row in rows)
    assert not page.one(".matrix td[data-panel='nng']").is_displayed()


def test_the_slider_steps(page: Browser, site: Site) -> None:
    page.size(1920, 1080)
    page.open(f"{site.base}/read?panels=raw-1+raw-2&big=1")
    page.one("#slide:not([hidden])")
    assert page.run(PLACES, ".function tbody")[0][1] < 800, "a projector shows the slider and the code"
    slider = page.one("#step")
    slider.send_keys(Keys.ARROW_RIGHT)
    page.wait(lambda: page.all(".reading[data-key='reqrep-raw-2-raw-3']"), "the next step's code")
    page.addressed("panels=raw-2+raw-3")
    assert "raw-3" in str(slider.get_attribute("aria-valuetext"))
    page.wait(lambda: "raw-3 has" in page.text("#adds"), "what it adds", 60.0)
    assert page.all("#adds a[href^='/lab?experiment=']") and page.all(".reading mark")
    page.run("for (const one of document.querySelectorAll('.served, .fold')) one.open = true")
    page.one(".served a[data-line]").click()
    assert page.all(".reading td[data-on]")
    word = page.one(".function tbody a.word[data-word='poll']")
    page.run("arguments[0].focus()", word)
    page.wait(lambda: "poll" in page.text("#tip"), "what the word means")
    assert page.all("#tip a[href*='-clause-']") and page.all("#tip a[href*='experiment=']")
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not page.all("#tip:not([hidden])")
    for _ in range(2):
        slider.send_keys(Keys.ARROW_LEFT)
    page.wait(lambda: page.all(".reading[data-key='echo']"), "the echo programs in front of the first step")
    page.addressed("pattern=echo")
    assert "0-echo" in str(slider.get_attribute("aria-valuetext"))
    slider.send_keys(Keys.ARROW_RIGHT)
    page.wait(lambda: page.all(".reading[data-key='reqrep-raw-1-raw-2']"), "the first step again")
    page.driver.back()
    page.wait(lambda: page.all(".reading[data-key='echo']"), "what stood there before")
    page.driver.back()
    page.wait(lambda: page.all(".reading:not([data-key='echo'])"), "what stood there before that")


def test_a_file_of_a_panel_and_a_line_of_it(page: Browser, site: Site) -> None:
    page.open(f"{site.base}/read?panels=raw+nng&function=req_recv")
    page.run("for (const one of document.querySelectorAll('.served, .others')) one.open = true")
    page.run("arguments[0].click()", page.one(".served a[href*='conn.c']"))
    page.wait(lambda: page.all("[data-file='raw/conn.c'] code[data-on]"), "the line in its file")
    assert "panels=raw+nng" in page.driver.current_url and "line=" in page.driver.current_url
    page.one("nav.functions a[href*='frame.c']").click()
    page.wait(lambda: "frame_read(" in page.text("[data-file='raw/frame.c']"), "another file")
    page.run("const s = document.querySelector('#step'); s.value = 2; s.dispatchEvent(new Event('input'))")
    page.wait(lambda: page.all(".reading[data-key='reqrep-raw-2-raw-3']"), "panels beside each other")
    assert "file=" not in page.driver.current_url


BEFORE = """
return [...document.querySelectorAll(arguments[0])].map((one) => getComputedStyle(one, "::before").content.replaceAll('"', "").trim());
"""


def test_on_a_phone_each_line_says_whose_it_is(page: Browser, site: Site) -> None:
    page.size(390, 800)
    page.open(f"{site.base}/read?panels=raw+zmq+nng")
    for name, mark in (("raw", "●"), ("zmq", "▲"), ("nng", "◆")):
        said = page.run(BEFORE, f".function td.panel-{name}:not(.alike)")
        assert said and all(one.startswith(mark) for one in said)
    assert set(page.run(BEFORE, ".function td.alike:first-child")) == {"="}, "no panel's number where all have the line"
    page.size(1440)
    assert not any("●" in one for one in page.run(BEFORE, ".function td.panel-raw")), "beside each other the column says it"


def test_a_byte_is_pointed_at(page: Browser, site: Site) -> None:
    page.open(f"{site.base}/wire?panels=raw+zmq")
    page.one("#go").click()
    page.wait(lambda: len(page.all(".wires [data-panel]")) == 2, "bytes of two panels", 60.0)
    one = page.one("[data-panel='raw'] .el[data-what='kind']")
    ActionChains(page.driver).move_to_element(one).perform()
    page.wait(lambda: "kind: request" in page.text("#tip"), "what the byte is")
    lit = [str(other.get_attribute("data-field")) for other in page.all("[data-panel='zmq'] .el[data-like]")]
    assert lit and set(lit) == {"message.kind"}
    assert str(page.one("#capture").get_attribute("href")).startswith("blob:")
    assert page.all(".totals td.number")


def test_a_chart_answers_to_the_pointer(page: Browser, site: Site) -> None:
    page.open(f"{site.base}/price")
    page.wait(lambda: page.all("#lines svg a"), "the steps' picture", 90.0)
    page.wait(lambda: page.all("#size .measures"), "sizes", 90.0)
    point = page.one("#lines svg a[aria-label^='raw-2, ']")
    assert "clauses kept" in str(point.get_attribute("aria-label"))
    page.run("arguments[0].dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))", point)
    page.wait(lambda: page.all(".reading[data-key='reqrep-raw-1-raw-2']"), "the code that it leads to")
