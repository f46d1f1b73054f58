"""Pool behind a real PgBouncer in transaction mode, which gives each transaction another server connection."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from controller.database.pool.pool import Pool
from controller.database.pool.values import CloseReason, PoolSettings
from controller.database.target import Pooler, Target
from controller.database.transaction import transaction
from controller.errors import DatabaseUnavailable
from tests.database.programs import sleepers
from tests.database.targets import target_to
from tests.support.database import Database
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until_async

CLIENTS = 20


@pytest.fixture
def pgbouncer(postgres: PostgresServer) -> Iterator[PgBouncer]:
    """Two server connections, so that clients meet each other's."""
    with PgBouncer(postgres) as running:
        yield running


@pytest.fixture
def pooled(pgbouncer: PgBouncer, database: Database) -> Target:
    return target_to(pgbouncer.before(database), pooler=Pooler.PGBOUNCER, connect_timeout=5.0)


@pytest_asyncio.fixture
async def pool(pooled: Target) -> AsyncIterator[Pool]:
    pool = Pool(pooled, PoolSettings(max_open=CLIENTS))
    yield pool
    await pool.close()


async def test_statements_with_parameters_are_never_mixed_up(pool: Pool) -> None:
    async def client(number: int) -> None:
        for turn in range(20):
            async with pool.connection() as connection:
                assert await connection.fetchval(f"SELECT $1::int + {turn}", number) == number + turn

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    assert pool.statistics.opened <= CLIENTS


async def test_without_being_told_of_it_the_error_names_the_setting(pooled: Target) -> None:
    pool = Pool(replace(pooled, pooler=Pooler.NONE), PoolSettings(max_open=CLIENTS))

    async def client() -> None:
        for turn in range(20):
            async with pool.connection() as connection:
                await connection.fetchval(f"SELECT $1::int + {turn % 3}", 1)

    ends = await asyncio.gather(*(client() for _ in range(CLIENTS)), return_exceptions=True)
    await pool.close()
    told = [end for end in ends if isinstance(end, DatabaseUnavailable)]
    assert {error.reason for error in told} == {"PoolerNotDeclared"}
    assert "--pooler pgbouncer" in told[0].message


async def test_what_a_transaction_sets_for_itself_is_nobody_elses(pool: Pool) -> None:
    async with pool.connection() as connection, transaction(connection):
        await connection.execute("SET LOCAL search_path = pg_catalog")
        await connection.execute("SET LOCAL statement_timeout = '1h'")

    async def setting(name: str) -> str:
        async with pool.connection() as connection:
            value: str = await connection.fetchval("SELECT current_setting($1)", name)
            return value

    seen = await asyncio.gather(*(setting("search_path") for _ in range(CLIENTS)))
    seen += await asyncio.gather(*(setting("statement_timeout") for _ in range(CLIENTS)))
    assert set(seen) == {'"$user", public', "0"}


async def test_a_query_that_takes_too_long_is_cancelled_on_the_server(
    pooled: Target, postgres: PostgresServer, database: Database
) -> None:
    pool = Pool(replace(pooled, query_timeout=0.3), PoolSettings())
    with pytest.raises(DatabaseUnavailable, match=r"within 0\.3 s"):
        async with pool.connection() as connection:
            await connection.execute("SELECT pg_sleep(600)")

    async def nobody_sleeps() -> bool:
        return sleepers(postgres, database.name) == 0

    await wait_until_async(nobody_sleeps, what="the server was told", seconds=10)
    async with pool.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await pool.close()


async def test_a_transaction_that_is_cancelled_leaves_nothing_open_on_the_server(
    pool: Pool, postgres: PostgresServer, database: Database
) -> None:
    async def work() -> None:
        async with pool.connection() as connection, transaction(connection):
            await connection.execute("CREATE TABLE public.half_done ()")
            await connection.execute("SELECT pg_sleep(600)")

    async def asleep() -> bool:
        return sleepers(postgres, database.name) == 1

    task = asyncio.create_task(work())
    await wait_until_async(asleep, what="it sleeps", seconds=10)
    task.cancel()
    await asyncio.wait([task])
    async with pool.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass('half_done')") is None
        idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = $1"
        assert await connection.fetchval(idle, database.name) == 0


async def test_its_restart_costs_no_error_where_nothing_was_in_flight(pool: Pool, pgbouncer: PgBouncer) -> None:
    async with pool.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    pgbouncer.stop()
    pgbouncer.start()
    async with pool.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    assert pool.statistics.closed == {CloseReason.LOST: 1}


async def test_while_it_is_away_clients_are_told_and_afterwards_all_is_well(pool: Pool, pgbouncer: PgBouncer) -> None:
    async with pool.connection() as connection:
        await connection.fetchval("SELECT 1")
    pgbouncer.stop()
    with pytest.raises(DatabaseUnavailable) as caught:
        async with pool.connection():
            raise AssertionError("nothing listens")
    assert caught.value.reason == "ConnectionRefused"
    pgbouncer.start()
    async with pool.connection() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_server_that_is_away_behind_it_is_told_in_time_and_heals() -> None:
    with PostgresServer(18) as server, PgBouncer(server) as pgbouncer:
        own = pgbouncer.before(server.create_database())
        target = target_to(own, pooler=Pooler.PGBOUNCER, connect_timeout=1.0, query_timeout=1.0)
        pool = Pool(target, PoolSettings())
        async with pool.connection() as connection:
            await connection.fetchval("SELECT 1")
        server.stop()
        with pytest.raises(DatabaseUnavailable):
            async with pool.connection() as connection:
                await connection.fetchval("SELECT 1")
        server.start()

        async def answers() -> bool:
            try:
                async with pool.connection() as connection:
                    return bool(await connection.fetchval("SELECT true"))
            except DatabaseUnavailable:
                return False

        await wait_until_async(answers, what="it answers again", seconds=20)
        await pool.close()
