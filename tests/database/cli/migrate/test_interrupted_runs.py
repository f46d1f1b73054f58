"""A run that is ended from outside, politely or not, leaves nothing half done and nothing held."""

import signal
from pathlib import Path

import pytest

from tests.database.programs import asleep, dashdb, sleepers, wait_until_it_waits, write_migrations
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until

FILES = {"V1_a.up.sql": "CREATE TABLE a ()", "V2_b.up.sql": "CREATE TABLE b (); SELECT pg_sleep(600);"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_migrations(tmp_path, FILES)


def tables(server: PostgresServer, database: Database) -> list[str]:
    listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    return server.psql(database, sql=listed, args=("-At",)).split()


def next_run_succeeds(server: PostgresServer, database: Database, folder: Path) -> bool:
    (folder / "V2_b.up.sql").write_text("CREATE TABLE b ();")
    done = dashdb(database.environ, "migrate", "up", "--path", str(folder), "--lock-timeout", "0")
    assert (done.returncode, done.stderr.count("applied")) == (0, 1), done.stderr
    return tables(server, database) == ["a", "b", "schema_version", "schema_version_detail"]


def test_after_kill_9_the_server_ends_the_session_and_the_next_run_succeeds(
    postgres: PostgresServer, database: Database, folder: Path
) -> None:
    with asleep(postgres, database.environ, "migrate", "up", "--path", str(folder)) as running:
        assert running.end(signal.SIGKILL).code == -signal.SIGKILL
        wait_until(lambda: sleepers(postgres, database.name) == 0, what="the session ends", seconds=5)
    assert tables(postgres, database) == ["a", "schema_version", "schema_version_detail"]
    assert next_run_succeeds(postgres, database, folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_rolls_back_the_file_that_runs_and_is_told_in_one_line(
    postgres: PostgresServer, database: Database, folder: Path, number: signal.Signals
) -> None:
    with asleep(postgres, database.environ, "migrate", "up", "--path", str(folder)) as running:
        ended = running.end(number)
    assert ended.code == 128 + number
    assert ended.out == ""
    assert ended.err.splitlines()[1:] == [
        f"Interrupted by {number.name}; what was running is rolled back, nothing is half applied."
    ]
    assert sleepers(postgres, database.name) == 0
    assert tables(postgres, database) == ["a", "schema_version", "schema_version_detail"]
    assert next_run_succeeds(postgres, database, folder)


def test_a_signal_while_waiting_for_another_runner_ends_the_wait(
    postgres: PostgresServer, database: Database, folder: Path
) -> None:
    arguments = ("migrate", "up", "--path", str(folder), "--lock-timeout", "10m")
    with asleep(postgres, database.environ, *arguments) as first:
        with asleep(postgres, database.environ, *arguments) as second:
            wait_until_it_waits(second.process)
            assert second.end(signal.SIGTERM).code == 143
        assert first.end(signal.SIGTERM).code == 143


def test_two_commands_at_once_both_succeed_and_say_where_the_schema_is(
    postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    folder = write_migrations(tmp_path, {"V1_a.up.sql": "SELECT pg_sleep(0.5); CREATE TABLE a ()"})
    with asleep(postgres, database.environ, "migrate", "up", "--path", str(folder)) as first:
        second = dashdb(database.environ, "migrate", "up", "--path", str(folder))
        out, _ = first.process.communicate(timeout=30)
    assert (first.process.returncode, second.returncode) == (0, 0)
    assert out.startswith("The schema is at version 1; ")
    assert second.stdout == "Nothing to do; the schema is at version 1.\n"
