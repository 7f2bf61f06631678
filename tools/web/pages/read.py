"""The page Read: panels side by side, aligned by function, and the steps with what each adds."""

from __future__ import annotations

from typing import Any

from harness.command import PATTERNS
from harness.panels import ROOT, Panel, read_panels
from web.code import colour_alignment
from web.kept import kept, known, stamp
from web.page import Json, Page, Query, Refused, Site, View

LEAST, MOST = 2, 3  # panels side by side
IN_REPORTS = (["raw-1", "zmq-1"], ["raw", "zmq"], ["zmq", "nanomsg"], ["nanomsg", "nng"])
SECONDS = 90.0  # libclang counts the lines of all panels


def readable(pattern: str) -> list[Panel]:
    """The panels whose sources are here."""
    return [panel for panel in read_panels() if (ROOT / panel.folder / f"{pattern}.c").is_file()]


def chosen(asked: dict[str, Any]) -> tuple[str, list[str]]:
    """The pattern and the panels that a page asks for; raises Refused."""
    pattern = asked.get("pattern") or PATTERNS[0]
    if pattern not in PATTERNS:
        raise Refused(f"The patterns are: {', '.join(PATTERNS)}.")
    known = [panel.name for panel in readable(pattern)]
    picked = " ".join(filter(None, (str(asked.get(f"p{place}") or "") for place in range(MOST))))  # without scripts
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
    return colour_alignment(said, said["key"])


async def data(site: Site, query: Query) -> dict[str, Json]:
    pattern, names = chosen(dict(query))
    return {
        "pattern": pattern,
        "names": names,
        "readable": [panel.name for panel in readable(pattern)],
        "ways": ways(),
        "steps": counted(site),
        "_alignment": await aligned(site, pattern, names),
    }


def ways() -> dict[str, list[str]]:
    """The steps in front of each panel that ships, that panel last; those without a step are left out."""
    known = read_panels()
    found = {}
    for panel in known:
        if panel.kind == "shipped":
            before = [p.name for p in known if p.kind == "step" and p.name.removeprefix(f"{panel.name}-").isdecimal()]
            found[panel.name] = [*before, panel.name]
    return {name: way for name, way in found.items() if len(way) > 1}


async def alignment(site: Site, asked: dict[str, Json]) -> Json:
    """The same for other panels, as HTML: the page puts it in place of what it shows."""
    pattern, names = chosen(asked)
    return {"html": site.fragment("reading.html", reading=await aligned(site, pattern, names))}


def counted(site: Site) -> Json:
    """What each step adds, if that is known of the files as they are."""
    return known(site, "steps", sources())


def sources() -> Any:
    """Changes when a panel's file does, or what it says that it keeps."""
    folders = {ROOT / panel.folder for panel in read_panels()} | {ROOT / "common", ROOT / "template"}
    return stamp(path for folder in folders for path in folder.glob("*.*"))


async def steps(site: Site, asked: dict[str, Json]) -> Json:
    """What each step adds. It counts lines, which takes some seconds."""

    async def count() -> Json:
        return {step["name"]: step for step in await site.verb("compare.steps", "--json", seconds=SECONDS)}

    return await kept(site, "steps", sources(), count)


async def views(site: Site) -> list[View]:
    """For a report: the slider's stops, and what ships beside each other."""
    await steps(site, {})
    known = {pattern: [panel.name for panel in readable(pattern)] for pattern in PATTERNS}
    pairs = [way[at : at + 2] for way in ways().values() for at in range(len(way) - 1)]
    answers: list[tuple[str, dict[str, Json], Json]] = []
    for pattern, names in ((pattern, names) for pattern in PATTERNS for names in (*IN_REPORTS, *pairs)):
        if all(name in known[pattern] for name in names):
            question = {"pattern": pattern, "panels": " ".join(names)}
            answers.append(("alignment", question, await alignment(site, question)))
    return [View({}, answers), View({"pattern": "pubsub", "panels": "raw zmq"})]


PAGE = Page(
    name="read",
    title="Read",
    about="The same function in each panel, line by line; and what each step adds to the one before.",
    data=data,
    answers={"alignment": alignment, "steps": steps},
    views=views,
)
