"""Counts of resources that remain after their users have ended."""

import time
from collections.abc import Callable

import psutil

GRACE_SECONDS = 2.0
"""Seconds for a server to notice that its client has gone; what remains after it is left over."""


def left_over(count: Callable[[], int]) -> int:
    """Return the count once it is 0, or after the grace period."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := count()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def open_sockets() -> int:
    """Return the number of network sockets of this process."""
    return len(psutil.Process().net_connections(kind="inet"))
