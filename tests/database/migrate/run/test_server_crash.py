"""A server that crashes: what a run reported at its end is there, and in the middle each file is there as a whole."""

import asyncio

import pytest

from controller.database.connection import connected
from controller.errors import DatabaseUnavailable
from tests.database.engine import history, run, tables
from tests.database.silence import Notes
from tests.database.targets import target_to
from tests.support.postgres import PostgresServer

COUNT = 60
FILES = {f"V{n}_t{n}.up.sql": f"CREATE TABLE t{n} (); INSERT INTO ran VALUES ({n})" for n in range(2, COUNT + 1)}
FILES = {"V1_t1.up.sql": "CREATE TABLE t1 (); CREATE TABLE ran (n int); INSERT INTO ran VALUES (1)", **FILES}


class Reached(Notes):
    """Sets EVENT after some files."""

    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()

    def finished(self, step: object, seconds: float) -> None:
        self.done.append("")
        if len(self.done) == COUNT // 3:
            self.event.set()


async def test_a_run_that_has_ended_outlasts_a_crash_of_the_server() -> None:
    with PostgresServer(18) as server:
        target = target_to(server.create_database())
        async with connected(target) as connection:
            await run(connection, FILES)
            server.stop("immediate")
        server.start()
        async with connected(target) as connection:
            assert await history(connection) == [(n, "up") for n in range(1, COUNT + 1)]


async def test_a_crash_in_the_middle_leaves_whole_files_and_the_next_run_applies_the_rest() -> None:
    with PostgresServer(18) as server:
        target, reached = target_to(server.create_database()), Reached()

        async def first_run() -> None:
            async with connected(target) as connection:
                await run(connection, FILES, progress=reached)

        running = asyncio.create_task(first_run())
        await reached.event.wait()
        await asyncio.to_thread(server.stop, "immediate")
        with pytest.raises(DatabaseUnavailable):
            await running
        server.start()
        async with connected(target) as connection:
            there = {name for name in await tables(connection) if name.startswith("t")}
            assert there == {f"t{version}" for version, _ in await history(connection)}
            await run(connection, FILES)
            assert await connection.fetch("SELECT n FROM ran ORDER BY n") == [(n,) for n in range(1, COUNT + 1)]
