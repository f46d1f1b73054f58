"""The table schema_version: one row a version, made with the first migration and gone with the last."""

import asyncpg

from controller.database.connection import Connection
from controller.errors import DatabaseUnavailable, HistoryMismatch, Recovery
from controller.migrate.plan import Direction, History, HistoryRow, Step

# Short columns first: `SELECT * FROM schema_version` is what people type.
_CREATE = """
CREATE TABLE IF NOT EXISTS schema_version (
    version        bigint      PRIMARY KEY CHECK (version > 0),
    description    text        NOT NULL,
    direction      text        NOT NULL CHECK (direction IN ('up', 'down')),
    applied_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by     text        NOT NULL DEFAULT session_user,
    host           text        NOT NULL,
    engine_version text        NOT NULL,
    duration_ms    bigint      NOT NULL CHECK (duration_ms >= 0),
    retries        integer     NOT NULL CHECK (retries >= 0),
    error          text,
    sha256         text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    down_sql       text        NOT NULL
)
"""
_COMMENT = """
COMMENT ON TABLE  schema_version IS 'History of the migrations, kept by dashdb; do not edit, use dashdb migrate';
COMMENT ON COLUMN schema_version.direction IS 'What was done last: up, the version is applied; down, it was reverted';
COMMENT ON COLUMN schema_version.applied_by IS 'The database role that ran it';
COMMENT ON COLUMN schema_version.host IS 'The machine or Pod that ran it';
COMMENT ON COLUMN schema_version.retries IS 'Tries given up because a lock could not be had in time';
COMMENT ON COLUMN schema_version.error IS 'Null, or why the version is half applied (dirty)';
COMMENT ON COLUMN schema_version.sha256 IS 'Digest of the up file as it was applied, line ends normalised';
COMMENT ON COLUMN schema_version.down_sql IS 'The way back as it was shipped when the version was applied'
"""
_EXISTS = "SELECT current_schema(), to_regclass(quote_ident(current_schema()) || '.schema_version') IS NOT NULL"
_READ = """
SELECT version, description, direction, applied_at, applied_by, host, engine_version, duration_ms, retries, error,
       sha256
  FROM schema_version ORDER BY version
"""
_CURRENT = "SELECT coalesce(max(version) FILTER (WHERE direction = 'up'), 0) FROM schema_version"
_RECORD = """
INSERT INTO schema_version
       (version, description, direction, host, engine_version, duration_ms, retries, error, sha256, down_sql)
VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8, $9)
ON CONFLICT (version) DO UPDATE SET
       description = excluded.description, direction = excluded.direction, applied_at = clock_timestamp(),
       applied_by = session_user, host = excluded.host, engine_version = excluded.engine_version,
       duration_ms = excluded.duration_ms, retries = excluded.retries, error = NULL, sha256 = excluded.sha256,
       down_sql = excluded.down_sql
"""
_DROP_IF_EMPTY = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM schema_version WHERE direction = 'up') THEN DROP TABLE schema_version; END IF;
END $$
"""


async def read_history(connection: Connection) -> History:
    """The history, read only; empty where the table does not exist.

    Raises:
        HistoryMismatch: the schema holds a table of that name that is not ours.
        DatabaseUnavailable: there is no schema to look in.
    """
    if not await _exists(connection):
        return ()
    try:
        rows = await connection.fetch(_READ)
    except asyncpg.UndefinedTableError:
        return ()  # another runner has just reverted the last version
    except asyncpg.UndefinedColumnError:
        raise HistoryMismatch(
            "The table schema_version in this schema was made by another program. Use a schema of its own for the "
            "dashboards, or rename that table.",
            reason="HistoryTableForeign",
        ) from None
    return tuple(HistoryRow(**{**dict(row), "direction": Direction(row["direction"])}) for row in rows)


async def read_current(connection: Connection) -> int:
    """The applied version; 0 for an empty database."""
    version: int = await connection.fetchval(_CURRENT) if await _exists(connection) else 0
    return version


async def create_table(connection: Connection) -> None:
    """Makes the table if it is missing; to be called inside the transaction of the first file."""
    if not await _exists(connection):
        await connection.execute(_CREATE)
        await connection.execute(_COMMENT)


async def record(connection: Connection, step: Step, *, host: str, engine: str, seconds: float, retries: int) -> None:
    """Writes what `step` did, inside the transaction that did it; the last step down takes the table with it."""
    migration = step.migration
    await connection.execute(
        _RECORD,
        migration.version,
        migration.description,
        step.direction.value,
        host,
        engine,
        round(seconds * 1000),
        retries,
        migration.up.sha256,
        migration.down.text,
    )
    if step.direction is Direction.DOWN:
        await connection.execute(_DROP_IF_EMPTY)


async def _exists(connection: Connection) -> bool:
    schema, exists = await connection.fetchrow(_EXISTS)
    if schema is None:
        raise DatabaseUnavailable(
            "No schema to create tables in: the search_path of this user names none that exists and is open to it. "
            "CREATE SCHEMA, or GRANT USAGE, CREATE ON SCHEMA.",
            reason="SchemaMissing",
            recovery=Recovery.WAITING,
        )
    return bool(exists)
