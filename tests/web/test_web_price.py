"""The page Price without a browser: the picture, the sizes, the newest measurements."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("jinja2")
pytest.importorskip("rich")

from check.clauses import CLAUSES
from harness.panels import ROOT
from pages import Document, FakeSite, evil
from web.pages import price
from web.render import render

WORDS = ("kept", "broken", "luck", "not reachable")


def step(name: str, towards: str, lines: int, words: tuple[str, ...], to: str | None) -> Any:
    clauses = {
        f"R{n}": {"word": word, "reason": "it waits for ever", "test": "", "rate": "", "title": "a clause of it", "experiment": "backlog"}
        for n, word in enumerate(words, 1)
    }
    adds = {"to": to, "gained": [], "lost": [], "lines": 5} if to else None
    return {"name": name, "folder": "raw", "heading": "a step on it", "towards": towards, "sibling": False, "lines": lines, "tokens": 9,
            "kept": words.count("kept"), "not_reachable": 0, "clauses": clauses, "adds": adds}  # fmt: skip


STEPS = [step("raw-1", "raw", 200, WORDS, None), step("raw", "raw", 1880, ("kept",) * 4, "raw-1")]
SIZE = {
    "schema": 1, "panels": [{"name": "raw"}, {"name": "zmq"}], "notes": {"a measure": "what it means"}, "troubles": ["it is so"],
    "measures": [
        {"part": "whole", "key": "lines", "label": "lines of code", "unit": "lines", "values": {"raw": 12345, "zmq": None}},
        {"part": "running", "key": "memory", "label": "resident memory", "unit": "KiB", "values": {"raw": 2.5, "zmq": 7}},
    ],
}  # fmt: skip


def page(site: FakeSite) -> Document:
    return Document(render(price.PAGE, asyncio.run(price.data(site, {})), {}))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(price, "FOLDER", tmp_path / "bench")
    monkeypatch.setattr(price, "RECORDED", tmp_path / "recorded")
    (tmp_path / "bench").mkdir()
    return tmp_path / "bench"


def test_a_page_that_is_opened_counts_nothing() -> None:
    site = FakeSite(steps=STEPS, size=SIZE)
    shown = page(site)
    assert not shown.wrong and not site.asked and shown.says("Nothing has been measured")


def test_the_picture_has_a_link_for_each_step_and_a_table_behind_it() -> None:
    site = FakeSite(steps=STEPS)
    fragment = Document(asyncio.run(price.lines(site, {}))["html"])
    for shown in (fragment, page(site)):
        assert not shown.wrong
        assert [a["href"] for a in shown.all("a") if a["href"].startswith("/read?panels")] == ["/read?panels=raw-1+raw"] * 2
        assert shown.says("raw-1, a step on it: 200 lines, 1 of 4 clauses kept")
        assert shown.text.count("✗") == 1 + 1, "a cell, and the legend"
    assert site.asked == [("compare.steps", "--json")]


def test_sizes_are_those_of_the_verb_and_running_programs_are_measured_when_asked_for() -> None:
    site = FakeSite(size=SIZE)
    shown = Document(asyncio.run(price.size(site, {}))["html"])
    assert not shown.wrong and shown.says("12,345") and shown.says("resident memory, KiB") and shown.says("it is so")
    for runs in (False, True, False, "yes", True):
        asyncio.run(price.size(site, {"runs": runs}))
    assert site.asked == [("compare.size", "--source", "--json"), ("compare.size", "--json")]
    assert page(site).says("what it means")


def results(started: str) -> Any:
    def cell(competitor: str, size: int, median: float) -> Any:
        figure = {"median": median, "low": median - 1, "high": median + 2, "coverage": 0.9, "n": 5}
        return {"bench": "latency", "transport": "tcp", "placement": "one core", "size": size, "queue": 1000, "rate": 0, "peers": 1,
                "competitor": competitor, "label": f"{competitor} sockets", "kind": "panel", "count": 5, "counting": 5,
                "metrics": {"p50": figure}, "ratios": {}, "runs": [], "disturbed": False, "failures": []}  # fmt: skip

    cells = [cell("raw", size, size / 10) for size in (64, 1024)] + [cell("zmq", size, size / 5) for size in (64, 1024)]
    return {"format": "triptych-bench", "version": price.bench_results.VERSION, "started": started, "seconds": 1.0, "quick": True,
            "machine": {"cpu": "a processor"}, "versions": {"raw": "1.0"}, "method": {}, "cells": cells}  # fmt: skip


def test_the_newest_figures_are_shown_with_their_intervals(folder: Path) -> None:
    for number, name in enumerate(("old", "new", "broken")):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(results(f"it is {name}")) if name != "broken" else "{")
        os.utime(path, (1000 + number, 1000 + number))
    shown = page(FakeSite())
    assert not shown.wrong and shown.says("it is new") and not shown.says("it is old")
    assert shown.says("raw sockets: 102.4 at 1,024; from 101.4 to 104.4")
    assert shown.says("102.4 (101.4 to 104.4)") and shown.says("a processor")


def test_a_build_without_figures_shows_the_committed_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price, "RECORDED", ROOT / "tools/bench/RESULTS.json.gz")
    run = price.bench_results.read(price.RECORDED)
    shown = page(FakeSite())
    assert not shown.wrong and shown.says("recorded on one machine") and shown.says(run["machine"]["cpu"])
    told = [run["started"].replace("T", ", "), "at commit", "./triptych bench --quick", "Over all: ", "because a round trip", *run["remarks"]]
    for text in told:
        assert shown.says(text), text
    assert [shown.text.count(chart.title) > 0 for chart in price.charts(run["cells"])] == [True] * 6
    (folder / "own.json").write_text(json.dumps(results("it is own")))
    shown = page(FakeSite())
    assert shown.says("it is own") and not shown.says("recorded on one machine")


def test_the_price_of_each_guarantee_stands_in_the_document() -> None:
    shown = page(FakeSite())
    text = (ROOT / "CHOOSING.md").read_text().partition("## The price of each guarantee")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`raw-" in line or line.startswith("| R")]
    assert len(rows) >= 10
    for row in rows:
        for cell in row.strip("|").split("|"):
            assert shown.says(cell.replace("`", "").strip()), row


def test_the_lines_of_each_guarantee_in_every_panel() -> None:
    """Of all that keep every clause; each number leads to the line in its file."""
    site = FakeSite()
    shown = Document(asyncio.run(price.marked(site, {}))["html"])
    assert not shown.wrong and [words[1] for words in site.asked] == ["reqrep", "pubsub"]
    cells = {(a["data-clause"], a["data-of"]) for a in shown.all("td") if "data-clause" in a}
    assert cells == {(clause, panel) for clause in CLAUSES for panel in ("raw", "zmq", "nanomsg", "nng", "raw-5")}
    links = [re.fullmatch(r"/read\?file=([\w/.]+)&line=(\d+)#line-\2", a["href"]) for a in shown.all("a")]
    found = [(link[1], int(link[2])) for link in links if link]
    text = {file: (ROOT / file).read_text().splitlines() for file, _ in found}
    assert len(found) > 100 and all(text[file][line - 1].strip() for file, line in found)
    assert any("a late reply" in text[file][line - 1] for file, line in found if file == "raw/reqrep.c")
    assert page(site).says("2 lines marked") and len(site.asked) == 2, "it stands there from then on"


def test_what_cannot_be_tested_is_no_clause_broken() -> None:
    hollow = step("winsock", "raw", 900, WORDS, None) | {"sibling": True, "not_reachable": 2}
    known = [*STEPS[:1], step("raw-5", "raw", 850, WORDS, "raw-1"), *STEPS[1:], hollow]
    shown = Document(asyncio.run(price.lines(FakeSite(steps=known), {}))["html"])
    assert shown.says("1 of 4 clauses kept, 2 cannot be tested here") and shown.says("winsock +2?")
    assert shown.text.count("○") == 1, "its point, and none before its name, which would look like a point"
    assert shown.says("nobody knows whether it is kept")
    assert "/read?panels=raw-5+winsock" in [a["href"] for a in shown.all("a")]


def test_hostile_figures_are_data(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps(evil(results("it is so"))))
    shown = page(FakeSite())
    assert not shown.wrong and not shown.all("img") and "alert(1)" in shown.text
    site = FakeSite(steps=evil(STEPS), size=evil(SIZE))
    for fragment in (asyncio.run(price.lines(site, {})), asyncio.run(price.size(site, {}))):
        shown = Document(fragment["html"])
        assert not shown.wrong and not shown.all("img") and not shown.all("script")


def test_two_pages_wait_for_one_count_and_a_changed_file_is_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    site = FakeSite(steps=STEPS)
    files = [("reqrep.c", 1)]
    monkeypatch.setattr("web.pages.read.sources", lambda: list(files))

    async def both() -> None:
        await asyncio.gather(price.lines(site, {}), price.lines(site, {}))

    asyncio.run(both())
    assert len(site.asked) == 1
    files.append(("pubsub.c", 2))
    asyncio.run(both())
    assert len(site.asked) == 2
