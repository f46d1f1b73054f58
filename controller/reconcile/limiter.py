"""Limit of actions at once, so that a burst of databases does not drown one server; slow ones do not hold up others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.runtime.fair_places import FairPlaces

SLOW_SECONDS = 1.0
"""Seconds after which an action returns its place and continues without one: mostly it waits for its server."""


class Limiter:
    """Limiter with a number of places, each held for `SLOW_SECONDS` at most; namespaces get them in turn."""

    def __init__(self, count: int) -> None:
        self._places = FairPlaces(count)

    @asynccontextmanager
    async def one(self, group: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it for the time of a `with`, or until that takes too long.

        Args:
            group: namespace of the database.
        """
        await self._places.take(group)
        timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._places.give_back)
        try:
            yield
        finally:
            if not timer.cancelled() and asyncio.get_running_loop().time() < timer.when():
                timer.cancel()
                self._places.give_back()
