"""Process that connects to a hostile server and tells what that cost it, as JSON: python -m tests.trust.victim PORT QUERY"""

import asyncio
import gc
import json
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

from controller.database.connection import Connection, connected
from controller.database.target import SslMode, Target
from controller.errors import DatabaseUnavailable

TRIES = 3


async def main(port: int, query: str) -> None:
    target = Target(
        host="127.0.0.1", port=port, database="perses", user="ann", password="h0rse battery",
        ssl_mode=SslMode.DISABLE, connect_timeout=5, query_timeout=3,
    )  # fmt: skip
    asks: dict[str, Callable[[Connection], Awaitable[object]]] = {
        "prepared": lambda connection: connection.fetch("SELECT 1"),
        "text": lambda connection: connection.execute("SELECT 1"),
    }
    await attempt(replace(target, port=1), asks[query])  # what is loaded late is loaded now
    gc.collect()
    memory, descriptors = _peak_bytes(), len(os.listdir("/proc/self/fd"))
    reasons = [await attempt(target, asks[query]) for _ in range(TRIES)]
    await asyncio.sleep(0.01)  # closed sockets are gone after a turn of the loop
    print(
        json.dumps(
            {
                "reasons": reasons,
                "mebibytes": (_peak_bytes() - memory) / 2**20,
                "descriptors": len(os.listdir("/proc/self/fd")) - descriptors,
            }
        )
    )


async def attempt(target: Target, ask: Callable[[Connection], Awaitable[object]]) -> str:
    """Return the reason in which a connection ends."""
    try:
        async with connected(target) as connection:
            await ask(connection)
    except DatabaseUnavailable as error:
        return error.reason
    return "answered"


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
