"""Limit of actions at once, so that a burst of databases does not drown one server; slow ones do not hold up others.

Places go to the groups of databases in turn: a namespace with a thousand resources delays another one by as much as a
namespace with one.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SLOW_SECONDS = 1.0
"""Seconds after which an action returns its place and continues without one: mostly it waits for its server."""


class Limiter:
    """Limiter with a number of places, each held for `SLOW_SECONDS` at most."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Those who wait by group; the group whose turn is next is the first."""

    @asynccontextmanager
    async def one(self, group: str) -> AsyncIterator[None]:
        """Wait for a place, and hold it for the time of a `with`, or until that takes too long.

        Args:
            group: namespace of the database.
        """
        await self._acquire(group)
        timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._release)
        try:
            yield
        finally:
            if not timer.cancelled() and asyncio.get_running_loop().time() < timer.when():
                timer.cancel()
                self._release()

    async def _acquire(self, group: str) -> None:
        if self._free:
            self._free -= 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # handed over too late
                self._release()
            raise

    def _release(self) -> None:
        """Hand a place to the group whose turn it is, which then waits for all others; free it if nobody waits."""
        while self._waiting:
            group = next(iter(self._waiting))
            places = self._waiting.pop(group)
            place = places.popleft()
            if places:
                self._waiting[group] = places
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
