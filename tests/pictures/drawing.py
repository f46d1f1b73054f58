"""Taking the picture of a page, once all of it is drawn, and refusing a dashboard that shows an error or a gap."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.support.browser import Scheme, Tab
from tests.support.processes import SupportError, wait_until_async

WIDTH = 1280
"""Pixels of the window, enough for two charts beside each other with readable legends."""
TALLEST = 4000
"""Pixels of the window while a dashboard is laid out: Perses draws only the panels that are in view."""
MARGIN = 8
"""Pixels below the last panel."""
SECONDS = 60.0
"""Seconds within which a dashboard must be drawn."""

PANELS = "document.querySelectorAll('figure').length"
BOTTOM = "Math.ceil(Math.max(...[...document.querySelectorAll('figure')].map((f) => f.getBoundingClientRect().bottom)))"
TEXT = "document.body.innerText"
ALERTS = "[...document.querySelectorAll('[role=alert]')].map((alert) => alert.innerText)"


async def draw(tab: Tab, address: str, document: Mapping[str, Any]) -> bytes:
    """Return the DOCUMENT that the page at ADDRESS shows as a PNG, after nothing in it changes any more."""
    panels = document["spec"]["panels"].values()
    queries = sum(len(panel["spec"]["queries"]) for panel in panels)
    await tab.set_size(WIDTH, TALLEST)
    await tab.open(address)

    async def is_drawn() -> bool:
        answered = await tab.evaluate("window.answered?.()") or []
        return len(answered) == queries and await tab.evaluate(PANELS) == len(panels)

    try:
        await wait_until_async(is_drawn, what=f"{address} shows {len(panels)} panels", seconds=SECONDS)
    except SupportError as error:
        raise SupportError(f"{error}; it shows {await tab.evaluate(TEXT)!r}") from None
    await tab.set_size(WIDTH, int(await tab.evaluate(BOTTOM)) + MARGIN)
    picture = await _steady_picture(tab, is_drawn)
    if complaints := await tab.evaluate(ALERTS):
        raise SupportError(f"{address} shows an error: {complaints}")
    if empty := [each["query"] for each in await tab.evaluate("window.answered()") if not each["series"]]:
        raise SupportError(f"{address} has no series for {empty}")
    return picture


async def draw_page(tab: Tab, address: str, width: int, scheme: Scheme) -> bytes:
    """Return the whole page at ADDRESS, in a window of WIDTH pixels, as a PNG."""
    await tab.set_scheme(scheme)
    await tab.set_size(width, 1)
    await tab.open(address)
    await tab.set_size(width, int(await tab.evaluate("document.documentElement.scrollHeight")))
    return await tab.picture()


async def _steady_picture(tab: Tab, is_drawn: Callable[[], Awaitable[bool]]) -> bytes:
    """Return the first picture that is complete and equal to the one before it."""
    pictures = [await tab.picture()]

    async def is_steady() -> bool:
        pictures.append(await tab.picture())
        return pictures[-2] == pictures[-1] and await is_drawn()

    await wait_until_async(is_steady, what="the picture no longer changes", seconds=SECONDS, interval=0.5)
    return pictures[-1]
