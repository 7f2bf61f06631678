"""What a source takes, counted off its text: lines, tokens, functions, calls, options, checks.

Each file is first cut to what the panel's engine compiles (sources.py). Lines are counted there, as
they stand, and so are tokens. libclang finds calls and checks, as a compiler sees them; pmccabe
counts decisions; a function that sets an option is known by its name (SETTER). None of it depends
on their versions.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from harness import panels
from harness.panels import BUILD, Panel, complain
from compare.sources import engine_text, lines_of_code, run
from compare.tokens import tokens

try:
    from clang.cindex import Cursor, CursorKind, Index, TypeKind
except ImportError:
    complain(1, "size: needs Debian's python3-clang: ./triptych install size")

# Of the C library, what a program talks to its peers with: these headers,
# and from unistd.h these calls.
SOCKET_HEADER = re.compile(
    r"/(sys/(socket|un|uio|epoll|poll|select|eventfd)|poll|netdb|arpa/inet|netinet/\w+"
    r"|winsock2|ws2tcpip)\.h$"
)
# A build for Windows. The processor's own instructions, which windows.h includes, are gcc's:
# libclang cannot read them, and no panel uses one.
WINDOWS = [
    "--target=x86_64-w64-mingw32", "-D__INTRIN_H_", "-D_X86INTRIN_H_INCLUDED",
    "-D_EMMINTRIN_H_INCLUDED",
]
SOCKET_CALLS = {"close", "read", "write", "unlink"}
SETTER = re.compile(r"(^|_)setsockopt$|_ctx_set$|_setopt\w*$|_set_(bool|int|ms|size|string|ptr)$")
SIGNED = {TypeKind.INT, TypeKind.LONG, TypeKind.LONGLONG, TypeKind.SHORT}


@dataclass
class Counts:
    """The measures of one file or of several together."""

    lines: int = 0
    tokens: int = 0
    functions: int = 0
    complexity: int = 0
    worst: tuple[int, str] = (0, "")
    calls: set[str] = field(default_factory=set)
    places: int = 0
    options: set[str] = field(default_factory=set)
    checks: int = 0
    incomplete: set[str] = field(default_factory=set)  # what a compiler would not have accepted

    def add(self, other: Counts) -> None:
        self.lines += other.lines
        self.tokens += other.tokens
        self.functions += other.functions
        self.complexity += other.complexity
        self.worst = max(self.worst, other.worst, key=lambda worst: worst[0])
        self.calls |= other.calls
        self.places += other.places
        self.options |= other.options
        self.checks += other.checks
        self.incomplete |= other.incomplete


def total(counts: list[Counts]) -> Counts:
    whole = Counts()
    for each in counts:
        whole.add(each)
    return whole


def measure(path: Path, panel: Panel) -> Counts:
    """All measures of one C file of this panel."""
    text = engine_text(path, panel)
    counts = Unit(path, text, flags(panel)).counts()
    for line in run(["pmccabe", "/dev/stdin"], "pmccabe", given=text).splitlines():
        _, complexity, _, _, _, name = line.split("\t", 5)
        counts.complexity += int(complexity)
        counts.worst = max(
            counts.worst, (int(complexity), name.split(": ")[-1].strip()),
            key=lambda worst: worst[0],
        )
    return counts


@cache
def compile_commands() -> list[dict[str, str]]:
    """What the build runs, and the one for Windows inside it."""
    paths = [BUILD / "compile_commands.json", BUILD / "windows" / "compile_commands.json"]
    return [command for path in paths if path.exists() for command in json.loads(path.read_text())]


@cache
def compiler_headers() -> str:
    """Where stddef.h and its like stand, should libclang come without."""
    return run(["gcc", "-print-file-name=include"], "gcc").strip()


@cache
def flags(panel: Panel) -> list[str]:
    """What the build gives the compiler for this panel: include folders and macros."""
    found = [
        "-std=gnu11", "-D_GNU_SOURCE", f"-I{panels.ROOT}/common", f"-I{panels.ROOT}/{panel.folder}",
    ]
    found.append("-idirafter" + compiler_headers())
    if (panels.ROOT / "include").is_dir():
        found.append(f"-I{panels.ROOT}/include")
    for command in compile_commands():
        if f"/lib{panel.name}.a.p/" in f"/{command['output']}":
            if "mingw32" in command["command"].split()[0]:
                found += WINDOWS
            for word in shlex.split(command["command"]):
                if word.startswith("-I"):
                    found.append(f"-I{(Path(command['directory']) / word[2:]).resolve()}")
                elif word.startswith("-D"):
                    found.append(word)
            break
    return found


@cache
def c_library() -> frozenset[str]:
    """The C library's headers."""
    try:
        done = subprocess.run(
            ["dpkg", "-L", "libc6-dev", "linux-libc-dev"], capture_output=True, text=True
        )
        return frozenset(line for line in done.stdout.splitlines() if line.endswith(".h"))
    except OSError:
        return frozenset()


@cache
def resolved(path: str) -> str:
    return str(Path(path).resolve())


class Unit:
    """One file, read by libclang."""

    def __init__(self, path: Path, text: str, arguments: list[str]):
        self.path = str(path)
        self.text = text
        self.unit = Index.create().parse(
            self.path, args=arguments, unsaved_files=[(self.path, text)]
        )
        self.definitions = [  # inline ones of headers, too
            cursor
            for cursor in self.unit.cursor.get_children()
            if cursor.kind == CursorKind.FUNCTION_DECL and cursor.is_definition()
        ]
        self.tokens = tokens(text)
        self.offsets = [offset for offset, _ in self.tokens]
        self.at = {offset: i for i, (offset, _) in enumerate(self.tokens)}

    def counts(self) -> Counts:
        counts = Counts(lines=lines_of_code(self.text), tokens=len(self.tokens))
        for diagnostic in self.unit.diagnostics:
            if diagnostic.severity >= 3:
                counts.incomplete.add(f"{Path(self.path).name}: {diagnostic.spelling}")
        for function in self.definitions:
            if function.location.file and function.location.file.name == self.path:
                counts.functions += 1
                self.function(function, counts)
        return counts

    def function(self, function: Any, counts: Counts) -> None:
        cursors = list(function.walk_preorder())
        results = self.results(cursors)
        for cursor in cursors:
            if cursor.kind == CursorKind.CALL_EXPR:
                self.call(cursor, function, counts)
            elif self.tests_a_result(cursor, results):
                counts.checks += 1

    def call(self, cursor: Any, function: Any, counts: Counts) -> None:
        callee = cursor.referenced
        if callee is None or callee.kind != CursorKind.FUNCTION_DECL:
            return
        name = callee.spelling
        if not self.is_outside(callee):
            return
        counts.calls.add(name)
        counts.places += 1
        if SETTER.search(name):
            counts.options |= self.option(cursor, function)

    def is_outside(self, callee: Any) -> bool:
        """Whether it is a call of a messaging library, or one of the C library's for sockets."""
        if callee.location.file is None:
            return False
        header = resolved(callee.location.file.name)
        if SOCKET_HEADER.search(header):
            return True
        if header.endswith("/unistd.h"):
            return callee.spelling in SOCKET_CALLS
        own = any(header.startswith(f"{panels.ROOT}/{folder}/") for folder in own_folders())
        system = header in c_library() or "/lib/" in header or "/mingw-w64/" in header
        return not (own or system or header == self.path)

    def option(self, call: Any, function: Any) -> set[str]:
        """The option that a call sets;
        if that is a parameter of the function, what callers give."""
        index = 2 if call.spelling in ("setsockopt", "nn_setsockopt") else 1
        name = self.argument(call, index)
        parameters = [parameter.spelling for parameter in function.get_arguments()]
        if name not in parameters:
            return {name}
        index = parameters.index(name)
        below = (c for definition in self.definitions for c in definition.walk_preorder())
        callers = (
            c for c in below if c.kind == CursorKind.CALL_EXPR and c.spelling == function.spelling
        )
        return {self.argument(c, index) for c in callers}

    def argument(self, call: Any, index: int) -> str:
        """The first word of an argument."""
        arguments = list(call.get_arguments())
        i = self.at.get(arguments[index].extent.start.offset) if index < len(arguments) else None
        return "(unknown)" if i is None else str(self.tokens[i][1])

    def words(self, cursor: Any) -> list[str]:
        """The tokens of a piece of code."""
        return self.between(cursor.extent.start.offset, cursor.extent.end.offset)

    def between(self, start: int, end: int) -> list[str]:
        first, last = bisect_left(self.offsets, start), bisect_left(self.offsets, end)
        return [text for _, text in self.tokens[first:last]]

    def results(self, cursors: list[Any]) -> set[str]:
        """What the results of calls are put in, in one function."""
        found = set()
        for cursor in cursors:
            if cursor.kind == CursorKind.VAR_DECL:
                children = list(cursor.get_children())
                if children and bare(children[-1]).kind == CursorKind.CALL_EXPR:
                    found.add(cursor.spelling)
            elif cursor.kind == CursorKind.BINARY_OPERATOR:
                left, operator, right = self.operands(cursor)
                if operator == "=" and bare(right).kind == CursorKind.CALL_EXPR:
                    found.add("".join(self.words(left)))
        return found

    def operands(self, cursor: Any) -> tuple[Any, str, Any]:
        left, right = list(cursor.get_children())
        between = self.between(left.extent.end.offset, right.extent.start.offset)
        operator = [text for text in between if text not in "()"]
        return left, operator[0] if operator else "", right

    def tests_a_result(self, cursor: Any, results: set[str]) -> bool:
        """Whether it asks if a call has failed: by its sign, by -1, by a null pointer, by errno."""
        if cursor.kind == CursorKind.UNARY_OPERATOR:
            (child,) = cursor.get_children()
            is_pointer = bare(child).type.get_canonical().kind == TypeKind.POINTER
            return self.words(cursor)[:1] == ["!"] and is_pointer and self.is_result(child, results)
        if cursor.kind != CursorKind.BINARY_OPERATOR:
            return False
        left, operator, right = self.operands(cursor)
        if operator not in ("<", "<=", ">", ">=", "==", "!="):
            return False
        if self.words(left) == ["errno"]:
            return True
        against = "".join(self.words(right))
        if not self.is_result(left, results):
            return False
        signed = bare(left).type.get_canonical().kind in SIGNED
        if operator in ("==", "!="):
            return against in ("-1", "NULL")
        return against == "0" and signed

    def is_result(self, cursor: Any, results: set[str]) -> bool:
        inner = bare(cursor)
        return (
            inner.kind == CursorKind.CALL_EXPR
            or "".join(self.words(inner)) in results
            or self.assigns(inner)
        )

    def assigns(self, cursor: Any) -> bool:
        """(n = read(...)) < 0"""
        return cursor.kind == CursorKind.BINARY_OPERATOR and self.operands(cursor)[1] == "="


def bare(cursor: Cursor) -> Any:
    """An expression without parentheses, casts and conversions around it."""
    around = (CursorKind.UNEXPOSED_EXPR, CursorKind.PAREN_EXPR, CursorKind.CSTYLE_CAST_EXPR)
    while cursor.kind in around:
        children = list(cursor.get_children())
        if not children:
            break
        cursor = children[-1]
    return cursor


@cache
def own_folders() -> list[str]:
    return ["common", "template", *dict.fromkeys(panel.folder for panel in panels.read_panels())]
