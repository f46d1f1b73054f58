"""Check of versions in one scratch database: up, down and up again, with the catalogs compared."""

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

from controller.database.connection import Connection, connected
from controller.database.failures import DRIVER_ERRORS
from controller.database.target import Target
from controller.errors import DashdbError
from controller.migrate.catalog.differences import Difference, differences
from controller.migrate.catalog.query import SETTINGS_OF_SESSION
from controller.migrate.catalog.snapshot import parse_catalog, read_text_at_once
from controller.migrate.files.migration import Migration, Migrations
from controller.migrate.history.encoding import Replaced, replaced_characters
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.read import locate_history
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import EMPTY, Direction, Plan, Step
from controller.migrate.run.attempt import Progress
from controller.migrate.run.runner import Runner
from controller.migrate.verify.scratch_database import scratch_database
from controller.migrate.verify.visible import catalog_shows_all, outlasts_the_database


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
async def scratch_runner(
    target: Target, migrations: Migrations, progress: Progress, schema: str | None
) -> AsyncIterator[Runner]:
    """Yield a runner for `migrations` in a new scratch database on the server of `target`, see `scratch_database`.

    Migrations that make what outlasts the database, such as roles, are reverted at the end.
    """
    async with scratch_database(target, schema=schema) as scratch, connected(scratch) as connection:
        settings = RunSettings(schema=schema, scratch=True)
        runner = Runner(connection, settings, progress, partial(connected, scratch))
        try:
            yield runner
        finally:
            if any(map(outlasts_the_database, migrations)):
                with suppress(DashdbError, *DRIVER_ERRORS):  # as far as their down migrations lead
                    await runner.run(migrations, EMPTY)


async def all_pass(runner: Runner, migrations: Migrations, start: int) -> bool:
    """Return whether all versions from number `start` on pass.

    Neighbours whose whole effect the catalog shows go up together, down and up again. That takes two thirds of the time
    of `check_until_failed` and proves the same: where the catalogs are equal, a file meets what it met before.

    Raises:
        MigrationFailed, SchemaDirty: PostgreSQL refused a file, which need not be the first that it refuses.
    """
    async with _at(runner, migrations, start) as scratch:
        before = _digest(await scratch.catalog())
        for stretch in _stretches(migrations[start:]):
            after = await _digest_if_passed(scratch, stretch, before)
            if after is None:
                return False
            before = after
    return True


def _stretches(migrations: Migrations) -> Iterator[Migrations]:
    """Yield the migrations in order: neighbours together if the catalog shows all of them and they can be reverted."""
    for together, neighbours in groupby(migrations, lambda each: each.down is not None and catalog_shows_all(each)):
        stretch = tuple(neighbours)
        yield from (stretch,) if together else ((each,) for each in stretch)


async def _digest_if_passed(scratch: "_Scratch", stretch: Migrations, before: bytes) -> bytes | None:
    """Return the digest of the catalog after all versions of `stretch`; None if one of them does not pass.

    Args:
        before: digest of the catalog before them.
    """
    ups, versions, digests = [Step(migration, Direction.UP) for migration in stretch], [scratch.version], [before]
    for step in ups:
        versions.append(step.migration.version)
        digests.append(_digest(await scratch.catalog_after([step], versions[-1])))
    if stretch[0].down is None:
        return digests[-1]
    for migration, version, wanted in reversed(list(zip(stretch, versions[:-1], digests[:-1], strict=True))):
        if _digest(await scratch.catalog_after([Step(migration, Direction.DOWN)], version)) != wanted:
            return None
    again = _digest(await scratch.catalog_after(ups, versions[-1]))
    return again if again == digests[-1] else None


def _digest(catalog: str) -> bytes:
    """Return what is kept of the catalog of each version of a long history."""
    return hashlib.sha256(catalog.encode()).digest()


async def check_until_failed(runner: Runner, migrations: Migrations, start: int) -> list[Check]:
    """Check the versions from number `start` on, each up, down and up again, to the first that fails."""
    async with _at(runner, migrations, start) as scratch:
        before = await scratch.catalog()
        checks: list[Check] = []
        for migration in migrations[start:]:
            below, up, down = scratch.version, Step(migration, Direction.UP), Step(migration, Direction.DOWN)
            first = await scratch.catalog_after([up], migration.version)
            if migration.down is None:
                checks.append(Check(migration))
                before = first
                continue
            undone = await scratch.catalog_after([down], below)
            if undone != before:
                return [*checks, Check(migration, text_differences(before, undone))]  # the up migration may fail now
            second = await scratch.catalog_after([up], migration.version)
            checks.append(Check(migration, not_redone=text_differences(first, second)))
            if not checks[-1].passed:
                break
            before = second
        return checks


@asynccontextmanager
async def _at(runner: Runner, migrations: Migrations, start: int) -> AsyncIterator["_Scratch"]:
    """Bring the scratch database to the version before number `start`, and yield it."""
    version = migrations[start - 1].version if start else EMPTY
    async with runner.open_connection() as reader:
        await reader.execute(SETTINGS_OF_SESSION)
        await runner.run(migrations, version)
        location = await locate_history(runner.connection, runner.settings.schema)
        replaced = await replaced_characters(runner.connection, migrations)
        yield _Scratch(runner, reader, migrations, location, replaced, version)


def text_differences(before: str, after: str) -> tuple[Difference, ...]:
    """Return the differences between two catalogs as texts, which are read only if they differ."""
    return () if before == after else differences(parse_catalog(0, before), parse_catalog(0, after))


@dataclass
class _Scratch:
    """Database that nobody else changes, so that its version is known and need not be read before each file.

    Attributes:
        reader: for the catalogs; the runner's connection is as new after each file, and would plan their query anew.
        version: at which it is.
    """

    runner: Runner
    reader: Connection
    migrations: Migrations
    location: HistoryLocation
    replaced: Replaced
    version: int

    async def catalog(self) -> str:
        return await read_text_at_once(self.reader, self.location.schema)

    async def catalog_after(self, steps: Sequence[Step], version: int) -> str:
        """Run files, which lead to `version`, and return the catalog then."""
        location = replace(self.location, has_history=self.version > EMPTY or self.location.keeps_history)
        done = await self.runner.run_steps(location, Plan(self.version, version, tuple(steps)), self.replaced)
        if len(done) < len(steps):
            await self.runner.run(self.migrations, version)  # a file of before has changed the history itself
        self.version = version
        return await self.catalog()
