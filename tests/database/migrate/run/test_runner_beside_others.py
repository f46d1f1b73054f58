"""Runs beside other runners and other sessions: each file once, patience with an end, and never more than asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.errors import MigrationFailed, MigrationLocked
from controller.migrate.history import write
from controller.migrate.history.location import HISTORY, HistoryLocation
from controller.migrate.history.lock import describe_holder
from controller.migrate.history.read import locate_history
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Direction, Plan, Step
from controller.migrate.run.log_progress import LoggedProgress
from controller.migrate.sql.lexer import Statement
from tests.database.engine import IMPATIENT, history, run, run_alone, tables, take_lock
from tests.database.silence import Notes
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer
from tests.unit.migrate.folders import pairs

A = {"V1_a.up.sql": "CREATE TABLE a ()", "V1_a.down.sql": "DROP TABLE a"}
ALTER = {**A, "V2_b.up.sql": "CREATE TABLE b ();\nALTER TABLE a ADD COLUMN n int", "V2_b.down.sql": "DROP TABLE b"}
THREE = {f"V{n}_t{n}.up.sql": f"CREATE TABLE t{n} ()" for n in (1, 2, 3)}
THREE |= {f"V{n}_t{n}.down.sql": f"DROP TABLE t{n}" for n in (1, 2, 3)}


@asynccontextmanager
async def holding(target: Target, sql: str) -> AsyncIterator[Connection]:
    """Another session, in a transaction that has run SQL."""
    async with connected(target) as connection:
        await connection.execute(f"BEGIN; {sql}")
        yield connection
        await connection.execute("ROLLBACK")


@pytest.mark.parametrize("runners", [2, 10])
@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
async def test_runners_that_start_together_apply_each_file_once(
    postgres: PostgresServer, database: Database, target: Target, runners: int, isolation: str
) -> None:
    postgres.psql(
        postgres.superuser,
        sql=f"ALTER ROLE {quoted(database.user)} SET default_transaction_isolation = '{isolation}'",
    )
    files = {f"V{n}_t{n}.up.sql": f"CREATE TABLE t{n} (); CREATE INDEX ON t{n} ((1))" for n in range(1, 31)}
    plans = await asyncio.gather(*(run_alone(target, files) for _ in range(runners)))
    assert sorted(s.migration.version for plan in plans for s in plan.steps) == list(range(1, 31))
    assert {plan.target for plan in plans} == {30}
    async with connected(target) as connection:
        assert await history(connection) == [(n, "up") for n in range(1, 31)]
        locks = await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert locks == 0


async def test_a_runner_that_reverts_and_one_that_applies_leave_a_whole_number_of_files(target: Target) -> None:
    await run_alone(target, THREE)
    results = await asyncio.gather(
        *(run_alone(target, THREE, to=version) for version in (0, None, 0)), return_exceptions=True
    )
    assert all(not isinstance(r, BaseException) or isinstance(r, MigrationLocked) for r in results)
    async with connected(target) as connection:
        applied = [f"t{version}" for version, direction in await history(connection) if direction == "up"]
        assert [name for name in await tables(connection) if name not in HISTORY] == applied


class _Waits(LoggedProgress):
    """Tells when the run has made its plan and waits for the lock."""

    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()

    def waiting(self, what: str, why: str) -> None:
        super().waiting(what, why)
        self.event.set()


async def overtaken(target: Target, connection: Connection, to: int) -> Plan:
    """A run to TO that finds version 3 once it has the lock: another runner was faster."""
    notes = _Waits()
    async with connected(target) as other:
        await other.execute("BEGIN")
        await take_lock(other)
        ours = asyncio.create_task(run(connection, THREE, to, progress=notes))
        await notes.event.wait()
        exists = "schema_version" in await tables(other)
        location = HistoryLocation("public", has_history=exists, has_golang_migrate=False)
        if not location.has_history:
            await other.execute(write.create_tables(location))
        for migration in pairs(THREE):
            await other.execute(migration.up.text.replace("TABLE", "TABLE IF NOT EXISTS"))
            await other.execute(write.write_step(location, Step(migration, Direction.UP), host="pod", retries=0))
        await other.execute("COMMIT")
        return await ours


async def test_an_up_that_was_overtaken_does_not_revert_what_the_other_applied(
    target: Target, connection: Connection
) -> None:
    done = await overtaken(target, connection, to=1)
    assert (done.steps, done.target) == ((), 3)
    assert await history(connection) == [(1, "up"), (2, "up"), (3, "up")]


async def test_a_down_that_was_overtaken_reverts_no_more_than_was_asked(target: Target, connection: Connection) -> None:
    await run(connection, THREE, 2)
    with pytest.raises(MigrationLocked, match="Another runner brought the database to version 3"):
        await overtaken(target, connection, to=1)
    assert await history(connection) == [(1, "up"), (2, "up"), (3, "up")]


async def test_a_runner_that_holds_the_lock_too_long_is_named(target: Target, connection: Connection) -> None:
    notes = Notes()
    async with connected(target) as holder:
        await holder.execute("SET application_name = 'the other one'; BEGIN")
        await take_lock(holder)
        pid = await holder.fetchval("SELECT pg_backend_pid()")
        with pytest.raises(MigrationLocked, match=r"the other one from 127\.0\.0\.1") as caught:
            await run(connection, A, settings=IMPATIENT, progress=notes)
        assert f"backend {pid}" in caught.value.message
        assert caught.value.exit_code == 4
        location = await locate_history(connection, None)
        again = await describe_holder(connection, location)
        await asyncio.sleep(1.1)
        assert await describe_holder(connection, location) == again, (
            "the words end up in a status that is written when it changes"
        )
        await holder.execute("ROLLBACK")
    assert len(notes.waits) >= 1
    assert await tables(connection) == []
    await run(connection, A)


@pytest.mark.parametrize(
    "text",
    ["CREATE TABLE a ()", "SELECT 1", "", "-- dashdb:no-transaction\nCREATE TABLE a ()"],
    ids=["sent with the lock", "sent after the lock", "empty", "without a transaction"],
)
async def test_a_file_is_logged_as_started_once_and_only_when_its_run_holds_the_lock(
    target: Target, connection: Connection, text: str
) -> None:
    progress = _Waits()
    with capture_logs() as records:
        async with connected(target) as holder:
            await holder.execute("BEGIN")
            await take_lock(holder)
            ours = asyncio.create_task(run(connection, {"V1_a.up.sql": text}, progress=progress))
            await asyncio.wait_for(progress.event.wait(), 10)
            with pytest.raises(MigrationLocked):
                await run_alone(target, {"V1_a.up.sql": text}, settings=IMPATIENT, progress=LoggedProgress())
            assert {record["event"] for record in records} == {"migration waits"}
            await holder.execute("ROLLBACK")
        await ours
    events = [record["event"] for record in records if record["event"] != "migration waits"]
    assert events == ["migration started", "migration finished"]


async def test_a_file_that_postgresql_refuses_is_logged_as_started(connection: Connection) -> None:
    with capture_logs() as records, pytest.raises(MigrationFailed):
        await run(connection, {"V1_a.up.sql": "CREATE TABLE a (n nothing)"}, progress=LoggedProgress())
    assert [record["event"] for record in records] == ["migration started"]


async def test_no_patience_means_one_try(target: Target, connection: Connection) -> None:
    notes = Notes()
    async with connected(target) as holder:
        await holder.execute("BEGIN")
        await take_lock(holder)
        with pytest.raises(MigrationLocked):
            await run(connection, A, settings=RunSettings(runner_wait=0), progress=notes)
        await holder.execute("ROLLBACK")
    assert notes.waits == []


async def test_the_lock_of_another_schema_is_another_lock(target: Target, connection: Connection) -> None:
    await connection.execute("CREATE SCHEMA other")
    async with connected(target) as holder:
        await holder.execute("BEGIN")
        await take_lock(holder, "other")
        await run(connection, A, settings=IMPATIENT)
        await holder.execute("ROLLBACK")


async def test_a_holder_that_has_just_gone_is_another_runner(connection: Connection) -> None:
    assert await describe_holder(connection, await locate_history(connection, None)) == "another runner"


class _LetGo(Notes):
    """Ends the session in the way as soon as the run says that it waits."""

    def __init__(self, blocker: Connection) -> None:
        super().__init__()
        self._blocker = blocker
        self.tried: list[int] = []

    def statement(self, step: Step, number: int, statement: Statement) -> None:
        self.tried.append(number)

    def waiting(self, what: str, why: str) -> None:
        super().waiting(what, why)
        self._blocker.terminate()


async def test_a_file_that_met_a_locked_table_is_tried_again_as_a_whole(target: Target, connection: Connection) -> None:
    await run(connection, A)
    async with connected(target) as blocker:
        await blocker.execute("BEGIN; LOCK TABLE a")
        notes = _LetGo(blocker)
        await run(connection, ALTER, settings=RunSettings(lock_timeout_ms=50), progress=notes)
    assert notes.tried[:3] == [2, 1, 2], "at first, the first one is sent with the lock"
    assert "a lock that another session holds (line 2)" in notes.waits[0]
    retries = await connection.fetchval("SELECT retries FROM schema_version_detail WHERE version = 2")
    assert retries == len(notes.waits) >= 1


@pytest.mark.parametrize("locked", ["a", "schema_version", "schema_version_detail"])
async def test_a_table_that_stays_locked_ends_the_patience_and_nothing_is_applied(
    target: Target, connection: Connection, locked: str
) -> None:
    await run(connection, A)
    async with holding(target, f"LOCK TABLE {locked} IN SHARE MODE"):
        with pytest.raises(MigrationLocked, match="Nothing of it was applied") as caught:
            await run(connection, ALTER, settings=IMPATIENT)
        assert caught.value.exit_code == 4
    assert await tables(connection) == ["a", "schema_version", "schema_version_detail"]
    assert await history(connection) == [(1, "up")]


async def test_the_history_table_that_someone_reads_holds_up_the_last_way_down_for_a_bounded_time(
    target: Target, connection: Connection
) -> None:
    await run(connection, A)
    async with holding(target, "SELECT FROM schema_version"):
        with pytest.raises(MigrationLocked, match="a lock on schema_version"):
            await run(connection, A, 0, settings=IMPATIENT)
    assert await tables(connection) == ["a", "schema_version", "schema_version_detail"]
    await run(connection, A, 0)
    assert await tables(connection) == []
