"""Squashing: all versions up to one as a single pair of files that replaces them, proven before it is written."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from controller.database.connection import Connection
from controller.database.target import Target
from controller.errors import ConfigurationError, MigrationFailed, Recovery
from controller.migrate.files.create import write_new
from controller.migrate.files.migration import Migration, Migrations, Script
from controller.migrate.files.replaces import format_versions, with_nested
from controller.migrate.history.read import locate_history
from controller.migrate.run.attempt import Progress
from controller.migrate.run.sql_error import NOTHING_APPLIED
from controller.migrate.sql.statements import changes_the_server
from controller.migrate.squash.dump_text import statements_of_dump
from controller.migrate.squash.file_text import down_text, up_text, up_text_of_files
from controller.migrate.squash.pg_dump import dump
from controller.migrate.verify.check import Check, scratch_runner
from controller.migrate.verify.replacement import check_replacement, own_files

_MOST_SHOWN = 5
"""Limit of the differences that a message lists."""
_NUMBER = re.compile(r"(?P<prefix>[vV]?)(?P<number>[0-9]+)_")
# What pg_dump does not write with one schema: what is in others, or of the whole database.
_ELSEWHERE = """
SELECT 'schema ' || n.nspname
  FROM pg_catalog.pg_namespace AS n
 WHERE n.nspname NOT IN ($1, 'pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND (n.oid >= 16384 OR EXISTS (
        SELECT FROM pg_catalog.pg_depend AS d
         WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid AND NOT EXISTS (
               SELECT FROM pg_catalog.pg_depend AS e
                WHERE e.classid = d.classid AND e.objid = d.objid AND e.deptype = 'e')))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS e
                    WHERE e.classid = 'pg_catalog.pg_namespace'::regclass AND e.objid = n.oid AND e.deptype = 'e')
 UNION ALL SELECT 'event trigger ' || evtname FROM pg_catalog.pg_event_trigger
 UNION ALL SELECT 'publication ' || pubname FROM pg_catalog.pg_publication
 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Squashed:
    """Files that were written.

    Attributes:
        down: None if one of the replaced versions has no down migration, so that none of them can be reverted as one.
        replaces: versions for which they stand, as `parse_versions` reads them.
        by_pg_dump: True if pg_dump wrote the up file; False if it is the up migrations, one after another.
    """

    version: int
    up: Path
    down: Path | None
    replaces: str
    by_pg_dump: bool


async def squash(
    target: Target,
    migrations: Migrations,
    version: int,
    progress: Progress,
    *,
    folder: Path,
    pg_dump: Path | None,
    schema: str | None = None,
) -> Squashed:
    """Write one pair of files for all versions up to `version`, by means of scratch databases on a server.

    Args:
        target: a database on the server; only the name of its schema is read.
        folder: folder of the migrations, for the new files.
        pg_dump: path of that program; None to put the up migrations one after another.
        schema: schema to create the tables in; None for the current schema of `target`.

    Raises:
        ConfigurationError: there is no such version, or no number for the new file; or see `dump`, `scratch_database`.
        MigrationFailed: a file was refused, or the new ones lead to another schema; nothing was written.
    """
    number, name = _new_name(migrations, version)
    kept = tuple(each for each in own_files(migrations) if each.version <= version)
    files = {each.version: each for each in migrations}
    replaces = frozenset(each.version for each in migrations if each.version <= version)
    replaces = replaces.union(*(with_nested(files[each], files) for each in replaces))
    if pg_dump is None:
        text = up_text_of_files(kept, replaces)
    else:
        text = up_text(await _dumped(target, kept, pg_dump, progress, schema), replaces)
    up = Script(f"{name}.up.sql", text)
    down = Script(f"{name}.down.sql", down_text(kept, up.name)) if all(each.down for each in kept) else None
    made = Migration(number, "", up, down, replaces)
    try:
        check = await check_replacement(target, (*kept, made), made, progress, schema)
    except MigrationFailed as error:
        raise _refused(made, error) from None
    if not check.passed:
        raise _different(check)
    written = [(folder / script.name, script.text) for script in made.scripts]
    write_new(*written)
    return Squashed(
        number, written[0][0], written[1][0] if down else None, format_versions(replaces), pg_dump is not None
    )


def _new_name(migrations: Migrations, version: int) -> tuple[int, str]:
    """Return the version of the new file, the next one, and its name without endings, numbered like the others."""
    versions = {each.version: each for each in migrations}
    if version not in versions:
        raise ConfigurationError(
            f"Version {version} does not exist. Give one of the files': {format_versions(versions)}.",
            reason="VersionUnknown",
            recovery=Recovery.STALLED,
        )
    if version == migrations[0].version:
        raise ConfigurationError(f"Version {version} is the first one; there is nothing to squash.")
    if version + 1 in versions:
        raise ConfigurationError(
            f"{versions[version + 1].up.name} comes right after version {version}, and the new file needs a number "
            f"between them. Squash all: dashdb migrate squash {migrations[-1].version}."
        )
    match = _NUMBER.match(versions[version].up.name)
    assert match is not None  # noqa: S101 - its file was read by that name
    digits = f"{version + 1:0{len(match['number'])}}"
    return version + 1, f"{match['prefix']}{digits}_squashed_{migrations[0].version}_to_{version}"


async def _dumped(
    target: Target, migrations: Migrations, pg_dump: Path, progress: Progress, schema: str | None
) -> tuple[str, ...]:
    """Return the statements that make what the migrations made, as pg_dump writes them."""
    async with scratch_runner(target, migrations, progress, schema) as runner:
        await runner.run(migrations, migrations[-1].version)
        name = (await locate_history(runner.connection, schema)).schema
        await _refuse_elsewhere(runner.connection, name, migrations)
        scratch = await runner.connection.fetchval("SELECT pg_catalog.current_database()")
        return statements_of_dump(await dump(pg_dump, replace(target, database=scratch), name), name)


async def _refuse_elsewhere(connection: Connection, schema: str, migrations: Migrations) -> None:
    statements = (statement for each in migrations for statement in each.up.statements)
    of_the_server = {" ".join(each.words[:2]) for each in statements if changes_the_server(each)}
    found = [*sorted(of_the_server), *(row[0] for row in await connection.fetch(_ELSEWHERE, schema))]
    if found:
        raise ConfigurationError(
            f"The migrations make more than schema {schema} holds: {', '.join(found[:_MOST_SHOWN])}. Only one schema "
            "can be squashed; write the file by hand with -- dashdb:replaces, and prove it: dashdb migrate verify.",
            reason="MoreThanOneSchema",
        )


def _refused(made: Migration, error: MigrationFailed) -> MigrationFailed:
    """Return the error of a file that is written nowhere, so that nobody can correct it."""
    return MigrationFailed(
        f"{made.up.name} was not written, since its statements do not run as one file: "
        f"{error.message.removesuffix(NOTHING_APPLIED)}. Write the file by hand with -- dashdb:replaces, and prove it: "
        "dashdb migrate verify.",
        reason="SquashDifferent",
        recovery=Recovery.STALLED,
        report=error.report,
    )


def _different(check: Check) -> MigrationFailed:
    found = [*check.not_undone, *check.not_redone, *check.not_same]
    return MigrationFailed(
        f"{check.migration.up.name} was not written, since it would differ from the versions that it replaces: "
        f"{'; '.join(map(str, found[:_MOST_SHOWN]))}{' and more' if len(found) > _MOST_SHOWN else ''}.",
        reason="SquashDifferent",
        recovery=Recovery.STALLED,
    )
