"""A file without a transaction: statement by statement, with a journal, so that a run that stopped can be resumed."""

import asyncio
import re
from typing import NamedTuple

import pytest

from controller.database.connection import Connection, connected
from controller.database.target import Pooler, Target
from controller.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    MigrationFailed,
    MigrationLocked,
    Recovery,
    SchemaDirty,
)
from controller.migrate.history.location import HISTORY
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Step
from controller.migrate.sql.lexer import Statement
from tests.database.engine import IMPATIENT, history, run, run_alone, tables
from tests.database.silence import Notes
from tests.database.targets import role, target_to
from tests.support.database import Database, quoted
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer

A, B = "V1_make_a.up.sql", "V2_make_b.up.sql"
BACK = {"V1_make_a.down.sql": "DROP TABLE a", "V2_make_b.down.sql": "DROP TABLE b"}
HEAD = "-- dashdb:no-transaction\n"
FIRST = {A: "CREATE TABLE a (n int)", **BACK}
COUNTED = f"{HEAD}CREATE TABLE b (n int);\nINSERT INTO b VALUES (1);\n"
"""Its second statement shows when it runs twice."""
BROKEN = {**FIRST, B: f"{COUNTED}SELECT nothing;\nINSERT INTO b VALUES (4);\n"}
MENDED = {**BROKEN, B: BROKEN[B].replace("nothing", "'something'")}
BROKEN_BACK = {
    **FIRST,
    B: f"{HEAD}CREATE TABLE b (n int)",
    "V2_make_b.down.sql": f"{HEAD}INSERT INTO a VALUES (1);\nDROP TABLE missing;\nDROP TABLE b;\n",
}
MENDED_BACK = {**BROKEN_BACK, "V2_make_b.down.sql": BROKEN_BACK["V2_make_b.down.sql"].replace("missing", "a CASCADE")}
ALONE = "VACUUM a"
"""A statement that PostgreSQL refuses inside a transaction."""


class Journal(NamedTuple):
    state: str
    statements_done: int | None
    error: str | None


async def journal(connection: Connection, version: int = 2) -> Journal:
    tables = "schema_version JOIN schema_version_detail USING (version)"
    written = f"SELECT state, statements_done, error FROM {tables} WHERE version = $1"
    return Journal(*await connection.fetchrow(written, version))


async def numbers(connection: Connection, table: str) -> list[int]:
    return [row[0] for row in await connection.fetch(f"SELECT n FROM {table} ORDER BY 1")]


class _Steps(Notes):
    """Notes which statements were begun, and what was left half done."""

    def __init__(self) -> None:
        super().__init__()
        self.tried: list[int] = []
        self.left: list[tuple[str, int, int]] = []

    def statement(self, step: Step, number: int, statement: Statement) -> None:
        self.tried.append(number)

    def left_half_done(self, step: Step, number: int, statement: Statement) -> None:
        self.left.append((step.label, number, statement.line))


@pytest.mark.parametrize("text", [f"{COUNTED}INSERT INTO b VALUES (3)", f"CREATE TABLE b (n int);\n{ALONE};\n", HEAD])
async def test_such_a_file_is_applied_and_leaves_no_trace_of_how(connection: Connection, text: str) -> None:
    notes = Notes()
    await run(connection, {**FIRST, B: text}, progress=notes)
    assert await history(connection) == [(1, "up"), (2, "up")]
    assert await journal(connection) == Journal("applied", None, None)
    assert notes.done == [A, B]
    assert (await run(connection, {**FIRST, B: text})).steps == ()


async def test_such_a_file_is_reverted_down_to_the_empty_database(connection: Connection) -> None:
    files = {A: f"{HEAD}CREATE TABLE a ()", "V1_make_a.down.sql": f"{HEAD}DROP TABLE a;\nVACUUM pg_catalog.pg_depend"}
    await run(connection, files)
    await run(connection, files, 0)
    assert await tables(connection) == []


async def test_a_statement_that_is_refused_leaves_those_before_it_and_is_written_down(connection: Connection) -> None:
    with pytest.raises(SchemaDirty, match="Version 2 stopped half-way while going up, at statement 3 of 4") as caught:
        await run(connection, BROKEN)
    assert (caught.value.exit_code, caught.value.recovery) == (3, Recovery.STALLED)
    assert f"{B}:4:" in caught.value.message
    assert "42703 undefined_column" in caught.value.message
    assert "continue with dashdb migrate up" in caught.value.message
    state, done, error = await journal(connection)
    assert (state, done) == ("dirty up", 2)
    assert error is not None
    assert error.startswith(f"statement 3 of 4: {B}:4:")
    assert await numbers(connection, "b") == [1]
    assert not connection.is_in_transaction()


async def test_once_mended_it_goes_on_at_the_statement_that_was_refused(connection: Connection) -> None:
    for _ in range(2):
        with pytest.raises(SchemaDirty):
            await run(connection, BROKEN)
    steps = _Steps()
    await run(connection, MENDED, progress=steps)
    assert steps.tried == [3, 4]
    assert await numbers(connection, "b") == [1, 4], "no statement ran twice"
    assert await journal(connection) == Journal("applied", None, None)


async def test_a_statement_that_has_run_may_not_be_edited(connection: Connection) -> None:
    with pytest.raises(SchemaDirty):
        await run(connection, BROKEN)
    edited = {**MENDED, B: MENDED[B].replace("VALUES (1)", "VALUES (2)")}
    with pytest.raises(SchemaDirty, match="was edited in its first 2 statements, which have already run"):
        await run(connection, edited)
    assert await numbers(connection, "b") == [1]
    assert (await journal(connection)).statements_done == 2


async def test_the_line_at_fault_is_told_inside_a_long_statement_too(connection: Connection) -> None:
    with pytest.raises(SchemaDirty, match=rf"{re.escape(B)}:4:8: .*42703 undefined_column\): missing FROM b"):
        await run(connection, {**FIRST, B: f"{HEAD}CREATE TABLE b (n int);\nSELECT n,\n       missing FROM b;\n"})


async def test_comments_and_line_ends_before_the_place_may_change(connection: Connection) -> None:
    with pytest.raises(SchemaDirty):
        await run(connection, BROKEN)
    text = MENDED[B].replace("INSERT", "-- why\nINSERT").replace("\n", "\r\n")
    await run(connection, {**MENDED, B: text})
    assert await numbers(connection, "b") == [1, 4]


@pytest.mark.parametrize("files", [{**FIRST, B: f"{HEAD}SELECT nothing;\nCREATE TABLE b ()"}, {A: f"{HEAD}SELECT x"}])
async def test_a_first_statement_that_is_refused_leaves_nothing(connection: Connection, files: dict[str, str]) -> None:
    """And so nobody has to say what became of it."""
    with pytest.raises(MigrationFailed, match="Nothing of this file was applied"):
        await run(connection, files)
    before = [(1, "up")] if len(files) > 1 else []
    assert await history(connection) == before
    assert await tables(connection) == (["a", "schema_version", "schema_version_detail"] if before else [])
    await run(connection, {**files, max(files): f"{HEAD}SELECT 1"})


async def test_a_way_back_that_is_refused_in_the_middle_can_be_mended_too(connection: Connection) -> None:
    await run(connection, BROKEN_BACK)
    with pytest.raises(
        SchemaDirty, match=r"while going down, at statement 2 of 3.*continue with dashdb migrate down 1"
    ):
        await run(connection, BROKEN_BACK, 1)
    assert (await journal(connection))[:2] == ("dirty down", 1)
    with pytest.raises(SchemaDirty):
        await run(connection, BROKEN_BACK)
    assert await numbers(connection, "a") == [1]
    mended = {**BROKEN_BACK, "V2_make_b.down.sql": BROKEN_BACK["V2_make_b.down.sql"].replace("missing", "IF EXISTS c")}
    await run(connection, mended, 1)
    assert await numbers(connection, "a") == [1], "its first statement ran once"
    assert await history(connection) == [(1, "up"), (2, "down")]
    assert await journal(connection) == Journal("reverted", None, None)


async def test_a_way_back_whose_first_statement_is_refused_leaves_the_version_applied(connection: Connection) -> None:
    files = {**BROKEN_BACK, "V2_make_b.down.sql": f"{HEAD}DROP TABLE missing;\nDROP TABLE b"}
    await run(connection, files)
    with pytest.raises(MigrationFailed, match="Nothing of this file was applied"):
        await run(connection, files, 1)
    assert await journal(connection) == Journal("applied", None, None)
    assert (await run(connection, files)).steps == ()


async def asleep(observer: Connection) -> int:
    """The backend of the one session that sleeps."""
    sleeper = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    async with asyncio.timeout(10):
        while (pid := await observer.fetchval(sleeper)) is None:  # noqa: ASYNC110 - a server has no events
            await asyncio.sleep(0.01)
    return int(pid)


ASLEEP = {**FIRST, B: f"{COUNTED}SELECT pg_sleep(600);\nINSERT INTO b VALUES (4);\n"}
AWAKE = {**ASLEEP, B: ASLEEP[B].replace("600", "0")}


async def test_a_run_that_is_cancelled_tells_where_it_stopped_and_goes_on_there(
    target: Target, connection: Connection
) -> None:
    steps = _Steps()
    task = asyncio.create_task(run_alone(target, ASLEEP, progress=steps))
    await asleep(connection)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps.left == [(B, 3, 4)]
    assert await journal(connection) == Journal("dirty up", 2, f"statement 3 of 4: {B}:4: interrupted")
    await run(connection, AWAKE)
    assert await numbers(connection, "b") == [1, 4]


async def test_a_session_that_an_administrator_ends_is_resumed_by_the_next_run(
    target: Target, connection: Connection
) -> None:
    task = asyncio.create_task(run_alone(target, ASLEEP))
    await connection.execute(f"SELECT pg_terminate_backend({await asleep(connection)})")
    with pytest.raises(DatabaseUnavailable) as caught:
        await task
    assert caught.value.reason == "ConnectionLost"
    assert (await journal(connection))[:2] == ("dirty up", 2)
    await run(connection, AWAKE)
    assert await numbers(connection, "b") == [1, 4]


async def test_a_statement_that_someone_cancels_is_a_refused_one(target: Target, connection: Connection) -> None:
    task = asyncio.create_task(run_alone(target, ASLEEP))
    await connection.execute(f"SELECT pg_cancel_backend({await asleep(connection)})")
    with pytest.raises(SchemaDirty, match="57014 query_canceled") as caught:
        await task
    assert caught.value.recovery is Recovery.TRANSIENT


@pytest.mark.parametrize("sqlstate", ["53100", "40001"])
async def test_a_full_disk_or_a_conflict_after_the_first_statement_needs_nobody_to_change_the_file(
    connection: Connection, sqlstate: str
) -> None:
    refuse = f"DO $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$"
    with pytest.raises(SchemaDirty, match=sqlstate) as caught:
        await run(connection, {**FIRST, B: f"{COUNTED}{refuse};\n"})
    assert caught.value.recovery is Recovery.TRANSIENT


async def test_a_table_that_is_locked_for_a_while_is_waited_for_without_doing_anything_twice(
    target: Target, connection: Connection
) -> None:
    files = {**FIRST, B: f"{COUNTED}ALTER TABLE a ADD COLUMN m int;\nINSERT INTO b VALUES (4);\n"}
    await run(connection, files, 1)

    class LetGo(_Steps):
        def waiting(self, what: str, why: str) -> None:
            super().waiting(what, why)
            blocker.terminate()

    async with connected(target) as blocker:
        await blocker.execute("BEGIN; LOCK TABLE a")
        steps = LetGo()
        await run(connection, files, settings=RunSettings(lock_timeout_ms=50), progress=steps)
    assert steps.tried[:4] == [1, 2, 3, 3]
    assert await numbers(connection, "b") == [1, 4]
    assert "a lock that another session holds (line 4)" in steps.waits[0]


async def test_a_table_that_stays_locked_leaves_the_file_where_it_is(target: Target, connection: Connection) -> None:
    files = {**FIRST, B: f"{COUNTED}ALTER TABLE a ADD COLUMN m int;\nINSERT INTO b VALUES (4);\n"}
    await run(connection, files, 1)
    async with connected(target) as blocker:
        await blocker.execute("BEGIN; LOCK TABLE a")
        with pytest.raises(MigrationLocked, match="What it has done stays"):
            await run(connection, files, settings=IMPATIENT)
        await blocker.execute("ROLLBACK")
    assert (await journal(connection))[:2] == ("dirty up", 2)
    await run(connection, files)
    assert await numbers(connection, "b") == [1, 4]


@pytest.mark.parametrize("to", [None, 0])
async def test_a_history_that_someone_locks_is_waited_for_as_any_other_table(
    target: Target, connection: Connection, to: int | None
) -> None:
    files = {A: f"{HEAD}CREATE TABLE a ()", "V1_make_a.down.sql": f"{HEAD}DROP TABLE a", B: f"{HEAD}SELECT 1"}
    await run(connection, files, 1)
    async with connected(target) as blocker:
        await blocker.execute("BEGIN; LOCK TABLE schema_version IN SHARE MODE")
        with pytest.raises(MigrationLocked, match="a lock on schema_version that another session holds"):
            await run(connection, files, to, settings=IMPATIENT)
        await blocker.execute("ROLLBACK")
    await run(connection, files, to)
    assert await history(connection) == ([] if to == 0 else [(1, "up"), (2, "up")])


async def test_a_run_that_is_cancelled_while_it_writes_the_end_tells_that_too(
    target: Target, connection: Connection
) -> None:
    """All statements are done, and yet the version is not."""
    hold = (
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$"
    )
    trigger = "CREATE TRIGGER hold BEFORE INSERT ON schema_version FOR EACH ROW WHEN (new.state = 'applied') EXECUTE"
    files = {**FIRST, B: f"{HEAD}CREATE TABLE b ()"}
    await run(connection, files, 1)
    await connection.execute(f"{hold}; {trigger} FUNCTION hold()")
    steps = _Steps()
    task = asyncio.create_task(run_alone(target, files, progress=steps))
    await asleep(connection)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [left[0] for left in steps.left] == [B]
    assert await journal(connection) == Journal("dirty up", 1, f"the end of {B}: interrupted")
    await connection.execute("DROP FUNCTION hold CASCADE")
    await run(connection, files)
    assert await history(connection) == [(1, "up"), (2, "up")]


async def test_behind_pgbouncer_it_is_refused_before_any_file_runs(
    postgres: PostgresServer, database: Database
) -> None:
    with PgBouncer(postgres) as pooler:
        target = target_to(pooler.before(database), pooler=Pooler.PGBOUNCER)
        with pytest.raises(
            ConfigurationError, match=rf"{re.escape(B)} runs without a transaction.*PgBouncer"
        ) as caught:
            await run_alone(target, {**FIRST, B: COUNTED})
        assert (caught.value.reason, caught.value.exit_code) == ("DirectConnectionNeeded", 2)
    async with connected(target_to(database)) as direct:
        assert await tables(direct) == []


STATE = """
CREATE TABLE seen AS
SELECT current_user::text AS who, current_setting('search_path') AS path, current_setting('work_mem') AS memory,
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks
"""


async def test_what_such_a_file_does_to_its_session_lasts_to_its_end_and_no_further(
    postgres: PostgresServer, database: Database, target: Target
) -> None:
    other = role(postgres, grants="GRANT CREATE ON SCHEMA public TO {role}", database=database)
    postgres.psql(postgres.superuser, sql=f"GRANT {quoted(other.user)} TO {quoted(database.user)}")
    text = f"""{HEAD}
        SET search_path = public;
        SET work_mem = '2MB';
        SELECT pg_advisory_lock(7);
        SET ROLE {quoted(other.user)};
        CREATE TABLE theirs (n int);
        VACUUM theirs;
        CREATE INDEX CONCURRENTLY theirs_n ON theirs (n);
    """
    await run_alone(target, {"V1_before.up.sql": text, "V2_after.up.sql": STATE})
    async with connected(target) as connection:
        owners = dict(await connection.fetch("SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'"))
        assert owners == {"theirs": other.user, "seen": database.user, **dict.fromkeys(HISTORY, database.user)}
        seen = dict(await connection.fetchrow("SELECT * FROM seen"))
        fresh = await connection.fetchval("SELECT current_setting('work_mem')")
        assert seen == {"who": database.user, "path": "public", "memory": fresh, "locks": 1}


async def test_the_connection_is_given_back_as_it_was_after_a_refusal(connection: Connection) -> None:
    look = "SELECT current_setting('lock_timeout'), current_setting('search_path'), current_setting('work_mem')"
    before = await connection.fetchrow(look)
    with pytest.raises(SchemaDirty):
        await run(connection, {A: f"{HEAD}SET work_mem = '2MB';\nSET search_path = pg_catalog;\nSELECT nothing"})
    assert await connection.fetchrow(look) == before
    assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_runners_that_start_together_apply_each_statement_once(target: Target, connection: Connection) -> None:
    files = {A: f"{HEAD}CREATE TABLE a (n int);\nINSERT INTO a VALUES (1);\n{ALONE};\nINSERT INTO a VALUES (2);\n"}
    plans = await asyncio.gather(*(run_alone(target, files) for _ in range(5)))
    assert sum(len(plan.steps) for plan in plans) == 1
    assert await numbers(connection, "a") == [1, 2]


@pytest.mark.parametrize(
    "text",
    [f"{HEAD}CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;\nCALL p();\nDO $$ BEGIN COMMIT; END $$"],
)
async def test_a_procedure_may_commit(connection: Connection, text: str) -> None:
    await run(connection, {A: text})
    assert await history(connection) == [(1, "up")]
