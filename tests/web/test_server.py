"""./triptych web without a browser: who is refused, what starts nothing, and what the end leaves."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from harness.panels import read_panels
from site_client import Site, alive, descendants, of, running
from web.guard import Guard
from web.server import ALONE_SECONDS, Server
from web.stream import AT_ONCE, Reader, Stream

pytestmark = pytest.mark.together  # one server


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running() as one:
        yield one


def test_the_address_leads_to_the_first_page(site: Site) -> None:
    status, headers, text = site.get("/play")
    assert status == 200 and "<h1>Play</h1>" in text
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "SameSite=Strict" in site.get(f"/?{site.address.query}")[1]["Set-Cookie"]
    assert "HttpOnly" in site.get(f"/?{site.address.query}")[1]["Set-Cookie"]


@pytest.mark.parametrize("path", ["/", "/play", "/static/style.css", "/events", "/nothing"])
def test_nobody_is_answered_without_the_token(site: Site, path: str) -> None:
    assert site.request("GET", path)[0] == 403
    assert site.request("GET", path, Cookie=site.cookie[:-1] + "~")[0] == 403
    assert site.request("GET", f"{path}?token=x")[0] == 403


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "127.0.0.1:1", "evil.127.0.0.1:PORT", "0.0.0.0:PORT"])
def test_a_foreign_host_is_refused(site: Site, host: str) -> None:
    assert site.get("/play", Host=host.replace("PORT", str(site.address.port)))[0] == 421


@pytest.mark.parametrize("origin", ["http://example.org", "null", "https://HOST", "http://127.0.0.1:1", ""])
def test_a_foreign_origin_is_refused(site: Site, origin: str) -> None:
    """An empty one is none at all."""
    foreign = origin.replace("HOST", site.address.netloc)
    assert site.post("/play/start", {"story": "requests"}, Origin=foreign)[0] == 403
    if foreign:
        assert site.get("/play", Origin=foreign)[0] == 403


@pytest.mark.parametrize("origin", ["http://example.org", None])
def test_a_socket_of_a_foreign_page_is_refused(site: Site, origin: str | None) -> None:
    async def connect() -> int:
        headers = {"Cookie": site.cookie, **({"Origin": origin} if origin else {})}
        async with aiohttp.ClientSession() as session:
            try:
                async with session.ws_connect(f"{site.base}/events", headers=headers):
                    return 101
            except aiohttp.WSServerHandshakeError as refused:
                return refused.status

    assert asyncio.run(connect()) == 403


@pytest.mark.parametrize("name", ["start", "act", "stop", "bytes"])
def test_get_starts_nothing(site: Site, name: str) -> None:
    assert site.get(f"/play/{name}?story=requests")[0] in (404, 405)
    assert not descendants(site.pid)


def test_a_form_of_another_page_is_no_question(site: Site) -> None:
    """A browser sends such a form to any site, without asking it first."""
    form = "application/x-www-form-urlencoded"
    assert site.post("/play/start", "story=requests", Content_Type=form)[0] == 415
    assert site.post("/play/start", '{"story":"requests"}', Content_Type="text/plain")[0] == 415
    assert site.request("PUT", "/play", Cookie=site.cookie)[0] == 405


@pytest.mark.parametrize(
    "path",
    ["/static/../web.py", "/static/..%2fweb.py", "/static/%2e%2e/web.py", "/static//etc/passwd", "/static/"],
)
def test_no_path_leaves_the_folder(site: Site, path: str) -> None:
    status, _, text = site.get(path)
    assert status == 404 and "import" not in text and "root:" not in text


@pytest.mark.parametrize(
    "question",
    [
        "{", "[]", "[" * 50000, {}, {"story": "no such"}, {"story": 3}, {"form": []}, {"form": {"panels": "no-such"}},
        {"form": {"panels": "raw\nraw"}}, {"form": {"panels": "../raw"}}, {"form": {"rate": "20001"}},
        {"form": {"rate": "-1"}}, {"form": {"peers": "5"}}, {"form": {"pattern": "; reboot"}}, {"form": {"size": "1e9"}},
        {"form": {"texts": "\0"}}, {"form": {"texts": "-"}}, {"form": {"texts": "\ud800"}},
        {"form": {"topics": "x" * 256}}, {"form": {"texts": "x" * 1025}}, {"form": {"transport": "udp"}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_refused_in_a_sentence(site: Site, question: Any) -> None:
    status, answer = site.post("/play/start", question)
    assert status == 400 and 8 < len(answer["error"]) < 300, answer
    assert not descendants(site.pid)


def test_a_question_is_bounded(site: Site) -> None:
    assert site.post("/play/start", {"form": {"texts": "x" * (1 << 20)}})[0] == 413


def test_a_page_may_not_be_reached_from_elsewhere(site: Site) -> None:
    """The server listens on loopback alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; says which address would
        except OSError:
            pytest.skip("this machine has no other address than loopback")
        own = probe.getsockname()[0]
    if own.startswith("127."):
        pytest.skip("this machine has no other address than loopback")
    with pytest.raises(OSError):
        socket.create_connection((own, site.address.port), timeout=2).close()


def test_the_address_of_a_page_is_data(site: Site) -> None:
    bad = "</script><script>alert(1)</script>"
    text = site.get(f"/play?texts=%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E&run={bad.replace('<', '%3C')}&look=%22x")[2]
    assert bad not in text and "alert(1)" in text and 'data-look="auto"' in text


def test_each_panel_has_its_colour(site: Site) -> None:
    text = site.get("/static/panels.css")[2]
    assert all(f".panel-{panel.name} {{ --panel: {panel.rgb}; }}" in text for panel in read_panels())


def test_scripts_and_styles_stand_in_files_of_their_own(site: Site) -> None:
    """The policy forbids what stands in the page itself: it would not work."""
    page = site.get("/play")[2]
    assert not re.search(r"<script(?![^>]*(src=|application/json))|<style| style=| on\w+=", page)


def test_what_runs_is_told_to_every_page(site: Site) -> None:
    run = site.start(panels="raw")
    (one,) = site.hears("", lambda heard: bool(heard and heard[-1]["runs"]))[-1]["runs"]
    assert (one["page"], one["address"], one["asked"]) == ("play", f"/play?run={run}", {"run": run})
    assert site.post(f"/{one['page']}/stop", one["asked"])[0] == 200
    site.hears("", lambda heard: bool(heard) and heard[-1]["runs"] == [])


def test_the_end_of_the_server_ends_its_programs() -> None:
    """SIGTERM in order; SIGKILL by the kernel."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with running() as site:
            run = site.start("requests")
            site.hears(run, lambda found: len(of(found, "message", d="received")) > 8)
            programs = descendants(site.pid)
            assert len(programs) >= 6  # two panels at least: client, server, tap
            site.signal(number)
            site.ended(10.0)
            deadline = time.monotonic() + 5.0
            while alive(programs) and time.monotonic() < deadline:
                time.sleep(0.02)
            assert not alive(programs)


def test_ctrl_c_says_so() -> None:
    with running() as site:
        site.start("requests")
        site.signal(signal.SIGINT)
        assert site.wait(10.0) == 130
        assert "nothing is left running" in site.stderr()


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other = Site("--port", str(taken.getsockname()[1]))
        assert other.wait(10.0) == 1 and "already in use" in other.stderr()
        other.kill()


def test_the_server_ends_a_minute_after_its_last_page() -> None:
    server = Server(Guard(1))
    assert not server.alone()  # a browser needs a moment
    server.left -= ALONE_SECONDS + 1
    assert server.alone()
    server.sockets.add(object())  # type: ignore[arg-type]
    assert not server.alone()


def test_an_address_for_one_browser_is_good_for_once() -> None:
    """Other users see it in the list of processes."""
    guard = Guard(1)
    once, token = (SimpleNamespace(query={"token": text}) for text in (guard.once, guard.token))
    assert [guard.invites(once), guard.invites(once)] == [True, False]  # type: ignore[arg-type]
    assert guard.invites(token) and guard.invites(token)  # type: ignore[arg-type]


def test_a_stream_is_bounded_and_says_what_a_page_missed() -> None:
    stream = Stream("x", kept=100)
    early = Reader(stream)
    for n in range(1000):
        stream.tell({"k": "n", "n": n})
        stream.show("count", {"k": "count", "n": n})
    found = [json.loads(line) for line in early.next()]
    assert found[0] == {"k": "skipped", "count": 900, "before": True}
    assert [e["n"] for e in found[1:-1]] == list(range(900, 1000))
    assert found[-1] == {"k": "count", "n": 999}
    assert early.next() == [] and len(stream.events) == 100 and len(stream.latest) == 1


def test_a_page_gets_a_long_stream_in_parts() -> None:
    stream = Stream("x")
    for n in range(3 * AT_ONCE):
        stream.tell({"n": n})
    stream.end()
    reader = Reader(stream)
    parts = []
    while not reader.done:
        parts.append(reader.next())
    assert [len(part) for part in parts] == [AT_ONCE] * 3
    assert [json.loads(line)["n"] for part in parts for line in part] == list(range(3 * AT_ONCE))
