"""Those who wait for the same thing, and for how long. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager


class Waits:
    """Those who wait; for one event loop, and to be read from any thread."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._since: dict[object, float] = {}  # the one that has been waiting longest is the first

    @contextmanager
    def one(self, now: float) -> Iterator[None]:
        """Count one who waits from NOW on, for the time of a `with`; NOW is in seconds of a monotonic clock."""
        wait = object()
        self._since[wait] = now
        try:
            yield
        finally:
            del self._since[wait]

    @property
    def count(self) -> int:
        """Number of those who wait."""
        return len(self._since)

    def longest(self, now: float) -> float:
        """Return for how many seconds one of them has been waiting, the longest; 0 where nobody waits."""
        return max(0.0, now - next(iter(self._since.copy().values()), now))
