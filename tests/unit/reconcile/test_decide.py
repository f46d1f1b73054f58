"""What is done next."""

from datetime import timedelta

import pytest

from controller.errors import DatabaseUnavailable, HistoryMismatch, MigrationFailed
from controller.health.verdict import Health, Verdict
from controller.reconcile.decide import Action, Maintain, Migrate, Nothing, Seed, decide, refusal
from controller.reconcile.observed import FailedMigration, Observed
from controller.templates.merge import TemplateAction, TemplateState
from tests.unit.reconcile.observations import NOW, observed, spec, template

MISSING = template(TemplateState.MISSING, TemplateAction.INSERT)


def migration_in(action: Action | Nothing) -> list[str]:
    assert isinstance(action, Migrate)
    return [step.label for step in action.plan.steps]


def test_pending_migrations_come_first() -> None:
    seen = observed(1, templates=(MISSING,), maintenance_due=True)
    assert migration_in(decide(spec(), seen)) == ["V002_second.up.sql"]


def test_then_templates() -> None:
    assert decide(spec(), observed(1, 2, templates=(MISSING,), maintenance_due=True)) == Seed()


def test_then_maintenance_with_the_retention_that_the_resource_says() -> None:
    wanted = spec(maintenance={"auditRetentionDays": 30})
    assert decide(wanted, observed(1, 2, maintenance_due=True)) == Maintain(30)


def test_then_nothing() -> None:
    assert decide(spec(), observed(1, 2)) == Nothing("everything is as wanted")


@pytest.mark.parametrize(
    ("seen", "because"),
    [
        (observed(connection_error=DatabaseUnavailable("down")), "not connected"),
        (observed(verdict=Verdict(Health.UNHEALTHY, "ReadOnly")), "the server is not fit for writing"),
        (observed(plan=HistoryMismatch("edited")), "the files and the history do not fit together"),
    ],
)
def test_nothing_is_done_on_uncertain_ground(seen: Observed, because: str) -> None:
    assert decide(spec(), seen) == Nothing(because)


def test_a_degraded_database_is_still_migrated() -> None:
    slow = Verdict(Health.DEGRADED, "SlowResponse", "slow")
    assert isinstance(decide(spec(), observed(1, verdict=slow)), Migrate)


def test_a_suspended_resource_is_only_looked_at() -> None:
    wanted = spec(suspend=True)
    assert isinstance(decide(wanted, observed(1)), Nothing)
    assert isinstance(decide(wanted, observed(1, 2, templates=(MISSING,), maintenance_due=True)), Nothing)


def test_templates_are_left_alone_where_seeding_is_disabled() -> None:
    wanted = spec(templates={"seed": "Disabled"})
    assert isinstance(decide(wanted, observed(1, 2, templates=(MISSING,))), Nothing)


def test_maintenance_needs_the_tables() -> None:
    assert isinstance(decide(spec(), observed(1, 2, templates=None, maintenance_due=True)), Nothing)


def test_a_plan_that_failed_is_tried_again_when_its_time_has_come() -> None:
    seen = observed(1)
    plan = seen.plan
    assert not isinstance(plan, Exception)
    assert plan is not None
    failed = FailedMigration(plan.sha256, MigrationFailed("refused"), 1, NOW + timedelta(seconds=1))
    assert isinstance(decide(spec(), observed(1, failed_migration=failed)), Nothing)
    assert isinstance(decide(spec(), observed(1, failed_migration=failed, now=failed.retry_at)), Migrate)


def test_a_plan_that_changed_since_it_failed_is_tried_at_once() -> None:
    failed = FailedMigration("sha256:another", MigrationFailed("refused"), 9, NOW + timedelta(minutes=5))
    assert isinstance(decide(spec(), observed(1, failed_migration=failed)), Migrate)


def test_automatic_never_goes_back() -> None:
    back = observed(1, 2, target=1)
    assert isinstance(decide(spec(schema={"targetVersion": 1}), back), Nothing)


def test_manual_runs_the_approved_plan_and_no_other() -> None:
    seen = observed(1)
    assert not isinstance(seen.plan, Exception)
    assert seen.plan is not None
    unapproved = spec(schema={"policy": "Manual"})
    outdated = spec(schema={"policy": "Manual", "approvedPlan": "sha256:" + "0" * 64})
    approved = spec(schema={"policy": "Manual", "approvedPlan": seen.plan.sha256})
    assert [getattr(refusal(wanted, seen.plan), "reason", None) for wanted in (unapproved, outdated, approved)] == [
        "ApprovalRequired",
        "ApprovalOutdated",
        None,
    ]
    assert isinstance(decide(unapproved, seen), Nothing)
    assert isinstance(decide(outdated, seen), Nothing)
    assert isinstance(decide(approved, seen), Migrate)
