"""Row counts of the data that the down migrations of a plan would remove, within a time limit of their own."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from controller.database.connection import Connection
from controller.database.failures import DRIVER_ERRORS, ends_connection
from controller.database.transaction import transaction
from controller.migrate.history.location import HistoryLocation
from controller.migrate.plan.data_loss import DataLoss, PossibleLoss
from controller.migrate.sql.removed_data import RemovedData

MOST_COUNTED = 10_000
"""Rows to count at most; a person needs no exact figure above it."""
TIME_LIMIT = 2.0
"""Seconds for all tables of a plan together."""
_LOCK_TIMEOUT = 0.5
"""Seconds that a count may wait for a table's lock."""
_ANSWER_TIME = 0.1
"""Seconds by which the server gives up before we do, so that its answer still arrives and the connection is kept."""

# Views and foreign tables are left out: counting them would run code of users, or ask other servers.
_HOLDS_ROWS = """
SELECT c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p']::pg_catalog."char"[]) FROM pg_catalog.pg_class AS c
 WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid
"""


@dataclass(frozen=True, slots=True)
class TableLoss:
    """Data that a down migration removes by name, with the number of rows that it would remove now.

    Attributes:
        rows: number of rows that hold data, `MOST_COUNTED` + 1 for more; None if they were not counted.
    """

    loss: RemovedData
    rows: int | None

    @property
    def table(self) -> str:
        """Name of the table as its file writes it."""
        return self.loss.table.sql

    @property
    def column(self) -> str | None:
        """Name of the column as its file writes it; None if whole rows are removed."""
        return self.loss.column.sql if self.loss.column else None

    @property
    def subject(self) -> str:
        """Name of what is removed: a table, or table.column."""
        return self.table if self.column is None else f"{self.table}.{self.column}"

    @property
    def text(self) -> str:
        """Text for people, with the number of rows."""
        if self.rows is None:
            return f"{self.subject} (rows not counted)"
        count = f"more than {MOST_COUNTED}" if self.rows > MOST_COUNTED else str(self.rows)
        return f"{self.subject} ({count} row{'' if self.rows == 1 else 's'})"

    @property
    def steady_text(self) -> str:
        """Text for a status, which must not change with every row."""
        return f"{self.subject} ({'empty' if self.rows == 0 else 'holds data'})"


CountedLoss = TableLoss | PossibleLoss


async def count_rows(
    connection: Connection, losses: Iterable[DataLoss], location: HistoryLocation, *, seconds: float = TIME_LIMIT
) -> tuple[CountedLoss, ...]:
    """Return the losses in their order, with row counts for tables; read only, within `seconds`.

    Rows that cannot be counted, for whatever reason, are reported as not counted.

    Args:
        location: says in which schemas the files' names are looked up.
        seconds: time limit of all counts together.

    Raises:
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: the connection broke.
    """
    deadline = asyncio.get_running_loop().time() + seconds

    async def counted(loss: DataLoss) -> CountedLoss:
        if not isinstance(loss, RemovedData):
            return loss
        return TableLoss(loss, await _rows(connection, loss, location.search_path, deadline))

    return tuple([await counted(loss) for loss in losses])


async def _rows(connection: Connection, loss: RemovedData, search_path: str, deadline: float) -> int | None:
    """Return the number of rows that hold the data; None if they cannot be counted."""
    remaining = deadline - asyncio.get_running_loop().time() - _ANSWER_TIME
    if remaining <= 0:
        return None
    try:
        async with asyncio.timeout_at(deadline), transaction(connection, read_only=True):
            await connection.execute(_limits(remaining, search_path))
            if not await connection.fetchval(_HOLDS_ROWS, loss.table.sql):
                return None
            rows: int = await connection.fetchval(_count(loss))
            return rows
    except DRIVER_ERRORS as error:
        if connection.is_closed() or (ends_connection(error) and not isinstance(error, TimeoutError)):
            raise
        return None


def _count(loss: RemovedData) -> str:
    only = "ONLY " if loss.only else ""
    # IS NOT NULL is false for a composite value of which one field is NULL.
    where = f" WHERE {loss.column.sql} IS DISTINCT FROM NULL" if loss.column else ""
    return (
        f"SELECT pg_catalog.count(*) FROM (SELECT FROM {only}{loss.table.sql}{where} LIMIT {MOST_COUNTED + 1}) AS held"
    )


def _limits(remaining: float, search_path: str) -> str:
    """Return SQL that sets limits for the transaction; row security makes a query fail instead of filtering rows."""
    settings = {
        "statement_timeout": str(_milliseconds(remaining)),
        "lock_timeout": str(_milliseconds(min(_LOCK_TIMEOUT, remaining))),
        "row_security": "off",
        "search_path": search_path,
    }
    return "".join(f"SET LOCAL {name} = {value};" for name, value in settings.items())


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
