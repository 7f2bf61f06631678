"""Rules of the house: what stands where, in which order, and who may include what."""

import ast
import re
from pathlib import Path

import pytest

from conftest import ROOT
from harness.panels import read_panels

LIBRARY_CALL = re.compile(r"\b(?:zmq|nn|nng)_\w+\s*\(")
NETWORK = {"sys/socket.h", "sys/un.h", "poll.h", "sys/epoll.h"}
SHIPPED = [panel.folder for panel in read_panels() if panel.kind == "shipped"]
FOLDERS = sorted({*SHIPPED, "template"})  # a reader's own panel may do as it likes
# The exception: what both patterns must do with the same precaution, and what no clause needs. A
# second copy of it would be forgotten when the first is mended.
SHARED = {
    "nng": ("close.c", "close.h", "receive.c", "receive.h", "reconnect.c", "reconnect.h"),
    "zmq": ("refusals.c", "refusals.h", "waiting.c", "waiting.h"),
}
CALLS = {  # those of them that call the library, and what they may call
    "nng/close.c": {"nn_setsockopt", "nn_close"},
    "nng/reconnect.c": {"nn_connect", "nn_get_statistic", "nn_shutdown"},
    "nng/receive.c": {"nn_recv", "nn_freemsg"},
    "zmq/waiting.c": {"zmq_msg_recv", "zmq_msg_size", "zmq_msg_more", "zmq_msg_close", "zmq_msg_init"},
    "zmq/refusals.c": {"zmq_socket", "zmq_setsockopt", "zmq_connect", "zmq_getsockopt", "zmq_socket_monitor",
                       "zmq_recv", "zmq_close"},
}  # fmt: skip


def present(folder: str, name: str) -> Path:
    path = ROOT / folder / name
    if not path.exists():
        pytest.skip(f"no {folder}/{name} yet")
    return path


def code(path: Path) -> str:
    """The source without comments and strings; lines stay lines."""
    blank = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)
    return blank.sub(lambda m: "\n" * m[0].count("\n"), path.read_text())


def includes(path: Path) -> set[str]:
    return set(re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE))


def sources(folder: str) -> list[Path]:
    return sorted(p for p in (ROOT / folder).glob("*.[ch]"))


def all_sources() -> list[Path]:
    """The project's C; tests/data holds samples, and a folder with build.ninja what meson made."""
    top = [p for p in sorted(ROOT.iterdir()) if p.is_dir() and not (p / "build.ninja").exists()]
    found = [p for folder in top for p in sorted(folder.rglob("*.[ch]"))]
    return [p for p in found if not p.is_relative_to(ROOT / "tests/data")]


def circles(edges: set[tuple[str, str]]) -> set[str]:
    """The nodes that lead back to themselves."""
    nodes = {node for edge in edges for node in edge}
    while True:
        ends = {n for n in nodes if not any(a == n and b in nodes for a, b in edges)}
        ends |= {n for n in nodes if not any(b == n and a in nodes for a, b in edges)}
        if not ends:
            return nodes
        nodes -= ends


def definitions(path: Path) -> list[tuple[str, bool, int, int]]:
    """Name, static, first and last line of each function, by the return type alone on its line."""
    text = code(path)
    found = []
    pattern = r"^((?:static\s+)?[a-z][^\n;{}()=]*)\n(\w+)\(((?:[^;{}]|\n)*?)\)\n\{"
    for m in re.finditer(pattern, text, re.MULTILINE):
        first = text.count("\n", 0, m.start())
        last = text.count("\n", 0, text.index("\n}", m.end()) + 1)
        found.append((m[2], m[1].startswith("static"), first, last))
    return found


def declared() -> list[str]:
    """The functions of pattern.h in its order."""
    return re.findall(r"\b((?:req|rep|pub|sub|panel)_\w+)\(", code(ROOT / "common/pattern.h"))


@pytest.mark.parametrize("name", ["reqrep.c", "pubsub.c", "panel.c"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_functions_in_the_order_of_the_header(folder: str, name: str) -> None:
    public = [f for f, static, _, _ in definitions(present(folder, name)) if not static]
    prefixes = {"reqrep.c": ("req_", "rep_"), "pubsub.c": ("pub_", "sub_"), "panel.c": ("panel_",)}
    assert public == [f for f in declared() if f.startswith(prefixes[name])]


@pytest.mark.parametrize("name", ["reqrep.c", "pubsub.c"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_static_helpers_stand_right_above_their_first_user(folder: str, name: str) -> None:
    path = present(folder, name)
    lines = code(path).splitlines()
    functions = definitions(path)
    bodies = ["\n".join(lines[first + 2 : last + 1]) for _, _, first, last in functions]
    for i, (helper, static, _, _) in enumerate(functions):
        if not static:
            continue
        users = [j for j, body in enumerate(bodies) if j != i and re.search(rf"\b{helper}\b", body)]
        assert users, f"{path}: nobody calls {helper}"
        assert users[0] > i, f"{path}: {helper} stands below its first user"
        between = functions[i + 1 : users[0]]
        assert all(s for _, s, _, _ in between), f"{path}: {helper} is far from its first user"


@pytest.mark.parametrize("folder", FOLDERS)
def test_panels_do_not_include_each_other(folder: str) -> None:
    for path in sources(folder):
        for name in includes(path):
            assert ".." not in name and name.split("/")[0] not in {*FOLDERS} - {"zmq", folder}, (path, name)
            library = name == "zmq.h" or "nanomsg" in name or name.startswith("nng")
            if library:
                assert folder == ("zmq" if name == "zmq.h" else "nng"), (path, name)
                assert path.name in ("reqrep.c", "pubsub.c", "panel.c", *SHARED.get(folder, ())), (path, name)
        own = {p.name for p in sources(folder)} | {p.name for p in sources("common")}
        foreign = {p.name for f in FOLDERS if f != folder for p in sources(f)} - own
        assert not includes(path) & foreign, path


@pytest.mark.parametrize("path", sources("common") + sources("programs"), ids=lambda p: p.name)
def test_common_and_programs_include_no_network(path: Path) -> None:
    names = includes(path)
    waits = {"poll.h"} if path.name == "driver.c" else set()  # for its standard input
    if path.stem != "sockaddr":  # the one file there that sees a sockaddr
        assert not names & NETWORK - waits
        assert not any(n.startswith("netinet/") for n in names)
    assert not any(n.startswith(("zmq", "nanomsg", "nng")) for n in names)
    if path.name not in ("address.c", "sockaddr.c"):
        assert not names & {"netdb.h", "arpa/inet.h"}
    assert not LIBRARY_CALL.search(code(path))


@pytest.mark.parametrize("folder", [*FOLDERS, "common"])
def test_lines_fit_80_columns(folder: str) -> None:
    for path in sources(folder):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert len(line) <= 80, f"{path}:{number}"
            assert "\t" not in line and line == line.rstrip(), f"{path}:{number}"


@pytest.mark.parametrize("folder", ["lab", "tools"])
def test_python_fits_100_columns(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert len(paths) > 20
    for path in paths:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            assert len(line) <= 100, f"{path}:{number}"


@pytest.mark.parametrize("name", ["reqrep.c", "pubsub.c"])
def test_the_roles_of_raw_fit_250_lines(name: str) -> None:
    assert len(present("raw", name).read_text().splitlines()) <= 250


@pytest.mark.parametrize("folder", FOLDERS)
def test_library_calls_stand_in_the_pattern_files(folder: str) -> None:
    for path in sources(folder):
        calls = LIBRARY_CALL.findall(code(path))
        if path.name == "panel.c":
            assert len(calls) <= 4 and len(path.read_text().splitlines()) <= 100, path
        elif path.name not in ("reqrep.c", "pubsub.c") and f"{folder}/{path.name}" not in CALLS:
            assert not calls, f"{path}: {calls}"


@pytest.mark.parametrize("path", CALLS)
def test_the_exceptions_only_do_what_they_are_for(path: str) -> None:
    calls = LIBRARY_CALL.findall(code(present(*path.split("/"))))
    assert {call.rstrip("(") for call in calls} == CALLS[path]


@pytest.mark.parametrize("folder", FOLDERS)
def test_panels_neither_print_nor_exit(folder: str) -> None:
    loud = re.compile(r"\b(v?f?d?printf|puts|fputs|putchar|perror|exit|_exit|abort|quick_exit)\s*\(")
    for path in sources(folder):
        assert not loud.search(code(path)), path


def test_no_helper_layer() -> None:
    """Beside raw, a panel is its two pattern files and panel.c, and what both would repeat."""
    for folder in FOLDERS:
        if folder != "raw" and sources(folder):
            names = {p.name for p in sources(folder)}
            assert names == {"reqrep.c", "pubsub.c", "panel.c", *SHARED.get(folder, ())}, folder


def test_no_two_headers_of_one_name() -> None:
    paths = [p for p in all_sources() if p.suffix == ".h"]
    names = [p.name for p in paths]
    assert len(paths) > 30
    assert [p for p in paths if names.count(p.name) > 1] == []


@pytest.mark.parametrize("what", ["modules", "folders"])
def test_nobody_includes_what_includes_it(what: str) -> None:
    """A module is a header with its source: tap.c may not include what tap.h is included by."""
    headers = {p.name: p for p in all_sources() if p.suffix == ".h"}
    edges = set()
    for path in all_sources():
        for name in includes(path) & set(headers):
            pair = (path, headers[name])
            here, there = (str(p.parent if what == "folders" else p.with_suffix("")) for p in pair)
            if here != there:
                edges.add((here, there))
    assert len(edges) > (100 if what == "modules" else 10)
    assert circles(edges) == set()


IMPORTS = {
    ("web", "compare"): "Price draws the steps' picture from what steps --json says",
    ("web", "bench"): "Price draws the charts of the newest figures that bench kept",
    ("web", "check"): "the number of a clause says what the clause promises",
    ("web", "lab"): "a word that is explained leads to the place where a search finds it",
    ("lab", "compare"): "a search finds the terms, calls and options that are explained",
    ("demo", "compare"): "its table counts lines of code as size does",
    ("grade", "check"): "marks what check finds",
    ("grade", "compare"): "a rubric may bound the lines of code, counted as size does",
    ("lab", "check"): "a search finds clauses, by the contract's text, and steps, by their kept.txt",
    ("compare", "check"): "steps: the clauses that a step keeps, and their tests",
}


def imported(text: str, modules: set[str]) -> set[str]:
    """Those of the modules that a Python source imports, wherever it does: tools/a/b.py is "a.b"."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{name.name}" for name in node.names)}
    return found & modules


def test_imports_are_found() -> None:
    text = "import os, a.b\nfrom c import d\ndef f():\n    from e.f import g\n"
    assert imported(text, {"a.b", "c.d", "c.x", "e.f", "os.path"}) == {"a.b", "c.d", "e.f"}


def test_nobody_imports_what_imports_it() -> None:
    """In tools/, between modules and between folders; the harness imports no other folder."""
    tools = ROOT / "tools"
    files = {".".join(p.relative_to(tools).with_suffix("").parts): p for p in tools.rglob("*.py")}
    edges = {(name, to) for name, path in files.items() for to in imported(path.read_text(), set(files))}
    assert len(edges) > 80
    assert circles(edges) == set()
    folders = {(here.split(".")[0], there.split(".")[0]) for here, there in edges}
    folders = {(here, there) for here, there in folders if here != there}
    assert circles(folders) == set()
    assert "harness" not in {here for here, _ in folders}
    unknown = {edge for edge in folders if edge[1] != "harness"} - set(IMPORTS)
    assert not unknown, f"an import from one subject to another needs its reason in IMPORTS: {unknown}"
