"""A fault as a value, and one run of it through the product's own path."""

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
"""So that a busy machine is not taken for a slow server."""
SLACK_SECONDS = 0.25
"""For a busy machine; a second time-out in the place of one would be longer."""

Ask = Callable[[Pool], Awaitable[str]]
"""Uses the pool once; the reason that the product gives."""


class Server(Protocol):
    """The side that can tell who is still connected to it."""

    def connections(self, database: str) -> int:
        """Of the product, to that database."""
        ...


async def checked(pool: Pool) -> str:
    """The reason of one check of health."""
    return (await check(pool, LENIENT, None)).verdict.reason


def to_connect(target: Target) -> float:
    """Seconds within which a connection is had, or not."""
    return target.connect_timeout


def to_answer(target: Target) -> float:
    """Seconds within which a connection is had and has answered, or not."""
    return target.connect_timeout + target.query_timeout


@dataclass(frozen=True)
class Case:
    """A fault that is going on."""

    pool: Pool
    ask: Ask = checked
    server: Server | None = None


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes:
        begin: brings the fault about for the time of a `with`.
        reasons: that the product may give; each run gives one of them.
        promised: seconds for an answer; to be got rid of, every connection has `CLOSE_TIMEOUT`.
    """

    name: str
    begin: Callable[[], AbstractAsyncContextManager[Case]]
    reasons: tuple[str, ...]
    promised: Callable[[Target], float]


@dataclass(frozen=True)
class Run:
    """What was seen.

    Attributes:
        answer, gone: seconds to the product's answer, and from there until its pool was closed.
        pause_ms, busy_ms: the worst that a ticker beside it saw.
        connections: left over on a real server; None where there is none to ask.
        sockets, tasks: left over in this process.
        said: what asyncio complained of.
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
    said: tuple[str, ...]

    def wrongs(self, fault: Fault) -> list[str]:
        """Each promise that was not kept, as a sentence."""
        left = {"connections on the server": self.connections, "sockets": self.sockets, "tasks": self.tasks}
        return [
            *([f"the reason was {self.reason}"] if self.reason not in fault.reasons else ()),
            *([f"the answer took {self.answer:.2f} s"] if self.answer > self.promised + SLACK_SECONDS else ()),
            *([f"closing took {self.gone:.2f} s"] if self.gone > CLOSE_TIMEOUT + SLACK_SECONDS else ()),
            *(f"{count} {what} left over" for what, count in left.items() if count),
            *(f"asyncio said: {text}" for text in self.said),
        ]


class Ticker:
    """Looks at the clock again and again.

    Attributes:
        pause: longest time between two looks, in seconds, above what was asked for; with what a busy machine adds.
        busy: most time of a CPU that the thread used between two looks, in seconds.
    """

    pause = busy = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        try:
            yield
            await asyncio.sleep(TICK_SECONDS)  # a pause up to this moment counts too
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
    """Brings the fault about, asks, and closes the pool while it still goes on."""
    loop = asyncio.get_running_loop()
    said: list[str] = []
    loop.set_exception_handler(lambda _, context: said.append(_told(context)))
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
        tuple(said),
    )


def _told(context: dict[str, Any]) -> str:
    return f"{context['message']} {context.get('exception', '')}".strip()
