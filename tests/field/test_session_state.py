"""State of a session that a file leaves behind or takes away, and settings that a role brings."""

from dataclasses import replace

import pytest

from tests.field.folder import Folder
from tests.support.pgbouncer import PgBouncer

STATE = """
CREATE TABLE seen AS SELECT
    (SELECT count(*) FROM pg_prepared_statements WHERE from_sql) AS prepared,
    (SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors,
    (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r') AS temporary,
    (SELECT count(*) FROM pg_listening_channels()) AS channels
"""


def apply_between_others(folder: Folder, text: str) -> None:
    """Apply three files, of which TEXT is the second."""
    folder.write({"1_a.up.sql": "CREATE TABLE a (n int)", "2_b.up.sql": text, "3_c.up.sql": "CREATE TABLE c ()"})
    done = folder.dashdb("up")
    assert (done.exit_code, done.stderr.count("applied ")) == (0, 3), done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "DISCARD ALL",
        "DEALLOCATE ALL",
        "DISCARD PLANS",
        "SELECT 1; DEALLOCATE ALL; DISCARD TEMP",
        "VACUUM a; DISCARD ALL; CREATE INDEX CONCURRENTLY i ON a (n); DEALLOCATE ALL",
        "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$",
    ],
)
def test_statements_of_the_driver_that_a_file_drops_are_prepared_again(folder: Folder, text: str) -> None:
    """Issues psycopg #1408 and vibeunion/supacloud #537: drivers whose prepared statements were dropped."""
    apply_between_others(folder, text)
    assert folder.dashdb("up").exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        "LOCK TABLE a IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE a; ALTER TABLE a ADD m int",
        "SAVEPOINT s; ROLLBACK TO SAVEPOINT s",
        "DECLARE c CURSOR FOR SELECT 1; FETCH c",
        "SET LOCAL lock_timeout = 0; SELECT 1 / (current_setting('lock_timeout') = '0')::int",
    ],
)
def test_statements_that_need_a_transaction_find_one(folder: Folder, text: str) -> None:
    """Reported as supabase/cli 6347, mended in 6354: a file sent as one batch was in no transaction block."""
    apply_between_others(folder, text)


@pytest.mark.parametrize("text", ["DISCARD ALL", "SELECT pg_advisory_unlock_all()"])
def test_the_lock_of_a_run_is_held_after_a_file_released_all_locks(folder: Folder, text: str) -> None:
    held = "CREATE TABLE held AS SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    folder.write({"1_a.up.sql": f"VACUUM pg_catalog.pg_depend;\n{text};\n{held}"})
    assert folder.dashdb("up").exit_code == 0
    assert folder.ask("SELECT count FROM held") == "1"


def test_after_discard_all_names_are_looked_up_as_before(folder: Folder) -> None:
    folder.ask(f'CREATE SCHEMA other AUTHORIZATION "{folder.database.user}"')
    folder.write({"1_a.up.sql": "DISCARD ALL; CREATE TABLE a ()"})
    assert folder.dashdb("up", "--schema", "other").exit_code == 0
    assert folder.ask("SELECT schemaname FROM pg_tables WHERE tablename = 'a'") == "other"


@pytest.mark.parametrize("head", ["", "-- dashdb:no-transaction\n"])
@pytest.mark.parametrize(
    "text",
    [
        "PREPARE q AS SELECT 1; EXECUTE q",
        'PREPARE "Odd ""name" AS SELECT 1',
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "CREATE TEMP TABLE x (n int); DECLARE c CURSOR WITH HOLD FOR SELECT * FROM x",
        "CREATE TEMP TABLE x (n int)",
        "LISTEN x",
    ],
)
def test_nothing_of_it_reaches_the_next_file(folder: Folder, head: str, text: str) -> None:
    """All files of golang-migrate share a session, and the search_path that one has set."""
    folder.write({"1_a.up.sql": head + text, "2_b.up.sql": STATE})
    done = folder.dashdb("up")
    assert done.exit_code == 0, done.stderr
    assert folder.ask("SELECT * FROM seen") == "0|0|0|0"


STRINGS = """
CREATE TABLE a (path text DEFAULT 'C:\\', note text DEFAULT E'it\\'s');
INSERT INTO a (note) VALUES ('x\\y; --');
"""


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "behind PgBouncer"])
def test_strings_mean_what_they_mean_by_default_whatever_the_role_says(folder: Folder, *, pooled: bool) -> None:
    """Roles of databases that were born before PostgreSQL 9.1 have standard_conforming_strings = off."""
    folder.set_for_role("standard_conforming_strings = off")
    folder.write({"1_a.up.sql": STRINGS, "2_b.up.sql": "INSERT INTO a (note) VALUES ('\\')"})
    if pooled:
        with PgBouncer(folder.server) as pooler:
            behind = replace(folder, database=pooler.before(folder.database))
            done = behind.dashdb("up", "--pooler", "pgbouncer")
    else:
        done = folder.dashdb("up")
    assert done.exit_code == 0, done.stderr
    assert folder.ask("SELECT path || note FROM a") == "C:\\x\\y; --\nC:\\\\"


@pytest.mark.parametrize("value", ["off", "'no'", "FALSE", "0"])
def test_a_file_that_turns_them_off_is_refused_with_its_place(folder: Folder, value: str) -> None:
    folder.write({"1_a.up.sql": f"SELECT 1;\nSET LOCAL standard_conforming_strings TO {value};"})
    refused = folder.dashdb("up")
    assert (refused.exit_code, "1_a.up.sql:2:1: strings are read" in refused.stderr) == (2, True)


def test_a_dump_that_turns_them_on_is_read(folder: Folder) -> None:
    folder.write({"1_a.up.sql": "SET standard_conforming_strings = on; CREATE TABLE a ()"})
    assert (folder.dashdb("up").exit_code, folder.tables()) == (0, {"a"})
