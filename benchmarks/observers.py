"""Observers that run beside a measurement: users of the servers, and the memory of the operator."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import asyncpg

from benchmarks.parts import Parts
from tests.support.database import Database
from tests.support.serving import OperatorProcess

EVERY = 0.1
"""Seconds between two looks."""
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dashdb operator'"


class Users:
    """Users who log in to each server again and again, and count the connections of the operator there.

    Attributes:
        refused: why a login failed, in the server's words.
        slowest: milliseconds of the slowest login.
        connections: of the operator on the server where it has most now; `most` of all the time.
    """

    def __init__(self, parts: Parts) -> None:
        self.logins = 0
        self.refused: list[str] = []
        self.slowest = 0.0
        self.connections = self.most = 0
        self._servers = [(postgres.superuser, postgres.create_database()) for postgres in parts.servers]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        self._thread.join()

    async def _run(self) -> None:
        async with AsyncExitStack() as stack:
            counting = [await stack.enter_async_context(_login(administrator)) for administrator, _ in self._servers]
            while not self._stopped.is_set():
                self.connections = max([await connection.fetchval(OURS) for connection in counting])
                self.most = max(self.most, self.connections)
                for _, database in self._servers:
                    await self._log_in(database)
                await asyncio.sleep(EVERY)

    async def _log_in(self, database: Database) -> None:
        started = time.perf_counter()
        try:
            async with _login(database) as connection:
                await connection.fetchval("SELECT 1")
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            self.refused.append(str(error))
        self.logins += 1
        self.slowest = max(self.slowest, (time.perf_counter() - started) * 1000)


@asynccontextmanager
async def _login(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database.dsn, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


class Memory(threading.Thread):
    """Thread that notes the largest resident memory of the operator, in bytes, until `stop`."""

    def __init__(self, operator: OperatorProcess) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self._operator = operator
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._stopped.wait(EVERY):
            self.most = max(self.most, self._operator.resident_bytes)

    def stop(self) -> int:
        self._stopped.set()
        self.join()
        return self.most
