"""Reports to show; each test says only what matters to it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from controller.database.pool.values import CloseReason, PoolStatistics
from controller.health.report import Report
from controller.health.role import Role
from controller.health.store import ReportStore
from controller.health.verdict import Health, Sample, Verdict
from controller.web.metrics import MetricsPage, form_for

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
POOL = PoolStatistics(
    max_open=50,
    open=3,
    in_use=2,
    idle=1,
    wait_count=4,
    wait_seconds=0.5,
    opened=10,
    closed={CloseReason.LIFETIME: 7},
)
NEVER = datetime.max.replace(tzinfo=UTC)
"""When the report becomes stale."""
HEALTHY = Verdict(Health.HEALTHY, "Healthy")
SLOW = Verdict(Health.DEGRADED, "SlowResponse", "The database takes more than 100 ms to answer.")
DOWN = Verdict(Health.UNHEALTHY, "ConnectionRefused", "Nothing listens there.")


def report(verdict: Verdict = HEALTHY, **fields: Any) -> Report:
    answered = verdict.health is not Health.UNHEALTHY
    sample = Sample(
        taken_at=NOW,
        pool=POOL,
        response_ms=1.5 if answered else None,
        server_connections=5 if answered else None,
        server_connection_limit=97 if answered else None,
    )
    known: dict[str, Any] = {
        "due_by": NEVER,
        "sample": sample,
        "ready": answered,
        "reason": "Ready" if answered else verdict.reason,
        "message": verdict.warning or "",
        "schema_version": 1,
        "pending": 0,
    }
    return Report(verdict, **{**known, **fields})


def store_with(*names: str) -> ReportStore:
    """Return a store that holds a report of a healthy database for each of NAMES, in `team-a`."""
    store = ReportStore()
    for name in names:
        store.put(("team-a", name), report())
    return store


def scrape(
    store: ReportStore,
    *,
    per_database: bool = True,
    role: Callable[[], Role | None] = lambda: None,
    shard: tuple[int, int] | None = None,
) -> str:
    """Return what Prometheus would read, in its text format."""
    page = MetricsPage(store, version="0.1.0", per_database=per_database, role=role, shard=shard)
    return page.write(form_for("")).decode()
