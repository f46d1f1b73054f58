"""What each contender does in its own process: clients that get a connection, ask, and give it back, again and again.

The driver's own variables (PGHOST and its like) say where; `Load.environ` says what. The contender in Go does the
same (tests/support/go/pool).
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
    """So many clients, on at most so many connections."""

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
        """Connections that all clients together can use."""
        return min(self.clients, self.connections)


async def carry(load: Load, use: Callable[[], Awaitable[object]]) -> None:
    """Prints what came of it; USE gets a connection, asks `QUESTION`, and gives it back."""
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
    """Seconds that each use took."""
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
