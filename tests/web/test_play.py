"""What runs behind the page Play: real programs, broken as a reader breaks them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.panels import read_panels
from harness.stage import Stage
from programs import alive, descendants
from site_client import Site, of, site  # noqa: F401: a fixture
from web.page import Refused
from web.play.conversation import Conversation, Voice
from web.play.run import ALONE_SECONDS, RUN_SECONDS, Run
from web.play.settings import of_form, read_settings, to_form
from web.play.stories import STORIES
from web.stream import encoded

COUNTED = ("sent", "received", "lost", "duplicates", "timeouts")
HOSTILE = "<script>alert(1)</script> \x1b[2J \u202e --help $(reboot) 'x"

pytestmark = pytest.mark.together  # one server


@pytest.fixture
def run_of(site: Site) -> Iterator[Any]:
    """Starts runs, and ends them with the test."""
    begun = []

    def start(story: str = "", **form: str) -> str:
        begun.append(site.start(story, **form))
        return str(begun[-1])

    yield start
    for run in begun:
        site.post("/play/stop", {"run": run})
        site.hears(run, lambda found: bool(of(found, "end")))


def finish(site: Site, run: str) -> list[Any]:
    site.post("/play/stop", {"run": run})
    return site.hears(run, lambda found: bool(of(found, "end")))


def received(found: list[Any], panel: str, count: int) -> bool:
    return len(of(found, "message", p=panel, d="received")) >= count


def test_a_run_says_what_each_message_did(site: Site, run_of: Any) -> None:
    run = run_of(panels="raw", rate="20", texts="hello")
    second = {"p": "raw", "r": "rep", "d": "received", "n": 2}
    found = site.hears(run, lambda found: bool(of(found, "message", **second)))
    arrow = of(found, "message", **second)[0]
    assert arrow["from"] == "req" and 0 < arrow["t0"] <= arrow["t"] and arrow["text"] == "hello"
    assert {e["state"] for e in of(found, "state", p="raw", r="rep")} == {"started", "ready"}


def test_the_counters_say_what_the_programs_cannot_know(site: Site, run_of: Any) -> None:
    """A publisher that returns counts from 1: its subscribers see no gap. A new server has seen no request."""
    news = run_of("publisher-returns", panels="raw")
    killed = run_of("killed-server", panels="raw\nnng")
    again = lambda found, n: len([e for e in of(found, "message", p="nng", r="rep", d="received") if e["n"] == n])  # noqa: E731
    site.hears(killed, lambda found: any(again(found, n) == 2 for n in range(1, 9)) and bool(of(found, "trouble", p="raw", what="timeout")))
    has = {panel: one["roles"] for panel, one in of(finish(site, killed), "count")[-1]["panels"].items()}
    assert has["nng"]["rep"]["again"] == 1 and has["nng"]["rep"]["duplicates"] == 0
    assert has["raw"]["req"]["unanswered"] == 1 and has["raw"]["rep"]["again"] == 0
    site.hears(news, lambda found: any(e["t"] > 7000 for e in of(found, "message")))
    found = finish(site, news)
    roles = of(found, "count")[-1]["panels"]["raw"]["roles"]
    for who in ("sub A", "sub B"):
        got = {(e["n"], e["sent"]) for e in of(found, "message", r=who, d="received")}
        sent = [e for e in of(found, "message", r="pub", d="sent") if e["t"] < 6000]
        lacks = [e for e in sent if (e["n"], e["sent"]) not in got]
        assert roles[who]["missed"] == len(lacks) > 0 and roles[who]["lost"] == 0


@pytest.mark.parametrize("pattern", ["reqrep", "pubsub"])
def test_the_counters_agree_with_the_programs_own_summaries(site: Site, run_of: Any, pattern: str) -> None:
    run = run_of(panels="raw\nnng", pattern=pattern, peers="2", rate="50", prefixes="", join="200")
    site.hears(run, lambda found: received(found, "raw", 40) and received(found, "nng", 40))
    count = of(finish(site, run), "count")[-1]
    for panel in ("raw", "nng"):
        for role, has in count["panels"][panel]["roles"].items():
            assert has["own"] == {name: has[name] for name in COUNTED}, (panel, role)
            assert has["sent"] + has["received"] > 0


def test_a_role_is_killed_and_started_again(site: Site, run_of: Any) -> None:
    run = run_of(panels="raw", rate="10", timeout="300")
    site.hears(run, lambda found: received(found, "raw", 4))
    server = {pid for pid in descendants(site.pid) if "raw-rep" in command_of(pid)}
    site.act(run, "stop", "rep")
    twice = site.post("/play/act", {"run": run, "do": "stop", "role": "rep"})
    assert twice == (400, {"error": "rep is paused already"})
    site.act(run, "kill", "rep")
    assert len(server) == 1 and not any(map(alive, server))
    for do, why in (("kill", "rep does not run"), ("stop", "rep does not run"), ("continue", "rep is not paused")):
        assert site.post("/play/act", {"run": run, "do": do, "role": "rep"}) == (400, {"error": why})
    site.hears(run, lambda found: bool(of(found, "trouble", what="timeout")))
    site.act(run, "restart", "rep", panel="raw")
    after = site.hears(run, lambda found: bool(lately(found)))
    states = [e["state"] for e in of(after, "state", r="rep")]
    assert states == ["started", "ready", "stopped", "killed", "started", "ready"]


def lately(found: list[Any]) -> list[Any]:
    """What the server received after its second start."""
    starts = of(found, "state", r="rep", state="started")
    return [e for e in of(found, "message", r="rep", d="received") if len(starts) > 1 and e["t"] > starts[1]["t"]]


@pytest.mark.parametrize("of_panel", ["raw", "zmq"])
def test_who_asks_while_the_server_is_dead_is_answered_by_the_next(site: Site, run_of: Any, of_panel: str) -> None:
    """As without a tap between them: a connection is refused, and none is accepted that ends at once."""
    run = run_of(panels=of_panel, rate="0", timeout="20000")
    site.hears(run, lambda found: len(of(found, "state", state="ready")) == 2)
    site.act(run, "say", "req", value="one")
    site.hears(run, lambda found: bool(of(found, "message", r="req", d="received", text="one")))
    site.act(run, "kill", "rep")
    time.sleep(0.5)  # the client has noticed, and tries again
    site.act(run, "say", "req", value="two")
    time.sleep(0.5)
    site.act(run, "restart", "rep")
    found = site.hears(run, lambda found: bool(of(found, "message", r="req", d="received", text="two")), 10.0)
    assert not of(found, "trouble")


def test_what_the_programs_take_is_told_and_the_most_is_kept(site: Site, run_of: Any) -> None:
    run = run_of(panels="raw", rate="10")
    site.hears(run, lambda found: len(of(found, "figures")) > 2)
    found = finish(site, run)
    told = [e["roles"] for e in of(found, "figures", p="raw")]
    for role, has in of(found, "count")[-1]["panels"]["raw"]["roles"].items():
        for name, least in (("memory", 500), ("threads", 1), ("descriptors", 4)):
            values = [roles[role][name] for roles in told if role in roles]
            assert least <= max(values) <= has["most"][name], (role, name)


def test_a_stopped_subscriber_misses_what_its_queue_cannot_hold(site: Site, run_of: Any) -> None:
    run = run_of(panels="nng", pattern="pubsub", peers="2", rate="400", queue="10", prefixes="", topics="t", join="300")
    site.hears(run, lambda found: received(found, "nng", 40))
    count = lambda found, role, name: of(found, "count")[-1]["panels"]["nng"]["roles"][role][name]  # noqa: E731
    for _ in range(5):  # once it goes on, it may be quick enough to take all
        site.act(run, "stop", "sub B")
        before = count(site.hears(run, lambda found: bool(of(found, "count"))), "pub", "sent")
        site.hears(run, lambda found: bool(of(found, "count")) and count(found, "pub", "sent") > before + 800)  # the queue is full
        site.act(run, "continue", "sub B")
        taken = lambda found: bool(of(found, "count")) and count(found, "sub B", "received") > before + 800  # noqa: E731
        found = site.hears(run, lambda found: on_again(found) and (bool(of(found, "gap", r="sub B")) or taken(found)))
        if of(found, "gap", r="sub B"):
            break
    assert of(found, "lost", r="sub B", topic="t")
    last = of(finish(site, run), "count")[-1]["panels"]["nng"]["roles"]["sub B"]
    assert last["lost"] > 0 and last["own"]["lost"] == last["lost"]


def on_again(found: list[Any]) -> bool:
    """Whether subscriber B goes on after a pause."""
    return [e["state"] for e in of(found, "state", r="sub B")][-2:] == ["stopped", "ready"]


def test_the_line_stalls_and_goes_on(site: Site, run_of: Any) -> None:
    run = run_of(panels="zmq", rate="10", timeout="300")
    site.hears(run, lambda found: received(found, "zmq", 4))
    site.act(run, "stall")
    site.hears(run, lambda found: bool(of(found, "unheard", r="rep")))  # a late reply is nobody's
    site.act(run, "go")
    found = site.hears(run, lambda found: bool(arrived_late(found)))
    assert [e["text"] for e in of(found, "fault")] == ["stall", "go"]


def arrived_late(found: list[Any]) -> list[Any]:
    """What nobody had received after a second, and somebody has by now."""
    late = {e["id"] for e in of(found, "unheard")}
    return [e for e in of(found, "message", d="received") if e["id"] in late and e["t"] - e["t0"] > 1000]


def test_a_delay_is_the_slope_of_the_arrow(site: Site, run_of: Any) -> None:
    run = run_of(panels="raw", rate="10")
    site.hears(run, lambda found: received(found, "raw", 4))
    site.act(run, "delay", value=150, way="up")
    found = site.hears(run, lambda found: any(e["t"] - e["t0"] > 140 for e in of(found, "message", r="rep", d="received") if "t0" in e))
    began = of(found, "fault")[0]["t"]
    found = site.hears(run, lambda found: len(replies_after(found, began + 200)) > 3)
    assert min(replies_after(found, began + 200)) < 140


def replies_after(found: list[Any], t: float) -> list[float]:
    """How long the replies were on their way that were sent after that."""
    replies = of(found, "message", r="req", d="received")
    return [e["t"] - e["t0"] for e in replies if "t0" in e and e["t0"] > t]


def test_the_bytes_of_a_message(site: Site, run_of: Any) -> None:
    run = run_of(panels="raw", rate="10", texts="hello")
    found = site.hears(run, lambda found: received(found, "raw", 8))
    one = next(e for e in of(found, "message", d="sent", n=2) if e["kind"] == "request")
    question = {"run": run, "panel": "raw", "kind": "request", "topic": "", "n": 2, "sent": one["sent"]}
    status, answer = site.post("/play/bytes", question)
    assert status == 200 and len(answer["frames"]) == 1
    elements = answer["frames"][0]["elements"]
    assert elements[-1]["field"] == "message.body" and bytes.fromhex(elements[-1]["hex"]) == b"hello"
    assert {e["part"] for e in elements} == {"framing", "message"}
    assert site.post("/play/bytes", {**question, "sent": "7"}) == (200, {"frames": []})  # another client's second
    for wrong in (7, "", "-1", "x", "9" * 21):
        assert site.post("/play/bytes", {**question, "sent": wrong})[0] == 400
    finish(site, run)
    assert site.post("/play/bytes", question) == (200, answer), "a run that is over keeps them"


def test_texts_by_hand(site: Site, run_of: Any) -> None:
    run = run_of(panels="raw\nzmq", rate="0")
    site.hears(run, lambda found: len(of(found, "state", r="req", state="ready")) == 2)
    site.act(run, "say", "req", value=HOSTILE)
    found = site.hears(run, lambda found: received(found, "raw", 2) and received(found, "zmq", 2))
    assert {e["text"] for e in of(found, "message")} == {HOSTILE}
    for wrong in ("a\nb", "\0", "x" * 2000, 3):
        assert site.post("/play/act", {"run": run, "do": "say", "role": "req", "value": wrong})[0] == 400


@pytest.mark.parametrize("pattern", ["reqrep", "pubsub"])
def test_a_text_is_data_and_no_option(site: Site, run_of: Any, pattern: str) -> None:
    """Also where it begins as an option does, and as large as may be."""
    texts = [HOSTILE, "--help", "-n", "x" * 1024]
    run = run_of(panels="raw", pattern=pattern, rate="50", texts="\n".join(texts), prefixes="-", topics="-x\n--\n<b>", join="300")
    found = site.hears(run, lambda found: received(found, "raw", 1) and len(of(found, "message", d="sent")) > 8)
    said = {e["text"] for e in of(found, "message", d="sent")}
    assert said <= {text[:256] for text in texts} and HOSTILE in said


NOTHING = (
    {"do": "reboot"}, {"do": "kill", "role": "init"}, {"do": "kill", "role": "rep", "panel": "zmq"},
    {"do": "delay", "value": -1}, {"do": "delay", "value": "5; quit"}, {"do": "delay", "value": 1e3},
    {"do": "slice", "value": 1 << 40}, {"do": "stall", "way": "quit"}, {"do": "quit"}, {"do": "flush"},
    {"do": ["kill"]}, {"do": "kill", "role": 1}, {"do": "clear", "way": "up"},
)  # fmt: skip


def test_what_cannot_be_done_is_refused(site: Site, run_of: Any) -> None:
    run = run_of(panels="raw")
    site.hears(run, lambda found: len(of(found, "state", state="ready")) >= 2)
    before = descendants(site.pid)
    for question in NOTHING:
        status, answer = site.post("/play/act", {"run": run, **question})
        assert status == 400 and answer["error"], question
    assert all(map(alive, before))


def test_a_run_that_is_not_there(site: Site) -> None:
    for name in ("act", "stop", "bytes"):
        assert site.post(f"/play/{name}", {"run": "../x"})[0] == 400


def test_runs_are_bounded(site: Site) -> None:
    """One more than may run ends the one at which nobody looks; where somebody looks at each, it is refused."""
    runs = [site.start(panels="raw", rate="20") for _ in range(3)]
    ended = of(site.hears(runs[0], lambda found: bool(of(found, "end"))), "end")
    assert "nobody looked" in ended[0]["why"]
    with site.looking(runs[1]), site.looking(runs[2]):
        status, answer = site.post("/play/start", {"form": {"panels": "raw"}})
    assert status == 400 and "stop one first" in answer["error"]
    for run in runs[1:]:
        finish(site, run)
    assert not descendants(site.pid)


def test_a_run_is_seen_by_who_comes_later(site: Site, run_of: Any) -> None:
    run = run_of(panels="raw", rate="20")
    first = site.hears(run, lambda found: received(found, "raw", 6))
    again = site.hears(run, lambda found: received(found, "raw", 6))
    both = [[e for e in found if e["k"] != "count"][:5] for found in (first, again)]  # counters are those of now
    assert both[0] == both[1]
    assert site.get(f"/play?run={run}")[2].count('data-panel="raw"') == 1


def test_old_runs_are_forgotten(site: Site) -> None:
    runs = [site.start(panels="raw") for _ in range(6)]
    for run in runs[-2:]:  # the others were ended for them
        finish(site, run)
    finish(site, site.start(panels="raw"))
    assert "Start one again" in site.get(f"/play?run={runs[0]}")[2]
    assert "Start one again" in site.get("/play?run=gone")[2]


def test_a_panel_that_aborts_is_shown(site: Site, run_of: Any) -> None:
    run = run_of(panels="raw\nzmq", rate="10")
    site.hears(run, lambda found: received(found, "raw", 4))
    victim = next(pid for pid in descendants(site.pid) if "raw-rep" in command_of(pid))
    os.kill(victim, 6)
    found = site.hears(run, lambda found: bool(of(found, "state", p="raw", r="rep", state="ended")))
    assert "SIGABRT" in of(found, "state", p="raw", state="ended")[0]["text"]
    count = len(of(found, "message", p="zmq", d="received"))
    site.hears(run, lambda found: received(found, "zmq", count + 4))


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


@pytest.mark.heavy
def test_a_flood_is_sampled_and_counted(site: Site, run_of: Any) -> None:
    run = run_of(panels="raw", pattern="pubsub", rate="20000", prefixes="", topics="flood", join="300", queue="100000")
    began = time.monotonic()
    found = site.hears(run, lambda found: bool(of(found, "count")) and of(found, "count")[-1]["panels"]["raw"]["seen"] > 30000)
    told = of(found, "message", d="sent")
    seconds = time.monotonic() - began
    assert len(told) < 200 * seconds + 100
    arrows = of(found, "message", d="received")
    assert len([e for e in arrows if "t0" in e]) > 0.8 * len(arrows)  # the same at both ends
    last = of(finish(site, run), "count")[-1]["panels"]["raw"]
    for role in ("pub", "sub"):
        has = last["roles"][role]
        for name in COUNTED:  # a program that must end while its output is full says one line less
            assert 0 <= has["own"][name] - has[name] <= 1, (role, name)
    assert site.figure("VmRSS") < 300 << 10


def test_a_line_without_end_is_not_kept() -> None:
    told: list[Any] = []
    with Stage(lambda program, event: told.append(event)) as stage:
        voice = stage.start("sh", "-c", "tr '\\0' x </dev/zero", kind=Voice)
        assert stage.wait(lambda: not voice.running, 20.0)
        assert [e["text"] for e in told] == ["said a line of more than 1 MiB, and was killed"]
        assert len(voice.pending) < 2 << 20


def test_a_run_ends_where_nobody_looks_and_after_its_time() -> None:
    for forgotten, old, why in ((True, False, "no page"), (False, True, "two hours"), (False, False, "stopped")):
        run = Run(read_settings({"panels": ["raw"]}), [])
        run.stream.readers = int(not forgotten)
        run.seen -= ALONE_SECONDS + 1
        run.began -= (RUN_SECONDS + 1) * old
        run.turn()
        assert why in run.why and run.stopping.is_set() == (forgotten or old)


# Without programs.

STRANGE = (
    {"event": "message", "direction": "sent", "sequence": "abc"}, {"event": "message", "us": 10**400},
    {"event": "message", "sequence": float("inf")}, {"event": "summary", "sent": "many"}, {"event": ["x"]},
    {"event": "summary", "sent": 1, "version": "v" * 10**6}, {"event": "timeout", "text": {}},
    {"event": "error", "text": "e" * 10**6}, {"event": "message", "sequence": 10**30, "kind": "event"},
    {"event": "message", "direction": "sent", "kind": "k" * 10**6, "topic": "t" * 10**6, "text": "x" * 10**6},
    {"event": "message", "direction": "sent", "kind": 3, "topic": [], "text": "\ud800", "length": None},
)  # fmt: skip


@pytest.mark.parametrize("strange", STRANGE, ids=lambda event: str(event)[:60])
def test_a_program_may_say_anything(strange: Any) -> None:
    """A panel may be programs of a reader: what they say neither ends a run nor fills the memory."""
    told: list[Any] = []
    run = Run(read_settings({"panels": ["raw"]}), [])
    with Stage() as stage:
        panel = run.settings.chosen()[0]
        talk = Conversation(stage, panel, run.settings, run.now, told.append)
        voice = stage.start("true", kind=Voice)
        voice.place = talk, talk.server
        run.heard(voice, strange)
    assert all(len(encoded(event)) < 4000 for event in told)


def test_a_time_out_is_of_the_request_that_was_sent_or_of_none() -> None:
    """nanomsg's and NNG's REQ send nothing while there is no connection."""
    told: list[Any] = []
    run = Run(read_settings({"panels": ["raw"], "timeout": 500}), [])
    with Stage() as stage:
        talk = Conversation(stage, run.settings.chosen()[0], run.settings, run.now, told.append)
        client = talk.roles["req"]
        for event, t in (("message", 100.0), ("timeout", 650.0), ("timeout", 1600.0)):
            talk.heard(client, {"event": event, "direction": "sent", "kind": "request", "sequence": 1, "text": "x"}, t)
    assert [(e["what"], e["t0"], e["t"]) for e in of(told, "trouble")] == [("timeout", 100.0, 650.0), ("unsent", 1100.0, 1600.0)]
    assert (talk.journal.of("req").timeouts, talk.journal.of("req").unsent) == (2, 1)


def test_settings_go_through_a_form_and_back() -> None:
    for story in STORIES:
        settings = read_settings({**story.settings, "panels": ["raw"]})
        assert read_settings(of_form(to_form(settings.json()))) == settings
        assert story.watch.count("?") or "Click" in story.watch


def test_a_wrong_number_is_named_as_the_form_names_it() -> None:
    with pytest.raises(Refused, match="^Clients or subscribers: a number from 1 to 4$"):
        read_settings(of_form({"peers": "0"}))


def test_stories_name_what_there_is() -> None:
    known = {panel.name for panel in read_panels()}
    experiments = {path.stem.replace("_", "-") for path in (Path(__file__).parents[2] / "lab/experiments").glob("*.py")}
    assert len(STORIES) == 8 and len({story.name for story in STORIES}) == 8
    for story in STORIES:
        assert set(story.notes) <= set(story.settings["panels"]) <= known and story.experiment in experiments
        json.dumps(story.settings)
