"""What is left over when all should be over."""

import time
from collections.abc import Callable

import psutil

GRACE_SECONDS = 2.0
"""For a server to notice that its client has gone; what is there after it is left over."""


def left_over(count: Callable[[], int]) -> int:
    """What COUNT comes to, at the latest after the time of grace."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := count()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def open_sockets() -> int:
    """Of this process, to the network."""
    return len(psutil.Process().net_connections(kind="inet"))
