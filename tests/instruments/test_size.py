"""./triptych size: the sources of a frozen tree against golden outputs, and the living panels measured."""

import csv
import importlib.util
import io
import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import harness.panels
from check.clauses import CLAUSES
from compare.rows import pattern_rows
from compare.serves import clauses_of, units_of
from compare.sources import engine_lines, lines_of_code, panel_lines
from compare.tokens import tokens
from conftest import ROOT, build_folder, panels
from harness.panels import Panel, read_panels
from tool import SAMPLE, copy_of_sample, is_golden, sample, tool

NEEDED = [name for name in ("gcc", "pmccabe") if not shutil.which(name)]
NEEDED += [name for name in ("rich", "clang") if not importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(bool(NEEDED), reason=f"not installed: {' '.join(NEEDED)}")

PARTS = ["reqrep.c", "pubsub.c", "other files", "whole", "net of template"]
SOURCE = "lines tokens functions complexity worst worst_name calls places options checks".split()
PROGRAM = "text text_net data data_net libraries libraries_bytes libraries_beyond libraries_beyond_bytes".split()
RUNNING = "threads descriptors memory calls_server calls_client".split()


@cache
def whole(tree: Path, *names: str) -> dict[str, dict[str, str]]:
    """By measure, then by panel: the rows of the whole. A tree does not change once it was asked for."""
    out, _ = tool("size", "--tree", str(tree), "--csv", *names)
    return {row["measure"]: row for row in csv.DictReader(io.StringIO(out)) if row["part"] == "whole"}


@pytest.mark.parametrize("form", ["csv", "markdown"])
def test_golden(form: str) -> None:
    is_golden(f"size.{form}", sample("size", f"--{form}"))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_golden_table(width: int) -> None:
    text = sample("size", "--width", str(width))
    assert max(len(line) for line in text.splitlines()) <= width
    is_golden(f"size-{width}.txt", text)


def test_golden_json() -> None:
    is_golden("size.json", without_machine(sample("size", "--json")))


def without_machine(text: str) -> str:
    report = json.loads(text)
    del report["machine"]
    return json.dumps(report, indent=1) + "\n"


def changed(tmp_path: Path, old: str, new: str, panel: str = "zmq") -> tuple[dict[str, int], dict[str, int]]:
    """What a panel counts before and after a change of its reqrep.c; numbers only."""

    def numbers(tree: Path) -> dict[str, int]:
        return {key: int(row[panel]) for key, row in whole(tree, panel).items() if row[panel].isdigit()}

    tree = copy_of_sample(tmp_path)
    path = tree / panel / "reqrep.c"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return numbers(SAMPLE), numbers(tree)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    free(req);", "    free( req ) ;"),
        ("    free(req);", "    /* gives\n     * back */\n    free(req); // at last"),
        ("    free(req);", "\n\n    free(req);\n\n"),
        ("#include <zmq.h>", "#ifdef NNG_COMPAT_NN_H\nint other;\n#endif\n#include <zmq.h>"),
    ],
)
def test_layout_comments_and_other_engines_do_not_count(tmp_path: Path, old: str, new: str) -> None:
    before, after = changed(tmp_path, old, new)
    assert before == after


@pytest.mark.parametrize(
    ("old", "new", "grown"),
    [
        # a call that nobody checks, one that is checked, through a variable, and by errno
        ("    *ret = req;", "    zmq_close(0);\n    *ret = req;", {"lines": 1, "places": 1}),
        ("    *ret = req;", "    if (zmq_close(0) < 0)\n        goto fail;\n    *ret = req;",
         {"lines": 2, "places": 1, "checks": 1, "complexity": 1, "worst": 1}),
        ("    *ret = req;", "    int n = zmq_close(0);\n    if (n == -1)\n        goto fail;\n    *ret = req;",
         {"lines": 3, "places": 1, "checks": 1, "complexity": 1, "worst": 1}),
        ("    free(req);", "    zmq_setsockopt(0, ZMQ_IPV6, 0);\n    free(req);", {"lines": 1, "places": 1, "options": 1}),
        ("    *ret = req;", "    if (url[0] < 0 && url[1])\n        goto fail;\n    *ret = req;",
         {"lines": 2, "complexity": 2, "worst": 2}),
        ("void\nreq_close", "int\nmore(void)\n{\n    return 0;\n}\n\nvoid\nreq_close",
         {"lines": 5, "functions": 1, "complexity": 1}),
        # options that the callers of a function give, one of them a new one
        ("void\nreq_close", "static void\nset(void *s, int name)\n{\n    zmq_setsockopt(s, name, 0);\n}\n\n"
         "void\nset_two(void *s)\n{\n    set(s, ZMQ_IPV6);\n    set(s, ZMQ_LINGER);\n}\n\nvoid\nreq_close",
         {"lines": 11, "functions": 2, "complexity": 2, "places": 1, "options": 1}),
    ],
)  # fmt: skip
def test_what_counts(tmp_path: Path, old: str, new: str, grown: dict[str, int]) -> None:
    before, after = changed(tmp_path, old, new)
    del before["tokens"], after["tokens"]
    assert {key: after[key] - before[key] for key in before if after[key] != before[key]} == grown


def test_calls_of_the_c_library_that_are_no_sockets_do_not_count(tmp_path: Path) -> None:
    before, after = changed(tmp_path, "    *ret = req;", "    (void)getenv(url), (void)zmq_close(0);\n    *ret = req;")
    assert after["places"] == before["places"] + 1


def test_calls_of_our_own_functions_do_not_count(tmp_path: Path) -> None:
    before, after = changed(tmp_path, "(void)zmq_close(req->socket);", "req_close(req);")
    assert (after["places"], after["calls"]) == (before["places"] - 1, before["calls"] - 1)


def test_a_source_that_does_not_compile_is_said_to(tmp_path: Path) -> None:
    tree = copy_of_sample(tmp_path)
    path = tree / "zmq" / "reqrep.c"
    path.write_text("#include <no/such.h>\n" + path.read_text())
    _, said = tool("size", "--tree", str(tree), "--csv", "zmq", status=1)
    assert "zmq: calls may be missing" in said and "no/such.h" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nobody"], "no panel 'nobody'; there are: raw zmq"),
        (["--json", "--csv"], "not allowed"),
        (["--width", "7"], "at least 40"),
        (["--count", "/no/such"], "no such folder"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_command_lines(words: list[str], says: str) -> None:
    out, said = tool("size", "--tree", str(SAMPLE), *words, status=2)
    assert out == "" and says in said and said.count("\n") == 1 and said.startswith("triptych: size: ")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("int a; // more\n// none\n/* none */ // none\n\n", 1),
        ("// a comment that a backslash \\\n continues\nint a;\n", 1),
        ("int a; /* begins\n goes on\n ends */ int b;\n", 2),
        ('char *a = "/*";\nint b;\nchar c = \'"\';\n/* none */\n', 3),
        ("char a[] = {\n'a'\n};\n", 3),
        ('char *a = "// text \\" /*";\nint b; /* " */\n', 2),
    ],
)
def test_lines_of_code(text: str, lines: int) -> None:
    assert lines_of_code(text) == lines


ODD = r"""
#define JOIN(a, b) a##b // more \
and more
%:define HASH(a) %:a %:%: <: :> <% %>
double a = 0x1p+4 + 1.5e-3f + .5 + 1..2 + 0xe+1 + 08 + 1e+2u+3;
char *s = u8"\303 \"" L"\\" U"é" "/* none */" "// none" "a\
b", c = '"', d = L'\'', e = u'\\', f = 'ab', g = U'/*';
a<<=b>>=c->d++ - --e<=f==g!=h&&i||j^=k|=l&=m%=n*=o/=p+=q-=r>=s<<t>>u;
a...b..c ....d ?~!x[0] & y | z ^ {a, b};
/* one * / still */ a /**/ / b //*/ c
é $dollar _x = u8 + L + uu"no" + u8x; ö
a \
 b #ifdef <sys/socket.h> "more.h"
don't
"not ended
'' @ ` \x // the last, unended"""


def by_libclang(text: str) -> list[tuple[int, str]]:
    from clang.cindex import Index, TokenKind

    unit = Index.create().parse("a.c", args=["-std=gnu11", "-nostdinc"], unsaved_files=[("a.c", text)])
    found = unit.get_tokens(extent=unit.get_extent("a.c", (0, len(text.encode()))))
    return [(token.extent.start.offset, token.spelling) for token in found if token.kind != TokenKind.COMMENT]


def test_tokens_are_those_of_libclang() -> None:
    paths = [path for panel in read_panels() for path in panel.sources()]
    for text in [ODD, *dict.fromkeys(path.read_text() for path in paths)]:
        assert tokens(text) == by_libclang(text)


def test_what_an_engine_compiles(tmp_path: Path) -> None:
    lines = """
        1 all
        #ifdef NNG_COMPAT_NN_H
        2 nng
        #ifdef OTHER
        3 nng
        #else
        4 nng
        #endif
        #else
        5 nanomsg
        #endif
        #if !defined(NNG_COMPAT_NN_H) /* why */
        6 nanomsg
        #endif
        #ifndef NNG_COMPAT_NN_H
        9 nanomsg
        #endif
        #if OTHER
        7 all
        #elif defined(NNG_COMPAT_NN_H)
        8 all
        #endif"""
    (tmp_path / "a.c").write_text(lines)
    for name in ("nanomsg", "nng", "nng-1"):
        found = [line for line in engine_lines(tmp_path / "a.c", Panel(name, "", "")) if line.text.strip()[:1] != "#"]
        numbers = [line.text.split()[0] for line in found if line.text.strip()]
        assert numbers == (["1", "5", "6", "9", "7", "8"] if name == "nanomsg" else ["1", "2", "3", "4", "7", "8"])
        assert all(lines.split("\n")[line.number - 1] == line.text for line in found)


def test_the_demo_counts_what_size_counts() -> None:
    assert [panel_lines(panel) for panel in read_panels()[:4]] == [int(whole(ROOT)["lines"][panel.name]) for panel in read_panels()[:4]]


def test_another_tree_is_counted_without_its_tests(tmp_path: Path) -> None:
    tree = copy_of_sample(tmp_path)
    (tree / "tests").mkdir()
    (tree / "tests" / "a.c").write_text("int a;\n")
    (tree / "zmq" / "reqrep_test.c").write_text("int b;\n")
    (tree / "zmq" / "more.cpp").write_text("class c { int d; };\n")
    out, _ = tool("size", "--count", str(tree / "zmq"))
    assert out.startswith("37 lines of code in 2 files")  # 36 of reqrep.c


def check(report: dict[str, Any], names: list[str], costs: bool) -> dict[tuple[str, str], dict[str, Any]]:
    """--json follows its schema; returns the measures."""
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(report, json.loads((ROOT / "tools/compare/size.schema.json").read_text()))
    assert [panel["name"] for panel in report["panels"]] == names
    rows = {(row["part"], row["key"]): row for row in report["measures"]}
    assert len(rows) == len(report["measures"])
    for row in rows.values():
        assert list(row) == ["part", "key", "label", "unit", "values"] and list(row["values"]) == names
        for value in row["values"].values():
            assert value is None or isinstance(value, str if row["key"] == "worst_name" else (int, float))
    keys = {(part, key) for part in PARTS for key in SOURCE if part != "net of template" or "worst" not in key}
    keys |= {("by pattern", f"lines_{pattern}") for pattern in ("reqrep", "pubsub", "both")}
    if costs:
        keys |= {("program", key) for key in PROGRAM} | {("running", key) for key in RUNNING} | {("behind", "behind_lines")}
    assert keys - set(rows) <= {("pubsub.c", "worst"), ("pubsub.c", "worst_name"), ("other files", "worst"), ("other files", "worst_name")}
    assert set(rows) <= keys
    assert list(report["apart"]) == ["common", "template"]
    assert all(sorted(counts) == sorted(SOURCE) for counts in report["apart"].values())
    return rows


def test_schema_of_the_sample() -> None:
    check(json.loads(sample("size", "--json")), ["raw", "zmq", "nanomsg", "nng"], costs=False)


# By pattern.

PANEL = {
    "reqrep.c": '#include "pattern.h"\n#include "shared.h"\nint a;\n',
    "pubsub.c": '#include "shared.h"\n#include "log.h"\nint b;\nint c;\n',
    "log.c": '#include "log.h"\n#include "tail.h"\nint d;\n',
    "tail.h": "int h;\n",
    "log.h": "int e;\n",
    "shared.c": '#include "deep.h"\n',
    "shared.h": "",
    "deep.h": "int f; /* only shared.c includes it */\n",
    "panel.c": "int g;\n",
    "README.md": "# One\n\n| clause | kept by |\n|---|---|\n| R1 | `deep`, and `reqrep.c`: `log_it` |\n| P2 | `log` |\n\n| R9 | `log` |\n",
}


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Panel:
    monkeypatch.setattr(harness.panels, "ROOT", tmp_path)
    (tmp_path / "one").mkdir()
    for name, text in PANEL.items():
        (tmp_path / "one" / name).write_text(text)
    return Panel("one", "one", "One")


def test_a_file_serves_the_pattern_that_includes_it(one: Panel) -> None:
    units = {unit.name: unit for unit in units_of(one)}
    assert {name: unit.serves for name, unit in units.items()} == {
        "reqrep.c": "request/reply", "pubsub.c": "publish/subscribe", "log": "publish/subscribe",
        "tail.h": "publish/subscribe", "shared": "both", "deep.h": "both", "panel.c": "both",
    }  # fmt: skip
    assert (units["log"].lines, units["deep.h"].lines, units["reqrep.c"].lines) == (4, 1, 3)
    rows = {row.key: row.values["one"] for row in pattern_rows({"one": list(units.values())})}
    assert rows == {"lines_reqrep": 3, "lines_pubsub": 9, "lines_both": 3}


def test_a_file_buys_the_clauses_whose_row_names_it(one: Panel) -> None:
    units = {unit.name: unit.clauses for unit in units_of(one)}
    assert units == {"reqrep.c": ["R1"], "deep.h": ["R1"], "log": ["P2"], "pubsub.c": [], "shared": [], "tail.h": [], "panel.c": []}
    (harness.panels.ROOT / "one/README.md").unlink()
    assert not any(unit.clauses for unit in units_of(one))


def test_the_table_of_raw_names_every_clause_and_file() -> None:
    """And a file that serves one pattern buys no clause of the other."""
    raw = read_panels()[0]
    units = units_of(raw)
    assert clauses_of(raw).keys() == CLAUSES.keys()
    assert all(clauses_of(raw)[clause] & {name for unit in units for name in (unit.name, unit.name[:-2])} for clause in clauses_of(raw))
    for unit in units:
        assert bool(unit.clauses) != (unit.name == "panel.c"), f"raw/README.md says not which clauses {unit.name} buys"
        wrong = {"request/reply": "P", "publish/subscribe": "R"}.get(unit.serves, "-")
        assert not [clause for clause in unit.clauses if clause.startswith(wrong)], unit


def test_it_shows_what_each_file_of_raw_is_for() -> None:
    out, _ = tool("size", "--source", "raw", "zmq")
    assert "raw: what each file serves" in out and "zmq: what each file serves" not in out
    for unit in units_of(read_panels()[0]):
        assert re.search(rf"^    {unit.name} +{unit.lines} +{' '.join(unit.clauses) or '-'}$", out, re.M), unit


@pytest.mark.first
def test_living_panels(pytestconfig: pytest.Config) -> None:
    """Every measure is there for every panel that is built, and within what is possible at all."""
    if missing := [name for name in ("strace", "size", "ldd", "dpkg") if not shutil.which(name)]:
        pytest.skip(f"not installed: {' '.join(missing)}")
    names = [panel.name for panel in panels(pytestconfig)]
    out, said = tool("size", "--json", *names, TRIPTYCH_BUILD=str(build_folder(pytestconfig)), seconds=600)
    assert said == ""
    report = json.loads(out)
    rows = check(report, names, costs=True)
    for key, least in {"text": 1000, "libraries": 2, "threads": 1, "descriptors": 4, "memory": 500, "calls_server": 2}.items():
        part = "program" if key in PROGRAM else "running"
        assert all(value >= least for value in rows[part, key]["values"].values()), key
    for panel in report["panels"]:
        name = panel["name"]
        assert panel["version"] and panel["libraries"]
        total = sum(panel["system_calls"].values())
        assert abs(total - rows["running", "calls_server"]["values"][name]) < 1.5
        parts = [rows[part, "lines"]["values"][name] for part in PARTS]
        by_pattern = [rows["by pattern", f"lines_{pattern}"]["values"][name] for pattern in ("reqrep", "pubsub", "both")]
        assert sum(by_pattern) == parts[3] == sum(unit["lines"] for unit in panel["files"])
        assert sum(parts[:3]) == parts[3] > parts[4]
        if name == "raw":
            assert rows["running", "threads"]["values"][name] == 1
            assert rows["program", "libraries_beyond"]["values"][name] == 0
