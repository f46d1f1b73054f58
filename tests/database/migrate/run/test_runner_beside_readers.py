"""A file that needs a table for itself, beside a long reader: nobody queues behind us for long, and who blocks is told.

How long is not measured here: the server ends a reader that queues for longer than it is allowed to.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.migrate.history.session import RunSettings
from tests.database.engine import run, run_alone
from tests.database.silence import Notes
from tests.database.targets import role, target_to
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer

LIMIT_MS = 300
"""That one statement of ours may queue for the table."""
PATIENCE_MS = 10 * LIMIT_MS
"""That a reader may queue; the table is blocked for longer than that."""
A = {"V1_a.up.sql": "CREATE TABLE a (n int)", "V1_a.down.sql": "DROP TABLE a"}
ALTER = "CREATE TABLE b ();\nALTER TABLE a ADD COLUMN m int"
KINDS = pytest.mark.parametrize("head", ["", "-- dashdb:no-transaction\n"], ids=["in a transaction", "without one"])


class Readers:
    """Read the table again and again, as the traffic of a service does."""

    def __init__(self) -> None:
        self.read = 0

    async def go_on(self, connection: Connection) -> None:
        """Read again and again until one read has to queue for longer than it may."""
        await connection.execute(f"SET lock_timeout = {PATIENCE_MS}")
        while True:
            await connection.fetch("SELECT n FROM a")
            self.read += 1
            await asyncio.sleep(0.01)


@asynccontextmanager
async def traffic(target: Target) -> AsyncIterator[tuple[Readers, "asyncio.Task[None]"]]:
    readers = Readers()
    async with connected(target) as connection:
        task = asyncio.create_task(readers.go_on(connection))
        yield readers, task
        task.cancel()
        with suppress(asyncio.CancelledError, asyncpg.LockNotAvailableError):
            await task


@asynccontextmanager
async def long_reader(target: Target) -> AsyncIterator[Connection]:
    """A report, say: it reads the table, and stays in its transaction."""
    async with connected(target) as connection:
        await connection.execute("SET application_name = 'monthly report'; BEGIN; SELECT FROM a")
        yield connection


async def seen(connection: Connection, condition: str) -> None:
    async with asyncio.timeout(60):
        while not await connection.fetchval(f"SELECT {condition}"):  # noqa: ASYNC110 - a server has no events
            await asyncio.sleep(0.01)


QUEUES = "count(*) > 0 FROM pg_locks WHERE relation = 'a'::regclass AND mode = 'AccessShareLock' AND NOT granted"


def blocked_for_long(pid: int) -> str:
    since = f"(SELECT xact_start FROM pg_stat_activity WHERE pid = {pid})"
    return f"clock_timestamp() - {since} > interval '{1.5 * PATIENCE_MS} ms'"


@pytest.fixture
def reporter(postgres: PostgresServer, database: Database) -> Database:
    """A role that may read, and that the owner may see."""
    reader = role(postgres, database=database)
    postgres.psql(postgres.superuser, sql=f"GRANT {quoted(reader.user)} TO {quoted(database.user)}")
    return reader


@KINDS
async def test_readers_go_on_while_we_try_and_the_file_is_applied_once_the_table_is_free(
    reporter: Database, target: Target, connection: Connection, head: str
) -> None:
    files = {**A, "V2_b.up.sql": head + ALTER}
    await run(connection, files, 1)
    await connection.execute(f"GRANT SELECT ON a TO {quoted(reporter.user)}")
    notes = Notes()
    settings = RunSettings(lock_timeout_ms=LIMIT_MS)
    async with long_reader(target_to(reporter)) as report, traffic(target) as (readers, reading):
        pid = await report.fetchval("SELECT pg_backend_pid()")
        ours = asyncio.create_task(run_alone(target, files, settings=settings, progress=notes))
        await seen(connection, QUEUES)
        before = readers.read
        await seen(connection, blocked_for_long(pid))
        assert not reading.done(), "no reader had to queue for longer than it may"
        assert readers.read > before
        assert not ours.done()
        await report.execute("ROLLBACK")
        await ours
        assert not reading.done()
    named = rf"a lock on public.a, held by monthly report from 127\.0\.0\.1 \(backend {pid}, role {reporter.user}"
    assert any(re.match(named, why) for why in notes.waits), notes.waits
    row = await connection.fetchrow(
        "SELECT state, retries FROM schema_version JOIN schema_version_detail USING (version) WHERE version = 2"
    )
    assert row["state"] == "applied"
    assert row["retries"] >= 1


async def test_without_our_limit_a_reader_queues_for_as_long_as_the_table_is_blocked(
    target: Target, connection: Connection
) -> None:
    """Prove that the test above would fail without the limit."""
    files = {**A, "V2_b.up.sql": ALTER}
    await run(connection, files, 1)
    settings = RunSettings(lock_timeout_ms=1_000_000)
    async with long_reader(target) as report, traffic(target) as (_, reading):
        ours = asyncio.create_task(run_alone(target, files, settings=settings))
        with pytest.raises(asyncpg.LockNotAvailableError):
            await reading
        await report.execute("ROLLBACK")
        await ours
