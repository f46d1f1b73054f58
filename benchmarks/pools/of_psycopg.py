"""Pool of psycopg, with autocommit, which avoids a BEGIN and a COMMIT around each query."""

import asyncio

from psycopg_pool import AsyncConnectionPool

from benchmarks.pools.load import QUESTION, Load, carry


async def main() -> None:
    load = Load.from_environ()
    pool = AsyncConnectionPool(min_size=load.needed, max_size=load.connections, open=False, kwargs={"autocommit": True})
    async with pool:
        await pool.wait()

        async def use() -> None:
            async with pool.connection() as connection:
                await (await connection.execute(QUESTION)).fetchone()

        await carry(load, use)


if __name__ == "__main__":
    asyncio.run(main())
