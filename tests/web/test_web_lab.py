"""The page Lab without a browser: what it shows, what it lets run, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("jinja2")
pytest.importorskip("pygments")

from pages import Document, FakeSite, evil
from programs import alive, descendants
from web.code import listing
from web.page import Refused
from web.pages import lab
from web.render import render
from web.sentence import linked


def experiment(name: str, phrase: str = "it is so") -> Any:
    return {
        "name": name, "theme": "request/reply", "question": "What is it?", "find": "", "predict": ["it is one", "it is two"],
        "runs_on": ["raw", "zmq"], "needs": [], "timing": False, "explanation": ["Because it is."], "try_next": "lab two",
        "sources": [{"text": "see bind(2)", "links": ["https://example.org/a"]}], "file": f"lab/experiments/{name}.py",
        "code": "a = '<b>'  # a < b\n", "panels": {},
        "recorded": {"raw": {"expected": ["n is 2"], "phrase": phrase}, "zmq": {"expected": ["n is 3"], "phrase": None}},
    }  # fmt: skip


LISTING = {"experiments": [experiment("one"), experiment("two")]}


def page(site: FakeSite, **query: str) -> Document:
    return Document(render(lab.PAGE, asyncio.run(lab.data(site, query)), query))


def test_the_matrix_shows_every_question_with_its_outcomes() -> None:
    shown = page(FakeSite(lab=LISTING))
    assert not shown.wrong
    assert [a["href"] for a in shown.all("a") if "experiment=" in a["href"]] == ["/lab?experiment=one", "/lab?experiment=two"]
    assert shown.says("What is it?") and shown.says("it is so") and shown.says("not recorded")


def test_an_experiment_can_be_read_without_scripts() -> None:
    shown = page(FakeSite(lab=LISTING), experiment="one")
    assert not shown.wrong
    for text in ("it is one", "it is two", "it is so", "n is 2", "Because it is.", "see bind(2)", "a = '<b>'  # a < b"):
        assert shown.says(" ".join(text.split())), text
    assert {"href": "https://example.org/a", "rel": "noreferrer"} in shown.all("a")
    assert [a["data-panel"] for a in shown.all("section") if "data-panel" in a] == ["raw", "zmq"]


def test_a_hostile_experiment_is_data() -> None:
    for query in ({}, {"experiment": "one"}):
        site = FakeSite(lab=evil(LISTING))
        asyncio.run(lab.data(site, {}))
        outcome = {"status": "deviates", "phrase": "it is so", "deviations": ["it is 2"], "luck": ["it is 3"], "answer": 1}
        lab.lab_of(site).outcomes["one"] = {"raw": evil(outcome)}
        shown = page(site, **query)
        assert not shown.wrong and not shown.all("img")
        assert shown.text.count("alert(1)") >= 3 and "<" not in "".join(shown.scripts)


def test_an_unknown_experiment_is_refused() -> None:
    with pytest.raises(Refused, match="There are: one, two"):
        page(FakeSite(lab=LISTING), experiment="../../etc/passwd")


@pytest.mark.parametrize(
    "asked",
    [{}, {"experiment": "three", "panels": ["raw"]}, {"experiment": 1, "panels": ["raw"]}, {"experiment": "one"},
     {"experiment": "one", "panels": []}, {"experiment": "one", "panels": "raw"}, {"experiment": "one", "panels": ["nng"]},
     {"experiment": "one", "panels": ["raw", "--check"]}, {"experiment": "one", "panels": [["raw"]]}],
    ids=str,
)  # fmt: skip
def test_what_may_not_be_run(asked: Any) -> None:
    site = FakeSite(lab=LISTING)
    with pytest.raises(Refused):
        asyncio.run(lab.run(site, asked))
    assert not site.streams and not lab.lab_of(site).running


def finished(site: FakeSite, stream: str, seconds: float = 60.0) -> list[Any]:
    deadline = time.monotonic() + seconds
    while not site.streams[stream].ended:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [json.loads(line) for line in site.streams[stream].events]


def test_a_run_is_told_while_it_happens_and_its_outcome_stays() -> None:
    site = FakeSite()
    stream = asyncio.run(lab.run(site, {"experiment": "out-of-turn", "panels": ["raw"]}))["stream"]
    with pytest.raises(Refused, match="out-of-turn runs"):
        asyncio.run(lab.run(site, {"experiment": "out-of-turn", "panels": ["raw"]}))
    *said, seen, end = finished(site, stream)
    assert said and {event["event"] for event in said} == {"said"}
    assert seen["event"] == "run" and list(seen["panels"]) == ["raw"]
    assert (end["event"], end["complaint"]) == ("end", "")
    assert lab.lab_of(site).running is None
    shown = page(site, experiment="out-of-turn")
    assert not shown.wrong and shown.says("this run") and shown.says(" ".join(seen["panels"]["raw"]["phrase"].split()))


def test_a_run_that_is_stopped_leaves_no_process() -> None:
    """The longest one: it would go on for seconds."""
    site = FakeSite()
    stream = asyncio.run(lab.run(site, {"experiment": "stopped-server", "panels": ["raw"]}))["stream"]
    while not site.streams[stream].count:
        time.sleep(0.02)
    children = descendants(os.getpid())
    began = time.monotonic()
    asyncio.run(lab.stop(site, {}))
    end = finished(site, stream, 10.0)[-1]
    assert end["complaint"] == "It was stopped." and time.monotonic() - began < 5.0
    assert children and not any(map(alive, children))


def test_links_in_a_sentence() -> None:
    text = 'lab two shows <it>; lab three not; see https://nng.nanomsg.org/a?b="c, and https://a.b/c.'
    assert str(linked(text, ["two"])) == (
        '<a href="/lab?experiment=two" data-keep="look big">lab two</a> shows &lt;it&gt;; lab three not; see '
        '<a href="https://nng.nanomsg.org/a?b=" rel="noreferrer">https://nng.nanomsg.org/a?b=</a>&#34;c, and '
        '<a href="https://a.b/c" rel="noreferrer">https://a.b/c</a>.'
    )


@pytest.mark.parametrize(
    ("text", "page", "command"),
    [
        ("./triptych wire reqrep zmq shows the frame.", "/wire?pattern=reqrep&amp;panels=zmq", "./triptych wire reqrep zmq"),
        ("./triptych wire reqrep nanomsg --ipc: find it.", "/wire?pattern=reqrep&amp;transport=ipc&amp;panels=nanomsg",
         "./triptych wire reqrep nanomsg --ipc"),
        ("./triptych diff reqrep nanomsg-1 nanomsg --function req_send",
         "/read?pattern=reqrep&amp;function=req_send&amp;panels=nanomsg-1+nanomsg", "./triptych diff reqrep nanomsg-1 nanomsg --function req_send"),
        ("./triptych wire shows the bytes", "/wire", "./triptych wire"),
    ],
)
def test_a_command_leads_to_the_page_that_shows_the_same(text: str, page: str, command: str) -> None:
    made = str(linked(text))
    assert f'<a href="{page}" data-keep="look big"><code>{command}</code></a>' in made
    assert Document(f"<p>{made}</p>").text == text


def test_terms_and_clauses_of_a_sentence_say_what_they_mean() -> None:
    shown = Document(f"<p>{linked('The backlog & a backlog: R5 and R99, see lab backlog; SIGKILL.', ['backlog'])}</p>")
    assert not shown.wrong and shown.text == "The backlog & a backlog: R5 and R99, see lab backlog; SIGKILL."
    links = {a["href"]: a.get("title", "") for a in shown.all("a")}
    assert list(links) == [f"/reference?at={name}#reference?at={name}" if name[0] != "/" else name
                           for name in ("term-backlog", "clause-R5", "/lab?experiment=backlog", "term-SIGKILL")]  # fmt: skip
    assert links["/reference?at=clause-R5#reference?at=clause-R5"] == "R5: a server may be killed and come back."
    assert str(linked("see lab backlog", ["backlog"])).count("<a ") == 1, "no link within a link"
    assert links["/reference?at=term-backlog#reference?at=term-backlog"].startswith("Backlog: the connections that the kernel")


def test_code_keeps_every_character() -> None:
    code = 'def f():\n\n    """a <b>\n    c"""\n    return 1 < 2  # "\n'
    shown = Document(f"<pre>{listing(code, 'python')}</pre>")
    assert not shown.wrong and shown.text == code.rstrip("\n")
    assert {a["class"] for a in shown.all("span")} >= {"c-key", "c-str", "c-num", "c-note"}
