"""Searching by words: which experiment, clause, step, term or verb answers. finds.py has them all.

Each is a Find: some texts with weights, and the command that shows it. What matches most of the
words asked for comes first; of those, what is called so, and then what has rare words in its
question rather than elsewhere.

The page ranks by the same rule, on the same index: tools/web/static/search.js.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MOST = 8  # finds that are shown
FAR = 0.2  # what has less than this share of the best one's score is left out
TITLE, BEGINNERS, QUESTION, TEXT = 5.0, 4.0, 3.0, 1.0  # how much a word there counts
BEGINNING = 3  # letters from which on a word that nobody uses is taken for the beginning of others

# Words of a question that say nothing of what it is about.
EMPTY = frozenset(
    "a about after all also always am an and another any are as at be been "
    "before being between both but by can cannot come could did difference do does doing done each "
    "either else ever every explain few for from get gets give given gives go goes good had happen "
    "happens has have having here how i if in instead into is it its just kind know lab let like "
    "look looks lot made make makes may me mean means might more most much must my need needs "
    "never no not now of off on one only or other our out over please question really run running "
    "runs s same say says see should show so some still such t take takes tell than that the their "
    "them then there these they thing things this those to too up us use used uses using very want "
    "wants was way we well were what when where whether "
    "which while who whose why will with without work working works would you your".split()
)


@dataclass
class Find:
    """Something that may answer: what it is called, what it says, and the command."""

    name: str  # "lab slow-joiner", "clause R5", "step raw-2"
    says: str
    command: str
    text: str = ""  # all of it, where it is prose that can be quoted
    place: str = ""  # the address of the page that shows it; empty: none does
    code: str = ""  # of a function: its declaration; of a verb: its help
    clauses: list[str] = field(default_factory=list)  # that it serves
    experiment: str = ""  # that shows it
    weights: dict[str, float] = field(default_factory=dict)  # by stem

    @property
    def title(self) -> str:
        """Its name without the kind."""
        return re.sub(r"^\w+( 0,)? ", "", self.name)

    def add(self, text: str, weight: float) -> Find:
        for word in stems(text):
            self.weights[word] = max(self.weights.get(word, 0.0), weight)
        return self

    def as_json(self) -> dict[str, Any]:
        """As finds.schema.json describes."""
        return {"kind": self.name.partition(" ")[0], "title": self.title, **vars(self)}


def entry(kind: str, name: str) -> str:
    """The address of what the page Reference explains: a term, a clause, a call ..."""
    return f"/reference?at={kind}-{re.sub('[^A-Za-z0-9_]+', '-', name)}"


def stem(word: str) -> str:
    """A word without its ending: filters, filtered and filtering are one."""
    for ending in ("ing", "ied", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + ("y" if ending in ("ied", "ies") else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":  # dropped: dropp
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", re.sub(r"\btime[- ]out", "timeout", text.lower()))


def stems(text: str) -> list[str]:
    return [stem(word) for word in words_of(text)]


def wanted(words: Iterable[str]) -> list[str]:
    """What is asked for, each word once: without empty words, unless there are no others."""
    said = words_of(re.sub(r"\bhow (many|much|long|often)\b", "", " ".join(words).lower()))
    telling = [word for word in said if word not in EMPTY]
    return list(dict.fromkeys(map(stem, telling or said)))


def meant(word: str, known: set[str]) -> list[str]:
    """The stems that a stem may stand for: where nobody uses it, those that begin with it."""
    if word in known or len(word) < BEGINNING:
        return [word]
    return sorted(stem for stem in known if stem.startswith(word))


def stems_of(finds: list[Find]) -> set[str]:
    """All that somebody uses."""
    return {stem for find in finds for stem in find.weights}


def search(words: Iterable[str], finds: list[Find]) -> list[Find]:
    """The finds that match, best first."""
    known = stems_of(finds)
    named = wanted(words)
    asked = [meant(word, known) for word in named]
    weights = [
        [max((find.weights.get(s, 0.0) for s in stems), default=0.0) for stems in asked]
        for find in finds
    ]
    among = [sum(row[at] > 0 for row in weights) for at in range(len(asked))]
    rank: dict[str, tuple[int, bool, float]] = {}
    for find, row in zip(finds, weights):
        hits = [(weight, of) for weight, of in zip(row, among) if weight]
        rare = sum(weight * math.log(1 + len(finds) / of) for weight, of in hits)
        rank[find.name] = (len(hits), set(stems(find.title)) == set(named), rare)
    matching = [find for find in finds if rank[find.name][0]]
    most = max((rank[find.name][0] for find in matching), default=0)
    enough = [find for find in matching if rank[find.name][0] > most / 2]
    ranked = sorted(enough, key=lambda find: rank[find.name], reverse=True)[:MOST]
    # What has the words in passing says little where another is about them.
    return [find for find in ranked if rank[find.name][2] > rank[ranked[0].name][2] * FAR]


def excerpt(find: Find, words: Iterable[str]) -> str:
    """What a find says, and the sentence of it that has more of the words, if there is one."""
    asked = set(wanted(words))
    found = asked & set(stems(f"{find.name} {find.says}"))
    best = max(sentences(find.text), key=lambda s: len(asked & set(stems(s))), default="")
    if not asked & set(stems(best)) - found:
        return find.says
    return f"{find.says} ... {best}"


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.?!]) +(?=[A-Z])", text)


def first_sentences(text: str, most: int = 160) -> str:
    """Whole sentences from the start, as many as there is room for; at least one."""
    said, *others = sentences(text)
    for sentence in others:
        if len(said) + 1 + len(sentence) > most:
            break
        said += f" {sentence}"
    return said
