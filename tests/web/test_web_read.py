"""The page Read without a browser: panels side by side, the words that are explained, the steps."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("jinja2")
pytest.importorskip("pygments")

from conftest import ROOT
from pages import EVIL, Document, FakeSite, evil
from web.code import coloured_lines, line_html
from web.page import Refused
from web.pages import read
from web.render import render


def page(site: FakeSite, **query: str) -> Document:
    return Document(render(read.PAGE, asyncio.run(read.data(site, query)), query))


def cell(number: int, text: str, mark: str = "alike", changed: Any = (), words: Any = ()) -> Any:
    return {"number": number, "text": text, "mark": mark, "changed": list(changed), "words": list(words)}


STEPS = ("compare.steps", "--json")


def served(file: str, kept: bool) -> Any:
    """R2 is kept by a line of a helper, R11 by one of the file that is shown, R3 by nothing that is marked."""
    none = {"marks": [], "calls": [], "files": []}
    mark = {"first": 3 + 2 * kept, "last": 3 + 2 * kept, "lines": 1}
    return {
        "R2": {**none, "kept": "kept", "marks": [{"file": "raw/conn.c", "first": 40, "last": 43, "lines": 4}],
               "files": [{"name": "conn", "lines": 381}]},
        "R3": {**none, "kept": "kept"},
        "R11": {**none, "kept": "kept", "marks": [{"file": file, **mark}], "calls": [{"word": "close", "file": file, "line": mark["first"]}]}
        if kept else {**none, "kept": "broken"},
    }  # fmt: skip


def said(*words: str) -> Any:
    rows = [
        [cell(1, "/* a comment"), cell(4, "/* a comment")],
        [cell(2, " * of two lines */", "alone"), None],
        [cell(3, "    close(one);", "changed", [(10, 13)], [(4, 9)]), cell(5, "    close(two);", "changed", [(10, 13)], [(4, 9)])],
    ]
    entry = {"says": "gives it back", "clauses": {"R11": "the last reply"}, "experiment": "backlog"}
    clause = {"title": "the last reply", "text": "A reply arrives.", "experiment": "backlog", "step": "raw-2"}
    count = {"alike": 1, "changed": 1, "only_left": 1, "only_right": 0}
    panels = [
        {"name": name, "heading": "a heading", "folder": "raw", "file": f"{name}/reqrep.c", "lines": 3, "library": name == "zmq-1",
         "left_out": [[6, 9], [12, 12]] if name == "zmq-1" else [], "served": served(f"{name}/reqrep.c", name == "zmq-1")}
        for name in words[1:3]
    ]  # fmt: skip
    return {
        "pattern": words[0], "panels": panels, "counts": [count], "words": {"close": entry}, "clauses": {"R11": clause},
        "sections": [{"name": "req_close", "counts": [count], "blocks": [{"name": "req_close", "rows": rows}]}],
    }  # fmt: skip


def test_panels_stand_side_by_side_with_what_differs() -> None:
    shown = page(FakeSite(diff=said), panels="raw-1 zmq-1")
    assert not shown.wrong
    assert [a["class"].split()[0] for a in shown.all("td") if "class" in a] == ["alike", "alike", "alone", "none", "changed", "changed"]
    assert len(shown.all("mark")) == 2 + 1, "two words that differ, and the legend's"
    assert shown.says("1 lines alike, 1 changed, 1 only in raw-1, 0 only in zmq-1.")


def test_a_word_leads_to_what_it_is_for_and_that_to_clause_and_experiment() -> None:
    shown = page(FakeSite(diff=said), panels="raw-1 zmq-1")
    ids = {attributes["id"] for _, attributes in shown.elements if "id" in attributes}
    words = [a["href"] for a in shown.all("a") if a.get("class") == "word"]
    assert words == ["#reqrep-raw-1-zmq-1-word-close"] * 2
    inside = [a["href"][1:] for a in shown.all("a") if a["href"].startswith("#")]
    assert "reqrep-raw-1-zmq-1-clause-R11" in inside and set(inside) <= ids
    assert "/lab?experiment=backlog" in [a["href"] for a in shown.all("a")] and shown.says("Gives it back.")


def test_a_clause_leads_to_the_lines_that_serve_it() -> None:
    """To those on the page, and to those of another file. A clause that is not kept has none."""
    shown = page(FakeSite(diff=said), panels="raw-1 zmq-1")
    lines = [(a["data-panel"], a["data-line"], a["href"]) for a in shown.all("a") if "data-line" in a]
    assert lines == [("zmq-1", "5", "#reqrep-raw-1-zmq-1-at-1")] * 2
    assert [a["href"] for a in shown.all("a") if "line=40" in a["href"]] == ["/read?file=raw/conn.c&line=40#line-40"] * 2
    assert shown.says("4 lines marked: conn.c 40 to 43")
    assert shown.says("not kept") and shown.says("conn (381 lines)") and not shown.wrong
    cells = re.findall(r"R3 nothing in time[^R]*R11", re.sub(r"\s+", " ", shown.text).replace("ETIMEDOUT", ""))
    assert "no line is marked with it" in cells[0] and "in the library" in cells[0]


def test_what_the_engine_does_not_compile_is_told() -> None:
    shown = page(FakeSite(diff=said), panels="raw-1 zmq-1")
    assert shown.says("zmq-1: lines of zmq-1/reqrep.c that its engine does not compile are left out") and shown.says("6 to 9, 12.")
    assert len([a for a in shown.all("details") if "left-out" in a.get("class", "")]) == 1


def test_every_file_of_a_panel_can_be_read() -> None:
    """From the panels that use it; and whole, with what is marked in it."""
    both = Document(asyncio.run(read.alignment(FakeSite(), {"pattern": "reqrep", "panels": "raw nng"}))["html"])
    links = {a["href"] for a in both.all("a")}
    for panel in ("raw", "nng"):
        paths = [path for path in (ROOT / panel).glob("*.[ch]") if path.name != "reqrep.c"]
        assert len(paths) > 5 and all(f"/read?file={panel}/{path.name}" in links for path in paths)
    assert both.says("where a message ends: the length before each one")
    plain = Document(asyncio.run(read.alignment(FakeSite(), {"pattern": "reqrep", "panels": "raw-1 raw-2"}))["html"])
    assert not plain.says("The other files")
    for file in ("raw/frame.c", "nng/reqrep.c", "common/pattern.h"):
        html = asyncio.run(read.file(FakeSite(), {"file": file}))["html"]
        for shown in (Document(html), page(FakeSite(), file=file)):
            lines = (ROOT / file).read_text().splitlines()
            assert not shown.wrong and all(line in shown.text for line in lines)
            assert [a["data-n"] for a in shown.all("code") if "data-n" in a] == [str(n + 1) for n in range(len(lines))]
    assert Document(asyncio.run(read.file(FakeSite(), {"file": "raw/reqrep.c"}))["html"]).all("a", **{"data-at-line": "109"})


@pytest.mark.parametrize("file", ["/etc/passwd", "raw/../README.md", "README.md", "raw/meson.build", "raw", "", 7, ["raw/frame.c"]])
def test_no_other_file_is_shown(file: Any) -> None:
    with pytest.raises(Refused):
        asyncio.run(read.file(FakeSite(), {"file": file}))


def test_a_hostile_file_is_data() -> None:
    shown = page(FakeSite(diff=lambda *words: evil(said(*words))), panels="raw-1 zmq-1")
    assert not shown.wrong and not shown.all("img") and shown.text.count("alert(1)") >= 5
    assert "<" not in "".join(shown.scripts)


def test_a_comment_of_several_lines_is_coloured_to_its_end() -> None:
    assert coloured_lines(["/* a", " * b */ int c;"], "c")[1][0] == (0, 7, "c-note")
    assert coloured_lines(['f("a\\n" "b")'], "c") == [[(2, 7, "c-str"), (8, 11, "c-str")]], "a piece for each string"
    html = line_html("close(a);", [(0, 9, "c-key")], [(4, 7)], [(0, 5)], "k")
    assert html == (
        '<a class="word" href="#k-word-close" data-word="close"><span class="c-key">clos</span>'
        '<mark><span class="c-key">e</span></mark></a><mark><span class="c-key">(a</span></mark><span class="c-key">);</span>'
    )


@pytest.mark.parametrize(
    "asked",
    [{"pattern": "neither"}, {"panels": "raw"}, {"panels": "raw nobody"}, {"panels": "raw raw"}, {"panels": "raw zmq nng nanomsg"},
     {"panels": "raw --tree"}, {"panels": ["raw", "zmq"]}, {"panels": "../raw zmq"}, {"panels": 7}],
    ids=str,
)  # fmt: skip
def test_what_may_not_be_read(asked: Any) -> None:
    site = FakeSite(diff=said)
    with pytest.raises(Refused):
        asyncio.run(read.alignment(site, asked))
    assert not site.asked


def test_without_scripts_the_form_names_a_panel_in_each_field() -> None:
    site = FakeSite(diff=said)
    page(site, p0="raw-1", p1="raw-2", p2="")
    assert site.asked == [STEPS, ("compare.diff", "reqrep", "raw-1", "raw-2", "--json")]


def test_the_trees_own_files_stand_on_the_page() -> None:
    site = FakeSite()
    html = asyncio.run(read.alignment(site, {"pattern": "pubsub", "panels": "raw-1 raw-2 zmq-1"}))["html"]
    shown = Document(html)
    assert not shown.wrong
    for file in ("raw/steps/1-lecture/pubsub.c", "zmq/steps/1-first/pubsub.c"):
        for line in (ROOT / file).read_text().splitlines():
            assert line in shown.text
    assert len(shown.all("div", **{"data-word": "zmq_bind"})) == 1


def test_another_systems_sockets_stand_beside_the_last_step_with_what_they_change() -> None:
    html = asyncio.run(read.alignment(FakeSite(), {"pattern": "reqrep", "panels": "raw-5 winsock"}))["html"]
    shown = Document(html)
    rows = [line for line in (ROOT / "winsock/README.md").read_text().splitlines() if line.startswith("| `") and line.count("|") == 4]
    assert not shown.wrong and shown.says("What winsock changes") and len(rows) > 8
    for row in (line for line in rows if "WSA" in line or "closesocket" in line):
        assert all(shown.says(cell.replace("`", "").strip()) for cell in row.strip("|").split("|")), row
    plain = Document(asyncio.run(read.alignment(FakeSite(), {"pattern": "reqrep", "panels": "raw-1 raw-2"}))["html"])
    assert not plain.says("differs from BSD sockets")


def test_the_ways_are_those_of_the_steps() -> None:
    ways = read.ways()
    assert ways["raw"] == ["raw-1", "raw-2", "raw-3", "raw-4", "raw-5", "raw"] and ways["zmq"] == ["zmq-1", "zmq"]
    shown = page(FakeSite(diff=said), panels="raw-1 zmq-1")
    stops = [a["href"] for a in shown.all("a") if a.get("class") == "stop"]
    assert stops[:2] == ["/read?pattern=echo"] * 2 and "/read?panels=raw-4+raw-5" in stops
    assert all(re.search(r"panels=[\w-]+\+[\w-]+$", stop) for stop in stops[2:])


def test_what_a_step_adds_is_asked_for_once_and_stands_there_at_once() -> None:
    """Nothing moves later, when it is counted."""
    adds = {"to": "raw-1", "gained": ["R1"], "lost": [], "lines": 160}
    site = FakeSite(diff=said, steps=[{"name": "raw-1", "adds": None}, {"name": "raw-2", "adds": adds}])
    for _ in range(2):
        shown = page(site, panels="raw-1 raw-2")
        assert shown.says("+160 lines") and shown.says("1 more clause kept")
        assert shown.says("R1 bytes arrive unchanged, whatever their length")
    assert site.asked.count(("compare.steps", "--json")) == 1


def test_the_echo_programs_with_their_heads_beside_the_first_step() -> None:
    site = FakeSite()
    shown = page(site, pattern="echo")
    assert not shown.wrong and site.asked == [STEPS, ("compare.steps", "echo", "--list", "--json")]
    for path in sorted((ROOT / "raw/steps/0-echo").glob("*_*.c")):
        head, _, code = path.read_text().partition("*/")
        assert all(line in shown.text for line in code.splitlines())
        assert all(shown.says(" ".join(re.sub(r"\n \*", " ", one).split()).rstrip(";.")) for one in head.split("\n *   - ")[1:])
    for line in ("cd raw/steps/0-echo", "./stream-server 127.0.0.1:5555", "./stream-client 127.0.0.1:5555 hello"):
        assert shown.says(line)
    assert all(line in shown.text for line in (ROOT / "raw/steps/0-echo/echo.h").read_text().splitlines())
    assert shown.says("serve a second client before the first one has left")
    ids = {attributes["id"] for _, attributes in shown.elements if "id" in attributes}
    inside = {a["href"][1:] for a in shown.all("a") if a["href"].startswith("#")}
    assert "echo-word-bind" in inside and inside - {"main"} <= ids
    links = [a["href"] for a in shown.all("a")]
    assert "/read?panels=raw-1+raw-2" in links and "/read?panels=raw-1+raw-dgram" in links and "/lab?experiment=both-send" in links
    assert shown.says("Nothing has run yet") and len(shown.all("li", **{"class": "break"})) == 10


def test_the_breaks_are_run_when_they_are_asked_for_and_stay() -> None:
    site = FakeSite()
    listed = asyncio.run(site.verb("compare.steps", "echo", "--list", "--json"))
    acts = [{"act": "./stream-server x", "printed": ["recv: 5 bytes", EVIL]}]
    played = [one | {"came_about": one["name"] != "port", "after": f"It broke: {EVIL}", "acts": acts} for one in listed["breaks"]]
    site.answers["steps"] = lambda *words: listed | {"breaks": played} if "echo" in words else []
    for shown in (Document(asyncio.run(read.breaks(site, {}))["html"]), page(site, pattern="echo")):
        assert not shown.wrong and shown.text.count("recv: 5 bytes") == 10 and not shown.all("img")
        assert [a["class"] for a in shown.all("p") if a.get("class", "").startswith("seen")].count("seen bad") == 1
    assert page(site, pattern="echo").says("As they broke in the newest run.")
    assert site.asked.count(("compare.steps", "echo", "--json")) == 1
