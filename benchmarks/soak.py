"""Soak test of one pool, with short lifetimes and sessions and clients ended at random, to find leaks.

    python -m benchmarks.soak [--json] [--minutes N]

Exits with 1 if an answer was another client's, an error had an unexpected reason, a connection (open or counted as in
use), a socket or a task was left over, the statistics do not add up, or memory grew.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import click
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.leftovers import left_over, open_sockets
from benchmarks.migrations import target_to
from controller.database.connection import connected
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.errors import DashdbError
from tests.support.database import Database
from tests.support.postgres import PostgresServer

SETTINGS = PoolSettings(max_open=20, max_idle=10, max_lifetime=2, max_idle_time=1)
CLIENTS = 40
KILL_EVERY, CANCEL_EVERY = 0.2, 0.02
"""Average seconds between two of them."""
EXPECTED = {"ConnectionLost", "QueryFailed"}
"""Reasons of expected errors: sessions that were ended, and a division by zero."""
WARM_SECONDS = 60
MEBIBYTE = 1024 * 1024
MOST_GROWTH_MEBIBYTES = 10.0
"""Limit of memory growth after the first minute, in which the heap settles; a leak of 10 kB with each connection would
be several times as much in ten minutes."""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"
KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = $1 AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
)


@dataclass
class Soak:
    """Load on a pool, and its counts.

    Attributes:
        foreign_answers: number of answers to another client's query.
        asyncio_errors: errors that asyncio reported.
    """

    pool: Pool
    database: Database
    superuser: Database
    clients: list[asyncio.Task[None]] = field(default_factory=list)
    answers: int = 0
    foreign_answers: int = 0
    kills: int = 0
    cancels: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    asyncio_errors: list[str] = field(default_factory=list)

    async def client(self) -> None:
        """Query its own number, in one of several ways, without end."""
        while True:
            number = random.randrange(1_000_000_000)
            try:
                answer = await random.choice((self.plain, self.slow, self.half_done, self.failing))(number)
                self.answers += 1
                self.foreign_answers += answer != number
            except DashdbError as error:
                self.errors[error.reason] += 1
            await asyncio.sleep(random.expovariate(20))

    async def plain(self, number: int) -> Any:
        async with self.pool.connection() as connection:
            return await connection.fetchval("SELECT $1::int", number)

    async def slow(self, number: int) -> Any:
        async with self.pool.connection() as connection:
            return await connection.fetchval("SELECT $1::int FROM pg_sleep($2)", number, random.uniform(0, 0.1))

    async def half_done(self, number: int) -> Any:
        """Leave a transaction open, which the pool has to end."""
        async with self.pool.connection() as connection:
            await connection.execute("BEGIN")
            return await connection.fetchval("SELECT $1::int", number)

    async def failing(self, number: int) -> Any:
        async with self.pool.connection() as connection:
            return await connection.fetchval("SELECT $1::int / 0", number)

    async def kill(self) -> None:
        async with connected(target_to(self.superuser)) as connection:
            while True:
                await asyncio.sleep(random.expovariate(1 / KILL_EVERY))
                self.kills += bool(await connection.fetchval(KILL, self.database.name))

    async def cancel(self) -> None:
        while True:
            await asyncio.sleep(random.expovariate(1 / CANCEL_EVERY))
            index = random.randrange(CLIENTS)
            self.clients[index].cancel()
            await asyncio.wait([self.clients[index]])
            self.clients[index] = asyncio.create_task(self.client())
            self.cancels += 1

    def problems(self) -> list[str]:
        """Return a sentence for each wrong answer or error of a client."""
        unexpected = set(self.errors) - EXPECTED
        return [
            *([f"{self.foreign_answers} answers were another client's"] if self.foreign_answers else []),
            *(f"unexpected reason: {reason}" for reason in unexpected),
            *(f"asyncio said: {text}" for text in self.asyncio_errors),
        ]

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[None]:
        self.clients += [asyncio.create_task(self.client()) for _ in range(CLIENTS)]
        trouble = [asyncio.create_task(work) for work in (self.kill(), self.cancel())]
        try:
            yield
        finally:
            for tasks in (trouble, self.clients):
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            for task in trouble:
                if not task.cancelled():
                    task.result()


async def soak(server: PostgresServer, seconds: float, console: Console) -> dict[str, Any]:
    """Run the soak test and return its figures; `problems` holds a sentence for each broken promise."""
    database = await asyncio.to_thread(server.create_database)
    run = Soak(Pool(target_to(database), SETTINGS), database, server.superuser)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: run.asyncio_errors.append(str(context)))
    sockets, tasks = open_sockets(), asyncio.all_tasks()
    async with run.under_load():
        warm = await wait_and_measure(seconds, console)
    after = resident()
    problems = [*run.problems(), *await problems_of_pool(run.pool)]

    def sessions() -> int:
        return int(server.psql(server.superuser, sql=SESSIONS.format(database.name), args=("-At",)))

    left = {
        "connections on the server": await asyncio.to_thread(left_over, sessions),
        "sockets": await asyncio.to_thread(left_over, lambda: open_sockets() - sockets),
        "tasks": len(asyncio.all_tasks() - tasks),
    }
    problems += [f"{count} {what} are left over" for what, count in left.items() if count]
    problems += [f"memory grew by {after - warm:.1f} MiB"] if after - warm > MOST_GROWTH_MEBIBYTES else []
    statistics = run.pool.statistics
    return {
        "answers": run.answers,
        "sessions ended": run.kills,
        "clients cancelled": run.cancels,
        "errors": dict(run.errors),
        "connections opened": statistics.opened,
        "connections closed": {str(reason): count for reason, count in statistics.closed.items()},
        "resident after a minute, MiB": round(warm, 1),
        "resident at the end, MiB": round(after, 1),
        "problems": problems,
    }


async def problems_of_pool(pool: Pool) -> list[str]:
    """Check a pool that is no longer used, and close it; return a sentence for each problem."""
    used = await all_at_once(pool)
    taken = await asyncio.to_thread(left_over, lambda: pool.statistics.in_use)
    idle = pool.statistics
    await pool.close()
    closed = pool.statistics
    problems = {
        f"{used} connections could be used at once, of {SETTINGS.max_open}": used != SETTINGS.max_open,
        f"{taken} connections are still in use": taken,
        f"{closed.open} connections are open in a closed pool": closed.open,
        **{f"it does not add up: {at}": at.opened != sum(at.closed.values()) + at.open for at in (idle, closed)},
    }
    return [text for text, broken in problems.items() if broken]


async def wait_and_measure(seconds: float, console: Console) -> float:
    """Wait for the time of the test; return the resident memory after its first minute."""
    started, warm = time.monotonic(), 0.0
    with Progress(console=console) as progress:
        task = progress.add_task("soaking", total=seconds)
        while (passed := time.monotonic() - started) < seconds:
            await asyncio.sleep(1)
            progress.update(task, completed=passed)
            if not warm and passed >= WARM_SECONDS:
                warm = resident()
    return warm


async def all_at_once(pool: Pool) -> int:
    """Return the number of connections that the pool can give at the same time."""
    async with AsyncExitStack() as stack, asyncio.timeout(30):
        connections = [await stack.enter_async_context(pool.connection()) for _ in range(SETTINGS.max_open)]
        for connection in connections:
            await connection.fetchval("SELECT 1")
        return pool.statistics.in_use


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    return float(psutil.Process().memory_info().rss / MEBIBYTE)


@click.command()
@click.option("--minutes", default=10, show_default=True, type=click.IntRange(min=2), help="Duration of the test.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(minutes: int, *, as_json: bool) -> None:
    """Find leaks of a pool whose sessions and clients end at random."""
    with PostgresServer(18) as server:
        found = asyncio.run(soak(server, minutes * 60, Console(stderr=True)))
    if as_json:
        print(json.dumps(found))
    else:
        table = Table("what", "figure", title=f"{CLIENTS} clients of a pool of {SETTINGS.max_open}, {minutes} minutes")
        for what, figure in found.items():
            table.add_row(what, str(figure))
        Console().print(table)
    sys.exit(1 if found["problems"] else 0)


if __name__ == "__main__":
    main()
