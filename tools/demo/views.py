"""What the audience of a demo sees: one live column for each panel, or plain lines.

Both views are told the same things. What is told is held for a moment and shown in order of time,
because the lines of several processes arrive in whatever order they are read. Where the terminal is
too narrow for all columns side by side, they stand in two or more rows.
"""

from __future__ import annotations

import heapq
import itertools
import time
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.panels import Panel, printable

HOLD_SECONDS = 0.1  # longer than a line takes from a program's clock to here
FRAME_SECONDS = 0.08
COLUMN_MIN = 28  # narrower, every text would be torn to pieces
COLUMN_WIDE = 34  # from here on times have milliseconds
ROWS_MIN = 5  # lines of a column that are worth looking at: four panels fit 80 columns and 24 lines
ROWS_REMEMBERED = 1000  # lines of a column, while an act lasts
ROWS_KEPT = 80  # lines of a column that stay when an act is over
HEAD = 3  # lines of a row of columns that are not messages
AROUND = 7  # lines of the terminal that an act's title and sentence take


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
        self.console.print(Text(title, style="bold"))
        self.console.print(Text(sentence))

    def remark(self, sentences: list[str]) -> None:
        """What an act came to, below it."""
        self.end_act()
        self.console.print()
        for sentence in sentences:
            self.console.print(Text(sentence))

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
        self.console.print(text, soft_wrap=True)


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
            rows = rows_of(self.console.width, self.panels)
            height = (self.console.height - AROUND) // len(rows) - HEAD
            self.live.update(self._frame(max(ROWS_MIN, height)), refresh=True)

    def end_act(self) -> None:
        super().end_act()
        if self.live:
            self.live.update(self._frame(ROWS_KEPT), refresh=True)
        self.close()

    def close(self) -> None:
        if self.live:
            self.live.stop()
            self.live = None

    def _frame(self, height: int) -> Group:
        """The columns, each with so many of its latest lines."""
        return Group(
            *(self._row(panels, height) for panels in rows_of(self.console.width, self.panels))
        )

    def _row(self, panels: list[Panel], height: int) -> Group:
        width = self.console.width // len(panels) - 1
        table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
        for _ in panels:
            table.add_column(width=width, no_wrap=True, overflow="crop")
        table.add_row(*(Text(title(panel), style=f"bold {panel.colour}") for panel in panels))
        table.add_row(*(Text("-" * width, style=panel.colour) for panel in panels))
        shown: list[list[Text]] = []
        for number in reversed(range(max(len(self.lines[panel.name]) for panel in panels))):
            cells = [self._cell(panel, number, width) for panel in panels]
            height -= max(1, *(len(cell) for cell in cells))
            if height < 0:
                break
            shown.insert(0, [Text("\n").join(cell) for cell in cells])
        for row in shown:
            table.add_row(*row)
        return Group(Text(), table)

    def _cell(self, panel: Panel, number: int, width: int) -> list[Text]:
        """One line of a column, folded where it is too long."""
        lines = self.lines[panel.name]
        line = lines[number] if number < len(lines) else None
        if line is None:
            return []
        wide = width >= COLUMN_WIDE
        at = f"{line.at:6.3f} " if wide else f"{line.at:4.1f} "
        who = f"{line.who if wide else line.who.split()[-1]} "
        lead = len(at) + len(who)
        pieces = list(Text(line.what).wrap(self.console, width - lead)) or [Text()]
        if line.note and pieces[-1].cell_len + 1 + len(line.note) > width - lead:
            pieces.append(Text())
        cell = []
        for piece in pieces:
            text = Text(at, style="dim") if not cell else Text(" " * len(at))
            text.append(who if not cell else " " * len(who), style=f"not dim {panel.colour}")
            text.append(piece.plain, style="not dim bold" if line.strong else "not dim")
            cell.append(text)
        if line.note:
            cell[-1].append(f" {line.note}", style=f"not dim {panel.colour}")
        return cell


def title(panel: Panel) -> str:
    """A panel's heading, with the mark that tells it from others without colours."""
    return f"{getattr(panel, 'mark', '')} {panel.heading}".strip()


def rows_of(width: int, panels: list[Panel]) -> list[list[Panel]]:
    """The panels in as few rows as their columns need, each as full as the others."""
    most = max(1, width // (COLUMN_MIN + 1))
    rows = -(-len(panels) // most)
    each = -(-len(panels) // rows)
    return [panels[at : at + each] for at in range(0, len(panels), each)]


def view_for(panels: list[Panel], console: Console, plain: bool) -> View:
    """Columns on a terminal that can redraw and has room for them; else plain lines."""
    if plain or not console.is_terminal or console.is_dumb_terminal:
        return Plain(panels, console)
    if told := too_small(console, panels):
        console.print(Text(told, style="dim"))
        return Plain(panels, console)
    return Columns(panels, console)


def too_small(console: Console, panels: list[Panel]) -> str:
    """What size gives columns, where this terminal has no room for them; else nothing."""
    least = (COLUMN_MIN + 1) * min(2, len(panels))  # one column below the other compares nothing
    width = max(console.width, least)
    rows = len(rows_of(width, panels))
    height = AROUND + rows * (ROWS_MIN + HEAD)
    if console.width >= least and console.height >= height:
        return ""
    return (
        f"This terminal is too small for columns: {panels_in_words(len(panels))} {width} columns "
        f"and {height} lines; it has {console.width} and {console.height}."
        + (
            f" Two panels need less: ./triptych demo {panels[0].name} {panels[1].name}"
            if rows > 1 else ""
        )
    )


def panels_in_words(number: int) -> str:
    return "one panel needs" if number == 1 else f"{number} panels need"
