"""The page Play in a browser: ./triptych test --web runs this, and nothing else does."""

from __future__ import annotations

import functools
import os
import signal
import time
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from browsing import Browser
from hour import LEFT_BEHIND, capture, flood
from programs import descendants
from site_client import Site, of, site  # noqa: F401: a fixture
from visiting import begun, in_run, own, page, session, start, stop  # noqa: F401: fixtures

pytestmark = pytest.mark.together  # one session

COUNTED = ("sent", "received", "lost", "duplicates", "timeouts")
HOSTILE = "<img src=x onerror=document.title='owned'> \x1b[2J \u202e </script><script>document.title='owned'</script>"


def test_a_story_plays_and_the_kill_is_shown(page: Browser, site: Site) -> None:
    run = start(page, site, "killed-server")
    cards = [str(card.get_attribute("data-panel")) for card in page.all("[data-panel]")]
    assert len(cards) >= 2
    page.one("[data-panel='raw'] .diagram .arrow.request")
    page.wait(lambda: len(page.all("#steps li.done")) == 2, "end of the story")
    moment = site.hears(run, lambda found: bool(of(found, "story")))
    assert page.text("#steps .when") == f"{of(moment, 'story')[0]['t'] / 1000:.1f} s", "when it was done, not when it was to be"
    page.one("#steps .when:not(:disabled)").click()
    page.wait(lambda: page.one("#follow").get_attribute("aria-pressed") == "false" and "at=" in page.driver.current_url, "moment of the kill")
    page.run("const at = document.getElementById('at'); at.value = 2000; at.dispatchEvent(new Event('input'))")
    page.wait(lambda: page.text("#until") == "until 2.0 s" and float(page.text("#clock").split()[0]) > 4, "time that goes on while the picture stands")
    page.one("#follow").click()
    for name in cards:
        page.one(f"[data-panel='{name}'] .diagram .band-dead")
        after = page.wait(functools.partial(arrows_after_the_kill, page, name), f"arrow of {name} after the kill")
        assert after
    page.wait(lambda: "KILLED" in page.text("[data-panel='raw'] .said"), "line that says so")
    for name in cards:
        assert page.run(DISORDER, name) == [], f"what {name} says stands in order"
    tops = page.run(TOPS)
    stop(page)
    page.wait(lambda: "agree" in page.text("[data-panel='raw'] .agree"), "what stands there at the end alone")
    assert page.run(TOPS) == tops, "nothing jumps"
    words = page.run("return [...document.querySelectorAll('[data-panel=raw] .state')].map((one) => one.textContent)")
    bands = "return [...document.querySelectorAll('[data-panel=raw] .band-dead + text')].map((one) => one.textContent).join(' ')"
    assert set(words) == {"ended"}
    page.wait(lambda: page.run(bands) == "killed ended ended", "the same words in the picture")
    agrees(page, site, run, cards)


# Where the pictures begin, and the logs.
TOPS = "return [...document.querySelectorAll('.diagram, .said')].map((one) => Math.round(one.getBoundingClientRect().top + scrollY))"

# Lines of the log that stand below a later one; and "received" above its "sent", if both have one time.
DISORDER = """
const lines = [...document.querySelectorAll(`[data-panel='${arguments[0]}'] .said li`)].map((one) => [one.children[0].textContent, one.children[2].textContent]);
return lines.filter(([when], i) => i && Number(when) < Number(lines[i - 1][0]) - 0.0011);
"""


def arrows_after_the_kill(page: Browser, panel: str) -> Any:
    return page.run(
        """const card = document.querySelector(`[data-panel='${arguments[0]}'] .diagram`);
        const band = card.querySelector(".band-dead").getBoundingClientRect();
        return [...card.querySelectorAll(".arrow")].filter((one) => one.getBoundingClientRect().bottom > band.bottom).length;""",
        panel,
    )


def agrees(page: Browser, site: Site, run: str, cards: list[str]) -> None:
    """The table shows what the programs' own summaries say."""
    found = site.hears(run, lambda heard: bool(of(heard, "end")))
    for panel in cards:
        lives: dict[str, int] = {}
        sums: dict[str, dict[str, int]] = {}
        for e in found:
            if e.get("p") == panel and e["k"] == "state" and e["state"] == "started":
                lives[e["r"]] = lives.get(e["r"], 0) + 1
            if e.get("p") == panel and e["k"] == "summary":
                lives[e["r"]] -= 1
                had = sums.setdefault(e["r"], dict.fromkeys(COUNTED, 0))
                sums[e["r"]] = {name: had[name] + (e[name] or 0) for name in COUNTED}
        known = [role for role, left in lives.items() if left == 0]
        assert known
        for role in known:
            for name in COUNTED:
                cell = page.text(f"[data-panel='{panel}'] td[data-role='{role}'][data-measure='{name}']")
                assert int(cell.replace(",", "")) == sums[role][name], (panel, role, name)
        assert "agree" in page.text(f"[data-panel='{panel}'] .agree")


def test_an_arrow_shows_its_message_and_its_bytes(page: Browser, site: Site) -> None:
    own(page, site, panels="zmq", rate="5", texts="hello")
    page.wait(lambda: len(page.all(".arrow.request")) > 3, "arrow")
    page.run("document.querySelector('.arrow.request .hit').dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    page.wait(lambda: "hello" in page.text("#message-facts"), "text of the message")
    page.wait(lambda: page.all("#message-bytes .part-framing"), "bytes of its frame")
    assert "68 65 6c 6c 6f" in page.text("#message-bytes")
    assert "µs" in page.text("#message-facts") or "ms" in page.text("#message-facts")
    stop(page)
    page.one("#close").click()
    page.run("document.querySelector('.arrow.request .hit').dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    page.wait(lambda: page.all("#message-bytes .part-framing"), "bytes after the end")


def test_buttons_do_what_they_say(page: Browser, site: Site) -> None:
    own(page, site, panels="raw\nzmq", rate="10", timeout="300")
    page.wait(lambda: len(page.all("[data-panel='zmq'] .arrow")) > 3, "arrow")
    page.one("[data-panel='zmq'] button[data-do='stop'][data-who='rep']").click()
    page.one("[data-panel='zmq'] .band-stopped")
    page.wait(lambda: page.text("[data-panel='zmq'] th[data-role='rep'] .state") == "paused", "state")
    assert not page.all("[data-panel='raw'] .band-stopped")
    can = "return [...document.querySelectorAll(\"[data-panel='zmq'] [data-who='rep']:not(:disabled)\")].map((one) => one.dataset.do)"
    assert page.run(can) == ["kill", "continue", "restart"], "buttons that can do something"
    page.one("[data-panel='zmq'] .waits")  # nobody has received it so far
    page.one("[data-panel='zmq'] button[data-do='continue'][data-who='rep']").click()
    page.wait(lambda: not page.all("[data-panel='zmq'] .waits"), "arrow in its place")
    page.one("#controls button[data-do='delay']").click()
    page.wait(lambda: all(page.all(f"[data-panel='{name}'] .fault") for name in ("raw", "zmq")), "fault in both panels")
    page.one("#controls button[data-do='kill']").click()
    page.wait(lambda: all(page.all(f"[data-panel='{name}'] .band-dead") for name in ("raw", "zmq")), "band in both")
    page.wait(lambda: page.run(can) == ["restart"], "one button of a server that is dead")
    page.wait(lambda: page.text("[data-panel='raw'] .trouble-word"), "time-out")
    tops = page.run(TOPS)
    page.one("#controls button[data-do='kill']").click()
    page.wait(lambda: page.text("#trouble") == "rep does not run" and page.one("#trouble").is_displayed(), "word that there is nothing to kill")
    assert page.run(TOPS) == tops, "nothing jumps"
    assert all("400" in told["message"] for told in page.messages())


# At each frame of three seconds: what the counters "not received" say, and of how many messages marks stand in the picture.
MARKED = """
const [ms, done] = arguments, found = new Set(), begun = performance.now();
const card = document.querySelector("[data-panel='nng']");
const look = () => {
  const counted = [...card.querySelectorAll("[data-measure='missed']")].reduce((sum, cell) => sum + Number(cell.textContent), 0);
  const marks = [...card.querySelectorAll(".diagram :is(.waits, .lost)")];
  found.add(`${counted} ${marks.reduce((sum, mark) => sum + Number(mark.dataset.count), 0)}`);
  performance.now() - begun < ms ? setTimeout(look, 3) : done([...found]);
};
look();
"""


def marked(page: Browser, ms: int) -> list[tuple[int, ...]]:
    """What the counters and the picture's marks came to in so many ms."""
    pairs = page.driver.execute_async_script(MARKED, ms)
    return [tuple(map(int, pair.split())) for pair in pairs]


def test_the_picture_marks_what_the_counters_count(page: Browser, site: Site) -> None:
    """So many are lost that they stand at one place, and that a sample of the events is told."""
    run = own(page, site, panels="nng", pattern="pubsub", peers="2", rate="150", prefixes="", topics="t", join="300")
    page.run("const s = document.getElementById('span'); s.value = '20000'; s.dispatchEvent(new Event('change'))")
    page.wait(lambda: len(page.all(".arrow")) > 4, "arrow")
    site.act(run, "stop", "sub B")
    found = marked(page, 3000)
    page.run("document.querySelector('.diagram .waits').dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    page.wait(lambda: "sub B" in page.text("#message-facts") and "hello" in page.text("#message-facts"), "message, and for whom it is")
    assert " messages" in page.text("#message-facts") and "×" in page.text(".diagram .waits text")
    site.act(run, "continue", "sub B")
    found += marked(page, 3000)
    assert all(counted == marked for counted, marked in found), found
    assert len(found) > 4
    page.wait(lambda: marked(page, 50)[-1] == (0, 0), "end of what is not received")


def test_the_keyboard_suffices(page: Browser, site: Site) -> None:
    page.open(site.base + "/play")
    focused = page.driver.switch_to.active_element
    for _ in range(40):
        focused.send_keys(Keys.TAB)
        focused = page.driver.switch_to.active_element
        if focused.get_attribute("data-story") == "requests":
            break
    assert focused.get_attribute("data-story") == "requests"
    outline = page.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline not in ("none", "")
    focused.send_keys(Keys.ENTER)
    in_run(page)
    page.wait(lambda: len(page.all("[data-panel='raw'] .arrow")) > 4, "arrow")
    for _ in range(60):
        focused = page.driver.switch_to.active_element
        if "diagram" in (focused.get_attribute("class") or ""):
            break
        focused.send_keys(Keys.TAB)
    focused.send_keys(Keys.ARROW_UP)
    page.wait(lambda: page.all("#message:not([hidden])"), "message")
    first = page.text("#message-title")
    focused.send_keys(Keys.ARROW_UP)
    page.wait(lambda: page.text("#message-title") != first, "other message")
    focused.send_keys(Keys.ESCAPE)
    page.wait(lambda: not page.all("#message:not([hidden])"), "end of the message")


def test_a_page_that_comes_back_finds_its_run_and_so_does_another(page: Browser, site: Site) -> None:
    own(page, site, panels="raw", rate="10")
    page.wait(lambda: len(page.all(".arrow")) > 6, "arrow")
    page.driver.refresh()
    page.wait(lambda: len(page.all(".arrow")) > 6, "arrow after a reload")
    assert page.text(".said").count("is ready") >= 1
    address, first = page.driver.current_url, page.driver.current_window_handle
    page.driver.switch_to.new_window("window")
    try:
        page.open(address)
        page.wait(lambda: len(page.all(".arrow")) > 6, "arrow in another window")
        stop(page)
    finally:
        page.driver.close()
        page.driver.switch_to.window(first)
    page.one("html[data-run='over']")


def test_a_text_is_shown_and_never_run(page: Browser, site: Site) -> None:
    run = own(page, site, panels="raw\nzmq", rate="0")
    page.wait(lambda: page.text(".said").count("ready") == 2, "programs")
    assert page.text("#send") == "Send as req"
    site.act(run, "say", "req", value=HOSTILE)
    page.wait(lambda: "<img src=x" in page.text("[data-panel='zmq'] .said"), "text")
    page.wait(lambda: page.all("[data-panel='zmq'] .arrow"), "arrow")
    page.run("document.querySelector('.arrow .hit').dispatchEvent(new MouseEvent('click', { bubbles: true }))")
    page.wait(lambda: "<img src=x" in page.text("#message-facts"), "text in the message")
    assert "\\u{1b}" in page.text("#message-facts") and "\u202e" not in page.text("main")
    assert page.run("return document.title") == "Play - Triptych" and not page.all("main img")


def test_a_flood_is_sampled_and_the_page_stays_small(page: Browser, site: Site) -> None:
    own(page, site, panels="raw", pattern="pubsub", rate="20000", prefixes="", topics="flood", join="300", queue="100000")
    page.wait(lambda: "Sampled" in page.text(".sampled"), "word that it samples")
    page.wait(lambda: int(page.text("td[data-role='pub'][data-measure='sent']").replace(",", "")) > 30000, "flood")
    slow = page.driver.execute_async_script(
        """const done = arguments[0]; let last = performance.now(), worst = 0, count = 0;
        const tick = (now) => { worst = Math.max(worst, now - last); last = now; ++count < 60 ? requestAnimationFrame(tick) : done(worst); };
        requestAnimationFrame(tick);"""
    )
    assert slow < 1000, f"a frame took {slow:.0f} ms"
    page.driver.execute_cdp_cmd("Performance.enable", {})
    metrics = page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    heap = next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize")
    assert heap < 300e6 and len(page.all(".diagram *")) < 12000


HIDDEN = """
const [done] = arguments;
const { Diagram } = await import("/static/diagram.js");
const svg = document.body.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
const diagram = new Diagram(svg, ["pub", "sub A"]);
diagram.show(1000, 1000);
let most = 0;
for (let n = 1; n <= 60000; n++) {
  diagram.hear({ k: "message", d: "sent", r: "pub", id: n, n, t: n });
  most = Math.max(most, diagram.fresh.length);
}
diagram.show(60000, 1000);
svg.remove();
done([most, diagram.items.length, diagram.drawn.size]);
"""


DRAWN = """
const [done] = arguments;
const { Diagram } = await import("/static/diagram.js");
const { Counts } = await import("/static/counts.js");
const svg = document.body.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
svg.setAttribute("class", "diagram");
svg.style = "width: 600px; height: 600px";
const diagram = new Diagram(svg, ["rep", "req"]);
const trouble = (what, t0, t) => diagram.hear({ k: "trouble", r: "req", what, text: "", t0, t });
trouble("timeout", 1000, 3000);
trouble("unsent", 5000, 7000);
for (let n = 0; n < 3; n++) diagram.hear({ k: "message", d: "sent", r: "rep", kind: "error", n: 0, id: n, topic: "", text: "this is no request", t: 9000 + n });
diagram.show(10000, 10000);
const scale = diagram.y(1);
const waits = [...svg.querySelectorAll(".trouble-mark")].map((one) => [one.querySelector(".wait").getBBox().height / scale, one.querySelectorAll(".cross").length]);
const words = [...diagram.words.children].map((one) => one.textContent);
const card = document.createElement("div");
card.innerHTML = "<table><tr><th data-role=pub><span class=state></span></th><td data-role=pub data-measure=memory><svg></svg><span></span><small></small></td></tr></table>";
const counts = new Counts(card);
const rise = (least, most) => {
  counts.history.clear();
  for (const memory of [least, most]) counts.figures({ pub: { memory } });
  const heights = card.querySelector("polyline").getAttribute("points").split(" ").map((point) => Number(point.split(",")[1]));
  return heights[0] - heights[1];
};
svg.remove();
done([waits, words, rise(2000, 2050), rise(2000, 4048)]);
"""


def test_the_picture_says_how_long_a_client_waited_and_what_it_could_not_send(page: Browser, site: Site) -> None:
    """And so little more memory is no rise."""
    page.open(site.base + "/wire")
    waits, words, little, much = page.driver.execute_async_script(f"(async (...arguments) => {{{DRAWN}}})(...arguments)")
    assert [crosses for _, crosses in waits] == [0, 1] and all(1850 < height <= 2000 for height, _ in waits), waits
    assert words == ["time-out", "not sent", "error reply ×3"]
    assert 0 < little < 1 and much == 12, "of the curve's 16"


def test_a_picture_that_is_not_shown_does_not_grow(page: Browser, site: Site) -> None:
    """As in a tab behind others, where the browser paints nothing; then it is shown again."""
    page.open(site.base + "/wire")
    script = f"(async (...arguments) => {{{HIDDEN}}})(...arguments)"
    changed, kept, drawn = page.driver.execute_async_script(script)
    assert 10000 < kept < 15000 and changed < 15000 and drawn > 10, (changed, kept, drawn)


def test_a_page_that_is_left_open_stays_as_small_as_it_was(page: Browser, site: Site) -> None:
    """hour.py gives it the events of an hour, and prints what it takes then."""
    capture(page)
    run = own(page, site, panels="raw", pattern="pubsub", peers="4", rate="0", prefixes="", join="0")
    page.wait(lambda: page.text(".said").count("ready") == 5, "programs")
    page.run("const s = document.getElementById('span'); s.value = '20000'; s.dispatchEvent(new Event('change'))")
    soon, later = (flood(page, run, ["raw"], begin, seconds, False) for begin, seconds in ((0, 50), (50, 40)))
    assert soon["elements"] > 500 and "16 degrees" in page.text(".said")
    assert later["elements"] < 1.3 * soon["elements"] + 200, (soon, later)
    assert later["nodes"] < 1.5 * soon["nodes"] + 2000, (soon, later)
    assert page.run(LEFT_BEHIND) == 0
    flood(page, run, ["raw"], 90, 10, True)  # crosses, bands, faults
    assert page.all(".lost") and page.all(".band-stopped") and page.all(".fault")
    last = flood(page, run, ["raw"], 100, 40, True)
    assert last["elements"] < 2 * soon["elements"] + 2000 and last["heap"] < 2 * soon["heap"], (soon, last)


def test_a_laptop_that_sleeps(page: Browser, site: Site) -> None:
    """Server and programs stand still for a while; then all goes on, and nothing was lost."""
    run = own(page, site, panels="raw\nzmq", rate="10")
    page.wait(lambda: len(page.all(".arrow")) > 6, "arrow")
    asleep = [site.pid, *descendants(site.pid)]
    for pid in asleep:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3.0)
    before = {name: counted(page, name, "req", "received") for name in ("raw", "zmq")}
    for pid in asleep:
        os.kill(pid, signal.SIGCONT)
    for name, count in before.items():
        page.wait(lambda: counted(page, name, "req", "received") > count + 5, f"more replies of {name}")
    assert not page.all("html[data-lost]")
    stop(page)
    agrees(page, site, run, ["raw", "zmq"])


def counted(page: Browser, panel: str, role: str, measure: str) -> int:
    cell = page.text(f"[data-panel='{panel}'] td[data-role='{role}'][data-measure='{measure}']")
    return int(cell.replace(",", ""))


def test_no_more_panels_can_be_chosen_than_may_run(page: Browser, site: Site) -> None:
    page.open(site.base + "/play?panels=raw%0Azmq%0Anng#own")
    page.one("input[name=panels][value=nanomsg]").click()
    page.wait(lambda: not page.one("input[name=panels][value=raw-1]").is_enabled(), "box that cannot be ticked")
    assert page.one("#full").is_displayed()
    page.one("input[name=panels][value=raw]").click()
    assert page.one("input[name=panels][value=raw-1]").is_enabled() and not page.one("#full").is_displayed()
    clicks = """window.asked = 0; window.fetch = () => (window.asked++, new Promise(() => {}));
        const button = document.querySelector("button[data-story=requests]"); for (let n = 0; n < 12; n++) button.click();
        return window.asked;"""
    assert page.run(clicks) == 1, "one run, however often it is clicked"


@pytest.mark.parametrize("size", [(1280, 720), (1024, 768)], ids=str)
def test_a_projector_shows_the_picture_first(page: Browser, site: Site, size: tuple[int, int]) -> None:
    """The tools of the line are folded, and the keyboard opens them."""
    page.size(*size)
    run = site.start("killed-server")
    begun.append(run)
    page.open(f"{site.base}/play?run={run}&big=1")
    page.wait(lambda: len(page.all(".arrow")) > 3, "arrow")
    top = page.run("return document.querySelector('.diagram').getBoundingClientRect().top")
    assert top < size[1] * 0.65, f"the picture begins at {top:.0f} of {size[1]}"
    boxes = page.run("return [...document.querySelectorAll('.diagram')].map((one) => one.getBoundingClientRect()).map((one) => [one.top, one.bottom])")
    assert len(boxes) == 4 and len({round(one[0]) for one in boxes}) == 1, f"four side by side: {boxes}"
    assert all(bottom <= size[1] and bottom - begin > 150 for begin, bottom in boxes), f"and on one screen: {boxes}"
    between = "return [...document.querySelectorAll('.diagram')].map((one) => { const [a, b] = [...one.querySelectorAll('.life')].map((line) => line.x1.baseVal.value); return (b - a) / one.clientWidth; })"
    assert min(page.run(between)) > 0.32, "the messages have a third of the picture"
    assert not page.one(".counts").is_displayed()
    page.one("#tables").click()
    assert page.one(".counts").is_displayed()
    cut = "return [...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth + 1).length"
    assert page.run(cut) == 0, "no column is cut"
    heights = page.run("return [...document.querySelectorAll('.diagram')].map((one) => one.getBoundingClientRect().height)")
    assert min(heights) > size[1] * 0.45, "beside the tables, too, the pictures can be read"
    page.addressed("tables=1")
    page.one("#tables").click()
    seen = "return document.querySelector('button[data-do=stall]').checkVisibility()"
    assert not page.run(seen)
    page.run("document.querySelector('.tools > summary').focus()")
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.one("button[data-do='stall']").click()
    page.wait(lambda: page.all(".diagram .fault"), "the fault in the picture")
    page.one("#big").click()
    assert page.one(".tools").get_attribute("open") and not page.one(".tools > summary").is_displayed()
