"""What tests/fuzz/frames sends: legal frames of each protocol with anything inside.

A case is what a few peers do, one script for each; a script is a list of steps, in JSON:

    ["greet"]             the greeting of both sides
    ["read"]              reads one frame; a request's envelope is kept
    ["frame", PART...]    a legal frame of these parts, in hexadecimal; "@" is the envelope kept
    ["flood", N, PART...] that frame N times
    ["hose", PART...]     that frame without end, until the case or the program ends
    ["slow", PART...]     that frame, one byte at a time
    ["cut", N, PART...]   the first N bytes of that frame
    ["claim", N, SENT]    the beginning of a frame of N bytes, and SENT of them; -1: without end
    ["bytes", HEX]        these bytes
    ["half"]              the end of what this side sends (shutdown)
    ["pause", MS], ["close"], ["reset"]

A peer that neither closes nor resets stays until the case ends. In a file, ["times", N] before the
steps of a script stands for N such scripts.
"""

from __future__ import annotations

import itertools
import random
import struct
from typing import Any

from peers import ERROR, EVENT, HEADER, REPLY, REQUEST, Message, Zmtp

Step = list[Any]
Script = list[Step]
Case = list[Script]

MAX = 1 << 20  # the program's -m
WORK = 4 << 20  # bytes that one case sends in whole messages, about
LENGTHS = [*range(10), 24, 25, 26, 127, 245, 246, 254, 255, 256, 257, 4095, 4096, 65536]
NEAR_MAX = [MAX - 26, MAX - 4, MAX - 1, MAX, MAX + 1, MAX + 4, MAX + 9]
CLAIMS = [MAX + 1, 64 << 20, *((1 << bits) - 1 for bits in (31, 32, 63, 64)), 1 << 32, 1 << 40]
MODEST = [MAX + 1, 64 << 20]  # claims that a program may have to keep
NUMBERS = [0, 1, 2, 255, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]
KIND = {"req": REQUEST, "rep": REPLY, "pub": EVENT}  # what a peer of this role should send


def folded(case: Case) -> Case:
    """Equal scripts in a row as one, for a file."""
    groups = [(script, len(list(equal))) for script, equal in itertools.groupby(case)]
    return [[["times", n], *script] if n > 1 else script for script, n in groups]


def unfolded(case: Case) -> Case:
    counted = [(s[0][1], s[1:]) if s and s[0][0] == "times" else (1, s) for s in case]
    return [script for n, script in counted for _ in range(n)]


# What the contract does not promise of a library ("These clauses have been narrowed"), and what is
# therefore not sent to the program, or not asked of it.
ABORTS_ON_CLAIMS = {"nanomsg-req", "nanomsg-sub"}  # that cannot be allocated (chunkref.c)
# They may never connect again after a connection that ends at an unlucky moment: the server greets
# and resets (TCP) or closes (ipc). Whether an honest server serves them then is not asked.
DEAF = {"nanomsg-req", "nanomsg-sub"}
# A connection that its peer resets while a further message arrives may be the last one that the
# library frees (tcp.c).
KEEPS = {"nng-rep"}
# A frame that cannot be allocated ends libzmq's session (v2_decoder.cpp: ENOMEM). zmq-req makes its
# connection again, since it has a time-out; a subscriber waits for ever.
GIVES_UP_ON_CLAIMS = {"zmq-sub"}
ABORTS_ON_EMPTY = {"nanomsg-pub"}  # whole messages (xpub.c)
# What a program still does wrong, by a part of the sentence that says so: it is told, and does not
# count. tests/fuzz/frames --known counts it.
KNOWN: dict[str, str] = {}
# Memory grows with what a server sends, and R7 lets it grow with the bytes that a client sends.
GROWS = {"zmq-req", "zmq-sub", "nanomsg-req", "nanomsg-sub", "nng-rep"}


def violates(framing: str, role: str, script: Script) -> bool:
    """Whether a script of a server is more than libzmq's client forgives.

    After a violation of the protocol, libzmq's client does not connect again (session_base.cpp,
    engine_error(): protocol_error ends the session). The contract does not promise that it does.
    """
    if framing != "zmtp":
        return False
    names = [step[0] for step in script]
    read = names.index("read") if "read" in names else len(names)
    return "bytes" in names or any(
        name not in ("greet", "read", "pause", "half", "close", "reset")
        and (role == "rep" and (i < read or "@" not in step or len(step) > 4))
        for i, (name, step) in enumerate(zip(names, script))
    )


class Grammar:
    """Cases for a program, such as raw-rep, whose peer has the role `role` and speaks `framing`."""

    def __init__(self, chance: random.Random, program: str, framing: str, role: str) -> None:
        self.chance, self.framing, self.role = chance, framing, role
        self.claims = MODEST if program in ABORTS_ON_CLAIMS | GIVES_UP_ON_CLAIMS else CLAIMS
        self.endless = MODEST if program in GROWS else CLAIMS
        self.shortest = b"\1" if program in ABORTS_ON_EMPTY else b""

    def likely(self, part: float) -> bool:
        return self.chance.random() < part

    # What is in a frame.

    def noise(self) -> bytes:
        length = self.chance.choice(LENGTHS)
        if self.likely(0.3):
            return self.chance.choice([b"\0", b"\1", b"\x80", b"\xff", b"a"]) * length
        return self.chance.randbytes(length)

    def message(self) -> bytes:
        """A message of message.h's format, mostly with something wrong."""
        kinds = [KIND.get(self.role, EVENT)] * 5 + [REQUEST, REPLY, EVENT, ERROR, 0, 5, 255]
        topics = [b""] * 4 + [b"weather", b"\x1b[31m", bytes(range(1, 256)), b"t" * 256]
        numbers = [self.chance.choice([*NUMBERS, self.chance.randrange(1000)]) for _ in range(2)]
        body = b"hello" if self.likely(0.5) else self.noise()
        data = Message(
            self.chance.choice(kinds), body, self.chance.choice(topics), *numbers
        ).encode()
        how = self.chance.randrange(10)
        if how == 0:
            data = data[: self.chance.randrange(len(data) + 1)]
        elif how == 1:
            data += self.noise()
        elif how == 2:  # another version, something in the zero, another length
            wrong = [(2, 1, 0, 0, 1, 1), (1, 1, 7, 0, 1, 1), (1, 1, 0, 1 << 31, 1, 1)]
            data = HEADER.pack(*self.chance.choice(wrong)) + body
        elif how == 3:
            data = self.noise()
        elif how == 4 and self.likely(0.2):
            data += bytes(self.chance.choice(NEAR_MAX) - min(len(data), MAX // 2))
        return data

    def prefix(self) -> bytes:
        """What a subscriber says."""
        zeros = bytes(self.chance.choice(LENGTHS))
        first = self.chance.choice([b"\1", b"\1", b"\1", b"\0", b"\0", b"\2", b"\xff", b""])
        return first + self.chance.choice([b"", b"weather", zeros, self.noise()])

    def envelope(self) -> list[bytes]:
        """Ids, hops and empty parts, right and wrong."""
        if self.framing == "zmtp":
            lengths = [self.chance.choice([0, 1, 4, 5, 255])] * self.chance.choice([0, 1, 2, 9])
            ids = [self.chance.randbytes(length) for length in lengths]
            return [*ids, b""] if self.likely(0.7) else ids
        words = []
        if self.framing == "sp":
            hops = self.chance.choice([0, 0, 1, 2, 4, 7, 8, 9, 100])
            words = [self.chance.randrange(1 << 31) for _ in range(hops)]
        if self.likely(0.7):
            words.append(self.chance.choice([1, 1 << 31, (1 << 31) + 1, (1 << 32) - 1]))
        return [struct.pack(">I", word) for word in words]

    def parts(self) -> list[str]:
        """A frame's parts."""
        if self.role == "sub":
            parts = [self.prefix() if self.framing != "sp" else self.noise() or self.shortest]
        elif self.role == "pub":
            parts = [self.message()]
        elif self.likely(0.5):
            return ["@", self.message().hex()]
        else:
            parts = [*self.envelope(), self.message()] if self.likely(0.6) else self.envelope()
        if self.framing == "zmtp" and self.likely(0.1):
            parts += [self.noise() for _ in range(self.chance.choice([1, 2, 50]))]
        return [part.hex() for part in parts]

    def command(self) -> bytes:
        """A command of ZMTP 3.1, or one that nobody knows."""
        names = [b"PING", b"PONG", b"SUBSCRIBE", b"CANCEL", b"READY", b"ERROR", b"NOBODY", b""]
        return Zmtp.command(
            self.chance.choice(names),
            self.chance.choice([b"", b"\0\1hello", b"\3no!", self.noise()]),
        )

    # What a peer does.

    def speech(self) -> Step:
        """One step that sends."""
        parts = self.parts()
        size = 16 + sum(len(part) // 2 for part in parts)
        how = self.chance.randrange(20)
        if how < 3:
            number = min(self.chance.choice([2, 3, 10, 300, 1500]), WORK // size)
            return ["flood", max(1, number), *parts]
        if how == 3 and size < 300:
            return ["slow", *parts]
        if how == 4:
            return ["cut", self.chance.randrange(size), *parts]
        if how == 5:
            sent = self.chance.choice([0, 1, 100, 70000, 2 * MAX])
            return ["claim", self.chance.choice(self.claims), sent]
        if how == 6 and self.framing == "zmtp":
            return ["bytes", self.command().hex()]
        if how == 7 and size < 5000:
            return ["hose", *parts]
        return ["frame", *parts]

    def script(self) -> Script:
        steps: Script = [["greet"]]
        for _ in range(self.chance.choice([0, 1, 1, 1, 2, 2, 3, 8])):
            if self.role == "rep" and self.likely(0.8):
                steps.append(["read"])
            steps.append(self.speech())
            if steps[-1][0] in ("hose", "cut", "claim"):
                break  # what follows would be a part of it
            if self.likely(0.1):
                steps.append(["read"] if self.role == "req" else ["pause", 20])
        if self.likely(0.1):
            steps.append(["half"])
        return steps + self.chance.choice([[], [["close"]], [["close"]], [["reset"]]])

    def case(self) -> Case:
        script = self.script()
        copies = self.chance.choice([1] * 6 + [10, 100 if self.role in ("req", "sub") else 3])
        if any(step[0] in ("hose", "flood", "claim", "slow") for step in script):
            copies = min(copies, 10)
        if self.likely(0.8):
            return [script] * copies
        return [self.script() for _ in range(min(copies, 3))]

    def last_words(self) -> Case:
        """A case that still goes on when the program is told to end."""
        steps: Script = [["greet"]]
        if self.role == "rep":
            steps.append(["read"])
        claim: Step = ["claim", self.chance.choice(self.endless), -1]
        steps.append(claim if self.likely(0.3) else ["hose", *self.parts()])
        return [steps] * self.chance.choice([1, 1, 3])
