"""Judgement of a check: healthy, degraded or unhealthy. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from controller.database.pool.values import PoolStatistics
from controller.desired import Thresholds
from controller.errors import DashdbError


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


SLOW = "SlowResponse"
"""Reason of the verdict on a database that answers slowly."""
RECOVERY = 0.9
"""Part of a threshold below which a degraded database is healthy again; between the two, nothing changes."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Measurements of one check.

    Attributes:
        taken_at: when it ended, UTC.
        response_ms: milliseconds until the server's answer on an open connection arrived at this machine, the
            shortest if it was asked several times; None where there was no answer.
        pool: the program's own connections.
        server_connections, server_connection_limit: connections in use, without the pool's own, and allowed: of the
            role, the database or the server, whichever is nearest its limit.
        reason, error: why there was no answer, in our words.
    """

    taken_at: datetime
    pool: PoolStatistics
    response_ms: float | None = None
    server_connections: int | None = None
    server_connection_limit: int | None = None
    read_only: bool = False
    reason: str | None = None
    error: str | None = None

    @property
    def utilization_percent(self) -> float:
        """The worse of the pool's and the server's, 0 to 100 and above where a limit was lowered."""
        own = 100 * self.pool.in_use / self.pool.max_open
        if not self.server_connection_limit:
            return own
        return max(own, 100 * (self.server_connections or 0) / self.server_connection_limit)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Meaning of a sample.

    Attributes:
        reason: CamelCase, stable; `Healthy` where all is well.
        warning: a sentence for a person, free of figures that change with every check; None where all is well.
    """

    health: Health
    reason: str
    warning: str | None = None

    @classmethod
    def unhealthy(cls, error: DashdbError) -> Self:
        """Return the verdict on a database that does not answer."""
        return cls(Health.UNHEALTHY, error.reason, error.message)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of one check."""

    sample: Sample
    verdict: Verdict


def judge(sample: Sample, thresholds: Thresholds, previous: Verdict | None) -> Verdict:
    """Return the verdict on `sample`; `previous` keeps a value near a threshold from flapping."""
    if sample.error is not None:
        return Verdict(Health.UNHEALTHY, sample.reason or "DatabaseUnavailable", sample.error)
    if sample.read_only:
        return Verdict(
            Health.UNHEALTHY,
            "ReadOnly",
            "The server refuses writes: a standby, or default_transaction_read_only.",
        )
    if _above(sample.utilization_percent, thresholds.utilization_percent, previous, "HighUtilization"):
        return Verdict(
            Health.DEGRADED,
            "HighUtilization",
            f"More than {thresholds.utilization_percent:g} % of the connections allowed are in use.",
        )
    if _above(sample.response_ms or 0.0, thresholds.response_ms, previous, SLOW):
        return Verdict(
            Health.DEGRADED,
            SLOW,
            f"The database takes more than {thresholds.response_ms:g} ms to answer.",
        )
    return Verdict(Health.HEALTHY, "Healthy")


def _above(value: float, threshold: float, previous: Verdict | None, reason: str) -> bool:
    was_above = previous is not None and previous.reason == reason
    return value > threshold * (RECOVERY if was_above else 1.0)
