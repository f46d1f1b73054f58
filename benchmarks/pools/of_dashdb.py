"""Pool of dashdb, which bounds every wait."""

import asyncio
import os

from benchmarks.pools.load import QUESTION, Load, carry
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.target import SslMode, Target


async def main() -> None:
    load = Load.from_environ()
    given = os.environ
    login = (given["PGUSER"], given["PGPASSWORD"], SslMode(given["PGSSLMODE"]))
    target = Target(given["PGHOST"], int(given["PGPORT"]), given["PGDATABASE"], *login)
    pool = Pool(target, PoolSettings(max_open=load.connections, max_idle=load.connections))

    async def use() -> None:
        async with pool.connection() as connection:
            await connection.fetchval(QUESTION)

    await carry(load, use)
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main())
