"""The figures of a run as they stand in JSON: read by case, and written for people."""

from __future__ import annotations

from typing import Any

from bench.stats import Interval

RATIO_METRICS = {"latency": "p50", "connections": "p50", "throughput": "rate", "fanout": "rate"}
LOWER_IS_BETTER = {"latency", "connections"}
LOST_MIN = 0.01  # of the messages: a sentence tells of losses from here on
CASE = ("bench", "transport", "placement", "size", "queue", "rate", "peers")
QUEUES = {-1: "long queues", 0: "each library's own queues"}
PLACES = {"free": "Any core"}

Cell = dict[str, Any]
Results = dict[str, Any]


def number(value: float) -> str:
    """Three digits that count, with k or M from ten thousand on."""
    for limit, divisor, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            value, suffix = value / divisor, letter
            break
    else:
        suffix = ""
    size = abs(float(f"{value:.3g}"))
    digits = 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}{suffix}"


def times(value: float) -> str:
    """A ratio for a sentence: two digits that count."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1.95 else f"{value:.2f}"


def brief(value: float) -> str:
    """A count: two digits that count."""
    if value >= 10:
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{value:.2g}" if value >= 0.0001 else "0"


def length(size: int) -> str:
    """Of a body, as people say it."""
    for shift, unit in ((20, "MiB"), (10, "KiB")):
        if size >= 1 << shift and size % (1 << shift) == 0:
            return f"{size >> shift} {unit}"
    return f"{size} B"


def protocol(transport: str) -> str:
    return "TCP" if transport == "tcp" else transport


def counted_as(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def joined(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def name_of(cell: Cell) -> str:
    """A panel's name in a sentence: NNG, not NNG (nn_ API)."""
    name: str = cell["label"].partition(" (")[0].removesuffix(" sockets")
    return name


def figure(cell: Cell, name: str) -> Interval | None:
    found = cell["metrics"].get(name)
    return Interval(**found) if found else None


def main_figure(cell: Cell) -> Interval | None:
    """What a case is about: the median round trip, or the rate of what arrived."""
    return figure(cell, RATIO_METRICS[cell["bench"]])


def typical(cell: Cell) -> float:
    """The median of that, in a row that has one."""
    found = main_figure(cell)
    assert found
    return found.median


def lost_share(cell: Cell) -> float:
    lost = figure(cell, "lost_share")
    return lost.median if lost else 0.0


def publishes(cell: Cell) -> bool:
    return cell["bench"] in ("throughput", "fanout")


def groups_of(results: Results) -> list[list[Cell]]:
    """The cells by case, in the order in which they were measured."""
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in results["cells"]:
        groups.setdefault(tuple(cell[name] for name in CASE), []).append(cell)
    return list(groups.values())


def measured(group: list[Cell]) -> list[Cell]:
    """The panels that have a figure in this case."""
    return [cell for cell in group if cell["kind"] == "panel" and main_figure(cell)]


def reference_of(panels: list[Cell]) -> Cell | None:
    """What the others are compared with: raw, or else the first."""
    first = panels[0] if panels else None
    return next((cell for cell in panels if cell["competitor"] == "raw"), first)


def best_first(group: list[Cell]) -> list[Cell]:
    """These: of rates the highest first, of times the shortest."""
    return sorted(measured(group), key=typical, reverse=publishes(group[0]))


def slowness(cell: Cell, reference: Cell) -> float | None:
    """How many times as long a message takes as with the reference: of rates the inverse."""
    mine, other = main_figure(cell), main_figure(reference)
    if not mine or not other or not mine.median or not other.median:
        return None
    value = cell["ratios"].get(reference["competitor"])
    ratio = value["median"] if value else mine.median / other.median
    if not ratio:
        return None
    return float(ratio if cell["bench"] in LOWER_IS_BETTER else 1 / ratio)


def equal(cell: Cell, other: Cell) -> bool:
    """Whether their intervals overlap: the run cannot tell them apart."""
    mine, theirs = main_figure(cell), main_figure(other)
    return bool(mine and theirs and mine.overlaps(theirs))


def where(cell: Cell) -> str:
    """A case, as a sentence begins with it."""
    words = [PLACES.get(cell["placement"], cell["placement"].capitalize())]
    words += [protocol(cell["transport"]), length(cell["size"])]
    if cell["bench"] == "fanout":
        together = " together" if cell["peers"] > 1 else ""
        words.append(counted_as(cell["peers"], "subscriber") + together)
    if cell["bench"] == "connections":
        words.append(counted_as(cell["peers"], "idle client"))
    if publishes(cell):
        words.append(QUEUES.get(cell["queue"], f"queues of {cell['queue']} messages"))
    if cell["rate"]:
        words.append(f"{cell['rate']} a second asked for")
    what = "messages delivered" if publishes(cell) else "median round trip"
    return f"{', '.join(words)}, {what}"


def plainest(cell: Cell) -> bool:
    """Whether a sentence tells of this case: 64 B, or between hosts, and no other variation."""
    queue = -1 if cell["bench"] == "fanout" else 1000
    usual_queue = not publishes(cell) or cell["queue"] == queue
    usual_size = cell["size"] == 64 or cell["placement"] == "between hosts"
    return usual_size and usual_queue and not cell["rate"]
