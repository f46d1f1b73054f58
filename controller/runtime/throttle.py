"""Limit on how often one thing is logged, so that what others cause cannot fill a disk."""

import time
from collections.abc import Callable

PERIOD_SECONDS = 60.0
"""Seconds for which a thing that was said is not said again: a person still sees that it goes on."""


class LogThrottle:
    """Permission to log one thing, once in a period."""

    def __init__(self, period: float = PERIOD_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._period = period
        self._clock = clock
        self._next = float("-inf")
        self._left_out = 0

    def allows(self) -> bool:
        """Return whether it may be logged now; count it where it may not."""
        now = self._clock()
        if now < self._next:
            self._left_out += 1
            return False
        self._next = now + self._period
        return True

    def take_left_out(self) -> int:
        """Return how often it was left out since it was logged last, and begin to count anew."""
        count, self._left_out = self._left_out, 0
        return count
