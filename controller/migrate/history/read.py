"""Reading of the history: the table schema_version, which exists until the last migration is reverted."""

from datetime import datetime

import asyncpg

from controller.database.answer_messages import as_expected
from controller.database.connection import Connection, answer_limit
from controller.database.located_schema import LocatedSchema
from controller.database.schema import locate_schema
from controller.database.transaction import transaction
from controller.errors import HistoryMismatch
from controller.migrate.history.golang_migrate import history_of
from controller.migrate.history.location import HistoryLocation
from controller.migrate.plan.model import Direction, History, HistoryRow, Origin

# In the order of HistoryRow's fields.
_READ = """
SELECT version, description, sha256, applied_at, applied_by, host, engine_version, duration_ms, retries,
       statements_done, error, done_sha256, direction, origin
  FROM {table} ORDER BY version
"""


HISTORY_BYTES = 4 * 1024 * 1024
"""Limit of a history in bytes, about that of 10,000 migrations."""
_TEXT, _NUMBER, _TIME = frozenset((str,)), frozenset((int,)), frozenset((datetime,))
_NULL = frozenset((type(None),))
_TYPES = (
    _NUMBER, _TEXT, _TEXT, _TIME, _TEXT, _TEXT, _TEXT, _NUMBER, _NUMBER, _NUMBER | _NULL, _TEXT | _NULL, _TEXT | _NULL,
    _TEXT, _TEXT,
)  # fmt: skip
"""Types that the values of each column may have; a table of the same name may have others."""
_DIRECTIONS = {direction.value: direction for direction in Direction}
_ORIGINS = {origin.value: origin for origin in Origin}
"""Members by value: for thousands of rows, faster than calling the class."""


async def locate_history(connection: Connection, schema: str | None, *, for_files: bool = False) -> HistoryLocation:
    """Return the location of the history, whether it exists yet or not; raises as `locate_schema` does.

    Args:
        schema: name of the schema; None for the first of the search_path.
        for_files: see `locate_schema`.
    """
    return history_location(await locate_schema(connection, schema, for_files=for_files))


def history_location(schema: LocatedSchema) -> HistoryLocation:
    """Return the location of the history in a known schema."""
    return HistoryLocation(
        schema.name,
        has_history="schema_version" in schema.tables,
        has_golang_migrate="schema_migrations" in schema.tables,
        database=schema.database,
        path=schema.path,
        foreign_relations=schema.foreign_relations,
    )


async def read_history(connection: Connection, schema: str | None = None) -> History:
    """Return the history; empty if nothing was migrated yet.

    A database that golang-migrate migrated has one row with its version; see `history.golang_migrate`.

    Raises:
        HistoryMismatch: the schema has a table of that name that another program made.
        DatabaseUnavailable, ForeignObject: see `locate_schema`.
    """
    return await read_history_at(connection, await locate_history(connection, schema))


async def read_history_at(connection: Connection, location: HistoryLocation) -> History:
    """Return the history at a known location; see `read_history`."""
    if not location.has_history:
        return await history_of(connection, location.schema) if location.has_golang_migrate else ()
    try:
        async with transaction(connection, read_only=True):
            with answer_limit(connection, HISTORY_BYTES):
                rows = await connection.fetch(_READ.format(table=location.table))
    except asyncpg.UndefinedTableError:
        return ()  # another runner has just reverted the last version
    except asyncpg.UndefinedColumnError:
        raise _made_by_another_program(location) from None
    columns = zip(*rows, strict=True)  # column by column, since thousands of rows are checked each time
    if not all(kinds.issuperset(map(type, column)) for column, kinds in zip(columns, _TYPES, strict=bool(rows))):
        raise _made_by_another_program(location)
    with as_expected("the history"):
        return tuple(HistoryRow._make((*row[:-2], _DIRECTIONS[row[-2]], _ORIGINS[row[-1]])) for row in rows)


def _made_by_another_program(location: HistoryLocation) -> HistoryMismatch:
    return HistoryMismatch(
        f"The table schema_version in schema {location.schema} was made by another program. Use a schema of its own "
        "for the dashboards, or rename that table.",
        reason="HistoryTableForeign",
    )
