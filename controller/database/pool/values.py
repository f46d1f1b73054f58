"""Settings and statistics of a pool, as frozen values. Pure."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Limits of a pool: sizes in connections, times in seconds; the defaults are documented ones."""

    max_open: int = 50
    max_idle: int = 10
    max_lifetime: float = 300.0
    max_idle_time: float = 60.0


class CloseReason(StrEnum):
    """Reason why the pool closed a connection; each connection ever opened is open, or counted under one reason."""

    LIFETIME = "lifetime"
    IDLE = "idle"
    """There were more idle connections than `max_idle`."""
    IDLE_TIME = "idle_time"
    GIVEN_UP = "given_up"
    """Another database of the same server waited for a place."""
    LOST = "lost"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Statistics of a pool, as in DBStats of Go's database/sql.

    Attributes:
        open, in_use: include connections that are being opened or closed; `open` is the sum of `in_use` and `idle`.
        wait_seconds: total time of all waits for a connection, without the time to open one.
        opened: connections opened since the pool was made; each is still open, or counted in `closed`.
        closed: number of closed connections for each reason that occurred.
    """

    max_open: int
    open: int
    in_use: int
    idle: int
    wait_count: int
    wait_seconds: float
    opened: int
    closed: dict[CloseReason, int]
