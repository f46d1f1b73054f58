"""Proof that each down migration undoes its up migration: up, down and up again, with catalogs compared.

Only schemas are compared: a down migration that restores a table cannot restore its rows.
"""

import asyncio
import math
from contextlib import suppress
from itertools import chain, pairwise

from controller.database.target import Target
from controller.errors import MigrationFailed, SchemaDirty
from controller.migrate.files.migration import Migrations
from controller.migrate.run.attempt import Progress
from controller.migrate.verify.check import Check, all_pass, check_until_failed, scratch_runner
from controller.migrate.verify.replacement import check_replacement, own_files
from controller.migrate.verify.visible import outlasts_the_database

MOST_TOGETHER = 2
"""Scratch databases at the same time, each with three connections."""
LEAST_OF_A_PART = 20
"""Versions that are worth a scratch database of their own."""


async def verify(
    target: Target, migrations: Migrations, progress: Progress, *, schema: str | None = None
) -> tuple[Check, ...]:
    """Check every version in order, in a scratch database on the server of `target`.

    Only the name of the schema is read from the database of `target`. After a down migration that fails the check, a
    new scratch database is used. Long histories are checked in parts at the same time, see `parts_of`. A file that
    replaces others has to lead to the same schema as they do, if they are there.

    Args:
        schema: schema to create the tables in; None for the current schema of `target`.

    Raises:
        MigrationFailed: PostgreSQL refused a file, in either direction.
        ConfigurationError, DatabaseUnavailable: see `scratch_database`.
    """
    for migration in migrations:  # an invalid file stops all, before any is run
        _ = [script.statements for script in migration.scripts]
    own = own_files(migrations)
    together = 1 if any(map(outlasts_the_database, migrations)) else MOST_TOGETHER
    found = await asyncio.gather(
        *(_check_part(target, own, part, progress, schema) for part in parts_of(len(own), together)),
        return_exceptions=True,  # so that no part is left behind, and the error is that of the lowest version
    )
    for each in found:
        if isinstance(each, BaseException):
            raise each
    checks = list(chain.from_iterable(each for each in found if not isinstance(each, BaseException)))
    own_versions = {migration.version for migration in own}
    replacing = [migration for migration in migrations if migration.version not in own_versions]
    checks += [await check_replacement(target, migrations, each, progress, schema) for each in replacing]
    return tuple(sorted(checks, key=lambda check: check.migration.version))


def parts_of(count: int, most: int) -> list[range]:
    """Return up to `most` parts of `count` versions that take about the same time: later versions have larger catalogs.

    A part has at least `LEAST_OF_A_PART` versions, since each needs a database of its own.
    """
    number = max(1, min(most, count // LEAST_OF_A_PART))
    # The first n versions take about n + n²/count: with parts of equal time, that grows by the same each time.
    ends = [round(count * (math.sqrt(1 + 8 * part / number) - 1) / 2) for part in range(number + 1)]
    return [range(start, end) for start, end in pairwise(ends)]


async def _check_part(
    target: Target, migrations: Migrations, part: range, progress: Progress, schema: str | None
) -> list[Check]:
    """Check the versions of a part together, and one by one only if they do not pass."""
    whole = migrations[: part.stop]
    if not any(map(outlasts_the_database, whole)):
        with suppress(MigrationFailed, SchemaDirty):  # the first file that PostgreSQL refuses is found one by one
            async with scratch_runner(target, whole, progress, schema) as runner:
                if await all_pass(runner, whole, part.start):
                    return [Check(migration) for migration in whole[part.start :]]
    checks: list[Check] = []
    while len(checks) < len(part):
        async with scratch_runner(target, whole, progress, schema) as runner:
            checks += await check_until_failed(runner, whole, part.start + len(checks))
    return checks
