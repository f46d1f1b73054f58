"""CPU time of a login and a close by asyncpg alone: the floor of `benchmarks.looks`, in its own process.

    PGHOST=... PGPORT=... PGUSER=... PGPASSWORD=... PGDATABASE=... python -m benchmarks.bare_login N

Prints milliseconds. The hash of the password is kept, as the operator keeps it.
"""

import asyncio
import hashlib
import sys
import time
from functools import lru_cache
from types import SimpleNamespace

import asyncpg
import asyncpg.protocol.protocol

WARM_UP = 50


async def log_in() -> None:
    connection = await asyncpg.connect(ssl=False)
    await connection.close()


async def main(count: int) -> None:
    kept = SimpleNamespace(md5=hashlib.md5, pbkdf2_hmac=lru_cache(hashlib.pbkdf2_hmac))
    asyncpg.protocol.protocol.hashlib = kept
    for _ in range(WARM_UP):
        await log_in()
    began = time.process_time()
    for _ in range(count):
        await log_in()
    print((time.process_time() - began) / count * 1000)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
