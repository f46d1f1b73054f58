"""Page of `/metrics`, made anew from the reports: a database that is gone leaves no series behind.

The library writes the series of the process and the totals. Those of each database are tens of thousands of lines with
a few dozen texts: the library writes each text once, and here they are put together with the values.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from controller.health.report import Key, Report
from controller.health.role import Role
from controller.health.store import ReportStore
from controller.web.families import FAMILIES, Family
from controller.web.totals import Totals

_number: Callable[[float], str] = floatToGoString
_DATABASE = ("namespace", "name")
_END = "# EOF\n"
"""Last line of a page in OpenMetrics."""
_MOST_LABELS = 256
"""Texts of further labels to remember: states, reasons and results, of which there are a few dozen."""


class Form(NamedTuple):
    """Text format of Prometheus, or OpenMetrics: one of a few that the library knows.

    Attributes:
        kind: pages of the same kind are the same: media type and escaping, whatever version of it was asked for.
    """

    encoder: Callable[[Any], bytes]
    content_type: str
    kind: tuple[str, str]


def form_for(accept: str) -> Form:
    """Return the form that an Accept header asks for; the text format where it asks for none that is known."""
    try:
        encoder, content_type = choose_encoder(accept)
    except TypeError:  # the library compares a version such as 1.0.0-rc1 with numbers
        encoder, content_type = choose_encoder("")
    escaping = getattr(encoder, "keywords", {}).get("escaping", "underscores")
    return Form(encoder, content_type, (content_type.partition(";")[0], escaping))


class MetricsPage:
    """Writer of the page. Not thread-safe: it remembers the texts of the labels of the databases that it saw last."""

    def __init__(
        self,
        store: ReportStore,
        *,
        version: str,
        per_database: bool = True,
        role: Callable[[], Role | None] = lambda: None,
        shard: tuple[int, int] | None = None,
    ) -> None:
        """Write a page about STORE.

        Args:
            per_database: write the series of each database too, not only the totals.
            role: returns the part of this process in an election; None where there is none.
            shard: number of the shard of this process, and of shards in all; None where there are none.
        """
        self._store = store
        self._registry = registry(store, version=version, role=role, shard=shard)
        self._per_database = per_database
        self._labels: dict[Key, str] = {}

    def write(self, form: Form) -> bytes:
        """Return the page."""
        pieces = [_written(form, self._registry)]
        if self._per_database:
            reports = self._store.reports(datetime.now(UTC))
            known = self._labels
            self._labels = {key: known.get(key) or _labels(_DATABASE, key) for key in reports}
            pieces.extend(_family(form, family, reports, self._labels) for family in FAMILIES)
        if form.kind[0] == "application/openmetrics-text":
            pieces.append(_END)
        return "".join(pieces).encode()


def registry(
    store: ReportStore, *, version: str, role: Callable[[], Role | None], shard: tuple[int, int] | None
) -> CollectorRegistry:
    """Return a registry with the series of the process, of its part in an election, and the totals of all databases."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    Gauge("dashdb_build_info", "The running release", ("version",), registry=registry).labels(version).set(1)
    if shard is not None:
        text = "The shard whose databases this process looks after"
        Gauge("dashdb_shard_info", text, ("shard",), registry=registry).labels("{}/{}".format(*shard)).set(1)
        Gauge("dashdb_shards", "Shards in all, as this process was told", registry=registry).set(shard[1])
    registry.register(Totals(store))
    registry.register(_Election(role))
    return registry


@dataclass(frozen=True, slots=True)
class _Election(Collector):
    """Collector of the part of this process in an election; nothing where there is none."""

    role: Callable[[], Role | None]

    def collect(self) -> Iterator[Metric]:
        role = self.role()
        if role is not None:
            yield GaugeMetricFamily(
                "dashdb_leader", "1 if this replica holds the Lease and may act", value=role.leading
            )
            text = "Times that the Lease passed from one replica to another"
            yield CounterMetricFamily("dashdb_lease_transitions", text, value=role.transitions)


@dataclass(frozen=True, slots=True)
class _Only(Collector):
    """Collector of one family, as the library's encoders take it."""

    metric: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.metric


def _family(form: Form, family: Family, reports: Mapping[Key, Report], labels: Mapping[Key, str]) -> str:
    """Return the text of a family; nothing where no report has a value of it."""
    head, name = _head(form, family)
    lines = [head]
    read, label, text = family.read, family.label, _number
    for key, report in reports.items():
        values = read(report)
        if label is None:
            lines.extend(f"{name}{{{labels[key]}}} {text(value)}\n" for value in values.values())
        else:
            lines.extend(
                f"{name}{{{labels[key]},{_label(label, by)}}} {text(value)}\n" for by, value in sorted(values.items())
            )
    return "".join(lines) if len(lines) > 1 else ""


def _head(form: Form, family: Family) -> tuple[str, str]:
    """Return the comments before a family, and the name of its series, as the library writes them."""
    kind = CounterMetricFamily if family.counter else GaugeMetricFamily
    comments, series = _written(form, _Only(kind(family.name, family.text, value=0))).rstrip("\n").rsplit("\n", 1)
    return f"{comments}\n", series.partition(" ")[0]


@lru_cache(_MOST_LABELS)
def _label(name: str, value: str) -> str:
    """Return one further label as the library writes it."""
    return _labels((name,), (value,))


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Return labels as the library writes them: the same in every form, since our names need no escaping in any."""
    sample = GaugeMetricFamily("x", "", labels=names)
    sample.add_metric(values, 0)
    line = generate_latest(_Only(sample)).decode().rstrip("\n").rsplit("\n", 1)[1]
    return line.removeprefix("x{").removesuffix("} 0.0")


def _written(form: Form, collector: Any) -> str:
    return form.encoder(collector).decode().removesuffix(_END)
