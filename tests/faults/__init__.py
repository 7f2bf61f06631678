"""The faults that tests/mutate plants, one at a time: a file here for each part of the tree.

tests/instruments/test_mutate.py checks each of them against the files as they are. A fault breaks
when its text is changed, so the text is as short as can be: mend it, then run tests/mutate NAME.
"""

from importlib import import_module
from pathlib import Path

from .fault import Fault

HERE = Path(__file__).parent
AREAS = sorted(p.stem for p in HERE.glob("*.py") if p.stem not in ("__init__", "fault"))
FAULTS: list[Fault] = sum((import_module(f".{area}", __name__).FAULTS for area in AREAS), [])

__all__ = ["FAULTS", "Fault"]
