"""What was observed, in words: a value, and a sentence about it."""

from __future__ import annotations

import re
from typing import Any

NAMES = {"tcp": "TCP", "udp": "UDP", "unix": "UNIX", "ipc": "UNIX"}


def words(value: Any) -> str:
    """A value, or what was expected of one."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict) and set(value) == {"luck"}:
        return "anything"
    if isinstance(value, dict) and set(value) == {"one_of"}:
        return " or ".join(words(choice) for choice in value["one_of"])
    if isinstance(value, dict):
        return ", ".join(f"{key} {words(inner)}" for key, inner in value.items())
    if isinstance(value, list) and len(value) == 2:
        return f"{words(value[0])} to {words(value[1])}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value is None else str(value)


def sentence(templates: dict[str, str] | None, key: str, value: Any) -> str:
    """The sentence that an experiment's WORDS has for a key, with the value for its {}.

    Without one the key itself speaks: "write to a pipe: 5", "told (ms): 12".
    """
    spoken = re.sub(" (ms|us)$", r" (\1)", key.replace("_", " ")) if key.islower() else key
    plain = NAMES.get(key, spoken) + ": {}"
    return (templates or {}).get(key, plain).replace("{}", words(value))
