"""Metrics as Prometheus scrapes them."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from controller.health.store import ReportStore
from controller.runtime.waits import Waits
from controller.web.families import FAMILIES
from controller.web.metrics import MetricsPage, form_for
from controller.web.totals import STATES, state_of
from tests.unit.web.reports import DOWN, NOW, SLOW, report, scrape, store_with


def test_each_database_has_its_series() -> None:
    text = scrape(store_with("one", "two"))
    for name in ("one", "two"):
        labels = f'name="{name}",namespace="team-a"'
        assert f"dashdb_database_ready{{{labels}}} 1.0" in text
        assert f"dashdb_database_up{{{labels}}} 1.0" in text
        assert f"dashdb_schema_version{{{labels}}} 1.0" in text
        assert f"dashdb_pool_wait_total{{{labels}}} 4.0" in text
        assert f'dashdb_pool_closed_total{{name="{name}",namespace="team-a",reason="lifetime"}} 7.0' in text
        assert f'dashdb_reconcile_total{{name="{name}",namespace="team-a",result="ready"}} 1.0' in text


def test_a_database_that_is_down_has_no_response_time() -> None:
    store = ReportStore()
    store.put(("team-a", "one"), report(DOWN))
    text = scrape(store)
    assert 'dashdb_database_up{name="one",namespace="team-a"} 0.0' in text
    assert "dashdb_database_response_seconds{" not in text


def test_a_database_that_is_gone_leaves_no_series() -> None:
    store = store_with("one", "two")
    store.remove(("team-a", "one"))
    assert 'name="one"' not in scrape(store)


class ByTheLibrary(Collector):
    """Collector of the same series, for the library's own encoders."""

    def __init__(self, store: ReportStore) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        reports = self._store.reports(NOW)
        for family in FAMILIES:
            kind = CounterMetricFamily if family.counter else GaugeMetricFamily
            further = () if family.label is None else (family.label,)
            metric = kind(family.name, family.text, labels=("namespace", "name", *further))
            for key, found in reports.items():
                for value, number in sorted(family.read(found).items()):
                    metric.add_metric((*key, value) if further else key, number)
            if metric.samples:
                yield metric


ODD = ("", 'a "quoted" \\ name\nof two lines, \u00e9')
"""The sidecar has no namespace, and a database may have any name."""
FORMS = [
    "",
    "text/plain; version=1.0.0; escaping=dots",
    "text/plain; version=0.0.4",
    "application/openmetrics-text",
    *(
        f"application/openmetrics-text; version=1.0.0; escaping={escaping}"
        for escaping in ("allow-utf-8", "underscores", "dots", "values")
    ),
]


@pytest.mark.parametrize("accept", FORMS)
def test_the_series_of_each_database_read_byte_for_byte_as_the_library_writes_them(accept: str) -> None:
    store = store_with("one", "two")
    page = MetricsPage(store, version="0.1.0")
    changes: list[Callable[[], None]] = [
        lambda: None,
        lambda: store.put(("team-a", "two"), report(DOWN)),
        lambda: store.put(ODD, report(templates={"Current": 3, "Missing": 1}, dirty=True, pending=12_345_678)),
        lambda: store.put(("team-b", "three"), report(sample=None, schema_version=None, pending=None)),
        lambda: store.remove(("team-a", "one")),
        lambda: store.remove(("team-a", "two")),
        lambda: store.put(("team-a", "one"), report()),
    ]
    encoder, content_type = choose_encoder(accept)
    assert form_for(accept).content_type == content_type
    for change in changes:
        change()
        written = page.write(form_for(accept))
        assert written.endswith(encoder(ByTheLibrary(store)))
        totals = written.removesuffix(encoder(ByTheLibrary(store)))
        assert b"team-a" not in totals


def test_pages_of_one_kind_are_the_same_whatever_version_was_asked_for() -> None:
    kinds = {form_for(f"application/openmetrics-text; version={n}.0.0").kind for n in range(1, 9)}
    assert len(kinds) == 1


TOTALS = {
    "ready": report(),
    "degraded": report(SLOW),
    "pending": report(ready=False, pending=2),
    "not_ready": report(ready=False, reason="TemplatesMissing"),
    "stale": report(due_by=datetime(2020, 1, 1, tzinfo=UTC)),
    "unhealthy": report(DOWN),
}


@pytest.mark.parametrize("state", STATES)
def test_each_database_is_counted_in_one_state_and_the_others_read_zero(state: str) -> None:
    store = ReportStore()
    store.put(("team-a", "one"), TOTALS[state])
    text = scrape(store, per_database=False)
    for each in STATES:
        assert f'dashdb_databases{{state="{each}"}} {float(each == state)}' in text


def test_a_database_whose_secret_is_missing_is_not_ready_and_not_unhealthy() -> None:
    assert state_of(report(DOWN, sample=None)) == "not_ready"


def test_totals_need_no_series_of_a_database() -> None:
    store = store_with("one", "two")
    store.put(("team-a", "two"), report(dirty=True))
    crowded = report().sample
    assert crowded is not None
    store.put(("team-a", "three"), report(sample=replace(crowded, server_connections=96)))
    store.put(("team-a", "four"), report(DOWN))
    text = scrape(store, per_database=False)
    assert "team-a" not in text
    assert "dashdb_databases_schema_dirty 1.0" in text
    assert "dashdb_databases_near_connection_limit 1.0" in text
    assert 'dashdb_reconciles_total{result="ready"} 4.0' in text
    assert 'dashdb_reconciles_total{result="not_ready"} 1.0' in text


def test_a_total_of_reconciles_does_not_shrink_when_a_database_is_gone() -> None:
    store = store_with("one")
    store.remove(("team-a", "one"))
    assert 'dashdb_reconciles_total{result="ready"} 1.0' in scrape(store)


def test_a_replica_says_which_shard_it_looks_after() -> None:
    text = scrape(store_with("one"), shard=(1, 2))
    assert 'dashdb_shard_info{shard="1/2"} 1.0' in text
    assert "dashdb_shards 2.0" in text
    assert "dashdb_shard" not in scrape(store_with("one"))


def test_a_process_that_watches_says_whether_it_sees_its_resources() -> None:
    store = store_with("one")
    assert "dashdb_watch" not in scrape(store), "a sidecar watches nothing"
    store.watching, store.watch_restarts = False, 2
    assert "dashdb_watching 0.0" in scrape(store)
    assert "dashdb_watch_restarts_total 2.0" in scrape(store)


def test_a_process_with_few_connections_says_how_many_databases_wait_for_one_and_how_long() -> None:
    store = store_with("one")
    assert "connection_longest_wait" not in scrape(store), "a sidecar has no such limit"
    store.connection_waits = Waits()
    assert "dashdb_databases_waiting_for_connection 0.0" in scrape(store)
    assert "dashdb_connection_longest_wait_seconds 0.0" in scrape(store)
    with store.connection_waits.one(time.monotonic() - 600):
        assert "dashdb_databases_waiting_for_connection 1.0" in scrape(store)
        [waited] = re.findall(r"^dashdb_connection_longest_wait_seconds (\S+)$", scrape(store), re.MULTILINE)
        assert float(waited) >= 600


@pytest.mark.parametrize(("state", "value"), [("stale", 1.0), ("ready", 0.0)])
def test_a_check_that_is_overdue_is_no_other_reason_to_be_not_ready(state: str, value: float) -> None:
    store = ReportStore()
    store.put(("team-a", "one"), TOTALS[state])
    assert f'dashdb_database_stale{{name="one",namespace="team-a"}} {value}' in scrape(store)
