"""The pool beside servers that hang, restart, or end connections: bounded in time, and nothing left over."""

import asyncio
import math
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import pytest

from controller.database.connection import connected
from controller.database.pool.pool import Pool
from controller.database.pool.pooled_connection import PooledConnection
from controller.database.pool.values import CloseReason
from controller.database.target import Target
from controller.errors import DatabaseUnavailable
from tests.database.database.pool.test_pool import adds_up, eventually, pid, pool_to, used
from tests.database.targets import target_to
from tests.support.postgres import PostgresServer


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that a test may stop and freeze."""
    with PostgresServer(18) as server:
        yield server


async def sleep_on_server(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.fetchval("SELECT pg_sleep(600)")


SLEEPING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"


async def test_a_query_that_takes_too_long_is_cancelled_and_its_connection_used_again(target: Target) -> None:
    async with pool_to(replace(target, query_timeout=0.2), max_open=1, max_idle=1) as pool:
        before = await used(pool)
        with pytest.raises(DatabaseUnavailable, match=r"No answer within 0\.2 s"):
            await sleep_on_server(pool)
        assert await used(pool) == before
        assert pool.statistics.closed == {}


async def test_a_caller_that_is_cancelled_leaves_at_once_and_the_server_stops_working(
    postgres: PostgresServer, target: Target
) -> None:
    async with pool_to(target, max_open=1, max_idle=1) as pool:
        before = await used(pool)
        sleeper = asyncio.create_task(sleep_on_server(pool))
        await eventually(lambda: postgres.psql(postgres.superuser, sql=SLEEPING, args=("-At",)).strip() == "1")
        sleeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeper
        assert await used(pool) == before
        assert postgres.psql(postgres.superuser, sql=SLEEPING, args=("-At",)).strip() == "0"


async def test_a_server_that_hangs_costs_the_query_timeout_once(own_postgres: PostgresServer) -> None:
    """Time is read off what is still there: a second time-out would have outlasted the guard."""
    hanging = target_to(own_postgres.create_database(), query_timeout=1, connect_timeout=1)
    async with pool_to(hanging, max_open=2, max_idle=2) as pool:
        await used(pool)
        own_postgres.freeze()
        try:
            async with asyncio.timeout(1.9):
                with pytest.raises(DatabaseUnavailable, match="No answer within 1 s"):
                    await used(pool)
            async with asyncio.timeout(1.9):
                with pytest.raises(DatabaseUnavailable, match="No answer within 1 s"):
                    await used(pool)
            await eventually(lambda: pool.statistics.open == 0)
        finally:
            own_postgres.thaw()
        assert await used(pool)
        assert adds_up(pool)


async def test_an_idle_connection_that_was_lost_is_counted_at_once(postgres: PostgresServer, target: Target) -> None:
    async with pool_to(target) as pool:
        ours = await used(pool)
        postgres.psql(postgres.superuser, sql=f"SELECT pg_terminate_backend({ours}, 5000)")
        await eventually(lambda: pool.statistics.open == 0)
        assert pool.statistics.closed == {CloseReason.LOST: 1}


async def test_one_that_was_lost_unnoticed_is_replaced_before_anything_is_sent(
    postgres: PostgresServer, target: Target
) -> None:
    async with pool_to(target) as pool:
        async with pool.connection() as first, pool.connection() as second:
            ended = [await pid(first), await pid(second)]
        # psql blocks the event loop, so nobody could have told the pool yet
        postgres.psql(postgres.superuser, sql="".join(f"SELECT pg_terminate_backend({n}, 5000);" for n in ended))
        assert await used(pool) not in ended
        assert pool.statistics.closed == {CloseReason.LOST: 2}


@pytest.mark.parametrize("kind", ["postgres", "tls_postgres"])
async def test_no_step_of_the_event_loop_sees_a_lost_one_as_usable(request: pytest.FixtureRequest, kind: str) -> None:
    server: PostgresServer = request.getfixturevalue(kind)
    async with connected(target_to(server.create_database())) as connection:
        pooled = PooledConnection(connection, dies_at=math.inf)
        assert pooled.usable
        server.psql(server.superuser, sql=f"SELECT pg_terminate_backend({await pid(connection)}, 5000)")
        seen = []
        while not connection.is_closed():
            seen.append(pooled.usable)
            await asyncio.sleep(0)
        assert set(seen) == {False}


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_costs_only_what_was_in_flight(
    own_postgres: PostgresServer, mode: Literal["fast", "immediate"]
) -> None:
    target = target_to(own_postgres.create_database())
    async with pool_to(target, max_open=8, max_idle=8) as pool:
        stop, errors, queries = asyncio.Event(), [], 0

        async def work() -> None:
            nonlocal queries
            while not stop.is_set():
                try:
                    async with pool.connection() as connection:
                        await connection.fetchval("SELECT 1")
                        queries += 1
                except DatabaseUnavailable as error:
                    errors.append(error.reason)

        workers = [asyncio.create_task(work()) for _ in range(8)]
        await eventually(lambda: queries > 100)
        await asyncio.to_thread(own_postgres.stop, mode)
        await asyncio.to_thread(own_postgres.start)
        before = queries
        await eventually(lambda: queries > before + 100)
        stop.set()
        await asyncio.gather(*workers)
        assert len(errors) <= 8  # one for each worker
        assert adds_up(pool)
        statistics = pool.statistics
        assert statistics.opened == statistics.open + sum(statistics.closed.values())


async def test_a_server_that_never_answered_is_dialled_once(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.database.pool.dialer.BRIDGE_SECONDS", 3600)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with pool_to(replace(target, port=unused.getsockname()[1])) as pool:
            with pytest.raises(DatabaseUnavailable) as caught:
                await used(pool)
    assert caught.value.reason == "ConnectionRefused"


async def test_a_server_that_stays_down_is_told_without_delay(own_postgres: PostgresServer) -> None:
    async with pool_to(target_to(own_postgres.create_database())) as pool:
        await used(pool)
        await asyncio.to_thread(own_postgres.stop)
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable) as caught:
                await used(pool)
            assert caught.value.reason == "ConnectionRefused"
        assert pool.statistics.open == 0


async def test_bridging_a_restart_ends_with_the_connect_timeout(own_postgres: PostgresServer) -> None:
    async with pool_to(target_to(own_postgres.create_database(), connect_timeout=0.5)) as pool:
        await used(pool)
        await asyncio.to_thread(own_postgres.stop)
        async with asyncio.timeout(1.5):
            with pytest.raises(DatabaseUnavailable) as caught:
                await used(pool)
        assert caught.value.reason == "ConnectionRefused"


async def test_waiting_and_dialling_share_one_limit(own_postgres: PostgresServer) -> None:
    target = target_to(own_postgres.create_database(), connect_timeout=1)
    async with pool_to(target, max_open=1, max_idle=1) as pool:
        using = asyncio.create_task(sleep_on_server(pool))
        await eventually(lambda: pool.statistics.idle == 0 and pool.statistics.opened == 1)
        own_postgres.freeze()
        try:
            waiting = asyncio.create_task(used(pool))
            await eventually(lambda: pool.statistics.wait_count == 1)
            asyncio.get_running_loop().call_later(0.7, using.cancel)
            async with asyncio.timeout(1.6):
                with pytest.raises(DatabaseUnavailable):
                    await waiting
        finally:
            own_postgres.thaw()
        await asyncio.gather(using, return_exceptions=True)
