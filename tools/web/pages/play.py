"""The page Play: panels run side by side, and what each message did."""

from __future__ import annotations

from web.page import Json, Page, Query, Site


async def data(site: Site, query: Query) -> dict[str, Json]:
    return {}


PAGE = Page(
    name="play",
    title="Play",
    about="Run the same conversation on several panels, break something, and watch what each one does.",
    data=data,
)
