"""Runs to start from: each has its settings, what is done when, and what to watch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from web.play.run import Step

LIBRARIES = ("raw", "zmq", "nanomsg", "nng")


@dataclass(frozen=True)
class Story:
    name: str
    title: str
    watch: str  # what to look at
    experiment: str  # of the lab: it explains
    settings: dict[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    span: int = 10000  # ms that the picture shows at first
    notes: dict[str, str] = field(default_factory=dict)  # what stands below the picture of a panel


STORIES = (
    Story(
        "requests",
        "Requests and replies",
        "A client (req) asks twice a second; the server (rep) answers with the same words. "
        "Each arrow is one message; it starts when the message was sent and ends when it "
        "was received. Click on one.",
        "tcp-has-no-messages",
        {
            "panels": LIBRARIES, "pattern": "reqrep", "texts": ["hello", "how deep is the sea?"],
            "rate": 2,
        },
    ),
    Story(
        "killed-server",
        "The server is killed at work",
        "The server works 600 ms on each request. It is killed in the middle of one, "
        "and starts again two seconds later. The client waits up to four seconds. Does it ask "
        "again by itself? Does the second server get the request that the first one had? "
        "When does the client notice?",
        "killed-server",
        {
            "panels": LIBRARIES, "pattern": "reqrep", "texts": ["pay 10 francs"],
            "rate": 1, "work": 600, "timeout": 4000,
        },
        (
            (3.3, {"do": "kill", "role": "rep"}, "The server is killed (SIGKILL) while it works."),
            (5.3, {"do": "restart", "role": "rep"}, "Another server starts at the same address."),
        ),
        notes={"nanomsg": "nanomsg's own REQ would ask again, as NNG's does. This panel does "
            "without it: its raw socket sends nothing by itself."},
    ),
    Story(
        "late-reply",
        "The late reply",
        "The server is paused (SIGSTOP) until the client has given up, after 500 ms. "
        "Then it goes on and answers: too late. Whose reply does the next request get?",
        "late-reply",
        {
            "panels": LIBRARIES, "pattern": "reqrep", "texts": ["one", "two", "three", "four"],
            "rate": 1, "timeout": 500,
        },
        (
            (2.6, {"do": "stop", "role": "rep"}, "The server is paused (SIGSTOP)."),
            (5.2, {"do": "continue", "role": "rep"},
             "The server goes on (SIGCONT), and answers what it finds."),
        ),
    ),
    Story(
        "prefixes",
        "Topics and prefixes",
        "One publisher, three subscribers: A wants oslo., B wants os, C wants rome. "
        "A prefix is compared byte by byte. Which events reach B, although nobody named them?",
        "where-filtered",
        {
            "panels": LIBRARIES, "pattern": "pubsub", "peers": 3,
            "prefixes": ["oslo.", "os", "rome."],
            "topics": ["rome.temp", "oslo.temp", "oslo.wind", "osaka.wind"],
            "texts": ["16 C", "-4 C", "3 m/s", "9 m/s"], "rate": 4,
        },
        span=3000,
    ),  # fmt: skip
    Story(
        "slow-subscriber",
        "A subscriber pauses under a flood",
        "500 events a second of 1000 bytes, over UNIX sockets; the queues hold 100. Subscriber B "
        "is paused for five seconds. Does the publisher wait for B? Does A miss anything? Which "
        "events does B miss: the oldest or the newest? Watch the publisher's memory.",
        "slow-subscriber",
        {
            "panels": LIBRARIES, "pattern": "pubsub", "transport": "ipc", "peers": 2,
            "topics": ["flood"], "texts": ["x"], "size": 1000, "rate": 500, "queue": 100,
        },
        (
            (3.0, {"do": "stop", "role": "sub B"}, "Subscriber B is paused (SIGSTOP)."),
            (8.0, {"do": "continue", "role": "sub B"}, "Subscriber B goes on (SIGCONT)."),
        ),
        notes={"nng": "Here all of B stands still, NNG's threads too. So B gets some events of the "
            "pause's first second, which the line and the kernel held, and then the newest, from "
            "the publisher's queue. In the experiment the threads go on: B finds the newest "
            "alone."},
    ),  # fmt: skip
    Story(
        "publisher-returns",
        "The publisher returns",
        "The publisher is killed, and starts again a second later without waiting for anybody. "
        "How many of its first events does each subscriber miss? The row “since the last start” "
        "counts them. The numbers start again at 1.",
        "slow-joiner",
        {
            "panels": LIBRARIES, "pattern": "pubsub", "peers": 2, "topics": ["news"],
            "texts": ["news"], "rate": 20, "join": 0,
        },
        (
            (3.0, {"do": "kill", "role": "pub"}, "The publisher is killed (SIGKILL)."),
            (4.0, {"do": "restart", "role": "pub"},
             "Another publisher starts at the same address."),
        ),
    ),
    Story(
        "dead-line",
        "The line is dead, and nobody says so",
        "From second 3 on nothing passes between client and server, and no connection ends, "
        "as if a cable were pulled. Who notices, and when? At second 8 the line works again. "
        "Which requests run then?",
        "cable-cut",
        {
            "panels": LIBRARIES, "pattern": "reqrep", "texts": ["are you there?"],
            "rate": 1, "timeout": 1000,
        },
        (
            (3.0, {"do": "stall"}, "The line stalls: nothing passes, nothing ends."),
            (8.0, {"do": "go"}, "The line works again."),
        ),
    ),
    Story(
        "byte-by-byte",
        "TCP has no messages",
        "From second 3 on the line passes one byte a millisecond. "
        "The first step of the way (raw-1) takes what one recv() returns for a message. The second "
        "(raw-2) puts each message in a frame. Which one still understands its client?",
        "tcp-has-no-messages",
        {
            "panels": ["raw-1", "raw-2", "zmq"], "pattern": "reqrep", "texts": ["hello"],
            "rate": 1, "timeout": 1000,
        },
        (
            (3.0, {"do": "rate", "value": 1000}, "The line passes 1000 bytes a second ..."),
            (3.1, {"do": "slice", "value": 1}, "... and each byte alone."),
            (9.0, {"do": "clear"}, "The line is clear: no fault holds."),
        ),
        notes={"raw-1": "recv() returns single bytes, and the server finds no request in them: "
            "“malformed”. It answers each with an error reply, so it sends more than it receives."},
    ),
)
