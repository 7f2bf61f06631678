"""What ./triptych lab finds for words: experiments, clauses, steps, verbs and pages, the best first."""

import re
from functools import cache

import pytest

from conftest import ROOT

pytest.importorskip("rich")

from check.kept import keeps_a_part
from harness import panels
from lab import experiments as lab
from lab.finds import entry, everything
from lab.search import TEXT, TITLE, Find, excerpt, search, stems

pytestmark = pytest.mark.together  # one process reads everything, once


@cache
def finds() -> list[Find]:
    return everything(lab.load_all())


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("who filters", "lab where-filtered"),
        ("first messages vanish", "lab slow-joiner"),
        ("waiting in the backlog", "lab backlog"),
        ("how many subscribers", "page How many subscribers one publisher serves"),
        ("huge length", "lab junk-at-the-door"),
        ("plug in", "verb new"),
        ("test my server", "verb check"),
        ("server crash", "lab killed-server"),
        ("udp", "lab datagrams"),
        ("why does recv return half a message?", "lab tcp-has-no-messages"),
        ("server crashes", "lab killed-server"),
        ("address already in use", "lab stolen-address"),
        ("localhost ipv6", "lab host-names"),
        ("many clients at once", "step raw-3"),
        ("messages in frames", "step raw-2"),
        ("EMSGSIZE", "lab too-long"),
        ("the line is dead", "story The line is dead, and nobody says so"),
        ("publisher returns", "story The publisher returns"),
        ("kill publisher and restart", "lab publisher-restart"),
        ("request reply bytes unchanged", "clause R1"),
        ("echo server datagrams", "step 0, datagram server"),
        ("steps", "verb steps"),
        ("size", "verb size"),
        ("new", "verb new"),
        ("grade my students", "verb grade"),
        ("which licence has it", "page Versions and licences"),
        ("fastest", "web Price"),
        ("which is fastest, and why?", "web Price"),
        ("how many lines does each guarantee cost?", "web Price"),
        ("what does a message look like on the wire?", "web Wire"),
        ("does it work on windows?", "step winsock"),
        ("windows", "page Troubleshooting"),
        ("how do I run this on two machines?", "page Play the roles by hand"),
        ("another computer", "page Play the roles by hand"),
        ("hosts", "page Play the roles by hand"),
        ("speed", "verb bench"),
        ("quick", "page Measurements"),
        ("datagram", "lab datagrams"),
        ("echo", "step 0, stream server"),
        ("overhead", "term overhead"),
        ("overhead of each message", "web Wire"),
        ("high-water mark", "term high-water mark"),
        ("hwm", "term high-water mark"),
        ("linger", "term linger"),
        ("backlog", "lab backlog"),
        ("back pressure", "term back pressure"),
        ("backpressure", "term back pressure"),
        ("rep_send", "function rep_send"),
        ("ZMQ_LINGER", "call ZMQ_LINGER"),
        ("epoll_pwait2", "call epoll_pwait2"),
        ("what it costs in lines and memory", "web Price"),
        ("chat", "lab slow-joiner"),
        ("a job queue", "lab busy-worker"),
        ("sensors", "lab two-publishers"),
    ],
)
def test_what_answers_stands_first(words: str, first: str) -> None:
    """Or second: an experiment and a step may answer the same question."""
    found = [find.name for find in search(words.split(), finds())]
    assert first in found[:2], found


def test_what_the_lab_has_of_speed_and_of_windows() -> None:
    for word in ("fastest", "speed"):
        assert "lab burst" in [find.name for find in search([word], finds())], word
    first = search(["windows"], finds())[0]
    assert (first.name, first.command) == ("step winsock", "less winsock/README.md")


def test_the_sentence_that_matches_is_shown() -> None:
    text = "It begins. While one client never reads, the others are answered. It ends."
    find = Find("clause R0", "It begins.", "less x", text)
    assert excerpt(find, ["begins"]) == "It begins."
    assert excerpt(find, ["reads", "client"]) == f"It begins. ... {text[11:-9]}"
    assert excerpt(find, ["elsewhere"]) == "It begins."


def test_what_has_the_words_in_passing_is_left_out() -> None:
    about = Find("lab one", "One.", "x").add("zebra", TITLE)
    passing = [Find(f"lab {n}", "Two.", "x").add("zebra", TEXT / 5) for n in range(3)]
    assert [find.name for find in search(["zebra"], [*passing, about])] == ["lab one"]


def test_clauses_and_steps_are_found_with_a_command_that_works() -> None:
    finds = everything([])
    names = [find.name for find in finds]
    contract = (ROOT / "common/CONTRACT.md").read_text()
    assert len(set(names)) == len(names) and names.count("clause R1") == 1 and contract.count("\n- **") == sum(n.startswith("clause ") for n in names)
    steps = [panel for panel in panels.read_panels() if keeps_a_part(panel)]
    assert all(f"step {panel.name}" in names for panel in steps)
    for find in finds:
        command = find.command.split()
        assert find.says and len(find.says) < 400 and "**" not in find.says
        if command[0] == "less":
            assert (ROOT / command[-1]).is_file(), find.command
        elif find.name.startswith("verb "):
            assert command == ["./triptych", find.name[5:], "--help"]
        elif find.name.startswith(("web ", "story ")):
            assert command == ["./triptych", "web"]
        else:
            assert command[:2] == ["./triptych", "diff"] and f"step {command[3]}" == find.name


def test_every_function_of_the_interface_is_found_with_its_comment() -> None:
    finds = {find.name.partition(" ")[2]: find for find in everything([]) if find.name.startswith("function ")}
    header = (ROOT / "common/pattern.h").read_text()
    assert list(finds) == re.findall(r"\b((?:req|rep|pub|sub|panel)_\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.S))
    assert finds["rep_send"].says.startswith("Sends the reply to the request received last. Never blocks")
    assert finds["rep_send"].clauses == ["R6", "R9"]
    assert finds["pub_idle"].code == "int pub_idle(struct pub *pub, int64_t until_ns);"


def test_what_is_found_has_its_place_on_a_page() -> None:
    places = {find.name: find.place for find in finds()}
    assert places["lab backlog"] == "/lab?experiment=backlog" and places["web Wire"] == "/wire"
    assert places["clause R5"] == entry("clause", "R5") == "/reference?at=clause-R5"
    assert places["term high-water mark"] == "/reference?at=term-high-water-mark"
    assert places["step winsock"] == "/read?panels=raw-5+winsock"
    assert places["step raw-2"] == "/read?panels=raw-1+raw-2" and places["step zmq-1"] == "/read?panels=zmq-1+zmq"
    assert places["step 0, stream server"] == "/read?pattern=echo&at=stream_server"
    assert all(place or name.startswith("page ") for name, place in places.items())
    assert len(set(filter(None, places.values()))) == len(list(filter(None, places.values())))


def test_a_word_that_nobody_uses_may_be_the_beginning_of_others() -> None:
    finds = [Find("lab one", "One.", "x").add("backlog", TITLE), Find("lab two", "Two.", "x").add("back", TITLE)]
    assert [find.name for find in search(["backl"], finds)] == ["lab one"]
    assert [find.name for find in search(["back"], finds)] == ["lab two"]
    assert search(["ba"], finds) == []


def test_words_without_their_endings() -> None:
    for words in ("filter filters filtered filtering", "reply replies", "vanish vanishes vanished",
                  "message messages", "drop dropped dropping", "address addresses", "miss missed"):  # fmt: skip
        assert len(set(stems(words))) == 1, words
