"""Sessions that block a run, queried over a second connection, since the first one waits."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from controller.database.connection import Connection, OpenConnection
from controller.database.failures import DRIVER_ERRORS
from controller.database.transaction import transaction
from controller.errors import DashdbError
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.lock import HOLDS_LOCK, SESSION_COLUMNS, describe_session, lock_key
from controller.text import NAME_LENGTH, one_line

LONGEST_INTERVAL = 0.5
"""Seconds between two queries; shorter if the lock timeout of the run is shorter."""

# The advisory lock identifies the run, since behind PgBouncer a client does not know its backend.
_BLOCKERS = f"""
SELECT DISTINCT ON (a.pid) {SESSION_COLUMNS.format(since="a.xact_start")}, w.relation::regclass::text AS relation
  FROM pg_locks AS l
 CROSS JOIN LATERAL unnest(pg_blocking_pids(l.pid)) AS blocker
  JOIN pg_stat_activity AS a ON a.pid = blocker
  LEFT JOIN pg_locks AS w ON w.pid = l.pid AND NOT w.granted
 WHERE {HOLDS_LOCK}
 ORDER BY a.pid
 LIMIT 3
"""


class BlockerMonitor:
    """Monitor that finds sessions which block a run, for the duration of a `with`.

    Attributes:
        blocked_by: description of the blockers found last; None if there were none, or no second connection.
    """

    def __init__(
        self,
        open_connection: OpenConnection,
        location: HistoryLocation,
        lock_timeout_ms: int,
        report: Callable[[str], None],
    ) -> None:
        self._open_connection = open_connection
        self._key = lock_key(location)
        self._interval = min(LONGEST_INTERVAL, lock_timeout_ms / 1000 / 2)
        self._report = report
        self._task: asyncio.Task[None] | None = None
        self.blocked_by: str | None = None

    async def __aenter__(self) -> "BlockerMonitor":
        self._task = asyncio.create_task(self._monitor(), name="monitor blockers")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _monitor(self) -> None:
        await asyncio.sleep(self._interval)  # most runs are over by then, and need no second connection
        with suppress(DashdbError, *DRIVER_ERRORS):
            async with self._open_connection() as connection:
                while True:
                    await self._query(connection)
                    await asyncio.sleep(self._interval)

    async def _query(self, connection: Connection) -> None:
        async with transaction(connection, read_only=True):
            rows = await connection.fetch(_BLOCKERS, self._key)
        if rows:
            self.blocked_by = "; ".join(_describe(row) for row in rows)
            self._report(self.blocked_by)


def _describe(row: asyncpg.Record) -> str:
    lock = f"a lock on {one_line(row['relation'], NAME_LENGTH)}, held by" if row["relation"] else "a transaction of"
    return f"{lock} {describe_session(row, since='in a transaction since {}')}"
