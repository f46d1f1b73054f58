"""One transaction a file: all of it and its history row, or nothing; and what the history says."""

import socket
from datetime import timedelta

import pytest

from controller.database.connection import Connection
from controller.errors import HistoryMismatch, MigrationFailed, MigrationFileError
from controller.migrate.history.read import read_history
from controller.migrate.history.session import RunSettings
from controller.migrate.history.write import ENGINE_VERSION
from controller.migrate.plan.model import EMPTY, Direction
from tests.database.engine import history, run, tables
from tests.database.silence import Notes
from tests.database.targets import target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.unit.migrate.folders import pairs

A, B = "V1_make_a.up.sql", "V2_make_b.up.sql"
BACK = {"V1_make_a.down.sql": "DROP TABLE a", "V2_make_b.down.sql": "DROP TABLE b"}
TWO = {A: "CREATE TABLE a ()", B: "CREATE TABLE b ()", **BACK}


async def test_files_are_applied_once_and_reverted_in_reverse(connection: Connection) -> None:
    notes = Notes()
    done = await run(connection, TWO, progress=notes)
    assert (done.current, done.target, [s.label for s in done.steps]) == (EMPTY, 2, [A, B])
    assert (await run(connection, TWO, progress=notes)).steps == ()
    assert await tables(connection) == ["a", "b", "schema_version", "schema_version_detail"]
    await run(connection, TWO, 1, progress=notes)
    assert await history(connection) == [(1, "up"), (2, "down")]
    await run(connection, TWO, 0, progress=notes)
    assert await tables(connection) == []
    assert notes.done == [A, B, "V2_make_b.down.sql", "V1_make_a.down.sql"]


async def test_a_history_row_says_who_did_what_when_and_how_to_go_back(
    connection: Connection, database: Database
) -> None:
    await run(connection, TWO, 1)
    ((row,), now) = (await read_history(connection), await connection.fetchval("SELECT now()"))
    assert (row.version, row.description, row.direction, row.error) == (1, "make a", Direction.UP, None)
    assert (row.applied_by, row.host, row.engine_version) == (database.user, socket.gethostname(), ENGINE_VERSION)
    assert (row.retries, row.sha256) == (0, pairs(TWO)[0].up.sha256)
    assert timedelta(0) <= now - row.applied_at < timedelta(minutes=1)
    assert row.duration_ms >= 0
    assert await connection.fetchval("SELECT down_sql FROM schema_version_detail") == "DROP TABLE a"


@pytest.mark.parametrize("down", ["DROP TABLE a -- the end", "DROP TABLE a -- x\n;\n-- y\nSELECT 1", "", "-- none\n"])
async def test_the_way_back_is_kept_as_it_was_shipped(connection: Connection, down: str) -> None:
    await run(connection, {A: "CREATE TABLE a ()", "V1_make_a.down.sql": down})
    assert await connection.fetchval("SELECT down_sql FROM schema_version_detail") == down


async def test_a_version_that_comes_back_has_one_row_with_the_last_time(connection: Connection) -> None:
    await run(connection, TWO)
    await run(connection, TWO, 1)
    before = await connection.fetchval("SELECT applied_at FROM schema_version_detail WHERE version = 2")
    edited = {**TWO, B: "CREATE TABLE b (edited int)"}
    await run(connection, edited)
    row = (await read_history(connection))[1]
    assert (row.direction, row.sha256) == (Direction.UP, pairs(edited)[1].up.sha256)
    assert row.applied_at > before


@pytest.mark.parametrize(
    ("text", "line", "told", "source"),
    [
        ("CREATE TABLE b ();\nSELECT 1,\n  2 FROM\n  WHERE x;", 4, "42601 syntax_error", "WHERE x"),
        ("CREATE TABLE b ();\n\nCREATE TABLE a ();", 3, "42P07 duplicate_table", "CREATE TABLE a ()"),
        ("CREATE TABLE c (n int);\nSELECT n,\n  missing FROM c;", 3, "42703 undefined_column", "missing FROM c"),
        (
            "CREATE TABLE b (n int CONSTRAINT small CHECK (n < 5));\nDO $$ BEGIN\n  INSERT INTO b VALUES (7);\nEND $$;",
            2,
            "23514 check_violation (table b, constraint small)",
            "DO $$ BEGIN",
        ),
        ("SELECT '\x0c\u2028\x85';\nSELECT 'é' || x;", 2, "42703 undefined_column", "SELECT 'é' || x"),
        ("SET statement_timeout = '10ms';\nSELECT pg_sleep(60);", 2, "57014 query_canceled", "SELECT pg_sleep(60)"),
        ("SELECT 1;\nDO $$ BEGIN COMMIT; END $$;", 2, "2D000", "DO $$ BEGIN COMMIT"),
        (
            "CREATE TABLE b ();\nDO $$ BEGIN EXECUTE 'VACUUM'; END $$",
            2,
            "25001 active_sql_transaction",
            "EXECUTE 'VACUUM'",
        ),
        ("CREATE TABLE b ();\nSELECT 1 +", 2, "42601 syntax_error", "SELECT 1 +"),
        ("CREATE TABLE b ();\nDO $$ BEGIN RAISE 'no'; END $$", 2, "P0001", "RAISE 'no'"),
    ],
)
async def test_a_refused_statement_leaves_nothing_of_its_file_and_is_shown(
    connection: Connection, text: str, line: int, told: str, source: str
) -> None:
    with pytest.raises(MigrationFailed) as caught:
        await run(connection, {A: "CREATE TABLE a ()", B: text})
    message = caught.value.message
    assert message.startswith(f"{B}:{line}:")
    assert f"SQLSTATE {told}" in message
    assert source in message
    assert "Nothing of this file was applied" in message
    assert await tables(connection) == ["a", "schema_version", "schema_version_detail"]
    assert await history(connection) == [(1, "up")]
    assert not connection.is_in_transaction()


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nCREATE TABLE b ();\nCOMMIT;",
        "SET LOCAL transaction_isolation = 'repeatable read'",
        "SET TRANSACTION DEFERRABLE",
    ],
)
async def test_a_file_that_asks_for_another_transaction_is_told_what_to_write_instead(
    connection: Connection, text: str
) -> None:
    with pytest.raises(MigrationFailed, match="25001 active_sql_transaction") as caught:
        await run(connection, {A: text})
    assert "LOCK TABLE" in caught.value.message
    assert "no-transaction" not in caught.value.message
    instead = "LOCK TABLE a IN SHARE ROW EXCLUSIVE MODE;\nINSERT INTO a VALUES (1)"
    await run(connection, {A: "CREATE TABLE a (n int)", B: f"BEGIN;\n{instead};\nCOMMIT;"})


async def test_a_file_with_a_begin_of_its_own_is_told_to_remove_it_where_it_has_to_run_without(
    connection: Connection,
) -> None:
    commits = "DO $$ BEGIN COMMIT; END $$;\n"
    with pytest.raises(MigrationFailed, match="no-transaction into the first line, and remove its BEGIN and COMMIT"):
        await run(connection, {A: f"BEGIN;\n{commits}COMMIT;"})
    await run(connection, {A: f"-- dashdb:no-transaction\n{commits}"})


async def test_a_failing_first_file_leaves_no_history_table(connection: Connection) -> None:
    with pytest.raises(MigrationFailed):
        await run(connection, {A: "CREATE TABLE a (); SELECT nothing"})
    assert await tables(connection) == []


async def test_a_constraint_that_is_only_checked_at_the_end_is_refused_by_file(connection: Connection) -> None:
    text = """
        CREATE TABLE b (n int PRIMARY KEY, next int REFERENCES b DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO b VALUES (1, 2);
    """
    with pytest.raises(MigrationFailed, match=r"^V2_make_b\.up\.sql: at its end.*23503 .*table b") as caught:
        await run(connection, {A: "CREATE TABLE a ()", B: text})
    assert "Nothing of this file was applied" in caught.value.message
    assert await tables(connection) == ["a", "schema_version", "schema_version_detail"]


@pytest.mark.parametrize(
    ("name", "text"),
    [(B, "SELECT 1; COMMIT;"), (B, "SELECT 'open"), ("V2_make_b.down.sql", "ROLLBACK"), (B, "COPY a FROM STDIN;")],
)
async def test_a_file_that_cannot_be_run_is_refused_before_any_file_runs(
    connection: Connection, name: str, text: str
) -> None:
    with pytest.raises(MigrationFileError, match=name):
        await run(connection, {**TWO, name: text})
    assert await tables(connection) == []


async def test_what_copy_writes_out_goes_nowhere_and_holds_up_nothing(connection: Connection) -> None:
    await run(connection, {A: "COPY (SELECT generate_series(1, 10000)) TO STDOUT; CREATE TABLE a ()"})
    assert await tables(connection) == ["a", "schema_version", "schema_version_detail"]


async def test_empty_files_are_migrations_too(connection: Connection) -> None:
    empty = {A: "-- nothing yet\n", "V1_make_a.down.sql": ""}
    await run(connection, empty)
    assert await history(connection) == [(1, "up")]
    await run(connection, empty, 0)
    assert await tables(connection) == []


_OTHER_TYPES = {
    "schema_version": ("version", "description", "state", "applied_at", "applied_by"),
    "schema_version_detail": (
        "version", "applied_at", "host", "engine_version", "origin", "duration_ms", "retries", "statements_done",
        "error", "sha256", "done_sha256", "down_sql",
    ),
}  # fmt: skip
_TABLES = "; ".join(
    f"CREATE TABLE {table} ({', '.join(f'{name} text DEFAULT $$$$' for name in columns)})"
    for table, columns in _OTHER_TYPES.items()
)


@pytest.mark.parametrize("made", ["CREATE TABLE schema_version (installed_rank int, script text)", _TABLES])
async def test_a_history_table_of_another_program_is_left_alone(connection: Connection, made: str) -> None:
    await connection.execute(f"{made}; INSERT INTO schema_version DEFAULT VALUES")
    before = await tables(connection)
    with pytest.raises(HistoryMismatch, match="history in schema public is not dashdb's") as caught:
        await run(connection, TWO)
    assert caught.value.reason == "HistoryTableForeign"
    assert await tables(connection) == before


async def test_a_trigger_that_waits_until_the_end_and_fails_is_refused_by_file(connection: Connection) -> None:
    waits = """
        CREATE TABLE a (n int);
        CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO missing VALUES (1); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER noted AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION noted();
        INSERT INTO a VALUES (1)
    """
    with pytest.raises(MigrationFailed, match=r"V1_a.up.sql: at its end.*trigger with SQLSTATE 42P01"):
        await run(connection, {"V1_a.up.sql": waits})
    assert await tables(connection) == []


@pytest.mark.parametrize("before", [{}, {"V1_a.up.sql": "CREATE TABLE a ()"}])
@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE schema_version",
        "DROP TABLE schema_version; SELECT 1",
        "SELECT 1; DROP TABLE schema_version",
        "DROP TABLE schema_version_detail",
    ],
)
async def test_a_file_that_drops_the_history_is_refused(
    connection: Connection, before: dict[str, str], text: str
) -> None:
    with pytest.raises(MigrationFailed, match=r"V2_b.up.sql drops or moves a table in which the history"):
        await run(connection, {**before, "V2_b.up.sql": text})
    assert await tables(connection) == (["a", "schema_version", "schema_version_detail"] if before else [])


async def test_an_edited_file_is_refused_before_anything_runs(connection: Connection) -> None:
    await run(connection, TWO, 1)
    with pytest.raises(HistoryMismatch, match="was edited"):
        await run(connection, {**TWO, A: "CREATE TABLE a (n int)"})
    assert await tables(connection) == ["a", "schema_version", "schema_version_detail"]


async def test_settings_of_the_role_do_not_limit_a_migration(
    postgres: PostgresServer, database: Database, target: object
) -> None:
    from controller.database.connection import connected

    since_17 = ["transaction_timeout = '100ms'"] if postgres.release >= 17 else []
    for setting in (
        *since_17,
        "statement_timeout = '100ms'",
        "idle_in_transaction_session_timeout = '100ms'",
        "default_transaction_isolation = 'serializable'",
    ):
        postgres.psql(postgres.superuser, sql=f'ALTER ROLE "{database.user}" SET {setting}')
    async with connected(target_to(database)) as connection:
        await run(connection, {A: "SELECT pg_sleep(0.3); CREATE TABLE a ()"}, settings=RunSettings())
        assert await tables(connection) == ["a", "schema_version", "schema_version_detail"]
