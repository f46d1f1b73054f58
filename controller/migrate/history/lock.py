"""Advisory lock that keeps two runners apart, held while each file runs.

A lock of the transaction works behind PgBouncer in transaction mode and ends with its connection; a file without a
transaction takes the same lock for the session, which needs a connection of its own. A runner tries to take it and
never waits inside PostgreSQL: a runner blocked in pg_advisory_lock would stop CREATE INDEX CONCURRENTLY of the other
one, and PostgreSQL cannot detect that deadlock (golang-migrate #960).
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from controller.database.connection import Connection
from controller.database.quoting import literal
from controller.database.transaction import transaction
from controller.migrate.history.location import IS_APPLIED, HistoryLocation
from controller.migrate.plan.model import EMPTY, Direction, Step
from controller.text import NAME_LENGTH, one_line

LOCKED, MOVED = "ZD001", "ZD002"
"""SQLSTATEs that a guard raises: another runner has the lock; the database is not at the expected version. Classes from
I to Z are free for use (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

# It raises an error instead of returning a result, so that it can share one message with the statements after it.
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
"""SQL condition on a row `l` of pg_locks: it is the lock with the key $1, and it is held."""
SESSION_COLUMNS = """
       a.pid, nullif(a.application_name, '') AS program, a.usename::text AS role,
       CASE WHEN a.client_addr IS NOT NULL THEN host(a.client_addr)
            WHEN a.client_port = -1 THEN 'the same machine' END AS address,
       to_char({since} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS since
"""
"""Columns of a row `a` of pg_stat_activity that `describe_session` reads."""
_HOLDER = f"""
SELECT {SESSION_COLUMNS.format(since="coalesce(a.xact_start, a.query_start)")}
  FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
 WHERE {HOLDS_LOCK}
"""


def guard(location: HistoryLocation, step: Step, expected: int) -> str:
    """Return SQL that takes the lock for the transaction, and fails unless the database is as the plan expects.

    Args:
        expected: version at which the database has to be.
    """
    return _guard(location, _moved(location, step, expected), take="pg_try_advisory_xact_lock")


def guard_in_batch(location: HistoryLocation, expected: int) -> str:
    """Return the guard for a step that is sent in one message with the step before it.

    It reads only the last row of the history, so it must not be used for an up migration to a version below `expected`.
    A lower version that another runner left dirty between the two steps is detected with the next message.
    """
    last = f"FROM {location.table} WHERE state NOT IN ('reverted', 'replaced') ORDER BY version DESC LIMIT 1"
    moved = f"(SELECT version = {expected} AND state = 'applied' {last}) IS NOT TRUE"
    return _guard(location, moved, take="pg_try_advisory_xact_lock")


def empty_guard(location: HistoryLocation) -> str:
    """Return the guard for a change that requires that there is no history."""
    return _guard(location, f"to_regclass({literal(location.table)}) IS NOT NULL", take="pg_try_advisory_xact_lock")


def session_guard(location: HistoryLocation, step: Step, expected: int) -> str:
    """Return the guard that takes the lock for the session, until its end or pg_advisory_unlock_all()."""
    return _guard(location, _moved(location, step, expected), take="pg_try_advisory_lock")


def keep_session_lock(location: HistoryLocation) -> str:
    """Return SQL that takes the lock for the session again, in case a file has released it."""
    return _guard(location, "false", take="pg_try_advisory_lock")


def lock_only(location: HistoryLocation) -> str:
    """Return SQL that takes the lock for the transaction, whatever the version of the database."""
    return _guard(location, "false", take="pg_try_advisory_xact_lock")


async def describe_holder(connection: Connection, location: HistoryLocation) -> str:
    """Return text that says who holds the lock and since when; it stays the same while they hold it."""
    async with transaction(connection, read_only=True):
        row = await connection.fetchrow(_HOLDER, lock_key(location))
    if row is None:
        return "another runner"
    return describe_session(row, since="since {}")


def describe_session(row: Mapping[str, Any], *, since: str) -> str:
    """Return words for a session: what is known of it, since PostgreSQL shows little of other roles' sessions.

    Args:
        row: `SESSION_COLUMNS`.
        since: words for the time, with {} in the place of it.
    """
    program = one_line(row["program"] or "", NAME_LENGTH)
    role = f"role {one_line(row['role'], NAME_LENGTH)}" if row["role"] else ""
    who = program or (f"a session of {role}" if role else "a background process")
    where = f" from {row['address']}" if row["address"] else ""
    details = [f"backend {row['pid']}", *([role] if program and role else [])]
    details += [since.format(row["since"])] if row["since"] else []
    return f"{who}{where} ({', '.join(details)})"


def lock_key(location: HistoryLocation) -> int:
    """Return the key of the lock for a schema; PostgreSQL adds the database to every advisory lock."""
    digest = hashlib.sha256(f"dashdb migrate {location.schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _guard(location: HistoryLocation, moved: str, *, take: str) -> str:
    return _GUARD.format(take=take, key=lock_key(location), moved=moved, locked=LOCKED, moved_code=MOVED)


def _moved(location: HistoryLocation, step: Step, expected: int) -> str:
    """Return a condition in SQL that is true if the database is not as the plan expects."""
    table = location.table
    if not location.has_history:
        return f"to_regclass({literal(table)}) IS NOT NULL"
    highest = f"SELECT version FROM {table} WHERE {IS_APPLIED} ORDER BY version DESC LIMIT 1"
    conditions = [f"coalesce(({highest}), {EMPTY}) <> {expected}"]
    dirty = f"SELECT FROM {table} WHERE state IN ('dirty up', 'dirty down')"
    if step.resume_at is not None:
        done = f"SELECT statements_done FROM {location.detail} AS d WHERE d.version = {step.migration.version}"
        dirty += f" AND (version <> {step.migration.version} OR ({done}) IS DISTINCT FROM {step.resume_at})"
    conditions.append(f"EXISTS ({dirty})")
    if step.direction is Direction.UP:  # out of order, the highest stays where it is
        applied = f"SELECT FROM {table} WHERE version = {step.migration.version} AND state = 'applied'"
        conditions.append(f"EXISTS ({applied})")
    return " OR ".join(conditions)
