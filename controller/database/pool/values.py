"""What this room tells the others, as frozen values: the pool in numbers, the server in facts. Pure."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Sizes in connections, times in seconds; defaults as the product promises them."""

    max_open: int = 50
    max_idle: int = 10
    max_lifetime: float = 300.0
    max_idle_time: float = 60.0


class CloseReason(StrEnum):
    """Why the pool closed a connection; each one that was ever opened is open, or counted under one of these."""

    LIFETIME = "lifetime"
    IDLE = "idle"
    """More idle connections than `max_idle`."""
    IDLE_TIME = "idle_time"
    LOST = "lost"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """As database/sql's DBStats; `closed` holds a count for each reason that occurred.

    Attributes:
        open, in_use: with connections that are being made or ended; `open` is `in_use` and `idle` together.
        wait_seconds: of all waits for a connection, without the time to make one.
        opened: connections made since the pool began; each is open still, or counted in `closed`.
    """

    max_open: int
    open: int
    in_use: int
    idle: int
    wait_count: int
    wait_seconds: float
    opened: int
    closed: dict[CloseReason, int]
