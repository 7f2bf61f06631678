"""Windows sockets, under Wine, beside BSD sockets; both speak raw's frames.

    /usr/bin/python3 -m pytest tests/foreign/test_winsock.py --panel winsock

Without --panel winsock only what the sources show is tested. .ci/run winsock runs all.
"""

import re
import signal
from pathlib import Path

import pytest

import harness.panels
from conftest import ROOT
from programs import Program, Stage, ends_in_time, until

POSIX = {"arpa/inet.h", "netdb.h", "poll.h", "sys/select.h", "sys/socket.h", "sys/un.h", "unistd.h"}
under_wine = pytest.mark.panels("winsock")
over_tcp = pytest.mark.transports("tcp", "tcp6")


def raw(stage: Stage, role: str, url: str, *arguments: object) -> Program:
    program: Program = stage.start(harness.panels.BUILD / f"raw-{role}", "--json", "-u", url, *arguments)
    program.hear("ready")
    return program


def functions(path: Path) -> list[str]:
    return re.findall(r"^(\w+)\([^;]*?\)\n\{", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", sorted((ROOT / "winsock").glob("*.[ch]")), ids=lambda p: p.name)
def test_sources_speak_winsock_only(path: Path) -> None:
    included = set(re.findall(r"#include [<\"](.+)[>\"]", path.read_text()))
    assert not included & POSIX


@pytest.mark.parametrize("name", ["reqrep.c", "pubsub.c"])
def test_the_same_functions_in_the_same_order_as_the_step(name: str) -> None:
    step = functions(ROOT / "raw/steps/5-lasting" / name)
    assert functions(ROOT / "winsock" / name) == [f for f in step if f != "is_stale"]  # of UNIX paths


@under_wine
@over_tcp
def test_asks_raw(stage: Stage) -> None:
    url = stage.url()
    raw(stage, "rep", url)
    status, lines, _ = stage.run("req", "-u", url, "-n", 20, "-s", 100_000)
    assert (status, lines[-1]["received"]) == (0, 20)


@under_wine
@over_tcp
def test_answers_raw(stage: Stage) -> None:
    url = stage.url()
    rep = stage.ready("rep", url, "-n", 20)
    req = raw(stage, "req", url, "-n", 20, "-s", 100_000)
    assert req.summary()["received"] == 20
    assert rep.summary()["sent"] == 20


@under_wine
@over_tcp
@pytest.mark.parametrize("publisher", ["raw", "winsock"])
def test_publishes_and_subscribes(stage: Stage, publisher: str) -> None:
    url = stage.url()
    start = {"raw": lambda *words: raw(stage, *words), "winsock": stage.ready}
    other = {"raw": "winsock", "winsock": "raw"}[publisher]
    start[publisher]("pub", url, "-T", "a", "-T", "b", "-n", 0, "-r", 100, "--quiet", "text")
    sub = start[other]("sub", url, "-T", "a", "-n", 20)
    summary = sub.summary()
    assert (summary["received"], summary["lost"]) == (20, 0)
    assert {event["topic"] for event in sub.events if event["event"] == "message"} == {"a"}


@under_wine
@pytest.mark.transports("tcp")
def test_arguments_keep_their_characters(stage: Stage) -> None:
    url = stage.url()
    stage.ready("rep", url)
    text = 'zażółć * "quoted" \\'
    _, lines, _ = stage.run("req", "-u", url, text)
    assert [line["text"] for line in lines if line["event"] == "message"] == [text, text]


@under_wine
@pytest.mark.transports("tcp")
def test_says_that_wine_has_no_unix_sockets(stage: Stage) -> None:
    status, _, complaint = stage.run("rep", "-u", f"ipc://{stage.path('socket')}")
    assert status == 1 and "Wine has no UNIX sockets" in complaint


def wine_processes() -> list[str]:
    """The processes of the build's Wine."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"WINEPREFIX={harness.panels.BUILD}/wine".encode() in (folder / "environ").read_bytes()
            if ours:
                found.append((folder / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace"))
        except OSError:
            pass  # it has ended, or is not ours
    return found


@under_wine
@pytest.mark.heavy  # one after the other, since they count the processes
@pytest.mark.transports("tcp")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_is_left(stage: Stage, number: int) -> None:
    rep = stage.ready("rep", stage.url())
    assert any("winsock-rep" in name for name in wine_processes())
    rep.signal(number)
    assert ends_in_time(rep) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    until(lambda: not any("winsock-rep" in name for name in wine_processes()), what="it has gone")
    if not any("winsock-hold" in name for name in wine_processes()):
        until(lambda: not wine_processes(), 10, "Wine's own have gone")
