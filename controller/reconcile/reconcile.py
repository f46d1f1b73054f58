"""Reconcile of one database: observe, decide, act, until nothing is left to do."""

import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from controller.database.pool.pool import Pool
from controller.desired import Desired
from controller.errors import DashdbError, InternalError
from controller.migrate.files.migration import Migrations
from controller.reconcile.act import act
from controller.reconcile.decide import Action, Blocked, Maintain, Migrate, decide
from controller.reconcile.findings import READY, find, summary
from controller.reconcile.limiter import Limiter
from controller.reconcile.memory import Memory
from controller.reconcile.observe import observe, unreachable
from controller.reconcile.observed import Observed
from controller.reconcile.result import Event, OnProgress, ReconcileResult
from controller.runtime.backoff import Backoff
from controller.runtime.logs import log_fault

log = structlog.get_logger(__name__)

MOST_ACTIONS = 4
"""In one reconcile. Migrate, seed and maintain are three; a fourth means that something undoes our work, and waits."""
FIRST_RETRY_SECONDS = 0.5
"""After a first reconcile that did not end in ready; doubles with each further one."""
INTERVAL_JITTER = 0.1
"""Part of an interval that is taken off at random, so that many databases are not observed in step. Never added: the
interval is a promise."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Needs of a reconcile besides the desired state.

    Attributes:
        migrations: reads the files; raises as `migrate.files.folder.read_folder` does.
        limiter: shared by all databases of the process.
        on_progress: is told what a running migration does.
    """

    migrations: Callable[[], Migrations]
    limiter: Limiter
    on_progress: OnProgress


async def reconcile(desired: Desired, pool: Pool | None, dependencies: Dependencies, memory: Memory) -> ReconcileResult:
    """Bring one database to the desired state, as far as that can be done now.

    A fault of this program is a result too: a database that is no longer observed must not go on being called ready.

    Args:
        pool: to `desired.target`; None where that is an error.
    """
    memory = memory.scheduled(desired, datetime.now(UTC), _chance())
    events: tuple[Event, ...] = ()
    try:
        if pool is None or isinstance(desired.target, DashdbError):
            error = desired.target if isinstance(desired.target, DashdbError) else InternalError("There is no pool.")
            observed = unreachable(error)
        else:
            observed, memory, events = await _Reconciliation(desired, pool, dependencies, memory).run()
    except Exception as fault:  # noqa: BLE001 - whatever it is, the next reconcile may do better
        log_fault(fault)
        ours = InternalError("This program met a fault of its own, and tries again. Its log says where.")
        observed = unreachable(ours)
        memory = memory.observed(observed, desired)
    return _concluded(desired, observed, memory, events)


@dataclass(slots=True)
class _Reconciliation:
    """Reconcile of a database that has an address."""

    desired: Desired
    pool: Pool
    dependencies: Dependencies
    memory: Memory
    events: list[Event] = field(default_factory=list)

    async def run(self) -> tuple[Observed, Memory, tuple[Event, ...]]:
        observed = await self._observe()
        async with AsyncExitStack() as place:
            for number in range(MOST_ACTIONS):
                action = decide(self.desired, observed, self.memory)
                if action is None or isinstance(action, Blocked):
                    log.debug("nothing to do", reason=action.reason if action else "Done")
                    break
                if number == 0:  # one place to the end: who has begun gets ready before others begin
                    await place.enter_async_context(self.dependencies.limiter.one())
                observed, failed = await self._perform(action, observed)
                if failed:
                    break
        return observed, self.memory, tuple(self.events)

    async def _observe(self, before: Observed | None = None) -> Observed:
        observed = await observe(self.desired, self.pool, self.dependencies.migrations, self.memory, before=before)
        self.memory = self.memory.observed(observed, self.desired)
        return observed

    async def _perform(self, action: Action, before: Observed) -> tuple[Observed, bool]:
        """Perform `action` and observe what came of it; True where it failed."""
        error = await self._attempt(action)
        observed = await self._observe(None if error is not None else before)
        if isinstance(action, Maintain):
            self.memory = self.memory.maintained(self.desired, observed.now)
        elif error is None:
            self.memory = self.memory.succeeded(action.key)
        elif observed.connection_error is None:  # else it is the connection that failed
            self.memory = self.memory.failed_again(action.key, error, observed.now, _chance())
        if isinstance(action, Migrate) and error is None:
            self.memory = self.memory.migrated(self.desired, observed.now)
        return observed, error is not None

    async def _attempt(self, action: Action) -> DashdbError | None:
        """Perform `action`; return the error where it did not succeed."""
        name = type(action).__name__
        migrations, on_progress = self.dependencies.migrations, self.dependencies.on_progress
        try:
            done = await act(action, self.desired, self.pool, migrations, on_progress)
        except DashdbError as error:
            log.warning("action failed", action=name, reason=error.reason, error=error.message)
            if isinstance(action, Maintain):  # no finding shows it: the database serves its users all the same
                self.events.append(Event("MaintenanceFailed", error.message, warning=True))
            return error
        if done is not None:
            log.info("action done", action=name, reason=done.reason, result=done.message)
            self.events.append(done)
        return None


def _concluded(desired: Desired, observed: Observed, memory: Memory, events: tuple[Event, ...]) -> ReconcileResult:
    findings = find(desired, observed, memory)
    found = summary(findings)
    ready = found is READY
    interval = Backoff(desired.interval_seconds, desired.interval_seconds, INTERVAL_JITTER)
    retry = Backoff(FIRST_RETRY_SECONDS, desired.longest_retry_seconds)
    wait = (interval if ready else retry).pause(memory.failures, _chance())
    return ReconcileResult(observed, findings, found, events, wait, memory.concluded(ready=ready))


def _chance() -> float:
    return random.random()  # noqa: S311 - no secret
