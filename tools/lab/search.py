"""Searching by words: which experiment, clause or step answers a question.

Each is a Find: some texts with weights, and the command that shows it. What matches most of the
words asked for comes first; of those, what has rare words in its question rather than elsewhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from check.clauses import texts
from harness.panels import ROOT, Panel, read_panels

from lab.experiments import Experiment

MOST = 8  # finds that are shown
TITLE, BEGINNERS, QUESTION, TEXT = 5.0, 4.0, 3.0, 1.0  # how much a word there counts

# Words of a question that say nothing of what it is about.
EMPTY = frozenset(
    "a about all an and any are as at be before but by can cannot come could did do does doing for "
    "from get gets had happen happens has have how i if in into is it its lab may me mean my no not "
    "of off on one or our out say says should so some tell than that the their them then there they "
    "this to up use was we were what when where which who whose why will with would you your".split()
)


@dataclass
class Find:
    """Something that may answer: what it is called, what it says, and the command."""

    name: str  # "lab slow-joiner", "clause R5", "step raw-2"
    says: str
    command: str
    weights: dict[str, float] = field(default_factory=dict)  # by stem

    def add(self, text: str, weight: float) -> Find:
        for word in stems(text):
            self.weights[word] = max(self.weights.get(word, 0.0), weight)
        return self


def stem(word: str) -> str:
    """A word without its ending: filters, filtered and filtering are one."""
    for ending in ("ing", "ied", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + ("y" if ending in ("ied", "ies") else "")
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":  # dropped: dropp
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def stems(text: str) -> list[str]:
    return [stem(word) for word in re.findall(r"[a-z0-9]+", text.lower())]


def wanted(words: Iterable[str]) -> list[str]:
    """What is asked for, each word once: without empty words, unless there are no others."""
    said = re.findall(r"[a-z0-9]+", " ".join(words).lower())
    telling = [word for word in said if word not in EMPTY]
    return list(dict.fromkeys(map(stem, telling or said)))


def search(words: Iterable[str], finds: list[Find]) -> list[Find]:
    """The finds that match, best first."""
    asked = wanted(words)
    among = {word: sum(word in find.weights for find in finds) for word in asked}
    rank: dict[str, tuple[int, float]] = {}
    for find in finds:
        hits = [word for word in asked if word in find.weights]
        rare = sum(find.weights[w] * math.log(1 + len(finds) / among[w]) for w in hits)
        rank[find.name] = (len(hits), rare)
    matching = [find for find in finds if rank[find.name][0]]
    most = max((rank[find.name][0] for find in matching), default=0)
    enough = [find for find in matching if rank[find.name][0] > most / 2]
    return sorted(enough, key=lambda find: rank[find.name], reverse=True)[:MOST]


def everything(experiments: list[Experiment]) -> list[Find]:
    return [*map(of_experiment, experiments), *clauses(), *steps(read_panels())]


def of_experiment(experiment: Experiment) -> Find:
    find = Find(f"lab {experiment.name}", experiment.question, f"./triptych lab {experiment.name}")
    find.add(experiment.name.replace("-", " "), TITLE).add(experiment.find, BEGINNERS)
    find.add(experiment.question, QUESTION)
    return find.add(" ".join([experiment.explanation, *experiment.predict]), TEXT)


def clauses() -> list[Find]:
    """Each clause of the contract."""
    finds = []
    for name, says in texts().items():
        find = Find(f"clause {name}", first_sentences(says), f"less +/{name} common/CONTRACT.md")
        finds.append(find.add(name, TITLE).add(says, QUESTION))
    return finds


def steps(panels: list[Panel]) -> list[Find]:
    """The steps on the way to a panel, by the comments at the head of their files."""
    finds = []
    last: dict[str, str] = {}  # by the folder of folders: the step before
    for panel in panels:
        if panel.kind != "step":
            continue
        way = str(Path(panel.folder).parent)
        before = last.get(way)
        last[way] = panel.name
        files = [ROOT / panel.folder / f"{name}.c" for name in ("reqrep", "pubsub")]
        show = f"less {panel.folder}/reqrep.c"
        if before:
            show = f"./triptych diff {before} {panel.name}"
        heads = [*head(files[0]), *head(files[1])]
        says = first_sentences(heads[0] if heads else panel.heading)
        find = Find(f"step {panel.name}", says, show).add(panel.name, TITLE)
        finds.append(find.add(" ".join([panel.heading, *heads]), QUESTION))
    for path in sorted((ROOT / "raw" / "steps" / "0-echo").glob("*_server.c")):
        name, heads = path.stem.replace("_", " "), head(path) or [path.name]
        find = Find(f"step 0, {name}", first_sentences(heads[0]), f"less {path.relative_to(ROOT)}")
        finds.append(find.add(f"{name} echo", TITLE).add(" ".join(heads), QUESTION))
    return finds


def head(path: Path) -> list[str]:
    """The paragraphs of the comment at the top of a C file."""
    try:
        text = path.read_text("utf-8")
    except OSError:
        return []
    found = re.match(r"\s*/\*(.*?)\*/", text, re.S)
    body = re.sub(r"(?m)^ ?\* ?", "", found[1]) if found else ""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", body) if part.strip()]


def first_sentences(text: str, most: int = 160) -> str:
    """Whole sentences from the start, as many as there is room for; at least one."""
    sentences = re.split(r"(?<=[.?!]) +(?=[A-Z])", text)
    said = sentences[0]
    for sentence in sentences[1:]:
        if len(said) + 1 + len(sentence) > most:
            break
        said += f" {sentence}"
    return said
