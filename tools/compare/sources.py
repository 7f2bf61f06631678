"""A panel's C files as its engine sees them, and cut into the sections that are compared.

Two panels may share a source. What only one engine compiles stands between #ifdef and #endif there;
the other's lines are taken out. ctags tells where each function, struct and enum begins and ends.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from harness import panels
from harness.panels import Panel, complain, printable
from compare.tokens import tokens

# By panel: the macro that its library's headers define, and that its source may ask for.
ENGINE_MACROS = {"nng": "NNG_COMPAT_NN_H"}
TEMPLATE = Panel("template", "template", "does nothing", "grey")


@dataclass(frozen=True)
class Line:
    number: int  # in the file, from 1
    text: str


@dataclass
class Block:
    """A function, or a leading section, with the comment above it."""

    name: str
    lines: list[Line]


@dataclass
class Section:
    """What is compared with its like in another panel: a leading section, or a function of the
    contract with the static helpers above it."""

    name: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def lines(self) -> list[Line]:
        return [line for block in self.blocks for line in block.lines]


def engine_lines(path: Path, panel: Panel) -> list[Line]:
    """The lines of a file that this panel's engine compiles, comments included.

    Follows #ifdef, #ifndef and #if [!]defined of an engine's macro alone; all others stay.
    """
    defined = ENGINE_MACROS.get(panel.name.partition("-")[0])  # nng-1 has NNG's headers, too
    lines: list[Line] = []
    # A conditional each: an engine's, and compiled now or not; None: another
    asked: list[bool | None] = []
    for number, text in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        text = "\t".join(map(printable, text.split("\t")))
        directive = re.match(r"\s*#\s*(ifdef|ifndef|if|else|elif|endif)\b\s*(.*)", text)
        word, rest = directive.groups() if directive else ("", "")
        if word.startswith("if"):
            macro = re.match(r"(!?)\s*(?:defined\b)?[\s(]*(\w+)[\s)]*(/[*/].*)?$", rest)
            if macro and macro[2] in ENGINE_MACROS.values() and (word != "if" or "defined" in rest):
                asked.append((macro[2] == defined) != (word == "ifndef" or macro[1] == "!"))
                continue
            asked.append(None)
        elif word and asked and asked[-1] is not None:
            if word == "elif":
                complain(
                    1,
                    f"{path.name}:{number}: #elif after an engine's #ifdef: "
                    "use #else and another #ifdef",
                )
            asked[-1] = not asked[-1]
            if word == "endif":
                asked.pop()
            continue
        if False not in asked:
            lines.append(Line(number, text))
        if word == "endif" and asked:
            asked.pop()
    return lines


def engine_text(path: Path, panel: Panel) -> str:
    return "".join(line.text + "\n" for line in engine_lines(path, panel))


def lines_of_code(text: str) -> int:
    """Lines of C or C++ that hold more than blanks and comments, as they stand."""

    def without(match: re.Match[str]) -> str:
        text = match.group()
        return text if text[0] in "\"'" else "\n" * text.count("\n")

    tokens = r"/\*.*?\*/|//(?:\\\n|[^\n])*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    return sum(
        1 for line in re.sub(tokens, without, text, flags=re.DOTALL).splitlines() if line.strip()
    )


def panel_lines(panel: Panel) -> int:
    """Lines of code of all files of a panel's folder, as its engine compiles them."""
    return sum(lines_of_code(engine_text(path, panel)) for path in panel.sources())


def panel_tokens(panel: Panel) -> int:
    return sum(len(tokens(engine_text(path, panel))) for path in panel.sources())


def contract_functions() -> list[str]:
    """The functions of common/pattern.h, in its order."""
    header = panels.ROOT / "common" / "pattern.h"
    if not header.exists():
        complain(1, f"{header} is missing: it gives the order of the functions")
    tags = ctags(header.read_text(), "p")
    return [str(tag["name"]) for tag in sorted(tags, key=lambda tag: int(tag["line"]))]


def ctags(text: str, kinds: str) -> list[dict[str, int | str]]:
    """What ctags finds of these kinds in a C source (see ctags --list-kinds=C)."""
    command = ["ctags", "--options=NONE", "--sort=no", "--language-force=C", "--output-format=json"]
    command += ["--fields=+ne", f"--kinds-C={kinds}", "-o", "-", "--_interactive=default"]
    request = {"command": "generate-tags", "filename": "source.c", "size": len(text.encode())}
    answer = run(command, "universal-ctags", given=json.dumps(request) + "\n" + text)
    found = [json.loads(line) for line in answer.splitlines()]
    return [tag for tag in found if tag["_type"] == "tag"]


def sections(lines: list[Line], contract: list[str]) -> list[Section]:
    """A file's sections from top to bottom;
    together they hold every line but blank ones between."""
    tags = ctags("".join(line.text + "\n" for line in lines), "fsgud")
    tags = [tag for tag in tags if not tag.get("scope")]
    tags.sort(key=lambda tag: int(tag["line"]))

    found: list[Section] = []
    done = 0  # lines that have their place

    def take(section: str, name: str, end: int) -> None:
        nonlocal done
        block = Block(name, trimmed(lines[done:end]))
        done = max(done, end)
        if not block.lines:
            return
        same = next((s for s in found if s.name == section), None)
        if same is None:
            found.append(same := Section(section))
        same.blocks.append(block)

    includes = [i for i, line in enumerate(lines) if re.match(r"\s*#\s*include\b", line.text)]
    if includes:
        take("file header", "file header", includes[0])
        take("includes", "includes", includes[-1] + 1)
    helpers: list[tuple[str, int]] = []
    for tag in tags:
        name, end = str(tag["name"]), int(tag.get("end", tag["line"]))
        if tag["kind"] != "function":
            if end > done:
                anonymous = name.startswith("__anon") or tag["kind"] == "macro"
                label = "constants" if anonymous else f"{tag['kind']} {name}"
                take(label, label, end)
        elif name in contract:
            for helper, helper_end in helpers:
                take(name, helper, helper_end)
            take(name, name, end)
            helpers = []
        else:
            helpers.append((name, end))
    for helper, helper_end in helpers:
        take("the rest", helper, helper_end)
    take("the rest", "the rest", len(lines))
    return found


class Source:
    """One panel's file of a pattern, and its sections."""

    def __init__(self, panel: Panel, pattern: str, contract: list[str]):
        self.panel = panel
        self.name = f"{panel.folder}/{pattern}.c"
        path = panels.ROOT / self.name
        if not path.is_file():
            complain(1, f"diff: {self.name} is missing: panel {panel.name} has no {pattern} yet")
        self.lines = engine_lines(path, panel)
        self.sections = sections(self.lines, contract)

    def asked_for(self, name: str) -> Section | None:
        """The section of this name, behind the file's static helpers that it calls: what one reads
        to know what the function does."""
        found = self.section(name)
        if found is None:
            return None
        there = {block.name for block in found.blocks}
        text = "\n".join(line.text for line in found.lines)
        called = [
            block
            for section in self.sections
            for block in section.blocks[:-1]
            if block.name not in there and re.search(rf"\b{re.escape(block.name)}\(", text)
        ]
        return Section(name, called + found.blocks)

    def section(self, name: str) -> Section | None:
        """The section, or the static helper, of this name."""
        for section in self.sections:
            if section.name == name:
                return section
        for section in self.sections:
            for block in section.blocks:
                if block.name == name:
                    return Section(name, [block])
        return None


def trimmed(lines: list[Line]) -> list[Line]:
    """Without the blank lines at both ends."""
    filled = [i for i, line in enumerate(lines) if line.text.strip()]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def run(command: list[str], package: str, given: str = "", good: tuple[int, ...] = (0,)) -> str:
    """What a program of the distribution prints; ends with one line if it is missing or fails."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True)
    except FileNotFoundError:
        complain(1, f"{command[0]} is missing: install Debian's package {package}")
    if done.returncode not in good:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        complain(1, f"{' '.join(command[:3])} ... failed with status {done.returncode}: {said}")
    return done.stdout
