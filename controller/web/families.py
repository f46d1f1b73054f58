"""Metrics of each database, one row a family: its name, its meaning, and where its value stands in a report. Pure.

Names and units: https://prometheus.io/docs/practices/naming/. Pool families follow Go's `go_sql_*`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from controller.health.report import STALE, Report
from controller.health.verdict import Health, Sample

Values: TypeAlias = Mapping[str, float]
"""Values of a family in one report, by the value of its further label; by "" where it has none."""
_NONE: Values = {}


@dataclass(frozen=True, slots=True)
class Family:
    """Family of series, one or a few for each database.

    Attributes:
        text: the meaning, for a person.
        read: returns the values in a report; empty where it knows none.
        counter: it only grows, and the name of its series ends with `_total`.
        label: further label besides `namespace` and `name`; it has to come after them in the alphabet.
    """

    name: str
    text: str
    read: Callable[[Report], Values]
    counter: bool = False
    label: str | None = None


def _one(read: Callable[[Report], float | None]) -> Callable[[Report], Values]:
    """Return a reader of a value without a further label."""

    def values(report: Report) -> Values:
        value = read(report)
        return _NONE if value is None else {"": value}

    return values


def _of_sample(read: Callable[[Sample], float | None]) -> Callable[[Report], Values]:
    """Return a reader of a value of the last check, which a database may not have had."""
    return _one(lambda report: None if report.sample is None else read(report.sample))


def _of_pool(name: str) -> Callable[[Report], Values]:
    """Return a reader of an attribute of the pool's statistics."""

    def read(sample: Sample) -> Any:
        return getattr(sample.pool, name)

    return _of_sample(read)


def _response_seconds(sample: Sample) -> float | None:
    return None if sample.response_ms is None else sample.response_ms / 1000


def _closed(report: Report) -> Values:
    closed = {} if report.sample is None else report.sample.pool.closed
    return {reason.value: count for reason, count in closed.items()}


FAMILIES = (
    Family(
        "dashdb_database_ready",
        "1 if connected, migrated, seeded and not unhealthy",
        _one(lambda report: report.ready),
    ),
    Family(
        "dashdb_database_up",
        "1 if the database answered the last check and takes writes",
        _one(lambda report: report.verdict.health is not Health.UNHEALTHY),
    ),
    Family(
        "dashdb_database_degraded",
        "1 if it answered, but slowly or nearly full",
        _one(lambda report: report.verdict.health is Health.DEGRADED),
    ),
    Family(
        "dashdb_database_stale",
        "1 if a check is overdue, so that nothing is known",
        _one(lambda report: report.reason == STALE),
    ),
    Family(
        "dashdb_schema_version",
        "Applied migration; 0 is the empty database",
        _one(lambda report: report.schema_version),
    ),
    Family("dashdb_schema_pending_migrations", "Migrations that wait", _one(lambda report: report.pending)),
    Family(
        "dashdb_schema_dirty",
        "1 if a migration without a transaction stopped half-way",
        _one(lambda report: report.dirty),
    ),
    Family("dashdb_database_response_seconds", "Round trip of the last check", _of_sample(_response_seconds)),
    Family(
        "dashdb_database_last_check_timestamp_seconds",
        "Time of the last check, as Unix time",
        _of_sample(lambda sample: sample.taken_at.timestamp()),
    ),
    Family(
        "dashdb_server_connections",
        "Connections that the role, the database or the server has, whichever is nearest its limit",
        _of_sample(lambda sample: sample.server_connections),
    ),
    Family(
        "dashdb_server_connections_limit",
        "Limit of connections of the role, the database or the server, whichever is nearest to being reached",
        _of_sample(lambda sample: sample.server_connection_limit),
    ),
    Family("dashdb_pool_connections_max", "Connections that the pool may open", _of_pool("max_open")),
    Family("dashdb_pool_connections_open", "Connections of the pool", _of_pool("open")),
    Family("dashdb_pool_connections_in_use", "Connections of the pool that are in use", _of_pool("in_use")),
    Family("dashdb_pool_connections_idle", "Idle connections of the pool", _of_pool("idle")),
    Family("dashdb_templates", "System templates, by state", lambda report: report.templates, label="state"),
    Family(
        "dashdb_reconcile",
        "Reconciles of a database, by whether it was ready after it",
        lambda report: {"ready": report.succeeded, "not_ready": report.failed},
        counter=True,
        label="result",
    ),
    Family(
        "dashdb_pool_wait",
        "Times that a connection of the pool had to be waited for",
        _of_pool("wait_count"),
        counter=True,
    ),
    Family(
        "dashdb_pool_wait_duration_seconds",
        "Time spent waiting for a connection of the pool",
        _of_pool("wait_seconds"),
        counter=True,
    ),
    Family("dashdb_pool_opened", "Connections that the pool opened", _of_pool("opened"), counter=True),
    Family("dashdb_pool_closed", "Connections that the pool closed, by reason", _closed, counter=True, label="reason"),
)
