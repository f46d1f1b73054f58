"""Reading of the history: its two tables, which exist until the last migration is reverted."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import asyncpg

from controller.database.answer_messages import as_expected
from controller.database.connection import Connection, answer_limit
from controller.database.located_schema import LocatedSchema
from controller.database.questions import rows_question
from controller.database.schema import locate_schema
from controller.database.transaction import transaction
from controller.errors import HistoryMismatch
from controller.migrate.files.replaces import MOST_IN_ALL, parse_versions
from controller.migrate.history.golang_migrate import history_of
from controller.migrate.history.location import HISTORY, HistoryLocation
from controller.migrate.plan.model import History, HistoryRow, Origin, RecordedState

# In the order of HistoryRow's fields. What a row of schema_version says of its state is what counts.
_READ = """
SELECT v.version, v.description, d.sha256, d.applied_at, v.applied_by, d.host, d.engine_version, d.duration_ms,
       d.retries, d.statements_done,
       CASE WHEN v.state LIKE 'dirty%' THEN coalesce(d.error, 'an unknown place') END AS error,
       d.done_sha256, v.state, d.origin, d.replaces
  FROM {table} AS v LEFT JOIN {detail} AS d USING (version)
 ORDER BY version
"""


HISTORY_BYTES = 4 * 1024 * 1024
"""Limit of a history in bytes, about that of 10,000 migrations."""
_QUESTION_BYTES = 96 * 1024
"""Limit in bytes of a history that is asked for together with other things, about that of 200 migrations."""
_NONE: frozenset[int] = frozenset()
_ONE_EXISTS = "SELECT coalesce(to_regclass($1::text), to_regclass($2::text)) IS NOT NULL"
_TEXT, _NUMBER, _TIME = frozenset((str,)), frozenset((int,)), frozenset((datetime,))
_NULL = frozenset((type(None),))
_TYPES = (
    _NUMBER, _TEXT, _TEXT, _TIME, _TEXT, _TEXT, _TEXT, _NUMBER, _NUMBER, _NUMBER | _NULL, _TEXT | _NULL, _TEXT | _NULL,
    _TEXT, _TEXT, _TEXT | _NULL,
)  # fmt: skip
"""Types that the values of each column may have; a table of the same name may have others."""
_DIRECTIONS = {state.value: state.direction for state in RecordedState}
_ORIGINS = {origin.value: origin for origin in Origin}
"""Members by the text of a row: for thousands of rows, faster than calling the class."""


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
        has_history=not schema.tables.isdisjoint(HISTORY),
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
                return _checked(await connection.fetch(history_query(location)), location)
    except asyncpg.UndefinedTableError:
        if await _is_there(connection, location):
            raise _not_ours(location) from None
        return ()  # another runner has just reverted the last version
    except (asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError):  # of a column of another type
        raise _not_ours(location) from None


def history_question(location: HistoryLocation) -> str:
    """Return the question for the history, as `database.questions.ask` takes it; where it is long, the answer is null.

    The tables have to be there.
    """
    return rows_question(history_query(location), _QUESTION_BYTES)


def history_from(answer: Any, location: HistoryLocation) -> History:
    """Return the history in an answer to `history_question` that is not null.

    Raises:
        HistoryMismatch: the schema has a table of that name that another program made.
    """
    with as_expected("the history"):
        rows = [tuple((each | {"applied_at": _moment(each["applied_at"])}).values()) for each in answer]
    return _checked(rows, location)


def _moment(value: Any) -> datetime | None:
    """Return the time in a value of JSON; None where it is none, or has no time zone."""
    with suppress(ValueError):
        if isinstance(value, str) and (moment := datetime.fromisoformat(value)).tzinfo is not None:
            return moment
    return None


def _checked(rows: Sequence[Sequence[Any]], location: HistoryLocation) -> History:
    """Return the history of rows as `history_query` brings them."""
    with as_expected("the history"):
        columns = zip(*rows, strict=True)  # column by column, since thousands of rows are checked each time
        if not all(kinds.issuperset(map(type, column)) for column, kinds in zip(columns, _TYPES, strict=bool(rows))):
            raise _not_ours(location)
        replaced = _replaced(rows)
        return tuple(
            HistoryRow._make((*row[:-3], _DIRECTIONS[row[-3]], _ORIGINS[row[-2]], replaced.get(row[0], _NONE)))
            for row in rows
        )


def _replaced(rows: Sequence[Sequence[Any]]) -> dict[int, frozenset[int]]:
    """Return the versions that the rows replace, by their own; raise ValueError for more than `MOST_IN_ALL`."""
    found: dict[int, frozenset[int]] = {}
    left = MOST_IN_ALL
    for row in rows:
        if row[-1] is not None:
            found[row[0]] = parse_versions(row[-1], left)
            left -= len(found[row[0]])
    return found


def history_query(location: HistoryLocation) -> str:
    """Return the query for the rows of the history."""
    return _READ.format(table=location.table, detail=location.detail)


async def _is_there(connection: Connection, location: HistoryLocation) -> bool:
    """Return whether one of the tables exists."""
    async with transaction(connection, read_only=True):
        return bool(await connection.fetchval(_ONE_EXISTS, location.table, location.detail))


def _not_ours(location: HistoryLocation) -> HistoryMismatch:
    return HistoryMismatch(
        f"The history in schema {location.schema} is not dashdb's, or a part of it is missing: it has the tables "
        "schema_version and schema_version_detail, and a row for each version in both. Bring back what is missing; or, "
        "where another program made schema_version, rename that table, or use a schema of its own for the dashboards.",
        reason="HistoryTableForeign",
    )
