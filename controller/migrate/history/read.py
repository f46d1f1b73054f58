"""Reading of the history: the table schema_version, which exists until the last migration is reverted."""

import asyncpg

from controller.database.connection import Connection, answer_limit
from controller.errors import DatabaseUnavailable, HistoryMismatch, Recovery
from controller.migrate.history.golang_migrate import history_of
from controller.migrate.history.location import HistoryLocation
from controller.migrate.plan.model import Direction, History, HistoryRow, Origin
from controller.migrate.sql.quoting import identifier

_LOCATE = """
SELECT schema, to_regclass(quote_ident(schema) || '.schema_version') IS NOT NULL AS has_history,
       to_regclass(quote_ident(schema) || '.schema_migrations') IS NOT NULL AS has_golang_migrate
  FROM (SELECT CASE WHEN $1::text IS NULL THEN current_schema()
                    ELSE (SELECT nspname FROM pg_namespace WHERE nspname = $1) END AS schema) AS s
"""
# In the order of HistoryRow's fields.
_READ = """
SELECT version, description, sha256, applied_at, applied_by, host, engine_version, duration_ms, retries,
       statements_done, error, done_sha256, direction, origin
  FROM {table} ORDER BY version
"""


HISTORY_BYTES = 4 * 1024 * 1024
"""Limit of a history in bytes, about that of 10,000 migrations."""
_DIRECTIONS = {direction.value: direction for direction in Direction}
_ORIGINS = {origin.value: origin for origin in Origin}
"""Members by value: for thousands of rows, faster than calling the class."""


async def locate_history(connection: Connection, schema: str | None) -> HistoryLocation:
    """Return the location of the history, whether it exists yet or not.

    Args:
        schema: name of the schema; None for the first of the search_path.

    Raises:
        DatabaseUnavailable: the schema does not exist.
    """
    row = await connection.fetchrow(_LOCATE, schema)
    if row["schema"] is not None:
        return HistoryLocation(**dict(row))
    if schema is not None:
        raise DatabaseUnavailable(
            f'There is no schema "{schema}" in this database. CREATE SCHEMA {identifier(schema)}, or correct the name.',
            reason="SchemaMissing",
            recovery=Recovery.WAITING,
        )
    raise DatabaseUnavailable(
        "No schema to create tables in: the search_path of this user names none that exists and is open to it. "
        "CREATE SCHEMA, or GRANT USAGE, CREATE ON SCHEMA.",
        reason="SchemaMissing",
        recovery=Recovery.WAITING,
    )


async def read_history(connection: Connection, schema: str | None = None) -> History:
    """Return the history; empty if nothing was migrated yet.

    A database that golang-migrate migrated has one row with its version; see `history.golang_migrate`.

    Raises:
        HistoryMismatch: the schema has a table of that name that another program made.
        DatabaseUnavailable: the schema does not exist.
    """
    return await read_history_at(connection, await locate_history(connection, schema))


async def read_history_at(connection: Connection, location: HistoryLocation) -> History:
    """Return the history at a known location; see `read_history`."""
    if not location.has_history:
        return await history_of(connection, location.schema) if location.has_golang_migrate else ()
    try:
        with answer_limit(connection, HISTORY_BYTES):
            rows = await connection.fetch(_READ.format(table=location.table))
    except asyncpg.UndefinedTableError:
        return ()  # another runner has just reverted the last version
    except asyncpg.UndefinedColumnError:
        raise HistoryMismatch(
            f"The table schema_version in schema {location.schema} was made by another program. Use a schema of its "
            "own for the dashboards, or rename that table.",
            reason="HistoryTableForeign",
        ) from None
    return tuple(HistoryRow._make((*row[:-2], _DIRECTIONS[row[-2]], _ORIGINS[row[-1]])) for row in rows)
