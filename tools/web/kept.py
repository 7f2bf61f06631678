"""What a verb has said of files, kept until one of them changes, and asked for once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from web.page import Json, Site


def stamp(paths: Iterable[Path]) -> Any:
    """Changes when a file does."""
    return sorted((str(path), path.stat().st_mtime_ns) for path in paths if path.exists())


def known(site: Site, name: str, now: Any) -> Json:
    """What is kept under this name, if it is not too old; else None."""
    found = site.state.get(name)
    return found[1] if found and found[0] == now else None


async def kept(site: Site, name: str, now: Any, make: Callable[[], Awaitable[Json]]) -> Json:
    """The same; made where it is missing. Two pages that want it wait for one run of the verb."""
    async with site.state.setdefault(f"{name}, lock", asyncio.Lock()):
        if known(site, name, now) is None:
            site.state[name] = now, await make()
        return known(site, name, now)
