"""Programs with contract/failing.c in front of them, which makes calls of theirs fail."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path

import pytest

import harness.panels
from programs import Driver, Event, Stage, sanitized, until


def preloaded(**more: object) -> list[str]:
    """What stands before a program's name. LeakSanitizer comes first where it is there: tests/mutate."""
    library = harness.panels.BUILD / "tests/contract/failing.so"
    assert library.exists(), "./triptych build makes it"
    preload = ":".join(filter(None, [os.environ.get("LD_PRELOAD", ""), str(library)]))
    return ["env", f"LD_PRELOAD={preload}", *(f"{name}={value}" for name, value in more.items())]


def hidden(program: Path) -> bool:
    """Whether a sanitizer's functions stand before those of failing.c: calls of them do not fail."""
    return sanitized(program) or "LD_PRELOAD" in os.environ


@cache
def counts(program: Path) -> bool:
    """Whether it counts what runs (tests/mutate --map): calls that are not ours fail then, too."""
    return b"__llvm_profile" in program.read_bytes()


def skip_where_calls_are_mixed(stage: Stage) -> None:
    """What a library calls passes through the functions of AddressSanitizer, which stand in the program."""
    if stage.panel != "raw" and sanitized(stage.path_of("driver")):
        pytest.skip("with AddressSanitizer, the library's own calls look like the program's")


def failing_driver(stage: Stage, role: str = "", url: str = "", **tuning: int) -> Driver:
    skip_where_calls_are_mixed(stage)
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


def held(told: Event) -> dict[str, int]:
    """What a program has acquired and not given back. Of memory, LeakSanitizer hides a part."""
    return {kind: n for kind, n in told["held"].items() if kind != "memory" or "LD_PRELOAD" not in os.environ}


def gives_back(driver: Driver, before: Event) -> None:
    """It holds what it did before; threads of the library may take a moment."""
    until(lambda: held(driver.must("failed")) == held(before), 5, f"it holds {held(before)} again")
