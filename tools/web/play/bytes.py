"""The bytes of one message, as they crossed the line: what build/decode says of its frame."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import panels
from harness.panels import Panel
from harness.program import dying

SHOWN = 4096  # bytes of one element
DECODE_SECONDS = 10.0
FRAMES_MOST = 4  # of one message: the same on its way to several subscribers
KINDS = {"request": 1, "reply": 2, "event": 3}

Element = dict[str, Any]


def decoded(panel: Panel, pattern: str, recording: Path) -> Iterator[Element]:
    """All elements of a recording, as the decoder names them."""
    command = [panels.BUILD / "decode", f"--{panel.hint(pattern)}", "--show", str(SHOWN), recording]
    with subprocess.Popen(
        dying(command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as decoder:
        limit = threading.Timer(DECODE_SECONDS, decoder.kill)
        limit.start()
        try:
            assert decoder.stdout
            for line in decoder.stdout:
                if not line.endswith(b"\n"):
                    break  # the limit has ended it in the middle of a line
                element = json.loads(line)
                if element.get("event") == "element":
                    yield element
        finally:
            decoder.kill()
            limit.cancel()


def frames(elements: Iterator[Element]) -> Iterator[list[Element]]:
    """The elements of one message after the other, with the framing that stands before it."""
    begun: dict[tuple[int, str], list[Element]] = {}
    for element in elements:
        way = element["connection"], element["direction"]
        frame = begun.setdefault(way, [])
        if frame and frame[0]["message"] != element.get("message"):
            yield list(frame)
            frame.clear()
        if element.get("message") is not None:
            frame.append(element)
    yield from (frame for frame in begun.values() if frame)


def named(frame: list[Element]) -> tuple[str, str, int, int] | None:
    """The kind, topic, sequence number and time of the message in a frame;
    None: the frame is no message."""
    values = {element["field"]: element for element in frame}
    code = values.get("message.kind", {}).get("value")
    kind = next((name for name, number in KINDS.items() if number == code), None)
    sequence = values.get("message.sequence", {}).get("value")
    sent = values.get("message.sent", {}).get("value")
    if kind is None or sequence is None or sent is None:
        return None
    return kind, values.get("message.topic", {}).get("text") or "", sequence, sent


def shown(frame: list[Element]) -> dict[str, Any]:
    """What a page shows of a frame."""
    kept = ("field", "part", "meaning", "hex", "length")
    return {
        "connection": frame[0]["connection"],
        "direction": frame[0]["direction"],
        "elements": [{name: one.get(name) for name in kept} for one in frame],
    }


def frames_of(
    panel: Panel, pattern: str, recording: Path, message: tuple[str, str, int, int]
) -> list[dict[str, Any]]:
    """The frames that held this message, the newest last: each subscriber gets one."""
    found = []
    for frame in frames(decoded(panel, pattern, recording)):
        if named(frame) == message:
            found.append(shown(frame))
    return found[-FRAMES_MOST:]
