"""CREATE INDEX CONCURRENTLY in a migration: whole in the end, whatever stood in its way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from controller.database.connection import Connection, connected
from controller.database.quoting import identifier
from controller.database.target import Target
from controller.errors import MigrationFailed, MigrationFileError, SchemaDirty
from controller.migrate.history.session import RunSettings
from tests.database.engine import history, run, run_alone, tables
from tests.database.silence import Notes
from tests.support.database import Database

A, B = "V1_make_a.up.sql", "V2_index.up.sql"
TABLE = {A: "CREATE TABLE a (n int)", "V1_make_a.down.sql": "DROP TABLE a"}
BUILD = "CREATE INDEX CONCURRENTLY a_n ON a (n)"
BUILD_IF_MISSING = "CREATE INDEX CONCURRENTLY IF NOT EXISTS a_n ON a (n)"
UNIQUE = "CREATE UNIQUE INDEX CONCURRENTLY a_n ON a (n)"
BACK = {"V2_index.down.sql": "DROP INDEX CONCURRENTLY a_n"}
BUILDING = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()"


async def indexes(connection: Connection) -> dict[str, bool]:
    """Name and validity of each."""
    listed = (
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indexrelid::regclass::text LIKE 'a\\_n%'"
    )
    return dict(await connection.fetch(listed))


@asynccontextmanager
async def writer(target: Target) -> AsyncIterator[Connection]:
    """A transaction that has written to the table; no index can be finished beside it."""
    async with connected(target) as connection:
        await connection.execute("BEGIN; INSERT INTO a VALUES (1)")
        yield connection
        if not connection.is_closed():
            await connection.execute("ROLLBACK")


async def building(observer: Connection) -> int:
    """The backend that builds an index."""
    async with asyncio.timeout(10):
        while (pid := await observer.fetchval(BUILDING)) is None:  # noqa: ASYNC110 - a server has no events
            await asyncio.sleep(0.01)
    return int(pid)


async def told(text: str, *notes: Notes) -> None:
    """Wait until a run has reported that it waits for a session that it describes with TEXT."""
    async with asyncio.timeout(10):
        while not any(text in why for each in notes for why in each.waits):  # noqa: ASYNC110 - notes have no events
            await asyncio.sleep(0.01)


@asynccontextmanager
async def interrupted(target: Target, connection: Connection, build: str) -> AsyncIterator[dict[str, str]]:
    """The files, after a run of them was cancelled in the middle of BUILD."""
    files = {**TABLE, B: build}
    await run(connection, files, 1)
    async with writer(target):
        task = asyncio.create_task(run_alone(target, files))
        await building(connection)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await indexes(connection) == {"a_n": False}
    yield files


@pytest.mark.parametrize("build", [BUILD, BUILD_IF_MISSING, UNIQUE])
async def test_an_index_is_built_and_dropped(connection: Connection, build: str) -> None:
    files = {**TABLE, **BACK, B: build}
    await run(connection, files)
    assert await indexes(connection) == {"a_n": True}
    await run(connection, files, 1)
    assert await indexes(connection) == {}
    assert await history(connection) == [(1, "up"), (2, "down")]


@pytest.mark.parametrize("build", [BUILD, BUILD_IF_MISSING, UNIQUE])
async def test_what_an_interrupted_build_left_is_built_anew(target: Target, connection: Connection, build: str) -> None:
    async with interrupted(target, connection, build) as files:
        await run(connection, files)
    assert await indexes(connection) == {"a_n": True}
    assert await history(connection) == [(1, "up"), (2, "up")]


@pytest.mark.parametrize("build", [BUILD, BUILD_IF_MISSING])
async def test_what_another_tool_left_invalid_is_repaired_too(connection: Connection, build: str) -> None:
    await run(connection, TABLE)
    await connection.execute("INSERT INTO a VALUES (1), (1)")
    with pytest.raises(Exception, match="could not create unique index"):
        await connection.execute(UNIQUE)
    assert await indexes(connection) == {"a_n": False}
    await run(connection, {**TABLE, B: build})
    assert await indexes(connection) == {"a_n": True}


async def test_a_unique_index_over_duplicates_is_dirty_until_they_are_gone(connection: Connection) -> None:
    files = {**TABLE, B: UNIQUE}
    await run(connection, files, 1)
    await connection.execute("INSERT INTO a VALUES (1), (1)")
    for _ in range(2):
        with pytest.raises(SchemaDirty, match=r"statement 1 of 1: V2_index\.up\.sql:1:1: .*23505 unique_violation"):
            await run(connection, files)
    await connection.execute("DELETE FROM a")
    await run(connection, files)
    assert await indexes(connection) == {"a_n": True}


@pytest.mark.parametrize("build", [BUILD, BUILD_IF_MISSING])
async def test_a_build_that_had_reached_its_end_is_not_done_again(
    target: Target, connection: Connection, build: str
) -> None:
    """Simulate a process that dies between the end of the statement and its entry in the journal."""
    async with interrupted(target, connection, build) as files:
        await connection.execute("REINDEX INDEX CONCURRENTLY a_n")
        built = await connection.fetchval("SELECT 'a_n'::regclass::oid")
        await run(connection, files)
    assert await connection.fetchval("SELECT 'a_n'::regclass::oid") == built
    assert await indexes(connection) == {"a_n": True}
    assert await history(connection) == [(1, "up"), (2, "up")]


async def test_an_index_of_that_name_that_somebody_else_made_is_not_taken_for_ours(connection: Connection) -> None:
    await run(connection, TABLE)
    await connection.execute("CREATE INDEX a_n ON a ((n + 1))")
    for _ in range(2):
        with pytest.raises(MigrationFailed, match=r"42P07 duplicate_table.*Nothing of this file was applied"):
            await run(connection, {**TABLE, B: BUILD})
    await connection.execute("DROP INDEX a_n")
    await run(connection, {**TABLE, B: BUILD})
    assert await indexes(connection) == {"a_n": True}


@pytest.mark.parametrize("build", [BUILD, BUILD_IF_MISSING])
async def test_a_name_that_belongs_to_another_table_is_told(connection: Connection, build: str) -> None:
    """IF NOT EXISTS finds it, and is content with it."""
    await run(connection, TABLE)
    await connection.execute("CREATE TABLE b (n int); CREATE INDEX a_n ON b (n)")
    with pytest.raises(MigrationFailed, match="42P07 duplicate_table" if build == BUILD else "Choose another name"):
        await run(connection, {**TABLE, B: build})
    assert await indexes(connection) == {"a_n": True}
    await run(connection, {**TABLE, B: build.replace("a_n", "a_n2")})
    assert await indexes(connection) == {"a_n": True, "a_n2": True}


async def test_the_invalid_index_of_another_table_is_left_alone(connection: Connection) -> None:
    await run(connection, TABLE)
    await connection.execute("CREATE TABLE b (n int); INSERT INTO b VALUES (1), (1)")
    with pytest.raises(Exception, match="could not create unique index"):
        await connection.execute(UNIQUE.replace("ON a", "ON b"))
    with pytest.raises(MigrationFailed):
        await run(connection, {**TABLE, B: BUILD_IF_MISSING})
    assert await indexes(connection) == {"a_n": False}


@pytest.mark.parametrize("name", [B, "V2_index.down.sql"])
async def test_an_index_without_a_name_is_refused_before_any_file_runs(connection: Connection, name: str) -> None:
    with pytest.raises(MigrationFileError, match=rf"^{name}:2:1: .*needs a name"):
        await run(connection, {**TABLE, B: BUILD, name: "\nCREATE INDEX CONCURRENTLY ON a (n)"})
    assert await tables(connection) == []


async def test_a_table_with_a_schema_quotes_and_capitals(connection: Connection) -> None:
    text = 'CREATE SCHEMA "My-Schema"; CREATE TABLE "My-Schema"."Of ""A"""  (n int)'
    build = 'CREATE INDEX CONCURRENTLY -- why\n IF NOT EXISTS "Of.N" /* so */ ON ONLY "My-Schema" . "Of ""A""" (n)'
    await run(connection, {A: text, B: build, "V3_again.up.sql": build})
    valid = 'SELECT indisvalid FROM pg_index WHERE indexrelid = \'"My-Schema"."Of.N"\'::regclass'
    assert await connection.fetchval(valid)


async def test_two_runners_build_it_once_and_neither_stops_the_other(target: Target, connection: Connection) -> None:
    """Avoid golang-migrate #960, where the build waits for the runner that waits for the lock."""
    files = {**TABLE, B: BUILD}
    await run(connection, files, 1)
    notes = [Notes(), Notes()]
    async with writer(target) as blocker:
        tasks = [asyncio.create_task(run_alone(target, files, progress=each)) for each in notes]
        pid = await building(connection)
        await told(f"backend {pid}", *notes)
        await blocker.execute("ROLLBACK")
        plans = await asyncio.gather(*tasks)
    assert sum(len(plan.steps) for plan in plans) == 1
    assert await indexes(connection) == {"a_n": True}
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_the_build_waits_for_an_old_transaction_longer_than_for_a_table(
    target: Target, connection: Connection
) -> None:
    """Expect no lock timeout: it would lose the index that was built, and the wait blocks nobody."""
    files = {**TABLE, B: BUILD}
    await run(connection, files, 1)
    settings = RunSettings(lock_timeout_ms=50, lock_budget=0)
    notes = Notes()
    async with writer(target) as blocker:
        held_up = await blocker.fetchval("SELECT pg_backend_pid()")
        task = asyncio.create_task(run_alone(target, files, settings=settings, progress=notes))
        await told(f"backend {held_up},", notes)
        assert not task.done()
        await connection.execute("INSERT INTO a VALUES (2)")
        await blocker.execute("ROLLBACK")
        await task
    assert await indexes(connection) == {"a_n": True}


@pytest.mark.parametrize("text", ["VACUUM missing", "DROP INDEX CONCURRENTLY missing"])
async def test_a_refusal_of_a_statement_that_runs_alone_names_its_place(connection: Connection, text: str) -> None:
    with pytest.raises((SchemaDirty, MigrationFailed), match=r"V2_index\.up\.sql:3:"):
        await run(connection, {**TABLE, B: f"SELECT 1;\n\n{text}"})


@pytest.mark.parametrize(
    ("build", "name"),
    [
        ("CREATE INDEX CONCURRENTLY a_n -- why\rON a (n)", "a_n"),
        ("CREATE /* a /* b */ */ INDEX CONCURRENTLY A_N ON public /* x */ . A (n)", "a_n"),
        ('CREATE INDEX CONCURRENTLY IF NOT EXISTS U&"a_n\\0064" ON U&"!0061" UESCAPE \'!\' (n)', "a_nd"),
        ("CREATE INDEX CONCURRENTLY a_n$ü ON only_here.public.a (n)", "a_n$ü"),
        ('CREATE INDEX CONCURRENTLY "a_n ""x"".y" ON ONLY a (n)', 'a_n "x".y'),
        (f"CREATE INDEX CONCURRENTLY a_n{'x' * 80} ON a (n)", f"a_n{'x' * 60}"),
    ],
)
async def test_a_half_built_index_is_found_however_its_name_is_written(
    connection: Connection, database: Database, build: str, name: str
) -> None:
    build = build.replace("only_here", f'"{database.name}"')
    await run(connection, TABLE)
    await connection.execute("INSERT INTO a VALUES (1), (1)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(build.replace("INDEX", "UNIQUE INDEX", 1))
    await run(connection, {**TABLE, B: build})
    listed = "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname LIKE 'a\\_n%'"
    assert [tuple(row) for row in await connection.fetch(listed)] == [(name, True)]
    await connection.execute(f"DROP INDEX {identifier(name)}")
