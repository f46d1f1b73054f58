"""Who blocks the run: asked over a second connection, since the first one is busy waiting."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from controller.database.connection import Connection, OpenConnection
from controller.database.failures import DRIVER_ERRORS
from controller.errors import DashdbError
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.lock import HOLDS_LOCK, lock_key

LONGEST_INTERVAL = 0.5
"""Seconds between two looks; shorter where a statement waits for less than that before it gives up."""

# The run is known by its advisory lock: behind PgBouncer a client does not know its backend.
_BLOCKERS = f"""
SELECT DISTINCT ON (b.pid) b.pid, coalesce(nullif(b.application_name, ''), 'unknown program') AS program,
       coalesce(b.usename, 'a background process') AS role, coalesce(host(b.client_addr), 'local') AS address,
       to_char(b.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS since,
       w.relation::regclass::text AS relation
  FROM pg_locks AS l
 CROSS JOIN LATERAL unnest(pg_blocking_pids(l.pid)) AS blocker
  JOIN pg_stat_activity AS b ON b.pid = blocker
  LEFT JOIN pg_locks AS w ON w.pid = l.pid AND NOT w.granted
 WHERE {HOLDS_LOCK}
 ORDER BY b.pid
 LIMIT 3
"""


class BlockerMonitor:
    """Looks, while a run goes on, whether somebody stands in its way.

    `blocked_by` is what was seen last, in words; None for nobody, and where no second connection is to be had.
    """

    def __init__(
        self,
        open_connection: OpenConnection,
        location: HistoryLocation,
        lock_timeout_ms: int,
        tell: Callable[[str], None],
    ) -> None:
        self._beside = open_connection
        self._key = lock_key(location)
        self._interval = min(LONGEST_INTERVAL, lock_timeout_ms / 1000 / 2)
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self.blocked_by: str | None = None

    async def __aenter__(self) -> "BlockerMonitor":
        self._task = asyncio.create_task(self._look_around(), name="watch for blockers")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _look_around(self) -> None:
        await asyncio.sleep(self._interval)  # most runs are over by then, and need no second connection
        with suppress(DashdbError, *DRIVER_ERRORS):
            async with self._beside() as connection:
                while True:
                    await self._look(connection)
                    await asyncio.sleep(self._interval)

    async def _look(self, connection: Connection) -> None:
        rows = await connection.fetch(_BLOCKERS, self._key)
        if rows:
            self.blocked_by = "; ".join(_in_words(row) for row in rows)
            self._tell(self.blocked_by)


def _in_words(row: asyncpg.Record) -> str:
    lock = f"a lock on {row['relation']}, held by" if row["relation"] else "a transaction of"
    since = f", in a transaction since {row['since']}" if row["since"] else ""
    return f"{lock} {row['role']} with {row['program']} from {row['address']} (backend {row['pid']}{since})"
