"""One fault: a short text of a file, and what replaces it."""

from dataclasses import dataclass


@dataclass
class Fault:
    name: str
    says: str  # what is wrong then
    file: str
    old: str  # stands in the file exactly once, or `times`
    new: str
    units: str = ""  # the units in C that should notice
    tests: str = ""  # the tests in Python that should notice
    times: int = 1
    lab: str = ""  # the experiments of ./triptych lab whose outcome on the panel should differ
    panel: str = "raw"  # whose programs are built and tested; "": the tap and the decoder alone
