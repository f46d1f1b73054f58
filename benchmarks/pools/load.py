"""Load on a contender: clients that repeatedly get a connection, run a query, and give it back.

The driver's own variables (PGHOST and others) name the database; those of `Load.environ` give the load. The contender
in Go does the same (tests/support/go/pool).
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

QUESTION = "SELECT 1"
WARM_UP_SECONDS = 1.0


@dataclass(frozen=True)
class Load:
    """Number of clients, largest number of connections, and duration."""

    clients: int
    connections: int
    seconds: float

    @property
    def environ(self) -> dict[str, str]:
        return {
            "POOL_CLIENTS": str(self.clients),
            "POOL_CONNECTIONS": str(self.connections),
            "POOL_SECONDS": str(self.seconds),
        }

    @classmethod
    def from_environ(cls) -> Self:
        given = os.environ
        return cls(int(given["POOL_CLIENTS"]), int(given["POOL_CONNECTIONS"]), float(given["POOL_SECONDS"]))

    @property
    def needed(self) -> int:
        """Number of connections that all clients together can use."""
        return min(self.clients, self.connections)


async def carry(load: Load, use: Callable[[], Awaitable[object]]) -> None:
    """Run the load and print its figures; USE gets a connection, runs `QUESTION`, and gives it back."""
    await _all_clients(load.clients, use, WARM_UP_SECONDS)
    started, cpu = time.perf_counter(), time.process_time()
    took = await _all_clients(load.clients, use, load.seconds)
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    took.sort()
    figures = {
        "per_second": len(took) / elapsed,
        "p50_ms": took[len(took) // 2] * 1e3,
        "p99_ms": took[len(took) * 99 // 100] * 1e3,
        "cpu_us": cpu / len(took) * 1e6,
    }
    print(json.dumps(figures))


async def _all_clients(count: int, use: Callable[[], Awaitable[object]], seconds: float) -> list[float]:
    """Return the seconds of each use."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def client() -> None:
        now = time.perf_counter()
        while now < until:
            await use()
            done = time.perf_counter()
            took.append(done - now)
            now = done

    await asyncio.gather(*(client() for _ in range(count)))
    return took
