"""Baseline and force: they write the history as a person states it and run nothing; later runs start from there."""

from pathlib import Path

import pytest

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    HistoryMismatch,
    MigrationFailed,
    MigrationLocked,
    SchemaDirty,
)
from controller.migrate.catalog.snapshot import record_statements
from controller.migrate.history.editor import HistoryEditor
from controller.migrate.history.read import read_history
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Origin
from tests.database.engine import IMPATIENT, history, run, tables, take_lock
from tests.database.programs import dashdb_here, write_migrations
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.unit.migrate.folders import pairs

THREE = {f"V{n}_t{n}.up.sql": f"CREATE TABLE t{n} ()" for n in (1, 2, 3)}
THREE |= {f"V{n}_t{n}.down.sql": f"DROP TABLE t{n}" for n in (1, 2, 3)}
EDITED = {**THREE, "V2_t2.up.sql": "CREATE TABLE t2 (edited int)"}
DIRTY = {**THREE, "V2_t2.up.sql": "-- dashdb:no-transaction\nCREATE TABLE t2 ();\nSELECT nothing"}


def editor(connection: Connection, settings: RunSettings | None = None) -> HistoryEditor:
    return HistoryEditor(connection, settings or RunSettings(), lambda _what, _who: None, record_statements)


async def applied(connection: Connection) -> dict[int, Origin]:
    """The versions that count as applied, with why they do."""
    return {row.version: row.origin for row in await read_history(connection) if row.applied}


async def test_a_baseline_runs_nothing_and_later_files_are_applied(connection: Connection) -> None:
    await connection.execute("CREATE TABLE t1 (); CREATE TABLE t2 ()")
    await editor(connection).baseline(pairs(THREE), 2)
    assert await applied(connection) == {1: Origin.BASELINE, 2: Origin.BASELINE}
    done = await run(connection, THREE)
    assert [s.migration.version for s in done.steps] == [3]
    assert await applied(connection) == {1: Origin.BASELINE, 2: Origin.BASELINE, 3: Origin.RUN}
    await run(connection, THREE, 0)
    assert await tables(connection) == []


async def test_a_database_with_a_history_gets_no_baseline(connection: Connection) -> None:
    await run(connection, THREE, 1)
    with pytest.raises(HistoryMismatch, match="dashdb migrate force") as caught:
        await editor(connection).baseline(pairs(THREE), 2)
    assert caught.value.reason == "HistoryExists"
    assert await applied(connection) == {1: Origin.RUN}


async def test_a_first_file_that_was_refused_does_not_stand_in_the_way_of_a_baseline(connection: Connection) -> None:
    with pytest.raises(MigrationFailed):
        await run(connection, {**THREE, "V1_t1.up.sql": "-- dashdb:no-transaction\nSELECT nothing"})
    await editor(connection).baseline(pairs(THREE), 1)


@pytest.mark.parametrize("version", [0, 4, -1])
async def test_a_baseline_is_a_version_of_the_files(connection: Connection, version: int) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        await editor(connection).baseline(pairs(THREE), version)
    assert await tables(connection) == []


@pytest.mark.parametrize("version", [4, -1])
async def test_a_forced_version_is_one_of_the_files_or_0(connection: Connection, version: int) -> None:
    await run(connection, THREE)
    with pytest.raises(ConfigurationError, match="does not exist"):
        await editor(connection).force(pairs(THREE), version)


async def test_force_goes_up_and_keeps_what_is_known_of_the_others(connection: Connection) -> None:
    await run(connection, THREE, 1)
    await editor(connection).force(pairs(THREE), 3)
    assert await applied(connection) == {1: Origin.RUN, 2: Origin.FORCE, 3: Origin.FORCE}
    assert await tables(connection) == ["schema_version", "schema_version_detail", "t1"]
    assert (await run(connection, THREE)).steps == ()


async def test_force_goes_down_and_the_files_above_are_pending_again(connection: Connection) -> None:
    await run(connection, THREE)
    await editor(connection).force(pairs(THREE), 1)
    assert await history(connection) == [(1, "up"), (2, "down"), (3, "down")]
    await connection.execute("DROP TABLE t2, t3")
    assert len((await run(connection, THREE)).steps) == 2


async def test_force_0_forgets_the_history_and_nothing_else(connection: Connection) -> None:
    for _ in range(2):
        await editor(connection).force(pairs(THREE), 0)
    await run(connection, THREE)
    await editor(connection).force(pairs(THREE), 0)
    assert await tables(connection) == ["t1", "t2", "t3"]


@pytest.mark.parametrize("version", [0, 1, 2, 3])
async def test_force_clears_dirty_wherever_it_says_the_database_is(connection: Connection, version: int) -> None:
    with pytest.raises(SchemaDirty):
        await run(connection, DIRTY)
    await editor(connection).force(pairs(DIRTY), version)
    assert all(row.error is None for row in await read_history(connection))
    assert max(await applied(connection), default=0) == version


async def test_force_takes_an_edited_file_for_the_one_that_was_applied(connection: Connection) -> None:
    await run(connection, THREE)
    with pytest.raises(HistoryMismatch):
        await run(connection, EDITED)
    await editor(connection).force(pairs(EDITED), 3)
    assert (await run(connection, EDITED)).steps == ()
    assert await applied(connection) == {1: Origin.RUN, 2: Origin.FORCE, 3: Origin.RUN}


@pytest.mark.parametrize("verb", ["baseline", "force"])
async def test_nothing_is_said_while_a_runner_is_at_work(target: Target, connection: Connection, verb: str) -> None:
    waits: list[str] = []
    said = HistoryEditor(connection, IMPATIENT, lambda _, who: waits.append(who), record_statements)
    async with connected(target) as runner:
        await runner.execute("BEGIN")
        await take_lock(runner)
        with pytest.raises(MigrationLocked, match="Nothing was written"):
            await getattr(said, verb)(pairs(THREE), 2)
        await runner.execute("ROLLBACK")
    assert waits
    assert await tables(connection) == []
    await getattr(said, verb)(pairs(THREE), 2)


async def test_a_history_that_somebody_locks_is_waited_for(target: Target, connection: Connection) -> None:
    await run(connection, THREE, 1)
    async with connected(target) as other:
        await other.execute("BEGIN; LOCK TABLE schema_version IN SHARE MODE")
        with pytest.raises(MigrationLocked, match="Nothing was written"):
            await editor(connection, IMPATIENT).force(pairs(THREE), 2)
        await other.execute("ROLLBACK")


def test_the_verbs_say_where_the_database_is_then(database: Database, tmp_path: Path) -> None:
    folder = write_migrations(tmp_path, THREE)

    def migrate(*arguments: str) -> tuple[int, str]:
        ended = dashdb_here(database.environ, "migrate", *arguments, "--path", str(folder))
        return ended.exit_code, ended.stdout or ended.stderr

    assert migrate("goto", "2")[0] == 0
    assert migrate("version") == (0, "2\n")
    assert migrate("goto", "1")[0] == 2
    assert migrate("goto", "1", "--yes")[0] == 0
    assert migrate("goto", "1") == (0, "Nothing to do; the schema is at version 1.\n")
    assert migrate("goto", "7")[0] == 2
    assert migrate("baseline", "2")[0] == 5
    assert migrate("force", "3")[0] == 2
    assert migrate("force", "3", "--yes") == (0, "3\n")
    assert migrate("force", "0", "--yes") == (0, "none\n")
    assert migrate("baseline", "1") == (0, "1\n")


def test_a_forced_version_hides_nothing_that_is_missing_unless_that_is_accepted(
    postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    folder = write_migrations(tmp_path, THREE)

    def migrate(*arguments: str) -> tuple[int, str, str]:
        ended = dashdb_here(database.environ, "migrate", *arguments, "--path", str(folder))
        return ended.exit_code, ended.stdout, ended.stderr

    assert migrate("up")[0] == 0
    postgres.psql(database, sql="DROP TABLE t1")
    missing = migrate("drift")
    assert (missing[0], "table t1: missing" in missing[1]) == (8, True)
    code, version, told = migrate("force", "3", "--yes")
    assert (code, version, "--accept-drift" in told) == (0, "3\n", True)
    assert migrate("drift") == missing
    assert migrate("force", "3", "--yes", "--accept-drift") == (0, "3\n", "")
    assert migrate("drift")[0] == 0


def test_a_version_that_is_forced_where_another_was_is_compared_with_the_schema_of_that_moment(
    postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    folder = write_migrations(tmp_path, THREE)

    def migrate(*arguments: str) -> int:
        return dashdb_here(database.environ, "migrate", *arguments, "--path", str(folder)).exit_code

    assert migrate("goto", "2") == 0
    assert migrate("force", "3", "--yes") == 0
    assert migrate("drift") == 0
    postgres.psql(database, sql="DROP TABLE t1")
    assert migrate("drift") == 8


LATE = {**THREE, "20260101_a.up.sql": "CREATE TABLE a ()", "20260103_c.up.sql": "CREATE TABLE c ()"}
ARRIVED = {**LATE, "20260102_b.up.sql": "CREATE TABLE b ()"}


async def test_a_file_that_arrives_late_is_applied_where_that_is_allowed(connection: Connection) -> None:
    await run(connection, LATE)
    with pytest.raises(HistoryMismatch, match="sorts before version 20260103") as caught:
        await run(connection, ARRIVED)
    assert caught.value.reason == "OutOfOrder"
    done = await run(connection, ARRIVED, settings=RunSettings(out_of_order=True))
    assert ([s.label for s in done.steps], done.target) == (["20260102_b.up.sql"], 20260103)
    assert (await run(connection, ARRIVED)).steps == ()


def test_up_and_plan_allow_it_by_an_option(database: Database, tmp_path: Path) -> None:
    folder = write_migrations(tmp_path, LATE)

    def migrate(*arguments: str) -> tuple[int, str]:
        ended = dashdb_here(database.environ, "migrate", *arguments, "--path", str(folder))
        return ended.exit_code, ended.stdout

    assert migrate("up")[0] == 0
    write_migrations(tmp_path, ARRIVED)
    assert (migrate("up")[0], migrate("plan")[0]) == (5, 5)
    assert "apply  20260102_b.up.sql" in migrate("plan", "--out-of-order")[1]
    assert migrate("up", "1", "--out-of-order")[0] == 0
    assert migrate("up") == (0, "Nothing to do; the schema is at version 20260103.\n")


OTHER = RunSettings(schema='of "team" a')
WANDERING = {
    "V1_a.up.sql": "CREATE TABLE a (); SET search_path = public",
    "V2_b.up.sql": "-- dashdb:no-transaction\nCREATE TABLE b ();\nCREATE TABLE c (n int);\nSELECT 1;",
    "V3_i.up.sql": "CREATE INDEX CONCURRENTLY c_n ON c (n)",
    "V3_i.down.sql": "DROP INDEX CONCURRENTLY c_n",
    "V2_b.down.sql": "DROP TABLE b, c",
    "V1_a.down.sql": "DROP TABLE a",
}
IN_OTHER = (
    "SELECT relname FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) ORDER BY 1"
)


async def test_a_schema_that_is_named_has_a_history_of_its_own(connection: Connection) -> None:
    await connection.execute('CREATE SCHEMA "of ""team"" a"')
    await run(connection, WANDERING, settings=OTHER)
    made = {row[0] for row in await connection.fetch(IN_OTHER, OTHER.schema)}
    assert {"a", "b", "c", "c_n", "schema_version"} <= made
    assert await tables(connection) == [], "every file begins in its own schema, wherever the one before it went"
    await run(connection, THREE)
    assert await tables(connection) == ["schema_version", "schema_version_detail", "t1", "t2", "t3"]
    await run(connection, WANDERING, 0, settings=OTHER)
    assert await connection.fetch(IN_OTHER, OTHER.schema) == []


async def test_force_and_baseline_write_to_the_schema_that_is_named(connection: Connection) -> None:
    await connection.execute('CREATE SCHEMA "of ""team"" a"')
    await editor(connection, OTHER).baseline(pairs(WANDERING), 1)
    await editor(connection, OTHER).force(pairs(WANDERING), 3)
    assert [row.version for row in await read_history(connection, OTHER.schema)] == [1, 2, 3]
    assert await tables(connection) == []


async def test_a_schema_that_is_not_there_is_told_with_what_to_do(connection: Connection) -> None:
    with pytest.raises(DatabaseUnavailable, match=r'no schema "of "team" a".*CREATE SCHEMA "of ""team"" a"') as caught:
        await run(connection, THREE, settings=OTHER)
    assert caught.value.reason == "SchemaMissing"


def test_the_option_names_the_schema(database: Database, tmp_path: Path) -> None:
    folder = write_migrations(tmp_path, THREE)
    arguments = ("--path", str(folder), "--schema", "missing")
    for verb in (("up",), ("status",), ("plan",), ("version",), ("baseline", "1"), ("goto", "1")):
        ended = dashdb_here(database.environ, "migrate", *verb, *arguments)
        assert (ended.exit_code, 'no schema "missing"' in ended.stderr) == (7, True), verb
