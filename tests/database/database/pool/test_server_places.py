"""Databases of one server share a few connections: all get their turn, and the server is never filled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from controller.database.connection import connected
from controller.database.pool.pool import Pool
from controller.database.pool.server_places import LEAST, NO_PLACE, SPARE, ServerPlaces, Servers
from controller.database.pool.values import CloseReason, PoolSettings
from controller.database.target import Target
from controller.errors import DatabaseUnavailable
from controller.runtime.waits import Waits
from tests.database.database.pool.test_pool import eventually
from tests.support.database import Database
from tests.support.postgres import PostgresServer

PLACES = 2


@pytest.fixture
async def pools(target: Target) -> AsyncIterator[list[Pool]]:
    """Pools that share PLACES, as of ten databases in two namespaces."""
    places = ServerPlaces(PLACES)
    made = [Pool(replace(target, tenant=f"team-{number % 2}"), PoolSettings(), places) for number in range(10)]
    yield made
    for pool in made:
        await pool.close(seconds=1)


def places_of(pools: list[Pool]) -> ServerPlaces:
    """Return the places that all POOLS share."""
    places = pools[0]._places
    assert isinstance(places, ServerPlaces)
    return places


async def use(pool: Pool, times: int = 3) -> None:
    for _ in range(times):
        async with pool.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1


def opened(pools: list[Pool]) -> int:
    return sum(pool.statistics.opened - sum(pool.statistics.closed.values()) for pool in pools)


async def test_many_databases_get_their_turn_and_never_have_more_connections_than_places(
    pools: list[Pool], postgres: PostgresServer, database: Database
) -> None:
    most, done = 0, asyncio.Event()

    async def watch() -> None:
        nonlocal most
        query = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND pid <> pg_backend_pid()"
        async with connected(pools[0].target) as connection:
            while not done.is_set():
                most = max(most, await connection.fetchval(query, database.user))

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(20):
        await asyncio.gather(*(use(pool) for pool in pools))
    done.set()
    await watching
    assert 0 < most <= PLACES + 1  # a backend that ends is seen a moment longer than its place is taken


async def test_few_databases_keep_their_connections(pools: list[Pool]) -> None:
    for _ in range(3):
        for pool in pools[:PLACES]:
            await use(pool)
    assert [pool.statistics.opened for pool in pools[:PLACES]] == [1] * PLACES
    assert opened(pools) == PLACES


async def test_an_idle_connection_is_given_up_for_another_database(pools: list[Pool]) -> None:
    for pool in pools[:PLACES]:
        await use(pool)
    await use(pools[PLACES])
    await eventually(lambda: pools[0].statistics.closed == {CloseReason.GIVEN_UP: 1})
    assert pools[1].statistics.closed == {}
    assert opened(pools) == PLACES


async def test_one_who_waits_for_a_place_costs_no_more_than_one_connection(pools: list[Pool]) -> None:
    idle, returning, waiting = pools[:3]
    await use(idle)
    async with returning.connection():
        wants = asyncio.create_task(use(waiting))
        for _ in range(3):
            await asyncio.sleep(0)
        assert places_of(pools)._places.waiting()
        assert not wants.done()  # the idle connection is being closed for it
    await wants
    assert (idle.statistics.closed, returning.statistics.closed) == ({CloseReason.GIVEN_UP: 1}, {})


async def test_one_who_waits_for_a_place_waits_longer_than_a_server_may_take_to_connect(pools: list[Pool]) -> None:
    patient = pools[PLACES]
    patient.target = replace(patient.target, connect_timeout=0.2)
    async with AsyncExitStack() as stack:
        for pool in pools[:PLACES]:
            await stack.enter_async_context(pool.connection())
        waiting = asyncio.create_task(use(patient))
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        assert not done
    async with asyncio.timeout(5):
        await waiting


async def test_one_whose_only_connection_is_being_closed_for_another_waits_as_one_that_has_none(
    pools: list[Pool],
) -> None:
    returning = pools[0]
    returning.target = replace(returning.target, connect_timeout=0.2)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(pools[1].connection())
        async with returning.connection():
            other = asyncio.create_task(stack.enter_async_context(pools[2].connection()))
            await eventually(lambda: places_of(pools).wanted(returning.target.tenant))
        again = asyncio.create_task(use(returning))
        await other
        done, _ = await asyncio.wait([again], timeout=0.5)
        assert not done
    async with asyncio.timeout(5):
        await again


async def test_a_second_connection_of_a_database_does_not_wait_for_ever(pools: list[Pool]) -> None:
    """Two databases that each hold one and wait for a second would wait for each other."""
    holder = pools[0]
    holder.target = replace(holder.target, connect_timeout=0.2)
    async with holder.connection(), pools[1].connection():
        with pytest.raises(DatabaseUnavailable) as caught:
            async with holder.connection():
                pass
    assert caught.value.reason == NO_PLACE
    async with asyncio.timeout(5):
        await asyncio.gather(*(use(pool) for pool in pools))


@pytest.mark.parametrize("ends", ["cancelled", "refused"])
async def test_a_place_comes_back_from_one_that_did_not_get_a_connection(pools: list[Pool], ends: str) -> None:
    if ends == "refused":
        broken = Pool(replace(pools[0].target, password="wrong"), PoolSettings(), places_of(pools))
        for _ in range(PLACES * 2):
            with pytest.raises(DatabaseUnavailable):
                await use(broken)
    else:
        async with AsyncExitStack() as stack:
            for pool in pools[:PLACES]:
                await stack.enter_async_context(pool.connection())
            waiting = [asyncio.create_task(use(pool)) for pool in pools[PLACES:]]
            await asyncio.wait(waiting, timeout=0.1)
            for task in waiting[::2]:
                task.cancel()
        await asyncio.wait(waiting)
    async with asyncio.timeout(5):
        await asyncio.gather(*(use(pool) for pool in pools))


async def test_a_server_is_forgotten_with_its_last_pool() -> None:
    servers = Servers(5)
    first = servers.join("db", 5432)
    assert servers.join("db", 5432) is first
    assert servers.join("db", 5433) is not first
    servers.leave("db", 5432)
    assert servers.join("db", 5432) is first
    servers.leave("db", 5432)
    servers.leave("db", 5432)
    assert servers.join("db", 5432) is not first


async def test_who_waits_for_a_place_on_any_server_is_counted_until_it_has_one(target: Target) -> None:
    waits = Waits()
    places, deadline = Servers(2, waits).join("db", 5432), asyncio.get_running_loop().time() + 5
    one, two, three = (replace(target, tenant=tenant) for tenant in ("team-1", "team-2", "team-3"))
    await places.take(one, deadline, first=True)
    await places.take(two, deadline, first=True)
    waiting = [asyncio.create_task(places.take(three, deadline, first=first)) for first in (True, False)]
    await eventually(lambda: waits.count == 2)
    places.give_back(one.tenant)
    await eventually(lambda: waits.count == 1)
    places.give_back(three.tenant)
    await asyncio.gather(*waiting)
    assert waits.count == 0


async def test_a_server_that_is_nearly_full_is_left_to_its_users(target: Target) -> None:
    places = ServerPlaces(4)
    pools = [Pool(replace(target, tenant=f"team-{number}"), PoolSettings(), places) for number in range(4)]
    for pool in pools:
        await use(pool)
    assert opened(pools) == 4
    places.note_room(SPARE - 1)
    await eventually(lambda: opened(pools) == 3)
    places.note_room(0)
    await eventually(lambda: opened(pools) == LEAST)
    await asyncio.gather(*(use(pool) for pool in pools))
    await eventually(lambda: opened(pools) <= LEAST)
    places.note_room(100)
    for pool in pools:
        await use(pool)
    assert opened(pools) == 4
    for pool in pools:
        await pool.close(seconds=1)


async def test_a_namespace_leaves_one_connection_of_a_server_to_others(target: Target) -> None:
    places = ServerPlaces(3)
    many, few = (replace(target, tenant=name) for name in ("many", "few"))
    pools = [Pool(each, PoolSettings(), places) for each in (many, many, many, few)]
    async with AsyncExitStack() as stack:
        for pool in pools[:2]:
            await stack.enter_async_context(pool.connection())
        waiting = asyncio.create_task(use(pools[2]))
        async with asyncio.timeout(5):
            await use(pools[3])
        assert not waiting.done()
    async with asyncio.timeout(5):
        await waiting
    for pool in pools:
        await pool.close(seconds=1)


async def test_a_namespace_alone_on_a_server_gives_up_its_own_idle_connections(target: Target) -> None:
    places = ServerPlaces(3)
    pools = [Pool(replace(target, tenant="many"), PoolSettings(), places) for _ in range(6)]
    async with asyncio.timeout(20):
        for _ in range(2):
            for pool in pools:
                await use(pool)
        await asyncio.gather(*(use(pool) for pool in pools))
    assert opened(pools) <= 2
    for pool in pools:
        await pool.close(seconds=1)


async def test_a_namespace_with_its_most_does_not_wait_for_an_idle_connection_of_another(target: Target) -> None:
    places = ServerPlaces(3)
    names = ("few", "many", "many", "many")
    few, *many = (Pool(replace(target, tenant=name), PoolSettings(), places) for name in names)
    async with asyncio.timeout(10):
        for pool in (few, *many):
            await use(pool)
    assert (opened([few]), opened(many)) == (1, 2)
    for pool in (few, *many):
        await pool.close(seconds=1)


async def test_databases_that_could_not_be_reached_are_tried_at_once_when_one_of_them_can() -> None:
    places, tried = ServerPlaces(PLACES), list[str]()

    def database(name: str) -> Callable[[], None]:
        return lambda: tried.append(name)

    a, b, c, never_down = (database(name) for name in "abcd")
    for retry in (a, b, c):
        places.note_unreachable(retry)
    places.forget(c)
    places.note_reachable(never_down)
    assert tried == []
    places.note_reachable(a)
    assert tried == ["b"]
    places.note_reachable(b)
    assert tried == ["b"]
