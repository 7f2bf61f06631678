"""A page without a server: its data, its answers, and its HTML."""

from __future__ import annotations

import html.parser
import re
from typing import Any

from web.stream import Stream

VOID = {"meta", "link", "input", "br", "img", "hr"}


class FakeSite:
    """What a page sees of the server. A verb answers with what was put in, or is run."""

    def __init__(self, **answers: Any):
        self.streams: dict[str, Stream] = {}
        self.state: dict[str, Any] = {}
        self.answers = answers  # by the verb's last name
        self.asked: list[tuple[str, ...]] = []

    async def verb(self, program: str, *words: str, seconds: float = 60.0) -> Any:
        from web import verbs

        self.asked.append((program, *words))
        name = program.rpartition(".")[2]
        if name in self.answers:
            answer = self.answers[name]
            return answer(*words) if callable(answer) else answer
        return await verbs.verb(program, *words, seconds=seconds)


    def fragment(self, template: str, **shown: Any) -> str:
        from web.render import fragment

        return fragment(template, **shown)


class Document(html.parser.HTMLParser):
    """The elements of a page, and what may not stand in one: handlers, styles, unclosed elements."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(text)
        self.wrong += [f"<{name}> is not closed" for name in self.open]
        names = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        self.wrong += [f"two elements have the id {name}" for name in {n for n in names if names.count(n) > 1}]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        self.wrong += [f"<{tag}> has {name}" for name in attributes if name.startswith("on") or name == "style"]
        if tag in ("script", "style") and "src" not in attributes and attributes.get("type") != "application/json":
            self.wrong.append(f"<{tag}> with its own text")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        else:
            self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in wanted.items())]

    def says(self, words: str) -> bool:
        return words in re.sub(r"\s+", " ", self.text)


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e"


def evil(of: Any) -> Any:
    """The same data, with markup in every text that is not a name which code relies on."""
    if isinstance(of, dict):
        kept = ("name", "theme", "status", "experiment", "panel", "mark", "file", "pattern", "part", "direction", "event", "hex")
        return {key: value if key in kept else evil(value) for key, value in of.items()}
    if isinstance(of, list):
        return [evil(value) for value in of]
    return of + EVIL if isinstance(of, str) and " " in of else of
