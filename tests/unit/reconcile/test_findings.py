"""Findings from an observation, and those that keep a database from being ready."""

from typing import Any

import pytest

from controller.desired import Desired
from controller.errors import (
    DashdbError,
    DatabaseUnavailable,
    HistoryMismatch,
    MigrationFailed,
    MigrationLocked,
    Recovery,
)
from controller.health.verdict import Health, Verdict
from controller.reconcile.decide import Migrate, Seed
from controller.reconcile.findings import READY, Aspect, find, summary
from controller.reconcile.memory import Memory
from controller.reconcile.observed import Observed
from controller.templates.merge import TemplateAction, TemplateState
from tests.unit.reconcile.observations import FACTS, MANUAL, NOW, REPORT, desired, failed, observed, plan_of, template

EMPTY = Memory()
MISSING = (template(TemplateState.MISSING, TemplateAction.INSERT),)
LOCKED = DatabaseUnavailable("locked", reason="Timeout")


def reasons(seen: Observed, wanted: Desired | None = None, known: Memory = EMPTY) -> dict[str, str]:
    """Each finding as `<True, False or None> <reason>`."""
    found = find(wanted or desired(), seen, known)
    return {aspect.value: f"{finding.holds} {finding.reason}" for aspect, finding in found.items()}


def migration_failed(error: DashdbError) -> Memory:
    return Memory(failed=(failed(Migrate(plan_of(observed(1)), approved=False).key, error),))


def seeding_failed(error: DashdbError) -> Memory:
    return Memory(failed=(failed(Seed(("template-notebook",)).key, error),))


def test_all_is_well() -> None:
    assert reasons(observed(1, 2)) == {
        "Connected": "True Connected",
        "SchemaCurrent": "True UpToDate",
        "TemplatesSeeded": "True Seeded",
        "Healthy": "True Healthy",
    }
    assert summary(find(desired(), observed(1, 2), EMPTY)) is READY


def test_no_connection_makes_the_rest_unknown() -> None:
    error = DatabaseUnavailable("Nothing listens there.", reason="ConnectionRefused")
    seen = Observed(now=NOW, verdict=Verdict.unhealthy(error), connection_error=error)
    assert reasons(seen) == {
        "Connected": "False ConnectionRefused",
        "SchemaCurrent": "None NotConnected",
        "TemplatesSeeded": "None NotConnected",
        "Healthy": "False ConnectionRefused",
    }
    assert summary(find(desired(), seen, EMPTY)).message == "Nothing listens there."


@pytest.mark.parametrize(
    ("seen", "wanted", "known", "aspect", "expected", "recovery"),
    [
        (observed(plan=HistoryMismatch("edited", reason="ChecksumMismatch")), desired(), EMPTY,
         Aspect.SCHEMA_CURRENT, "False ChecksumMismatch", Recovery.STALLED),
        (observed(1, 2, target=1), desired(), EMPTY,
         Aspect.SCHEMA_CURRENT, "False DowngradeRefused", Recovery.STALLED),
        (observed(1), desired(policy=MANUAL), EMPTY,
         Aspect.SCHEMA_CURRENT, "False ApprovalRequired", Recovery.STALLED),
        (observed(1), desired(), migration_failed(MigrationLocked("held")),
         Aspect.SCHEMA_CURRENT, "False MigrationLocked", Recovery.TRANSIENT),
        (observed(1), desired(), migration_failed(MigrationFailed("refused")),
         Aspect.SCHEMA_CURRENT, "False MigrationFailed", Recovery.TRANSIENT),
        (observed(1), desired(), EMPTY, Aspect.SCHEMA_CURRENT, "False MigrationPending", Recovery.TRANSIENT),
        (observed(1), desired(suspend=True), EMPTY, Aspect.SCHEMA_CURRENT, "False Suspended", Recovery.SUSPENDED),
        (observed(schema=LOCKED), desired(), EMPTY, Aspect.SCHEMA_CURRENT, "False Timeout", Recovery.TRANSIENT),
        (observed(1, 2, templates=MISSING), desired(), seeding_failed(DatabaseUnavailable("x", reason="DiskFull")),
         Aspect.TEMPLATES_SEEDED, "False DiskFull", Recovery.TRANSIENT),
        (observed(1, 2, templates=MISSING), desired(), EMPTY,
         Aspect.TEMPLATES_SEEDED, "False SeedingPending", Recovery.TRANSIENT),
        (observed(1, 2, templates=MISSING), desired(suspend=True), EMPTY,
         Aspect.TEMPLATES_SEEDED, "False Suspended", Recovery.SUSPENDED),
        (observed(1, 2, templates=LOCKED), desired(), EMPTY,
         Aspect.TEMPLATES_SEEDED, "False Timeout", Recovery.TRANSIENT),
        (observed(1, 2, templates=(template(TemplateState.CONFLICT),)), desired(), EMPTY,
         Aspect.TEMPLATES_SEEDED, "False TemplateConflict", Recovery.WAITING),
        (observed(1, 2, templates=(template(TemplateState.UNREADABLE),)), desired(), EMPTY,
         Aspect.TEMPLATES_SEEDED, "False TemplateUnreadable", Recovery.WAITING),
        (observed(1, 2, templates=None), desired(), EMPTY,
         Aspect.TEMPLATES_SEEDED, "False TableMissing", Recovery.STALLED),
        (observed(1, 2, verdict=Verdict(Health.UNHEALTHY, "ReadOnly", "standby")), desired(), EMPTY,
         Aspect.HEALTHY, "False ReadOnly", Recovery.TRANSIENT),
    ],
)  # fmt: skip
def test_what_keeps_it_from_ready_is_the_summary(
    seen: Observed, wanted: Desired, known: Memory, aspect: Aspect, expected: str, recovery: Recovery
) -> None:
    assert reasons(seen, wanted, known)[aspect.value] == expected
    found = summary(find(wanted, seen, known))
    assert f"{found.holds} {found.reason}" == expected
    assert found.recovery is recovery


@pytest.mark.parametrize(
    ("seen", "wanted", "known", "aspect", "expected"),
    [
        (observed(1, 2, verdict=Verdict(Health.DEGRADED, "SlowResponse", "slow")), desired(), EMPTY,
         Aspect.HEALTHY, "False SlowResponse"),
        (observed(1, 2, templates=(template(TemplateState.CUSTOMIZED),)), desired(), EMPTY,
         Aspect.TEMPLATES_SEEDED, "True Customized"),
        (observed(1, 2), desired(seed_templates=False), EMPTY, Aspect.TEMPLATES_SEEDED, "True SeedingDisabled"),
        (observed(1, 2, 3, ahead=True), desired(), EMPTY, Aspect.SCHEMA_CURRENT, "True SchemaAhead"),
        (observed(1, 2), desired(), Memory(drift=("index ix missing",)), Aspect.SCHEMA_CURRENT, "True Drifted"),
    ],
)  # fmt: skip
def test_what_is_said_and_does_not_keep_it_from_ready(
    seen: Observed, wanted: Desired, known: Memory, aspect: Aspect, expected: str
) -> None:
    assert reasons(seen, wanted, known)[aspect.value] == expected
    assert summary(find(wanted, seen, known)) is READY


def test_a_database_of_a_newer_release_is_not_ready_where_something_is_missing() -> None:
    seen, damaged = observed(1, 2, 3, ahead=True), Memory(damage=("table a",))
    assert reasons(seen, desired(), damaged)[Aspect.SCHEMA_CURRENT.value] == "False Damaged"
    assert summary(find(desired(), seen, damaged)) is not READY


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (observed(), "False MigrationPending"),
        (observed(1, 2), "True UpToDate"),
        (observed(schema=DatabaseUnavailable("none", reason="SchemaMissing")), "None SchemaMissing"),
        (observed(plan=HistoryMismatch("edited", reason="ChecksumMismatch")), "False ChecksumMismatch"),
        (observed(schema=None), "None NotObserved"),
    ],
)
def test_a_schema_that_is_only_reported_does_not_keep_it_from_ready(seen: Observed, expected: str) -> None:
    wanted = desired(policy=REPORT, seed_templates=False)
    assert reasons(seen, wanted)["SchemaCurrent"] == expected
    assert summary(find(wanted, seen, EMPTY)) is READY


def test_each_thing_that_is_observed_has_an_error_of_its_own() -> None:
    assert reasons(observed(1, 2, templates=LOCKED)) == {
        "Connected": "True Connected",
        "SchemaCurrent": "True UpToDate",
        "TemplatesSeeded": "False Timeout",
        "Healthy": "True Healthy",
    }
    assert reasons(observed(1, 2, schema=LOCKED)) == {
        "Connected": "True Connected",
        "SchemaCurrent": "False Timeout",
        "TemplatesSeeded": "True Seeded",
        "Healthy": "True Healthy",
    }


def test_templates_without_a_table_wait_for_the_schema() -> None:
    assert reasons(observed())["TemplatesSeeded"] == "None SchemaNotCurrent"


def test_drift_lists_the_first_and_counts_the_rest() -> None:
    known = Memory(drift=tuple(f"table t{number} added" for number in range(12)))
    message = find(desired(), observed(1, 2), known)[Aspect.SCHEMA_CURRENT].message
    assert message.endswith("table t9 added and 2 more.")
    assert "table t10" not in message


def test_a_down_migration_that_waits_for_approval_says_what_it_takes_with_it() -> None:
    back = observed(1, 2, target=1, losses=("dashboard (holds data)",))
    refused = find(desired(policy=MANUAL), back, EMPTY)[Aspect.SCHEMA_CURRENT]
    assert refused.reason == "ApprovalRequired"
    assert refused.message.endswith("It would take with it: dashboard (holds data).")


def test_messages_hold_no_figures_that_change_with_every_observation() -> None:
    def messages(**fields: Any) -> list[str]:
        return [each.message for each in find(desired(), observed(1, 2, **fields), EMPTY).values()]

    busier = FACTS.__class__(
        "18.1", "7000/5", read_only=False, connections=50, connection_limit=97, of_server=True, room=96
    )
    assert messages() == messages(facts=busier)
