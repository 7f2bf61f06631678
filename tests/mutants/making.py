"""Makes faults in C code mechanically: small changes at places that libclang finds.

Five kinds:

  drop     a statement is left out: a call, an assignment, a jump
  negate   a condition is turned round: of an if, a loop, a ?:, one side of && or ||
  bound    a bound moves by one: < and <=, > and >=, `+ 1` and `- 1` left out
  option   a call that sets a socket's or a library's option is left out, and succeeds
  errno    errno gets another value, or is compared with another one

A change keeps the lines where they are. Asserts are left alone, because they state what the caller
must not do; so is what a macro makes, and what the build does not compile.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from clang.cindex import Cursor, CursorKind, Index, TranslationUnit

FOLDERS = ("raw", "zmq", "nng", "common", "programs", "tools/wire/decode")
KINDS = ("drop", "negate", "bound", "option", "errno")
LEFT_ALONE = {"programs/driver.c"}  # the tests' own hand, not what they test
OPTION_CALL = re.compile(r"setsockopt$|_ctx_set$|^set_\w+$|_nodelay$")
JUMPS = {CursorKind.BREAK_STMT, CursorKind.CONTINUE_STMT, CursorKind.GOTO_STMT}
CONDITION_AT = {  # among the children
    CursorKind.IF_STMT: 0, CursorKind.WHILE_STMT: 0, CursorKind.DO_STMT: 1, CursorKind.CONDITIONAL_OPERATOR: 0,
}
SPARED_MACRO = re.compile(r"assert\b|va_")
MOVED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
TURNED = {"==": "!=", "!=": "=="}
OTHER_ERROR = "EDOM"  # nobody here sets it or asks for it


@dataclass(frozen=True)
class Mutant:
    """One change: the bytes from `start` to `end` of a file become `new`."""

    kind: str
    file: str
    function: str
    line: int  # from 1, where the change begins
    start: int
    end: int
    old: str
    new: str
    before: str  # the line as it is, and as it becomes: they tell the mutant from others
    after: str
    first: int  # the function's first line

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays when lines move."""
        return (self.file, self.function, self.before, self.after)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}: {self.before} -> {self.after}"


def negation(text: str) -> str:
    bare = re.fullmatch(r"!(\w+(?:->\w+|\.\w+|\[\w+\])*(?:\([^()]*\))?)", text, re.S)
    return bare[1] if bare else f"!({text})"


def squeezed(text: str) -> str:
    return " ".join(text.split())


class Source:
    """One C file, as one of the build's commands compiles it."""

    def __init__(self, tree: Path, file: str, words: list[str]) -> None:
        self.file = file
        self.path = str(tree / file)
        self.bytes = (tree / file).read_bytes()
        detailed = TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD
        self.unit = Index.create().parse(self.path, args=words, options=detailed)
        wrong = [d for d in self.unit.diagnostics if d.severity >= 3]
        if wrong:
            raise ValueError(f"{file}: {wrong[0]}")
        self.found: dict[tuple[int, int, str], Mutant] = {}
        self.function: Cursor | None = None
        self.choosing: list[Cursor] = []  # comparisons that choose the smaller or the larger

    def text(self, cursor: Cursor) -> str:
        return self.bytes[cursor.extent.start.offset : cursor.extent.end.offset].decode()

    def change(self, kind: str, start: int, end: int, new: str) -> None:
        """Notes a change; lines that it takes away stay as empty ones."""
        assert self.function
        old = self.bytes[start:end].decode()
        lead = self.bytes.rfind(b"\n", 0, start) + 1
        tail = self.bytes.find(b"\n", end)
        before = self.bytes[lead:tail].decode()
        after = self.bytes[lead:start].decode() + new + self.bytes[end:tail].decode()
        self.found.setdefault((start, end, new), Mutant(
            kind, self.file, self.function.spelling, self.bytes.count(b"\n", 0, start) + 1, start, end, old,
            new + "\n" * (old.count("\n") - new.count("\n")), squeezed(before), squeezed(after),
            self.function.extent.start.line,
        ))

    def here(self, cursor: Cursor) -> bool:
        """Whether its text stands in this file."""
        at = cursor.extent.start
        return bool(at.file) and at.file.name == self.path and cursor.extent.end.offset > at.offset

    @cached_property
    def macros(self) -> set[tuple[int, int]]:
        """Where macros are used. All that one makes has its place."""
        found = self.unit.cursor.get_children()
        used = [c for c in found if c.kind == CursorKind.MACRO_INSTANTIATION and self.here(c)]
        return {(c.extent.start.offset, c.extent.end.offset) for c in used}

    def written(self, cursor: Cursor) -> bool:
        """Whether it stands in this file as it is, and no macro makes it."""
        at = (cursor.extent.start.offset, cursor.extent.end.offset)
        return self.here(cursor) and at not in self.macros

    def functions(self) -> list[Cursor]:
        found = self.unit.cursor.get_children()
        return [c for c in found if c.kind == CursorKind.FUNCTION_DECL and c.is_definition() and self.here(c)]

    def mutants(self) -> list[Mutant]:
        for function in self.functions():
            self.function = function
            self.visit(function)
        return [self.found[at] for at in sorted(self.found)]

    def visit(self, cursor: Cursor) -> None:
        children = list(cursor.get_children())
        kind = cursor.kind
        if kind == CursorKind.COMPOUND_STMT:
            statements = children
        elif kind == CursorKind.IF_STMT:
            statements = children[1:]
        else:
            statements = children[-1:] if kind in (CursorKind.WHILE_STMT, CursorKind.FOR_STMT) else []
        for statement in statements:
            self.drop(statement)
        if kind in (CursorKind.IF_STMT, CursorKind.CONDITIONAL_OPERATOR):
            self.note_choice(children)
        if kind in CONDITION_AT:
            self.negate(children[CONDITION_AT[kind]])
        elif kind == CursorKind.FOR_STMT:
            self.negate_for(children)
        elif kind == CursorKind.BINARY_OPERATOR:
            self.binary(*children, chooses=cursor in self.choosing)
        elif kind == CursorKind.CALL_EXPR and OPTION_CALL.search(cursor.spelling):
            self.change("option", cursor.extent.start.offset, cursor.extent.end.offset, "0")
        for child in children:
            if self.written(child):
                self.visit(child)

    def note_choice(self, children: list[Cursor]) -> None:
        """a < b ? a : b, and if (a < b) b = a;: with <= it is the same, since the two are equal then."""
        compared = {squeezed(self.text(c)) for c in children[0].get_children()}
        chosen = children[1:]
        if len(chosen) == 1 and chosen[0].kind == CursorKind.BINARY_OPERATOR:
            chosen = list(chosen[0].get_children())
        if len(chosen) == 2 and {re.sub(r"^\(\w+\)", "", squeezed(self.text(c))) for c in chosen} == compared:
            self.choosing.append(children[0])

    def drop(self, statement: Cursor) -> None:
        """A statement alone in its place becomes an empty one."""
        kind, end = statement.kind, statement.extent.end.offset
        if not self.here(statement):
            return
        if self.written(statement):
            if not kind.is_expression() and kind not in JUMPS:
                return
        elif SPARED_MACRO.match(self.text(statement)):
            return
        semicolon = self.bytes.index(b";", end) + 1
        if not self.bytes[end : semicolon - 1].strip():
            self.change("drop", statement.extent.start.offset, semicolon, ";")

    def negate(self, condition: Cursor) -> None:
        text = self.text(condition) if self.written(condition) else "true"
        if text not in ("true", "1"):
            self.change("negate", condition.extent.start.offset, condition.extent.end.offset, negation(text))

    def negate_for(self, children: list[Cursor]) -> None:
        """The middle of for (;;): what ends right before the second semicolon."""
        for child in children[:-1]:
            if self.bytes[child.extent.end.offset :].lstrip().startswith(b";") and child.kind.is_expression():
                before = self.bytes[: child.extent.start.offset].rstrip()
                if before.endswith(b";"):
                    self.negate(child)

    def between(self, left: Cursor, right: Cursor) -> tuple[str, int]:
        """The operator between two operands, and where it stands; "" if a macro hides it."""
        start, end = left.extent.end.offset, right.extent.start.offset
        text = re.sub(r"/\*.*?\*/", lambda m: " " * len(m[0]), self.bytes[start:end].decode(), flags=re.S)
        operator = text.strip().strip("()").strip() if start < end else ""
        return operator, start + text.find(operator)

    def binary(self, left: Cursor, right: Cursor, chooses: bool) -> None:
        operator, at = self.between(left, right)
        if operator in MOVED and not chooses:
            self.change("bound", at, at + len(operator), MOVED[operator])
        elif operator in ("+", "-") and self.text(right) == "1":
            self.change("bound", at, right.extent.end.offset, f"{operator} 0")
        elif operator in ("&&", "||"):
            self.negate(left)
            self.negate(right)
        elif operator == "=" and self.text(left) == "errno":
            where = right.extent
            self.change("errno", where.start.offset, where.end.offset, OTHER_ERROR)
        elif operator in TURNED and self.text(left) == "errno":
            self.change("errno", right.extent.start.offset, right.extent.end.offset, OTHER_ERROR)


def commands(tree: Path, build: str) -> dict[str, list[list[str]]]:
    """Of each C file in our folders: what its compilations were told, without doubles."""
    found: dict[str, list[list[str]]] = {}
    for command in json.loads((tree / build / "compile_commands.json").read_text()):
        path = os.path.normpath(Path(command["directory"]) / command["file"])
        file = os.path.relpath(path, tree)
        if os.path.dirname(file) not in FOLDERS or file in LEFT_ALONE:
            continue
        words = [
            "-I" + os.path.normpath(Path(command["directory"]) / word[2:]) if word.startswith("-I") else word
            for word in shlex.split(command["command"])
            if word.startswith(("-I", "-D", "-std"))
        ]
        words = list(dict.fromkeys(word for word in words if "meson-" not in word and "-Dmain=" not in word))
        if words not in found.setdefault(file, []):
            found[file].append(words)
    return found


@cache
def headers() -> list[str]:
    """Where stddef.h and its like stand: libclang does not know."""
    command = ["clang", "-print-resource-dir"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return ["-isystem", found.stdout.strip() + "/include"]


def sources(tree: Path, build: str, files: list[str]) -> Iterator[Source]:
    for file, ways in sorted(commands(tree, build).items()):
        if not files or file in files:
            for words in ways:
                yield Source(tree, file, [*words, *headers()])


def all_mutants(tree: Path, files: list[str], build: str = "build") -> list[Mutant]:
    """Those of the files, or of all; in the order in which they stand."""
    mutants: dict[tuple[str, int, int, str], Mutant] = {}
    for source in sources(tree, build, files):
        for mutant in source.mutants():
            mutants.setdefault((mutant.file, mutant.start, mutant.end, mutant.new), mutant)
    return [mutants[at] for at in sorted(mutants)]


def functions(tree: Path, build: str) -> dict[str, list[tuple[str, int, int]]]:
    """Of each file: name, first and last line of its functions."""
    found: dict[str, set[tuple[str, int, int]]] = {}
    for source in sources(tree, build, []):
        found.setdefault(source.file, set()).update(
            (f.spelling, f.extent.start.line, f.extent.end.line) for f in source.functions()
        )
    return {file: sorted(here) for file, here in found.items()}
