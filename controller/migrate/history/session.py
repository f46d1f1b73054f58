"""How a migration session is set up: its limits, its transactions, and how it is left."""

import socket
from dataclasses import dataclass, field

import asyncpg

from controller.database.connection import Connection
from controller.migrate.sql.quoting import identifier

NO_LIMIT = 24 * 3600.0
"""Seconds; migrations may take as long as they take, and asyncpg has no way to say none."""
ROLLBACK_TIMEOUT = 5.0
"""Seconds for a ROLLBACK, with the cancellation of what ran before it."""
NO_LOCK = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

# Whatever the role's default is: what another runner committed before it let go of the lock has to be seen.
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED;\n"
# A file may have said SET ROLE or SET search_path, made a temporary table or taken a lock: the next one, and the
# history row, see none of it. RESET ROLE goes back to what ALTER ROLE ... SET role asks for.
RESET = "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; DISCARD TEMP; SELECT pg_advisory_unlock_all();\n"

_TRANSACTION_TIMEOUT_SINCE = 17


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How patient a run is, and where it works.

    Attributes:
        runner_wait: seconds to wait for another runner to finish.
        lock_timeout_ms: milliseconds that one statement may queue for a table's lock, and hold up all others
            that queue behind it.
        lock_budget: seconds over which a file that ran into that limit is tried again.
        schema: to migrate; None for the first of the search_path.
        out_of_order: apply files that sort before an applied one too, instead of refusing them.
        host: machine or Pod that runs the files, for the history.
    """

    runner_wait: float = 15.0
    lock_timeout_ms: int = 1000
    lock_budget: float = 60.0
    schema: str | None = None
    out_of_order: bool = False
    host: str = field(default_factory=socket.gethostname)


def limits(
    connection: Connection, settings: RunSettings, *, lock_timeout_ms: int | None = None, scope: str = "LOCAL"
) -> str:
    """SQL that sets what the server watches over, and where names are looked up; said anew after each RESET.

    Args:
        lock_timeout_ms: milliseconds; None for that of the settings.
        scope: LOCAL for the transaction, SESSION for a file without one.
    """
    milliseconds = settings.lock_timeout_ms if lock_timeout_ms is None else lock_timeout_ms
    values = {
        "lock_timeout": f"'{milliseconds}ms'",
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "client_connection_check_interval": "'500ms'",
    }
    if connection.get_server_version().major >= _TRANSACTION_TIMEOUT_SINCE:
        values["transaction_timeout"] = "0"
    if settings.schema is not None:
        values["search_path"] = identifier(settings.schema)
    return "".join(f"SET {scope} {name} = {value};\n" for name, value in values.items())
