"""./triptych web without a browser: who is refused, what starts nothing, and what the end leaves."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import re
import signal
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from harness.panels import read_panels
from pages import Document
from programs import alive, descendants, until
from site_client import Site, of, running, said_back, site, stranger  # noqa: F401: a fixture
from web.guard import Guard
from web.pages import PAGES
from web.server import ALONE_SECONDS, Server

pytestmark = pytest.mark.together  # one server


def test_the_address_leads_to_the_first_page(site: Site) -> None:
    status, headers, text = site.get("/play")
    assert status == 200 and "<h1>Play</h1>" in text
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    cookie = site.get(f"/?{site.address.query}")[1]["Set-Cookie"]
    assert "SameSite=Strict" in cookie and "HttpOnly" in cookie
    assert site.get("/")[1]["Location"] == "/play"


def test_the_token_does_not_stay_in_the_address(site: Site) -> None:
    for cookie in ("", site.cookie):  # whether this browser is known or not
        status, headers, text = site.get(f"/play?look=dark&{site.address.query}&x=%26%23", Cookie=cookie)
        assert (status, headers["Location"]) == (303, f"/play?look=dark&x=%26%23#key={site.key}")
        assert site.address.query.removeprefix("token=") not in text + str(headers)
        assert headers["Referrer-Policy"] == "no-referrer"


def test_a_link_on_another_site_leads_in_too(site: Site) -> None:
    """A browser that is sent on for such a link leaves out the cookie. So a page of ours sends it on."""
    status, headers, _ = site.get(f"/lab?{site.address.query}", Cookie="", Sec_Fetch_Site="cross-site")
    assert (status, headers["Refresh"]) == (200, f"0; url=/lab#key={site.key}") and "Set-Cookie" in headers


def test_the_cookie_shows_pages_and_starts_nothing(site: Site) -> None:
    """A browser gives it to every server on 127.0.0.1 that it visits."""
    for key in ("", site.cookie.partition("=")[2], site.address.query.removeprefix("token=")):
        assert site.post("/play/start", {"story": "requests"}, Triptych_Key=key)[0] == 403
        assert asyncio.run(connect(site, site.base, key)) == 403
    assert site.get("/play")[0] == 200 and asyncio.run(connect(site, site.base, site.key)) == 101
    assert site.key not in site.get("/play")[2] and not descendants(site.pid)


@pytest.mark.parametrize("path", ["/", "/play", "/static/style.css", "/events", "/nothing"])
def test_nobody_is_answered_without_the_token(site: Site, path: str) -> None:
    if path not in ("/", "/play"):  # an address with a token is that of a page
        assert site.request("GET", f"{path}?{site.address.query}")[0] == 403
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
    assert asyncio.run(connect(site, origin, site.key)) == 403


async def connect(site: Site, origin: str | None, key: str) -> int:
    """The status of an attempt to hear events."""
    headers = {"Cookie": site.cookie, **({"Origin": origin} if origin else {})}
    async with aiohttp.ClientSession() as session:
        try:
            said = ("triptych", f"key.{key}")
            async with session.ws_connect(f"{site.base}/events", headers=headers, protocols=said):
                return 101
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status


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


@pytest.mark.parametrize(("path", "status", "says"), [
    ("/lab?experiment=nix&big=1", 400, "no experiment of that name"),
    ("/read?panels=%3Cscript%3E", 400, "The panels are"),
    ("/nothing/%3Cscript%3Ealert(1)", 404, "no page at this address"),
])  # fmt: skip
def test_what_cannot_be_shown_leads_to_the_pages(site: Site, path: str, status: int, says: str) -> None:
    answered, _, text = site.get(path)
    shown = Document(text)
    assert answered == status and not shown.wrong and shown.says(says)
    assert {f"/{page.name}" for page in PAGES} <= {a["href"] for a in shown.all("a")}
    assert shown.says("runs no JavaScript"), "as on every page"


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


TRICKS = ("../raw", "/etc/passwd", "..%2f..%2fetc%2fpasswd", "raw%00", "raw;reboot", "$(reboot)", "-x", "--help", "%1b[2J")


@pytest.mark.parametrize("trick", TRICKS)
def test_a_name_is_looked_up_and_never_a_path(site: Site, trick: str) -> None:
    """Of a panel, a pattern, an experiment, a run."""
    for path in (f"/read?panels={trick}+zmq", f"/read?pattern={trick}", f"/lab?experiment={trick}", f"/wire?panels={trick}"):
        status, _, text = site.get(path)
        assert status == 400 and "root:" not in text and "\x1b" not in text, path
    assert "Start one again" in site.get(f"/play?run={trick}")[2]
    asked = {"panels": f"{trick} raw", "experiment": trick, "run": trick, "pattern": trick}
    for question in ("/read/alignment", "/wire/exchange", "/lab/run", "/play/act", "/play/bytes"):
        assert site.post(question, asked)[0] == 400, question


def test_who_speaks_no_http_is_no_news() -> None:
    """Nor does a broken line of it end the server, or fill its terminal."""
    with running() as site:
        for said in (b"\x16\x03\x01 hello\r\n\r\n", b"GET /\x1b[2J HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"a" * 9000 + b": b\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):  # fmt: skip
            with stranger(site) as line:
                line.sendall(said)
                line.shutdown(socket.SHUT_WR)
                assert said_back(line)[:12] in (b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 421", b"HTTP/1.0 421", b"")
        assert site.get("/play")[0] == 200
        assert site.stderr() == "Ctrl-C stops it. It also ends a minute after its last page was closed.\n"


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


def test_each_panel_has_its_colour_and_mark(site: Site) -> None:
    text = site.get("/static/panels.css")[2]
    for panel in read_panels():
        mark = f'"\\{ord(panel.mark):x} "'
        assert f".panel-{panel.name} {{ --panel: {panel.rgb}; --mark: {mark}; }}" in text


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
            until(lambda: not any(map(alive, programs)), 5.0, "end of the programs")


def test_a_killed_server_leaves_no_file(tmp_path: Path) -> None:
    """Its own folder has those of the verbs and runs inside; it goes although nobody is left to remove it."""
    with running(env={**os.environ, "TMPDIR": str(tmp_path)}) as site:
        site.start("requests")
        asking = threading.Thread(target=asks_in_vain, args=(site,))
        asking.start()
        until(lambda: len(list(tmp_path.glob("triptych-run-*/triptych-run-*"))) > 2, 20.0, "folder of a run, of an exchange, and of its verb")
        assert len(os.listdir(tmp_path)) == 1
        site.signal(signal.SIGKILL)
        site.ended(10.0)
        until(lambda: not os.listdir(tmp_path), 10.0, "end of the folder")
        asking.join(20)


def asks_in_vain(site: Site) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        site.post("/wire/exchange", {})


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
