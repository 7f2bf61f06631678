#!/usr/bin/python3
"""tests/instruments/check_bench.py FILE - whether the results of ./triptych bench --quick --json FILE are sane

Not what the figures are: that is the machine's. Every case was measured for every panel and its
baseline, in enough runs; where queues suffice, nothing was lost, and what arrived is what was sent;
times are in order. Prints what is wrong, one line each; exit status 1 if anything is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import jsonschema  # noqa: E402

from harness.panels import Panel, read_panels  # noqa: E402

RUNS_MIN = 2  # of five: however late a busy machine makes it
EXPECTED = [  # bench, transport, peers
    ("latency", "tcp", 1),
    ("throughput", "tcp", 1),
    ("fanout", "tcp", 64),
]
BASELINES = {"zmq": "baseline-zmq", "nanomsg": "baseline-nanomsg", "nng": "baseline-nng"}
# Whose queue is as long as it is told: nanomsg's is the kernel's buffer, NNG's 8192 messages.
QUEUES = ("raw", "zmq", "baseline-batch", "baseline-zmq")


def wrong_in(cell: dict[str, Any]) -> list[str]:
    """What is not as it must be in one competitor's figures."""
    found = []
    runs = [run["metrics"] for run in cell["runs"] if run]
    if len(runs) < RUNS_MIN:
        found.append(f"{len(runs)} runs: {cell['failures'][-1:]}")
    for metrics in runs:
        if cell["bench"] in ("latency", "connections"):
            ends = [metrics["count"], metrics.get("answered", metrics["count"])]
            if ends != [cell["count"]] * 2:
                found.append(f"{ends} at the two ends, of {cell['count']} requests")
            times = [metrics[name] for name in ("min", "p50", "p90", "p99", "max")]
            if times != sorted(times) or times[0] <= 0:
                found.append(f"times out of order: {times}")
            continue
        sent = cell["count"] * cell["peers"]
        if metrics["received"] < 2 or metrics["rate"] <= 0:
            found.append(f"{metrics['received']} received of {sent}")
        suffices = cell["queue"] < 0 and cell["competitor"] in QUEUES
        if suffices and metrics["received"] != sent:
            found.append(f"{metrics['received']} received of {sent}, with a queue for all")
    return found


def wrong_with(results: dict[str, Any], panels: list[Panel]) -> list[str]:
    found = []
    names = [panel.name for panel in panels]
    for expected in EXPECTED:
        who = [
            c["competitor"]
            for c in results["cells"]
            if (c["bench"], c["transport"], c["peers"]) == expected
        ]
        baselineed = expected[0] not in ("fanout", "connections")
        missing = [
            name
            for name in names
            if name not in who or (baselineed and BASELINES.get(name, name) not in who)
        ]
        found += [f"{expected}: {name} or its baseline was not measured" for name in missing]
    for cell in results["cells"]:
        who = f"{cell['bench']} {cell['transport']} {cell['competitor']}"
        found += [f"{who}: {problem}" for problem in wrong_in(cell)]
    for panel in panels:
        for role in ("req", "rep"):
            if not results["costs"][panel.name]["calls"].get(role, {}).get("all", 0) >= 1:
                found.append(f"{panel.name}: system calls of {role} were not counted")
        wire = results["costs"][panel.name]["wire"].get("reqrep", {})
        if not min(wire.get("to_server", 0), wire.get("from_server", 0)) > 64 + 25:
            found.append(f"{panel.name}: bytes on the wire: {wire}")
    return found


def main() -> int:
    results = json.loads(Path(sys.argv[1]).read_text())
    jsonschema.validate(results, json.loads((ROOT / "tools" / "bench" / "results.schema.json").read_text()))
    panels = [panel for panel in read_panels() if panel.kind == "shipped" and panel.built]
    problems = wrong_with(results, panels)
    for problem in problems:
        print(problem)
    print(f"{len(results['cells'])} cells, {len(problems)} problems")
    return 1 if problems or results["interrupted"] else 0


if __name__ == "__main__":
    sys.exit(main())
