"""Transactions: committed or rolled back, never half, and never for longer than promised."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
import pytest_asyncio

from controller.database.connection import Connection
from controller.database.pool.pool import Pool
from controller.database.target import Target
from controller.database.transaction import Isolation, transact
from controller.errors import DatabaseUnavailable, MigrationFailed
from tests.database.database.pool.test_pool import eventually, pool_to
from tests.database.targets import target_to
from tests.support.postgres import PostgresServer


@pytest_asyncio.fixture
async def pool(target: Target) -> AsyncIterator[Pool]:
    async with pool_to(target, max_open=4) as pool:
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE account (id int PRIMARY KEY, amount int NOT NULL)")
            await connection.execute("INSERT INTO account VALUES (1, 100), (2, 100)")
        yield pool


async def amounts(pool: Pool) -> list[int]:
    async with pool.connection() as connection:
        return [row["amount"] for row in await connection.fetch("SELECT amount FROM public.account ORDER BY id")]


async def take(connection: Connection, number: int = 1) -> int:
    await connection.execute("UPDATE public.account SET amount = amount - 10 WHERE id = $1", number)
    return number


async def test_what_was_done_is_committed_at_the_end(pool: Pool) -> None:
    assert await transact(pool.connection, take) == 1
    assert await amounts(pool) == [90, 100]


@pytest.mark.parametrize("error", [MigrationFailed("ours"), ValueError("a bug"), asyncio.CancelledError()], ids=repr)
async def test_whatever_is_raised_rolls_back_before_it_is_seen(pool: Pool, error: BaseException) -> None:
    async def fails(connection: Connection) -> int:
        await take(connection)
        raise error

    with pytest.raises(type(error)):
        await transact(pool.connection, fails)
    assert await amounts(pool) == [100, 100]
    assert pool.statistics.closed == {}


async def test_an_error_that_was_passed_over_does_not_look_like_a_commit(pool: Pool) -> None:
    async def careless(connection: Connection) -> int:
        await take(connection)
        try:
            await connection.execute("SELECT 1 / 0")
        except Exception:  # noqa: BLE001 - what careless code does
            return 0
        return 1

    with pytest.raises(DatabaseUnavailable) as caught:
        await transact(pool.connection, careless)
    assert caught.value.reason == "TransactionAborted"
    assert await amounts(pool) == [100, 100]


@pytest.mark.parametrize("isolation", Isolation)
@pytest.mark.parametrize("read_only", [False, True])
async def test_it_is_as_isolated_and_as_read_only_as_was_said(
    pool: Pool, isolation: Isolation, read_only: bool
) -> None:
    async def asked(connection: Connection) -> tuple[str, str]:
        shown = [await connection.fetchval(f"SHOW transaction_{name}") for name in ("isolation", "read_only")]
        return shown[0], shown[1]

    async with pool.connection() as connection:
        await connection.execute("SET default_transaction_isolation = 'repeatable read'")
        await connection.execute("SET default_transaction_read_only = on")
    assert await transact(pool.connection, asked, isolation, read_only=read_only) == (
        isolation.lower(),
        "on" if read_only else "off",
    )


def transfer(pool: Pool, *, tries: int) -> tuple[Callable[[], Awaitable[int]], list[int]]:
    """Two of these at once cannot both commit: each reads both accounts and writes one."""
    begun: list[int] = []
    both_have_read = asyncio.Barrier(2)

    async def work(connection: Connection) -> int:
        number = len(begun) % 2 + 1
        begun.append(number)
        await connection.fetchval("SELECT sum(amount) FROM public.account")
        if len(begun) <= 2:
            await both_have_read.wait()
        return await take(connection, number)

    return lambda: transact(pool.connection, work, Isolation.SERIALIZABLE, tries=tries), begun


async def test_one_that_gave_way_to_another_is_done_again(pool: Pool) -> None:
    run, begun = transfer(pool, tries=5)
    await asyncio.gather(run(), run())
    assert len(begun) == 3
    assert sum(await amounts(pool)) == 180


async def test_one_that_gave_way_is_told_so_where_nobody_asked_for_more(pool: Pool) -> None:
    run, begun = transfer(pool, tries=1)
    results = await asyncio.gather(run(), run(), return_exceptions=True)
    [lost] = [result for result in results if isinstance(result, DatabaseUnavailable)]
    assert (lost.reason, len(begun)) == ("SerializationFailure", 2)
    assert sum(await amounts(pool)) == 190


async def test_other_errors_are_not_tried_again(pool: Pool) -> None:
    tries = 0

    async def fails(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute("SELECT 1 / 0")

    with pytest.raises(DatabaseUnavailable, match="22012"):
        await transact(pool.connection, fails, tries=5)
    assert tries == 1


async def test_on_a_server_that_hangs_it_ends_and_nothing_of_it_stays() -> None:
    with PostgresServer(18) as server:
        database = server.create_database()
        async with pool_to(replace(target_to(database), query_timeout=1)) as pool:
            async with pool.connection() as connection:
                await connection.execute("CREATE TABLE account (id int PRIMARY KEY, amount int NOT NULL)")
                await connection.execute("INSERT INTO account VALUES (1, 100)")

            async def hang(connection: Connection) -> int:
                await take(connection)
                await asyncio.to_thread(server.freeze)
                return await take(connection)

            try:
                with pytest.raises(DatabaseUnavailable, match="No answer within 1 s"):
                    await transact(pool.connection, hang)
                await eventually(lambda: pool.statistics.open == 0)
            finally:
                server.thaw()
            assert await amounts(pool) == [100]


async def test_names_in_our_own_sql_mean_what_postgresql_ships_whatever_others_made(pool: Pool) -> None:
    """An exact match in another schema would win over PostgreSQL's own function, which takes a text."""

    async def asked(connection: Connection) -> str:
        found: str = await connection.fetchval("SELECT upper('it'::varchar)")
        return found

    async with pool.connection() as connection:
        await connection.execute("CREATE FUNCTION upper(varchar) RETURNS text LANGUAGE sql RETURN 'planted'")
        assert await asked(connection) == "planted"
    assert await transact(pool.connection, asked) == "IT"
