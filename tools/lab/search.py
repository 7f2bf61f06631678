"""Searching by words: which experiment, clause, step, verb or section of CHOOSING.md answers.

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
from check.kept import keeps_a_part
from harness.panels import ROOT, Panel, read_panels

from lab.experiments import Experiment

MOST = 8  # finds that are shown
FAR = 0.2  # what has less than this share of the best one's score is left out
TITLE, BEGINNERS, QUESTION, TEXT = 5.0, 4.0, 3.0, 1.0  # how much a word there counts

# Words of a question that say nothing of what it is about.
EMPTY = frozenset(
    "a about after all also always am an and another any are as at be been before being both but "
    "by can cannot come could did do does doing done each either else ever every explain few for "
    "from get gets give given gives go goes good had happen happens has have having here how i if "
    "in instead into is it its just kind know lab let like lot made make makes may me mean "
    "means might more most much must my need needs never no not now of off on one only or other "
    "our out over please question really s same say says see should show so some still such t "
    "take takes tell than that the their them then there these they thing things this those to "
    "too up us use used uses using very want wants was way we well were what when where whether "
    "which while who whose why will with without would you your".split()
)


@dataclass
class Find:
    """Something that may answer: what it is called, what it says, and the command."""

    name: str  # "lab slow-joiner", "clause R5", "step raw-2"
    says: str
    command: str
    text: str = ""  # all of it, where it is prose that can be quoted
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


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", re.sub(r"\btime[- ]out", "timeout", text.lower()))


def stems(text: str) -> list[str]:
    return [stem(word) for word in words_of(text)]


def wanted(words: Iterable[str]) -> list[str]:
    """What is asked for, each word once: without empty words, unless there are no others."""
    said = words_of(re.sub(r"\bhow (many|much|long|often)\b", "", " ".join(words).lower()))
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
    ranked = sorted(enough, key=lambda find: rank[find.name], reverse=True)[:MOST]
    # What has the words in passing says little where another is about them.
    return [find for find in ranked if rank[find.name][1] > rank[ranked[0].name][1] * FAR]


def excerpt(find: Find, words: Iterable[str]) -> str:
    """What a find says, and the sentence of it that has more of the words, if there is one."""
    asked = set(wanted(words))
    found = asked & set(stems(f"{find.name} {find.says}"))
    best = max(sentences(find.text), key=lambda s: len(asked & set(stems(s))), default="")
    if not asked & set(stems(best)) - found:
        return find.says
    return f"{find.says} ... {best}"


def everything(experiments: list[Experiment]) -> list[Find]:
    tree = [*clauses(), *steps(read_panels()), *verbs(), *sections()]
    return [*map(of_experiment, experiments), *tree]


def of_experiment(experiment: Experiment) -> Find:
    find = Find(f"lab {experiment.name}", experiment.question, f"./triptych lab {experiment.name}")
    find.add(experiment.name.replace("-", " "), TITLE).add(experiment.find, BEGINNERS)
    find.add(experiment.question, QUESTION)
    find.text = " ".join(experiment.explanation.split())
    return find.add(" ".join([find.text, *experiment.predict]), TEXT)


def clauses() -> list[Find]:
    """Each clause of the contract."""
    finds = []
    for name, says in texts().items():
        command = f"less +/{name} common/CONTRACT.md"
        find = Find(f"clause {name}", first_sentences(says), command, says)
        finds.append(find.add(name, TITLE).add(says, QUESTION))
    return finds


def steps(panels: list[Panel]) -> list[Find]:
    """The steps on the way to a panel, by the comments at the head of their files."""
    finds = []
    last: dict[str, str] = {}  # by the folder of folders: the step before
    for panel in panels:
        if not keeps_a_part(panel):
            continue
        way = str(Path(panel.folder).parent)
        before = last.get(way)
        last[way] = panel.name
        files = [ROOT / panel.folder / f"{name}.c" for name in ("reqrep", "pubsub")]
        show = f"less {panel.folder}/reqrep.c"
        if before:
            show = f"./triptych diff {before} {panel.name}"
        heads = [*head(files[0]), *head(files[1])]
        title = re.sub(r"^step \d+: ", "", panel.heading)
        says = " ".join([f"{title[0].upper()}{title[1:]}.", *map(first_sentences, heads[:1])])
        find = Find(f"step {panel.name}", says, show, " ".join(heads)).add(panel.name, TITLE)
        find.add("step steps", QUESTION)
        finds.append(find.add(" ".join([panel.heading, *heads]), QUESTION))
    for path in sorted((ROOT / "raw" / "steps" / "0-echo").glob("*_server.c")):
        name, heads = path.stem.replace("_", " "), head(path) or [path.name]
        find = Find(f"step 0, {name}", first_sentences(heads[0]), f"less {path.relative_to(ROOT)}")
        finds.append(find.add(f"{name} echo", TITLE).add(" ".join(heads), QUESTION))
    return finds


def verbs(launcher: Path = ROOT / "triptych") -> list[Find]:
    """The verbs of ./triptych, by its table and by their help."""
    finds = []
    text = launcher.read_text("utf-8")
    (table,) = re.findall(r"^table\(\) \{\n.*?\n(.*?)^TEXT$", text, re.M | re.S)
    for name, program, _, does in re.findall(r"^(\w+) +(\S+) +(\S+) +(.*)$", table, re.M):
        path = ROOT / "tools" / f"{program}.py"
        help_text = path.read_text("utf-8").split('"""')[1] if path.is_file() else ""
        find = Find(f"verb {name}", f"{does[0].upper()}{does[1:]}.", f"./triptych {name} --help")
        finds.append(find.add(name, TITLE).add(does, QUESTION).add(help_text, TEXT))
    return finds


def sections(path: Path = ROOT / "CHOOSING.md") -> list[Find]:
    """The sections of the page for whoever must choose."""
    finds = []
    parts = re.findall(r"^##+ ([\w' ]+)\n(.*?)(?=^##|\Z)", path.read_text("utf-8"), re.M | re.S)
    for title, text in parts:
        says = f"A section of {path.name}: {title}."
        find = Find(f"page {title}", says, f"less '+/# {title}' {path.name}")
        finds.append(find.add(title, QUESTION).add(text, TEXT))
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
