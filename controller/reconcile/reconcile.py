"""Reconcile of one database: observe, decide, act, until nothing is left to do."""

import math
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from controller.database.pool.pool import Pool
from controller.database.target import Target
from controller.desired import Desired
from controller.errors import ChangeNotPermitted, DashdbError, InternalError
from controller.migrate.files.migration import Migrations
from controller.reconcile.act import act
from controller.reconcile.claims import Claim, unclaimed
from controller.reconcile.decide import Action, Blocked, Maintain, Migrate, decide
from controller.reconcile.findings import READY, find, summary
from controller.reconcile.memory import Memory
from controller.reconcile.observe import FRESH, observe, unreachable
from controller.reconcile.observed import Observed, ObservedSchema
from controller.reconcile.result import Event, MigrationProgress, OnProgress, ReconcileResult
from controller.reconcile.turns import Turns
from controller.runtime.backoff import Backoff
from controller.runtime.fence import Fence, unfenced
from controller.runtime.logs import log_fault

log = structlog.get_logger(__name__)

MOST_ACTIONS = 4
"""Most actions in one reconcile. Migrate, seed and maintain are three; a fourth means that something undoes them."""
FIRST_RETRY_SECONDS = 0.5
"""Seconds after the first reconcile that did not end in ready; doubled after each further one."""
INTERVAL_JITTER = 0.1
"""Part of an interval that is subtracted at random, so that many databases are not observed at the same time. It is
never added: the interval is an upper bound."""
FIRST_JITTER = 0.9
"""The same for the first intervals after a start, or after the database was not ready: all databases of a process, or
of a server, begin together, and must not stay so."""

LONGEST_STEP_SECONDS = 1.0
"""Seconds between two moments at which looks begin; less for an interval below 16 s, see `in_step`. Looks that are due
by the same moment follow each other. With a pause before each, every one of them would find the processor's caches
cold, and cost more CPU time here and on the server; `benchmarks.looks` prints how much it is."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Functions and objects that a reconcile uses, besides the desired state and the pool.

    Attributes:
        migrations: reads the files; raises as `migrate.files.folder.read_folder` does.
        turns: shared by all databases of the process.
        group: whose turn a look or an action takes; the namespace.
        on_progress: called with the progress of a running migration.
        claim: claims the database for its resource.
        fence: asked before each change.
    """

    migrations: Callable[[], Migrations]
    turns: Turns
    group: str
    on_progress: OnProgress
    claim: Claim = unclaimed
    fence: Fence = unfenced


async def reconcile(
    desired: Desired, pool: Pool | None, dependencies: Dependencies, memory: Memory, *, can_wait: bool = False
) -> ReconcileResult:
    """Bring one database to the desired state, as far as that can be done now.

    A fault of this program is a result too: a database that is no longer observed must not go on being called ready.

    Args:
        pool: to `desired.target`; None where that is an error.
        can_wait: nothing is known to have changed; if the database was ready, new ones of its namespace come first.
    """
    scheduled = memory.scheduled(desired, datetime.now(UTC), _chance())
    reconciliation = _Reconciliation(desired, dependencies, scheduled, is_first=not memory.was_ready)
    try:
        if pool is not None:
            if can_wait and memory.was_ready:
                await dependencies.turns.let_new_ones_pass(dependencies.group, longest_delay(desired))
            observed = await reconciliation.run(pool)
        else:
            no_pool = InternalError("There is no pool of connections.")
            observed = reconciliation.fail(desired.target if isinstance(desired.target, DashdbError) else no_pool)
        return _concluded(desired, observed, reconciliation)
    except Exception as fault:  # noqa: BLE001 - whatever it is, the next reconcile may do better
        log_fault(fault)
        ours = InternalError("This program met a fault of its own, and tries again. Its log says where.")
        return _concluded(desired, reconciliation.fail(ours), reconciliation)


@dataclass(slots=True)
class _Reconciliation:
    """Reconcile under way, with what it has done and learned so far.

    Attributes:
        is_first: in this process, or since the database was not ready.
    """

    desired: Desired
    dependencies: Dependencies
    memory: Memory
    is_first: bool
    events: list[Event] = field(default_factory=list)
    regressed: bool = False

    async def run(self, pool: Pool) -> Observed:
        """Observe, decide and act until nothing is left to do; return the last observation."""
        before, target = self.memory, self.desired.target
        server = (target.host, target.port) if isinstance(target, Target) else None
        turns, group = self.dependencies.turns, self.dependencies.group
        async with AsyncExitStack() as turn:
            if before.settled is None:
                new, silent = before.is_new, before.is_silent
                begun = turns.look_and_act(server, group, silent=silent, new=new, urgent=new and not before.told_ready)
                may_act = await turn.enter_async_context(begun)
            else:
                may_act = False
                await turn.enter_async_context(turns.look(server, group, silent=before.is_silent))
            observed = await self._observe(pool)
            self.regressed = before.regressed(observed)
            if not may_act:
                await turn.aclose()
            for number in range(MOST_ACTIONS):
                action = decide(self.desired, observed, self.memory)
                if action is None or isinstance(action, Blocked):
                    log.debug("nothing to do", reason=action.reason if action else "Done")
                    break
                if number == 0:  # one turn to the end: who has begun gets ready before others begin
                    if not may_act:
                        await turn.enter_async_context(turns.action(server, group))
                    if datetime.now(UTC) - observed.now >= FRESH:  # what was checked before the wait may be another
                        observed = await self._observe(pool)
                        action = decide(self.desired, observed, self.memory)
                        if action is None or isinstance(action, Blocked):
                            break
                observed, failed = await self._perform(action, observed, pool)
                if failed:
                    break
        return observed

    def fail(self, error: DashdbError) -> Observed:
        """Return the observation of a database that cannot be observed, because of `error`."""
        observed = unreachable(error)
        self.dependencies.claim(None)
        self.memory = self.memory.observed(observed, self.desired)
        return observed

    async def _observe(self, pool: Pool, before: Observed | None = None) -> Observed:
        migrations, claim = self.dependencies.migrations, self.dependencies.claim
        observed = await observe(self.desired, pool, migrations, self.memory, claim=claim, before=before)
        self.memory = self.memory.observed(observed, self.desired)
        return observed

    async def _perform(self, action: Action, before: Observed, pool: Pool) -> tuple[Observed, bool]:
        """Perform `action` and observe what came of it; True where it failed."""
        memory = self.memory
        if isinstance(action, Maintain):  # whatever comes of it, the next round is due an interval later
            self.memory = self.memory.maintained(self.desired, before.now)
        error = await self._attempt(action, before, pool)
        if isinstance(action, Migrate) and before.located is not None:  # there may be others now
            before = replace(before, located=replace(before.located, tables=frozenset()))
        if isinstance(error, ChangeNotPermitted):  # nothing was tried: it is as due as before, without a pause
            self.memory = memory
        observed = await self._observe(pool, None if error is not None else before)
        if isinstance(action, Maintain):
            return observed, error is not None
        if error is None:
            self.memory = self.memory.succeeded(action.key)
        elif observed.connection_error is None and not isinstance(
            error, ChangeNotPermitted
        ):  # else no failure of the action
            self.memory = self.memory.failed_again(action.key, error, observed.now, _chance())
        if isinstance(action, Migrate) and (error is None or _has_begun(action, observed)):
            used = action.plan.sha256 if action.approved else None
            self.memory = self.memory.migrated(self.desired, observed.now, used)
        return observed, error is not None

    async def _attempt(self, action: Action, before: Observed, pool: Pool) -> DashdbError | None:
        """Perform `action`; return the error where it did not succeed."""
        name = type(action).__name__
        try:
            dependencies = self.dependencies
            done = await act(
                action,
                self.desired,
                before.located,
                pool,
                dependencies.migrations,
                self._on_progress,
                dependencies.fence,
            )
        except ChangeNotPermitted as error:
            log.info("action stopped", action=name, reason=error.reason, error=error.message)
            return error
        except DashdbError as error:
            log.warning("action failed", action=name, reason=error.reason, error=error.message)
            if isinstance(action, Maintain):  # no finding shows it: the database serves its users all the same
                self.events.append(Event("MaintenanceFailed", error.message, warning=True))
            return error
        if done is not None:
            log.info("action done", action=name, reason=done.reason, result=done.message)
            self.events.append(done)
        return None

    def _on_progress(self, progress: MigrationProgress | None) -> None:
        self.dependencies.on_progress(progress and replace(progress, regressed=self.regressed))


def _concluded(desired: Desired, observed: Observed, reconciliation: _Reconciliation) -> ReconcileResult:
    memory = reconciliation.memory
    findings = find(desired, observed, memory)
    found = summary(findings)
    ready = found is READY
    jitter = FIRST_JITTER if reconciliation.is_first else INTERVAL_JITTER
    interval = Backoff(desired.interval_seconds, desired.interval_seconds, jitter)
    retry = Backoff(FIRST_RETRY_SECONDS, desired.longest_retry_seconds)
    wait = (interval if ready else retry).pause(memory.failures, _chance())
    if ready:
        wait = in_step(wait, time.monotonic(), desired.interval_seconds)
    wait = min([wait, *memory.retries_in(observed.now)])
    events = tuple(reconciliation.events)
    return ReconcileResult(observed, findings, found, events, wait, memory.concluded(observed, ready=ready))


def in_step(seconds: float, now: float, interval: float) -> float:
    """Return SECONDS shortened by less than a step, so that the wait ends at the same moment as those of others.

    Args:
        now: of the clock that all databases of the process share, in seconds.
        interval: seconds between two looks. A step is a power of two, so that databases with different intervals share
            the moments, and at most a sixteenth of it: shorter than any wait, of which the jitter leaves a tenth.
    """
    step = min(LONGEST_STEP_SECONDS, 2.0 ** math.floor(math.log2(interval / 16)))
    return (now + seconds) // step * step - now


def longest_delay(desired: Desired) -> float:
    """Return the seconds by which a look may be late: an interval, and less than the last result is valid."""
    target = desired.target
    slack = target.connect_timeout + target.query_timeout if isinstance(target, Target) else 0.0
    return min(desired.interval_seconds, slack)


def _has_begun(action: Migrate, observed: Observed) -> bool:
    """Return whether a migration that failed has changed the database before that, so that its approval is used."""
    schema = observed.schema
    return isinstance(schema, ObservedSchema) and schema.version != action.plan.current


def _chance() -> float:
    return random.random()  # noqa: S311 - no secret
