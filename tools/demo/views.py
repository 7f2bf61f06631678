"""What the audience of a demo sees: one live column a panel, or plain lines.

Both views are told the same things. What is told is held for a moment and shown in order of time,
because the lines of several processes arrive in whatever order they are read.
"""

from __future__ import annotations

import heapq
import itertools
import sys
import time
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.panels import Panel

HOLD_SECONDS = 0.1  # longer than a line takes from a program's clock to here
FRAME_SECONDS = 0.08
COLUMN_MIN = 17  # narrower columns say nothing: plain lines instead
COLUMN_WIDE = 34  # from here on times have milliseconds
ROWS_REMEMBERED = 1000  # while it lasts
WORD_MIN = 5  # less of a text than this says nothing
ROWS_KEPT = 80  # of an act, when it is over


@dataclass(order=True)
class Line:
    """One thing that somebody did: at 1.204 s "req" ">" "hello"."""

    at: float
    number: int
    panel: Panel = field(compare=False)
    who: str = field(compare=False)
    what: str = field(compare=False)
    note: str = field(compare=False)
    strong: bool = field(compare=False)


def printable(text: str) -> str:
    """The text on one line, with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


class View:
    """The part that both views share: the clock, and the order of time."""

    reading_seconds = 0.0  # to read an act's sentence before it starts

    def __init__(self, panels: list[Panel], console: Console):
        self.panels = panels
        self.console = console
        self.started = time.monotonic()
        self.held: list[Line] = []
        self.numbers = itertools.count()

    def tell(
        self,
        panel: Panel,
        who: str,
        what: str,
        note: str = "",
        us: int | None = None,
        strong: bool = False,
    ) -> None:
        """Something happened, at this CLOCK_MONOTONIC time in microseconds or now."""
        at = (time.monotonic() if us is None else us / 1e6) - self.started
        heapq.heappush(
            self.held, Line(at, next(self.numbers), panel, who, printable(what), note, strong)
        )

    def act(self, title: str, sentence: str) -> None:
        """A new act begins."""
        self.console.print()
        self.console.print(Text(title, style="bold"), highlight=False)
        self.console.print(Text(sentence), highlight=False)

    def tick(self) -> None:
        """Shows what has been held long enough."""
        self._release(time.monotonic() - self.started - HOLD_SECONDS)

    def step(self) -> None:
        """All panels are to be given something new."""
        self._release(float("inf"))

    def end_act(self) -> None:
        self._release(float("inf"))

    def close(self) -> None:
        """Leaves the terminal as it was found."""

    def _release(self, until: float) -> None:
        while self.held and self.held[0].at <= until:
            self.show(heapq.heappop(self.held))

    def show(self, line: Line) -> None:
        raise NotImplementedError


class Plain(View):
    """Plain lines: the time, the panel's name, who, what."""

    last = 0.0  # the time of the last line

    def show(self, line: Line) -> None:
        if line.at < self.last - 0.001:  # a program told it late: it was still at it
            line.note = f"{line.note} (since {line.at:.3f})".strip()
        self.last = line.at = max(line.at, self.last)
        name = f"{line.panel.name:<{max(len(p.name) for p in self.panels)}}"
        note = f"  {line.note}" if line.note else ""
        text = Text(f"{line.at:7.3f}  ")
        text.append(name, style=line.panel.colour)
        text.append(f"  {line.who:<5} {line.what}{note}")
        self.console.print(text, highlight=False, soft_wrap=True)

    def step(self) -> None:
        super().step()
        sys.stdout.flush()


class Columns(View):
    """One column a panel, redrawn in place; what an act has shown stays on the terminal."""

    reading_seconds = 1.2

    def __init__(self, panels: list[Panel], console: Console):
        super().__init__(panels, console)
        self.live: Live | None = None
        self.drawn = 0.0
        self.lines: dict[str, list[Line | None]] = {}

    def act(self, title: str, sentence: str) -> None:
        super().act(title, sentence)
        self.lines = {panel.name: [] for panel in self.panels}
        self.live = Live(console=self.console, auto_refresh=False, vertical_overflow="crop")
        self.live.start()

    def show(self, line: Line) -> None:
        """Appends the line; one that a program told late goes to its place in time."""
        lines = self.lines[line.panel.name]
        place = len(lines)
        for before in range(len(lines) - 1, -1, -1):
            if (other := lines[before]) is not None and other.at <= line.at:
                break
            place = before
        if place < len(lines) and lines[place] is None:
            lines[place] = line
        else:
            lines.insert(place, line)

    def step(self) -> None:
        """The next lines of all columns start at the same height."""
        super().step()
        longest = max((len(lines) for lines in self.lines.values()), default=0)
        for lines in self.lines.values():
            lines += [None] * (longest - len(lines))
            del lines[: max(0, longest - ROWS_REMEMBERED)]

    def tick(self) -> None:
        super().tick()
        now = time.monotonic()
        if self.live and now - self.drawn >= FRAME_SECONDS:
            self.drawn = now
            self.live.update(self._frame(max(4, self.console.height - 7)), refresh=True)

    def end_act(self) -> None:
        super().end_act()
        if self.live:
            self.live.update(self._frame(ROWS_KEPT), refresh=True)
        self.close()

    def close(self) -> None:
        if self.live:
            self.live.stop()
            self.live = None

    def _frame(self, rows: int) -> Group:
        width = column_width(self.console, self.panels)
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
        for _ in self.panels:
            table.add_column(width=width, no_wrap=True, overflow="crop")
        table.add_row(*(Text(panel.heading, style=f"bold {panel.colour}") for panel in self.panels))
        table.add_row(*(Text("-" * width, style=panel.colour) for panel in self.panels))
        longest = max(len(lines) for lines in self.lines.values())
        for row in range(max(0, longest - rows), longest):
            table.add_row(*(self._cell(panel, row, width) for panel in self.panels))
        return Group(Text(), table)

    def _cell(self, panel: Panel, row: int, width: int) -> Text:
        lines = self.lines[panel.name]
        line = lines[row] if row < len(lines) else None
        if line is None:
            return Text()
        at = f"{line.at:6.3f} " if width >= COLUMN_WIDE else f"{line.at:4.1f} "
        who = line.who if width >= COLUMN_WIDE else line.who.split()[-1]
        # The note is the figure: the text gives way to it where there is little room.
        room = width - len(at) - len(who) - 1 - (len(line.note) + 1 if line.note else 0)
        what = Text(line.what)
        if what.cell_len > room:
            what.truncate(room if room >= WORD_MIN else 1, overflow="crop")
        text = Text(at, style="dim")
        text.append(f"{who} ", style=f"not dim {panel.colour}")
        text.append_text(Text(what.plain, style="not dim bold" if line.strong else "not dim"))
        if line.note:
            text.append(f" {line.note}", style=f"not dim {panel.colour}")
        return text


def column_width(console: Console, panels: list[Panel]) -> int:
    return console.width // len(panels) - 1


def view_for(panels: list[Panel], console: Console, plain: bool) -> View:
    """Columns on a terminal that can redraw and is wide enough for them; else plain lines."""
    can_redraw = console.is_terminal and not console.is_dumb_terminal
    if plain or not can_redraw or column_width(console, panels) < COLUMN_MIN:
        return Plain(panels, console)
    return Columns(panels, console)
