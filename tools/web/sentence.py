"""A sentence as HTML: addresses, experiments and what a page shows are links;
clauses and terms say what they mean, and lead to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlencode

from markupsafe import Markup, escape

from check.clauses import CLAUSES
from compare.glossary import terms, terms_in
from harness.command import PATTERNS
from harness.panels import read_panels
from lab.search import entry


def explained(kind: str, name: str, shown: str, says: str) -> Markup:
    """A word that says what it means, and leads to its entry of the page Reference."""
    link = Markup('<a class="means {0}" href="{1}#{2}" data-keep="look big" title="{3}">{4}</a>')
    address = entry(kind, name)
    return link.format(kind, address, address[1:], f"{says[0].upper()}{says[1:]}.", shown)


def clause(name: str) -> Markup:
    """The number of a clause, which says what it promises."""
    return explained("clause", name, name, f"{name}: {CLAUSES[name].title}")


def term(name: str, shown: str = "") -> Markup:
    return explained("term", name, shown or name, f"{name}: {terms()[name].says}")


ADDRESS = r"(?P<address>https://[^\s<>\"]*[^\s<>\".,;:)])"
# A verb that a page shows, with its words: not the options that a page does not have
COMMAND = r"(?P<command>\./triptych (?:wire|diff)\b(?: (?:--(?:ipc|function \w+)|\w[\w-]*))*)"
WORDS = re.compile(
    rf"{ADDRESS}|{COMMAND}|\b(?P<lab>lab [a-z][\w-]+)"
    r"|(?<![\w/-])(?P<clause>[RP]\d\d?)(?![\w-])"
)


def shown_by(command: str) -> tuple[str, str]:
    """The part of "./triptych wire reqrep zmq shows" that is a command, and the page for it."""
    verb, *words = command.split()[1:]
    known = {panel.name for panel in read_panels()}
    taken: list[str] = []
    query: dict[str, str] = {}
    named: list[str] = []
    while words:
        if words[0] in PATTERNS:
            query["pattern"] = words[0]
        elif words[0] in known:
            named.append(words[0])
        elif words[0] == "--ipc":
            query["transport"] = "ipc"
        elif words[0] == "--function":
            query["function"] = words[1]
            taken.append(words.pop(0))
        else:
            break
        taken.append(words.pop(0))
    if named:
        query["panels"] = " ".join(named)
    text = " ".join(["./triptych", verb, *taken])
    return text, "/" + ("wire" if verb == "wire" else "read") + "?" * bool(query) + urlencode(query)


def linked(text: str, experiments: Iterable[str] = ()) -> Markup:
    """The sentence; "lab NAME" leads to one of these experiments."""
    names = set(experiments)
    found: list[tuple[int, int, Markup]] = []
    for match in WORDS.finditer(text):
        kind, word = str(match.lastgroup), match[0]
        if kind == "address":
            link = Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(word)
        elif kind == "command":
            word, page = shown_by(word)
            link = Markup('<a href="{}" data-keep="look big"><code>{}</code></a>').format(
                page, word
            )
        elif kind == "lab" and word[4:] in names:
            link = Markup('<a href="/lab?experiment={}" data-keep="look big">{}</a>').format(
                word[4:], word
            )
        elif kind == "clause" and word in CLAUSES:
            link = clause(word)
        else:
            continue
        found.append((match.start(), match.start() + len(word), link))
    for start, end, name in terms_in(text):
        if not any(a < end and start < b for a, b, _ in found):
            found.append((start, end, term(name, text[start:end])))
    parts: list[Markup] = []
    at = 0
    for start, end, link in sorted(found):
        parts += [escape(text[at:start]), link]
        at = end
    return Markup("").join([*parts, escape(text[at:])])
