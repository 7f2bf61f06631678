"""Programs with contract/failing.c in front of them, which makes calls of theirs fail."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path

import harness.panels
from programs import Driver, Event, Stage, until


def preloaded(**more: object) -> list[str]:
    """What stands before a program's name. LeakSanitizer may be there already: tests/mutate."""
    library = harness.panels.BUILD / "tests/contract/failing.so"
    assert library.exists(), "./triptych build makes it"
    preload = ":".join(filter(None, [str(library), os.environ.get("LD_PRELOAD", "")]))
    return ["env", f"LD_PRELOAD={preload}", *(f"{name}={value}" for name, value in more.items())]


@cache
def counts(program: Path) -> bool:
    """Whether it counts what runs (tests/mutate --map). Then it makes calls that are not ours, which fail, too."""
    return b"__llvm_profile" in program.read_bytes()


def failing_driver(stage: Stage, role: str = "", url: str = "", **tuning: int) -> Driver:
    program = stage.path_of("driver")
    driver: Driver = stage.start(*preloaded(), program, kind=stage.driver_class, name=program.name)
    return driver.open(role, url, **tuning) if role else driver


def armed(driver: Driver, failure: object, command: str) -> tuple[Event, Event]:
    """A command's answer, and what has failed in it: the `function`, with an errno, `failed`."""
    driver.say(f"fail {failure}")
    said = driver.call(command)
    return said, driver.must("failed")


def sweep(
    driver: Driver, command: str, prepare: Callable[[], object] = lambda: None
) -> Iterator[tuple[Event, Event]]:
    """The command, with its first call failing, then its second, up to one of which no call fails."""
    for n in count(1):
        assert n < 100, "it makes ever more calls"
        prepare()
        said, told = armed(driver, n, command)
        yield said, told
        if not told["function"]:
            return


def succeeds(said: Event, told: Event, survived: set[str], other: str = "") -> bool:
    """Whether it did; if not, then with the errno of the call, or that other one."""
    if said["result"] < 0:
        assert said["errno"] in {told["failed"], *([other] if told["function"] else [])}, (said, told)
        return False
    assert told["function"] in {"", *survived}, (said, told)
    return True


def gives_back(driver: Driver, before: Event) -> None:
    """It holds what it did before; threads of the library may take a moment."""
    until(lambda: driver.must("failed")["held"] == before["held"], 5, f"{before['held']}")
