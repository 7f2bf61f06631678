"""What can be found by words: experiments, clauses, steps, terms, calls, functions, verbs,
pages, stories."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

from check.clauses import CLAUSES, texts
from check.kept import keeps_a_part
from compare.glossary import Entry, glossary, terms
from harness.panels import ROOT, Panel, read_panels

from lab.experiments import Experiment
from lab.search import (
    BEGINNERS, BEGINNING, EMPTY, FAR, MOST, QUESTION, TEXT, TITLE, Find, entry, first_sentences,
)


# What is asked for in words that the thing itself does not use.
ASKED = {
    "verb bench": "fast slow speed quick quickest performance",
    "verb check": "test my server own grade",
    "verb new": "plug in plugin add own library language engine",
    "page How many subscribers one publisher serves": "subscribers scale scalability million "
        "thousands limit",
    "page Measurements": "fast faster fastest slow speed quick quickest performance",
    "step winsock": "windows microsoft wine",
    "web Price": "fast faster fastest",
    "web Wire": "wire",
    "page Play the roles by hand": "machine machines computer computers host hosts remote ssh",
    "page Troubleshooting": "windows wsl ubuntu mac macos container docker",
}
SECTIONS = {  # of documents, that are found and shown: all of them, or these
    "CHOOSING.md": (),
    "README.md": ("Play the roles by hand", "Troubleshooting"),
    "tools/bench/SCALE.md": (
        "How many subscribers one publisher serves",
        "A tree for 1,000,000 subscribers",
    ),
}


def everything(experiments: list[Experiment]) -> list[Find]:
    tree = [*clauses(), *steps(read_panels()), *verbs(), *sections(), *pages(), *stories()]
    for find in tree:
        find.add(ASKED.get(find.name, ""), TITLE)
    shown = [*map(of_experiment, experiments)]
    for find in shown:
        find.add(" ".join(what for what, row in programs() if find.command in row), TEXT)
    return [*shown, *tree, *words(), *functions()]


def index(experiments: list[Experiment]) -> dict[str, Any]:
    """All of it, and what a search goes by: as finds.schema.json describes."""
    finds = [find.as_json() for find in everything(experiments)]
    return {
        "most": MOST, "far": FAR, "beginning": BEGINNING, "empty": sorted(EMPTY), "finds": finds,
    }


def of_experiment(experiment: Experiment) -> Find:
    name = experiment.name
    find = Find(f"lab {name}", experiment.question, f"./triptych lab {name}")
    find.add(name.replace("-", " "), TITLE).add(experiment.find, BEGINNERS)
    find.add(experiment.question, QUESTION)
    find.text = " ".join(experiment.explanation.split())
    find.place = f"/lab?experiment={name}"
    return find.add(" ".join([find.text, *experiment.predict]), TEXT)


@cache
def programs() -> list[tuple[str, set[str]]]:
    """What people write, as CHOOSING.md has it, and the commands that it names for each."""
    text = (
        (ROOT / "CHOOSING.md")
        .read_text("utf-8")
        .partition("\n## If you write")[2]
        .partition("\n## ")[0]
    )
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", text, re.M)
    return [(what, set(re.findall(r"`([^`]+)`", rest))) for what, rest in rows]


def clauses() -> list[Find]:
    """Each clause of the contract."""
    finds = []
    for name, says in texts().items():
        command = f"less +/{name} common/CONTRACT.md"
        find = Find(f"clause {name}", first_sentences(says), command, says, entry("clause", name))
        find.experiment = CLAUSES[name].experiment
        finds.append(find.add(name, TITLE).add(f"{CLAUSES[name].title} {says}", QUESTION))
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
        if before:
            show = f"./triptych diff {before} {panel.name}"
        elif panel.kind == "step":
            show = f"less {panel.folder}/reqrep.c"
        else:
            show = f"less {panel.folder}/README.md"
        heads = [*head(files[0]), *head(files[1])]
        title = re.sub(r"^step \d+: ", "", panel.heading)
        says = " ".join([f"{title[0].upper()}{title[1:]}.", *map(first_sentences, heads[:1])])
        find = Find(f"step {panel.name}", says, show, " ".join(heads)).add(panel.name, TITLE)
        if files[0].is_file():
            towards = panel.name.partition("-")[0] if panel.kind == "step" else panel.framing
            # A step of another way
            repeats = re.match(r"step (\d)", panel.heading) if panel.kind != "step" else None
            likes = before or (f"{towards}-{repeats[1]}" if repeats else "")
            beside = [likes, panel.name] if likes else [panel.name, str(towards)]
            find.place = f"/read?panels={'+'.join(beside)}"
        find.add("step steps", QUESTION)
        finds.append(find.add(panel.heading, BEGINNERS).add(" ".join(heads), QUESTION))
    for path in sorted((ROOT / "raw" / "steps" / "0-echo").glob("*_*.c"), reverse=True):
        name, heads = path.stem.replace("_", " "), head(path) or [path.name]
        find = Find(f"step 0, {name}", first_sentences(heads[0]), f"less {path.relative_to(ROOT)}")
        find.place = f"/read?pattern=echo&at={path.stem}"
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
        says = f"{does[0].upper()}{does[1:]}."
        find = Find(
            f"verb {name}", says, f"./triptych {name} --help", place=entry("verb", name),
            code=help_text.strip(),
        )
        finds.append(find.add(name, TITLE).add(does, QUESTION).add(help_text, TEXT))
    return finds


def sections() -> list[Find]:
    """Sections of documents: for whoever must choose, or runs the programs elsewhere."""
    finds = []
    for name, shown in SECTIONS.items():
        text = (ROOT / name).read_text("utf-8")
        for title, body in re.findall(r"^##+ ([^\n]+)\n(.*?)(?=^##|\Z)", text, re.M | re.S):
            if shown and title not in shown:
                continue
            says = f"A section of {name}: {title}{'' if title.endswith('.') else '.'}"
            find = Find(
                f"page {title}", says, f"less '+/# {title}' {name}", prose(body),
                entry("page", title),
            )
            finds.append(find.add(title, QUESTION).add(body, TEXT))
    return finds


def prose(body: str) -> str:
    """The sentences of a section: without its tables and blocks of code, and without marks."""
    parts = (part for part in body.split("\n\n") if not re.match(r"\||```|\[", part.strip()))
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", " ".join(parts))
    return " ".join(re.sub(r"[`*]|^- ", "", plain, flags=re.M).split())


def words() -> list[Find]:
    """The field's terms, and the calls and options of the panels."""

    def explained(kind: str, name: str, said: Entry, weight: float) -> Find:
        says = f"{said.says[0].upper()}{said.says[1:]}."
        file = f"tools/compare/{'terms' if kind == 'term' else 'glossary'}.txt"
        find = Find(f"{kind} {name}", says, f"less '+/^{name}' {file}", place=entry(kind, name))
        find.clauses, find.experiment = said.clauses, said.experiment
        return find.add(" ".join([name, *said.forms]), weight).add(said.says, TEXT)

    found = [explained("term", name, said, TITLE) for name, said in terms().items()]
    return found + [explained("call", name, said, QUESTION) for name, said in glossary().items()]


DECLARED = re.compile(r"/\*\s((?:[^*]|\*(?!/))*)\*/\n((?:[\w ]+[ *])(\w+)\([^;{]*\);)")


def functions(header: Path = ROOT / "common" / "pattern.h") -> list[Find]:
    """The functions that every panel implements, by the comments above them."""
    finds = []
    for comment, declared, name in DECLARED.findall(header.read_text("utf-8")):
        says = " ".join(re.sub(r"(?m)^ ?\* ?", "", comment).split())
        command = f"less +/{name} {header.relative_to(ROOT)}"
        find = Find(
            f"function {name}", first_sentences(says), command, says, entry("function", name)
        )
        find.code = declared
        find.clauses = [c for c in dict.fromkeys(re.findall(r"\b[RP]\d+\b", says)) if c in CLAUSES]
        finds.append(find.add(name, TITLE).add(says, TEXT))
    return finds


def pages(folder: Path = ROOT / "tools" / "web" / "pages") -> list[Find]:
    """The pages of ./triptych web, by what each says of itself in its file."""
    finds = []
    for path in sorted(folder.glob("*.py")):
        for call in calls(path, "Page"):
            texts = {
                k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)
            }
            name = texts["title"]
            find = Find(
                f"web {name}", str(texts["about"]), "./triptych web", place=f"/{texts['name']}"
            )
            find.add(f"{name} page", QUESTION).add(str(texts["find"]), BEGINNERS)
            finds.append(find.add(find.says, QUESTION))
    return finds


def stories(path: Path = ROOT / "tools" / "web" / "play" / "stories.py") -> list[Find]:
    """The stories of the page Play, by title and by what there is to watch."""
    finds = []
    for call in calls(path, "Story"):
        name, title, watch, experiment = (
            str(word.value) for word in call.args[:4] if isinstance(word, ast.Constant)
        )
        find = Find(
            f"story {title}", first_sentences(watch), "./triptych web", watch,
            f"/play?story={name}", experiment=experiment,
        )
        finds.append(
            find.add(f"{title} {name.replace('-', ' ')}", QUESTION).add(f"story play {watch}", TEXT)
        )
    return finds


def calls(path: Path, name: str) -> list[ast.Call]:
    """Where a file calls this: it is not imported,
    since a page needs packages that the lab does without."""
    found = [
        node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    return [call for call in found if getattr(call.func, "id", "") == name]


def head(path: Path) -> list[str]:
    """The paragraphs of the comment at the top of a C file."""
    try:
        text = path.read_text("utf-8")
    except OSError:
        return []
    found = re.match(r"\s*/\*(.*?)\*/", text, re.S)
    body = re.sub(r"(?m)^ ?\* ?", "", found[1]) if found else ""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", body) if part.strip()]
