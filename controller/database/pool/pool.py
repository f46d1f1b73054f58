"""Pool of asyncpg connections with the settings and the statistics of Go's database/sql.

asyncpg's own pool has no maximum of idle connections, no lifetime, no bounded wait and no statistics; and its release
waits for a hanging server for up to two query timeouts. Here getting a connection takes at most the connect timeout, a
query the query timeout, and closing a connection `CLOSE_TIMEOUT`. The cleanup of a released connection runs in the
background.
"""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType

from controller.database.connection import Connection, close
from controller.database.failures import BROKEN_CONNECTION, DRIVER_ERRORS, in_our_words
from controller.database.pool.dialer import Dialer
from controller.database.pool.pooled_connection import PooledConnection
from controller.database.pool.server_places import NoPlaces, Places, ServerPlaces
from controller.database.pool.values import CloseReason, PoolSettings, PoolStatistics
from controller.database.target import Target
from controller.database.transaction import roll_back
from controller.errors import DatabaseUnavailable, ProtocolViolation

LIFETIME_JITTER = 0.1
"""Largest part of the lifetime that is cut off at random, so that connections do not all end at once."""
SURPLUS_SECONDS = 1.0
"""Seconds for which an idle connection above `max_idle` is kept, so that a second burst needs no new logins."""
DRAIN_SECONDS = 5.0
"""Seconds in which connections in use may be returned when the pool is closed."""


class Pool:
    """Pool of connections to one target, opened when needed; for one event loop."""

    def __init__(self, target: Target, settings: PoolSettings, places: ServerPlaces | None = None) -> None:
        """Open no connection yet; PLACES are those of the server, None for as many as the settings allow."""
        self.target = target
        self.settings = settings
        self._places: Places = places or NoPlaces()
        self._loop = asyncio.get_running_loop()
        self._dialer = Dialer(target)
        self._open = 0  # includes those being opened and closed, so the server never has more
        self._idle: dict[PooledConnection, None] = {}  # in the order of their return
        self._leased: set[PooledConnection] = set()
        self._dialling = 0
        self._waiters: dict[asyncio.Future[PooledConnection | None], None] = {}  # in the order of their arrival
        self._wait_count = 0
        self._wait_seconds = 0.0
        self._opened = 0
        self._closed: Counter[CloseReason] = Counter()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._chores: set[asyncio.Task[None]] = set()
        self._fewer_open = asyncio.Event()
        self._closing = False

    @property
    def statistics(self) -> PoolStatistics:
        idle = len(self._idle)
        return PoolStatistics(
            self.settings.max_open, self._open, self._open - idle, idle, self._wait_count, self._wait_seconds,
            self._opened, dict(self._closed),
        )  # fmt: skip

    def connection(self, *, seconds: float | None = None) -> AbstractAsyncContextManager[Connection]:
        """Return a context manager that leases a connection within SECONDS, or the target's connect timeout if less.

        The first connection of a pool waits as long as it takes for a place on a server that other databases share:
        that says nothing about the server. A second one does not, since the first holds a place meanwhile.

        Raises:
            DatabaseUnavailable: no connection was available, or the driver failed inside the `with`.
        """
        return _Lease(self, self.target.connect_timeout if seconds is None else seconds)

    async def close(self, *, seconds: float = DRAIN_SECONDS) -> None:
        """Refuse new leases, wait for connections in use, and after `seconds` end those that are left."""
        self._closing = True
        for waiter in list(self._waiters):
            if not waiter.done():
                waiter.set_exception(self._is_closed())
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for pooled in list(self._idle):
            self._end(pooled, CloseReason.SHUTDOWN)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._open:
                    self._fewer_open.clear()
                    await self._fewer_open.wait()
        for pooled in self._leased:
            pooled.connection.terminate()  # the next statement of its user fails
        while self._chores:
            await asyncio.wait(self._chores)

    @property
    def is_dialling(self) -> bool:
        """True while a connection is being opened and none is in use."""
        return self._dialling > 0 and not self._leased

    @property
    def open_on_server(self) -> int:
        """Number of connections that this process has on the server, for all of its databases."""
        return max(self._open, self._places.taken)

    def note_room(self, room: int) -> None:
        """Note how many more connections the server allows."""
        self._places.note_room(room)

    async def acquire(self, seconds: float) -> PooledConnection:
        """Return a connection within SECONDS; used by `connection`, which always gives it back."""
        if self._closing:
            raise self._is_closed()
        deadline = self._loop.time() + min(seconds, self.target.connect_timeout)
        pooled = self._take_idle()
        if pooled is None and self._open >= self.settings.max_open:
            pooled = await self._wait(deadline)
        elif pooled is None:
            self._open += 1
        if pooled is None:  # one more may be opened, and it is already counted
            pooled = await self._dial(deadline)
        self._leased.add(pooled)
        return pooled

    def give_back(self, pooled: PooledConnection, error: BaseException | None) -> None:
        """Return a connection to the pool without waiting; one in doubt is rolled back or ended in the background."""
        self._leased.discard(pooled)
        sound = error is None or (isinstance(error, Exception) and not isinstance(error, BROKEN_CONNECTION))
        if pooled.connection.is_closed():
            self._gone(CloseReason.LOST)
        elif not sound or pooled.connection.is_in_transaction():
            self._do(self._clean_up(pooled))
        else:
            self._put_back(pooled)

    def _take_idle(self) -> PooledConnection | None:
        """Return the idle connection used last, which is most likely still alive; None if there is none."""
        while self._idle:
            pooled, _ = self._idle.popitem()
            if not pooled.usable:
                pooled.connection.terminate()
                self._gone(CloseReason.LOST)
            elif pooled.dies_at <= self._loop.time():
                self._end(pooled, CloseReason.LIFETIME)
            else:
                self._note_idle()
                return pooled
        self._note_idle()
        return None

    async def _wait(self, deadline: float) -> PooledConnection | None:
        """Wait for a released connection; None means that the caller may open one."""
        started = self._loop.time()
        waiter: asyncio.Future[PooledConnection | None] = self._loop.create_future()
        self._waiters[waiter] = None
        self._wait_count += 1
        timer = self._loop.call_at(deadline, self._refuse, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:  # handed over too late
                if (pooled := waiter.result()) is not None:
                    self._put_back(pooled)
                else:
                    self._release_slot()
            raise
        finally:
            timer.cancel()
            self._waiters.pop(waiter, None)
            self._wait_seconds += self._loop.time() - started

    def _refuse(self, waiter: asyncio.Future[PooledConnection | None]) -> None:
        if not waiter.done():
            text = f"{self.target.description}: all {self.settings.max_open} connections of the pool are in use."
            waiter.set_exception(DatabaseUnavailable(text, reason="PoolExhausted"))

    async def _dial(self, deadline: float) -> PooledConnection:
        # One that is being closed does not count: nobody holds its place for long.
        first = not self._leased and not self._dialling
        self._dialling += 1
        try:
            deadline = await self._places.take(self.target, deadline, first=first)
            try:
                connection = await self._dialer.dial(deadline)
            except BaseException:
                self._places.give_back(self.target.tenant)
                raise
        except BaseException:
            self._release_slot()
            raise
        finally:
            self._dialling -= 1
        self._opened += 1
        lifetime = self.settings.max_lifetime * (1 - random.uniform(0, LIFETIME_JITTER))  # noqa: S311 - no secret
        pooled = PooledConnection(connection, self._loop.time() + lifetime)
        connection.add_termination_listener(lambda _: self._lost_while_idle(pooled))
        if self._closing:
            self._end(pooled, CloseReason.SHUTDOWN)
            raise self._is_closed()
        return pooled

    def _give_up_idle(self) -> None:
        """Close the connection that has been idle longest, since another database waits for its place."""
        if self._idle:
            self._end(next(iter(self._idle)), CloseReason.GIVEN_UP)

    def _note_idle(self) -> None:
        self._places.note_idle(self._give_up_idle, self.target.tenant, has_idle=bool(self._idle))

    def _put_back(self, pooled: PooledConnection) -> None:
        """Give the connection to the caller that waits longest, or keep it idle."""
        now = self._loop.time()
        if self._closing:
            self._end(pooled, CloseReason.SHUTDOWN)
        elif pooled.dies_at <= now:
            self._end(pooled, CloseReason.LIFETIME)
        elif self._hand_over(pooled):
            return
        elif self._places.wanted(self.target.tenant):
            self._end(pooled, CloseReason.GIVEN_UP)
        else:
            pooled.idle_since = now
            self._idle[pooled] = None
            self._note_idle()
            self._sweep_at(self._end_of(pooled, surplus=len(self._idle) > self.settings.max_idle)[0])

    def _hand_over(self, pooled: PooledConnection | None) -> bool:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(pooled)
                return True
        return False

    def _release_slot(self) -> None:
        """Let a waiting caller open a connection in place of one that is gone, or count one less."""
        if not self._hand_over(None):
            self._open -= 1
            self._fewer_open.set()

    def _gone(self, reason: CloseReason, *, ending: bool = False) -> None:
        self._closed[reason] += 1
        self._places.give_back(self.target.tenant, ending=ending)
        self._release_slot()

    def _lost_while_idle(self, pooled: PooledConnection) -> None:
        if self._idle.pop(pooled, pooled) is None:
            self._note_idle()
            self._gone(CloseReason.LOST)

    def _end(self, pooled: PooledConnection, reason: CloseReason) -> None:
        async def end() -> None:
            await close(pooled.connection)
            self._gone(reason, ending=True)

        self._places.note_ending(self.target.tenant)
        self._idle.pop(pooled, None)
        self._note_idle()
        self._do(end())

    async def _clean_up(self, pooled: PooledConnection) -> None:
        """Cancel what runs and roll back within `CLOSE_TIMEOUT`, so that the connection is as new, or end it."""
        await roll_back(pooled.connection, in_doubt=True)
        if pooled.connection.is_closed():
            self._gone(CloseReason.LOST)
        else:
            self._put_back(pooled)

    def _do(self, chore: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(chore, name="pool chore")
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def _sweep_at(self, due: float) -> None:
        if self._sweep_timer is None or due < self._sweep_timer.when():
            if self._sweep_timer is not None:
                self._sweep_timer.cancel()
            self._sweep_timer = self._loop.call_at(due, self._sweep)

    def _sweep(self) -> None:
        """End idle connections that are surplus or past a limit, and schedule the next sweep."""
        self._sweep_timer = None
        now = self._loop.time()
        surplus = len(self._idle) - self.settings.max_idle
        for index, pooled in enumerate(list(self._idle)):
            at, reason = self._end_of(pooled, surplus=index < surplus)
            if at <= now:
                self._end(pooled, reason)
            else:
                self._sweep_at(at)

    def _end_of(self, pooled: PooledConnection, *, surplus: bool) -> tuple[float, CloseReason]:
        """Return the time at which an idle connection ends if it is not used, and the reason."""
        idle_end = (pooled.idle_since + self.settings.max_idle_time, CloseReason.IDLE_TIME)
        surplus_end = (pooled.idle_since + SURPLUS_SECONDS if surplus else math.inf, CloseReason.IDLE)
        return min((pooled.dies_at, CloseReason.LIFETIME), idle_end, surplus_end)

    def _is_closed(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"{self.target.description}: the pool is closed.", reason="PoolClosed")


class _Lease(AbstractAsyncContextManager[Connection]):
    """One use of a connection. Not a generator, which is slower, since every query goes through it."""

    __slots__ = ("_pool", "_pooled", "_seconds")

    def __init__(self, pool: Pool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds

    async def __aenter__(self) -> Connection:
        self._pooled = await self._pool.acquire(self._seconds)
        return self._pooled.connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._pool.give_back(self._pooled, error)
        if isinstance(error, (*DRIVER_ERRORS, ProtocolViolation)):
            raise in_our_words(error, self._pool.target) from None
