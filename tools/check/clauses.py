"""The clauses of common/CONTRACT.md, for whoever breaks one: what to look at next, and where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from harness.panels import ROOT


class Clause(NamedTuple):
    title: str  # one line; CONTRACT.md has the whole text
    next: str  # what to look at, when it is broken
    experiment: str  # of ./triptych lab: shows why
    step: str  # the first panel among raw/steps that keeps it


CLAUSES = {
    "R1": Clause(
        "bytes arrive unchanged, whatever their length",
        "send() and recv() may move a part of a message: go on until the whole has moved",
        "tcp-has-no-messages",
        "raw-2",
    ),
    "R2": Clause(
        "only the latest request's reply is returned",
        "give each request a number, and drop a reply that carries another one",
        "late-reply",
        "raw-5",
    ),
    "R3": Clause(
        "nothing in time: ETIMEDOUT, and usable again",
        "wait with poll() for the time that is left; then set errno to ETIMEDOUT",
        "stopped-server",
        "raw-4",
    ),
    "R4": Clause(
        "the client may start before the server",
        "connect again until the time-out, then send what is still to be sent",
        "late-server",
        "raw-5",
    ),
    "R5": Clause(
        "a server may be killed and come back",
        "when the connection ends, close it, and connect again for the next request",
        "killed-server",
        "raw-5",
    ),
    "R6": Clause(
        "many clients; none holds up the others",
        "a server that waits for one client serves one at a time: poll() all connections, "
        "and never wait in send() or recv()",
        "mute-client",
        "raw-4",
    ),
    "R7": Clause(
        "garbage costs hardly more than its own connection",
        "check each length before you use it, and close a connection that breaks the framing",
        "junk-at-the-door",
        "raw-4",
    ),
    "R8": Clause(
        "a too long message fails; the handle goes on",
        "compare the announced length with message_max before the body is read",
        "too-long",
        "raw-4",
    ),
    "R9": Clause(
        "calls out of turn fail at once",
        "keep in the handle whether a request is open, and look there before you wait",
        "out-of-turn",
        "raw-4",
    ),
    "R10": Clause(
        "signals, addresses in use, ipc paths",
        "return EINTR to the caller; unlink the ipc path at the end, and one that nobody serves "
        "at the start",
        "path-that-stays",
        "raw-5",
    ),
    "R11": Clause(
        "a reply sent right before the end arrives",
        "a reply of no bytes must be sent, too: it needs a frame; "
        "then wait in rep_close, 500 ms at most, until the reply has been sent",
        "exit-without-closing",
        "raw-2",
    ),
    "P1": Clause(
        "exactly the events that match a prefix",
        "compare the event's first bytes with each prefix, and send one copy if any is equal",
        "prefix-surprise",
        "raw-3",
    ),
    "P2": Clause(
        "in order, at most once; gaps are counted",
        "keep one queue for each subscriber; drop whole events, never a part of one",
        "slow-subscriber",
        "raw-4",
    ),
    "P3": Clause(
        "a slow subscriber loses events; nobody waits",
        "never wait in pub_send: queue up to the limit, then drop",
        "slow-subscriber",
        "raw-4",
    ),
    "P4": Clause(
        "the publisher may be killed and come back",
        "when the connection ends, connect again, and send all subscriptions again",
        "publisher-restart",
        "raw-5",
    ),
    "P5": Clause(
        "publishing to nobody succeeds",
        "without a subscriber, drop the event; when one leaves, free what was queued for it",
        "slow-joiner",
        "raw-3",
    ),
    "P6": Clause(
        "the last event before the end arrives",
        "wait in pub_close, 500 ms at most, until the queues are empty",
        "close-queued",
        "raw-3",
    ),
    "P7": Clause(
        "garbage and too long events do no harm",
        "check each length before you use it, and close a connection that breaks the framing",
        "junk-at-the-door",
        "raw-4",
    ),
    "P8": Clause(
        "signals, addresses in use, ipc paths",
        "return EINTR to the caller; unlink the ipc path at the end, and one that nobody serves "
        "at the start",
        "signal-arrives",
        "raw-5",
    ),
    "P9": Clause(
        "500 subscribers of one publisher",
        "ask for more descriptors or fewer; keep each queue small until it is needed",
        "poll-or-epoll",
        "raw-3",
    ),
}

PATTERNS = {"reqrep": "R", "pubsub": "P"}  # and the letter that its clauses begin with


def pattern_of(clause: str) -> str:
    return "reqrep" if clause.startswith("R") else "pubsub"


def texts(path: Path = ROOT / "common" / "CONTRACT.md") -> dict[str, str]:
    """What the contract says of each clause, without Markdown's marks."""
    entries = re.findall(
        r"^- \*\*([RP]\d+)\*\* (.*?)(?=^- \*\*|^#|\Z)", path.read_text("utf-8"), re.M | re.S
    )
    return {
        name: " ".join(text.replace("*", "").replace("`", "").split()) for name, text in entries
    }
