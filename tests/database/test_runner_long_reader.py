"""A file that wants a table for itself while somebody reads it for long: the others are not made to queue behind us."""

import asyncio
import time
from functools import partial

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.migrate.file_run import RunSettings
from tests.database.engine import run
from tests.database.silence import Notes

A = {"V1_a.up.sql": "CREATE TABLE a (n int); INSERT INTO a VALUES (1)", "V1_a.down.sql": "DROP TABLE a"}
ALTER = {**A, "V2_b.up.sql": "ALTER TABLE a ADD COLUMN m int"}
LOCK_TIMEOUT_MS = 100
TRIES = 5


class Waits(Notes):
    """Sets EVENT after a number of tries in vain that named the table."""

    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()

    def waiting(self, what: str, why: str) -> None:
        super().waiting(what, why)
        if len([each for each in self.waits if "a lock on a" in each]) >= TRIES:
            self.event.set()


async def longest_read(connection: Connection, stop: asyncio.Event) -> float:
    """Reads the table again and again; seconds that the slowest read took."""
    longest = 0.0
    while not stop.is_set():
        started = time.monotonic()
        await connection.fetchval("SELECT count(*) FROM a")
        longest = max(longest, time.monotonic() - started)
    return longest


async def test_readers_never_queue_for_long_behind_a_file_that_waits_for_its_table(
    target: Target, connection: Connection
) -> None:
    await run(connection, A)
    notes, stop = Waits(), asyncio.Event()
    async with connected(target) as long_reader, connected(target) as other:
        await long_reader.execute("SET application_name = 'report'; BEGIN; SELECT * FROM a")
        pid = long_reader.get_server_pid()
        began = time.monotonic()
        settings = RunSettings(lock_timeout_ms=LOCK_TIMEOUT_MS, lock_budget=60)
        ours = asyncio.create_task(
            run(connection, ALTER, settings=settings, progress=notes, beside=partial(connected, target))
        )
        reading = asyncio.create_task(longest_read(other, stop))
        await notes.event.wait()
        held = time.monotonic() - began
        stop.set()
        longest = await reading
        await long_reader.execute("ROLLBACK")
        done = await ours
    assert longest < held / 2, "the table was wanted all the while, and others were served in between"
    assert [step.label for step in done.steps] == ["V2_b.up.sql"]
    told = next(each for each in notes.waits if "a lock on a" in each)
    assert f"held by {target.user} with report from 127.0.0.1 (backend {pid}, in a transaction since " in told
    assert await connection.fetchval("SELECT retries FROM schema_version WHERE version = 2") >= 2
