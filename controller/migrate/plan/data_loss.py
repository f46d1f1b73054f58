"""What data a way back would take with it: read out of the files, looked up in the database; nothing is run."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import asyncpg

from controller.database.connection import Connection
from controller.migrate.plan.model import Direction, Step
from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.quoting import identifier

MOST_COUNTED = 10_000
"""Rows; above this nobody waits for an exact figure."""
_LOCK_TIMEOUT_MS = 1000

_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_TABLE = rf"(?:{_NAME}\s*\.\s*)?{_NAME}"
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_FLAGS = re.IGNORECASE | re.DOTALL
_DROP_TABLE = re.compile(rf"DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?({_TABLE}(?:\s*,\s*{_TABLE})*)", _FLAGS)
_TRUNCATE = re.compile(rf"TRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?({_TABLE}(?:\s*,\s*{_TABLE})*)", _FLAGS)
_DELETE = re.compile(rf"DELETE\s+FROM\s+(?:ONLY\s+)?({_TABLE})", _FLAGS)
_ALTER = re.compile(rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?({_TABLE})(.*)", _FLAGS)
_DROP_COLUMN = re.compile(
    rf"\bDROP\s+(?!CONSTRAINT\b|EXPRESSION\b|IDENTITY\b|DEFAULT\b|NOT\b)(?:COLUMN\s+)?(?:IF\s+EXISTS\s+)?({_NAME})",
    _FLAGS,
)
_ONE_TABLE = re.compile(_TABLE)


@dataclass(frozen=True, slots=True)
class Loss:
    """A table that goes, or that loses rows; with `column` only that of it. Names as the file writes them."""

    table: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Toll:
    """A loss as it would be now.

    Attributes:
        rows: that hold something; None where it could not be seen in time, `MOST_COUNTED` + 1 for more than that.
    """

    loss: Loss
    rows: int | None

    @property
    def text(self) -> str:
        """For people, exact."""
        if self.rows is None:
            return f"{self.subject} (rows not counted: it is locked, or not ours to read)"
        count = f"more than {MOST_COUNTED}" if self.rows > MOST_COUNTED else str(self.rows)
        return f"{self.subject} ({count} row{'' if self.rows == 1 else 's'})"

    @property
    def steady_text(self) -> str:
        """For a status, which is not to change with every row."""
        return f"{self.subject} ({'empty' if self.rows == 0 else 'holds data'})"

    @property
    def subject(self) -> str:
        return self.loss.table if self.loss.column is None else f"{self.loss.table}.{self.loss.column}"


def expected_losses(steps: Iterable[Step]) -> tuple[Loss, ...]:
    """What the statements of the steps down name; what a function or DO block would do is not seen. Pure."""
    found: dict[Loss, None] = {}
    for step in steps:
        if step.direction is Direction.DOWN:
            for statement in step.script.statements:
                found.update(dict.fromkeys(_losses_of(statement)))
    return tuple(found)


async def weigh(connection: Connection, losses: Iterable[Loss], schema: str | None) -> tuple[Toll, ...]:
    """The losses that are there to be lost, in the order given; read only.

    Args:
        schema: in which the files' names are looked up; None for the search_path of the user.
    """
    tolls = [Toll(loss, await _rows(connection, loss, schema)) for loss in losses]
    return tuple(toll for toll in tolls if toll.rows != _NOT_THERE)


_NOT_THERE = -1


async def _rows(connection: Connection, loss: Loss, schema: str | None) -> int | None:
    where = "" if loss.column is None else f" WHERE {loss.column} IS NOT NULL"
    count = f"SELECT count(*) FROM (SELECT FROM {loss.table}{where} LIMIT {MOST_COUNTED + 1}) AS held"
    try:
        async with connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
            if schema is not None:
                await connection.execute(f"SET LOCAL search_path = {identifier(schema)}")
            rows: int = await connection.fetchval(count)
            return rows
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError):
        return _NOT_THERE
    except (asyncpg.LockNotAvailableError, asyncpg.InsufficientPrivilegeError, asyncpg.QueryCanceledError):
        return None


def _losses_of(statement: Statement) -> Iterator[Loss]:
    text = _COMMENT.sub(" ", statement.text).strip()
    for pattern in (_DROP_TABLE, _TRUNCATE, _DELETE):
        if match := pattern.match(text):
            yield from (Loss(table) for table in _ONE_TABLE.findall(match[1]))
    if match := _ALTER.match(text):
        yield from (Loss(match[1], column) for column in _DROP_COLUMN.findall(match[2]))
