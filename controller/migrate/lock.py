"""Never two runners: an advisory lock for the length of each file's transaction.

A transaction's lock holds behind PgBouncer in transaction mode and is gone with its connection. It is only ever
tried, never waited for: a runner blocked in pg_advisory_lock would stop CREATE INDEX CONCURRENTLY of the one that
works, and PostgreSQL cannot see that deadlock (golang-migrate #960).
"""

import hashlib

from controller.database.connection import Connection

_TRY = "SELECT pg_try_advisory_xact_lock($1)"
# https://www.postgresql.org/docs/current/view-pg-locks.html: a bigint key is split over classid and objid.
_HOLDER = """
SELECT a.pid, coalesce(nullif(a.application_name, ''), 'unknown program') AS program, coalesce(host(a.client_addr), 'local') AS address,
       to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS since
  FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (l.classid::bigint << 32 | l.objid::bigint) = $1
"""  # noqa: E501


async def try_lock(connection: Connection) -> bool:
    """Takes the lock of this schema until the end of the transaction; False where another runner has it."""
    taken: bool = await connection.fetchval(_TRY, await _key(connection))
    return taken


async def describe_holder(connection: Connection) -> str:
    """Who holds the lock and since when, in words for a person that stay the same while they hold it."""
    row = await connection.fetchrow(_HOLDER, await _key(connection))
    if row is None:
        return "another runner"
    return f"{row['program']} from {row['address']} (backend {row['pid']}, since {row['since']})"


async def _key(connection: Connection) -> int:
    """The same for every runner on one schema; the database is part of every advisory lock already."""
    schema = await connection.fetchval("SELECT current_schema()")
    digest = hashlib.sha256(f"dashdb migrate {schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
