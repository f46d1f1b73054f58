"""CPU time of a login and a close by asyncpg alone: the floor of `benchmarks.looks`, in its own process.

    PGHOST=... PGPORT=... PGUSER=... PGPASSWORD=... PGDATABASE=... python -m benchmarks.bare_login N PAUSE

Prints milliseconds, the mean of N logins. The hash of the password is kept, as the operator keeps it; and there are
PAUSE seconds between two logins, since each takes twice as long after a pause, in which others use the processor's
caches.
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


async def main(count: int, pause: float) -> None:
    kept = SimpleNamespace(md5=hashlib.md5, pbkdf2_hmac=lru_cache(hashlib.pbkdf2_hmac))
    asyncpg.protocol.protocol.hashlib = kept
    for _ in range(WARM_UP):
        await log_in()
    used = 0.0
    for _ in range(count):
        began = time.process_time()
        await log_in()
        used += time.process_time() - began
        await asyncio.sleep(pause)
    print(used / count * 1000)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
