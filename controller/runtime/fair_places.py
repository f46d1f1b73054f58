"""Places that go to groups in turn, so that a group with a thousand who wait delays another one by a single place."""

import asyncio
from collections import deque


class FairPlaces:
    """A number of places; for one event loop."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Those who wait by group; the group whose turn is next is the first."""

    @property
    def wanted(self) -> bool:
        """True if somebody waits for a place."""
        return bool(self._waiting)

    @property
    def free(self) -> int:
        """Number of places that nobody has."""
        return self._free

    async def take(self, group: str) -> None:
        """Wait for a place; whoever is cancelled meanwhile has none."""
        if self._free:
            self._free -= 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # handed over too late
                self.give_back()
            else:
                self._forget(group, place)
            raise

    def give_back(self) -> None:
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

    def _forget(self, group: str, place: "asyncio.Future[None]") -> None:
        places = self._waiting.get(group)
        if places is not None and place in places:
            places.remove(place)
            if not places:
                del self._waiting[group]
