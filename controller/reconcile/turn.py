"""One turn of one resource: gather, decide, act, conclude."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from controller.errors import DashdbError, MigrationFailed
from controller.health.verdict import Sample, Verdict
from controller.reconcile.act import act
from controller.reconcile.decide import Action, Maintain, Migrate, Nothing, decide
from controller.reconcile.gather import Surroundings, gather
from controller.reconcile.observed import FailedMigration
from controller.reconcile.outcome import Event, Outcome, conclude
from controller.reconcile.session import FIRST_MIGRATION_RETRY, LONGEST_MIGRATION_RETRY, Session
from controller.resource.spec import DashboardDatabaseSpec
from controller.resource.status import DashboardDatabaseStatus

log = structlog.get_logger(__name__)

MOST_ACTIONS = 4
"""In one turn. Migrate, seed and maintain are three; a fourth means that something undoes our work, and can wait."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the resource said when the turn began."""

    spec: DashboardDatabaseSpec
    generation: int
    status: DashboardDatabaseStatus


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of a turn, for the resource and for whoever asks about health."""

    outcome: Outcome
    verdict: Verdict
    sample: Sample | None


async def take_turn(wanted: Wanted, around: Surroundings, session: Session) -> Turn:
    """Looks, does what is to be done until nothing is left, and says what came of it. Raises nothing of ours."""
    error: DashdbError | None = None
    events: list[Event] = []
    observed, sample = await gather(wanted.spec, around, session)
    for _ in range(MOST_ACTIONS):
        action = decide(wanted.spec, observed)
        if isinstance(action, Nothing):
            log.debug("nothing to do", because=action.because)
            break
        error = await _attempt(action, wanted, around, session, events)
        observed, sample = await gather(wanted.spec, around, session)
        if error is not None:
            break
    outcome = conclude(
        wanted.spec,
        observed,
        error,
        generation=wanted.generation,
        previous=wanted.status,
        failures=session.failures,
        jitter=random.random(),  # noqa: S311 - no secret
    )
    session.failures = 0 if outcome.ready else session.failures + 1
    session.verdict = observed.verdict
    return Turn(_with_events(outcome, events), observed.verdict, sample)


async def _attempt(
    action: Action, wanted: Wanted, around: Surroundings, session: Session, events: list[Event]
) -> DashdbError | None:
    assert session.pool is not None  # noqa: S101 - a decision to act follows a look through the pool
    try:
        done = await act(
            action, session.pool, session, around.migrations(), wanted.spec.schema_.lock_timeout_milliseconds
        )
    except DashdbError as error:
        log.warning("action failed", action=type(action).__name__, reason=error.reason, error=error.message)
        if isinstance(action, Migrate) and isinstance(error, MigrationFailed):
            session.failed_migration = _failed(action, error, session.failed_migration)
        if isinstance(action, Maintain):  # no condition shows it: the database is fit for its users all the same
            events.append(Event("MaintenanceFailed", error.message, warning=True))
        return error
    finally:
        if isinstance(action, Maintain):
            session.schedule_maintenance(wanted.spec, datetime.now(UTC))
    if isinstance(action, Migrate):
        session.failed_migration = None
    if done.message is not None:
        log.info("action done", action=type(action).__name__, reason=done.reason, result=done.message)
        events.append(Event(done.reason, done.message))
    return None


def _failed(action: Migrate, error: MigrationFailed, before: FailedMigration | None) -> FailedMigration:
    tries = before.tries + 1 if before is not None and before.plan_sha256 == action.plan.sha256 else 1
    wait = min(LONGEST_MIGRATION_RETRY, FIRST_MIGRATION_RETRY * 2 ** min(tries - 1, 10))
    return FailedMigration(action.plan.sha256, error, tries, datetime.now(UTC) + wait)


def _with_events(outcome: Outcome, events: list[Event]) -> Outcome:
    return Outcome(
        outcome.status, (*events, *outcome.events), outcome.ready, outcome.wait_seconds, outcome.watch_secrets
    )
