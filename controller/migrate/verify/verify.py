"""Proof that each down migration undoes its up migration: up, down and up again, with catalogs compared.

Only schemas are compared: a down migration that restores a table cannot restore its rows.
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
from controller.migrate.plan.model import EMPTY
from controller.migrate.run.attempt import Progress
from controller.migrate.run.runner import Runner
from controller.migrate.verify.scratch_database import scratch_database


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
    new scratch database is used.

    Args:
        schema: schema to create the tables in; None for the current schema of `target`.

    Raises:
        MigrationFailed: PostgreSQL refused a file, in either direction.
        ConfigurationError, DatabaseUnavailable: see `scratch_database`.
    """
    checks: list[Check] = []
    while len(checks) < len(migrations):
        async with scratch_database(target, schema=schema) as scratch, connected(scratch) as connection:
            runner = Runner(connection, RunSettings(schema=schema), progress, partial(connected, scratch))
            checks += await _check_until_failed(runner, migrations, len(checks))
    return tuple(checks)


async def _check_until_failed(runner: Runner, migrations: Migrations, start: int) -> list[Check]:
    location = await locate_history(runner.connection, runner.settings.schema)

    async def catalog_at(version: int) -> Catalog:
        await runner.run(migrations, version)
        return await read_live(runner.connection, location.schema)

    version = migrations[start - 1].version if start else EMPTY
    before = await catalog_at(version)
    checks: list[Check] = []
    for migration in migrations[start:]:
        first = await catalog_at(migration.version)
        if migration.down is None:
            checks.append(Check(migration))
            version, before = migration.version, first
            continue
        not_undone = differences(before, await catalog_at(version))
        if not_undone:
            return [*checks, Check(migration, not_undone)]  # the up migration may fail now
        second = await catalog_at(migration.version)
        checks.append(Check(migration, not_redone=differences(first, second)))
        if not checks[-1].passed:
            break
        version, before = migration.version, second
    return checks
