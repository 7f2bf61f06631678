"""The benchmark's results as data: written as JSON, read back, and compared with an earlier run."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.kinds import Outcome
from bench.session import Cell, baselines_of, ratio_of
from bench.stats import Interval
from bench.cases import LOWER_IS_BETTER, RATIO_METRICS
from harness.panels import printable

FORMAT = "triptych-bench"
VERSION = 3
SIZE_MOST = 64 << 20  # bytes of a file that is read; a run of forty minutes writes two million
KEYS = {
    "bench": str,
    "transport": str,
    "placement": str,
    "size": int,
    "queue": int,
    "rate": int,
    "peers": int,
    "competitor": str,
}

Results = dict[str, Any]


def as_dict(value: Interval | None) -> dict[str, Any] | None:
    return None if value is None else {key: round(v, 6) for key, v in asdict(value).items()}


def run_dict(run: Outcome | None) -> dict[str, Any] | None:
    if run is None:
        return None
    causes = {
        name: round(getattr(run.disturbance, name), 4) for name in ("others", "steal", "slow")
    }
    score = round(run.disturbance.score, 4)
    return {"metrics": run.metrics, "disturbed": run.disturbed, "score": score, **causes}


def cell_dict(cell: Cell, cells: list[Cell]) -> dict[str, Any]:
    names = sorted({name for run in cell.counting for name in run.metrics})
    metric = RATIO_METRICS[cell.case.bench]
    ratios = {}
    group = [c for c in cells if c.case == cell.case]
    for name in ratio_targets(cell, group):
        other = next((c for c in group if c.competitor.name == name), None)
        if other and other is not cell:
            value = ratio_of(cell, other, metric)
            if value:
                ratios[name] = as_dict(value)
    return {
        **asdict(cell.case),
        "competitor": cell.competitor.name,
        "label": cell.competitor.heading,
        "colour": cell.competitor.rgb,
        "kind": cell.kind,
        "count": cell.count,
        "metrics": {name: as_dict(cell.figure(name)) for name in names},
        "ratios": ratios,
        "runs": [run_dict(run) for run in cell.runs],
        "counting": len(cell.counting),
        "disturbed": cell.disturbed,
        "failures": cell.failures,
    }


def ratio_targets(cell: Cell, group: list[Cell]) -> list[str]:
    """What a competitor is put into relation to: its own baseline,
    and raw or else the first panel."""
    own = [baseline.name for baseline in baselines_of(cell.competitor.name, cell.case.bench)[:1]]
    panels = [one.competitor.name for one in group if one.kind == "panel" and one.counting]
    reference = "raw" if "raw" in panels else (panels or ["raw"])[0]
    return own + ([reference] if cell.competitor.name != reference else [])


def text_of(results: Results) -> str:
    return json.dumps(results, indent=1, sort_keys=True) + "\n"


def read(path: Path) -> Results:
    """An earlier run, with all that is read of it later.
    ValueError with one sentence if it is none."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            text = file.read(SIZE_MOST + 1)
        if len(text) > SIZE_MOST:
            raise ValueError(f"{path}: longer than any run's results")
        results = harmless(json.loads(text.decode("utf-8")))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not what gzip writes") from error
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (UnicodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON") from error
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise ValueError(f"{path}: not written by bench --json")
    if results.get("version") != VERSION:
        raise ValueError(f"{path}: of version {results.get('version')}, not {VERSION}")
    if not isinstance(results.get("cells"), list):
        raise ValueError(f"{path}: has no cells")
    for name in ("machine", "versions"):
        if not isinstance(results.get(name, {}), dict):
            raise ValueError(f"{path}: damaged: {name} is no object")
    for number, cell in enumerate(results["cells"], 1):
        if wrong := wrong_in(cell):
            raise ValueError(f"{path}: damaged: cell {number}: {wrong}")
    return results


def harmless(value: Any) -> Any:
    """The same with nothing in its texts that a terminal would obey."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [harmless(one) for one in value]
    if isinstance(value, dict):
        return {printable(name): harmless(one) for name, one in value.items()}
    return value


def wrong_in(cell: Any) -> str:
    """What compare() could not read; empty: nothing."""
    if not isinstance(cell, dict):
        return "no object"
    for name, kind in KEYS.items():
        if type(cell.get(name)) is not kind:
            return f"{name} is missing or no {'number' if kind is int else 'text'}"
    figures = cell.get("metrics")
    if not isinstance(figures, dict):
        return "metrics is no object"
    for name, figure in figures.items():
        if figure is None:
            continue
        values = (
            [figure.get(part) for part in ("low", "median", "high")]
            if isinstance(figure, dict) else [None]
        )
        if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
            return f"{name} is no interval"
        if values != sorted(values):
            return f"the interval of {name} does not hold its median"
    return ""


def key_of(cell: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(cell[name] for name in KEYS)


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
