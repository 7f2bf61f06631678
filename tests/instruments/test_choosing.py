"""CHOOSING.md against the libraries and packages of this machine, and against recorded results."""

from __future__ import annotations

import ctypes
import gzip
import json
import platform
import re
import subprocess
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench import results as bench_results
from bench import stated
from bench.summary import summary
from check.clauses import CLAUSES
from check.kept import KEPT, read_kept
from compare.costs import licence
from conftest import ROOT, build_folder
from harness.panels import read_panels

TEXT = (ROOT / "CHOOSING.md").read_text("utf-8")
NAMES = {"ZeroMQ": "libzmq.so.5", "nanomsg": "libnanomsg.so.5", "NNG": "libnng.so.1"}
PANELS = {panel.name: panel for panel in read_panels()}
Row = dict[str, str]


def table(heading: str, number: int = 0) -> dict[str, Row]:
    """A table under a heading, or the next: of each row the first cell, and the others by column."""
    section = re.split(r"^#+ ", TEXT.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.M)[0]
    tables = [block.strip() for block in section.split("\n\n") if block.strip().startswith("|")]
    head, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in tables[number].splitlines()]
    return {line[0].strip("`"): dict(zip(head[1:], line[1:])) for line in lines}


@cache
def library(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(NAMES[name])
    except OSError:
        pytest.skip(f"{name} is not installed")


def release() -> str:
    """The heading of this release's column."""
    system = platform.freedesktop_os_release()
    return f"Debian {system.get('VERSION_ID', '')}"


def changelog(package: str) -> str:
    """Version and date of its newest entry, as the page has them."""
    path = Path(f"/usr/share/doc/{package}/changelog.Debian.gz")
    if not path.exists():
        pytest.skip(f"{package} is not installed, or without its changelog")
    text = gzip.decompress(path.read_bytes()).decode()
    version = re.search(r"\((.*?)\)", text)
    date = re.search(r"^ -- .*?>  (.*)$", text, re.M)
    assert version and date
    return f"{version[1]}, {parsedate_to_datetime(date[1]):%Y-%m-%d}"


def test_versions_and_licences_are_those_of_this_release() -> None:
    rows = table("Versions and licences")
    for name, row in rows.items():
        if release() not in row:
            pytest.skip(f"no column for {release()}")
        package = name.removeprefix("licence of ").strip("`")
        now = licence(package) if name != package else changelog(package)
        assert now.startswith(row[release()]), name
    assert len(rows) == 6


def zmq_accepts(transport: str) -> bool:
    zmq = library("ZeroMQ")
    if transport not in ("tcp", "inproc"):
        return bool(zmq.zmq_has((transport if transport != "ws" else "WS").encode()))
    zmq.zmq_ctx_new.restype = zmq.zmq_socket.restype = ctypes.c_void_p
    socket = ctypes.c_void_p(zmq.zmq_socket(ctypes.c_void_p(zmq.zmq_ctx_new()), 0))
    return bool(zmq.zmq_bind(socket, f"{transport}://{'127.0.0.1:*' if transport == 'tcp' else 'x'}".encode()) == 0)


def nanomsg_accepts(transport: str) -> bool:
    """A connect is enough: it waits for nobody, and takes no port."""
    nanomsg = library("nanomsg")
    socket = nanomsg.nn_socket(1, 16)
    made = nanomsg.nn_connect(socket, f"{transport}://127.0.0.1:9".encode()) >= 0
    nanomsg.nn_close(socket)
    return made


def nng_accepts(transport: str) -> bool:
    nng, socket, made = library("NNG"), ctypes.c_uint32(), ctypes.c_uint32()
    assert nng.nng_pair0_open(ctypes.byref(socket)) == 0
    result = nng.nng_dialer_create(ctypes.byref(made), socket, f"{transport}://127.0.0.1:9".encode())
    nng.nng_close(socket)
    return bool(result == 0)


ACCEPTS = {"ZeroMQ": zmq_accepts, "nanomsg": nanomsg_accepts, "NNG": nng_accepts}


@pytest.mark.parametrize("name", NAMES)
def test_transports_are_those_that_the_library_has(name: str) -> None:
    rows = table("Beyond this project's contract")["transports"]
    said = {column: set(re.findall(r"`([^`]+)`", cell)) for column, cell in rows.items()}
    for transport in sorted(set().union(*said.values())):
        assert ACCEPTS[name](transport) == (transport in said[name]), transport


@pytest.mark.parametrize("name", NAMES)
def test_functions_and_options_that_are_named_exist(name: str) -> None:
    prefix = {"ZeroMQ": "zmq", "nanomsg": "nn", "NNG": "nng"}[name]
    functions = set(re.findall(rf"\b{prefix}_[a-z][a-z0-9_]+(?=`|\((?!\d))", TEXT))
    assert functions
    for function in functions:
        assert hasattr(library(name), function), function
    headers = {"ZeroMQ": "zmq.h", "nanomsg": "nanomsg/*.h", "NNG": "nng/**/*.h"}[name]
    text = "".join(path.read_text() for path in Path("/usr/include").glob(headers))
    for option in set(re.findall(rf"\b{prefix.upper()}_[A-Z][A-Z0-9_]+\b", TEXT)):
        assert not text or f"#define {option} " in text or f"#define {option}\t" in text, option


def test_drafts_are_left_out_and_nng_has_no_priorities() -> None:
    assert library("ZeroMQ").zmq_has(b"draft") == 0
    nng, three = library("NNG"), ctypes.c_int(3)
    socket = nng.nn_socket(1, 80)
    assert nng.nn_setsockopt(socket, 0, 8, ctypes.byref(three), 4) == -1  # NN_SNDPRIO
    nng.nn_close(socket)


def test_what_curve_and_plain_let_in_without_a_handler() -> None:
    zmq = pytest.importorskip("zmq")
    context = zmq.Context()
    context.linger = 0  # else it would wait at the end for what nobody took
    public, secret = zmq.curve_keypair()

    def asked(server: dict[str, object], client: dict[str, object], milliseconds: int) -> bool:
        """Whether a server with these options hears a client with those."""
        rep, req = context.socket(zmq.REP), context.socket(zmq.REQ)
        for socket, options in ((rep, server), (req, client)):
            for option, value in options.items():
                setattr(socket, option, value)
        req.connect(f"tcp://127.0.0.1:{rep.bind_to_random_port('tcp://127.0.0.1')}")
        req.send(b"hello")
        return bool(rep.poll(milliseconds))

    try:
        curve = {"curve_server": True, "curve_secretkey": secret}
        mine, my_secret = zmq.curve_keypair()
        keys = {"curve_publickey": mine, "curve_secretkey": my_secret, "curve_serverkey": public}
        assert asked(curve, keys, 10_000), "any client with the server's public key"
        assert not asked(curve, {}, 300), "a client without CURVE"
        passport = {"plain_username": b"a", "plain_password": b"b"}
        assert not asked({"plain_server": True}, passport, 300), "PLAIN without a handler"
    finally:
        context.destroy(0)


def recorded(experiment: str) -> Row:
    """A row of lab/RESULTS.md, by panel."""
    for line in (ROOT / "lab/RESULTS.md").read_text("utf-8").splitlines():
        if line.startswith("| experiment |"):
            columns = [cell.strip() for cell in line.strip("|").split("|")][1:]
        elif line.startswith(f"| **{experiment}**:"):
            return dict(zip(columns, (cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))[1:])))
    raise AssertionError(f"lab/RESULTS.md has no {experiment}")


def not_recorded(quotes: str, seen: str) -> list[str]:
    """What a cell quotes and the recorded outcome does not have."""
    return [quote for quote in quotes.split(" … ") if quote not in seen]


def test_what_is_quoted_of_an_experiment_was_recorded() -> None:
    assert not_recorded("one … three", "one two three") == []
    assert not_recorded("one … four", "one two three") == ["four"]
    rows = table("Defaults that surprise")
    assert len(rows) > 10
    for experiment, row in rows.items():
        for panel in ("zmq", "nanomsg", "nng"):
            assert not_recorded(row[panel], recorded(experiment)[panel]) == [], (experiment, panel)


def kept(panel: str) -> set[str]:
    return {clause for clause, claim in read_kept(PANELS[panel]).items() if claim.word == KEPT}


def are_lines_of(said: str, panel: str) -> bool:
    """Rounded to ten; test_steps.py compares the table of all panels, which has the exact count."""
    counted = re.search(rf"^\| `{panel}` \| ([\d,]+) ", (ROOT / "raw/steps/README.md").read_text("utf-8"), re.M)
    assert counted, panel
    lines, exact = (int(text.replace(",", "")) for text in (said, counted[1]))
    return lines % 10 == 0 and abs(lines - exact) <= 10


def test_the_steps_add_the_clauses_that_the_table_says() -> None:
    before: set[str] = set()
    for name, row in table("The price of each guarantee").items():
        now = kept(name)
        assert re.findall(r"[RP]\d+", row["adds the clauses"]) == [c for c in CLAUSES if c in now - before], name
        assert are_lines_of(row["lines"], name), name
        before = now


def test_first_steps_and_panels_have_the_lines_and_clauses_of_the_table() -> None:
    rows = table("The price of each guarantee", 1)
    assert list(rows) == list(stated.PANELS)
    for name, row in rows.items():
        first = row["its first step"].strip("`")
        assert are_lines_of(row["lines of that"], first) and are_lines_of(row["lines of the panel"], name), name
        assert len(kept(first)) == int(row["clauses that it keeps"]) and len(kept(name)) == len(CLAUSES), name


def test_the_options_of_a_guarantee_stand_in_the_panel() -> None:
    folders = {"zmq": "zmq", "nanomsg, nng": "nng"}
    for guarantee, row in table("The price of each guarantee", 2).items():
        for column, cell in row.items():
            sources = "".join(path.read_text() for path in (ROOT / folders[column]).glob("*.c"))
            for option in re.findall(r"\b(?:ZMQ|NN)_[A-Z_]+", cell):
                assert option in sources, (guarantee, option)


def the_run() -> dict[str, Any]:
    return bench_results.read(stated.RECORDED)


def test_every_measured_row_is_one_of_the_recorded_run() -> None:
    """What a row says is compared in test_bench_published.py; here, that no row is left out there."""
    of_size = {"shared libraries beyond the C library", "lines of the library's own source"}
    for name in set(table("Measurements")) - of_size:
        assert any(one.document == "CHOOSING.md" and name in one.pattern.replace("\\", "") for one in stated.STATED), name


def test_only_nng_lost_events_in_the_cases_of_the_table() -> None:
    results = the_run()
    for case in (stated.ONE_SUBSCRIBER, stated.MANY_SUBSCRIBERS):
        lost = {panel: stated.median_of(results, panel, "lost_share", **case) for panel in stated.PANELS}
        assert [panel for panel, share in lost.items() if share > 0] == ["nng"], "the page says that the others lost none"


def test_raw_is_the_fastest_in_nearly_every_case() -> None:
    """As the page says; the summary counts it."""
    counted = re.match(r"Over all: raw is the fastest in (?:(\d+) of|all) (\d+) cases", summary(the_run())[0])
    assert counted and int(counted[1] or counted[2]) >= 0.85 * int(counted[2])


def test_a_thousand_requests_a_second_leave_time() -> None:
    """The page says that every panel has time left: the slowest one's round trip takes less than half of what there is."""
    found = [stated.cell_of(the_run(), panel, bench="latency", rate=1000)["metrics"] for panel in stated.PANELS]
    assert max(metrics["p50"]["median"] for metrics in found) < 500
    assert max(metrics["cpu_us"]["median"] for metrics in found) < 500


def test_waking_a_client_takes_about_as_long_in_every_panel() -> None:
    """The page says so of what round trips at 1000 a second take more."""
    full, slow = ([stated.median_of(the_run(), panel, "p50", bench="latency", rate=rate) for panel in stated.PANELS] for rate in (0, 1000))
    more = [after - before for before, after in zip(full, slow)]
    assert min(more) > 0 and max(more) < 1.25 * min(more)


def test_who_is_fast_and_holds_many_idle_clients() -> None:
    """The page names them: `raw`, of the libraries `zmq` twice (pinned; long queues); `raw`, then `nanomsg`, `nng`."""
    results = the_run()
    rates = {panel: stated.median_of(results, panel, "rate", **stated.ONE_SUBSCRIBER) for panel in stated.PANELS}
    assert sorted(rates, key=lambda panel: -rates[panel])[:2] == ["raw", "zmq"]
    times = {panel: stated.median_of(results, panel, "p50", bench="latency") for panel in stated.PANELS}
    assert sorted(times, key=lambda panel: times[panel])[:2] == ["raw", "zmq"]
    idle = {"bench": "connections", "peers": 5000}
    memory = {panel: stated.median_of(results, panel, "server_resident_kib", **idle) for panel in stated.PANELS}
    assert min(memory, key=lambda panel: memory[panel]) == "raw" and max(memory, key=lambda panel: memory[panel]) == "zmq"


def test_what_the_page_says_of_processes_that_are_not_pinned_and_of_short_queues() -> None:
    """nanomsg cannot be told from raw, nor from ZeroMQ; ZeroMQ loses most events, raw and nanomsg none."""
    results = the_run()
    took = {panel: stated.cell_of(results, panel, bench="latency", placement="free")["metrics"]["p50"] for panel in stated.PANELS}
    for panel in ("raw", "zmq"):
        assert took[panel]["low"] <= took["nanomsg"]["high"] and took["nanomsg"]["low"] <= took[panel]["high"], panel
    lost = {panel: stated.median_of(results, panel, "lost_share", **stated.SHORT_QUEUES) for panel in stated.PANELS}
    assert lost["zmq"] > 0.5 and lost["raw"] == lost["nanomsg"] == 0
    rates = {panel: stated.median_of(results, panel, "rate", **stated.SHORT_QUEUES) for panel in stated.LIBRARIES}
    assert max(rates, key=lambda panel: rates[panel]) == "nanomsg"


def test_each_thing_to_write_has_a_library() -> None:
    for name, row in table("If you write ..., begin with ...").items():
        assert re.match(r"any\b.{10}|`(raw|zmq|nanomsg|nng)`", row["library"]), name  # "any" with its reason


def test_libraries_and_their_lines_are_those_of_size(pytestconfig: pytest.Config) -> None:
    rows = table("Measurements")
    counted = json.loads((ROOT / "tools/compare/library_sources.json").read_text())
    lines = {entry["panel"]: f"{entry['lines']:,}" for entry in counted}
    assert rows["lines of the library's own source"] == {"raw": "-", **lines}
    if release() != "Debian 12":
        pytest.skip("the page has Debian 12's")
    for panel, said in rows["shared libraries beyond the C library"].items():
        program = build_folder(pytestconfig) / f"{panel}-rep"
        if not program.exists():
            pytest.skip(f"{panel} is not built")
        loaded = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=150).stdout
        names = {line.split()[0] for line in loaded.splitlines() if "=>" in line}
        others = [name for name in names if not re.match(r"lib(c|m|resolv|pthread|dl|rt)\.so", name)]
        assert len(others) == int(said), panel


def test_packages_for_programmers_exist_here() -> None:
    cells = [next(iter(row.values())).partition(";")[0] for row in table("Languages").values()]
    packages = set(re.findall(r"`([^`]+)`", " ".join(cells)))
    command = ["apt-cache", "show", "--no-all-versions", "libzmq5", *sorted(packages)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    found = set(re.findall(r"^Package: (.*)$", shown, re.M))
    if len(found) < 2 or release() != "Debian 12":
        pytest.skip("no lists of Debian 12's packages")
    assert packages - found == set()
