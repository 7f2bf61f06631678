"""The file of a UNIX socket, after the server's exit."""

from __future__ import annotations

from lab.words import sentence
from lab.workbench import Observation, Workbench

THEME = "the lecture's sockets"
ORDER = 20
QUESTION = (
    '"A UNIX socket\'s address is a path, and bind creates a file there," says the lecture. The '
    "server exits. What does the next server get when it binds the same path?"
)
FIND = "unlink AF_UNIX stale socket file address already in use ipc UNIX domain remove"
PREDICT = [
    "success: the file went with its process",
    "success: the file is still there, and bind replaces it",
    '"File exists"',
    '"Address already in use", although nobody uses it',
]
PANELS = ["raw"]
EXPLANATION = """
When a process ends, the kernel closes its descriptors, the socket's too. The name is an entry in a
directory, and nobody removes it: bind(2) makes it, and only unlink(2) ends it. For bind a path that
exists is a path in use, whatever kind of file is there; that is EADDRINUSE, not EEXIST. For connect
the file is there and nobody is behind it: "Connection refused". Where there is no file, connect
says "No such file or directory". So a client can tell a server that died from one that never was.

The usual cure, unlink before bind, asks nobody. Against a server that lives it succeeds as well:
connected clients stay with the old server, all new ones reach the thief, and the old server hears
nothing of it. raw therefore connects first and unlinks only after "Connection refused".

Linux's abstract names, with a zero byte in front, are no files and go with the last descriptor.
"""
SOURCES = [
    "unix(7), Pathname sockets, Abstract sockets; NOTES: the name should be removed with unlink(2)",
    "bind(2), EADDRINUSE; connect(2), ECONNREFUSED; raw/endpoint.c",
]
TRY_NEXT = "./triptych lab stolen-address: what the libraries do with a path that is there."
WORDS = {
    "nothing yet": "no server was ever there; connect says: {}",
    "left": "a server has bound the path and ended; at the path there is {}",
    "connect to what is left": "connect to that path says: {}",
    "bind again": "the next server's bind says: {}",
    "unlink": "the next server calls unlink, which says: {}",
    "bind after unlink": "its bind after that says: {}",
    "thief binds": "a thief calls unlink and bind while that server runs; bind says: {}",
    "new client": "a new client's connect says: {}",
    "reaches the thief": "the thief's accept says: {}",
    "early client": "the client that was connected before still hears its server: {}",
    "abstract": "bind to an abstract name, in two lives one after the other, says: {}",
}
EXPECTED = {
    "raw": {
        "nothing yet": "No such file or directory",
        "left": "a socket",
        "connect to what is left": "Connection refused",
        "bind again": "Address already in use",
        "unlink": "ok",
        "bind after unlink": "ok",
        "thief binds": "ok",
        "new client": "ok",
        "reaches the thief": "ok",
        "early client": "ok",
        "abstract": "ok, then ok",
    }
}


def run(workbench: Workbench, panel: str) -> Observation:
    data: dict[str, str] = {}
    for said in workbench.probe("path-stays", workbench.path()).rest():
        step, result = said["event"], said["error"] or (
            "a socket" if said["event"] == "left" else "ok"
        )
        data[step] = f"{data[step]}, then {result}" if step in data else result
        if step != "abstract":  # it comes twice
            workbench.say(sentence(WORDS, step, result))
    workbench.say(sentence(WORDS, "abstract", data.get("abstract")))
    again = data.get("bind again", "")
    answer = {"Address already in use": 4, "File exists": 3, "ok": 2}.get(again, 0)
    if answer == 2 and data.get("left") != "a socket":
        answer = 1
    phrase = (
        f"after the exit: {data.get('left')} at the path; "
        f"connect: {data.get('connect to what is left')}; "
        f"bind: {again}; after unlink: {data.get('bind after unlink')}"
    )
    return Observation(data, phrase, answer)
