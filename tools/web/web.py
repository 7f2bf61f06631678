"""./triptych web - a sandbox in the browser: run the panels, break them, watch

Usage:  ./triptych web [--port N] [--no-open]

Starts a server that this machine alone can reach, prints one address, and opens
a browser where there is one. The address contains a random token: whoever has
it may run the panels' programs under your name, so keep it to yourself.

The page Play runs programs of several panels side by side. It draws each
message as it happens, and has buttons that kill, stop and restart each program
and that delay or cut the line between them. The address of a page holds what
you chose there. Two browsers can look at the same run.

Ctrl-C ends the server and all that it started. So does closing the last page: a
minute later.

  --port N    listens on port N; default: 8472, or a free port if that is taken
  --no-open   opens no browser

Exit status: 0 the last page was closed, 1 something failed, 2 the command line
was wrong, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import asyncio

from harness.command import CommandLine
from harness.panels import choose_panels, complain
from web.server import ServerFailed, serve

PORT = 8472
LAST_PORT = 65535


def main() -> int:
    line = CommandLine("web", __doc__)
    line.add_argument("--port", type=int)
    line.add_argument("--no-open", action="store_true")
    options = line.read()
    if options.port is not None and not 0 <= options.port <= LAST_PORT:
        line.error(
            f"--port {options.port}: a port is a number from 1 to {LAST_PORT}, or 0: any free one"
        )
    choose_panels([], "web")  # ends here if nothing is built
    ports = [PORT, 0] if options.port is None else [options.port]
    try:
        return asyncio.run(serve(ports, not options.no_open))
    except ServerFailed as problem:
        complain(1, f"web: {problem}")
