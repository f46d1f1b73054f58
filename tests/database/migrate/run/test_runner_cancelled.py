"""A run whose task is cancelled: the file is rolled back, in bounded time, even where the server does not answer."""

import asyncio

import pytest

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.errors import DatabaseUnavailable
from tests.database.engine import run, tables
from tests.database.targets import target_to
from tests.support.postgres import PostgresServer

A = {"V1_a.up.sql": "CREATE TABLE a ()"}
ASLEEP = {"V1_a.up.sql": "CREATE TABLE a (); SELECT pg_sleep(600)"}
_SLEEPERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND state = 'active' AND query = 'SELECT pg_sleep(600)'
"""


async def sleepers(observer: Connection, count: int) -> None:
    """Wait until so many sessions of the database sleep."""
    async with asyncio.timeout(10):
        while await observer.fetchval(_SLEEPERS) != count:  # noqa: ASYNC110 - a server has no events
            await asyncio.sleep(0.01)


async def test_a_run_that_is_cancelled_leaves_nothing_and_a_usable_connection(
    target: Target, connection: Connection
) -> None:
    async with connected(target) as observer:
        task = asyncio.create_task(run(connection, ASLEEP))
        await sleepers(observer, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await sleepers(observer, 0)
    assert await tables(connection) == []
    await run(connection, A)


async def test_a_server_that_does_not_answer_does_not_hold_up_the_end(
    postgres15: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.migrate.run.in_transaction.ROLLBACK_TIMEOUT", 0.3)
    target = target_to(postgres15.create_database())
    async with connected(target) as connection, connected(target) as observer:
        task = asyncio.create_task(run(connection, ASLEEP))
        await sleepers(observer, 1)
        postgres15.freeze()
        try:
            task.cancel()
            async with asyncio.timeout(20):
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert connection.is_closed()
        finally:
            postgres15.thaw()
        await sleepers(observer, 0)
        assert await tables(observer) == []


async def test_a_session_that_an_administrator_ends_is_told_as_a_lost_connection(
    target: Target, connection: Connection
) -> None:
    async def work() -> None:
        async with connected(target) as ours:
            await run(ours, ASLEEP)

    task = asyncio.create_task(work())
    await sleepers(connection, 1)
    await connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({_SLEEPERS.replace('count(*)', 'pid')}) AS s")
    with pytest.raises(DatabaseUnavailable) as caught:
        await task
    assert caught.value.reason == "ConnectionLost"
    assert await tables(connection) == []
