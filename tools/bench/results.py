"""The benchmark's results as data: written as JSON, read back, and compared with an earlier run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.kinds import Outcome
from bench.session import Cell, baselines_of, ratio_of
from bench.stats import Interval

FORMAT = "triptych-bench"
VERSION = 3
RATIO_METRICS = {"latency": "p50", "connections": "p50", "throughput": "rate", "fanout": "rate"}
LOWER_IS_BETTER = {"latency", "connections"}

Results = dict[str, Any]


def as_dict(value: Interval | None) -> dict[str, Any] | None:
    return None if value is None else {key: round(v, 6) for key, v in asdict(value).items()}


def run_dict(run: Outcome | None) -> dict[str, Any] | None:
    if run is None:
        return None
    causes = {
        name: round(getattr(run.disturbance, name), 4) for name in ("others", "steal", "slow")
    }
    return {"metrics": run.metrics, "disturbed": run.disturbed, **causes}


def cell_dict(cell: Cell, cells: list[Cell]) -> dict[str, Any]:
    names = sorted({name for run in cell.counting for name in run.metrics})
    metric = RATIO_METRICS[cell.case.bench]
    ratios = {}
    for name in ratio_targets(cell):
        other = next((c for c in cells if c.case == cell.case and c.competitor.name == name), None)
        if other and other is not cell:
            value = ratio_of(cell, other, metric)
            if value:
                ratios[name] = as_dict(value)
    return {
        **asdict(cell.case),
        "competitor": cell.competitor.name,
        "label": cell.competitor.heading,
        "kind": cell.kind,
        "count": cell.count,
        "metrics": {name: as_dict(cell.figure(name)) for name in names},
        "ratios": ratios,
        "runs": [run_dict(run) for run in cell.runs],
        "counting": len(cell.counting),
        "disturbed": cell.disturbed,
        "failures": cell.failures,
    }


def ratio_targets(cell: Cell) -> list[str]:
    """What a competitor is put into relation to: its own baseline, and raw."""
    own = [baseline.name for baseline in baselines_of(cell.competitor.name, cell.case.bench)[:1]]
    return own + (["raw"] if cell.competitor.name != "raw" else [])


def write(results: Results, path: Path) -> None:
    """All at once: whoever is interrupted here keeps the file as it was."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    beside.replace(path)


def read(path: Path) -> Results:
    """An earlier run. ValueError with one sentence if it is none."""
    try:
        results = json.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: not JSON") from error
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise ValueError(f"{path}: not written by bench --json")
    if results.get("version") != VERSION:
        raise ValueError(f"{path}: of version {results.get('version')}, not {VERSION}")
    if not isinstance(results.get("cells"), list):
        raise ValueError(f"{path}: has no cells")
    return results


def key_of(cell: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        cell[name]
        for name in (
            "bench",
            "transport",
            "placement",
            "size",
            "queue",
            "rate",
            "peers",
            "competitor",
        )
    )


def differences(before: Results, after: Results) -> list[str]:
    """What was not the same in both runs, and may be why figures are not."""
    found = []
    for name in ("cpu", "cpus", "kernel", "congestion_control"):
        one, other = (results.get("machine", {}).get(name) for results in (before, after))
        if one != other:
            found.append(f"{name}: {one}, now {other}")
    for name in sorted({*before.get("versions", {}), *after.get("versions", {})}):
        one, other = (results.get("versions", {}).get(name) for results in (before, after))
        if one != other and one and other:
            found.append(f"{name}: {one}, now {other}")
    for name in ("build", "quick"):
        if before.get(name) != after.get(name):
            found.append(f"{name}: {before.get(name)}, now {after.get(name)}")
    return found


def compare(before: Results, after: Results) -> list[dict[str, Any]]:
    """What both runs have measured: how much it changed, and whether that is more than noise."""
    earlier = {key_of(cell): cell for cell in before["cells"]}
    changes = []
    for cell in after["cells"]:
        metric = RATIO_METRICS[cell["bench"]]
        old = earlier.get(key_of(cell), {}).get("metrics", {}).get(metric)
        new = cell["metrics"].get(metric)
        if not old or not new or not old["median"]:
            continue
        apart = new["low"] > old["high"] or new["high"] < old["low"]
        better = (new["median"] < old["median"]) == (cell["bench"] in LOWER_IS_BETTER)
        changes.append(
            {
                "cell": cell,
                "metric": metric,
                "before": old["median"],
                "after": new["median"],
                "change": new["median"] / old["median"] - 1,
                "verdict": "equal" if not apart else "better" if better else "worse",
            }
        )
    return changes
