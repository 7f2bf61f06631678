"""A browser without a window, and what is asked of every page."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

SECONDS = 60.0

# Text whose contrast with what stands behind it is too low (WCAG 2, AA), and how low.
PALE = """
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgb = (colour) => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return canvas.getImageData(0, 0, 1, 1).data;
};
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const found = [];
const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
const ground = (one) => {
  while (one && rgb(getComputedStyle(one).backgroundColor)[3] < 255) one = one.parentElement;
  return light(one ? rgb(getComputedStyle(one).backgroundColor) : [255, 255, 255]);
};
// What one must see to operate it, and the lines of a picture: 3 to 1.
for (const one of document.querySelectorAll("button, select, input, textarea, .diagram :is(.arrow, .lost, .waits) :is(line:not(.hit), path, circle)")) {
  if (!one.getBoundingClientRect().width || one.closest(":disabled") || one.matches("[type=checkbox], [type=radio], [type=range]")) continue;
  const style = getComputedStyle(one);
  const colours = one.closest("svg") ? [style.stroke === "none" ? style.fill : style.stroke] : [style.borderTopColor, style.backgroundColor];
  const behind = ground(one.closest("svg") ?? one.parentElement);
  const best = Math.max(...colours.map((colour) => ratio(light(rgb(colour)), behind)));
  if (best < 3) found.push(`${one.tagName} ${one.parentElement.getAttribute("class")} seen at ${best.toFixed(2)}`);
}
for (const one of document.querySelectorAll("body *:not(script, style, option)")) {
  if (one.closest("svg") && (one.tagName !== "text" || one.textContent.trim().length < 2)) continue; // a mark beside its name
  const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const box = one.getBoundingClientRect();
  const style = getComputedStyle(one);
  const sign = one.closest(".mark") && !/\\w/.test(one.textContent); // a shape beside a name
  if (!own || !box.width || style.visibility === "hidden" || one.closest(":disabled, .visually-hidden") || sign) continue;
  const seen = ratio(light(rgb(one.closest("svg") ? style.fill : style.color)), ground(one.closest("svg") ?? one));
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
  if (seen < (large ? 3 : 4.5)) found.push(`${one.tagName} ${one.getAttribute("class")} "${one.textContent.trim().slice(0, 30)}" ${seen.toFixed(2)}`);
}
for (const one of document.querySelectorAll("input[placeholder]")) {
  const seen = ratio(light(rgb(getComputedStyle(one, "::placeholder").color)), ground(one));
  if (one.getBoundingClientRect().width && seen < 4.5) found.push(`the placeholder of ${one.id || one.name} ${seen.toFixed(2)}`);
}
return found;
"""

# Boxes that stick out of the page, or of a box that does not scroll; and words that their box cuts off.
OUTSIDE = """
const found = [];
if (document.documentElement.scrollWidth > innerWidth + 1) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
for (const one of document.querySelectorAll("body *:not(svg *, script, option)")) {
  const box = one.getBoundingClientRect();
  const scrolls = one.parentElement.closest(".scroll, pre, .said, .visually-hidden, .skip, [data-scrolls]");
  if (box.width && !scrolls && !one.matches(".skip, .visually-hidden") && (box.right > innerWidth + 1 || box.left < -1)) {
    found.push(`${one.tagName} ${one.className} from ${box.left} to ${box.right}`);
  }
  const cuts = getComputedStyle(one).overflowX !== "visible" && !one.matches(".visually-hidden, .intro") && !one.closest(".visually-hidden, .said, [data-scrolls]");
  if (cuts && box.width && one.matches("button, summary, h1, h2, h3, th, label, legend, p, li, dd, dt, a, select") && one.scrollWidth > one.clientWidth + 1) {
    found.push(`${one.tagName} ${one.className} cuts "${one.textContent.trim().slice(0, 30)}"`);
  }
}
const pen = document.createElement("canvas").getContext("2d");
for (const one of document.querySelectorAll("input[placeholder]")) {
  const style = getComputedStyle(one);
  pen.font = style.font;
  const room = one.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  if (room > 0 && pen.measureText(one.placeholder).width > room) found.push(`the placeholder of ${one.id || one.name} is cut`);
}
return found;
"""

# What scrolls, and the keyboard cannot get there.
STUCK = """
return [...document.querySelectorAll("main *")].filter((one) => {
  const style = getComputedStyle(one);
  const scrolls = (/auto|scroll/.test(style.overflowX) && one.scrollWidth > one.clientWidth + 1) || (/auto|scroll/.test(style.overflowY) && one.scrollHeight > one.clientHeight + 1);
  return scrolls && one.tabIndex < 0 && !one.querySelector("a[href], button, input, select, textarea, [tabindex='0']");
}).map((one) => `${one.tagName} ${one.className}: ${one.textContent.trim().slice(0, 40)}`);
"""

# What can be operated, and a screen reader has no name for.
NAMELESS = """
return [...document.querySelectorAll("button, input, select, textarea, a[href], [tabindex]:not([tabindex='-1'])")]
  .filter((one) => one.getBoundingClientRect().width && !one.closest("[hidden]"))
  .filter((one) => !(one.getAttribute("aria-label") || one.getAttribute("aria-labelledby") || one.textContent.trim()
    || [...(one.labels ?? [])].some((label) => label.textContent.trim())))
  .map((one) => one.outerHTML.slice(0, 120));
"""


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1440,1000"):
        options.add_argument(word)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's own needs another user
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_script_timeout(2 * SECONDS)  # its own 30 s passed on a busy machine
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    def __init__(self, driver: Any):
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get(address)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        found: list[WebElement] = self.driver.find_elements(By.CSS_SELECTOR, selector)
        return found

    def one(self, selector: str) -> WebElement:
        """The first of these, which must come."""
        return self.wait(lambda: (self.all(selector) or [None])[0], selector)

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def addressed(self, words: str, there: bool = True) -> None:
        """Waits until these words are in the address, or not: it follows the page after a pause."""
        what = f"{words} {'in' if there else 'out of'} the address"
        self.wait(lambda: (words in self.driver.current_url) == there, what)

    def wait(self, until: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(StaleElementReferenceException):
                if found := until():
                    return found
            assert time.monotonic() < deadline, f"within {seconds:g} s there was no {what}"
            time.sleep(0.05)

    def size(self, width: int, height: int = 1000) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def dark(self, on: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def messages(self) -> list[Any]:
        """What stands in the console since the last look."""
        found: list[Any] = self.driver.get_log("browser")
        return found
