"""Setup of a migration session: its limits, the start of its transactions, and its reset."""

import socket
from dataclasses import dataclass, field
from functools import lru_cache

import asyncpg

from controller.database.connection import Connection
from controller.database.transaction import OWN_NAMES

NO_LIMIT = 24 * 3600.0
"""Seconds that stand for no limit: migrations may take any time, and asyncpg has no value for none."""
ROLLBACK_TIMEOUT = 5.0
"""Seconds for a ROLLBACK, with the cancellation of the statement before it."""
SILENT_SECONDS = 60.0
"""Seconds for which a runner may send nothing between two statements of a file. Then the server ends its session, and
with it its lock: a runner whose machine is lost, or whose process is stopped, must not keep all others out for ever."""
NO_LOCK = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

# A role may have another default, but the commit of another runner has to be visible once its lock is released.
BEGIN_FOR_FILE = "BEGIN ISOLATION LEVEL READ COMMITTED;\n"
BEGIN = BEGIN_FOR_FILE + OWN_NAMES
_RESET_KEEPING_LOCKS = (
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; SET standard_conforming_strings = on; "
    "UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; "
)
# A file may have used SET ROLE or SET search_path, made a temporary table or taken a lock, which must not affect the
# next file or the history row. RESET ROLE restores the role of ALTER ROLE ... SET role. RESET ALL behind a pooler
# restores the role's way to read strings, see `connection.STRINGS`. Cursors come first: one may read a temporary table.
QUICK_RESET = f"{_RESET_KEEPING_LOCKS}SELECT pg_catalog.pg_advisory_unlock_all();\n"
"""SQL that resets the session after statements that only write the catalog, and so prepare none."""
# Only those of PREPARE: others belong to the driver or to a pooler.
RESET = f"""{QUICK_RESET}DO $dashdb$ DECLARE prepared text; BEGIN
    FOR prepared IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql LOOP
        EXECUTE pg_catalog.format('DEALLOCATE %I', prepared);
    END LOOP;
END $dashdb$;
"""
DISCARD_ALL = f"{_RESET_KEEPING_LOCKS}DEALLOCATE ALL; DISCARD PLANS;\n"
"""DISCARD ALL without pg_advisory_unlock_all(), which would release the lock of the run:
https://www.postgresql.org/docs/current/sql-discard.html."""

_TRANSACTION_TIMEOUT_SINCE = 17


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings of a run: time limits, the schema, and the host for the history.

    Attributes:
        runner_wait: seconds to wait for another runner to finish.
        lock_timeout_ms: milliseconds that one statement may wait for a table's lock, while all later ones wait behind
            it.
        lock_budget: seconds over which a file that exceeded that limit is tried again.
        schema: schema to migrate; None for the first of the search_path.
        out_of_order: True to apply files that sort before an applied one, instead of refusing them.
        host: machine or Pod that runs the files, for the history.
        scratch: True for a database that lasts some seconds: no catalog is recorded at the end, without which drift
            cannot be read, and no statement is expected to take long.
    """

    runner_wait: float = 15.0
    lock_timeout_ms: int = 1000
    lock_budget: float = 60.0
    schema: str | None = None
    out_of_order: bool = False
    host: str = field(default_factory=socket.gethostname)
    scratch: bool = False


def limits(
    connection: Connection, settings: RunSettings, *, lock_timeout_ms: int | None = None, scope: str = "LOCAL"
) -> str:
    """Return SQL that sets time limits; it is needed again after each RESET.

    Args:
        lock_timeout_ms: milliseconds; None for the value of the settings.
        scope: LOCAL for a transaction, SESSION for a file without one.
    """
    milliseconds = settings.lock_timeout_ms if lock_timeout_ms is None else lock_timeout_ms
    return _limits(milliseconds, round(SILENT_SECONDS * 1000), scope, connection.get_server_version().major)


@lru_cache(maxsize=16)
def _limits(lock_timeout_ms: int, silent_ms: int, scope: str, postgresql: int) -> str:
    values = {
        "lock_timeout": f"'{lock_timeout_ms}ms'",
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": f"'{silent_ms}ms'",
        "client_connection_check_interval": "'500ms'",
    }
    if postgresql >= _TRANSACTION_TIMEOUT_SINCE:
        values["transaction_timeout"] = "0"
    if scope == "SESSION":  # whose lock outlasts its transactions
        values["idle_session_timeout"] = values["idle_in_transaction_session_timeout"]
    return "".join(f"SET {scope} {name} = {value};\n" for name, value in values.items())
