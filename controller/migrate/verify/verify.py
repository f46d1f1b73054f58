"""Proof that each down migration undoes its up migration: up, down and up again, with catalogs compared.

Only schemas are compared: a down migration that restores a table cannot restore its rows.
"""

import asyncio
import math
import re
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise

from controller.database.connection import connected
from controller.database.target import Target
from controller.migrate.catalog.differences import Difference, differences
from controller.migrate.catalog.snapshot import parse_catalog, read_text
from controller.migrate.files.migration import Migration, Migrations
from controller.migrate.history.encoding import Replaced, replaced_characters
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.read import locate_history
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import EMPTY, Direction, Plan, Step
from controller.migrate.run.attempt import Progress
from controller.migrate.run.runner import Runner
from controller.migrate.verify.scratch_database import scratch_database

MOST_TOGETHER = 3
"""Scratch databases at the same time, each with two connections."""
LEAST_OF_A_PART = 20
"""Versions that are worth a scratch database of their own."""
_OF_THE_SERVER = re.compile(
    r"\b(?:create|alter|drop)\s+(?:role|user|group|tablespace|database|subscription|system)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Check:
    """Result for one version.

    Attributes:
        not_undone: differences between the schema before it and after up and down.
        not_redone: differences between the schema after up and after up, down and up.
    """

    migration: Migration
    not_undone: tuple[Difference, ...] = ()
    not_redone: tuple[Difference, ...] = ()

    @property
    def passed(self) -> bool:
        """True if the down migration undoes the up migration, or if there is none."""
        return not self.not_undone and not self.not_redone


async def verify(
    target: Target, migrations: Migrations, progress: Progress, *, schema: str | None = None
) -> tuple[Check, ...]:
    """Check every version in order, in a scratch database on the server of `target`.

    Only the name of the schema is read from the database of `target`. After a down migration that fails the check, a
    new scratch database is used. Long histories are checked in parts at the same time, see `parts_of`.

    Args:
        schema: schema to create the tables in; None for the current schema of `target`.

    Raises:
        MigrationFailed: PostgreSQL refused a file, in either direction.
        ConfigurationError, DatabaseUnavailable: see `scratch_database`.
    """
    for migration in migrations:  # an invalid file stops all, before any is run
        _ = [script.statements for script in migration.scripts]
    together = 1 if any(map(_leaves_the_database, migrations)) else MOST_TOGETHER
    found = await asyncio.gather(
        *(_check_part(target, migrations, part, progress, schema) for part in parts_of(len(migrations), together)),
        return_exceptions=True,  # so that no part is left behind, and the error is that of the lowest version
    )
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return tuple(chain.from_iterable(each for each in found if not isinstance(each, BaseException)))


def parts_of(count: int, most: int) -> list[range]:
    """Return up to `most` parts of `count` versions that take about the same time: later versions have larger catalogs.

    A part has at least `LEAST_OF_A_PART` versions, since each needs a database of its own.
    """
    number = max(1, min(most, count // LEAST_OF_A_PART))
    # The first n versions take about n + n²/count: with parts of equal time, that grows by the same each time.
    ends = [round(count * (math.sqrt(1 + 8 * part / number) - 1) / 2) for part in range(number + 1)]
    return [range(start, end) for start, end in pairwise(ends)]


def _leaves_the_database(migration: Migration) -> bool:
    """Return whether a file may change what all databases of a server share, which only one may do at a time."""
    return any(_OF_THE_SERVER.search(script.text) for script in migration.scripts)


async def _check_part(
    target: Target, migrations: Migrations, part: range, progress: Progress, schema: str | None
) -> list[Check]:
    checks: list[Check] = []
    settings = RunSettings(schema=schema, records_catalog=False)
    while len(checks) < len(part):
        async with scratch_database(target, schema=schema) as scratch, connected(scratch) as connection:
            runner = Runner(connection, settings, progress, partial(connected, scratch))
            checks += await _check_until_failed(runner, migrations[: part.stop], part.start + len(checks))
    return checks


async def _check_until_failed(runner: Runner, migrations: Migrations, start: int) -> list[Check]:
    """Check the versions from number `start` on, up to the first that fails."""
    version = migrations[start - 1].version if start else EMPTY
    await runner.run(migrations, version)
    location = await locate_history(runner.connection, runner.settings.schema)
    scratch = _Scratch(runner, migrations, location, await replaced_characters(runner.connection, migrations))
    before = await scratch.catalog()
    checks: list[Check] = []
    for migration in migrations[start:]:
        first = await scratch.catalog_after(Step(migration, Direction.UP), version, migration.version)
        if migration.down is None:
            checks.append(Check(migration))
            version, before = migration.version, first
            continue
        undone = await scratch.catalog_after(Step(migration, Direction.DOWN), migration.version, version)
        if undone != before:
            return [*checks, Check(migration, _differences(before, undone))]  # the up migration may fail now
        second = await scratch.catalog_after(Step(migration, Direction.UP), version, migration.version)
        checks.append(Check(migration, not_redone=_differences(first, second)))
        if not checks[-1].passed:
            break
        version, before = migration.version, second
    return checks


def _differences(before: str, after: str) -> tuple[Difference, ...]:
    """Return the differences between two catalogs as texts, which are read only if they differ."""
    return () if before == after else differences(parse_catalog(0, before), parse_catalog(0, after))


@dataclass
class _Scratch:
    """Database that nobody else changes, so that its version is known and need not be read before each file."""

    runner: Runner
    migrations: Migrations
    location: HistoryLocation
    replaced: Replaced

    async def catalog(self) -> str:
        return await read_text(self.runner.connection, self.location.schema)

    async def catalog_after(self, step: Step, before: int, after: int) -> str:
        """Run one file, which leads from version `before` to `after`, and return the catalog then."""
        location = replace(self.location, has_history=before > EMPTY or self.location.keeps_history)
        if not await self.runner.run_steps(location, Plan(before, after, (step,)), self.replaced):
            await self.runner.run(self.migrations, after)  # a file of before has changed the history itself
        return await self.catalog()
