"""Reports while a long migration runs."""

from datetime import timedelta

import pytest

from controller.errors import DatabaseUnavailable
from controller.health.report import Report
from controller.health.verdict import CheckResult, Health, Sample, Verdict
from controller.reconcile.report import report_while_migrating
from controller.reconcile.result import MigrationProgress
from tests.unit.reconcile.observations import HEALTHY, NOW
from tests.unit.web.reports import POOL

DUE = NOW + timedelta(minutes=1)
FINE = CheckResult(Sample(NOW, POOL, response_ms=1.0), HEALTHY)
DOWN = CheckResult(Sample(NOW, POOL), Verdict.unhealthy(DatabaseUnavailable("No answer.", reason="Timeout")))
RUNS = MigrationProgress("Running V002.", 0.0)
READY = Report(HEALTHY, None, ready=True, reason="Ready", message="All is well.", due_by=NOW, schema_version=1)
REFUSED = Report(
    Verdict(Health.UNHEALTHY, "ConnectionRefused", "Nothing listens there."),
    None,
    ready=False,
    reason="ConnectionRefused",
    message="Nothing listens there.",
    due_by=NOW,
)


def test_a_database_that_was_ready_stays_so_while_it_is_migrated_and_answers() -> None:
    shown = report_while_migrating(READY, FINE, RUNS, DUE)
    assert (shown.ready, shown.reason, shown.schema_version, shown.due_by) == (True, "Ready", 1, DUE)
    assert not report_while_migrating(READY, DOWN, RUNS, DUE).ready


def test_a_database_that_was_replaced_or_restored_is_not_ready_until_its_migration_is_over() -> None:
    shown = report_while_migrating(READY, FINE, MigrationProgress("Running V001.", 0.0, regressed=True), DUE)
    assert (shown.ready, shown.reason, shown.message) == (False, "Migrating", "Running V001.")


@pytest.mark.parametrize("before", [None, REFUSED])
def test_one_that_was_not_ready_says_what_it_waits_for_now(before: Report | None) -> None:
    shown = report_while_migrating(before, FINE, RUNS, DUE)
    assert (shown.ready, shown.reason, shown.message) == (False, "Migrating", "Running V002.")
    shown = report_while_migrating(before, DOWN, RUNS, DUE)
    assert (shown.ready, shown.reason, shown.message) == (False, "Timeout", "No answer.")
