"""What a run is to be: read from what a page asks, and bounded.

Nothing here becomes a command of a shell, a path or an option: names are looked up, numbers have
limits, and texts and topics stand behind the options that take them.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from harness.command import PATTERNS
from harness.panels import Panel, read_panels
from web.page import Refused

PANELS_MOST = 4
PEERS_MOST = 4
TEXTS_MOST = 16
TEXT_MOST = 1024  # characters
TOPIC_MOST = 255  # bytes, as in the contract
SIZE_MOST = 1 << 16
RATE_MOST = 20000
QUEUE_MOST = 100000
TIME_MOST = 60000  # ms

PEERS_LEAST = 1
TIMEOUT_LEAST = 10  # ms

TRANSPORTS = ("tcp", "ipc")

# What the form calls the settings that a reader fills in.
LABELS = {
    "peers": "Clients or subscribers", "rate": "Messages a second", "size": "Bytes",
    "texts": "Texts", "topics": "Topics", "prefixes": "Prefixes", "queue": "Queue",
    "work": "The server works", "timeout": "The client waits", "join": "The publisher waits",
}  # fmt: skip

Json = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    panels: tuple[str, ...] = ("raw", "zmq")
    pattern: str = "reqrep"
    transport: str = "tcp"  # or ipc, where a panel speaks it
    peers: int = 1  # clients or subscribers of each panel
    texts: tuple[str, ...] = ("hello",)
    topics: tuple[str, ...] = ("oslo.temp", "rome.temp")
    prefixes: tuple[str, ...] = ("",)  # of the subscribers in turn
    rate: int = 2  # messages a second; 0: by hand
    size: int = 0  # a text is filled up to so many bytes
    queue: int = 1000
    work: int = 0  # ms that the server works on a request
    timeout: int = 2000  # ms that a client waits
    join: int = 1000  # ms that the publisher waits for its subscribers

    def json(self) -> Json:
        return asdict(self)

    def chosen(self) -> list[Panel]:
        known = {panel.name: panel for panel in read_panels()}
        return [known[name] for name in self.panels]

    def bodies(self, who: str) -> list[str]:
        """The texts of one sender. With several clients each says who it is: their requests would
        look alike otherwise."""
        own = [f"{who}: {text}" if who else text for text in self.texts]
        return [text + "." * (self.size - len(text.encode())) for text in own]


LETTERS = "ABCD"


def role_names(settings: Settings) -> list[str]:
    """The roles of each panel: the server first, then those who come to it."""
    server, peer = ("rep", "req") if settings.pattern == "reqrep" else ("pub", "sub")
    letters = LETTERS[: settings.peers] if settings.peers > 1 else [""]
    return [server, *(f"{peer} {letter}".strip() for letter in letters)]


def number(asked: Json, name: str, least: int, most: int, default: int) -> int:
    value = asked.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Refused(f"{LABELS[name]}: a number from {least} to {most}")
    return value


def texts(asked: Json, name: str, most: int, default: tuple[str, ...]) -> tuple[str, ...]:
    value = asked.get(name, default)
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise Refused(f"{LABELS.get(name, name)}: a list of texts")
    if not 1 <= len(value) <= most:
        raise Refused(f"{LABELS.get(name, name)}: 1 to {most} of them")
    return tuple(value)


def read_settings(asked: Json) -> Settings:
    """The settings that a page asks for. Raises Refused with a sentence where one is wrong."""
    default = Settings()
    if not isinstance(asked, dict):
        raise Refused("settings: a JSON object")
    unknown = set(asked) - set(default.json())
    if unknown:
        raise Refused(f"there is no setting {sorted(unknown)[0]!r}")
    pattern = asked.get("pattern", default.pattern)
    if pattern not in PATTERNS:
        raise Refused(f"pattern: one of {', '.join(PATTERNS)}")
    transport = asked.get("transport", default.transport)
    if transport not in TRANSPORTS:
        raise Refused(f"transport: one of {', '.join(TRANSPORTS)}")
    settings = Settings(
        panels=texts(asked, "panels", PANELS_MOST, default.panels),
        pattern=pattern,
        transport=transport,
        peers=number(asked, "peers", PEERS_LEAST, PEERS_MOST, default.peers),
        texts=texts(asked, "texts", TEXTS_MOST, default.texts),
        topics=texts(asked, "topics", TEXTS_MOST, default.topics),
        prefixes=texts(asked, "prefixes", PEERS_MOST, default.prefixes),
        rate=number(asked, "rate", 0, RATE_MOST, default.rate),
        size=number(asked, "size", 0, SIZE_MOST, default.size),
        queue=number(asked, "queue", 0, QUEUE_MOST, default.queue),
        work=number(asked, "work", 0, TIME_MOST, default.work),
        timeout=number(asked, "timeout", TIMEOUT_LEAST, TIME_MOST, default.timeout),
        join=number(asked, "join", 0, TIME_MOST, default.join),
    )
    known = {panel.name: panel for panel in read_panels()}
    for name in settings.panels:
        if name not in known:
            raise Refused(f"there is no panel {name!r}")
        if not known[name].built:
            raise Refused(f"the panel {name} cannot be run: {known[name].left_out()}")
    if len(set(settings.panels)) != len(settings.panels):
        raise Refused("each panel once")
    check_texts(settings)
    return settings


LISTS = ("panels", "texts", "topics", "prefixes")


def of_form(fields: Json) -> Json:
    """What a form or an address says: numbers as digits, lists one a line.
    What is empty is absent."""
    asked: Json = {}
    for name, default in Settings().json().items():
        value = fields.get(name)
        if not isinstance(value, str) or (value == "" and name != "prefixes"):
            continue
        if name in LISTS:
            asked[name] = value.replace("\r", "").split("\n")
        elif isinstance(default, int):
            asked[name] = int(value) if re.fullmatch(r"[0-9]{1,9}", value) else value
        else:
            asked[name] = value
    return asked


def to_form(settings: Json) -> dict[str, str]:
    """The same, the other way."""
    return {
        name: "\n".join(value) if name in LISTS else str(value) for name, value in settings.items()
    }


def check_texts(settings: Settings) -> None:
    for text in settings.texts:
        check_text(text)
        if text == "-":
            raise Refused(
                "a text - would mean the program's input: choose another, or send by hand"
            )
    for name, list_of in (("topics", settings.topics), ("prefixes", settings.prefixes)):
        for text in list_of:
            if len(encoded(text)) > TOPIC_MOST or "\0" in text:
                raise Refused(f"{LABELS[name]}: at most {TOPIC_MOST} bytes each, and no NUL")


def check_text(text: str) -> None:
    """What becomes an argument or a line of a program's input."""
    if len(text) > TEXT_MOST:
        raise Refused(f"a text has at most {TEXT_MOST} characters")
    if "\0" in text or "\n" in text:
        raise Refused("a text is one line, without NUL")
    encoded(text)


def encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Refused("a text is valid Unicode") from None
