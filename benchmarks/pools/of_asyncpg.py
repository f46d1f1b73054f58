"""Pool of asyncpg: as it is, with every wait bounded, and each of the two without its reset."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import asyncpg

from benchmarks.pools.load import QUESTION, Load, carry

BOUNDED, NO_RESET = "bounded", "no-reset"
CONNECT_SECONDS, QUERY_SECONDS = 10, 30
"""Default limits of our own pool."""


async def leave_as_it_is(_: object) -> None:
    """Do nothing, instead of the query that resets the session."""


def use_of(pool: asyncpg.Pool, *, bounded: bool) -> Callable[[], Awaitable[object]]:
    async def bare() -> None:
        async with pool.acquire() as connection:
            await connection.fetchval(QUESTION)

    async def with_bounds() -> None:
        async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
            await connection.fetchval(QUESTION, timeout=QUERY_SECONDS)

    return with_bounds if bounded else bare


async def main(options: list[str]) -> None:
    load = Load.from_environ()
    reset = leave_as_it_is if NO_RESET in options else None
    async with asyncpg.create_pool(min_size=load.needed, max_size=load.connections, reset=reset) as pool:
        await carry(load, use_of(pool, bounded=BOUNDED in options))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
