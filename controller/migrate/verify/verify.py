"""The proof that each file's way back is true: up, down and up again on a scratch database, catalogs compared.

Schemas are compared, rows are not: a way back that brings a table back cannot bring back what was in it.
"""

from dataclasses import dataclass
from functools import partial

from controller.database.connection import connected
from controller.database.target import Target
from controller.migrate.catalog.differences import Catalog, Difference, differences
from controller.migrate.catalog.snapshot import read_live
from controller.migrate.files.migration import Migration, Migrations
from controller.migrate.history.read import locate_history
from controller.migrate.history.session import RunSettings
from controller.migrate.run.attempt import Progress
from controller.migrate.run.runner import Runner
from controller.migrate.verify.scratch_database import scratch_database


@dataclass(frozen=True, slots=True)
class Check:
    """What was seen of one version.

    Attributes:
        not_undone: what differs after up and down from what was there before.
        not_redone: what differs after up, down and up from what the first up made.
    """

    migration: Migration
    not_undone: tuple[Difference, ...] = ()
    not_redone: tuple[Difference, ...] = ()

    @property
    def true(self) -> bool:
        """True where the way back leads back."""
        return not self.not_undone and not self.not_redone


async def verify(
    target: Target, migrations: Migrations, progress: Progress, *, schema: str | None = None
) -> tuple[Check, ...]:
    """Checks every version, each from where the one before it left the database.

    Nothing in the database of `target` is read but the name of its schema; its server lends the scratch database. After
    a way back that is not true the next versions go on in a fresh one.

    Args:
        schema: where the tables are made; the one that `target` leads to unless given.

    Raises:
        MigrationFailed: a file was refused, in either direction.
        ConfigurationError, DatabaseUnavailable: see `scratch_database`.
    """
    checks: list[Check] = []
    while len(checks) < len(migrations):
        async with scratch_database(target, schema=schema) as scratch, connected(scratch) as connection:
            runner = Runner(connection, RunSettings(schema=schema), progress, partial(connected, scratch))
            checks += await _check_until_untrue(runner, migrations, len(checks))
    return tuple(checks)


async def _check_until_untrue(runner: Runner, migrations: Migrations, start: int) -> list[Check]:
    location = await locate_history(runner.connection, runner.settings.schema)

    async def catalog_at(version: int) -> Catalog:
        await runner.run(migrations, version)
        return await read_live(runner.connection, location.schema)

    version = migrations[start - 1].version if start else 0
    before = await catalog_at(version)
    checks: list[Check] = []
    for migration in migrations[start:]:
        first = await catalog_at(migration.version)
        not_undone = differences(before, await catalog_at(version))
        if not_undone:
            return [*checks, Check(migration, not_undone)]  # the way up may not even be open any more
        second = await catalog_at(migration.version)
        checks.append(Check(migration, not_redone=differences(first, second)))
        if not checks[-1].true:
            break
        version, before = migration.version, second
    return checks
