"""Finding one's way, in a browser: search, explained words, what runs, addresses. ./triptych test --web."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from browsing import Browser
from lab.experiments import load_all
from lab.finds import everything
from lab.search import excerpt, search
from site_client import Site, running, site  # noqa: F401: a fixture
from visiting import own, page, session  # noqa: F401: fixtures

pytestmark = pytest.mark.together  # one session

ASKED = (
    "echo", "overhead", "high-water mark", "hwm", "backlog", "linger", "who filters", "first messages vanish", "udp", "size",
    "why does recv return half a message?", "server crashes", "how many threads", "time-outs", "rep_send", "ZMQ_LINGER",
    "R5", "steps", "subscri", "ba", "the", "xyzzy", "grade my students", "address already in use", "what happens",
)  # fmt: skip

RANKED = """
const [asked, done] = arguments;
const { excerpt, search } = await import("/static/search.js");
const { ask } = await import("/static/source.js");
const index = await ask("finds", {}, "reference");
done(asked.map((words) => search(words, index).map((find) => [find.name, excerpt(find, words, index)])));
"""


def test_the_page_ranks_as_the_verb_does(page: Browser, site: Site) -> None:
    page.open(site.base + "/wire")
    ranked = page.driver.execute_async_script(f"(async (...arguments) => {{{RANKED}}})(...arguments)", list(ASKED))
    finds = everything(load_all())
    for words, found in zip(ASKED, ranked):
        wanted = [[find.name, excerpt(find, words.split())] for find in search(words.split(), finds)]
        assert found == wanted, words
    assert ranked[ASKED.index("xyzzy")] == [] and all(ranked[:8])


# Chromium writes a message where an address changes 200 times within ten seconds.
TYPES_FAST = """
const box = document.getElementById("seek");
for (let n = 0; n < 300; n++) {
  box.value = "y".repeat(100 + n % 100);
  box.dispatchEvent(new Event("input", { bubbles: true }));
}
"""


def seek(page: Browser, words: str) -> None:
    box = page.one("#seek")
    box.clear()
    box.send_keys(words)
    page.wait(lambda: page.all("#found:not([hidden])"), "what was found")


def test_what_is_found_leads_to_its_place(page: Browser, site: Site) -> None:
    page.open(site.base + "/lab")
    page.one("body").send_keys("/")
    assert page.run("return document.activeElement.id") == "seek"
    seek(page, "high-water mark")
    page.wait(lambda: "high-water mark" in page.text("#found li:first-child b"), "the term")
    page.addressed("seek=high-water+mark")
    page.one("#seek").send_keys(Keys.ENTER)
    page.wait(lambda: page.text("h1") == "Reference", "the page Reference")
    entry = page.one(".entry[data-on]")
    assert "limit of a queue" in entry.text and 0 <= page.run("return arguments[0].getBoundingClientRect().top", entry) < 1000
    seek(page, "echo stream server")
    page.wait(lambda: page.all("#found li:first-child a[href*='at=stream_server']"), "the program")
    page.one("#seek").send_keys(Keys.ARROW_DOWN)
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.wait(lambda: page.text("h1") == "Read", "the page Read")
    assert "main(int argc" in page.text("#stream_server") and "begins or ends" in page.text("#stream_server .cannot")
    seek(page, "xyzzy")
    page.wait(lambda: "Nothing answers" in page.text("#found"), "word that there is nothing")
    page.one("#seek").send_keys(Keys.ESCAPE)
    assert not page.all("#found:not([hidden])")
    page.run(TYPES_FAST)
    page.one("#seek").send_keys("yy")
    page.wait(lambda: page.driver.current_url.endswith("=" + "y" * 200), "the words in the address")


def test_the_lab_leads_on_where_it_has_nothing(page: Browser, site: Site) -> None:
    page.open(site.base + "/lab?find=overhead")
    page.one("#elsewhere").click()
    page.wait(lambda: page.all("#found a[href^='/wire']"), "the page Wire")


def test_a_term_says_what_it_means_and_does_not_jump(page: Browser, site: Site) -> None:
    page.open(site.base + "/play")
    address = page.driver.current_url
    word = page.one("#form a.term[href*='high-water-mark']")
    ActionChains(page.driver).move_to_element(word).click().perform()
    page.wait(lambda: "limit of a queue" in page.text("#means"), "what it means")
    assert page.driver.current_url == address and page.one("#means a").is_displayed()
    page.one("body").send_keys(Keys.ESCAPE)
    assert not page.all("#means:not([hidden])")
    page.open(site.base + "/read?panels=raw-1+raw-2")
    word = page.one(".reading tbody a.word")
    page.run("arguments[0].scrollIntoView({ block: 'center' })", word)
    top = page.run("return scrollY")
    word.click()
    assert page.run("return scrollY") == top and "#" not in page.driver.current_url


def test_what_runs_is_shown_everywhere_and_can_be_stopped(page: Browser, site: Site) -> None:
    run = own(page, site, panels="raw", rate="5")
    page.open(site.base + "/price")
    page.wait(lambda: "Running: 1" in page.text("#running"), "what runs")
    assert f"run={run}" in str(page.one("#running a").get_attribute("href"))
    page.one("#running button").click()
    page.wait(lambda: page.all("#running[hidden]"), "its end")


def test_where_the_server_is_gone_nothing_can_be_started(page: Browser) -> None:
    with running() as other:
        page.open(f"{other.base}/?{other.address.query}")
        page.open(f"{other.base}/play?run={other.start(panels='raw', rate='5')}")
        page.wait(lambda: page.all(".arrow"), "arrow")
        page.run("window.pauses = []; const wait = setTimeout; window.setTimeout = (then, ms) => { pauses.push(ms); return wait(then, ms / 100); }")
        other.kill()
        page.wait(lambda: page.all("html[data-lost]") and "is gone" in page.text("#lost"), "word that the server is gone")
        assert not [one.text for one in page.all("main button:not([inert], [inert] *, #follow, #close)") if one.is_displayed()]
        page.wait(lambda: page.run("return pauses.includes(16000)"), "tries that come less and less often")
    page.open("about:blank")
    page.messages()


def test_a_function_and_a_moment_stand_in_the_address(page: Browser, site: Site) -> None:
    page.open(site.base + "/read?panels=raw+zmq&function=rep_send")
    top = "return document.querySelector(`[data-function='${arguments[0]}']`).getBoundingClientRect().top"
    page.wait(lambda: 0 <= page.run(top, "rep_send") < 200, "the function")
    page.run("document.querySelector(\".functions a[data-at='req_recv']\").click()")
    page.addressed("function=req_recv")
    own(page, site, panels="raw", rate="5")
    page.wait(lambda: float(page.text("#clock").split()[0]) > 1.0, "second of the run")
    page.run("const at = document.getElementById('at'); at.value = 800; for (const e of ['input', 'change']) at.dispatchEvent(new Event(e))")
    page.addressed("at=800")
    page.driver.refresh()
    page.wait(lambda: page.text("#until") == "until 0.8 s", "the moment of the address")
    page.one("#follow").click()
    page.addressed("at=", False)


def test_a_message_stands_in_the_address(page: Browser, site: Site) -> None:
    own(page, site, panels="raw", rate="5", texts="hello")
    page.wait(lambda: len(page.all(".arrow.request")) > 2, "arrow")
    page.run("document.querySelector('.arrow.request .hit').dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    title = page.wait(lambda: page.text("#message-title"), "message")
    page.addressed("message=raw+rep+request")
    page.driver.refresh()
    page.wait(lambda: page.text("#message-title") == title and page.all("#message:not([hidden])"), "the same message")
    page.one("#close").click()
    page.addressed("message=", False)
    assert not page.all("#message:not([hidden])")
