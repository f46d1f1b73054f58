"""One turn of one resource: gather, decide, act, conclude."""

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from controller.database.pool.pool import Pool
from controller.errors import ConfigurationError, DashdbError, InternalError, MigrationFailed, SchemaDirty
from controller.health.verdict import Sample, Verdict
from controller.reconcile.act import act
from controller.reconcile.decide import Action, Maintain, Migrate, Nothing, decide
from controller.reconcile.memory import FIRST_MIGRATION_RETRY, LONGEST_MIGRATION_RETRY, Session
from controller.reconcile.observe import Surroundings, look, reach, unreachable
from controller.reconcile.observed import FailedMigration, Observed
from controller.reconcile.outcome import Event, Outcome, conclude
from controller.resource.spec import DashboardDatabaseSpec
from controller.resource.status import DashboardDatabaseStatus
from controller.runtime.logs import log_fault

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
    """Looks, does what is to be done until nothing is left, and says what came of it.

    A fault of ours is an outcome too: a resource that is no longer looked at must not go on saying Ready.

    Raises:
        DashdbError: the Secrets could not be read.
    """
    try:
        pool = await reach(wanted.spec, around, session)
        return await _Course(wanted, around, session, pool).run()
    except ConfigurationError as problem:
        return _concluded(wanted, session, unreachable(problem), None, [])
    except DashdbError:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever it is, the next turn may do better
        log_fault(fault)
        ours = InternalError("The operator met a fault of its own, and tries again. Its log says where.")
        return _concluded(wanted, session, unreachable(ours), None, [])


@dataclass(slots=True)
class _Course:
    """The turn of a database that has an address."""

    wanted: Wanted
    around: Surroundings
    session: Session
    pool: Pool
    events: list[Event] = field(default_factory=list)

    async def run(self) -> Turn:
        error: DashdbError | None = None
        observed = await self._look()
        async with AsyncExitStack() as slot:
            for number in range(MOST_ACTIONS):
                action = decide(self.wanted.spec, observed)
                if isinstance(action, Nothing):
                    log.debug("nothing to do", because=action.because)
                    break
                if number == 0:  # one slot to the end: who has begun gets ready before others begin
                    await slot.enter_async_context(self.around.limiter.one())
                error = await self._attempt(action)
                if error is not None:
                    observed = await self._look()
                    break
                observed = await self._look(before=observed)
        return _concluded(self.wanted, self.session, observed, error, self.events)

    async def _look(self, before: Observed | None = None) -> Observed:
        return await look(self.wanted.spec, self.around, self.session, self.pool, before=before)

    async def _attempt(self, action: Action) -> DashdbError | None:
        """Does `action`; the error where it did not succeed."""
        lock_timeout = self.wanted.spec.schema_.lock_timeout_milliseconds
        try:
            done = await act(action, self.pool, self.session, self.around.migrations(), lock_timeout)
        except DashdbError as error:
            log.warning("action failed", action=type(action).__name__, reason=error.reason, error=error.message)
            if isinstance(action, Migrate) and isinstance(error, MigrationFailed | SchemaDirty):
                self.session.failed_migration = _failed(action, error, self.session.failed_migration)
            if isinstance(action, Maintain):  # no condition shows it: the database serves its users all the same
                self.events.append(Event("MaintenanceFailed", error.message, warning=True))
            return error
        finally:
            if isinstance(action, Maintain):
                self.session.maintenance.done(self.wanted.spec, datetime.now(UTC))
        if isinstance(action, Migrate):
            self.session.failed_migration = None
            self.session.drift = ()  # the catalog was recorded anew
            self.session.comparison.done(self.wanted.spec, datetime.now(UTC))
        if done.message is not None:
            log.info("action done", action=type(action).__name__, reason=done.reason, result=done.message)
            self.events.append(Event(done.reason, done.message))
        return None


def _concluded(
    wanted: Wanted, session: Session, observed: Observed, error: DashdbError | None, events: list[Event]
) -> Turn:
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
    return Turn(replace(outcome, events=(*events, *outcome.events)), observed.verdict, observed.sample)


def _failed(action: Migrate, error: DashdbError, before: FailedMigration | None) -> FailedMigration:
    tries = before.tries + 1 if before is not None and before.plan_sha256 == action.plan.sha256 else 1
    wait = min(LONGEST_MIGRATION_RETRY, FIRST_MIGRATION_RETRY * 2 ** min(tries - 1, 10))
    return FailedMigration(action.plan.sha256, error, tries, datetime.now(UTC) + wait)
