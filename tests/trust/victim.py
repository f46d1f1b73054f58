"""Process that connects to a hostile server, asks a query (argument 2) and tells as JSON what that cost it."""

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

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
    memory, descriptors = _peak_bytes(), _descriptors()
    reasons = [await attempt(target, asks[query]) for _ in range(TRIES)]
    await asyncio.sleep(0.01)  # closed sockets are gone after a turn of the loop
    print(
        json.dumps(
            {
                "reasons": reasons,
                "mebibytes": (_peak_bytes() - memory) / 2**20,
                "descriptors": _descriptors() - descriptors,
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


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _peak_bytes() -> int:
    """Most memory in RAM since the process began; getrusage would include that of its parent."""
    [line] = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
