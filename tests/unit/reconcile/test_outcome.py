"""What a turn means: conditions, events, and when to look again."""

from datetime import timedelta
from typing import Any

import pytest

from controller.errors import (
    ConfigurationError,
    DashdbError,
    DatabaseUnavailable,
    HistoryMismatch,
    MigrationFailed,
    MigrationLocked,
)
from controller.health.verdict import Health, Verdict
from controller.reconcile.observed import Observed, Work
from controller.reconcile.outcome import FIRST_RETRY_SECONDS, Outcome, conclude, in_progress, invalid_spec
from controller.resource.spec import DashboardDatabaseSpec
from controller.resource.status import ConditionType, DashboardDatabaseStatus
from controller.templates.merge import TemplateAction, TemplateState
from tests.unit.reconcile.observations import FACTS, NOW, observed, spec, template

EMPTY = DashboardDatabaseStatus()


def outcome(
    seen: Observed,
    wanted: DashboardDatabaseSpec | None = None,
    *,
    error: DashdbError | None = None,
    previous: DashboardDatabaseStatus = EMPTY,
    failures: int = 0,
    jitter: float = 0.0,
) -> Outcome:
    return conclude(wanted or spec(), seen, error, generation=3, previous=previous, failures=failures, jitter=jitter)


def conditions(status: DashboardDatabaseStatus) -> dict[str, str]:
    return {c.type.value: f"{c.status.value} {c.reason}" for c in status.conditions}


def test_all_is_well() -> None:
    result = outcome(observed(1, 2))
    assert conditions(result.status) == {
        "Ready": "True Ready",
        "Connected": "True Connected",
        "SchemaCurrent": "True UpToDate",
        "TemplatesSeeded": "True Seeded",
        "Healthy": "True Healthy",
        "Reconciling": "False Ready",
        "Stalled": "False Ready",
    }
    assert result.ready
    assert result.status.to_wire()["schema"] == {"current": 2, "target": 2, "pending": 0, "dirty": False}
    assert result.status.to_wire()["server"] == {"version": "18.1", "identity": "7000/5"}
    assert {c.observed_generation for c in result.status.conditions} == {3}


def test_no_connection_makes_the_rest_unknown_and_keeps_what_was_last_known() -> None:
    before = outcome(observed(1, 2)).status
    error = DatabaseUnavailable("Nothing listens there.", reason="ConnectionRefused")
    seen = Observed(now=NOW, verdict=Verdict.unhealthy(error), connection_error=error)
    after = outcome(seen, previous=before)
    assert conditions(after.status) == {
        "Ready": "False ConnectionRefused",
        "Connected": "False ConnectionRefused",
        "SchemaCurrent": "Unknown NotConnected",
        "TemplatesSeeded": "Unknown NotConnected",
        "Healthy": "False ConnectionRefused",
        "Reconciling": "True ConnectionRefused",
        "Stalled": "False ConnectionRefused",
    }
    assert after.status.schema_ == before.schema_
    assert after.status.server == before.server


@pytest.mark.parametrize(
    ("seen", "wanted", "error", "condition", "expected", "stalled"),
    [
        (observed(plan=HistoryMismatch("edited", reason="ChecksumMismatch")), None, None,
         "SchemaCurrent", "False ChecksumMismatch", True),
        (observed(1, 2, target=1), spec(schema={"targetVersion": 1}), None,
         "SchemaCurrent", "False DowngradeRefused", True),
        (observed(1), spec(schema={"policy": "Manual"}), None, "SchemaCurrent", "False ApprovalRequired", True),
        (observed(1), None, MigrationLocked("held"), "SchemaCurrent", "False MigrationLocked", False),
        (observed(1), None, MigrationFailed("refused"), "SchemaCurrent", "False MigrationFailed", False),
        (observed(1), spec(suspend=True), None, "SchemaCurrent", "False Suspended", True),
        (observed(1, 2, templates=(template(TemplateState.MISSING, TemplateAction.INSERT),)), None,
         DatabaseUnavailable("x", reason="DiskFull"), "TemplatesSeeded", "False DiskFull", False),
        (observed(1, 2, templates=(template(TemplateState.CONFLICT),)), None, None,
         "TemplatesSeeded", "False TemplateConflict", False),
        (observed(1, 2, templates=None), None, None, "TemplatesSeeded", "False TableMissing", True),
        (observed(1, 2, verdict=Verdict(Health.UNHEALTHY, "ReadOnly", "standby")), None, None,
         "Healthy", "False ReadOnly", False),
    ],
)  # fmt: skip
def test_what_keeps_it_from_ready_is_readys_reason(
    seen: Observed,
    wanted: DashboardDatabaseSpec | None,
    error: DashdbError | None,
    condition: str,
    expected: str,
    stalled: bool,
) -> None:
    result = conditions(outcome(seen, wanted, error=error).status)
    assert result[condition] == expected
    assert result["Ready"] == expected
    assert result["Stalled"].startswith("True" if stalled else "False")
    assert result["Reconciling"].startswith("False" if stalled else "True")


@pytest.mark.parametrize(
    ("seen", "wanted", "condition", "expected"),
    [
        (observed(1, 2, verdict=Verdict(Health.DEGRADED, "SlowResponse", "slow")), None,
         "Healthy", "False SlowResponse"),
        (observed(1, 2, templates=(template(TemplateState.CUSTOMIZED),)), None, "TemplatesSeeded", "True Customized"),
        (observed(1, 2), spec(templates={"seed": "Disabled"}), "TemplatesSeeded", "True SeedingDisabled"),
        (observed(1, 2, 3, schema_ahead=True), None, "SchemaCurrent", "True SchemaAhead"),
        (observed(1, 2, drift=("index ix missing",)), None, "SchemaCurrent", "True Drifted"),
    ],
)  # fmt: skip
def test_what_is_said_and_does_not_keep_it_from_ready(
    seen: Observed, wanted: DashboardDatabaseSpec | None, condition: str, expected: str
) -> None:
    result = outcome(seen, wanted)
    assert conditions(result.status)[condition] == expected
    assert result.ready


def test_a_transition_is_dated_and_a_repetition_is_not() -> None:
    first = outcome(observed(1, 2)).status
    later = outcome(observed(1, 2, now=NOW + timedelta(hours=1)), previous=first)
    assert later.status == first
    assert later.events == ()
    error = DatabaseUnavailable("gone", reason="ConnectionLost")
    moment = NOW + timedelta(hours=2)
    seen = Observed(now=moment, verdict=Verdict.unhealthy(error), connection_error=error)
    lost = outcome(seen, previous=first).status.condition(ConditionType.CONNECTED)
    assert lost is not None
    assert lost.last_transition_time == "2026-01-31T05:00:00Z"


def test_events_tell_of_changes_once() -> None:
    first = outcome(observed(1, 2))
    assert [(e.reason, e.warning) for e in first.events] == [("Ready", False)]
    slow = observed(1, 2, verdict=Verdict(Health.DEGRADED, "SlowResponse", "slow"))
    degraded = outcome(slow, previous=first.status)
    assert [(e.reason, e.warning) for e in degraded.events] == [("SlowResponse", True)]
    assert outcome(slow, previous=degraded.status).events == ()
    other = observed(1, 2, facts=FACTS.__class__("18.1", "8000/5", False, 1, 97))
    assert [e.reason for e in outcome(other, previous=first.status).events] == ["DatabaseReplaced"]


def test_drift_is_an_event_whenever_it_is_another_one() -> None:
    first = outcome(observed(1, 2)).status
    drifted = outcome(observed(1, 2, drift=("index ix missing",)), previous=first)
    assert [(e.reason, e.warning) for e in drifted.events] == [("SchemaDrifted", True)]
    assert "index ix missing" in drifted.events[0].message
    assert outcome(observed(1, 2, drift=("index ix missing",)), previous=drifted.status).events == ()
    more = outcome(observed(1, 2, drift=tuple(f"table t{n} added" for n in range(12))), previous=drifted.status)
    assert more.events[0].message.endswith("table t9 added and 2 more.")


def test_a_way_back_that_waits_for_approval_says_what_it_takes_with_it() -> None:
    back = observed(1, 2, target=1, losses=("dashboard (holds data)",))
    result = outcome(back, spec(schema={"policy": "Manual", "targetVersion": 1}))
    refused = result.status.condition(ConditionType.SCHEMA_CURRENT)
    assert refused is not None
    assert (refused.reason, "dashboard (holds data)" in refused.message) == ("ApprovalRequired", True)
    assert result.status.to_wire()["schema"]["plan"]["losses"] == ["dashboard (holds data)"]


def test_the_wait_after_success_is_the_interval_less_jitter() -> None:
    wanted = spec(health={"intervalSeconds": 30})
    assert outcome(observed(1, 2), wanted).wait_seconds == 30
    assert outcome(observed(1, 2), wanted, jitter=1.0).wait_seconds == 27


def test_waits_after_failures_double_up_to_the_interval() -> None:
    wanted = spec(health={"intervalSeconds": 5})
    waits = [outcome(observed(1), wanted, error=MigrationLocked("held"), failures=n).wait_seconds for n in range(6)]
    assert waits == [FIRST_RETRY_SECONDS, 1, 2, 4, 5, 5]
    assert outcome(observed(1), wanted, error=MigrationLocked("held"), failures=10**6).wait_seconds == 5


def test_a_wait_after_a_failure_is_shortened_by_up_to_half() -> None:
    wanted = spec(health={"intervalSeconds": 5})
    waits = [
        outcome(observed(1), wanted, error=MigrationLocked("held"), failures=9, jitter=j).wait_seconds
        for j in (0.5, 1.0)
    ]
    assert waits == [3.75, 2.5]


def test_progress_changes_reconciling_and_keeps_the_rest() -> None:
    before = outcome(observed(1, 2)).status
    during = in_progress(before, Work("Running V003.", 0.0), 4, NOW)
    assert conditions(during) == {
        **conditions(before),
        "Reconciling": "True Migrating",
        "Stalled": "False Migrating",
    }
    fresh = in_progress(EMPTY, Work("Running V001.", 0.0), 1, NOW)
    assert conditions(fresh) == {"Reconciling": "True Migrating", "Ready": "False Migrating"}


def test_an_approved_plan_that_runs_is_no_longer_stalled() -> None:
    refused = outcome(observed(1), spec(schema={"policy": "Manual"})).status
    assert conditions(refused)["Stalled"] == "True ApprovalRequired"
    assert conditions(in_progress(refused, Work("Running V002.", 0.0), 4, NOW))["Stalled"] == "False Migrating"


def test_tables_that_could_not_be_read_are_no_lost_connection_and_what_was_known_of_them_stays() -> None:
    before = outcome(observed(1, 2)).status
    unread = {"history": None, "templates": None}
    now = outcome(observed(plan=DatabaseUnavailable("locked", reason="Timeout"), **unread), previous=before).status
    assert conditions(now) == {
        **conditions(before),
        "Ready": "False Timeout",
        "SchemaCurrent": "False Timeout",
        "TemplatesSeeded": "Unknown NotObserved",
        "Reconciling": "True Timeout",
        "Stalled": "False Timeout",
    }
    assert (now.schema_, now.templates) == (before.schema_, before.templates)


def test_a_wait_for_a_lock_that_is_named_already_is_no_news() -> None:
    locked = outcome(observed(1), error=MigrationLocked("V002: gave up waiting for a lock.")).status
    assert in_progress(locked, Work("V002 waits for a lock.", 0.0, waits=True), 3, NOW) == locked
    assert in_progress(locked, Work("Running V002.", 0.0), 3, NOW) != locked


def test_a_spec_that_cannot_be_read_is_stalled() -> None:
    status = invalid_spec("spec.pool: wrong.", generation=2, previous=EMPTY, now=NOW)
    assert conditions(status) == {"Ready": "False SpecInvalid", "Stalled": "True SpecInvalid"}
    assert status.observed_generation == 2


def test_a_secret_that_waits_to_be_mended_is_watched() -> None:
    error = ConfigurationError("no Secret", reason="SecretNotFound")
    seen = Observed(now=NOW, verdict=Verdict.unhealthy(error), connection_error=error)
    assert outcome(seen).watch_secrets
    assert not outcome(observed(1, 2)).watch_secrets


def test_of_a_server_that_does_not_answer_no_secret_is_watched() -> None:
    error = DatabaseUnavailable("Nothing listens there.", reason="ConnectionRefused")
    seen = Observed(now=NOW, verdict=Verdict.unhealthy(error), connection_error=error)
    assert not outcome(seen).watch_secrets


def test_messages_hold_no_figures_that_change_with_every_look() -> None:
    def messages(**fields: Any) -> list[str]:
        return [c.message for c in outcome(observed(1, 2, **fields)).status.conditions]

    busier = FACTS.__class__("18.1", "7000/5", False, 50, 97)
    assert messages() == messages(facts=busier, now=NOW + timedelta(seconds=30))
