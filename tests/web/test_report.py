"""The report without a browser: one document that needs nothing else, and holds what was recorded."""

from __future__ import annotations

import asyncio
import base64
import gzip
import html
import json
import platform
import re
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("jinja2")
pytest.importorskip("pygments")

from pages import EVIL, FakeSite, evil
from test_web_lab import LISTING
from web import report
from web.page import Page, View
from web.pages import lab
from web.report import Report, hashed
from web.stream import Stream

ANSWERS = [("bytes", {"run": "r", "n": 1, "text": "é"}, {"frames": [EVIL]})]


def made(site: FakeSite, *views: View, page: Page = lab.PAGE) -> str:
    made_one = Report()
    for view in views:
        asyncio.run(made_one.add(site, page, view))
    return made_one.html(EVIL)


def unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


def packed_in(document: str, which: str) -> list[Any]:
    return [unpacked(one) for one in re.findall(rf'<script type="application/gzip"{which}>([\w+/=]+)</script>', document)]


def test_it_needs_nothing_from_elsewhere() -> None:
    document = made(FakeSite(lab=LISTING), View({}), View({"experiment": "one"}))
    assert not re.findall(r'(?:src|action)="|<link|@import|url\((?!data:)|href="/', document)
    links = {one for one in re.findall(r'href="([^"]*)"', document) if not one.startswith("#")}
    assert links == {"https://example.org/a"}  # what a source cites
    assert {'href="#lab?experiment=one"', 'href="#lab"'} <= set(re.findall(r'href="[^"]*"', document))


def test_its_policy_lets_its_own_scripts_run_and_no_other() -> None:
    document = made(FakeSite(lab=LISTING), View({}))
    policy = html.unescape(re.search(r'Security-Policy" content="([^"]*)"', document)[1])  # type: ignore[index]
    scripts = re.findall(r'<script type="(?:importmap|module)">(.*?)</script>', document, re.DOTALL)
    assert len(scripts) == 2
    assert f"script-src {' '.join(map(hashed, scripts))} data:;" in policy
    assert "default-src 'none'" in policy and "unsafe-inline'" not in policy.partition("style-src")[0]


def test_its_modules_import_one_another_by_name() -> None:
    document = made(FakeSite(lab=LISTING), View({}))
    imports = json.loads(re.search(r'type="importmap">(.*?)</script>', document)[1])["imports"]  # type: ignore[index]
    for name, address in imports.items():
        script = base64.b64decode(address.partition("base64,")[2]).decode()
        for wanted in re.findall(r'from "([^"]+)"', script):
            assert wanted in imports, f"{name} imports {wanted}"


def test_what_was_recorded_is_in_it_unchanged() -> None:
    site = FakeSite(lab=LISTING)
    site.streams["r"] = Stream("r")
    site.streams["r"].tell({"k": "message", "text": EVIL})
    site.streams["r"].show("count", {"k": "count", "panels": {}})
    document = made(site, View({"experiment": "one"}, ANSWERS, ["r"]))
    (view,) = packed_in(document, "")
    assert view["known"]["page"] == "lab" and view["known"]["data"]["experiment"]["name"] == "one"
    assert view["streams"] == {"r": [{"k": "message", "text": EVIL}, {"k": "count", "panels": {}}]}
    (answers,) = packed_in(document, ' data-answers="lab"')
    assert answers == {'lab/bytes {"run":"r","n":1,"text":"é"}': {"frames": [EVIL]}}  # as JSON.stringify writes it


def test_texts_are_data_whatever_is_in_them() -> None:
    document = made(FakeSite(lab=evil(LISTING)), View({}), View({"experiment": "one"}))
    assert "<img" not in document and "<script>" not in document
    assert document.count("<script") == document.count("</script>")


def test_without_scripts_every_text_is_there() -> None:
    document = made(FakeSite(lab=LISTING), View({}), View({"experiment": "one"}))
    assert document.count('<section class="view"') == 2
    for text in ("What is it?", "it is one", "it is so", "Because it is.", "see bind(2)"):
        assert text in document
    assert ".view { display: none; }" in document and "scripting: enabled" in document


def test_a_name_that_is_no_text_and_a_system_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> dict[str, str]:
        raise OSError("no os-release")

    monkeypatch.setattr(platform, "freedesktop_os_release", nameless)
    monkeypatch.setattr(report.sys, "argv", ["report", "\udcff\x1b.html"])
    said = report.about()
    assert "Linux" in said and said.encode() and "\x1b" not in said
