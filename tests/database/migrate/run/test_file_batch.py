"""Short files that travel together are still one transaction each: what stops one leaves those before it applied."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import asyncpg
import pytest

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.errors import MigrationFailed, MigrationLocked
from controller.migrate.history.lock import LOCKED, MOVED, guard_in_batch
from controller.migrate.history.read import locate_history
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Direction, Plan, Step
from controller.migrate.run.attempt import MigrationAttempt
from controller.migrate.run.file_batch import FileBatch, run_file_batch
from tests.database.engine import IMPATIENT, history, run, run_alone, tables, take_lock
from tests.database.silence import Notes
from tests.database.targets import target_to
from tests.support.database import Database
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import PostgresServer
from tests.unit.migrate.folders import pairs

FOUR = {f"V{n}_t{n}.up.sql": f"CREATE TABLE t{n} ()" for n in range(1, 5)}
FOUR |= {f"V{n}_t{n}.down.sql": f"DROP TABLE t{n}" for n in range(1, 5)}
NAMES = [name for name in FOUR if ".up." in name]
SLOW = """
CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); END $$;
CREATE EVENT TRIGGER slow ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION slow();
"""


async def bundle_of(connection: Connection, progress: Notes, expected: Iterable[int] = (0, 1, 2, 3)) -> FileBatch:
    """The four files; EXPECTED is where each of them is to find the database."""
    location = await locate_history(connection, None)
    return FileBatch(
        tuple(
            MigrationAttempt(
                connection,
                RunSettings(),
                progress,
                replace(location, has_history=migration.version > 1),
                Step(migration, Direction.UP),
                at,
                migration.version,
                last=migration.version == len(NAMES),
            )
            for migration, at in zip(pairs(FOUR), expected, strict=True)
        )
    )


async def test_four_files_are_one_message_and_four_transactions(connection: Connection) -> None:
    sent: list[str] = []
    connection.add_query_logger(lambda record: sent.append(record.query))
    notes = Notes()
    await run(connection, FOUR, progress=notes)
    assert sum("CREATE TABLE t" in text for text in sent) == 1
    assert notes.begun == notes.done == NAMES
    assert await history(connection) == [(n, "up") for n in range(1, 5)]
    assert len({row[0] for row in await connection.fetch("SELECT xmin FROM schema_version")}) == len(NAMES)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("CREATE TABLE t3 ();\nCREATE TABLE t1 ();", r"V3_t3\.up\.sql:2:1: .*42P07"),
        ("CREATE TABLE t3 () x;", r"V3_t3\.up\.sql:1:20: .*42601"),
        ("CREATE TABLE t3 (n int REFERENCES nothing)", r"V3_t3\.up\.sql:1:1: .*42P01"),
    ],
)
async def test_a_file_that_is_refused_leaves_those_before_it_and_nothing_of_its_own(
    connection: Connection, text: str, told: str
) -> None:
    notes = Notes()
    with pytest.raises(MigrationFailed, match=told) as caught:
        await run(connection, {**FOUR, "V3_t3.up.sql": text}, progress=notes)
    assert "Nothing of this file was applied" in caught.value.message
    assert notes.done == NAMES[:2]
    assert await tables(connection) == ["schema_version", "schema_version_detail", "t1", "t2"]
    assert await history(connection) == [(1, "up"), (2, "up")]
    assert not connection.is_in_transaction()
    await run(connection, FOUR, progress=notes)
    assert notes.done == NAMES


async def test_four_ways_back_are_one_message_too(connection: Connection) -> None:
    await run(connection, FOUR)
    sent: list[str] = []
    connection.add_query_logger(lambda record: sent.append(record.query))
    notes = Notes()
    await run(connection, FOUR, 0, progress=notes)
    assert sum("DROP TABLE t" in text for text in sent) == 1
    assert notes.done == [name.replace(".up.", ".down.") for name in reversed(NAMES)]
    assert await tables(connection) == []


async def test_a_way_back_that_is_refused_leaves_those_behind_it_applied(connection: Connection) -> None:
    files = {**FOUR, "V2_t2.down.sql": "DROP TABLE t2, nothing"}
    await run(connection, files)
    notes = Notes()
    with pytest.raises(MigrationFailed, match=r"V2_t2\.down\.sql:1:1: .*42P01"):
        await run(connection, files, 0, progress=notes)
    assert notes.done == ["V4_t4.down.sql", "V3_t3.down.sql"]
    assert await tables(connection) == ["schema_version", "schema_version_detail", "t1", "t2"]
    assert await history(connection) == [(1, "up"), (2, "up"), (3, "down"), (4, "down")]
    await run(connection, FOUR, 1, progress=notes)
    assert await history(connection) == [(1, "up"), (2, "down"), (3, "down"), (4, "down")]


async def test_only_what_was_ours_counts_where_another_runner_stepped_in_between(connection: Connection) -> None:
    notes = Notes()
    file_batch = await bundle_of(connection, notes, expected=(0, 1, 7, 3))
    assert [run.step.label for run in await run_file_batch(file_batch, None)] == NAMES[2:]
    assert await history(connection) == [(1, "up"), (2, "up")]
    assert notes.done == NAMES[:2]


async def test_what_another_runner_did_meanwhile_is_not_ours(target: Target, connection: Connection) -> None:
    """The other one works in the moment between our refusal and our question how far we came."""
    files = {**FOUR, "V3_t3.up.sql": "CREATE TABLE t3 (n int REFERENCES taken)"}
    await connection.execute("CREATE TABLE taken (n int PRIMARY KEY)")
    execute = connection.execute
    others: list[Plan] = []

    async def slowly(sql: str, **options: Any) -> str:
        if sql.startswith("ROLLBACK; DO") and not others:
            await holder.execute("ROLLBACK")
            others.append(await run_alone(target, files))
        return str(await execute(sql, **options))

    async with connected(target) as holder:
        await holder.execute("BEGIN; LOCK TABLE taken")
        ours_slow = cast("Connection", _Slow(connection, slowly))
        done = await run(ours_slow, files, settings=RunSettings(lock_timeout_ms=50))
    (other,) = others
    assert [step.label for step in done.steps] == NAMES[:2]
    assert [step.label for step in other.steps] == NAMES[2:]


class _Slow:
    """A connection with another `execute`; all else is its own."""

    def __init__(self, connection: Connection, execute: Any) -> None:
        self._connection = connection
        self.execute = execute

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def test_whoever_is_in_the_way_of_a_bundle_is_named_meanwhile(target: Target, connection: Connection) -> None:
    files = {**FOUR, "V3_t3.up.sql": "CREATE TABLE t3 (n int REFERENCES taken)"}
    await connection.execute("CREATE TABLE taken (n int PRIMARY KEY)")
    async with connected(replace(target, application_name="the other one")) as holder:
        await holder.execute("BEGIN; LOCK TABLE taken")
        notes = _LetGo(holder)
        await run_alone(target, files, settings=RunSettings(lock_timeout_ms=60_000), progress=notes)
    assert notes.what == ["V1_t1.up.sql to V4_t4.up.sql"]
    assert "a lock on public.taken, held by" in notes.waits[0]
    assert "the other one" in notes.waits[0]


class _LetGo(Notes):
    """Ends the session in the way as soon as it is named."""

    def __init__(self, blocker: Connection) -> None:
        super().__init__()
        self._blocker = blocker
        self.what: list[str] = []

    def waiting(self, what: str, why: str) -> None:
        super().waiting(what, why)
        self.what.append(what)
        self._blocker.terminate()


async def test_what_is_told_comes_in_the_order_in_which_it_happened(connection: Connection) -> None:
    told: list[str] = []

    class Teller(Notes):
        def started(self, step: Step) -> None:
            told.append(f"started {step.label}")

        def finished(self, step: Step, seconds: float) -> None:
            told.append(f"finished {step.label}")

    await run(connection, {**FOUR, "V5_t5.up.sql": "INSERT INTO t1 DEFAULT VALUES"}, progress=Teller())
    assert told == [f"{verb} {name}" for name in [*NAMES, "V5_t5.up.sql"] for verb in ("started", "finished")]


async def test_a_runner_at_work_stops_all_of_them_and_is_waited_for_with_the_first(
    target: Target, connection: Connection
) -> None:
    notes = Notes()
    async with connected(target) as holder:
        await holder.execute("BEGIN")
        await take_lock(holder)
        with pytest.raises(MigrationLocked, match=r"V1_t1\.up\.sql: gave up waiting"):
            await run(connection, FOUR, settings=IMPATIENT, progress=notes)
        await holder.execute("ROLLBACK")
    assert notes.done == []
    assert await tables(connection) == []


async def test_a_table_that_stays_locked_ends_patience_with_the_file_that_meets_it(
    target: Target, connection: Connection
) -> None:
    files = {**FOUR, "V3_t3.up.sql": "CREATE TABLE t3 (n int REFERENCES taken)"}
    await connection.execute("CREATE TABLE taken (n int PRIMARY KEY)")
    async with connected(target) as holder:
        await holder.execute("BEGIN; LOCK TABLE taken")
        with pytest.raises(MigrationLocked, match=r"V3_t3\.up\.sql: gave up waiting for a lock .* \(line 1\)"):
            await run(connection, files, settings=IMPATIENT)
        await holder.execute("ROLLBACK")
    assert await history(connection) == [(1, "up"), (2, "up")]
    await run(connection, files)
    assert await history(connection) == [(n, "up") for n in range(1, 5)]


@pytest.mark.parametrize(("state", "to"), [("applied", None), ("reverted", 1)])
async def test_each_file_took_its_own_time_and_not_that_of_those_before_it(
    postgres: PostgresServer, database: Database, connection: Connection, state: str, to: int | None
) -> None:
    if state == "reverted":
        await run(connection, FOUR)
    postgres.psql(replace(postgres.superuser, name=database.name), sql=SLOW)
    before = await connection.fetchval("SELECT clock_timestamp()")
    await run(connection, FOUR, to)
    rows = await connection.fetch(
        f"SELECT d.* FROM schema_version_detail AS d JOIN schema_version USING (version) WHERE state = '{state}'"
    )
    each = [row["duration_ms"] for row in rows]
    assert min(each) >= 100
    last = max(row["applied_at"] for row in rows)
    assert sum(each) <= (last - before).total_seconds() * 1000 + len(each)  # each is rounded


async def test_they_travel_through_pgbouncer(postgres: PostgresServer, database: Database) -> None:
    with PgBouncer(postgres, pool_size=1) as pooler:
        async with connected(target_to(pooler.before(database))) as connection:
            await run(connection, FOUR)
            assert await history(connection) == [(n, "up") for n in range(1, 5)]


@pytest.mark.parametrize(
    ("change", "sqlstate"),
    [
        ("SELECT", None),
        ("UPDATE schema_version SET state = 'reverted' WHERE version > 2", None),
        ("UPDATE schema_version SET state = 'reverted' WHERE version >= 2", MOVED),
        ("UPDATE schema_version SET state = 'reverted'", MOVED),
        ("DELETE FROM schema_version", MOVED),
        ("UPDATE schema_version SET state = 'dirty down' WHERE version = 2", MOVED),
        ("UPDATE schema_version SET state = 'dirty up' WHERE version = 4", MOVED),
    ],
)
async def test_a_file_behind_another_begins_only_where_that_one_led(
    connection: Connection, change: str, sqlstate: str | None
) -> None:
    await run(connection, FOUR, 2 if change == "SELECT" else None)
    await connection.execute(change)
    assert await _refused(connection, guard_in_batch(await locate_history(connection, None), 2)) == sqlstate


async def test_a_file_behind_another_begins_only_with_the_lock(target: Target, connection: Connection) -> None:
    await run(connection, FOUR, 2)
    behind = guard_in_batch(await locate_history(connection, None), 2)
    async with connected(target) as holder:
        await holder.execute("BEGIN")
        await take_lock(holder)
        assert await _refused(connection, behind) == LOCKED
        await holder.execute("ROLLBACK")


async def _refused(connection: Connection, sql: str) -> str | None:
    try:
        await connection.execute(sql)
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)
    return None
