#!/usr/bin/python3
"""What a run that was left for an hour does to the server and to the page.

    /usr/bin/python3 -B tests/web/hour.py [SECONDS]

As many events as so many seconds bring (default: 3600) go the way that a run's events go: in the
server through a journal into a stream, for all runs that a server may keep; in the page through its
WebSocket's onmessage. Prints how large the server and the page are then. check_play.py gives the
page a shorter flood.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "tools")]

from browsing import Browser, browser  # noqa: E402
from site_client import Site, of, running  # noqa: E402

HOUR = 3600
FULL = 120  # seconds after which a run's stream keeps no more than before
FORM = {"panels": "raw\nzmq\nnanomsg\nnng", "pattern": "pubsub", "peers": "4", "rate": "0", "prefixes": "", "join": "0"}

# How many elements a diagram still holds that have left it at the top, by half of its height.
LEFT_BEHIND = """
const box = document.querySelector(".diagram").getBoundingClientRect();
return [...document.querySelectorAll(".diagram [data-item]")]
  .filter((one) => one.getBoundingClientRect().bottom < box.top - box.height / 2).length;
"""
LAST_S = 20  # that the page has, after the last event, to throw away what has left the picture

# Before a page's scripts: notes its sockets, so that a test can speak in place of the server.
CAPTURE = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...words) { super(...words); window.sockets.push(this); }
};
"""

# Events of `seconds` seconds, from `begin` on, `halves` of a second in each frame; with one, the
# page is waited for. A page is told 60 messages a second of each panel, once as sent, and once by
# each subscriber that has received it. With `trouble`, some are received by nobody, or late, and a
# subscriber is stopped now and then.
FLOOD = f"const leftBehind = () => {{{LEFT_BEHIND}}};\nconst LAST_MS = {1000 * LAST_S};" + """
const [run, panels, begin, seconds, halves, trouble, done] = arguments;
const socket = window.sockets.find((one) => one.url.includes(run));
const clock = document.getElementById("clock");
let at = begin;
const subscribers = ["sub A", "sub B", "sub C", "sub D"];
const counted = { sent: 1, received: 1, lost: 0, duplicates: 0, timeouts: 0, missed: 0, fresh: 0, unanswered: 0, again: 0, unsent: 0, state: "ready", own: null, most: {} };
function half(p, from) {
  const events = [];
  for (let n = 0; n < 30; n++) {
    const t = (from + n / 60) * 1000, id = Math.round(from * 60) + n + 1;
    const said = { k: "message", p, kind: "event", topic: "oslo.temp", n: id, length: 9, text: "16 degrees", id };
    events.push({ ...said, r: "pub", d: "sent", t });
    for (const [i, r] of subscribers.entries()) {
      if (trouble && n % 20 === i) events.push({ k: "lost", p, r, from: "pub", topic: said.topic, n: id, id, t0: t, t: t + 20 });
      else events.push({ ...said, r, d: "received", from: "pub", t0: t, t: t + 3 + i });
    }
    if (trouble && n % 10 === 0) events.push({ k: "unheard", p, r: "sub D", from: "pub", id: n % 20 ? id : -id, t0: t, t: t + 1000 });
  }
  const t = (from + 0.5) * 1000;
  if (trouble) {
    events.push({ k: "trouble", p, r: "sub A", what: "error", text: "x", t }, { k: "fault", p, text: "delay 3", t });
    events.push({ k: "state", p, r: "sub B", state: "stopped", text: "", t }, { k: "state", p, r: "sub B", state: "ready", text: "", t: t + 300 });
    events.push({ k: "gap", p, r: "sub C", topic: "oslo.temp", first: 1, last: 9, count: 9, t });
  }
  const roles = Object.fromEntries(["pub", ...subscribers].map((r) => [r, { memory: 5000 + (Math.floor(from) % 7), threads: 3, descriptors: 12 }]));
  events.push({ k: "figures", p, t, roles });
  return events;
}
function frame() {
  if (at >= begin + seconds) {
    settle(performance.now() + LAST_MS);
    return;
  }
  if (halves === 1 && at > 5 && parseFloat(clock.textContent) < at - 5) { // after a leap it would draw all anew
    requestAnimationFrame(frame);
    return;
  }
  const events = [];
  for (let n = 0; n < halves; n++, at += 0.5) for (const p of panels) events.push(...half(p, at));
  const shown = Object.fromEntries(panels.map((p) => [p, { told: at * 60, seen: at * 60 + 9, stride: 2,
    roles: Object.fromEntries(["pub", ...subscribers].map((r) => [r, counted])) }]));
  events.push({ k: "count", t: at * 1000, panels: shown });
  for (let n = 0; n < events.length; n += 400) socket.onmessage({ data: JSON.stringify(events.slice(n, n + 400)) });
  requestAnimationFrame(frame);
}
// A page that paints slowly throws away seldom: so it is waited for.
function settle(until) {
  const all = parseFloat(clock.textContent) >= at && leftBehind() === 0;
  if (all || performance.now() > until) done(document.querySelectorAll("*").length);
  else setTimeout(settle, 100, until);
}
frame();
"""


def capture(page: Browser) -> None:
    """From the next page on."""
    page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": CAPTURE})


def flood(page: Browser, run: str, panels: list[str], begin: int, seconds: int, trouble: bool, halves: int = 1) -> dict[str, int]:
    """Elements in the document, nodes and bytes that the page's scripts hold, after so many seconds' events."""
    page.driver.set_script_timeout(3600)
    elements = page.driver.execute_async_script(FLOOD, run, panels, begin, seconds, halves, trouble)
    page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    page.driver.execute_cdp_cmd("Performance.enable", {})
    metrics = page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    figures = {one["name"]: int(one["value"]) for one in metrics}
    return {"elements": elements, "nodes": figures["Nodes"], "heap": figures["JSHeapUsedSize"]}


def in_page(site: Site, seconds: int) -> None:
    run = site.start(**FORM)
    site.hears(run, lambda found: len(of(found, "state", state="ready")) == 20)
    panels = FORM["panels"].split("\n")
    with browser() as page:
        capture(page)
        page.open(f"{site.base}/?{site.address.query}")
        page.open(f"{site.base}/play?run={run}")
        page.one("html[data-heard]")
        began, told = time.monotonic(), 0
        for part in (seconds // 60, seconds - seconds // 60):
            has = flood(page, run, panels, told, part, True, 4)
            told += part
            spent = time.monotonic() - began
            print(f"page: {told} s of events in {spent:.0f} s: {has['elements']} elements, {has['nodes']} nodes, {has['heap'] >> 20} MiB of heap", flush=True)
    site.post("/play/stop", {"run": run})


def in_server(seconds: int) -> None:
    from harness.panels import read_panels
    from web.pages import play
    from web.play.journal import Journal
    from web.stream import Stream

    names = [panel.name for panel in read_panels() if panel.kind == "shipped"]
    kept: list[Any] = []
    count = play.RUNNING_MOST + play.KEPT_MOST + 1
    print(f"server: before: {resident()} MiB", flush=True)
    for number in range(count):
        stream = Stream(str(number))
        books = [Journal(name, stream.tell) for name in names]
        for second in range(seconds if number == 0 else min(seconds, FULL)):
            for book in books:
                one_second(book, second)
        kept += [stream, books if number < play.RUNNING_MOST else None]  # of an ended run the stream stays
        print(f"server: {number + 1} of {count} runs, {stream.count} events each, {stream.size >> 20} MiB kept: {resident()} MiB", flush=True)


def one_second(book: Any, second: int) -> None:
    """60 messages to four subscribers, one of which misses every fourth."""
    for n in range(60):
        number, t = second * 60 + n + 1, second * 1000 + n * 1000 / 60
        said = {"kind": "event", "topic": f"oslo.{n % 4}", "sequence": number, "text": "16 degrees " * 4, "length": 44}
        book.message("pub", {**said, "direction": "sent"}, t)
        for role in ("sub A", "sub B", "sub C", "sub D")[: 3 + (n % 4 > 0)]:
            book.message(role, {**said, "direction": "received"}, t + 3)
    book.look(second * 1000.0)


def resident() -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) >> 10


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else HOUR
    with running() as site:
        in_page(site, seconds)
    in_server(seconds)


if __name__ == "__main__":
    main()
