"""Faults as values, and one run of a fault against the product's own pool."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.leftovers import left_over, open_sockets
from controller.database.connection import CLOSE_TIMEOUT
from controller.database.pool.pool import Pool
from controller.database.target import Target
from controller.desired import Thresholds
from controller.health.check import check

TICK_SECONDS = 0.005
LENIENT = Thresholds(utilization_percent=100, response_ms=math.inf)
"""Thresholds that a busy machine does not exceed."""
SLACK_SECONDS = 0.25
"""Seconds of tolerance for a busy machine; a timeout that runs twice takes longer."""

Ask = Callable[[Pool], Awaitable[str]]
"""Function that uses the pool once and returns the reason that the product reports."""


class Server(Protocol):
    """Server that can count its connections."""

    def connections(self, database: str) -> int:
        """Return the number of connections of the product to that database."""
        ...


async def checked(pool: Pool) -> str:
    """Return the reason of one check of health."""
    return (await check(pool, LENIENT, None)).verdict.reason


def to_connect(target: Target) -> float:
    """Return the seconds within which getting a connection succeeds or fails."""
    return target.connect_timeout


def to_answer(target: Target) -> float:
    """Return the seconds within which getting a connection and one query succeed or fail."""
    return target.connect_timeout + target.query_timeout


@dataclass(frozen=True)
class Case:
    """Active fault, and the pool that meets it."""

    pool: Pool
    ask: Ask = checked
    server: Server | None = None


@dataclass(frozen=True)
class Fault:
    """Fault, which is one row of the table.

    Attributes:
        begin: causes the fault for the duration of a `with`.
        reasons: reasons that the product may report; each run reports one of them.
        promised: returns the promised seconds for an answer; closing has `CLOSE_TIMEOUT`.
    """

    name: str
    begin: Callable[[], AbstractAsyncContextManager[Case]]
    reasons: tuple[str, ...]
    promised: Callable[[Target], float]


@dataclass(frozen=True)
class Run:
    """Result of one run.

    Attributes:
        answer, gone: seconds until the answer of the product, and from then until its pool was closed.
        pause_ms, busy_ms: largest values of the ticker.
        connections: number left over on a real server; None without a real server.
        sockets, tasks: number left over in this process.
        asyncio_errors: errors that asyncio reported.
    """

    reason: str
    promised: float
    answer: float
    gone: float
    pause_ms: float
    busy_ms: float
    connections: int | None
    sockets: int
    tasks: int
    asyncio_errors: tuple[str, ...]

    def wrong(self, fault: Fault) -> list[str]:
        """Return a sentence for a wrong reason, each leftover and each error of asyncio, on however busy a machine."""
        left = {"connections on the server": self.connections, "sockets": self.sockets, "tasks": self.tasks}
        return [
            *([f"the reason was {self.reason}"] if self.reason not in fault.reasons else ()),
            *(f"{count} {what} left over" for what, count in left.items() if count),
            *(f"asyncio said: {text}" for text in self.asyncio_errors),
        ]

    def late(self) -> list[str]:
        """Return a sentence for each promised time that was exceeded."""
        return [
            *([f"the answer took {self.answer:.2f} s"] if self.answer > self.promised + SLACK_SECONDS else ()),
            *([f"closing took {self.gone:.2f} s"] if self.gone > CLOSE_TIMEOUT + SLACK_SECONDS else ()),
        ]


class Ticker:
    """Task that measures the delays of the event loop.

    Attributes:
        pause: longest time between two ticks above the interval, in seconds; includes delays of a busy machine.
        busy: most CPU time of the thread between two ticks, in seconds.
    """

    pause = busy = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        try:
            yield
            await asyncio.sleep(TICK_SECONDS)  # include a pause up to now
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _tick(self) -> None:
        while True:
            before, busy_before = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            self.pause = max(self.pause, time.perf_counter() - before - TICK_SECONDS)
            self.busy = max(self.busy, time.thread_time() - busy_before)


async def run_once(fault: Fault) -> Run:
    """Cause the fault, use the pool, and close it while the fault lasts."""
    loop = asyncio.get_running_loop()
    asyncio_errors: list[str] = []
    loop.set_exception_handler(lambda _, context: asyncio_errors.append(_describe(context)))
    sockets, tasks = open_sockets(), asyncio.all_tasks()
    ticker = Ticker()
    async with fault.begin() as case:
        async with ticker.running():
            started = time.perf_counter()
            reason = await case.ask(case.pool)
            answered = time.perf_counter()
            await case.pool.close()
            closed = time.perf_counter()
        server, database = case.server, case.pool.target.database
    connections = await asyncio.to_thread(left_over, lambda: server.connections(database)) if server else None
    return Run(
        reason,
        fault.promised(case.pool.target),
        answered - started,
        closed - answered,
        ticker.pause * 1000,
        ticker.busy * 1000,
        connections,
        await asyncio.to_thread(left_over, lambda: open_sockets() - sockets),
        len(asyncio.all_tasks() - tasks),
        tuple(asyncio_errors),
    )


def _describe(context: dict[str, Any]) -> str:
    return f"{context['message']} {context.get('exception', '')}".strip()
