"""Faults of a real PostgreSQL, and of a real PgBouncer in front of one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmarks.faults.fault import Case, checked
from benchmarks.migrations import target_to
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.target import Pooler, SslMode, Target
from controller.errors import DashdbError
from tests.support.database import Database, quoted
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer

LONG_CONNECT_SECONDS = 5.0
"""Connect timeout for restarts, longer than one takes."""
CLIENTS, ROUNDS = 8, 10
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND application_name = 'dashdb'"
END_SESSIONS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{}'"


async def warm(target: Target, **settings: Any) -> Pool:
    """Return a pool that has an open connection."""
    pool = Pool(target, PoolSettings(**settings))
    assert (reason := await checked(pool)) == "Healthy", reason
    return pool


async def queried(pool: Pool) -> str:
    """Return the reason for which an endless query fails."""
    try:
        async with pool.connection() as connection:
            await connection.execute("SELECT pg_sleep(600)")
    except DashdbError as error:
        return error.reason
    return "Answered"


async def checked_at_once(pool: Pool) -> str:
    """Return the first bad reason of many checks, which run at once to share sessions behind a pooler."""
    reasons: set[str] = set()
    for _ in range(ROUNDS):
        reasons.update(await asyncio.gather(*(checked(pool) for _ in range(CLIENTS))))
        if bad := reasons - {"Healthy"}:
            return bad.pop()
    return "Healthy"


@dataclass(frozen=True)
class Postgres:
    """Faults of one server; each run has a database of its own, and LIMITS, the timeouts of its target."""

    server: PostgresServer
    limits: dict[str, Any]

    def connections(self, database: str) -> int:
        return int(self.server.psql(self.server.superuser, sql=SESSIONS.format(database), args=("-At",)))

    async def database(self) -> Database:
        return await asyncio.to_thread(self.server.create_database)

    async def target(self, **changes: Any) -> Target:
        return replace(target_to(await self.database()), **{**self.limits, **changes})

    async def as_superuser(self, sql: str) -> None:
        await asyncio.to_thread(self.server.psql, self.server.superuser, sql=sql)

    @asynccontextmanager
    async def nothing_wrong(self) -> AsyncIterator[Case]:
        yield Case(await warm(await self.target()), server=self)

    @asynccontextmanager
    async def frozen(self, *, warmed: bool) -> AsyncIterator[Case]:
        target = await self.target()
        pool = await warm(target) if warmed else Pool(target, PoolSettings())
        self.server.freeze()
        try:
            yield Case(pool, server=self)
        finally:
            self.server.thaw()

    @asynccontextmanager
    async def frozen_in_a_query(self) -> AsyncIterator[Case]:
        pool = await warm(await self.target())
        freezing = asyncio.get_running_loop().call_later(self.limits["query_timeout"] / 2, self.server.freeze)
        try:
            yield Case(pool, queried, self)
        finally:
            freezing.cancel()
            self.server.thaw()

    @asynccontextmanager
    async def frozen_before_close(self) -> AsyncIterator[Case]:
        async def check_and_freeze(pool: Pool) -> str:
            reason = await checked(pool)
            self.server.freeze()
            return reason

        try:
            yield Case(await warm(await self.target()), check_and_freeze, self)
        finally:
            self.server.thaw()

    @asynccontextmanager
    async def restarted(self, mode: Literal["fast", "immediate"]) -> AsyncIterator[Case]:
        """Stop the server, and start it while the pool is used."""
        pool = await warm(await self.target(connect_timeout=LONG_CONNECT_SECONDS))
        await asyncio.to_thread(self.server.stop, mode)
        starting = asyncio.create_task(asyncio.to_thread(self.server.start))
        try:
            yield Case(pool, server=self)
        finally:
            await starting

    @asynccontextmanager
    async def ended_in_a_query(self) -> AsyncIterator[Case]:
        pool = await warm(await self.target())
        ending = asyncio.create_task(self._end_soon(pool.target.database))
        try:
            yield Case(pool, queried, self)
        finally:
            await ending

    async def _end_soon(self, database: str) -> None:
        await asyncio.sleep(self.limits["query_timeout"] / 4)
        await self.as_superuser(END_SESSIONS.format(database))

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[Case]:
        pool = await warm(await self.target())
        await asyncio.to_thread(self.server.stop)
        try:
            yield Case(pool, server=self)
        finally:
            await asyncio.to_thread(self.server.start)

    @asynccontextmanager
    async def failed_over(self) -> AsyncIterator[Case]:
        """End all sessions, and make the database read-only for new ones."""
        pool = await warm(await self.target())
        name = pool.target.database
        read_only = f"ALTER DATABASE {quoted(name)} SET default_transaction_read_only = on;"
        await self.as_superuser(read_only + END_SESSIONS.format(name))
        yield Case(pool, server=self)

    @asynccontextmanager
    async def without_connections(self) -> AsyncIterator[Case]:
        target = await self.target()
        await self.as_superuser(f"ALTER ROLE {quoted(target.user)} CONNECTION LIMIT 0")
        yield Case(Pool(target, PoolSettings()), server=self)

    @asynccontextmanager
    async def exhausted(self) -> AsyncIterator[Case]:
        async def check_with_one_in_use(pool: Pool) -> str:
            async with pool.connection():
                return await checked(pool)

        yield Case(await warm(await self.target(), max_open=1, max_idle=1), check_with_one_in_use, self)

    @asynccontextmanager
    async def without_tls(self) -> AsyncIterator[Case]:
        yield Case(Pool(await self.target(ssl_mode=SslMode.REQUIRE), PoolSettings()), server=self)


@dataclass(frozen=True)
class Pooled:
    """Faults of a server behind PgBouncer, which keeps its own connections to the server."""

    postgres: Postgres
    pooler: PgBouncer

    def connections(self, database: str) -> int:
        return sum(row["database"] == database for row in self.pooler.show("clients"))

    async def target(self, **changes: Any) -> Target:
        database = self.pooler.before(await self.postgres.database())
        return replace(target_to(database), **{**self.postgres.limits, "pooler": Pooler.PGBOUNCER, **changes})

    @asynccontextmanager
    async def server_frozen(self) -> AsyncIterator[Case]:
        pool = await warm(await self.target())
        self.postgres.server.freeze()
        try:
            yield Case(pool)
        finally:
            # PgBouncer 1.18 ends with an assertion of its own once it can send a cancellation whose sender has gone.
            await asyncio.to_thread(self.pooler.stop)
            self.postgres.server.thaw()
            await asyncio.to_thread(self.pooler.start)

    @asynccontextmanager
    async def server_stopped(self) -> AsyncIterator[Case]:
        pool = await warm(await self.target())
        await asyncio.to_thread(self.postgres.server.stop)
        try:
            yield Case(pool, server=self)
        finally:
            await asyncio.to_thread(self.postgres.server.start)

    @asynccontextmanager
    async def restarted(self) -> AsyncIterator[Case]:
        pool = await warm(await self.target())
        await asyncio.to_thread(self.pooler.stop)
        await asyncio.to_thread(self.pooler.start)
        yield Case(pool, server=self)

    @asynccontextmanager
    async def not_declared(self) -> AsyncIterator[Case]:
        yield Case(Pool(await self.target(pooler=Pooler.NONE), PoolSettings()), checked_at_once, self)
