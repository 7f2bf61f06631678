"""The page Play: panels run side by side, and what each message did."""

from __future__ import annotations

import asyncio
import functools
import json
import re
from dataclasses import asdict
from typing import Any

from harness.panels import read_panels
from web.page import Json, Page, Query, Refused, Site, View
from web.play import settings
from web.play.bytes import KINDS, decoded, frames, frames_of, named, shown
from web.play.run import Run
from web.play.settings import Settings, of_form, read_settings, role_names, to_form
from web.play.stories import STORIES, Story

RUNNING_MOST = 2  # at the same time: at most 2 x 4 panels x (5 programs and a tap)
END_SECONDS = 10.0  # that the programs of a run have to end
KEPT_MOST = 4  # that have ended, and can still be looked at
REPORT_SECONDS = 3.0  # a report's run goes on for so long after a story's last step
LINES_SAID = 60  # of a panel, for who has no scripts
REPORT_FRAMES = 24  # messages of each panel whose bytes a report keeps
QUICK = ("killed-server", "slow-subscriber")  # the stories of a quick report

LIMITS = {
    "panels": settings.PANELS_MOST, "peers": settings.PEERS_MOST, "size": settings.SIZE_MOST,
    "rate": settings.RATE_MOST, "queue": settings.QUEUE_MOST, "time": settings.TIME_MOST,
    "peers_least": settings.PEERS_LEAST, "timeout_least": settings.TIMEOUT_LEAST,
}  # fmt: skip

# The rows of a panel's table: the measure, its name, what it counts.
# The programs know the first five.
ROWS = (
    ("sent", "sent",
     "messages that this role has sent; an error reply counts, with which the server answers bytes "
     "that are no request"),
    ("received", "received", "messages that this role has received"),
    ("lost", "gaps in the numbers",
     "a subscriber received a number, and had not received so many before it; it cannot see what "
     "it missed before its first event, behind its last one, "
     "or when the publisher starts again at 1"),
    ("duplicates", "repeated numbers",
     "this program received the same number twice; a server that was started again remembers none"),
    ("timeouts", "time-outs", "requests whose reply did not come in time, or that were not sent"),
    ("missed", "not received",
     "messages for this role that it had not received a second after they were sent, "
     "or when a later event came; each has a circle or a cross in the picture; one that comes "
     "after all is counted no longer; what was sent in the run's last second may be missing here; "
     "an error reply to bytes that were no request has the number 0, is for nobody in particular, "
     "and is not counted here"),
    ("fresh", "since the last start",
     "of those not received: the ones that the publisher has sent since it was started last"),
    ("unsent", "not sent",
     "of the time-outs: requests that could not be sent before their time was over, "
     "as there was no connection; the server gets nothing of them"),
    ("unanswered", "not answered",
     "requests of this role whose reply it had not received a second after it had sent them"),
    ("again", "run twice",
     "requests that this role received, and it or the server before it had received them already"),
)  # fmt: skip
# The buttons: what is done, the word on it, what it does.
TO_ROLES = (
    ("kill", "Kill -9", "SIGKILL: the program ends at once and can do nothing about it"),
    ("stop", "Pause (SIGSTOP)", "it stands still, and its connections stay"),
    ("continue", "Continue (SIGCONT)", "it goes on where it stood"),
    ("restart", "Restart", "SIGTERM if it runs; then the same command line again"),
)
TO_LINE = (
    ("delay", "Delay", "what passes comes so many milliseconds later; 0 ends it"),
    ("slice", "Slice", "at most so many bytes pass at once; 0 ends it"),
    ("stall", "Stall", "nothing passes, and no connection ends"),
    ("go", "End stall", "what has waited passes"),
    ("cut", "Cut", "the connections are closed; what is on its way is lost"),
    ("reset", "Reset (RST)", "the same, with a reset"),
    ("clear", "Clear", "ends the delay, the slices and the stall"),
)
VALUES = {"delay": ("ms", 10000, 200), "slice": ("bytes", 65536, 1)}  # unit, most, at first
NOT_IN = {"reqrep": ("fresh",), "pubsub": ("unsent", "unanswered", "again")}


def rows(pattern: str) -> list[Json]:
    return [list(row) for row in ROWS if row[0] not in NOT_IN[pattern]]


def runs(site: Site) -> dict[str, Run]:
    found: dict[str, Run] = site.state.setdefault("play", {})
    return found


def run_of(site: Site, question: dict[str, Json]) -> Run:
    run = runs(site).get(str(question.get("run", "")))
    if run is None:
        raise Refused("this run is not there any more: start another")
    return run


def described(run: Run) -> dict[str, Json]:
    return {
        "run": run.key,
        "settings": run.settings.json(),
        "story": run.story,
        "ended": run.stream.ended,
        "roles": role_names(run.settings),
        "counts": run.counts() if run.stream.ended else {},
    }


def said(run: Run) -> dict[str, list[Json]]:
    """What happened, by panel, in lines for who has no scripts: all but the messages,
    and of these the counts say enough."""
    found: dict[str, list[Json]] = {}
    for line in run.stream.events:
        event = json.loads(line)
        if event["k"] in ("state", "fault", "trouble", "gap"):
            lines = found.setdefault(event["p"], [])
            lines.append({"t": event["t"], "who": event.get("r", "line"), "text": in_words(event)})
    return {panel: lines[:LINES_SAID] for panel, lines in found.items()}


def in_words(event: Json) -> str:
    kind, text = event["k"], event.get("text", "")
    if kind == "state":
        state = "paused (SIGSTOP)" if event["state"] == "stopped" else str(event["state"])
        return f"{state}: {text}" if text else state
    if kind == "gap":
        return f"misses {event['topic']} {event['first']} to {event['last']}"
    if kind == "trouble":
        return str(text) if event["what"] in ("timeout", "unsent") else f"{event['what']}: {text}"
    return str(text)


async def data(site: Site, query: Query) -> dict[str, Json]:
    """The stories, and the run that the address names, if it is still there."""
    run = runs(site).get(query.get("run", ""))
    story = find_story(run.story if run else query.get("story", ""))
    own = run.settings.json() if run else {**Settings().json(), **(story.settings if story else {})}
    return {
        "stories": [as_json(one) | {"run": newest(site, one)} for one in STORIES],
        "story": as_json(story) if story else None,
        "form": {**to_form(own), **to_form(of_form(dict(query)))},
        "limits": LIMITS,
        "run": described(run) if run else None,
        "labels": settings.LABELS,
        "_rows": rows(run.settings.pattern) if run else [],
        "_buttons": {"roles": TO_ROLES, "line": TO_LINE, "values": VALUES},
        "_said": said(run) if run and run.stream.ended else {},
        "lost": bool(query.get("run")) and run is None,
    }


def find_story(name: str) -> Story | None:
    return next((one for one in STORIES if one.name == name), None)


def newest(site: Site, story: Story) -> str | None:
    """The newest run of a story that has ended."""
    return next(
        (
            run.key for run in reversed(runs(site).values())
            if run.stream.ended and run.story == story.name
        ),
        None,
    )


def as_json(story: Story) -> dict[str, Json]:
    steps = [{"at": when, "text": text} for when, _, text in story.steps]
    return {**asdict(story), "steps": steps, "panels": story.settings["panels"]}


async def start(site: Site, question: dict[str, Json]) -> Json:
    """A story, a form, or both: then the form changes the story's settings."""
    name, form = question.get("story", ""), question.get("form")
    story = find_story(name) if isinstance(name, str) else None
    if name and story is None:
        raise Refused("there is no such story")
    if story is None and form is None:
        raise Refused("what is to be run?")
    if not isinstance(form, (dict, type(None))):
        raise Refused("a form is a JSON object")
    asked = dict(story.settings) if story else {}
    built = {panel.name for panel in read_panels() if panel.built}
    if story:  # runs on what there is
        asked["panels"] = [panel for panel in story.settings["panels"] if panel in built]
    chosen = read_settings({**asked, **of_form(form or {})})
    known = runs(site)
    # Each sees what the other started
    async with site.state.setdefault("play-start", asyncio.Lock()):
        await make_room(known)
        return described(begin(site, known, chosen, story))


def begin(site: Site, known: dict[str, Run], chosen: Settings, story: Story | None) -> Run:
    """Starts a run; of those that have ended the oldest are forgotten."""
    ended = [run for run in known.values() if run.stream.ended]
    for run in ended[: max(0, len(ended) - KEPT_MOST)]:
        del known[run.key]
        site.streams.pop(run.key, None)
    run = Run(chosen, list(story.steps) if story else [], story.name if story else "")
    known[run.key] = run
    site.streams[run.key] = run.stream
    run.start()
    return run


async def make_room(known: dict[str, Run]) -> None:
    """For one more run: ends the oldest at which nobody looks, or refuses."""
    running = [run for run in known.values() if not run.stream.ended]
    if len(running) < RUNNING_MOST:
        return
    forgotten = [run for run in running if not run.stream.readers]
    if not forgotten:
        raise Refused(f"{RUNNING_MOST} runs are going on already: stop one first")
    forgotten[0].why = "another run was started, and nobody looked at this one"
    forgotten[0].stop()
    await asyncio.to_thread(forgotten[0].join, END_SECONDS)
    if not forgotten[0].stream.ended:
        raise Refused("a run that nobody looked at does not end: try again")


async def act(site: Site, question: dict[str, Json]) -> Json:
    words: dict[str, Any] = {
        name: question.get(name, "") for name in ("panel", "role", "do", "way")
    }
    if not all(isinstance(word, str) for word in words.values()):
        raise Refused("panel, role, do and way are texts")
    run = run_of(site, question)
    await asyncio.to_thread(functools.partial(run.act, **words, value=question.get("value")))
    return {}


async def stop(site: Site, question: dict[str, Json]) -> Json:
    run_of(site, question).stop()
    return {}


async def show_bytes(site: Site, question: dict[str, Json]) -> Json:
    """The bytes of a message as they crossed the line."""
    run = run_of(site, question)
    kind, topic, number, sent = (question.get(name) for name in ("kind", "topic", "n", "sent"))
    panel = next((p for p in run.settings.chosen() if p.name == question.get("panel")), None)
    if (
        panel is None
        or not isinstance(kind, str)
        or kind not in KINDS
        or not isinstance(topic, str)
        or not isinstance(number, int)
    ):
        raise Refused("which message?")
    if not isinstance(sent, str) or not re.fullmatch("[0-9]{1,20}", sent):
        raise Refused("sent is a number, as text")
    if run.stream.ended:
        recording = run.kept_recording(panel.name)
    else:
        recording = await asyncio.to_thread(run.ask, lambda: run.recording(panel.name))
    if recording is None or not recording.exists():
        why = (
            "It was longer than is kept after a run."
            if "tcp" in panel.speaks else "There is no line between programs that send datagrams."
        )
        return {
            "frames": [],
            "why": f"Its bytes were not recorded. {why}" if run.stream.ended else why,
        }
    find = functools.partial(
        frames_of, panel, run.settings.pattern, recording, (kind, topic, number, int(sent))
    )
    return {"frames": await asyncio.to_thread(find)}


async def views(site: Site) -> list[View]:
    """For a report: each story is run, and what became of it is kept."""
    found = [View({})]
    kept_runs: dict[str, Run] = {}
    for story in STORIES:
        if site.quick and story.name not in QUICK:
            continue
        answer = await start(site, {"story": story.name})
        run = runs(site)[answer["run"]]
        last = max((when for when, _, _ in story.steps), default=0.0)
        await asyncio.sleep(last + REPORT_SECONDS)
        kept = [] if run.stream.ended else await asyncio.to_thread(recorded_bytes, run)
        run.stop()
        await asyncio.to_thread(run.join, 30.0)
        kept_runs[run.key] = run
        found.append(View({"run": run.key}, kept, [run.key]))
    runs(site).update(kept_runs)  # more than a server would keep
    site.streams.update((run.key, run.stream) for run in kept_runs.values())
    return found


def recorded_bytes(run: Run) -> list[tuple[str, Json, Json]]:
    """What show_bytes() says of the first messages of each panel."""
    found: list[tuple[str, Json, Json]] = []
    for panel in run.settings.chosen():
        recording = run.ask(functools.partial(run.recording, panel.name))
        if recording is None or not recording.exists():
            continue
        first: dict[tuple[str, str, int, int], list[Json]] = {}
        for frame in frames(decoded(panel, run.settings.pattern, recording)):
            of = named(frame)
            if of and of not in first and len(first) == REPORT_FRAMES:
                break
            if of:
                first.setdefault(of, []).append(shown(frame))
        for (kind, topic, number, sent), of_message in first.items():
            question = {
                "run": run.key, "panel": panel.name, "kind": kind, "topic": topic, "n": number,
                "sent": str(sent),
            }
            found.append(("bytes", question, {"frames": of_message[-1:]}))
    return found


def running(site: Site) -> list[dict[str, Json]]:
    return [
        {"text": f"{story.title if (story := find_story(run.story)) else 'Play'} "
                 f"({' '.join(run.settings.panels)})",
         "address": f"/play?run={run.key}", "asked": {"run": run.key}}
        for run in runs(site).values() if not run.stream.ended
    ]  # fmt: skip


def close(site: Site) -> None:
    """Ends all runs; waits until nothing of them is left."""
    for run in runs(site).values():
        run.stop()
    for run in runs(site).values():
        run.join(END_SECONDS)


PAGE = Page(
    name="play",
    title="Play",
    about="Run the same conversation on several panels, break something, "
        "and watch what each one does.",
    find="run start try kill stop restart delay cut live watch sequence diagram "
        "messages arrows demo story",
    styles=("play.css",),
    data=data,
    answers={"start": start, "act": act, "stop": stop, "bytes": show_bytes},
    views=views,
    close=close,
    running=running,
)
