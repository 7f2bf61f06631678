"""What a page is: a line in the menu, a template, what the template shows, and what may be asked.

pages/NAME.py defines PAGE, pages/NAME.html is its template, static/NAME.js its script.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from web.stream import Stream

Json = Any
Query = Mapping[str, str]


class Refused(Exception):
    """What a page asked is not done; the text is a sentence for the reader."""


class Site(Protocol):
    """What the server offers to pages."""

    streams: dict[str, Stream]
    state: dict[str, Any]  # of a page, under its name
    quick: bool  # of a report: what takes long is left out

    async def verb(self, program: str, *words: str, seconds: float = 60.0) -> Json:
        """What a verb prints with --json: program is "compare.diff", words are its own."""

    @property
    def fragment(self) -> Callable[..., str]:
        """A template of pages/, filled in: fragment("reading.html", reading=...)."""


@dataclass(frozen=True)
class View:
    """A page with certain choices, as a report shows it: without a server."""

    query: dict[str, str]  # of its address
    # Name, question, answer
    answers: list[tuple[str, dict[str, Json], Json]] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)  # of the site's, that it listens to


async def first_view(site: Site) -> list[View]:
    return [View({})]


Views = Callable[[Site], Awaitable[list[View]]]
Data = Callable[[Site, Query], Awaitable[dict[str, Json]]]
Answer = Callable[[Site, dict[str, Json]], Awaitable[Json]]
Running = Callable[[Site], list[dict[str, Json]]]


@dataclass(frozen=True)
class Page:
    name: str  # of the address and the three files
    title: str  # in the menu
    about: str  # one sentence under the title
    find: str  # words of those who look for it and do not know its name
    styles: tuple[str, ...]  # of static/, beside those of every page
    data: Data  # for the template as `data`, and for the script: the same, as JSON
    answers: dict[str, Answer] = field(default_factory=dict)  # POST /NAME/ANSWER
    views: Views = first_view  # of a report: runs what it must
    close: Callable[[Site], None] = lambda site: None  # ends what the page has started
    running: Running = lambda site: []  # what goes on of it: text, address, and what to ask "stop"
