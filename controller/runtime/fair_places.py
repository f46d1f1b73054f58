"""Places that go to groups in turn, so that a group with a thousand who wait delays another one by a single place."""

import asyncio
from collections import deque


class FairPlaces:
    """A number of places; for one event loop.

    Attributes:
        count: places that there are.
        taken: places that somebody has; more than `count` where there were more before.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.taken = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Those who wait by group; the group whose turn is next is the first."""

    @property
    def wanted(self) -> bool:
        """True if somebody waits for a place."""
        return bool(self._waiting)

    @property
    def free(self) -> int:
        """Number of places that nobody has."""
        return max(0, self.count - self.taken)

    def resize(self, count: int) -> None:
        """Have COUNT places from now on; whoever has one keeps it."""
        self.count = count
        while self.free and self._hand_over():
            self.taken += 1

    async def take(self, group: str) -> None:
        """Wait for a place; whoever is cancelled meanwhile has none."""
        if self.free:
            self.taken += 1
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
        if self.taken > self.count or not self._hand_over():
            self.taken -= 1

    def _hand_over(self) -> bool:
        while self._waiting:
            group = next(iter(self._waiting))
            places = self._waiting.pop(group)
            place = places.popleft()
            if places:
                self._waiting[group] = places
            if not place.done():
                place.set_result(None)
                return True
        return False

    def _forget(self, group: str, place: "asyncio.Future[None]") -> None:
        places = self._waiting.get(group)
        if places is not None and place in places:
            places.remove(place)
            if not places:
                del self._waiting[group]
