"""The page Wire: one real exchange of each panel, byte by byte."""

from __future__ import annotations

import base64
import itertools
import re
from typing import Any

from harness.command import PATTERNS
from harness.folders import temporary_folder
from harness.panels import Panel, read_panels
from web.page import Json, Page, Query, Refused, Site, View

MOST = 4  # panels side by side
SIZE_MOST = 4096  # bytes of the body; the decoder shows 256 of an element
SECONDS = 90.0
KEPT = 20  # exchanges that a page finds again
PARTS = {
    "handshake": "paid once for a connection",
    "control": "subscriptions and heartbeats",
    "framing": "paid for each message",
    "message": "the message itself: a header and the body",
    "unknown": "the decoder does not know it",
}
# Of our message, common/message.h: by the decoder's name,
# what stands below the bytes, and what they are
FIELDS = {
    "topic": ("topic", "what an event is about; a request has an empty one"),
    "end_of_topic": ("end", "the byte 00 that ends the topic"),
    "version": ("version", "of the message format"),
    "kind": ("kind", "request, reply, event or error"),
    "zero": ("zero", "two bytes without a use"),
    "body_length": ("length", "of the body"),
    "sequence": ("sequence", "the number of the message"),
    "sent": (
        "sent",
        "when it was sent, in nanoseconds of its sender's clock; a reply has its request's",
    ),
    "body": ("body", "what the program wants to say"),
}
NOTES = {  # by framing, as panels.txt declares it
    "none": "This panel has no frames: these are the bytes of the messages alone, and nothing "
        "around them tells where one ends.",
    None: "panels.txt does not say how this panel frames its messages, "
        "so its bytes are not explained.",
}
TOTALS = {  # of wire --json, in the order in which they are read
    "handshake_up": "handshake bytes to the server",
    "handshake_down": "handshake bytes to the client",
    "round_trips": "round trips before the request leaves, or an event can arrive",
    "segments_up": "segments to the server",
    "segments_down": "segments to the client",
    "request": "request: bytes of the message itself",
    "request_body": "request: of these the body",
    "request_framing": "request: bytes beyond the message",
    "reply": "reply: bytes of the message itself",
    "reply_body": "reply: of these the body",
    "reply_framing": "reply: bytes beyond the message",
    "subscribe": "bytes that subscribe",
    "unsubscribe": "bytes that unsubscribe",
    "event": "event: bytes of the message itself",
    "event_body": "event: of these the body",
    "event_framing": "event: bytes beyond the message",
    "unwanted_event": "bytes of an event that nobody wants",
    "unknown": "bytes that are not known",
}
ENDS = {  # of the pattern: what the end of the connection waits for
    "reqrep": "A server goes on for 300 ms after its last reply, and then ends: nanomsg loses a "
        "large reply if it is closed at once (programs/rep.c).",
}
HAPPENED = {
    "open": "the connection is there", "shut": "sends no more", "reset": "resets the connection",
    "close": "closed",
}


def offered() -> list[Panel]:
    """The panels whose programs can be recorded: the tap forwards streams."""
    return [
        panel for panel in read_panels()
        if panel.built and "tcp" in panel.speaks and panel.kind != "programs"
    ]


def chosen(asked: dict[str, Any]) -> tuple[str, tuple[str, ...], str, int]:
    """Pattern, panels, transport and size; raises Refused."""
    known = {panel.name: panel for panel in offered()}
    pattern = asked.get("pattern") or PATTERNS[0]
    if pattern not in PATTERNS:
        raise Refused(f"The patterns are: {', '.join(PATTERNS)}.")
    transport = asked.get("transport") or "tcp"
    if transport not in ("tcp", "ipc"):
        raise Refused("The transports are: tcp, ipc.")
    shipped = [panel.name for panel in offered() if panel.kind == "shipped"]
    named = asked.get("panels") or " ".join(shipped[:MOST])
    names = named.split() if isinstance(named, str) else [""]
    if (
        any(name not in known for name in names)
        or len(set(names)) != len(names)
        or len(names) > MOST
    ):
        raise Refused(f"Name up to {MOST} of these panels, each once: {', '.join(known)}.")
    size = str(asked.get("size") or "")
    if size and not (
        size.isascii() and size.isdecimal() and len(size) < 6 and int(size) <= SIZE_MOST
    ):
        raise Refused(f"The body has from 0 to {SIZE_MOST} bytes.")
    return pattern, tuple(names), transport, int(size) if size else -1


def laid_out(said: Json) -> Json:
    """What wire --json says, and for each exchange its lines: a segment of bytes,
    or what happened."""
    framings = {panel.name: panel.framing for panel in read_panels()}
    for exchange in said:
        exchange["note"] = NOTES.get(framings.get(exchange["panel"]), "")
        opened = next((e["time"] for e in exchange["events"] if e["event"] == "open"), 0.0)
        lines = []
        for (record, direction), group in itertools.groupby(
            exchange["elements"], lambda e: (e["record"], e["direction"])
        ):
            elements = list(group)
            lines.append({
                "ms": (elements[0]["time"] - opened) * 1000, "happened": "", "direction": direction,
                "elements": elements, "length": sum(e["length"] for e in elements),
            })  # fmt: skip
        for event in exchange["events"]:
            if event["event"] in HAPPENED:
                lines.append({
                    "ms": (event["time"] - opened) * 1000, "happened": HAPPENED[event["event"]],
                    "who": {"up": "the client", "down": "the server"}.get(
                        event.get("direction", ""), ""
                    ),
                })  # fmt: skip
        lines.sort(key=lambda line: float(line["ms"]))
        exchange["lines"] = lines
        kind = ""
        for element in exchange["elements"]:
            element["what"] = element["field"].partition(".")[2] or element["field"]
            if element["part"] == "message":
                kind = element["meaning"] if element["what"] == "kind" else kind
                element["label"] = FIELDS.get(element["what"], ("",))[0]
                if element["what"] == "sent" and kind == "kind: reply":
                    element["meaning"] += ", copied from its request"
            else:
                element["label"] = re.sub("[_.]", " ", element["what"])
            if element["meaning"].partition(":")[0] == "unsubscribe":  # the field has one name
                element["label"] = "unsubscribe"
    return said


async def data(site: Site, query: Query) -> dict[str, Json]:
    """What was recorded last with the same choice. A page that is opened starts nothing."""
    choice = chosen(dict(query))
    kept = site.state.get("wire", {}).get(choice)
    pattern, names, transport, size = choice
    return {
        "pattern": pattern,
        "names": list(names),
        "transport": transport,
        "size": size if size >= 0 else None,
        "offered": [panel.name for panel in offered()],
        "capture": kept["capture"] if kept else None,
        "_exchanges": kept["exchanges"] if kept else None,
        "_parts": PARTS,
        "_fields": FIELDS,
        "_totals": TOTALS,
        "_ends": ENDS.get(pattern, ""),
    }


async def exchange(site: Site, asked: dict[str, Json]) -> Json:
    """Runs the exchange on each panel; its bytes as HTML, and a capture for Wireshark."""
    choice = chosen(asked)
    pattern, names, transport, size = choice
    words = [
        pattern, *names, *(["--ipc"] if transport == "ipc" else []),
        *(["--size", str(size)] if size >= 0 else []),
    ]
    with temporary_folder() as folder:
        path = folder / "exchange.pcap"
        said = await site.verb(
            "wire.view.wire", *words, "--json", "--pcap", str(path), seconds=SECONDS
        )
        capture = base64.b64encode(path.read_bytes()).decode() if path.is_file() else ""
    kept = {"exchanges": laid_out(said), "capture": capture}
    recorded = site.state.setdefault("wire", {})
    recorded[choice] = kept
    if len(recorded) > KEPT:
        del recorded[next(iter(recorded))]
    shown = site.fragment(
        "exchange.html", exchanges=kept["exchanges"], parts=PARTS, fields=FIELDS, totals=TOTALS,
        ends=ENDS.get(pattern, ""),
    )
    return {"html": shown, "capture": capture}


async def views(site: Site) -> list[View]:
    """For a report: an exchange of each pattern on the panels that ship."""
    for pattern in PATTERNS:
        await exchange(site, {"pattern": pattern})
    return [View({}), *(View({"pattern": pattern}) for pattern in PATTERNS[1:])]


PAGE = Page(
    name="wire",
    title="Wire",
    about="One exchange on each panel, and what every byte of it is for.",
    find="bytes of a message overhead header framing frame handshake protocol packet segments "
        "round trips pcap wireshark",
    styles=("chosen.css", "wire.css"),
    data=data,
    answers={"exchange": exchange},
    views=views,
)
