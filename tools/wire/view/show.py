"""What `wire` shows: each panel's bytes in a column, side by side where there is room; totals."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.terminal import BLUE, BROWN, GREEN, RED, VIOLET
from wire.view.exchange import PREFIX, UNWANTED, WANTED, Event
from wire.view.totals import Observed, totals

COLUMN_MIN = 50  # narrower, the meanings are torn to pieces
GAP = 3
RUN_MIN = 4  # so many equal bytes are written as one and their number
STYLES = {
    "handshake": BLUE,
    "control": VIOLET,
    "framing": BROWN,
    "message": GREEN,
    "unknown": f"bold white on {RED}",
}
TITLES = {
    "reqrep": "Request and reply",
    "pubsub": f'Publish and subscribe: to "{PREFIX}"; first {UNWANTED} is published, then {WANTED}',
}


def show(console: Console, pattern: str, observed: list[Observed], transport: str) -> None:
    console.print()
    console.print(Text(f"{TITLES[pattern]}, over {transport}", style="bold"))
    legend = Text("  ".join(STYLES))
    for part, style in STYLES.items():
        legend.highlight_words([part], style)
    console.print(legend)
    room = max(1, (console.width + GAP) // (COLUMN_MIN + GAP))
    for at in range(0, len(observed), room):
        row = observed[at : at + room]
        width = (console.width + GAP) // len(row) - GAP
        grid = Table.grid(padding=(0, GAP, 0, 0))
        for _ in row:
            grid.add_column(width=width)
        grid.add_row(*(bytes_table(o, width) for o in row))
        console.print()
        console.print(grid)
    console.print()
    console.print(totals_table(pattern, observed))
    for line in footnotes(pattern):
        console.print(Text(line, style="dim"))


def bytes_table(observed: Observed, width: int) -> Table:
    a_line = 16 if width >= 104 else 8 if width >= 66 else 4
    title = Text(
        f"{observed.panel.name}: {observed.version}", style=f"bold {observed.panel.colour}"
    )
    title.truncate(width, overflow="ellipsis")
    table = Table(
        title=title, title_justify="left", box=None, show_header=False, padding=(0, 1, 0, 0),
        width=width,
    )
    table.add_column(justify="right", no_wrap=True, style="dim")  # when
    table.add_column(justify="right", no_wrap=True)  # which way, offset
    table.add_column(no_wrap=True, width=a_line * 3 - 1)  # bytes
    table.add_column(overflow="fold")  # meaning
    last = -1
    for event in timeline(observed):
        if event["event"] != "element":
            when, what = f"{(event['time'] - observed.opened) * 1000:.2f} ms", happening(event)
            table.add_row(when, "", "", Text(what, style="dim"))
            continue
        new = event["record"] != last
        last = event["record"]
        when = f"{(event['time'] - observed.opened) * 1000:.2f} ms" if new else ""
        way = f"{'>' if event['direction'] == 'up' else '<'}{event['offset']:5}"
        style = STYLES[event["part"]]
        table.add_row(
            when, way, Text("\n".join(hex_lines(event, a_line)), style=style), event["meaning"]
        )
    return table


def timeline(observed: Observed) -> list[Event]:
    """Elements, and between them what happened to the connections."""
    others = [e for e in observed.events if e["event"] in ("open", "shut", "reset", "close")]
    return sorted([*observed.elements, *others], key=lambda e: float(e["time"]))


def happening(event: Event) -> str:
    if event["event"] == "open":
        return (
            f"-- connection to {event['server']}"
            if event["connection"] == 1 else "-- one more connection"
        )
    side = "client" if event.get("direction") == "up" else "server"
    return {
        "shut": f"-- the {side} sends no more",
        "reset": f"-- the {side} resets the connection",
        "close": "-- closed",
    }[str(event["event"])]


def hex_lines(element: Event, a_line: int) -> list[str]:
    """The bytes; runs of equal ones shortened, and what is not shown counted."""
    data = bytes.fromhex(element["hex"])
    lines: list[str] = []
    words: list[str] = []

    def end_line() -> None:
        if words:
            lines.append(" ".join(words))
            words.clear()

    at = 0
    while at < len(data):
        run = 1
        while at + run < len(data) and data[at + run] == data[at]:
            run += 1
        if run >= RUN_MIN and run > 8:
            end_line()
            lines.append(f"{data[at]:02x} x{run}")
        else:
            run = 1
            words.append(f"{data[at]:02x}")
            if len(words) == a_line:
                end_line()
        at += run
    end_line()
    if element["length"] > len(data):
        lines.append(f"+{element['length'] - len(data)} more")
    return lines


def totals_table(pattern: str, observed: list[Observed]) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    for o in observed:
        table.add_column(Text(o.panel.name, style=o.panel.colour), justify="right")
    all_totals = [totals(o) for o in observed]

    def row(label: str, *names: str, join: str = " + ") -> None:
        cells = (join.join("-" if t[n] is None else f"{t[n]}" for n in names) for t in all_totals)
        table.add_row(label, *cells)

    row("handshake bytes, up + down", "handshake_up", "handshake_down")
    trips = "until the request leaves" if pattern == "reqrep" else "until an event can arrive"
    table.add_row(f"round trips {trips}", *(str(t["round_trips"]) for t in all_totals))
    row("segments, up + down", "segments_up", "segments_down")
    if pattern == "reqrep":
        row("request: the message itself", "request")
        row("request: of these the body", "request_body")
        row("request: bytes beyond it", "request_framing")
        row("reply: bytes beyond the message", "reply_framing")
    else:
        row("bytes to subscribe", "subscribe")
        row("bytes to unsubscribe", "unsubscribe")
        row("event: the message itself", "event")
        row("event: of these the body", "event_body")
        row("event: bytes beyond it", "event_framing")
        cells = (
            str(t["unwanted_event"]) if t["unwanted_event"] else "0: not sent" for t in all_totals
        )
        table.add_row("bytes for the event nobody wanted", *cells)
    if any(t["unknown"] for t in all_totals):
        row("bytes not understood", "unknown")
    return table


def footnotes(pattern: str) -> list[str]:
    lines = [
        "Round trips: without the one of TCP itself. They were counted in a "
        "second exchange, over a way of 80 ms there and back.",
        "Segments: what arrived at the tap at once. The bytes of two writes "
        "may arrive as one segment.",
    ]
    if pattern == "reqrep":
        lines.append(
            "The message itself has a head of 25 bytes and the body, the same in every panel."
        )
    else:
        lines.append(
            "Each step begins when no more bytes move: the pauses between "
            "steps are not the library's."
        )
    return lines
