"""Never two runners: an advisory lock for the length of each file.

A transaction's lock holds behind PgBouncer in transaction mode and is gone with its connection; a file without a
transaction takes the same lock for the session, which needs a connection of its own. It is only ever tried, never
waited for: a runner blocked in pg_advisory_lock would stop CREATE INDEX CONCURRENTLY of the one that works, and
PostgreSQL cannot see that deadlock (golang-migrate #960).
"""

import hashlib

from controller.database.connection import Connection
from controller.migrate.history.location import HistoryLocation
from controller.migrate.plan.model import Direction, Step
from controller.migrate.sql.quoting import literal

LOCKED, MOVED = "ZD001", "ZD002"
"""SQLSTATEs of the guard: another runner has the lock; the database is no longer where the plan began. Classes from
I to Z are free for use (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

# In one round trip with what it guards: it fails the transaction, instead of answering.
_GUARD = """
DO $dashdb$ BEGIN
    IF NOT {take}({key}) THEN RAISE EXCEPTION USING ERRCODE = '{locked}'; END IF;
    IF {moved} THEN RAISE EXCEPTION USING ERRCODE = '{moved_code}'; END IF;
END $dashdb$;
"""
# https://www.postgresql.org/docs/current/view-pg-locks.html: a bigint key is split over classid and objid.
HOLDS_LOCK = """
l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (l.classid::bigint << 32 | l.objid::bigint) = $1
"""
"""True for the row `l` of pg_locks by which a runner holds the lock whose key is $1."""
_HOLDER = f"""
SELECT a.pid, coalesce(nullif(a.application_name, ''), 'unknown program') AS program,
       coalesce(host(a.client_addr), 'local') AS address,
       to_char(coalesce(a.xact_start, a.query_start) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS since
  FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
 WHERE {HOLDS_LOCK}
"""


def guard(location: HistoryLocation, step: Step, expected: int) -> str:
    """SQL that takes the lock until the end of the transaction, and fails where there is nothing to do for us.

    Args:
        expected: the version at which the database has to be.
    """
    return _guard(location, _moved(location, step, expected), take="pg_try_advisory_xact_lock")


def guard_behind(location: HistoryLocation, expected: int) -> str:
    """As `guard`, for a step that is sent with the one before it: it reads the end of the history, and not all of it.

    Not for a step upwards that comes late, to a version below `expected`. What another runner left half done further
    down, in the moment between the two, is seen with the next message.
    """
    last = f"FROM {location.table} WHERE direction = 'up' OR error IS NOT NULL ORDER BY version DESC LIMIT 1"
    moved = f"(SELECT version = {expected} AND direction = 'up' AND error IS NULL {last}) IS NOT TRUE"
    return _guard(location, moved, take="pg_try_advisory_xact_lock")


def empty_guard(location: HistoryLocation) -> str:
    """As `guard`, for what may be done only as long as there is no history."""
    return _guard(location, f"to_regclass({literal(location.table)}) IS NOT NULL", take="pg_try_advisory_xact_lock")


def session_guard(location: HistoryLocation, step: Step, expected: int) -> str:
    """As `guard`, until the end of the session, or pg_advisory_unlock_all()."""
    return _guard(location, _moved(location, step, expected), take="pg_try_advisory_lock")


def lock_only(location: HistoryLocation) -> str:
    """SQL that takes the lock until the end of the transaction, wherever the database is."""
    return _guard(location, "false", take="pg_try_advisory_xact_lock")


async def describe_holder(connection: Connection, location: HistoryLocation) -> str:
    """Who holds the lock and since when, in words for a person that stay the same while they hold it."""
    row = await connection.fetchrow(_HOLDER, lock_key(location))
    if row is None:
        return "another runner"
    return f"{row['program']} from {row['address']} (backend {row['pid']}, since {row['since']})"


def lock_key(location: HistoryLocation) -> int:
    """The same for every runner on one schema; the database is part of every advisory lock already."""
    digest = hashlib.sha256(f"dashdb migrate {location.schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _guard(location: HistoryLocation, moved: str, *, take: str) -> str:
    return _GUARD.format(take=take, key=lock_key(location), moved=moved, locked=LOCKED, moved_code=MOVED)


def _moved(location: HistoryLocation, step: Step, expected: int) -> str:
    """True where the database is not as the plan found it, as a condition in SQL."""
    table = location.table
    if not location.has_history:
        return f"to_regclass({literal(table)}) IS NOT NULL"
    highest = f"SELECT version FROM {table} WHERE (direction = 'up') = (error IS NULL) ORDER BY version DESC LIMIT 1"
    conditions = [f"coalesce(({highest}), 0) <> {expected}"]
    dirty = f"SELECT FROM {table} WHERE error IS NOT NULL"
    if step.resume_at is not None:
        dirty += f" AND (version, statements_done) <> ({step.migration.version}, {step.resume_at})"
    conditions.append(f"EXISTS ({dirty})")
    if step.direction is Direction.UP:  # out of order, the highest stays where it is
        applied = f"SELECT FROM {table} WHERE version = {step.migration.version} AND direction = 'up' AND error IS NULL"
        conditions.append(f"EXISTS ({applied})")
    return " OR ".join(conditions)
