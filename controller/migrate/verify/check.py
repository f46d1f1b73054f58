"""Check of versions in one scratch database: up, down and up again, with the catalogs compared."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from controller.database.connection import Connection, connected
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


@dataclass(frozen=True, slots=True)
class Check:
    """Result for one version.

    Attributes:
        not_undone: differences between the schema before it and after up and down.
        not_redone: differences between the schema after up and after up, down and up.
        not_same: differences between the schema by its file and by the versions that it replaces.
    """

    migration: Migration
    not_undone: tuple[Difference, ...] = ()
    not_redone: tuple[Difference, ...] = ()
    not_same: tuple[Difference, ...] = ()

    @property
    def passed(self) -> bool:
        """True if the down migration undoes the up migration, or if there is none; and all is as it was replaced."""
        return not (self.not_undone or self.not_redone or self.not_same)


@asynccontextmanager
async def scratch_runner(target: Target, progress: Progress, schema: str | None) -> AsyncIterator[Runner]:
    """Yield a runner in a new scratch database on the server of `target`, see `scratch_database`."""
    async with scratch_database(target, schema=schema) as scratch, connected(scratch) as connection:
        settings = RunSettings(schema=schema, records_catalog=False)
        yield Runner(connection, settings, progress, partial(connected, scratch))


async def check_until_failed(runner: Runner, migrations: Migrations, start: int) -> list[Check]:
    """Check the versions from number `start` on, up to the first that fails."""
    async with runner.open_connection() as reader:
        return await _check_until_failed(runner, reader, migrations, start)


async def _check_until_failed(runner: Runner, reader: Connection, migrations: Migrations, start: int) -> list[Check]:
    version = migrations[start - 1].version if start else EMPTY
    await runner.run(migrations, version)
    location = await locate_history(runner.connection, runner.settings.schema)
    scratch = _Scratch(runner, reader, migrations, location, await replaced_characters(runner.connection, migrations))
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
            return [*checks, Check(migration, text_differences(before, undone))]  # the up migration may fail now
        second = await scratch.catalog_after(Step(migration, Direction.UP), version, migration.version)
        checks.append(Check(migration, not_redone=text_differences(first, second)))
        if not checks[-1].passed:
            break
        version, before = migration.version, second
    return checks


def text_differences(before: str, after: str) -> tuple[Difference, ...]:
    """Return the differences between two catalogs as texts, which are read only if they differ."""
    return () if before == after else differences(parse_catalog(0, before), parse_catalog(0, after))


@dataclass
class _Scratch:
    """Database that nobody else changes, so that its version is known and need not be read before each file.

    Attributes:
        reader: for the catalogs; the runner's connection is as new after each file, and would plan their query anew.
    """

    runner: Runner
    reader: Connection
    migrations: Migrations
    location: HistoryLocation
    replaced: Replaced

    async def catalog(self) -> str:
        return await read_text(self.reader, self.location.schema)

    async def catalog_after(self, step: Step, before: int, after: int) -> str:
        """Run one file, which leads from version `before` to `after`, and return the catalog then."""
        location = replace(self.location, has_history=before > EMPTY or self.location.keeps_history)
        if not await self.runner.run_steps(location, Plan(before, after, (step,)), self.replaced):
            await self.runner.run(self.migrations, after)  # a file of before has changed the history itself
        return await self.catalog()
