"""Places that go to groups in turn, so that a group with a thousand who wait delays another one by a single place."""

import asyncio
from collections import Counter, deque
from contextlib import suppress


class FairPlaces:
    """A number of places, of which no group gets all; for one event loop.

    Attributes:
        count: places that there are.
        taken: places that somebody has; more than `count` where there were more before.
    """

    def __init__(self, count: int, *, shared: bool = False) -> None:
        """Begin with all places free; with SHARED, one of them is kept from each group, for the others."""
        self.count = count
        self.taken = 0
        self._given_back_at = 0.0
        self._shared = shared
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, _Queue] = {}
        """Those who wait by group; the group whose turn is next is the first."""

    def waiting(self, group: str | None = None) -> int:
        """Return how many of GROUP wait for a place; None for all groups."""
        groups = self._waiting if group is None else (group,)
        return sum(len(queue) for queue in map(self._waiting.get, groups) if queue is not None)

    @property
    def free(self) -> int:
        """Number of places that nobody has."""
        return max(0, self.count - self.taken)

    def resize(self, count: int) -> None:
        """Have COUNT places from now on; whoever has one keeps it."""
        self.count = count
        self._hand_over()

    async def take(self, group: str, *, urgent: bool = False, stalled_seconds: float | None = None) -> None:
        """Wait for a place; whoever is cancelled meanwhile has none.

        Args:
            urgent: come before the others of the group.
            stalled_seconds: seconds without a place given back, by any group, after which to wait no longer; None for
                as long as it takes.

        Raises:
            TimeoutError: no place was given back for so long.
        """
        if self._may_take(group):
            self._note(group, 1)
            return
        loop = asyncio.get_running_loop()
        place = loop.create_future()
        self._waiting.setdefault(group, _Queue()).append(place, urgent=urgent)
        try:
            if stalled_seconds is not None:
                waits_since = loop.time()
                while not place.done():
                    left = max(waits_since, self._given_back_at) + stalled_seconds - loop.time()
                    if left <= 0:
                        self._forget(group, place)
                        raise TimeoutError
                    await asyncio.wait([place], timeout=left)
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # handed over too late
                self.give_back(group)
            else:
                self._forget(group, place)
            raise

    def give_back(self, group: str) -> None:
        """Free a place that GROUP had, and hand it to the group whose turn it is, which then waits for all others."""
        self._given_back_at = asyncio.get_running_loop().time()
        self._note(group, -1)
        self._hand_over()

    def has_its_most(self, group: str) -> bool:
        """Return True if GROUP has as many places as it may have at the same time."""
        return self._held[group] >= (max(1, self.count - 1) if self._shared else self.count)

    def _may_take(self, group: str) -> bool:
        return self.free > 0 and not self.has_its_most(group)

    def _note(self, group: str, change: int) -> None:
        self.taken += change
        self._held[group] += change
        if not self._held[group]:
            del self._held[group]

    def _hand_over(self) -> None:
        while (group := next((each for each in self._waiting if self._may_take(each)), None)) is not None:
            queue = self._waiting.pop(group)
            place = queue.pop()
            if queue:
                self._waiting[group] = queue
            if not place.done():
                self._note(group, 1)
                place.set_result(None)

    def _forget(self, group: str, place: "asyncio.Future[None]") -> None:
        queue = self._waiting.get(group)
        if queue is not None:
            queue.remove(place)
            if not queue:
                del self._waiting[group]


class _Queue:
    """Those of a group who wait, the urgent ones first, each in the order in which they came."""

    def __init__(self) -> None:
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def append(self, place: "asyncio.Future[None]", *, urgent: bool) -> None:
        (self._urgent if urgent else self._others).append(place)

    def pop(self) -> "asyncio.Future[None]":
        """Remove and return the next one; there has to be one."""
        return (self._urgent or self._others).popleft()

    def remove(self, place: "asyncio.Future[None]") -> None:
        """Remove one who waits no longer, if it is there."""
        for places in (self._urgent, self._others):
            with suppress(ValueError):
                places.remove(place)
