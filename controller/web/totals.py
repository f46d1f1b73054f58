"""Metrics of all databases together: a few series, however many databases there are."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.health.report import STALE, Report
from controller.health.store import ReportStore
from controller.health.verdict import Health

NEAR_LIMIT = 0.9
"""Share of the connections that a database allows from which it counts as near its limit, as in the alert of each."""
STATES = ("ready", "degraded", "pending", "not_ready", "stale", "unhealthy")
"""Each database is in one of them. `degraded`: ready, but slow or nearly full. `pending`: it answers, and migrations
wait. `stale`: its check is overdue. `unhealthy`: it was tried, and does not answer or refuses writes. `not_ready`:
everything else, such as a Secret that is missing."""


def state_of(report: Report) -> str:
    """Return the state in which a database is counted."""
    if report.verdict.health is Health.UNHEALTHY:
        return "not_ready" if report.sample is None else "unhealthy"
    if report.pending:
        return "pending"
    if report.verdict.reason == STALE:
        return "stale"
    if not report.ready:
        return "not_ready"
    return "ready" if report.verdict.health is Health.HEALTHY else "degraded"


class Totals(Collector):
    """Collector of the totals; reads memory only."""

    def __init__(self, store: ReportStore) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        reports = self._store.reports(datetime.now(UTC)).values()
        counted = Counter(map(state_of, reports))
        states = GaugeMetricFamily("dashdb_databases", "Databases, by state", labels=("state",))
        for state in STATES:
            states.add_metric((state,), counted[state])
        yield states
        text = "Databases in which a migration without a transaction stopped half-way"
        yield _count("dashdb_databases_schema_dirty", text, (bool(report.dirty) for report in reports))
        text = f"Databases with more than {NEAR_LIMIT:.0%} of the connections taken that they allow"
        yield _count("dashdb_databases_near_connection_limit", text, map(_near_limit, reports))
        text = "Reconciles of all databases, by whether the database was ready after it"
        reconciles = CounterMetricFamily("dashdb_reconciles", text, labels=("result",))
        reconciles.add_metric(("ready",), self._store.succeeded)
        reconciles.add_metric(("not_ready",), self._store.failed)
        yield reconciles
        text = "Statuses of resources that the API server refused to store"
        yield CounterMetricFamily("dashdb_status_writes_refused", text, value=self._store.status_refused)
        if (waits := self._store.connection_waits) is not None:
            text = "Databases that wait for a connection, since this process has as many on their server as it may"
            yield GaugeMetricFamily("dashdb_databases_waiting_for_connection", text, value=waits.count)
            text = "Time for which one of them has been waiting, the longest"
            yield GaugeMetricFamily(
                "dashdb_connection_longest_wait_seconds", text, value=waits.longest(time.monotonic())
            )
        if self._store.watching is not None:
            text = "1 if the API server lists the resources of all namespaces that this process looks after"
            yield GaugeMetricFamily("dashdb_watching", text, value=self._store.watching)
            text = "Times that the watch of the resources ended or had missed something, and began anew"
            yield CounterMetricFamily("dashdb_watch_restarts", text, value=self._store.watch_restarts)


def _count(name: str, text: str, holds: Iterable[bool]) -> Metric:
    return GaugeMetricFamily(name, text, value=sum(holds))


def _near_limit(report: Report) -> bool:
    sample = report.sample
    if sample is None or not sample.server_connection_limit:
        return False
    return (sample.server_connections or 0) / sample.server_connection_limit > NEAR_LIMIT
