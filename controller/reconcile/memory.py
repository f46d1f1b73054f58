"""What is remembered between two turns of one resource; nothing here is needed to be right, only to be quick."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.target import Target
from controller.health.verdict import Verdict
from controller.reconcile.observed import FailedMigration, Work
from controller.resource.spec import DashboardDatabaseSpec

FIRST_MIGRATION_RETRY = timedelta(seconds=1)
LONGEST_MIGRATION_RETRY = timedelta(minutes=5)
"""Between two tries of a plan that PostgreSQL refuses: a long file that fails at its end must not run for ever."""


@dataclass(slots=True)
class Rhythm:
    """Something that is done once in a maintenance interval."""

    _due_at: datetime | None = None

    def is_due(self, spec: DashboardDatabaseSpec, now: datetime) -> bool:
        """The first time at a random moment of an interval, so that a restart is no stampede."""
        if self._due_at is None:
            self.done(spec, now, part=random.random())  # noqa: S311 - no secret
        return self._due_at is not None and now >= self._due_at

    def done(self, spec: DashboardDatabaseSpec, now: datetime, *, part: float = 1.0) -> None:
        """The next time is `part` of an interval from `now`."""
        self._due_at = now + timedelta(seconds=spec.maintenance.interval_seconds * part)


@dataclass(slots=True)
class Session:
    """The memory of one resource.

    Attributes:
        pool: to the target of the last turn.
        verdict: the last one, for its hysteresis.
        failures: turns in a row that did not end in Ready.
        work: what the running migration does; None while none runs.
        drift: what the last comparison found changed, in words.
        maintenance, comparison: when the next round of maintenance, and of looking for drift, is due.
    """

    pool: Pool | None = None
    verdict: Verdict | None = None
    failures: int = 0
    failed_migration: FailedMigration | None = None
    work: Work | None = None
    drift: tuple[str, ...] = ()
    maintenance: Rhythm = field(default_factory=Rhythm)
    comparison: Rhythm = field(default_factory=Rhythm)

    async def pool_for(self, target: Target, spec: DashboardDatabaseSpec) -> Pool:
        """The pool to `target`; a new one where a Secret or the resource asks for another connection."""
        settings = PoolSettings(
            max_open=spec.pool.max_open_connections,
            max_idle=spec.pool.max_idle_connections,
            max_lifetime=spec.pool.max_lifetime_seconds,
            max_idle_time=spec.pool.max_idle_time_seconds,
        )
        if self.pool is None or self.pool.target != target or self.pool.settings != settings:
            await self.close()
            self.pool = Pool(target, settings)
        return self.pool

    async def close(self) -> None:
        if self.pool is not None:
            await self.pool.close()
            self.pool = None
