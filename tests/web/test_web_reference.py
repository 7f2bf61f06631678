"""The page Reference without a browser: every word has its entry, and the search its index."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("jinja2")
pytest.importorskip("pygments")

from check.clauses import CLAUSES
from compare.glossary import glossary, terms
from pages import Document, FakeSite, evil
from web.pages import PAGES, reference
from web.render import render


def page(site: FakeSite, **query: str) -> Document:
    return Document(render(reference.PAGE, asyncio.run(reference.data(site, query)), query))


def test_every_word_has_its_entry_at_its_place() -> None:
    site = FakeSite()
    shown = page(site)
    assert not shown.wrong
    ids = {attributes["id"] for _, attributes in shown.elements if "id" in attributes}
    finds = asyncio.run(reference.finds(site, {}))["finds"]
    places = [find["place"] for find in finds if find["place"].startswith("/reference?")]
    assert len(places) >= len(terms()) + len(glossary()) + len(CLAUSES) + 20
    assert {place[1:] for place in places} <= ids
    linked = {a["href"].partition("#")[2] for a in shown.all("a") if a["href"].startswith("/reference?")}
    assert linked and linked <= ids
    assert site.asked == [("lab.lab", "--index")], "asked once"


def test_clauses_and_functions_stand_there_whole() -> None:
    shown = page(FakeSite())
    for name, clause in CLAUSES.items():
        assert shown.says(f"{name}: {clause.title}")
    assert shown.says("int rep_send(struct rep *rep, const void *data, size_t len);")
    assert shown.says("Out of turn, errno is the library's own (R9).")
    links = [a["href"] for a in shown.all("a")]
    assert "/read?panels=raw+zmq&function=rep_send" in links and "/read?pattern=pubsub&panels=raw+zmq&function=sub_recv" in links


def test_every_page_is_found() -> None:
    finds = asyncio.run(reference.finds(FakeSite(), {}))["finds"]
    assert {find["place"] for find in finds if find["kind"] == "web"} == {f"/{one.name}" for one in PAGES}


def test_a_changed_file_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    site = FakeSite(lab={"finds": []})
    for number in (1, 1, 2):
        monkeypatch.setattr(reference, "files", lambda number=number: number)
        page(site)
    assert len(site.asked) == 2


def test_hostile_words_are_data() -> None:
    said = asyncio.run(reference.finds(FakeSite(), {}))
    for find in said["finds"]:
        find["text"] = evil(find["text"] or "some text")
        find["says"] = evil("some words")
    shown = page(FakeSite(lab=said))
    assert not shown.wrong and not shown.all("img") and shown.text.count("alert(1)") > 100
