"""A pool with the settings and the numbers of Go's database/sql, on asyncpg's connections.

asyncpg's own pool has no maximum of idle connections, no lifetime, no bounded wait and no statistics; and its
release waits for a hanging server twice as long as the query was given.
"""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from controller.database.connection import Connection, close, connect
from controller.database.failures import BROKEN_CONNECTION, DRIVER_ERRORS, in_our_words
from controller.database.target import Target
from controller.database.values import CloseReason, PoolSettings, PoolStatistics
from controller.errors import DashdbError, DatabaseUnavailable

LIFETIME_JITTER = 0.1
"""Part of the lifetime by which each connection's own is shortened at random, so that not all end at once."""


@dataclass(slots=True)
class _Idle:
    connection: Connection
    dies_at: float
    since: float


class Pool:
    """Connections to one target, made when needed."""

    def __init__(self, target: Target, settings: PoolSettings) -> None:
        self.target = target
        self.settings = settings
        self._slots = asyncio.Semaphore(settings.max_open)
        self._idle: deque[_Idle] = deque()
        self._in_use = 0
        self._wait_count = 0
        self._wait_seconds = 0.0
        self._closed: Counter[CloseReason] = Counter()
        self._sweeper: asyncio.Task[None] | None = None
        self._idle_changed = asyncio.Event()
        self._closing = False

    @property
    def statistics(self) -> PoolStatistics:
        open_now = self._in_use + len(self._idle)
        return PoolStatistics(
            self.settings.max_open, open_now, self._in_use, len(self._idle), self._wait_count, self._wait_seconds,
            dict(self._closed),
        )  # fmt: skip

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for the time of a `with`, got within the target's connect timeout.

        Raises:
            DatabaseUnavailable: none could be had, or the driver failed inside the `with`.
        """
        if self._closing:
            raise DatabaseUnavailable(f"{self.target.place}: the pool is closed.", reason="PoolClosed")
        async with self._slot():
            held = await self._take()
            healthy = False
            try:
                yield held.connection
                healthy = True
            except DRIVER_ERRORS as error:
                healthy = not isinstance(error, BROKEN_CONNECTION)
                raise in_our_words(error, self.target, limit=self.target.query_timeout) from None
            except DashdbError:
                healthy = True
                raise
            finally:
                await self._give_back(held, healthy=healthy)

    async def close(self) -> None:
        """Closes what is idle; connections in use are closed when they come back."""
        self._closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeper
        while self._idle:
            await self._discard(self._idle.popleft().connection, CloseReason.SHUTDOWN)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._slots.locked():
            started = time.monotonic()
            self._wait_count += 1
            try:
                async with asyncio.timeout(self.target.connect_timeout):
                    await self._slots.acquire()
            except TimeoutError:
                raise DatabaseUnavailable(
                    f"{self.target.place}: all {self.settings.max_open} connections of the pool are in use.",
                    reason="PoolExhausted",
                ) from None
            finally:
                self._wait_seconds += time.monotonic() - started
        else:
            await self._slots.acquire()
        try:
            yield
        finally:
            self._slots.release()

    async def _take(self) -> _Idle:
        while self._idle:
            held = self._idle.pop()  # the one used last: it is the likeliest to be alive
            if held.connection.is_closed():
                self._closed[CloseReason.LOST] += 1
            elif held.dies_at <= time.monotonic():
                await self._discard(held.connection, CloseReason.LIFETIME)
            else:
                self._in_use += 1
                return held
        connection = await connect(self.target)
        self._in_use += 1
        born = time.monotonic()
        lifetime = self.settings.max_lifetime * (1 - random.uniform(0, LIFETIME_JITTER))  # noqa: S311 - no secret
        return _Idle(connection, born + lifetime, born)

    async def _give_back(self, held: _Idle, *, healthy: bool) -> None:
        self._in_use -= 1
        if held.connection.is_closed():
            self._closed[CloseReason.LOST] += 1
        elif not healthy or held.connection.is_in_transaction():
            held.connection.terminate()
            self._closed[CloseReason.LOST] += 1
        elif self._closing:
            await self._discard(held.connection, CloseReason.SHUTDOWN)
        elif held.dies_at <= time.monotonic():
            await self._discard(held.connection, CloseReason.LIFETIME)
        elif len(self._idle) >= self.settings.max_idle:
            await self._discard(held.connection, CloseReason.IDLE)
        else:
            held.since = time.monotonic()
            self._idle.append(held)
            self._idle_changed.set()
            if self._sweeper is None or self._sweeper.done():
                self._sweeper = asyncio.create_task(self._sweep(), name="pool sweeper")

    async def _sweep(self) -> None:
        """Closes what was idle, or has lived, for too long; ends when nothing is idle."""
        while self._idle:
            first = min(self._idle, key=self._due)
            if (wait := self._due(first) - time.monotonic()) > 0:
                self._idle_changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._idle_changed.wait()
            else:
                self._idle.remove(first)
                too_old = first.dies_at <= first.since + self.settings.max_idle_time
                await self._discard(first.connection, CloseReason.LIFETIME if too_old else CloseReason.IDLE_TIME)

    def _due(self, held: _Idle) -> float:
        return min(held.since + self.settings.max_idle_time, held.dies_at)

    async def _discard(self, connection: Connection, reason: CloseReason) -> None:
        self._closed[reason] += 1
        await close(connection)
