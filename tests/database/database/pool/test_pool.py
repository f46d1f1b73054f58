"""The pool: how many connections, for how long, and what its numbers say."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from controller.database.connection import Connection
from controller.database.pool.pool import Pool
from controller.database.pool.values import CloseReason, PoolSettings
from controller.database.target import Target
from controller.errors import DatabaseUnavailable, MigrationFailed
from tests.support.postgres import PostgresServer


@asynccontextmanager
async def pool_to(target: Target, **settings: float) -> AsyncIterator[Pool]:
    pool = Pool(target, PoolSettings(**settings))  # type: ignore[arg-type]
    try:
        yield pool
    finally:
        await pool.close()


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the pool has no event for each of its numbers
            await asyncio.sleep(0.005)


async def pid(connection: Connection) -> int:
    number: int = await connection.fetchval("SELECT pg_backend_pid()")
    return number


async def used(pool: Pool) -> int:
    async with pool.connection() as connection:
        return await pid(connection)


def adds_up(pool: Pool) -> bool:
    now = pool.statistics
    return now.open == now.in_use + now.idle and now.open <= now.max_open


async def test_a_connection_is_used_again(target: Target) -> None:
    async with pool_to(target) as pool:
        assert pool.statistics.open == 0
        assert await used(pool) == await used(pool)
        assert (pool.statistics.open, pool.statistics.idle, pool.statistics.in_use) == (1, 1, 0)
        assert (pool.statistics.wait_count, pool.statistics.closed) == (0, {})


async def test_never_more_are_open_than_allowed_and_everybody_gets_one(target: Target) -> None:
    async with pool_to(target, max_open=3, max_idle=3) as pool:
        seen: set[int] = set()

        async def use(number: int) -> None:
            async with pool.connection() as connection:
                seen.add(await pid(connection))
                assert adds_up(pool)

        async with asyncio.timeout(20):
            await asyncio.gather(*map(use, range(40)))
        assert 1 <= len(seen) <= 3
        assert pool.statistics.wait_count > 0
        assert pool.statistics.wait_seconds > 0
        assert pool.statistics.in_use == 0


async def test_waiting_for_a_free_one_has_an_end(target: Target) -> None:
    async with pool_to(replace(target, connect_timeout=0.2), max_open=1, max_idle=1) as pool:
        async with pool.connection():
            with pytest.raises(DatabaseUnavailable, match="all 1 connections of the pool are in use") as caught:
                await used(pool)
        assert caught.value.reason == "PoolExhausted"
        assert pool.statistics.wait_count == 1
        assert await used(pool)


async def test_who_waits_gets_the_one_that_comes_back(target: Target) -> None:
    async with pool_to(target, max_open=1, max_idle=1) as pool:
        async with pool.connection() as connection:
            first = await pid(connection)
            waiting = asyncio.create_task(used(pool))
            await eventually(lambda: pool.statistics.wait_count == 1)
        assert await waiting == first


async def test_who_stops_waiting_takes_nothing_along(target: Target) -> None:
    async with pool_to(target, max_open=1, max_idle=1) as pool:
        async with pool.connection():
            waiting = asyncio.create_task(used(pool))
            await eventually(lambda: pool.statistics.wait_count == 1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        async with asyncio.timeout(10):
            assert await used(pool)


async def hold(pool: Pool, count: int) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(pool.connection())
        assert pool.statistics.in_use == count


@pytest.mark.parametrize("max_idle", [0, 1, 2])
async def test_no_more_idle_connections_are_kept_than_asked(
    target: Target, monkeypatch: pytest.MonkeyPatch, max_idle: int
) -> None:
    monkeypatch.setattr("controller.database.pool.pool.SURPLUS_SECONDS", 0.05)
    async with pool_to(target, max_idle=max_idle) as pool:
        await hold(pool, 4)
        await eventually(lambda: pool.statistics.open == max_idle)
        assert pool.statistics.idle == max_idle
        assert pool.statistics.closed == {CloseReason.IDLE: 4 - max_idle}


async def test_between_two_bursts_surplus_connections_are_kept(target: Target) -> None:
    async with pool_to(target, max_idle=0) as pool:
        for _ in range(3):
            await hold(pool, 4)
        assert (pool.statistics.opened, pool.statistics.idle) == (4, 4)


async def test_who_waits_gets_the_connection_itself_also_where_no_idle_one_would_be_kept(target: Target) -> None:
    async with pool_to(target, max_open=2, max_idle=0) as pool:
        await asyncio.gather(*(used(pool) for _ in range(30)))
        assert pool.statistics.opened == 2


async def test_those_who_wait_are_served_in_the_order_in_which_they_came(target: Target) -> None:
    served: list[int] = []

    async def use(number: int) -> None:
        async with pool.connection():
            served.append(number)

    async with pool_to(target, max_open=1, max_idle=1) as pool:
        async with pool.connection():
            waiting = []
            for number in range(5):
                waiting.append(asyncio.create_task(use(number)))
                await eventually(lambda: pool.statistics.wait_count == len(waiting))
        await asyncio.gather(*waiting, use(5))
    assert served == [0, 1, 2, 3, 4, 5]


async def test_an_idle_connection_is_closed_after_its_time(target: Target) -> None:
    async with pool_to(target, max_idle_time=0.05) as pool:
        await used(pool)
        await eventually(lambda: pool.statistics.open == 0)
        assert pool.statistics.closed == {CloseReason.IDLE_TIME: 1}
        assert await used(pool)
        await eventually(lambda: pool.statistics.closed == {CloseReason.IDLE_TIME: 2})


async def test_a_connection_that_is_used_again_and_again_still_ends_with_its_lifetime(target: Target) -> None:
    async with pool_to(target, max_lifetime=0.2) as pool:
        seen = {await used(pool)}
        async with asyncio.timeout(10):
            while len(seen) < 2:
                seen.add(await used(pool))
        assert pool.statistics.closed.keys() == {CloseReason.LIFETIME}


async def test_a_connection_that_nobody_uses_ends_with_its_lifetime_too(target: Target) -> None:
    async with pool_to(target, max_lifetime=0.1, max_idle_time=600) as pool:
        await used(pool)
        await eventually(lambda: pool.statistics.open == 0)
        assert pool.statistics.closed == {CloseReason.LIFETIME: 1}


async def test_one_that_comes_later_and_dies_earlier_is_not_forgotten(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = itertools.cycle([0.999, 0.0])  # the second comes back first
    monkeypatch.setattr("controller.database.pool.pool.LIFETIME_JITTER", 1.0)
    monkeypatch.setattr(random, "uniform", lambda low, high: next(part))
    async with pool_to(target, max_lifetime=300, max_idle_time=600) as pool:
        async with pool.connection(), pool.connection():
            pass
        await eventually(lambda: pool.statistics.closed.get(CloseReason.LIFETIME) == 1)
        assert pool.statistics.open == 1


async def test_one_in_use_is_not_taken_away_and_ends_when_it_comes_back(target: Target) -> None:
    async with pool_to(target, max_lifetime=0.01, max_idle_time=0.01) as pool:
        async with pool.connection() as connection:
            await connection.fetchval("SELECT pg_sleep(0.1)")
        await eventually(lambda: pool.statistics.closed == {CloseReason.LIFETIME: 1})
        assert pool.statistics.open == 0


async def test_connections_that_the_server_ended_are_replaced(postgres: PostgresServer, target: Target) -> None:
    async with pool_to(target) as pool:
        async with pool.connection() as first, pool.connection() as second:
            pids = {await pid(first), await pid(second)}
            lost = [asyncio.Event(), asyncio.Event()]
            first.add_termination_listener(lambda _: lost[0].set())
            second.add_termination_listener(lambda _: lost[1].set())
        ended = ", ".join(f"pg_terminate_backend({number}, 5000)" for number in pids)
        postgres.psql(postgres.superuser, sql=f"SELECT {ended}")
        await eventually(lambda: all(event.is_set() for event in lost))
        replacement = await used(pool)
        assert replacement not in pids
        await used(pool)
        assert pool.statistics.closed == {CloseReason.LOST: 2}
        assert adds_up(pool)


async def test_a_connection_that_breaks_in_use_is_told_and_not_used_again(
    postgres: PostgresServer, target: Target
) -> None:
    async with pool_to(target) as pool:

        async def lose() -> None:
            async with pool.connection() as connection:
                ours = await pid(connection)
                postgres.psql(postgres.superuser, sql=f"SELECT pg_terminate_backend({ours}, 5000)")
                await connection.fetchval("SELECT 1")

        with pytest.raises(DatabaseUnavailable) as caught:
            await lose()
        assert caught.value.reason == "ConnectionLost"
        assert (pool.statistics.open, pool.statistics.closed) == (0, {CloseReason.LOST: 1})
        assert await used(pool)


@pytest.mark.parametrize("error", [MigrationFailed("ours"), ValueError("a bug"), asyncio.CancelledError()], ids=repr)
async def test_whatever_ends_a_use_the_place_is_free_again(target: Target, error: BaseException) -> None:
    async with pool_to(target, max_open=1, max_idle=1) as pool:
        for _ in range(3):
            with pytest.raises(type(error)):
                async with pool.connection():
                    raise error
        await eventually(lambda: pool.statistics.in_use == 0)
        assert (pool.statistics.opened, pool.statistics.closed) == (1, {})
        assert adds_up(pool)
        assert await used(pool)


async def test_a_refused_statement_does_not_cost_the_connection(target: Target) -> None:
    async with pool_to(target) as pool:
        before = await used(pool)
        with pytest.raises(DatabaseUnavailable):
            async with pool.connection() as connection:
                await connection.fetchval("SELECT 1 / 0")
        assert await used(pool) == before


async def test_a_transaction_that_was_left_open_is_never_seen_by_the_next(target: Target) -> None:
    async with pool_to(target, max_open=1, max_idle=1) as pool:
        async with pool.connection() as connection:
            before = await pid(connection)
            await connection.execute("BEGIN; CREATE TABLE left_open ()")
        async with pool.connection() as connection:
            assert not connection.is_in_transaction()
            assert await connection.fetchval("SELECT to_regclass('left_open')") is None
            assert await pid(connection) == before
        assert pool.statistics.closed == {}


async def test_a_target_that_refuses_leaves_the_pool_as_it_was(target: Target) -> None:
    async with pool_to(replace(target, password="wrong"), max_open=1, max_idle=1) as pool:
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable, match="refused the password"):
                await used(pool)
        assert (pool.statistics.open, pool.statistics.in_use, pool.statistics.closed) == (0, 0, {})


async def test_closing_waits_for_those_in_use_and_lets_nobody_in(target: Target) -> None:
    async with pool_to(target) as pool:
        await hold(pool, 2)
        async with pool.connection() as connection:
            closing = asyncio.create_task(pool.close())
            await eventually(lambda: pool.statistics.open == 1)
            assert await connection.fetchval("SELECT 1") == 1
            with pytest.raises(DatabaseUnavailable, match="the pool is closed") as caught:
                await used(pool)
            assert caught.value.reason == "PoolClosed"
            assert not closing.done()
        await closing
        assert (pool.statistics.open, pool.statistics.closed) == (0, {CloseReason.SHUTDOWN: 2})
        await pool.close()


async def test_closing_has_an_end(target: Target) -> None:
    async with pool_to(target) as pool:

        async def never_done() -> None:
            async with pool.connection() as connection:
                await connection.fetchval("SELECT pg_sleep(600)")

        using = asyncio.create_task(never_done())
        await eventually(lambda: pool.statistics.opened == 1)
        await pool.close(seconds=0.1)
        with pytest.raises(DatabaseUnavailable):
            await using
        assert (pool.statistics.open, pool.statistics.closed) == (0, {CloseReason.LOST: 1})


async def test_who_waits_is_told_when_the_pool_is_closed(target: Target) -> None:
    async with pool_to(target, max_open=1, max_idle=1) as pool:
        async with pool.connection():
            waiting = asyncio.create_task(used(pool))
            await eventually(lambda: pool.statistics.wait_count == 1)
            closing = asyncio.create_task(pool.close())
            with pytest.raises(DatabaseUnavailable, match="the pool is closed"):
                await waiting
        await closing
