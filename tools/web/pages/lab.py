"""The page Lab: the matrix of the experiments, and one of them: predict, watch,
compare, explain."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

from harness.panels import ROOT, read_panels
from web.kept import kept, stamp
from web.page import Json, Page, Query, Refused, Site, View
from web.stream import Stream
from web.told import tell

RUN_SECONDS = 150.0  # every run of an experiment is shorter: 60 s a panel at most, most at once
ALL_SECONDS = 1800.0  # all experiments, on a busy machine
KEPT = 20  # runs whose events stay
PANELS_MOST = 4


class Lab:
    """What this server knows of the lab: the experiments, and the runs that were asked for here."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Json] = {}  # by experiment and panel: the newest of this server
        self.running: dict[str, Json] | None = None  # experiment, stream, panels
        self.numbers = itertools.count(1)
        self.streams: list[str] = []
        self.stop: Any = None
        self.lock = threading.Lock()


def lab_of(site: Site) -> Lab:
    lab: Lab = site.state.setdefault("lab", Lab())
    return lab


async def experiments(site: Site) -> dict[str, Json]:
    """What `lab --json` says, by name."""
    files = stamp([*(ROOT / "lab" / "experiments").glob("*.py"), ROOT / "lab" / "RESULTS.md"])
    listing = await kept(site, "experiments", files, lambda: site.verb("lab.lab", "--json"))
    return {one["name"]: one for one in listing["experiments"]}


def brief(experiment: Json, outcomes: Json) -> Json:
    """What the matrix shows of it."""
    cells = {}
    for panel in experiment["runs_on"]:
        recorded = experiment["recorded"].get(panel, {})
        cells[panel] = {"recorded": recorded.get("phrase"), "now": outcomes.get(panel)}
    kept = ("name", "theme", "question", "find")
    return {key: experiment[key] for key in kept} | {"cells": cells}


async def data(site: Site, query: Query) -> dict[str, Json]:
    known = await experiments(site)
    lab = lab_of(site)
    name = query.get("experiment", "")
    if name and name not in known:
        raise Refused(f"There is no experiment of that name. There are: {', '.join(known)}.")
    shared = {
        "running": lab.running,
        "_themes": list(dict.fromkeys(e["theme"] for e in known.values())),
    }
    if not name:
        listed = [brief(one, lab.outcomes.get(one["name"], {})) for one in known.values()]
        return shared | {"experiment": None, "_experiments": listed}
    one = whole(known, name, lab.outcomes.get(name, {}))
    return shared | {
        "experiment": {key: one[key] for key in ("name", "predict", "now")},
        "_experiment": one,
    }


def whole(known: dict[str, Json], name: str, outcomes: Json) -> Json:
    """All of an experiment, with its neighbours."""
    names = list(known)
    at = names.index(name)
    return known[name] | {
        "names": names,
        "now": outcomes,
        "before": names[at - 1] if at else None,
        "after": names[at + 1] if at + 1 < len(names) else None,
    }


async def run(site: Site, asked: dict[str, Json]) -> Json:
    """Starts a run: its events go to a stream.
    One at a time, on panels that the experiment names."""
    known = await experiments(site)
    name, panels = asked.get("experiment"), asked.get("panels")
    if not isinstance(name, str) or name not in known:
        raise Refused("There is no experiment of that name.")
    built = [panel.name for panel in read_panels() if panel.built]
    runs_on = [panel for panel in known[name]["runs_on"] if panel in built]
    if not isinstance(panels, list) or not panels or any(panel not in runs_on for panel in panels):
        raise Refused(f"This experiment runs on: {', '.join(runs_on)}.")
    chosen = [panel for panel in runs_on if panel in panels][:PANELS_MOST]
    lab = lab_of(site)
    with lab.lock:
        if lab.running:
            raise Refused(
                f"The experiment {lab.running['experiment']} runs. Wait for its end, or stop it."
            )
        stream = Stream(f"lab-{next(lab.numbers)}")
        site.streams[stream.name] = stream
        lab.running = {"experiment": name, "stream": stream.name, "panels": chosen}
        lab.streams.append(stream.name)
        while len(lab.streams) > KEPT:
            site.streams.pop(lab.streams.pop(0), None)
    began = time.monotonic()

    def heard(event: Json) -> None:
        if event.get("event") == "run":
            outcomes = event["run"]["experiments"][0]["panels"]
            when = {"date": event["run"]["date"], "system": event["run"]["system"]}
            of_name = lab.outcomes.setdefault(name, {})
            of_name.update({panel: outcome | when for panel, outcome in outcomes.items()})
            event = {"event": "run", "panels": outcomes, "seconds": event["run"]["seconds"]}
        stream.tell(event)

    def ended(complaint: str) -> None:
        with lab.lock:
            lab.running = None
        seconds = round(time.monotonic() - began, 1)
        stream.tell({"event": "end", "complaint": complaint, "seconds": seconds})
        stream.end()

    words = [name, *chosen, "--events", "--no-predict"]
    lab.stop = tell("lab.lab", words, RUN_SECONDS, heard, ended)
    return {"stream": stream.name}


async def stop(site: Site, asked: dict[str, Json]) -> Json:
    """Ends the run. Its end comes as an event."""
    close(site)
    return {}


async def views(site: Site) -> list[View]:
    """For a report: every experiment, with the outcomes that were recorded;
    all are run, if there is time."""
    known = await experiments(site)
    if not site.quick and not lab_of(site).outcomes:
        keep(site, await site.verb("lab.lab", "all", "--json", seconds=ALL_SECONDS))
    return [View({}), *(View({"experiment": name}) for name in known)]


def keep(site: Site, results: Json) -> None:
    """What `lab all --json` has observed."""
    when = {"date": results["date"], "system": results["system"]}
    for experiment in results["experiments"]:
        outcomes = {panel: outcome | when for panel, outcome in experiment["panels"].items()}
        lab_of(site).outcomes[experiment["name"]] = outcomes


def running(site: Site) -> list[dict[str, Json]]:
    now = lab_of(site).running
    return [{
        "text": f"lab {now['experiment']} ({' '.join(now['panels'])})",
        "address": f"/lab?experiment={now['experiment']}", "asked": {},
    }] if now else []  # fmt: skip


def close(site: Site) -> None:
    lab = lab_of(site)
    if lab.running and lab.stop:
        lab.stop()


PAGE = Page(
    name="lab",
    title="Lab",
    about="Predict what a panel does, let it happen, and see why.",
    find="experiment experiments question prediction predict outcome matrix compare why results",
    styles=("chosen.css", "lab.css", "code.css"),
    data=data,
    answers={"run": run, "stop": stop},
    views=views,
    close=close,
    running=running,
)
