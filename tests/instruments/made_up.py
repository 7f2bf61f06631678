"""Figures of a run as --json writes them, made up: what is said of them can be told exactly."""

from typing import Any

Figures = dict[str, tuple[float, float, float]]


def interval(low: float, median: float, high: float) -> dict[str, Any]:
    return {"median": median, "low": low, "high": high, "coverage": 0.94, "n": 5}


def cell(competitor: str, figures: Figures, **other: Any) -> dict[str, Any]:
    """A cell as --json writes it: 64 B over TCP on one core, but for what is told."""
    labels = {"raw": "raw sockets", "zmq": "ZeroMQ", "nanomsg": "nanomsg"}
    case = {"bench": "latency", "transport": "tcp", "placement": "one core", "size": 64, "queue": 1000, "rate": 0, "peers": 1}
    return {
        **case,
        "competitor": competitor,
        "label": labels.get(competitor, competitor),
        "kind": "panel",
        "metrics": {name: interval(*values) for name, values in figures.items()},
        "ratios": {},
        "runs": [],
        "counting": 5,
        "failures": [],
        **other,
    }


def cost(threads: int, calls: float) -> dict[str, Any]:
    return {
        "threads": {role: {"all": 9, "working": threads} for role in ("req", "rep")},
        "calls": {role: {"all": calls} for role in ("req", "rep")},
    }


RAW_CELL = cell("raw", {"p50": (8.8, 9.0, 9.1), "switches": (2.0, 2.0, 2.0)})
ZMQ_CELL = cell(
    "zmq", {"p50": (31.0, 32.0, 33.0), "switches": (8.5, 8.6, 8.7)}, ratios={"raw": interval(3.4, 3.5, 3.6)}
)
COSTS = {"raw": cost(1, 3.5), "zmq": cost(2, 24.0)}


def publishing(competitor: str, rate: float, cpu: float, lost: float, ratio: float = 1.0) -> dict[str, Any]:
    figures = {"rate": (rate * 0.99, rate, rate * 1.01), "cpu_us": (cpu, cpu, cpu), "lost_share": (lost, lost, lost)}
    return cell(
        competitor, figures, bench="fanout", placement="free", queue=-1, peers=64, ratios={"raw": interval(ratio, ratio, ratio)}
    )
