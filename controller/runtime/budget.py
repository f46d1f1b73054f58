"""Budget of something that may be done a few times a second, whoever asks."""

import time
from collections.abc import Callable


class Budget:
    """Budget that grows with time, up to a limit, and that each use takes one from."""

    def __init__(self, *, rate: float, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a full budget.

        Args:
            rate: uses that it gains each second.
            most: uses that it holds at most.
        """
        self._rate = rate
        self._most = most
        self._clock = clock
        self._left = most
        self._counted_at = clock()

    def take(self) -> bool:
        """Take one use if there is one; return whether there was."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._counted_at) * self._rate)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
