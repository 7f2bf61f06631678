"""The page Read: panels side by side, aligned by function, and the steps with what each adds."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from compare.picture import beside as stands_beside
from harness.command import PATTERNS
from harness.panels import ROOT, Panel, read_panels
from web.code import colour_alignment, colour_lines
from web.document import section
from web.file import beside, files, shown
from web.kept import kept, known, stamp
from web.page import Json, Page, Query, Refused, Site, View
from web.serving import serving, whole

LEAST, MOST = 2, 3  # panels side by side
IN_REPORTS = (["raw-1", "zmq-1"], ["raw", "zmq"], ["zmq", "nanomsg"], ["nanomsg", "nng"])
SECONDS = 90.0  # to count the lines of all panels, on a busy machine
WAY = ROOT / "raw" / "steps" / "README.md"
DIFFERS = "What differs from BSD sockets"  # a heading
ECHO = "echo"  # in place of a pattern: the programs of raw/steps/0-echo
BREAK_SECONDS = 120.0  # the breaks take ten, on a machine that is not busy


def readable(pattern: str) -> list[Panel]:
    """The panels whose sources are here."""
    return [panel for panel in read_panels() if (ROOT / panel.folder / f"{pattern}.c").is_file()]


def chosen(asked: dict[str, Any]) -> tuple[str, list[str]]:
    """The pattern and the panels that a page asks for; raises Refused."""
    pattern = asked.get("pattern") or PATTERNS[0]
    if pattern not in (*PATTERNS, ECHO):
        raise Refused(f"The patterns are: {', '.join(PATTERNS)}; or {ECHO}.")
    known = [panel.name for panel in readable(PATTERNS[0] if pattern == ECHO else pattern)]
    # Without scripts
    picked = " ".join(filter(None, (str(asked.get(f"p{place}") or "") for place in range(MOST))))
    named = asked.get("panels") or picked or "raw-1 zmq-1"
    names = named.split() if isinstance(named, str) else [""]
    if any(name not in known for name in names) or len(set(names)) != len(names):
        raise Refused(f"The panels are, each once: {', '.join(known)}.")
    if not LEAST <= len(names) <= MOST:
        raise Refused(f"Name {LEAST} or {MOST} panels.")
    return pattern, names


async def aligned(site: Site, pattern: str, names: list[str]) -> Json:
    """What diff --json says, coloured. The files are read now, so a change of them is shown."""
    said = await site.verb("compare.diff", pattern, *names, "--json")
    said["key"] = "-".join([pattern, *names])
    said["rows"] = serving(said, here=True)
    said["others"] = others([panel for panel in readable(pattern) if panel.name in names], pattern)
    said["differs"] = [
        one for panel in readable(pattern) if panel.name in names and (one := differs(panel))
    ]
    return colour_alignment(said, said["key"])


def others(panels: list[Panel], pattern: str) -> list[Json]:
    """The files of these panels beside the ones of this pattern, folder by folder; of a folder
    without helpers none."""
    trivial = {"panel.c", *(f"{other}.c" for other in PATTERNS)}
    found = []
    for folder in dict.fromkeys(panel.folder for panel in panels):
        files = [one for one in beside(f"{folder}/{pattern}.c") if one["name"] != f"{pattern}.c"]
        if any(one["name"] not in trivial for one in files):
            names = [panel.name for panel in panels if panel.folder == folder]
            found.append({"panels": " and ".join(names), "files": files})
    return found


async def file(site: Site, asked: dict[str, Json]) -> Json:
    """A file of a panel, whole, as HTML."""
    return {"html": site.fragment("file.html", file=shown(named(asked)))}


def named(asked: dict[str, Json]) -> str:
    """The file that a page asks for; raises Refused."""
    path = asked.get("file")
    if not isinstance(path, str) or path not in files():
        raise Refused("The files are those of a panel's folder, and of common/.")
    return path


def differs(panel: Panel) -> Json:
    """What another system's sockets do otherwise, if the panel's README has a table of it."""
    return (
        {"panel": panel.name, "html": text}
        if (text := section(ROOT / panel.folder / "README.md", DIFFERS)) else None
    )


async def echo(site: Site) -> Json:
    """What steps echo --json says, coloured: as it was played on this server,
    or else nothing is."""
    said = broken(site) or await kept(
        site, "echo", sources(), lambda: site.verb("compare.steps", "echo", "--list", "--json")
    )
    for program in said["programs"]:
        for part in filter(None, (program, program["beside"])):
            colour_lines(part["lines"], "echo")
        head = (ROOT / program["file"]).read_text("utf-8")
        program["started"] = (
            found[1] if (found := re.search(r"^ \* +(\./\S.*?)  ", head, re.M)) else ""
        )
    said["shared"] = (WAY.parent / "0-echo" / "echo.h").read_text("utf-8")
    for one in said["breaks"]:
        one["link"] = f"/read?panels={before(one['repaired_by'])}+{one['repaired_by']}"
    return said


def broken(site: Site) -> Json:
    return known(site, "broken", sources())


def before(name: str) -> str:
    """The step in front of a step; of a sibling the first."""
    for way in ways().values():
        if name in way[1:]:
            return way[way.index(name) - 1]
    return f"{name.partition('-')[0]}-1"


async def breaks(site: Site, asked: dict[str, Json]) -> Json:
    """Compiles the echo programs and breaks them; the newest run is shown from now on."""
    now = sources()
    site.state["broken"] = now, await site.verb(
        "compare.steps", "echo", "--json", seconds=BREAK_SECONDS
    )
    return {"html": site.fragment("breaks.html", breaks=(await echo(site))["breaks"])}


async def data(site: Site, query: Query) -> dict[str, Json]:
    pattern, names = chosen(dict(query))
    path = named(dict(query)) if query.get("file") else ""
    compared = pattern != ECHO and not path
    try:
        counts = await steps(site, {})
    except Refused:
        counts = None  # a kept.txt is wrong: the code is shown all the same
    return {
        "file": path,
        "pattern": pattern,
        "names": names,
        "first": chosen({})[1],
        "readable": [panel.name for panel in readable(PATTERNS[0] if pattern == ECHO else pattern)],
        "ways": ways(),
        "steps": counts,
        "_file": shown(path) if path else None,
        "_alignment": await aligned(site, pattern, names) if compared else None,
        "_echo": await echo(site) if pattern == ECHO and not path else None,
        "_played": broken(site) is not None,
    }


def ways() -> dict[str, list[str]]:
    """The steps in front of each panel that ships, that panel last;
    those without a step are left out."""
    known = read_panels()
    found = {}
    for panel in known:
        if panel.kind == "shipped":
            before = [
                p.name for p in known
                if p.kind == "step" and p.name.removeprefix(f"{panel.name}-").isdecimal()
            ]
            found[panel.name] = [*before, panel.name]
    return {name: way for name, way in found.items() if len(way) > 1}


async def alignment(site: Site, asked: dict[str, Json]) -> Json:
    """The same for other panels, as HTML: the page puts it in place of what it shows."""
    pattern, names = chosen(asked)
    if pattern == ECHO:
        return {
            "html": site.fragment(
                "echo.html", echo=await echo(site), played=broken(site) is not None
            )
        }
    return {"html": site.fragment("reading.html", reading=await aligned(site, pattern, names))}


def counted(site: Site) -> Json:
    """What each step adds, if that is known of the files as they are."""
    return known(site, "steps", sources())


def sources() -> Any:
    """Changes when a panel's file does, or what it says that it keeps."""
    folders = {ROOT / panel.folder for panel in read_panels()}
    folders |= {ROOT / "common", ROOT / "template", ROOT / "raw" / "steps" / "0-echo"}
    return stamp(path for folder in folders for path in folder.glob("*.*"))


async def steps(site: Site, asked: dict[str, Json]) -> Json:
    """What each step adds. It counts lines, once."""

    async def count() -> Json:
        return {
            step["name"]: step | {"buys": bought(step)}
            for step in await site.verb("compare.steps", "--json", seconds=SECONDS)
        }

    return await kept(site, "steps", sources(), count)


def bought(step: Json) -> str:
    """What lines are for that bring no clause: the table of raw/steps/README.md says it."""
    if not step["adds"] or step["adds"]["gained"]:
        return ""
    row = re.search(
        rf"^\| `[^`|]*` \| `{re.escape(step['name'])}` \| ([^|`]+) \|$", WAY.read_text("utf-8"),
        re.M,
    )
    return row[1] if row else ""


async def views(site: Site) -> list[View]:
    """For a report: the slider's stops, what ships beside each other,
    and siblings beside what they are siblings of."""
    counts = await steps(site, {})
    known = {pattern: [panel.name for panel in readable(pattern)] for pattern in PATTERNS}
    pairs = [way[at : at + 2] for way in ways().values() for at in range(len(way) - 1)]
    pairs += [
        [stands_beside(one, list(counts.values())), name]
        for name, one in counts.items()
        if one["sibling"]
    ]
    asked: list[dict[str, Json]] = [
        {"pattern": pattern, "panels": " ".join(names)}
        for pattern in PATTERNS
        for names in (*IN_REPORTS, *pairs)
        if all(name in known[pattern] for name in names)
    ]
    asked.append({"pattern": ECHO, "panels": ""})
    if not site.quick:
        await breaks(site, {})
    said = await asyncio.gather(*(alignment(site, question) for question in asked))
    answers = [("alignment", question, answer) for question, answer in zip(asked, said)]
    wholes: list[dict[str, Json]] = [
        {"file": path} for path, of in files().items() if not of or {*whole()} & {*of}
    ]
    answers += [("file", question, await file(site, question)) for question in wholes]
    return [
        View({}, answers), View({"pattern": "pubsub", "panels": "raw zmq"}),
        View({"pattern": ECHO}),
    ]


PAGE = Page(
    name="read",
    title="Read",
    about="The same function in each panel, line by line; "
        "and what each step adds to the one before.",
    find="source code functions compare diff side by side simplest echo server wrong steps lecture "
        "calls options lines slider",
    styles=("code.css", "chosen.css", "read.css"),
    data=data,
    answers={"alignment": alignment, "file": file, "breaks": breaks},
    views=views,
)
