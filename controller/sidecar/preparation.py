"""Migrates and seeds whatever database answers: at the start, and again after a restore or a replacement."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from controller.database.pool.pool import Pool
from controller.errors import DashdbError, InternalError, MigrationLocked
from controller.migrate.files.migration import Migrations
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Plan
from controller.runtime.logs import log_fault

log = structlog.get_logger(__name__)

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 300.0
"""Between two tries: a long file that fails at its end must not run for ever."""
LONGEST_LOCKED_SECONDS = 30.0
"""The same where another runner or a table's lock stood in the way: nothing ran, and a replica may wait for its end."""
MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the database is to be brought to.

    Attributes:
        migrations: reads the files; raises as `migrate.files.read_folder` does.
        run: how the engine works, and in which schema.
        migrate: to the newest of the files.
        seed: the system templates.
    """

    migrations: Callable[[], Migrations]
    run: RunSettings
    migrate: bool
    seed: bool


class Preparation:
    """The work that is done once for each database.

    Attributes:
        done_for: identity of the database that is as wanted; None while none is.
        busy: a try is under way.
        problem: why the last try did not succeed.
        reached: version that it was migrated to; 0 while it was not.
        templates: system templates by state, once they are seeded.
    """

    def __init__(self, wanted: Wanted, pool: Callable[[], Pool], changed: Callable[[], Awaitable[None]]) -> None:
        self.done_for: str | None = None
        self.busy = False
        self.problem: DashdbError | None = None
        self.reached = 0
        self.templates: Mapping[str, int] = {}
        self._wanted = wanted
        self._pool = pool
        self._changed = changed
        self._identity: str | None = None
        self._answered = asyncio.Event()

    def answered(self, identity: str) -> None:
        """A database with that identity answers; it is prepared unless it is the one that was."""
        if identity != self.done_for:
            self._identity = identity
            self._answered.set()

    def again(self) -> None:
        """What was done is gone: a restore in place keeps the identity."""
        self.done_for, self.reached, self.templates = None, 0, {}
        self._answered.set()

    async def run(self) -> None:
        """Works for ever; what runs when it is cancelled is rolled back."""
        failures = 0
        while True:
            await self._answered.wait()
            self._answered.clear()
            identity = self._identity
            self.problem = await self._attempt()
            if self.problem is None:
                self.done_for, failures = identity, 0
                await self._changed()
                continue
            log.warning("not as wanted yet", reason=self.problem.reason, error=self.problem.message)
            await self._changed()
            pause = pause_after(self.problem, failures)
            failures += 1
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            self._answered.set()

    async def _attempt(self) -> DashdbError | None:
        """Why it did not succeed."""
        self.busy = True
        try:
            await self._prepare(self._pool())
        except DashdbError as error:
            return error
        except Exception as fault:  # noqa: BLE001 - whatever it is, the next try may do better
            log_fault(fault)
            return InternalError("The sidecar met a fault of its own, and tries again. Its log says where.")
        finally:
            self.busy = False
        return None

    async def _prepare(self, pool: Pool) -> None:
        wanted = self._wanted
        if wanted.migrate:
            done = await _migrate(pool, wanted)
            self.reached = done.target
            log.info("migrated", files=len(done.steps), version=done.target)
        if wanted.seed:
            self.templates = await _seed(pool, wanted.run.schema)
            log.info("seeded", **self.templates)


def pause_after(problem: DashdbError, failures: int) -> float:
    """Seconds until the next try; `failures` before this one."""
    longest = LONGEST_LOCKED_SECONDS if isinstance(problem, MigrationLocked) else LONGEST_RETRY_SECONDS
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(failures, MOST_DOUBLINGS), longest)


async def _migrate(pool: Pool, wanted: Wanted) -> Plan:
    """What was done."""
    # `/live` answers before the engine is loaded.
    from controller.migrate.run.log_progress import LoggedProgress  # noqa: PLC0415
    from controller.migrate.run.runner import Runner  # noqa: PLC0415

    async with pool.connection() as connection:
        runner = Runner(connection, wanted.run, LoggedProgress(), pool.connection)
        return await runner.run(wanted.migrations(), None)


async def _seed(pool: Pool, schema: str | None) -> Mapping[str, int]:
    """System templates by state."""
    # Only who seeds needs them, and pydantic with them.
    from controller.templates.seeding import in_schema, seed  # noqa: PLC0415
    from controller.templates.shipped import shipped_templates  # noqa: PLC0415

    async with pool.connection() as connection, in_schema(connection, schema):
        results = await seed(connection, shipped_templates())
    return Counter(result.state.value for result in results)
