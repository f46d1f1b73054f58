"""Metrics for Prometheus, made anew from the reports at each scrape: a database that is gone leaves no series behind.

Names and units: https://prometheus.io/docs/practices/naming/. Pool series follow Go's `go_sql_*`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from controller.health.report import Key, Report
from controller.health.role import Role
from controller.health.store import ReportStore
from controller.health.verdict import Health

_LABELS = ("namespace", "name")
_END = b"# EOF\n"
"""Last line of a page in OpenMetrics."""


@dataclass(frozen=True, slots=True)
class _Family(Collector):
    """Collector of one family, as the library's encoders take it."""

    metric: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric


@dataclass(frozen=True, slots=True)
class _Written:
    """Text of a family as it was written last, with its samples and its format."""

    content_type: str
    samples: list[Sample]
    text: bytes


class Form(NamedTuple):
    """Text format of Prometheus, or OpenMetrics: one of a few that the library knows."""

    encoder: Callable[[Any], bytes]
    content_type: str


def form_for(accept: str) -> Form:
    """Return the form that an Accept header asks for; the text format where it asks for none that is known."""
    try:
        return Form(*choose_encoder(accept))
    except TypeError:  # the library compares a version such as 1.0.0-rc1 with numbers
        return Form(*choose_encoder(""))


class MetricsPage:
    """Page of `/metrics`, which writes a family anew only where its samples changed.

    Most families of hundreds of databases are as they were at the last scrape, and writing is what takes the time.
    Collectors have to make their samples anew each time.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._written: dict[str, _Written] = {}

    def write(self, form: Form) -> bytes:
        """Return the page."""
        encoder, content_type = form
        written: dict[str, _Written] = {}
        pieces = []
        for metric in self._registry.collect():
            known = self._written.get(metric.name)
            if known is None or known.content_type != content_type or known.samples != metric.samples:
                text = encoder(_Family(metric)).removesuffix(_END)
                known = _Written(content_type, metric.samples, text)
            written[metric.name] = known
            pieces.append(known.text)
        self._written = written  # without the families that are gone
        if content_type.startswith("application/openmetrics-text"):
            pieces.append(_END)
        return b"".join(pieces)


class ReportCollector(Collector):
    """Collector of the series of all databases; reads memory only."""

    def __init__(self, store: ReportStore, *, version: str, role: Callable[[], Role | None] = lambda: None) -> None:
        self._store = store
        self._version = version
        self._role = role

    def collect(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("dashdb_build_info", "The running release", labels=("version",))
        build.add_metric((self._version,), 1)
        yield build
        if (role := self._role()) is not None:
            yield from _election(role)
        reports = self._store.reports(datetime.now(UTC))
        yield from _gauges(reports)
        yield from _counters(reports)


def registry(store: ReportStore, *, version: str, role: Callable[[], Role | None] = lambda: None) -> CollectorRegistry:
    """Return a registry with the series of the databases, of the process, and of its part in an election."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(ReportCollector(store, version=version, role=role))
    return registry


def _election(role: Role) -> Iterator[Metric]:
    yield GaugeMetricFamily("dashdb_leader", "1 if this replica holds the Lease and may act", value=role.leading)
    text = "Times that the Lease passed from one replica to another"
    yield CounterMetricFamily("dashdb_lease_transitions", text, value=role.transitions)


def _gauges(reports: Mapping[Key, Report]) -> Iterator[Metric]:
    families: dict[str, GaugeMetricFamily] = {}

    def add(name: str, text: str, key: Key, value: Any) -> None:
        if value is None:
            return
        if name not in families:
            families[name] = GaugeMetricFamily(name, text, labels=_LABELS)
        families[name].add_metric(key, float(value))

    for key, report in reports.items():
        add("dashdb_database_ready", "1 if connected, migrated, seeded and not unhealthy", key, report.ready)
        up = report.verdict.health is not Health.UNHEALTHY
        add("dashdb_database_up", "1 if the database answered the last check and takes writes", key, up)
        degraded = report.verdict.health is Health.DEGRADED
        add("dashdb_database_degraded", "1 if it answered, but slowly or nearly full", key, degraded)
        add("dashdb_schema_version", "Applied migration; 0 is the empty database", key, report.schema_version)
        add("dashdb_schema_pending_migrations", "Migrations that wait", key, report.pending)
        text = "1 if a migration without a transaction stopped half-way"
        add("dashdb_schema_dirty", text, key, report.dirty)
        sample = report.sample
        if sample is None:
            continue
        seconds = None if sample.response_ms is None else sample.response_ms / 1000
        add("dashdb_database_response_seconds", "Round trip of the last check", key, seconds)
        add("dashdb_database_last_check_timestamp_seconds", "When it was", key, sample.taken_at.timestamp())
        text = "Connections that the role, the database or the server has, whichever is nearest its limit"
        add("dashdb_server_connections", text, key, sample.server_connections)
        add(
            "dashdb_server_connections_limit",
            "The limit nearest to being reached",
            key,
            sample.server_connection_limit,
        )
        add("dashdb_pool_connections_max", "Connections that the pool may open", key, sample.pool.max_open)
        add("dashdb_pool_connections_open", "Connections of the pool", key, sample.pool.open)
        add("dashdb_pool_connections_in_use", "Connections in use", key, sample.pool.in_use)
        add("dashdb_pool_connections_idle", "Idle connections", key, sample.pool.idle)
    yield from families.values()
    templates = GaugeMetricFamily("dashdb_templates", "System templates, by state", labels=(*_LABELS, "state"))
    for key, report in reports.items():
        for state, count in sorted(report.templates.items()):
            templates.add_metric((*key, state), count)
    yield templates


def _counters(reports: Mapping[Key, Report]) -> Iterator[Metric]:
    reconciles = CounterMetricFamily(
        "dashdb_reconcile",
        "Reconciles of a database, by whether it was ready after it",
        labels=(*_LABELS, "result"),
    )
    waits = CounterMetricFamily("dashdb_pool_wait", "Times that a connection had to be waited for", labels=_LABELS)
    seconds = CounterMetricFamily("dashdb_pool_wait_duration_seconds", "Time spent waiting for one", labels=_LABELS)
    opened = CounterMetricFamily("dashdb_pool_opened", "Connections opened", labels=_LABELS)
    closed = CounterMetricFamily("dashdb_pool_closed", "Connections closed, by reason", labels=(*_LABELS, "reason"))
    for key, report in reports.items():
        reconciles.add_metric((*key, "ready"), report.succeeded)
        reconciles.add_metric((*key, "not_ready"), report.failed)
        if report.sample is None:
            continue
        waits.add_metric(key, report.sample.pool.wait_count)
        seconds.add_metric(key, report.sample.pool.wait_seconds)
        opened.add_metric(key, report.sample.pool.opened)
        for reason, count in sorted(report.sample.pool.closed.items()):
            closed.add_metric((*key, reason), count)
    yield from (reconciles, waits, seconds, opened, closed)
