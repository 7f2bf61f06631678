"""A failed test in plain words: what was done, what was expected, what came.

The first two stand at the test (`@pytest.mark.says`). The third is made here, from the exception,
the values that the assertion compared, and the last answer of a driver.
"""

from __future__ import annotations

import ast
import re
import signal
import time
from collections.abc import Iterable
from typing import Any

from harness.program import STEP_SECONDS, Driver, Event, Failed

FUNCTIONS = {
    "send": {"req": "req_send", "rep": "rep_send", "pub": "pub_send"},
    "recv": {"req": "req_recv", "rep": "rep_recv", "sub": "sub_recv"},
    "close": {role: f"{role}_close" for role in ("req", "rep", "pub", "sub")},
    "subscribe": {"sub": "sub_subscribe"},
    "unsubscribe": {"sub": "sub_unsubscribe"},
    "idle": {"pub": "pub_idle"},
    "echo": {"rep": "rep_recv or rep_send"},
    "lengths": {"req": "req_send or req_recv"},
    "busy": {"req": "req_send or req_recv"},
    "burst": {"pub": "pub_send"},
    "collect": {"sub": "sub_recv"},
    "until": {"sub": "sub_recv"},
}
WORKERS = {"rep": "the server", "req": "a client", "pub": "the publisher", "sub": "a subscriber"}
LONGEST = 220  # characters of what came
RELATIONS = {"<": "less than", "<=": "at most", ">": "more than", ">=": "at least"}


class NotDone(BaseException):
    """A test has taken too long. No test's `except` clause takes it for its own."""


class Witness(Driver):
    """A driver that remembers what it was asked and what it answered, for the sentence."""

    def __init__(self, command: Iterable[object], name: str = "", **popen: Any):
        super().__init__(command, name, **popen)
        self.role = ""  # of the handle opened last
        self.begun: list[str] = []  # commands without an answer, oldest first
        self.answered = (0.0, "")  # when it answered last, and what, in words

    def begin(self, command: str) -> None:
        super().begin(command)
        self.begun.append(command)
        if command.startswith("open "):
            self.role = command.split()[1]
            self.name = WORKERS.get(self.role, self.name)

    def note(self, line: bytes) -> Event:
        said = super().note(line)
        command = self.begun.pop(0) if self.begun else ""
        self.answered = (time.monotonic(), answer(said, call(command, self.role)))
        return said

    def must(self, command: str, seconds: float = STEP_SECONDS) -> Event:
        said = self.call(command, seconds)
        if said["result"] < 0:
            raise Failed(self.answered[1])
        return said

    def silent(self, what: str, seconds: float) -> Failed:
        if self.running and self.begun:
            return Failed(f"{call(self.begun[0], self.role)} did not return within {seconds:g} s")
        return super().silent(what, seconds)


def says(item: Any) -> tuple[str, str]:
    """What a test does and expects, its parameters filled in."""
    marker = item.get_closest_marker("says")
    if not marker:
        return item.name, "success"
    params = dict(item.callspec.params)
    case = item.callspec.id
    for known in (params.pop("panel", ""), params.pop("transport", "")):
        case = case.replace(str(known), "", 1)
    words = {name: plain(value) for name, value in params.items()}
    words["case"] = case.strip("-").replace("-", " ")
    done, expected = (text.format_map(words) for text in marker.args)
    return done, expected


def plain(value: Any) -> str:
    """A test's parameter: a function's name, a signal's, or the value itself."""
    if isinstance(value, signal.Signals):
        return value.name
    return str(getattr(value, "__name__", value)).replace("_", " ").replace("-", " ")


def came(info: Any, compared: tuple[str, Any, Any] | None, stage: Any) -> str:
    """What came instead of what was expected, on one line."""
    programs = stage.programs if stage else []
    text = message(info, compared, programs)
    for program in programs:
        died = not program.running and program.process.returncode < 0
        if died and program.process.returncode != -signal.SIGKILL and "SIG" not in text:
            text += f"; {program.name} had {program.end()}"
            break
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def message(info: Any, compared: tuple[str, Any, Any] | None, programs: list[Any]) -> str:
    error = info.value
    statement = str(info.traceback[-1].statement) if info.traceback else ""
    text = str(error)
    if isinstance(error, NotDone):
        waiting = [call(p.begun[0], p.role) for p in drivers(programs) if p.begun]
        return text + (f"; {waiting[-1]} had not returned" if waiting else "")
    if isinstance(error, Failed):
        return failure(text)
    if isinstance(error, AssertionError):
        return assertion(text, statement, compared, programs)
    if isinstance(error, TimeoutError):
        return "nothing for 5 s"
    if isinstance(error, ConnectionError):
        return f"the connection failed: {text[:1].lower()}{text[1:]}"
    if isinstance(error, KeyError) and last(programs):
        return last(programs)
    if isinstance(error, ValueError) and "Expecting" in text or "JSON" in type(error).__name__:
        return "a line that is not JSON"
    if isinstance(error, IndexError):
        return "a program ended and had said nothing" + complaint(programs)
    return f"{type(error).__name__}: {text}"


def drivers(programs: list[Any]) -> list[Any]:
    return [p for p in programs if hasattr(p, "begun")]


def call(command: str, role: str) -> str:
    """A driver's command as the function of pattern.h that it calls."""
    word, *rest = command.split() or [command]
    if word == "open" and rest:
        return f"{rest[0]}_open"
    return FUNCTIONS.get(word, {}).get(role, word)


def failure(text: str) -> str:
    """What the harness raises is a sentence already; a few become shorter."""
    text = re.sub(r": <function .*", "", text)
    text = re.sub(r"got nothing of .* within", "got no event within", text)
    text = re.sub(r" and has not said (a )?\w+", "", text)
    text = re.sub(r"has not said (?:a )?(\w+) within", r"reported no \1 within", text)
    return re.sub(r"\((?:[\w-]+: )(.*)\)$", r"(\1)", text)


def without_name(line: str) -> str:
    """A program's complaint without its own name."""
    return re.sub(r"^[\w-]+: ", "", line)


def complaint(programs: list[Any]) -> str:
    """What a program that failed said last."""
    failed = [p for p in programs if not p.running and p.process.returncode]
    said = failed[-1].complaint if failed else ""
    return f" ({without_name(said)})" if said else ""


def seconds(us: float) -> str:
    if us >= 950_000:
        return f"{us / 1e6:.1f} s"
    return f"{us / 1e3:.0f} ms" if us >= 1000 else f"{us} us"


def answer(line: dict[str, Any], function: str) -> str:
    """A driver's JSON line as a sentence."""
    if "result" not in line:
        return str(line)
    after = f" after {seconds(line['us'])}" if "us" in line else ""
    if line.get("command") == "lengths" and line["result"] <= 0:
        why = f"failed with {line['errno']}" if line.get("errno") else "a reply that differs"
        return f"{why}, at {line['last']} bytes{after}"
    if line["result"] < 0:
        return f"{function} failed with {line.get('errno', 'no errno')}{after}"
    if "wrong" in line:
        wrong = f", {line['wrong']} of them wrong" if line["wrong"] else ""
        failed = f", and {line['failed']} failed" if line.get("failed") else ""
        return f"{line['result']} answers{wrong}{failed}"
    if "ordered" in line:
        stopped = f", then {line['stopped']}" if line.get("stopped") else ""
        return f"{line['result']} events{stopped}" + ("" if line["ordered"] else ", not in order")
    if "text" in line:
        short = line["text"].isprintable() and len(line["text"]) < 40
        text = show(line["text"]) if short else f"{line['result']} bytes"
        return f"{function} returned {text}"
    return f"{function} " + (f"returned {line['result']}" if line["result"] else "succeeded")


def last(programs: list[Any]) -> str:
    """The answer that a driver gave last."""
    return max((p.answered for p in drivers(programs)), default=(0.0, ""))[1]


def in_words(text: str, role: str) -> str:
    """A message of a test: `recv: {'result': -1, ...}` becomes a sentence."""

    def sentence(match: re.Match[str]) -> str:
        try:
            line = ast.literal_eval(match[2])
        except (ValueError, SyntaxError):
            return match[0]
        function = call(match[1].rstrip(": ") or "recv", role) if match[1] else "the call"
        return answer(line, function)

    return re.sub(r"^([^{}]*: )?(\{'[^{}]*\})", sentence, text, count=1)


def messages(left: Any, right: Any) -> bool:
    """Whether one is text and the other is not: the reply to an earlier request, as a rule."""
    texts = isinstance(left, str) and isinstance(right, str)
    return texts and left.isprintable() != right.isprintable()


def show(value: Any) -> str:
    """A value, short."""
    if value is None:
        return "nothing"
    if isinstance(value, tuple):
        return ", ".join(show(one) for one in value)
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, str) and not value.isprintable():
        return f"{len(value.encode())} bytes that are no text"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def assertion(
    text: str, statement: str, compared: tuple[str, Any, Any] | None, programs: list[Any]
) -> str:
    first = text.partition("\nassert ")[0] if "\nassert " in text else ""
    if first.startswith("ask "):  # others_are_answered(): which one
        asked, _, line = first.partition(": ")
        return f"no answer to {asked}: " + in_words(line, "req").replace("the call", "req_recv")
    if ".asked(" in statement or "interrupted(" in statement:
        return last(programs) or "no answer"
    if compared is None:
        if re.search(r"assert not .*exists\(\)", statement) or "exists" in text:
            return "the file was still there"
        return in_words(first, "") or last(programs) or (text.splitlines() or ["something else"])[0]
    op, left, right = compared
    if "code" in statement and isinstance(left, int) and op == "==":
        ended = [p for p in programs if not p.running and p.process.returncode == left]
        end = f"{ended[-1].name} {ended[-1].end()}" if ended else f"a program ended with {left}"
        return end + complaint(programs)
    numbers = all(isinstance(one, (int, float)) for one in (left, right))
    if numbers and op in RELATIONS:
        if '["result"]' in statement and right == 0 and last(programs):
            return last(programs)
        if "us" in statement or "waits" in statement:
            left, right = seconds(left), seconds(right)
        elif "took" in statement or "time" in statement:
            left, right = seconds(left * 1e6), seconds(right * 1e6)
        elif "memory" in statement or "peak" in statement:
            left, right = f"{left / 1024:.0f} MiB more memory", f"{right / 1024:.0f} MiB"
        return f"{show_plain(left)}, not {RELATIONS[op]} {show_plain(right)}"
    if op == "==" and '["result"]' in statement and isinstance(left, int) and left <= 0:
        return last(programs)
    if isinstance(left, tuple) and '["result"]' in statement:
        return last(programs)
    if isinstance(left, list) and isinstance(right, list) and left and right:
        for place, (one, other) in enumerate(zip(left, right), 1):
            if one != other:
                return f"number {place} was {show(one)}; expected {show(other)}"
        return f"{len(left)} of them; expected {len(right)}"
    if op == "==":
        other = "another message: " if messages(left, right) else ""
        expected = f"; expected {show(right)}" if right != [] else ""
        return f"got {other}{show(left)}{expected}"
    return f"got {show(left)}, which is not {op} {show(right)}"


def show_plain(value: Any) -> str:
    return value if isinstance(value, str) else show(value)
