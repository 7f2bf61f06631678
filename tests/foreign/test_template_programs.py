"""template-programs/, four programs in Python, beside raw: both speak raw's frames."""

import ast
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from contract import test_garbage, test_liars
from harness.stage import PanelStage
from peers import Peer
from programs import Program, Stage
from victims import Binder

FOLDER = ROOT / "template-programs"
raw_only = pytest.mark.panels("raw")
PYTHON, RAW = "python", "raw"
both_ways = pytest.mark.parametrize("server, client", [(PYTHON, RAW), (RAW, PYTHON), (PYTHON, PYTHON)])


def start(stage: Stage, panel: str, role: str, url: str, *arguments: object) -> Program:
    path = FOLDER / f"python-{role}" if panel == PYTHON else stage.path_of(role)
    program: Program = stage.start(path, "--json", "-u", url, *arguments)
    program.hear("ready")
    return program


def told(program: Program) -> list[tuple[object, ...]]:
    """What it has said of each message, without the time."""
    names = ("direction", "kind", "topic", "sequence", "length", "text", "sent")
    return [tuple(e[name] for name in names) for e in program.events if e["event"] == "message"]


@raw_only
@both_ways
def test_requests_are_answered(stage: Stage, server: str, client: str) -> None:
    url = stage.url()
    rep = start(stage, server, "rep", url, "-n", 5)
    req = start(stage, client, "req", url, "-n", 5, "-t", 5000, "one", "zwei", "dr\u00fc")
    asked, answered = req.summary(), rep.summary()
    assert (asked["sent"], asked["received"], asked["timeouts"]) == (5, 5, 0)
    assert (answered["sent"], answered["received"]) == (5, 5)
    assert (req.wait(), rep.wait()) == (0, 0)
    heard = [m[2:] for m in told(rep) if m[0] == "received"]
    assert heard == [m[2:] for m in told(req) if m[0] == "sent"]
    assert [m[2] for m in heard] == [3, 4, 4, 3, 4]


@raw_only
@both_ways
def test_a_long_body_arrives_unchanged(stage: Stage, server: str, client: str) -> None:
    url = stage.url()
    start(stage, server, "rep", url, "--quiet")
    req = start(stage, client, "req", url, "-n", 2, "-s", 5_000_000, "-t", 20000, "--quiet")
    assert req.summary()["received"] == 2 and req.wait() == 0  # it compares the bytes


@raw_only
@both_ways
def test_events_arrive_by_prefix(stage: Stage, server: str, client: str) -> None:
    url = stage.url()
    pub = start(stage, server, "pub", url, "-T", "oslo", "-T", "rome", "-n", 0, "-r", 100, "hello")
    sub = start(stage, client, "sub", url, "-T", "os", "-n", 20, "-t", 10000)
    summary = sub.summary()
    assert (summary["received"], summary["lost"], summary["duplicates"]) == (20, 0, 0)
    assert {(m[1], m[2], m[5]) for m in told(sub)} == {("event", "oslo", "hello")}
    pub.signal(signal.SIGTERM)
    assert pub.summary()["sent"] >= 40 and pub.wait() == 0


@raw_only
@both_ways
def test_a_client_comes_back_to_a_server(stage: Stage, server: str, client: str) -> None:
    url = stage.url()
    rep = start(stage, server, "rep", url, "--quiet")
    req = start(stage, client, "req", url, "-n", 200, "-r", 20, "-t", 1000)
    while req.hear("message")["direction"] != "received":
        pass
    rep.kill()
    start(stage, server, "rep", url, "--quiet")
    number = req.hear("message")["sequence"]
    while (line := req.hear("message"))["direction"] != "received" or line["sequence"] < number + 3:
        pass  # those that were under way may be lost
    req.stop()


@raw_only
@pytest.mark.parametrize("role", ["rep", "pub"])
def test_garbage_is_sent_to_them_too(stage: Stage, role: str) -> None:
    """R7 and P7 need no driver of the panel: a healthy peer is raw's."""
    mine = Stage(PYTHON, "tcp")
    try:
        test_garbage.garbage(Binder(mine, role), "random", "closed")
        if role == "pub":
            test_liars.test_P7_flood_of_a_subscriber_that_goes(mine)
    finally:
        assert not mine.end()


@raw_only
def test_what_is_no_subscription_costs_its_connection(stage: Stage) -> None:
    url = stage.url()
    pub = start(stage, PYTHON, "pub", url, "-n", 0, "-r", 1, "--quiet")
    with Peer("raw", "sub", url) as peer:
        peer.socket.sendall(peer.protocol.pack(b"\1") + peer.protocol.pack(b"\2"))
        while peer.socket.recv(1000):  # an event may come first
            pass
    assert pub.running


def test_the_verbs_find_the_programs() -> None:
    """Where they stand; not in the build folder, where the programs of the other panels are."""
    stage = PanelStage(PYTHON)
    try:
        for role in ("req", "rep", "pub", "sub"):
            assert stage.path_of(role) == FOLDER / f"python-{role}"
    finally:
        stage.close()


@pytest.mark.parametrize("line", ["", "-u", "-u tcp://127.0.0.1:1 --nothing", "-u tcp://127.0.0.1:1 -n x"])
def test_a_wrong_command_line_is_2(line: str) -> None:
    for role in ("req", "rep", "pub", "sub"):
        command = [str(FOLDER / f"python-{role}"), *line.split()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=150)
        assert done.returncode == 2 and f"python-{role}: " in done.stderr, done.stderr


def lines_of_python(path: Path) -> int:
    """Without blank lines, comments and doc strings."""
    text = path.read_text()
    words = {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for number in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    lines = enumerate((line.strip() for line in text.splitlines()), 1)
    return sum(bool(line) and not line.startswith("#") and n not in words for n, line in lines)


def test_the_example_stays_small() -> None:
    """All but the command line and what is printed."""
    paths = [path for path in FOLDER.iterdir() if path.name not in ("README.md", "report.py")]
    assert len(paths) == 6
    assert sum(map(lines_of_python, paths)) < 150


