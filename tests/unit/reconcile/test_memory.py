"""Memory that one reconcile leaves for the next."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.database.located_schema import LocatedSchema
from controller.desired import Maintenance
from controller.errors import DashdbError, DatabaseUnavailable, MigrationFailed, MigrationLocked, SchemaDirty
from controller.reconcile.memory import MOST_KEPT, FailedAction, Memory
from controller.reconcile.observed import ObservedSchema, SchemaSummary
from tests.unit.reconcile.observations import FACTS, HEALTHY, MANUAL, NOW, desired, observed

HOURLY = desired(maintenance=Maintenance(interval_seconds=3600))
PLAN = "migrate sha256:one"


def pauses(error: DashdbError, tries: int) -> list[float]:
    """Seconds from each of TRIES failures to the next try."""
    known, found = Memory(), []
    for _ in range(tries):
        known = known.failed_again(PLAN, error, NOW, 0.0)
        failure = known.failure(PLAN)
        assert failure is not None
        found.append((failure.retry_at - NOW).total_seconds())
    return found


def test_the_first_rounds_are_due_at_a_random_moment_of_an_interval_and_stay_so() -> None:
    known = Memory().scheduled(HOURLY, NOW, 0.5)
    assert known.maintenance_due == known.comparison_due == NOW + timedelta(minutes=30)
    assert known.scheduled(HOURLY, NOW + timedelta(minutes=5), 0.9) == known


def test_a_shorter_interval_is_taken_up_at_once() -> None:
    shorter = replace(HOURLY, maintenance=replace(HOURLY.maintenance, interval_seconds=60))
    known = Memory().scheduled(HOURLY, NOW, 0.5).scheduled(shorter, NOW, 0.9)
    assert known.maintenance_due == known.comparison_due == NOW + timedelta(minutes=1)


def test_maintenance_and_a_migration_put_off_the_next_rounds_by_an_interval() -> None:
    assert Memory().maintained(HOURLY, NOW).maintenance_due == NOW + timedelta(hours=1)
    migrated = Memory(drift=("index ix missing",)).migrated(HOURLY, NOW, None)
    assert (migrated.drift, migrated.comparison_due) == ((), NOW + timedelta(hours=1))


def test_a_used_approval_is_remembered_as_long_as_the_spec_names_it() -> None:
    approved = desired(policy=MANUAL, approved="sha256:1")
    used = Memory().migrated(approved, NOW, "sha256:1").observed(observed(1), approved)
    assert used.used_approval == "sha256:1"
    assert used.observed(observed(1), desired(policy=MANUAL, approved="sha256:2")).used_approval is None
    assert used.observed(observed(1), desired(policy=MANUAL)).used_approval is None


def test_a_process_that_starts_again_knows_from_the_status_which_approval_was_used() -> None:
    schema = replace(desired(policy=MANUAL, approved="sha256:1").schema, used_approval="sha256:1")
    assert Memory().observed(observed(1), replace(HOURLY, schema=schema)).used_approval == "sha256:1"


def test_drift_is_remembered_between_two_comparisons() -> None:
    compared = Memory().observed(observed(1, 2, drift=("index ix missing",)), HOURLY)
    assert (compared.drift, compared.comparison_due) == (("index ix missing",), NOW + timedelta(hours=1))
    assert compared.observed(observed(1, 2), HOURLY) == compared
    assert compared.observed(observed(1, 2, drift=()), HOURLY).drift == ()


def test_the_schema_that_was_seen_last_is_remembered_while_it_cannot_be_seen() -> None:
    seen = Memory().observed(observed(1), HOURLY)
    assert (seen.verdict, seen.schema) == (HEALTHY, SchemaSummary(version=1, pending=1, dirty=False))
    assert seen.observed(observed(schema=DatabaseUnavailable("locked")), HOURLY).schema == seen.schema


@pytest.mark.parametrize(
    ("error", "longest"),
    [(MigrationFailed("refused"), 300.0), (SchemaDirty("half"), 300.0), (MigrationLocked("another runner"), 30.0)],
)
def test_pauses_grow_up_to_a_limit_which_is_short_while_another_is_at_work(error: DashdbError, longest: float) -> None:
    found = pauses(error, 100)
    assert found[:3] == [1.0, 2.0, 4.0]
    assert found == sorted(found)
    assert found[-1] == longest


def test_a_failure_is_waited_out_and_then_tried_again() -> None:
    known = Memory().failed_again(PLAN, MigrationFailed("refused"), NOW, 0.0)
    assert known.waits(PLAN, NOW) == known.failure(PLAN)
    assert known.waits(PLAN, NOW + timedelta(seconds=1)) is None
    assert known.failure(PLAN) is not None
    assert known.waits("migrate sha256:another", NOW) is None


def test_another_plan_takes_the_place_of_the_one_that_failed_and_another_kind_does_not() -> None:
    known = Memory().failed_again(PLAN, MigrationFailed("refused"), NOW, 0.0)
    known = known.failed_again("seed template-notebook", DatabaseUnavailable("full"), NOW, 0.0)
    known = known.failed_again("migrate sha256:two", MigrationFailed("refused"), NOW, 0.0)
    assert [each.key for each in known.failed] == ["seed template-notebook", "migrate sha256:two"]
    assert [each.key for each in known.succeeded("migrate sha256:two").failed] == ["seed template-notebook"]


def test_reconciles_that_do_not_end_in_ready_are_counted() -> None:
    seen = observed(1, 2)
    known = Memory().concluded(seen, ready=False).concluded(seen, ready=False)
    assert known.failures == 2
    assert known.concluded(seen, ready=True).failures == 0


def test_only_an_observation_of_a_ready_database_whose_rows_were_read_is_kept_to_ask_for_changes() -> None:
    seen = observed(1, 2, rows="0a", located=LocatedSchema("public", "7000/5", ("public",), frozenset()))
    assert Memory().concluded(seen, ready=True).settled == seen
    assert Memory().concluded(seen, ready=False).settled is None
    assert Memory().concluded(observed(1, 2), ready=True).settled is None
    assert Memory(settled=seen).concluded(seen, ready=False).settled is None


def test_an_observation_with_a_long_history_is_not_kept() -> None:
    seen = observed(1, 2, rows="0a", located=LocatedSchema("public", "7000/5", ("public",), frozenset()))
    assert isinstance(seen.schema, ObservedSchema)
    long = replace(seen.schema, history=tuple(row._replace(host="x" * MOST_KEPT) for row in seen.schema.history))
    assert Memory().concluded(replace(seen, schema=long), ready=True).settled is None


def test_jitter_lets_two_that_failed_together_fall_out_of_step() -> None:
    first, second = (
        Memory().failed_again(PLAN, MigrationFailed("refused"), NOW, chance).failure(PLAN) for chance in (0.0, 1.0)
    )
    assert isinstance(first, FailedAction)
    assert isinstance(second, FailedAction)
    assert first.retry_at - second.retry_at == timedelta(seconds=0.5)


def test_another_database_begins_with_an_empty_memory_and_is_compared_at_once() -> None:
    known = Memory().observed(observed(1, 2, drift=("index ix missing",)), HOURLY)
    known = known.failed_again("seed template-notebook", DatabaseUnavailable("full"), NOW, 0.0)
    other = observed(facts=replace(FACTS, identity="8000/5"))
    after = known.observed(other, HOURLY)
    assert (after.failed, after.drift, after.templates) == ((), (), ())
    assert (after.comparison_due, after.identity) == (NOW, "8000/5")
    assert known.regressed(other)
    assert known.observed(observed(1, 2), HOURLY).failed == known.failed


def test_a_database_at_a_lower_version_than_before_has_regressed() -> None:
    known = Memory().observed(observed(1, 2), HOURLY)
    assert known.regressed(observed())
    assert not known.regressed(observed(1, 2))
    assert not Memory().regressed(observed())
    assert not known.regressed(observed(schema=DatabaseUnavailable("locked")))


def test_retries_are_counted_in_seconds_from_now_without_those_that_are_due() -> None:
    known = Memory().failed_again(PLAN, MigrationFailed("refused"), NOW, 0.0)
    assert known.retries_in(NOW) == [1.0]
    assert known.retries_in(NOW + timedelta(seconds=1)) == []
