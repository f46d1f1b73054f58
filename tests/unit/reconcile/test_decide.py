"""Decisions: the next action, or the reason that blocks it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.database.located_schema import LocatedSchema
from controller.desired import Desired, Maintenance, SchemaPolicy
from controller.errors import DatabaseUnavailable, HistoryMismatch, MigrationFailed, Recovery
from controller.health.verdict import Health, Verdict
from controller.reconcile.decide import Action, Blocked, Maintain, Migrate, Seed, decide, decide_schema
from controller.reconcile.memory import Memory
from controller.reconcile.observed import Observed, ObservedSchema
from controller.templates.merge import TemplateAction, TemplateState
from tests.unit.reconcile.observations import (
    MANUAL,
    NOW,
    REPORT,
    desired,
    due,
    failed,
    history,
    observed,
    plan_of,
    template,
)

MISSING = template(TemplateState.MISSING, TemplateAction.INSERT)
EMPTY = Memory()
TABLES = LocatedSchema("public", "7000/5", ("public",), frozenset({"schema_version", "dashboard", "audit_log"}))


def migration_in(action: Action | Blocked | None) -> list[str]:
    assert isinstance(action, Migrate)
    return [step.label for step in action.plan.steps]


def reason_of(answer: Action | Blocked | None) -> str:
    assert isinstance(answer, Blocked)
    return answer.reason


def test_pending_migrations_come_first() -> None:
    assert migration_in(decide(desired(), observed(1, templates=(MISSING,)), due())) == ["V002_second.up.sql"]


def test_then_templates() -> None:
    assert decide(desired(), observed(1, 2, templates=(MISSING,)), due()) == Seed(("template-notebook",))


def test_then_maintenance_with_the_retention_that_was_asked_for() -> None:
    wanted = desired(maintenance=Maintenance(audit_retention_days=30))
    assert decide(wanted, observed(1, 2), due()) == Maintain(30)
    assert decide(wanted, observed(1, 2), Memory(maintenance_due=NOW + timedelta(seconds=1))) is None


def test_then_nothing() -> None:
    assert decide(desired(), observed(1, 2), EMPTY) is None


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (observed(connection_error=DatabaseUnavailable("down", reason="ConnectionRefused")), "ConnectionRefused"),
        (observed(verdict=Verdict(Health.UNHEALTHY, "ReadOnly")), "ReadOnly"),
        (observed(plan=HistoryMismatch("edited")), "HistoryMismatch"),
        (observed(schema=DatabaseUnavailable("locked", reason="Timeout")), "Timeout"),
        (observed(schema=None), "NotObserved"),
    ],
)
def test_nothing_is_done_on_uncertain_ground(seen: Observed, reason: str) -> None:
    assert reason_of(decide(desired(), seen, due())) == reason


def test_a_degraded_database_is_still_migrated() -> None:
    slow = Verdict(Health.DEGRADED, "SlowResponse", "slow")
    assert isinstance(decide(desired(), observed(1, verdict=slow), EMPTY), Migrate)


def test_a_suspended_database_is_only_observed() -> None:
    wanted = desired(suspend=True)
    assert reason_of(decide(wanted, observed(1), EMPTY)) == "Suspended"
    assert reason_of(decide(wanted, observed(1, 2, templates=(MISSING,)), due())) == "Suspended"
    assert decide(wanted, observed(1, 2), due()) is None


def test_templates_are_left_alone_where_seeding_is_disabled() -> None:
    assert decide(desired(seed_templates=False), observed(1, 2, templates=(MISSING,)), EMPTY) is None


@pytest.mark.parametrize("templates", [None, DatabaseUnavailable("locked")])
def test_maintenance_needs_the_tables(templates: object) -> None:
    assert isinstance(decide(desired(), observed(1, 2, templates=templates), due()), Blocked)
    assert decide(desired(seed_templates=False), observed(1, 2, templates=templates), due()) is None


def test_maintenance_is_done_beside_a_template_in_conflict_and_not_where_it_is_not_wanted() -> None:
    conflict = observed(1, 2, templates=(template(TemplateState.CONFLICT),))
    assert isinstance(decide(desired(), conflict, due()), Maintain)
    assert decide(desired(maintenance=Maintenance(enabled=False)), conflict, due()) is None


def test_a_plan_that_failed_is_tried_again_when_its_time_has_come() -> None:
    seen = observed(1)
    key = Migrate(plan_of(seen), approved=False).key
    known = Memory(failed=(failed(key, MigrationFailed("refused")),))
    assert decide(desired(), seen, known) == Blocked("MigrationFailed", "refused", Recovery.TRANSIENT)
    assert isinstance(decide(desired(), observed(1, now=NOW + timedelta(seconds=1)), known), Migrate)


def test_a_plan_that_changed_since_it_failed_is_tried_at_once() -> None:
    known = Memory(failed=(failed("migrate sha256:another", MigrationFailed("refused"), tries=9, seconds=300),))
    assert isinstance(decide(desired(), observed(1), known), Migrate)


def test_a_seeding_that_failed_is_tried_again_when_its_time_has_come() -> None:
    seen = observed(1, 2, templates=(MISSING,))
    known = Memory(failed=(failed(Seed(("template-notebook",)).key, DatabaseUnavailable("full", reason="DiskFull")),))
    assert reason_of(decide(desired(), seen, known)) == "DiskFull"
    later = observed(1, 2, templates=(MISSING,), now=NOW + timedelta(seconds=1))
    assert isinstance(decide(desired(), later, known), Seed)


def test_automatic_never_goes_back() -> None:
    assert reason_of(decide(desired(), observed(1, 2, target=1), EMPTY)) == "DowngradeRefused"


def test_manual_runs_the_approved_plan_and_no_other() -> None:
    seen = observed(1)
    unapproved = desired(policy=MANUAL)
    outdated = desired(policy=MANUAL, approved="sha256:" + "0" * 64)
    approved = desired(policy=MANUAL, approved=plan_of(seen).sha256)
    assert reason_of(decide(unapproved, seen, EMPTY)) == "ApprovalRequired"
    assert reason_of(decide(outdated, seen, EMPTY)) == "ApprovalOutdated"
    assert decide(approved, seen, EMPTY) == Migrate(plan_of(seen), approved=True)
    assert reason_of(decide(approved, seen, Memory(used_approval=plan_of(seen).sha256))) == "ApprovalUsed"


def test_nothing_is_migrated_while_something_is_missing_unless_a_person_approved_it() -> None:
    seen, damaged = observed(1), Memory(damage=("table a",))
    answer = decide(desired(), seen, damaged)
    assert isinstance(answer, Blocked)
    assert (answer.reason, answer.recovery) == ("Damaged", Recovery.WAITING)
    assert "table a" in answer.message
    assert "from version 1 to 2" in answer.message
    approved = desired(policy=MANUAL, approved=plan_of(seen).sha256)
    assert isinstance(decide(approved, seen, damaged), Migrate)


def test_a_file_that_stopped_half_way_is_gone_on_with_although_something_is_missing() -> None:
    seen = observed(1)
    assert isinstance(seen.schema, ObservedSchema)
    rows = (*seen.schema.history, history(2)[0]._replace(error="it stopped"))
    half_done = replace(seen, schema=replace(seen.schema, history=rows))
    assert isinstance(decide(desired(), half_done, Memory(damage=("table a",))), Migrate)


def test_tables_without_a_history_are_not_migrated_unless_a_person_approved_it() -> None:
    seen = observed(located=TABLES)
    answer = decide(desired(), seen, Memory())
    assert isinstance(answer, Blocked)
    assert (answer.reason, answer.recovery) == ("HistoryMissing", Recovery.WAITING)
    assert "(audit_log, dashboard)" in answer.message
    approved = desired(policy=MANUAL, approved=plan_of(seen).sha256)
    assert isinstance(decide(approved, seen, Memory()), Migrate)
    assert isinstance(decide(desired(), observed(1, located=TABLES), Memory()), Migrate)


@pytest.mark.parametrize(
    "seen", [observed(), observed(1), observed(plan=HistoryMismatch("edited")), observed(schema=None)]
)
def test_a_schema_that_is_only_reported_is_never_touched_and_blocks_nothing(seen: Observed) -> None:
    wanted: Desired = desired(policy=REPORT, seed_templates=False)
    assert decide_schema(wanted, seen, EMPTY) is None
    assert decide(wanted, seen, EMPTY) is None


@pytest.mark.parametrize("policy", [MANUAL, REPORT])
def test_of_two_resources_for_one_database_the_younger_does_nothing_and_names_the_other(policy: SchemaPolicy) -> None:
    seen = observed(1, templates=(MISSING,), claimed_by="team-a/older")
    answer = decide(desired(policy=policy), seen, due())
    assert isinstance(answer, Blocked)
    assert (answer.reason, answer.recovery) == ("Conflict", Recovery.WAITING)
    assert answer.message.startswith("team-a/older asks for the same database")
    assert reason_of(decide(desired(), observed(1, 2, claimed_by="team-a/older"), due())) == "Conflict"
