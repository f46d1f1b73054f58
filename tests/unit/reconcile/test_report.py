"""Reports of results, and while a long migration runs."""

from datetime import timedelta

import pytest

from controller.errors import DatabaseUnavailable
from controller.health.report import Report
from controller.health.verdict import CheckResult, Health, Sample, Verdict
from controller.reconcile.findings import find, summary
from controller.reconcile.memory import Memory
from controller.reconcile.observed import Observed
from controller.reconcile.report import report_of, report_while_migrating
from controller.reconcile.result import MigrationProgress, ReconcileResult
from tests.unit.reconcile.observations import HEALTHY, NOW, desired, observed
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


def test_what_was_last_known_of_the_tables_is_shown_while_the_database_does_not_answer() -> None:
    memory = Memory().observed(observed(1, 2), desired())
    error = DatabaseUnavailable("No answer.", reason="Timeout")
    seen = Observed(now=NOW, verdict=Verdict.unhealthy(error), connection_error=error)
    findings = find(desired(), seen, memory)
    result = ReconcileResult(seen, findings, summary(findings), (), 1.0, memory.observed(seen, desired()))
    shown = report_of(result, DUE, ready=False, since=None)
    assert (shown.schema_version, shown.pending, shown.dirty) == (2, 0, False)
    assert (shown.reason, dict(shown.templates)) == ("Timeout", {"Current": 1})
