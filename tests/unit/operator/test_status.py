"""Conditions and events from the result of a reconcile."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.desired import Desired
from controller.errors import ConfigurationError, DashdbError, DatabaseUnavailable, MigrationLocked
from controller.health.verdict import Health, Verdict
from controller.operator.status import events_between, status_in_progress, status_of, status_of_invalid_spec
from controller.reconcile.decide import Migrate
from controller.reconcile.findings import find, summary
from controller.reconcile.memory import Memory
from controller.reconcile.observed import Observed
from controller.reconcile.result import MigrationProgress, ReconcileResult
from controller.resource.status import ConditionType, DashboardDatabaseStatus
from controller.templates.merge import TemplateState
from tests.unit.reconcile.observations import FACTS, MANUAL, NOW, desired, failed, observed, plan_of, template

EMPTY = DashboardDatabaseStatus()


def result_of(seen: Observed, wanted: Desired | None = None, memory: Memory | None = None) -> ReconcileResult:
    memory = memory or Memory()
    findings = find(wanted or desired(), seen, memory)
    return ReconcileResult(seen, findings, summary(findings), (), 30.0, memory)


def status(
    seen: Observed,
    wanted: Desired | None = None,
    *,
    memory: Memory | None = None,
    previous: DashboardDatabaseStatus = EMPTY,
) -> DashboardDatabaseStatus:
    return status_of(result_of(seen, wanted, memory), generation=3, previous=previous)


def conditions(of: DashboardDatabaseStatus) -> dict[str, str]:
    return {c.type.value: f"{c.status.value} {c.reason}" for c in of.conditions}


def events(before: DashboardDatabaseStatus, after: DashboardDatabaseStatus) -> list[tuple[str, bool]]:
    return [(e.reason, e.warning) for e in events_between(before, after)]


def unreachable(error: DashdbError) -> Observed:
    return Observed(now=NOW, verdict=Verdict.unhealthy(error), connection_error=error)


def test_all_is_well() -> None:
    result = status(observed(1, 2))
    assert conditions(result) == {
        "Ready": "True Ready",
        "Connected": "True Connected",
        "SchemaCurrent": "True UpToDate",
        "TemplatesSeeded": "True Seeded",
        "Healthy": "True Healthy",
        "Reconciling": "False Ready",
        "Stalled": "False Ready",
    }
    assert result.to_wire()["schema"] == {"current": 2, "target": 2, "pending": 0, "dirty": False}
    assert result.to_wire()["server"] == {"version": "18.1", "identity": "7000/5"}
    assert {c.observed_generation for c in result.conditions} == {3}


def test_no_connection_makes_the_rest_unknown_and_keeps_what_was_last_known() -> None:
    before = status(observed(1, 2))
    after = status(unreachable(DatabaseUnavailable("Nothing listens.", reason="ConnectionRefused")), previous=before)
    assert conditions(after) == {
        "Ready": "False ConnectionRefused",
        "Connected": "False ConnectionRefused",
        "SchemaCurrent": "Unknown NotConnected",
        "TemplatesSeeded": "Unknown NotConnected",
        "Healthy": "False ConnectionRefused",
        "Reconciling": "True ConnectionRefused",
        "Stalled": "False ConnectionRefused",
    }
    assert (after.schema_, after.templates, after.server) == (before.schema_, before.templates, before.server)


@pytest.mark.parametrize(
    ("seen", "wanted", "reason", "stalled"),
    [
        (observed(1, 2, target=1), desired(), "DowngradeRefused", True),
        (observed(1), desired(policy=MANUAL), "ApprovalRequired", True),
        (observed(1, 2, templates=None), desired(), "TableMissing", True),
        (observed(1), desired(), "MigrationPending", False),
        (observed(1, 2, verdict=Verdict(Health.UNHEALTHY, "ReadOnly", "standby")), desired(), "ReadOnly", False),
        (unreachable(ConfigurationError("no Secret", reason="SecretNotFound")), desired(), "SecretNotFound", False),
    ],
)
def test_kstatus_says_stalled_where_a_person_must_act_and_reconciling_elsewhere(
    seen: Observed, wanted: Desired, reason: str, stalled: bool
) -> None:
    result = conditions(status(seen, wanted))
    assert result["Ready"] == f"False {reason}"
    assert result["Stalled"] == f"{stalled} {reason}"
    assert result["Reconciling"] == f"{not stalled} {reason}"


def test_a_suspended_resource_is_neither_stalled_nor_reconciling() -> None:
    result = conditions(status(observed(1), desired(suspend=True)))
    shown = {kind: result[kind] for kind in ("Ready", "Stalled", "Reconciling")}
    assert shown == dict.fromkeys(shown, "False Suspended")


def test_a_suspended_resource_with_nothing_to_do_stays_ready() -> None:
    assert conditions(status(observed(1, 2), desired(suspend=True)))["Ready"] == "True Ready"


def test_a_transition_is_dated_and_a_repetition_is_not() -> None:
    first = status(observed(1, 2))
    later = status(observed(1, 2, now=NOW + timedelta(hours=1)), previous=first)
    assert later == first
    assert events(first, later) == []
    lost = replace(unreachable(DatabaseUnavailable("gone", reason="ConnectionLost")), now=NOW + timedelta(hours=2))
    connected = status(lost, previous=first).condition(ConditionType.CONNECTED)
    assert connected is not None
    assert connected.last_transition_time == "2026-01-31T05:00:00Z"


def test_events_tell_of_changes_once() -> None:
    first = status(observed(1, 2))
    assert events(EMPTY, first) == [("Ready", False)]
    slow = observed(1, 2, verdict=Verdict(Health.DEGRADED, "SlowResponse", "slow"))
    degraded = status(slow, previous=first)
    assert events(first, degraded) == [("SlowResponse", True)]
    assert events(degraded, status(slow, previous=degraded)) == []
    other = observed(1, 2, facts=replace(FACTS, identity="8000/5"))
    assert events(first, status(other, previous=first)) == [("DatabaseReplaced", False)]


def test_drift_is_an_event_whenever_it_is_another_one() -> None:
    def drifted(*drift: str, before: DashboardDatabaseStatus) -> DashboardDatabaseStatus:
        return status(observed(1, 2), memory=Memory(drift=drift), previous=before)

    first = status(observed(1, 2))
    one = drifted("index ix missing", before=first)
    assert events(first, one) == [("SchemaDrifted", True)]
    assert "index ix missing" in events_between(first, one)[0].message
    assert events(one, drifted("index ix missing", before=one)) == []
    more = drifted(*(f"table t{number} added" for number in range(12)), before=one)
    assert events_between(one, more)[0].message.endswith("table t9 added and 2 more.")


def test_a_down_migration_that_waits_for_approval_lists_its_losses() -> None:
    back = observed(1, 2, target=1, losses=("dashboard (holds data)",))
    shown = status(back, desired(policy=MANUAL)).to_wire()["schema"]["plan"]
    assert shown["losses"] == ["dashboard (holds data)"]
    assert shown["migrations"] == ["V002_second.down.sql"]
    assert shown["hash"] == plan_of(back).sha256


def test_progress_changes_reconciling_and_keeps_the_rest() -> None:
    before = status(observed(1, 2))
    during = status_in_progress(before, MigrationProgress("Running V003.", 0.0), 4, NOW)
    assert conditions(during) == {
        **conditions(before),
        "Reconciling": "True Migrating",
        "Stalled": "False Migrating",
    }
    fresh = status_in_progress(EMPTY, MigrationProgress("Running V001.", 0.0), 1, NOW)
    assert conditions(fresh) == {"Reconciling": "True Migrating", "Ready": "False Migrating"}


def test_an_approved_plan_that_runs_is_no_longer_stalled() -> None:
    refused = status(observed(1), desired(policy=MANUAL))
    assert conditions(refused)["Stalled"] == "True ApprovalRequired"
    running = status_in_progress(refused, MigrationProgress("Running V002.", 0.0), 4, NOW)
    assert conditions(running)["Stalled"] == "False Migrating"


def test_tables_that_could_not_be_read_are_no_lost_connection_and_what_was_known_of_them_stays() -> None:
    before = status(observed(1, 2))
    locked = DatabaseUnavailable("locked", reason="Timeout")
    now = status(observed(schema=locked, templates=locked), previous=before)
    assert conditions(now) == {
        **conditions(before),
        "Ready": "False Timeout",
        "SchemaCurrent": "False Timeout",
        "TemplatesSeeded": "False Timeout",
        "Reconciling": "True Timeout",
        "Stalled": "False Timeout",
    }
    assert (now.schema_, now.templates) == (before.schema_, before.templates)


def test_an_edited_template_is_listed_with_the_version_that_it_lags_behind() -> None:
    edited = replace(template(TemplateState.CUSTOMIZED), shipped_version="1.2.0")
    after = status(observed(1, 2, templates=(edited, replace(template(), shipped_version="1.0.0"))))
    assert after.templates is not None
    assert [(each.state, each.version, each.lags_behind) for each in after.templates] == [
        ("Customized", "1.0.0", "1.2.0"),
        ("Current", "1.0.0", None),
    ]
    (condition,) = (each for each in after.conditions if each.type is ConditionType.TEMPLATES_SEEDED)
    assert condition.message == "Edited by a user and kept: template-notebook (lags behind 1.2.0)."


def test_templates_without_a_table_are_no_longer_listed() -> None:
    before = status(observed(1, 2))
    assert before.templates
    assert status(observed(), previous=before).templates is None


def test_a_wait_for_a_lock_that_is_named_already_is_no_news() -> None:
    key = Migrate(plan_of(observed(1)), approved=False).key
    memory = Memory(failed=(failed(key, MigrationLocked("V002: gave up waiting for a lock.")),))
    locked = status(observed(1), memory=memory)
    waits = MigrationProgress("V002 waits for a lock.", 0.0, waits=True)
    assert status_in_progress(locked, waits, 3, NOW) == locked
    assert status_in_progress(locked, MigrationProgress("Running V002.", 0.0), 3, NOW) != locked


def test_a_spec_that_cannot_be_read_is_stalled() -> None:
    result = status_of_invalid_spec("spec.pool: wrong.", generation=2, previous=EMPTY, now=NOW)
    assert conditions(result) == {"Ready": "False SpecInvalid", "Stalled": "True SpecInvalid"}
    assert result.observed_generation == 2


def test_what_a_server_says_is_one_short_line() -> None:
    hostile = "forged\r\n\x1b[2J\u202e" + "x" * 5000
    shown = status(unreachable(DatabaseUnavailable(hostile)))
    for condition in shown.conditions:
        assert condition.message.isprintable()
        assert len(condition.message) <= 1024
    assert any(condition.message.startswith("forged") for condition in shown.conditions)


def test_conditions_hold_no_figures_that_change_with_every_observation() -> None:
    def messages(**fields: Any) -> list[str]:
        return [c.message for c in status(observed(1, 2, **fields)).conditions]

    busier = replace(FACTS, connections=50)
    assert messages() == messages(facts=busier, now=NOW + timedelta(seconds=30))
