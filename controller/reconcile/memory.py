"""Memory that one reconcile leaves for the next. Pure: each method returns a new value.

Nothing here is needed to be right, only to be quick, and patient with what failed: a process that starts again begins
with an empty memory.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from controller.desired import Desired
from controller.errors import DashdbError, MigrationFailed, SchemaDirty
from controller.health.verdict import Health, Verdict
from controller.migrate.catalog.inventory import Inventory
from controller.reconcile.observed import Observed, ObservedSchema, SchemaSummary
from controller.runtime.backoff import Backoff

REFUSED_BACKOFF = Backoff(first=1.0, longest=300.0)
"""Pauses between two tries of a migration that PostgreSQL refuses: without them, a long file that
fails at its end would run all the time."""
MOST_KEPT = 64 * 1024
"""Most characters of a history that are kept between two looks; one of a hundred migrations has about 30,000."""
FAILED_BACKOFF = Backoff(first=1.0, longest=30.0)
"""Pauses after any other failure, such as another runner's lock: nothing ran, and the cause may end at any moment."""


@dataclass(frozen=True, slots=True)
class FailedAction:
    """Failed action; the same one is not tried again before `retry_at`.

    Attributes:
        key: what was tried; another key is tried at once.
        tries: how often in a row.
    """

    key: str
    error: DashdbError
    tries: int
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one database.

    Attributes:
        verdict: the last one, for its hysteresis.
        failures: reconciles in a row that did not end in ready.
        failed: actions that failed, one for each kind of action.
        told_ready: another process told last that the database is ready.
        identity: of the database that was seen last; another one begins with an empty memory.
        schema: the last summary that was seen.
        templates: states of the system templates that were seen last.
        used_approval: the approved plan that the spec names, once it has run.
        drift: changes made by hand that the last comparison found, in words.
        damage: those of them by which something is missing or disabled.
        compared: digest of the inventory with which that comparison was made; None where it is not known.
        settled: the observation with which the database was found ready, and nothing left to do; None where it was not.
            The next observation asks only whether anything has changed since.
        maintenance_due, comparison_due: when the next round is due; None before the first reconcile.
    """

    verdict: Verdict | None = None
    failures: int = 0
    failed: tuple[FailedAction, ...] = ()
    told_ready: bool = False
    identity: str | None = None
    schema: SchemaSummary | None = None
    templates: tuple[str, ...] = ()
    used_approval: str | None = None
    drift: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()
    compared: str | None = None
    settled: Observed | None = None
    maintenance_due: datetime | None = None
    comparison_due: datetime | None = None

    def scheduled(self, desired: Desired, now: datetime, chance: float) -> Self:
        """Return a memory in which both rounds have a time, an interval from now at the latest: it may be shorter now.

        Args:
            chance: at random, from 0 to 1: the part of an interval after which the first rounds are due, so that many
                databases do not have theirs at the same time after a restart.
        """
        first, latest = (
            now + timedelta(seconds=desired.maintenance.interval_seconds * chance),
            _next_round(desired, now),
        )
        return replace(
            self,
            maintenance_due=min(self.maintenance_due or first, latest),
            comparison_due=min(self.comparison_due or first, latest),
        )

    def observed(self, observed: Observed, desired: Desired) -> Self:
        """Return the memory after an observation."""
        used = self.used_approval or desired.schema.used_approval
        standing = used == desired.schema.approved_plan  # else a person has approved another plan since, or none
        after = replace(self, verdict=observed.verdict, used_approval=used if standing else None)
        if observed.facts is not None:
            if self.identity not in (None, observed.facts.identity):
                after = replace(after._uncompared(observed.now), failed=(), schema=None, templates=())
            after = replace(after, identity=observed.facts.identity)
        if isinstance(observed.schema, ObservedSchema):
            after = replace(after, schema=observed.schema.summary)
        if isinstance(observed.templates, tuple):
            after = replace(after, templates=tuple(each.state.value for each in observed.templates))
        if observed.drift is not None:
            found = observed.inventory.found if observed.inventory is not None else None
            after = replace(after._uncompared(_next_round(desired, observed.now)), compared=found)
            after = replace(after, drift=observed.drift, damage=observed.damage)
        return after

    def wants_comparison(self, inventory: Inventory | None, now: datetime) -> bool:
        """Return True where the catalog is to be compared with the recorded one.

        Once an interval; and at once where the inventory is none that is known: not the recorded one, and not that of
        the last comparison, or something was missing then.
        """
        if self.comparison_due is not None and now >= self.comparison_due:
            return True
        if inventory is None or inventory.recorded is None or inventory.found == self.compared:
            return False
        return inventory.found != inventory.recorded or bool(self.damage)

    @property
    def is_new(self) -> bool:
        """True before the first reconcile."""
        return self.identity is None and not self.failures

    @property
    def was_ready(self) -> bool:
        """True if the last reconcile ended in ready."""
        return self.identity is not None and not self.failures

    @property
    def is_silent(self) -> bool:
        """True while the server does not answer."""
        return self.verdict is not None and self.verdict.health is Health.UNHEALTHY

    def wants_maintenance(self, desired: Desired, now: datetime) -> bool:
        """Return True where a round of maintenance is due, and anything may be changed."""
        due = self.maintenance_due is not None and now >= self.maintenance_due
        return due and desired.maintenance.enabled and not desired.suspend

    def regressed(self, observed: Observed) -> bool:
        """Return True where the database is another one than before, or is at a lower version."""
        if observed.facts is None or not isinstance(observed.schema, ObservedSchema) or self.schema is None:
            return False
        return observed.facts.identity != self.identity or observed.schema.summary.version < self.schema.version

    def retries_in(self, now: datetime) -> list[float]:
        """Return the seconds until each failed action may be tried again, without those that already may."""
        return [(each.retry_at - now).total_seconds() for each in self.failed if each.retry_at > now]

    def failure(self, key: str) -> FailedAction | None:
        """Return what is known of the last try of `key`."""
        return next((each for each in self.failed if each.key == key), None)

    def waits(self, key: str, now: datetime) -> FailedAction | None:
        """Return the failure for which `key` is not tried again yet."""
        failed = self.failure(key)
        return failed if failed is not None and now < failed.retry_at else None

    def failed_again(self, key: str, error: DashdbError, now: datetime, chance: float) -> Self:
        """Return the memory after `key` failed; another one of the same kind is forgotten."""
        before = self.failure(key)
        tries = before.tries + 1 if before is not None else 1
        backoff = REFUSED_BACKOFF if isinstance(error, MigrationFailed | SchemaDirty) else FAILED_BACKOFF
        retry_at = now + timedelta(seconds=backoff.pause(tries - 1, chance))
        return replace(self, failed=(*self._others(key), FailedAction(key, error, tries, retry_at)))

    def succeeded(self, key: str) -> Self:
        """Return the memory without failures of this kind of action."""
        return replace(self, failed=self._others(key))

    def migrated(self, desired: Desired, now: datetime, used_approval: str | None) -> Self:
        """Return the memory after a migration, which recorded the catalog anew.

        Args:
            used_approval: hash of the plan, if a person had to approve it.
        """
        return replace(self._uncompared(_next_round(desired, now)), used_approval=used_approval)

    def maintained(self, desired: Desired, now: datetime) -> Self:
        """Return the memory after a round of maintenance, whether it succeeded or not."""
        return replace(self, maintenance_due=_next_round(desired, now))

    def concluded(self, observed: Observed, *, ready: bool) -> Self:
        """Return the memory after a reconcile whose last observation was OBSERVED."""
        return replace(
            self,
            failures=0 if ready else self.failures + 1,
            settled=observed if ready and observed.rows is not None and _is_small(observed) else None,
        )

    def _uncompared(self, due: datetime) -> Self:
        """Return the memory without the last comparison, in which the next one is due at `due`."""
        return replace(self, drift=(), damage=(), compared=None, comparison_due=due)

    def _others(self, key: str) -> tuple[FailedAction, ...]:
        kind = key.partition(" ")[0]
        return tuple(each for each in self.failed if each.key.partition(" ")[0] != kind)


def _is_small(observed: Observed) -> bool:
    """Return False for an observation with more text than is to be kept of each of a thousand databases."""
    schema, located = observed.schema, observed.located
    if not isinstance(schema, ObservedSchema) or located is None:
        return False
    texts = [each for row in schema.history for each in row if isinstance(each, str)]
    return sum(map(len, (*texts, *located.path, observed.rows or ""))) + len(schema.history) <= MOST_KEPT


def _next_round(desired: Desired, now: datetime) -> datetime:
    return now + timedelta(seconds=desired.maintenance.interval_seconds)
