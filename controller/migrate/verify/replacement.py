"""Proof that a file that replaces several versions leads to the same schema as these versions."""

from collections.abc import Mapping
from dataclasses import replace

import asyncpg

from controller.database.quoting import identifier
from controller.database.target import Target
from controller.migrate.catalog.differences import Difference, Kind
from controller.migrate.catalog.snapshot import read_text
from controller.migrate.files.migration import Migration, Migrations
from controller.migrate.files.replaces import with_nested
from controller.migrate.history.location import HISTORY
from controller.migrate.history.read import locate_history
from controller.migrate.run.attempt import Progress
from controller.migrate.run.runner import Runner
from controller.migrate.verify.check import Check, check_until_failed, scratch_runner, text_differences

_TABLES = """
SELECT c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> ALL ($2::text[]::name[])
"""


def own_files(migrations: Migrations) -> Migrations:
    """Return the files without those that replace others which are there themselves."""
    versions = {migration.version for migration in migrations}
    return tuple(each for each in migrations if versions.isdisjoint(each.replaces))


async def check_replacement(
    target: Target, migrations: Migrations, replacing: Migration, progress: Progress, schema: str | None
) -> Check:
    """Check a file that replaces others: up, down and up, and the same schema and numbers of rows as by the others.

    Args:
        migrations: all files, of which those that it replaces are needed.

    Raises:
        see `verify`.
    """
    replaced = with_nested(replacing, {each.version: each for each in migrations})
    others = tuple(each for each in own_files(migrations) if each.version <= max(replaced))
    before = tuple(each for each in others if each.version < min(replaced))
    async with scratch_runner(target, others, progress, schema) as runner:
        await runner.run(others, others[-1].version)
        wanted, rows = await _found(runner)
    shorter = (*before, replacing)
    async with scratch_runner(target, shorter, progress, schema) as runner:
        (check,) = await check_until_failed(runner, shorter, len(before))
        if not check.passed:
            return check
        found, rows_now = await _found(runner)
    return replace(check, not_same=(*text_differences(wanted, found), *_row_differences(rows, rows_now)))


async def _found(runner: Runner) -> tuple[str, Mapping[str, int]]:
    """Return the catalog, and the number of rows of each table."""
    connection = runner.connection
    schema = (await locate_history(connection, runner.settings.schema)).schema
    tables: list[asyncpg.Record] = await connection.fetch(_TABLES, schema, sorted(HISTORY))
    rows = {
        name: await connection.fetchval(f"SELECT pg_catalog.count(*) FROM {identifier(schema)}.{identifier(name)}")
        for (name,) in tables
    }
    return await read_text(connection, schema), rows


def _row_differences(wanted: Mapping[str, int], found: Mapping[str, int]) -> tuple[Difference, ...]:
    """Return the tables of both that have another number of rows."""
    return tuple(
        Difference(Kind.CHANGED, f"rows of table {table}", str(wanted[table]), str(found[table]))
        for table in sorted(wanted.keys() & found.keys())
        if wanted[table] != found[table]
    )
