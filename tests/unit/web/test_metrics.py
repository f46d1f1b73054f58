"""Metrics as Prometheus scrapes them."""

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from controller.health.store import ReportStore
from controller.web.metrics import MetricsPage, ReportCollector, form_for
from tests.unit.web.reports import DOWN, report, scrape, store_with


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


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8"])
def test_what_has_not_changed_since_the_last_scrape_reads_as_the_library_writes_it(accept: str) -> None:
    store = store_with("one", "two")
    ours = CollectorRegistry()
    ours.register(ReportCollector(store, version="0.1.0"))
    page = MetricsPage(ours)
    encoder, _ = choose_encoder(accept)
    changes: list[Callable[[], None]] = [
        lambda: None,
        lambda: store.put(("team-a", "two"), report(DOWN)),
        lambda: store.remove(("team-a", "one")),
        lambda: store.remove(("team-a", "two")),
        lambda: store.put(("team-a", "one"), report()),
    ]
    for change in changes:
        change()
        assert page.write(form_for(accept)) == encoder(ours)
    for other in ("application/openmetrics-text", "", accept):
        encoder, content_type = choose_encoder(other)
        assert form_for(other).content_type == content_type
        assert page.write(form_for(other)) == encoder(ours)
