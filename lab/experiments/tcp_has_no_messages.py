"""TCP is a stream of bytes; messages are what a reader makes of them."""

import socket

from lab.workbench import Observation, Workbench

THEME = "streams, signals, processes"
ORDER = 10
QUESTION = (
    "Ten messages of 40 bytes travel through a network that delivers single bytes. "
    "How many messages does the receiver see?"
)
FIND = (
    "message boundary boundaries arrives pieces joined stream framing partial short read recv "
    "returns less two messages in one length prefix split border borders framed delimiter"
)
PREDICT = ["ten", "one", "as many as there are bytes"]
PANELS = ["raw", "zmq", "nanomsg", "nng"]
EXPLANATION = """
TCP promises the bytes and their order, and says nothing about where a send ended. A read returns
the bytes that happen to be there: ten messages at once, or a tenth of a message. So each library
frames: it sends a length before the bytes, and its reader goes on until it has that many. raw does
the same; most of raw/frame.c and raw/conn.c is for that.

The lengths differ. raw sends 4 bytes of length. nanomsg and NNG send 8, and over a UNIX socket one
more byte before them, 01. ZeroMQ sends a byte of flags and then 1 byte of length, or 8 if the
length is above 255; a flag says that the message goes on in the next frame, so that a message may
have several. `./triptych wire` shows these bytes. A datagram needs no length, as its own ends are
kept: `./triptych lab datagrams`.

Beside it runs the naive reader, which takes the result of one read for one message, as many a first
program does. Ten sends came while it had other work, and one read returned them all; the same ten,
byte by byte, took more than a hundred. If a reader is always ready, on a quiet machine, it works,
and so such programs reach their users.
"""
SOURCES = [
    "RFC 9293 (TCP), 3.8; read(2)",
    "RFC 37 (ZMTP 3.1), framing; nanomsg: rfc/sp-tcp-mapping-01.txt",
    "lab/probes/naive_reader.c",
]
TRY_NEXT = "build/tap with --slice 1 --rate 1000 between a pair of your own programs."
WORDS = {
    "received": "{} messages arrive",
    "malformed": "{} of them are malformed",
    "naive_together": "a naive reader sees {} messages of ten that are sent together",
    "naive_sliced": "a naive reader sees {} messages where single bytes arrive",
}
COUNT, BYTES = 10, 40
WHOLE = {"received": COUNT, "malformed": 0}
EXPECTED = {
    "raw": {**WHOLE, "naive_together": [1, 2], "naive_sliced": COUNT * BYTES},
    "zmq": WHOLE,
    "nanomsg": WHOLE,
    "nng": WHOLE,
}
SLICED = ("--slice", 1, "--rate", 2000)  # a byte each half millisecond


def naive(workbench: Workbench, sliced: bool) -> int:
    """How many reads the naive reader takes for messages."""
    port = workbench.port()
    reader = workbench.probe("naive-reader", port)
    reader.hear("ready")
    with socket.create_connection(("127.0.0.1", port), 5) as sender:
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sliced:  # so slow a network that each byte is read before the next one comes
            for _ in range(COUNT * BYTES):
                sender.send(b"x")
                reader.hear("message")
        else:
            reader.freeze()  # it has other work just now
            for _ in range(COUNT):
                sender.send(bytes(BYTES))
            reader.thaw()
    reader.hear("end")
    return sum(event["event"] == "message" for event in reader.events)


def run(workbench: Workbench, panel: str) -> Observation:
    url, front = workbench.url(), workbench.url()
    publisher = workbench.ready("pub", url, "-n", 0, "-s", BYTES, "-r", 20, "--quiet")
    workbench.tap(front, url, *SLICED)
    workbench.say("a publisher, a network of single bytes, a subscriber")
    summary = workbench.ready("sub", front, "-n", COUNT, "-t", 8000, "--quiet").summary()
    publisher.stop()
    data = {"received": summary["received"], "malformed": summary["malformed"]}
    workbench.say(f"{data['received']} messages, {data['malformed']} malformed")
    phrase = f"{data['received']} of {COUNT}"
    if panel == "raw":
        workbench.say("the same with a reader that takes each read for a message")
        data["naive_together"] = naive(workbench, False)
        data["naive_sliced"] = naive(workbench, True)
        phrase += f"; a naive reader {data['naive_together']}"
        phrase += f", and {data['naive_sliced']} of single bytes"
    return Observation(data, phrase, {COUNT: 1, 1: 2}.get(data["received"], 0))
