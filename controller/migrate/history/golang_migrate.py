"""History that golang-migrate left in a database, and the locks of its runners.

What golang-migrate applied counts as applied, so nothing runs twice. Its contract, as of v4.19.1
(database/postgres/postgres.go, database/util.go): the table schema_migrations has one row or none, with version and
dirty; runners wait for one another in pg_advisory_lock on a hash of schema, table and database.
"""

import zlib

import asyncpg

from controller.database.connection import Connection
from controller.database.quoting import identifier
from controller.database.transaction import transaction
from controller.errors import HistoryMismatch
from controller.migrate.plan.model import Direction, History, HistoryRow, Origin

_SALT = 1486364155
_ROW = "SELECT version, dirty, clock_timestamp() AS now FROM {table} LIMIT 2"
_DIRTY = (
    "golang-migrate left it dirty, which means one of two things: going up to this version failed, or going down to "
    "it from the next one did. Find out which of the two it is, finish or undo it by hand, and record the version: "
    "dashdb migrate force VERSION"
)


async def history_of(connection: Connection, schema: str) -> History:
    """Return golang-migrate's history as a single row; empty if it applied nothing.

    Raises:
        HistoryMismatch: the table of that name is not golang-migrate's.
    """
    try:
        async with transaction(connection, read_only=True):
            rows = await connection.fetch(_ROW.format(table=f"{identifier(schema)}.schema_migrations"))
    except asyncpg.UndefinedColumnError:
        return ()  # a table of the user with that name
    if len(rows) > 1 or not all(isinstance(row["version"], int) and isinstance(row["dirty"], bool) for row in rows):
        raise HistoryMismatch(
            "schema_migrations has more than one row, or others than a number and true or false, so it is not "
            "golang-migrate's. Rename it, or record the version of the database: dashdb migrate baseline VERSION.",
            reason="HistoryTableForeign",
        )
    if not rows or (rows[0]["version"] < 0 and not rows[0]["dirty"]):
        return ()
    return (_row_of(rows[0]),)


def _row_of(row: asyncpg.Record) -> HistoryRow:
    return HistoryRow(
        version=max(row["version"], 0),
        description="as golang-migrate says",
        direction=Direction.UP,
        sha256="",
        applied_at=row["now"],
        applied_by="golang-migrate",
        host="",
        engine_version="",
        origin=Origin.GOLANG_MIGRATE,
        duration_ms=0,
        retries=0,
        statements_done=None,
        error=_DIRTY if row["dirty"] else None,
        done_sha256=None,
    )


def lock_ids(database: str, schema: str) -> tuple[int, int]:
    """Return the keys of the locks of golang-migrate's runners.

    There are two, since as a library it uses the name of the database, and from a URL the path.
    """
    return (_lock_id(schema, database), _lock_id(schema, f"/{database}"))


def _lock_id(schema: str, database: str) -> int:
    name = f"{schema}\0schema_migrations\0{database}"
    return (zlib.crc32(name.encode()) * _SALT) & 0xFFFFFFFF
