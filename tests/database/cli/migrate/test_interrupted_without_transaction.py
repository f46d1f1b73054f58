"""A `dashdb` that is ended in a file without a transaction: what is done stays, and the next run goes on there."""

import signal
from pathlib import Path

import pytest

from tests.database.programs import asleep, begun, dashdb, sleepers, write_migrations
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until

B = "V2_b.up.sql"
COUNTED = "-- dashdb:no-transaction\nCREATE TABLE b (n int);\nINSERT INTO b VALUES (1);\n"
"""Its second statement shows when it runs twice."""
FILES = {"V1_a.up.sql": "CREATE TABLE a ()", B: f"{COUNTED}SELECT pg_sleep(600);\nINSERT INTO b VALUES (4);\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_migrations(tmp_path, FILES)


def asked(server: PostgresServer, database: Database, sql: str) -> str:
    return server.psql(database, sql=sql, args=("-At",)).strip()


def next_run_goes_on(server: PostgresServer, database: Database, folder: Path) -> bool:
    (folder / B).write_text(FILES[B].replace("600", "0"))
    done = dashdb(database.environ, "migrate", "up", "--path", str(folder), "--lock-timeout", "0")
    assert done.returncode == 0, done.stderr
    return asked(server, database, "SELECT string_agg(n::text, ' ' ORDER BY n) FROM b") == "1 4"


def test_after_kill_9_the_next_run_goes_on_at_the_statement_that_ran(
    postgres: PostgresServer, database: Database, folder: Path
) -> None:
    with asleep(postgres, database.environ, "migrate", "up", "--path", str(folder)) as running:
        assert running.end(signal.SIGKILL).code == -signal.SIGKILL
        wait_until(lambda: sleepers(postgres, database.name) == 0, what="the session ends", seconds=5)
    stands = "SELECT statements_done, error FROM schema_version_detail WHERE version = 2"
    assert asked(postgres, database, stands) == f"2|statement 3 of 4: {B}:4: interrupted"
    assert dashdb(database.environ, "migrate", "version").stdout == "2 (dirty)\n"
    assert next_run_goes_on(postgres, database, folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_told_with_the_place_at_which_the_next_run_goes_on(
    postgres: PostgresServer, database: Database, folder: Path, number: signal.Signals
) -> None:
    with asleep(postgres, database.environ, "migrate", "up", "--path", str(folder)) as running:
        ended = running.end(number)
    assert (ended.code, ended.out) == (128 + number, "")
    assert ended.err.splitlines()[1:] == [
        f"Interrupted by {number.name}; what was running is rolled back, but {B} runs without a transaction and is "
        "half done: it stopped at statement 3 of 4 (line 4). The next run goes on there."
    ]
    assert sleepers(postgres, database.name) == 0
    assert next_run_goes_on(postgres, database, folder)


def test_an_index_whose_build_was_killed_is_whole_after_the_next_run(
    postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    """The function keeps the build busy, and the server notices that nobody waits for it any more."""
    slow = "CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN {} RETURN n; END $$"
    files = {
        "V1_a.up.sql": f"CREATE TABLE a (n int); INSERT INTO a VALUES (1); {slow.format('PERFORM pg_sleep(600);')}",
        "V2_i.up.sql": "CREATE INDEX CONCURRENTLY IF NOT EXISTS a_n ON a (slow(n))",
    }
    folder = write_migrations(tmp_path, files)
    valid = "SELECT indisvalid FROM pg_index WHERE indrelid = 'a'::regclass"
    building = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    with begun(database.environ, "migrate", "up", "--path", str(folder)) as running:
        wait_until(lambda: asked(postgres, database, building) == "1", what="the index is being built", seconds=20)
        assert running.end(signal.SIGKILL).code == -signal.SIGKILL
        wait_until(lambda: asked(postgres, database, building) == "0", what="the session ends", seconds=5)
    assert asked(postgres, database, valid) == "f"
    asked(postgres, database, slow.format("").replace("CREATE", "CREATE OR REPLACE"))
    done = dashdb(database.environ, "migrate", "up", "--path", str(folder))
    assert (done.returncode, asked(postgres, database, valid)) == (0, "t"), done.stderr
