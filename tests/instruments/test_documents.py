"""What the documents claim, against the tree: tables, links, paths, commands, counts, lengths.

Each check takes a text and returns what is wrong with it, one sentence each. Every check is shown
small documents that are wrong; then it reads every Markdown file of the tree.
"""

import functools
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from compare.sources import panel_lines
from conftest import ROOT, build_folder
from harness.panels import read_panels

pytestmark = pytest.mark.together  # one process asks each program for its help, once

README_LINES = 200  # five screens of 40 lines
SCREEN_LINES = 55  # of tools/*/README.md: one screen
COLUMNS = 100  # of both
HELP_S = 240  # until a program has told its options: the first under Wine makes Wine's folder
MINE = "mine"  # a reader's own panel, which is not in the tree
PLACEHOLDER = re.compile(r"\b(?:NAME|PANEL|ROLE|DIR|FILE|VERB|N)\b|(?<=_)NAME(?=\.)")
KINDS = "c h py md txt json jsonl svg dot lua yml build pcap".split()
NAME = re.compile(r"\.?[\w*][\w.*+-]*(?:/[\w.*+-]+)*/?|\.ci/run")


def documents() -> list[Path]:
    hidden = re.compile(r"(^|/)(\.(?!github)[^/]*|build[^/]*)/")
    paths = (p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.md"))
    return sorted(ROOT / p for p in paths if not hidden.search(p))


@functools.cache
def tree() -> frozenset[str]:
    """Every file of the tree, and every folder with a slash behind it."""
    found = set()
    for path in ROOT.rglob("*"):
        name = path.relative_to(ROOT).as_posix()
        if not re.match(r"\.git/|build|.*__pycache__|\.pytest_cache", name):
            found.add(name + "/" * path.is_dir())
    return frozenset(found)


def prose_and_code(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The text with its code blocks blanked, and the blocks: language and content."""
    blocks: list[tuple[str, str]] = []

    def take(block: re.Match[str]) -> str:
        blocks.append((block[1].strip(), block[2]))
        return "\n" * block[0].count("\n")

    return re.sub(r"^```([^\n]*)\n(.*?)^```[ \t]*$", take, text, flags=re.M | re.S), blocks


def spans(prose: str) -> Iterator[str]:
    """What stands between backticks."""
    for span in re.finditer(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", prose, re.S):
        yield " ".join(span[2].split()).replace("\\|", "|")


# Tables


def cells(row: str) -> int:
    """As GitHub counts: only a backslash protects a |, also within backticks."""
    row = row.strip()
    row = row[1:] if row.startswith("|") else row
    row = row[:-1] if row.endswith("|") and not row.endswith("\\|") else row
    return len(re.findall(r"(?<!\\)\|", row)) + 1


def wrong_tables(text: str) -> list[str]:
    lines = prose_and_code(text)[0].splitlines()
    wrong = []
    for i, line in enumerate(lines):
        if i == 0 or not re.fullmatch(r"\s*\|?(\s*:?-+:?\s*\|)+(\s*:?-+:?\s*)?", line):
            continue
        wanted = cells(lines[i - 1])
        for j in range(i, len(lines)):
            if not lines[j].strip():
                break
            if cells(lines[j]) != wanted:
                wrong.append(f"line {j + 1}: {cells(lines[j])} cells, the header has {wanted}")
    return wrong


def test_wrong_tables_are_found() -> None:
    head = "| a | b |\n|---|---|\n"
    assert wrong_tables(head + "| 1 | 2 |\n| `x \\| y` | 2 |\n\nno | table | here\n") == []
    assert wrong_tables(head + "| 1 | 2 | 3 |\n") == ["line 3: 3 cells, the header has 2"]
    assert wrong_tables(head + "| 1 |\n") == ["line 3: 1 cells, the header has 2"]
    assert wrong_tables(head + "| `x | y` | 2 |\n") == ["line 3: 3 cells, the header has 2"]
    assert wrong_tables("| a | b |\n|---|---|---|\n") == ["line 2: 3 cells, the header has 2"]
    assert wrong_tables(f"```\n{head}| 1 |\n```\n") == []


# Links and paths


def headings(text: str) -> set[str]:
    """The anchors of a document, as GitHub makes them."""
    found = re.findall(r"^#+ +(.*)$", prose_and_code(text)[0], re.M)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in found}


def wrong_links(text: str, folder: Path) -> list[str]:
    wrong = []
    prose = re.sub(r"`[^`\n]*`", "", prose_and_code(text)[0])
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = folder / name if name else None
        if path and not path.exists():
            wrong.append(f"link to {target}: no such file")
        elif anchor and anchor not in headings(path.read_text() if path else text):
            wrong.append(f"link to {target}: no such heading")
    return wrong


def test_wrong_links_are_found() -> None:
    good = "# A b, `c`\n[x](README.md) [y](#a-b-c)\n![z](doc/threads.svg) [w](https://example.org)"
    assert wrong_links(good, ROOT) == []
    assert wrong_links("[x](doc/nothing.md)", ROOT) == ["link to doc/nothing.md: no such file"]
    assert wrong_links("[x](README.md#no)", ROOT) == ["link to README.md#no: no such heading"]
    assert wrong_links("[two\nlines](no.svg)", ROOT) == ["link to no.svg: no such file"]


@functools.cache
def ready_panels() -> list[str]:
    return [panel.name for panel in read_panels() if panel.kind == "programs"]


def is_there(name: str, folder: str) -> bool:
    """Whether a path, perhaps with a * in it, is in the tree: from its root or from the folder."""
    pattern = PLACEHOLDER.sub("*", name)
    places = [pattern, (folder + "/" if folder else "") + pattern]
    if "/" not in pattern.rstrip("/"):
        places.append("*/" + pattern)  # a name alone may stand anywhere
    paths = tree() if name.endswith("/") else {path.rstrip("/") for path in tree()}
    return any(fnmatch(path, place) for path in paths for place in places)


def looks_like_a_path(word: str) -> bool:
    if not NAME.fullmatch(PLACEHOLDER.sub("x", word)):
        return False
    first = word.split("/")[0]
    if first == MINE or first.startswith("build"):
        return False  # the reader's own; the build's programs are looked at as commands
    if "/" in word:
        return word.endswith("/") or f"{first}/" in tree() or word.rpartition(".")[2] in KINDS
    return word.rpartition(".")[2] in KINDS and not word.startswith(".")


def wrong_paths(text: str, folder: str) -> list[str]:
    words = {word for word in spans(prose_and_code(text)[0]) if looks_like_a_path(word)}
    return [f"`{word}`: not in the tree" for word in sorted(words) if not is_there(word, folder)]


def test_wrong_paths_are_found() -> None:
    good = "`raw/conn.c` `common/` `pattern.h` `unit_NAME.c` `raw/*.c` `mine/a.c` `a/b` `/proc/net`"
    assert wrong_paths(good, "") == []
    assert wrong_paths("`pcap.c` `decode/`", "tools/wire") == []
    for bad in ("raw/nothing.c", "nothing/", "common/nothing", "no.md", "unit_NAME.h", "zmq/*.hpp"):
        assert wrong_paths(f"See `{bad}`.", "") == [f"`{bad}`: not in the tree"]


# Commands


@functools.cache
def help_of(command: tuple[str, ...]) -> str | None:
    """What a command prints when asked for help; None if it refuses, or is not there."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=HELP_S
        )
    except OSError:
        return None
    return done.stdout + done.stderr if done.returncode == 0 else None


def wrong_words(words: list[str], help_text: str, known: set[str] | None) -> list[str]:
    """Options that a help text does not have; and, if `known` is given, other words as well."""
    wrong = []
    takes_value = False
    for word in words:
        option = word.partition("=")[0]
        if option in ("-h", "--help"):
            continue
        if re.fullmatch(r"--?[A-Za-z][\w-]*", option):
            found = re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])[ =]?(\[?[A-Z])?", help_text)
            if not found:
                wrong.append(f"no option {option}")
            takes_value = bool(found and found[1]) and "=" not in word
        elif takes_value:
            takes_value = False
        elif known is not None and not re.search(r"[A-Z/]", word) and word not in known:
            if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", help_text):
                wrong.append(f"no '{word}'")
    return wrong


def wrong_verb(words: list[str]) -> list[str]:
    if not words or re.fullmatch(r"[A-Z]+", words[0]):
        return []
    verb, words = words[0], words[1:]
    text = help_of((str(ROOT / "triptych"), verb, "--help"))
    if text is None:
        return [f"no verb {verb}"]
    known = {panel.name for panel in read_panels()} | {MINE}
    if verb == "lab":
        known |= {path.stem.replace("_", "-") for path in (ROOT / "lab/experiments").glob("*.py")}
    if verb == "install":
        lines = (ROOT / "packages.txt").read_text().splitlines()
        known |= {line.split()[0] for line in lines if line.strip()}
    return wrong_words(words, text, known)


def wrong_command(command: str, folder: str, build: Path) -> list[str]:
    """Of one simple command; nothing about a line that is none of ours."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return []
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    if not words:
        return []
    program, words = words[0], words[1:]
    if program == "./triptych":
        return wrong_verb(words)
    if program.startswith("build/") and build.exists():
        name = re.sub(rf"^{MINE}-", "raw-", program.removeprefix("build/"))  # has the same roles
        files = list(build.glob(PLACEHOLDER.sub("*", name)))
        if not files and any(name.startswith(f"{ready}-") for ready in ready_panels()):
            return []  # what builds them is not installed here
        if not files:
            return [f"no program {program}"]
        text = help_of((str(files[0]), "-h")) if words else None
        return wrong_words(words, text, None) if text is not None and files[0].is_file() else []
    if program == ".ci/run":
        parts = re.findall(r"^part_(\w+)\(", (ROOT / ".ci/run").read_text(), re.M)
        return [f"no part '{w}'" for w in words if w not in parts and not w.startswith("-")]
    if program.startswith(("tests/", "tools/", ".ci/")):
        return [] if is_there(program, folder) else [f"no program {program}"]
    if program not in ("cat", "cp", "dot", "less", "tshark"):
        return []
    ours = [w for w in words if looks_like_a_path(w) and f"{w.split('/')[0]}/" in tree()]
    return [f"no file {word}" for word in ours if not is_there(word, folder)]


def commands(text: str) -> Iterator[str]:
    """Simple commands: lines of code blocks without a language, and spans that begin like one."""
    prose, blocks = prose_and_code(text)
    lines = [line for language, block in blocks if not language for line in block.splitlines()]
    begins = ("./triptych ", "build/", "tests/mutate", "tests/fuzz/run", ".ci/run", "TRIPTYCH_")
    lines += [s for s in spans(prose) if s.startswith(begins) and not s.endswith("/")]
    for line in lines:
        yield from re.split(r"&&|[|;<>]", re.sub(r"^\$ | # .*", "", line))


def wrong_commands(text: str, folder: str, build: Path) -> list[str]:
    stripped = [command.strip() for command in commands(text)]
    return [f"{line}: {why}" for line in stripped for why in wrong_command(line, folder, build)]


def test_wrong_commands_are_found(pytestconfig: pytest.Config) -> None:
    build = build_folder(pytestconfig)

    def wrong(line: str) -> list[str]:
        found = wrong_commands(f"```\n{line}\n```\n", "", build)
        if line.startswith(("./triptych", "build/")):
            assert found == wrong_commands(f"Type `{line}`.", "", build)
        return [why.rpartition(": ")[2] for why in found]

    for good in (
        "./triptych demo reqrep raw zmq  # two panels",
        "$ ./triptych diff --function req_recv",
        "./triptych lab late-server mine",
        "./triptych lab NAME --check",
        "echo hello | ./triptych demo --text FILE",
        "TRIPTYCH_BUILD=/tmp/x ./triptych build && .ci/run warnings",
        "cp tools/wire/triptych.lua ~/somewhere/",
        "tests/fuzz/run 30",
        "some output: raw/nothing.c",
    ):
        assert wrong(good) == [], good
    assert wrong("./triptych dance") == ["no verb dance"]
    assert wrong("./triptych demo --fast") == ["no option --fast"]
    assert wrong("./triptych demo raw nobody") == ["no 'nobody'"]
    assert wrong("./triptych lab no-such-question") == ["no 'no-such-question'"]
    assert wrong("true && ./triptych diff --functions req_recv") != []
    assert wrong(".ci/run nothing") == ["no part 'nothing'"]
    assert wrong("tests/nothing 30") == ["no program tests/nothing"]
    assert wrong("cp tools/wire/nothing.lua x") == ["no file tools/wire/nothing.lua"]
    if build.exists():
        assert wrong("build/raw-rep -u tcp://127.0.0.1:5555") == []
        assert wrong("build/raw-rep --loud") == ["no option --loud"]
        assert wrong("build/raw-dance") == ["no program build/raw-dance"]
        assert wrong(f"build/{MINE}-req -n 1 hello") == []
        assert wrong(f"build/{MINE}-dance") == [f"no program build/{MINE}-dance"]


# Counts


@functools.cache
def lines_of_code() -> dict[str, int]:
    """By panel, as ./triptych size counts today: test_size.py compares the two."""
    return {panel.name: panel_lines(panel) for panel in read_panels()}


def wrong_counts(text: str) -> list[str]:
    """A count must name its panel: "raw has 1,234 lines of code", "raw: 1,234 lines of code"."""
    wrong = []
    pattern = r"(\S+\s+\S+\s+|^\S+\s+|^)([\d,]*\d)\s+lines\s+of\s+code"
    for before, number in re.findall(pattern, text, re.M):
        named = [p.name for p in read_panels() if re.search(rf"\b{p.name}\b", before)]
        count = int(number.replace(",", ""))
        if not named:
            wrong.append(f"{number} lines of code: of which panel?")
        elif (real := lines_of_code()[named[0]]) != count:
            wrong.append(f"{named[0]}: {number} lines of code; size counts {real:,}")
    return wrong


def test_wrong_counts_are_found() -> None:
    real = lines_of_code()
    assert wrong_counts(f"`raw` has {real['raw']:,} lines of code") == []
    assert wrong_counts(f"zmq: {real['zmq'] + 1} lines\nof code") != []
    assert wrong_counts("It takes 2035 lines of code.") == ["2035 lines of code: of which panel?"]


# The documents


@pytest.mark.parametrize("path", documents(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_document(path: Path, pytestconfig: pytest.Config) -> None:
    text = path.read_text()
    folder = path.parent.relative_to(ROOT).as_posix().removeprefix(".")
    wrong = wrong_tables(text) + wrong_links(text, path.parent) + wrong_paths(text, folder)
    wrong += wrong_commands(text, folder, build_folder(pytestconfig))
    assert wrong == []


def test_counts_of_lines_are_those_of_size() -> None:
    for path in documents():
        assert wrong_counts(path.read_text()) == [], path


def too_long(text: str, lines: int, columns: int) -> list[str]:
    found = text.splitlines()
    wrong = [f"{len(found)} lines, at most {lines} are wanted"] if len(found) > lines else []
    wide = [(i, len(line)) for i, line in enumerate(found, 1) if len(line) > columns]
    return wrong + [f"line {i}: {width} columns" for i, width in wide]


def test_long_documents_are_found() -> None:
    assert too_long("1234\n" * 3, 3, 4) == []
    assert too_long("1234\n" * 4, 3, 4) == ["4 lines, at most 3 are wanted"]
    assert too_long("1234\n12345\n", 3, 4) == ["line 2: 5 columns"]


def test_readme_fits_five_screens() -> None:
    assert too_long((ROOT / "README.md").read_text(), README_LINES, COLUMNS) == []


def test_each_folder_of_tools_has_a_page_of_one_screen() -> None:
    for folder in sorted(path.parent for path in (ROOT / "tools").glob("*/__init__.py")):
        assert too_long((folder / "README.md").read_text(), SCREEN_LINES, COLUMNS) == [], folder


def not_named(text: str, files: set[str]) -> list[str]:
    """The source files that a folder's page does not name: x.c by itself, as `x`, or as `x_*.h`."""
    names = {span.rpartition("/")[2] for span in spans(prose_and_code(text)[0])} | {"__init__.py"}

    def named(file: str) -> bool:
        stem = file.rpartition(".")[0]
        return any(fnmatch(file, name) for name in (*names, *(f"{n}.[ch]" for n in names))) or (
            file.endswith(".h") and f"{stem}.c" in names
        )

    return sorted(file for file in files if not named(file))


def test_a_page_names_each_file_of_its_folder() -> None:
    assert not_named("`a.c`, `b` and `c_*.h`", {"a.c", "a.h", "b.c", "c_1.h"}) == []
    assert not_named("a.c and `b.h`", {"a.c", "b.c", "__init__.py"}) == ["a.c", "b.c"]
    sources = [path for kind in ("c", "h", "py", "lua") for path in ROOT.rglob(f"*.{kind}")]
    for page in (page for page in documents() if page.name == "README.md"):
        files = {path.name for path in sources if path.parent == page.parent}
        assert not_named(page.read_text(), files) == [], page


def not_on_the_map(text: str, folders: set[str]) -> set[str]:
    """The folders that no table of the document names at the start of a row."""
    return folders - set(re.findall(r"^\| `([\w/]+)/` \|", text, re.M))


def test_the_map_of_the_readme_has_every_folder() -> None:
    assert not_on_the_map("| `a/` | this |\nAnd `b/`.\n", {"a", "b"}) == {"b"}
    top = {name.rstrip("/") for name in tree() if name.count("/") == 1 and name.endswith("/")}
    ours = {name for name in top if name[0] != "."} - {panel.folder for panel in read_panels()}
    assert not_on_the_map((ROOT / "README.md").read_text(), ours) == set()


def documented_members(event: str) -> list[str]:
    """Of a JSON line of the programs: the names in its row of programs/README.md."""
    text = (ROOT / "programs/README.md").read_text()
    (row,) = re.findall(rf"^\| [^|]*`{event}`[^|]* \|([^|]*)\|", text, re.M)
    return re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", row))


def test_the_json_lines_have_the_members_that_their_page_names(pytestconfig: pytest.Config) -> None:
    program = build_folder(pytestconfig) / "raw-req"
    if not program.exists():
        pytest.skip(f"no {program}")
    command = [program, "-u", "ipc:///nobody/is/here", "-t", "10", "--json"]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=150).stdout.splitlines()
    seen = {line["event"]: set(line) - {"event"} for line in map(json.loads, lines)}
    assert set(seen) == {"ready", "message", "timeout", "summary"}
    for event, members in seen.items():
        assert members == set(documented_members(event)), event
