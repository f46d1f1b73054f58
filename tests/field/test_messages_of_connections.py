"""Messages about connections, locks and rights say what to write instead, in the words of whoever reads them."""

import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from controller.database.connection import Connection, connect, connected
from controller.database.target import SslMode, Target
from controller.errors import DatabaseUnavailable, ForeignObject
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.lock import describe_holder
from tests.database.engine import run, run_alone, take_lock
from tests.database.programs import dashdb_here, write_migrations
from tests.database.silence import Notes
from tests.database.targets import role, target_to
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer

HERE = HistoryLocation("public", has_history=False, has_golang_migrate=False)


def test_a_server_without_tls_is_told_by_the_variable(database: Database) -> None:
    ended = dashdb_here({**database.environ, "DB_SSLMODE": "require"}, "migrate", "version")
    assert ended.exit_code == 7
    assert "TLSUnsupported: " in ended.stderr
    assert "DB_SSLMODE require needs it" in ended.stderr
    assert "write DB_SSLMODE=disable" in ended.stderr


def test_a_server_without_tls_is_told_by_the_option_of_a_url(database: Database) -> None:
    url = database.dsn.replace("sslmode=disable", "sslmode=require")
    ended = dashdb_here({"DATABASE_URL": url}, "migrate", "version")
    assert "write sslmode=disable in the URL (for variables: DB_SSLMODE=disable)" in ended.stderr


def test_a_table_of_another_owner_is_told_with_the_right_that_is_missing(
    postgres: PostgresServer, database: Database, tmp_path: Path
) -> None:
    by_hand = replace(postgres.superuser, name=database.name)
    postgres.psql(by_hand, sql="CREATE SCHEMA apart; CREATE TABLE apart.t ()")
    folder = write_migrations(tmp_path, {"V1_a.up.sql": "ALTER TABLE apart.t ADD COLUMN n int"})
    ended = dashdb_here(database.environ, "migrate", "up", "--path", str(folder))
    assert "permission denied for schema apart (SQLSTATE 42501" in ended.stderr
    postgres.psql(by_hand, sql=f"GRANT USAGE ON SCHEMA apart TO {quoted(database.user)}")
    ended = dashdb_here(database.environ, "migrate", "up", "--path", str(folder))
    assert "must be owner of table t (SQLSTATE 42501" in ended.stderr


async def test_a_table_of_another_role_in_the_schema_is_told_with_two_ways_to_mend_it(
    postgres: PostgresServer, database: Database, connection: Connection
) -> None:
    other = role(postgres, grants="GRANT CREATE ON SCHEMA public TO {role}", database=database)
    async with connected(target_to(other)) as session:
        await session.execute("CREATE TABLE theirs ()")
    with pytest.raises(ForeignObject) as caught:
        await run(connection, {"V1_a.up.sql": "ALTER TABLE theirs ADD COLUMN n int"})
    assert f"GRANT {quoted(other.user)} TO the role that migrates" in caught.value.message
    assert 'ALTER TABLE "theirs" OWNER TO it' in caught.value.message


@pytest.mark.parametrize(("program", "told"), [("nightly", "nightly"), ("", "a session of role {role}")])
async def test_a_session_of_another_role_is_named_without_what_may_not_be_seen(
    postgres: PostgresServer, database: Database, connection: Connection, program: str, told: str
) -> None:
    """PostgreSQL shows address and times only to the session's own role and to pg_read_all_stats."""
    other = role(postgres, database=database)
    async with connected(target_to(other, application_name=program)) as session:
        await session.execute("BEGIN")
        await take_lock(session)
        pid = session.get_server_pid()
        described = await describe_holder(connection, HERE)
    role_too = f", role {other.user}" if program else ""
    assert described == f"{told.format(role=other.user)} (backend {pid}{role_too})"


async def test_a_session_of_the_own_role_is_named_with_program_address_and_time(
    target: Target, connection: Connection
) -> None:
    async with connected(replace(target, application_name="nightly\x1b[2J")) as session:
        await session.execute("BEGIN")
        await take_lock(session)
        told = await describe_holder(connection, HERE)
    assert told.startswith("nightly")
    assert f" from 127.0.0.1 (backend {session.get_server_pid()}, role {target.user}, since 20" in told
    assert "None" not in told
    assert "\x1b" not in told


async def test_who_blocks_a_table_is_told_in_the_same_words(
    postgres: PostgresServer, database: Database, target: Target, connection: Connection
) -> None:
    files = {"V1_a.up.sql": "CREATE TABLE a ()"}
    await run(connection, files)
    other = role(postgres, database=database)
    await connection.execute(f"GRANT SELECT ON a TO {quoted(other.user)}")
    notes = Notes()
    async with connected(target_to(other)) as session:
        await session.execute("BEGIN; SELECT FROM a")

        class UntilBlocked(Notes):
            """Ends the other transaction once it is named."""

            def waiting(self, what: str, why: str) -> None:
                notes.waiting(what, why)
                if "held by" in why:
                    session.terminate()

        await run_alone(target, {**files, "V2_b.up.sql": "ALTER TABLE a ADD COLUMN n int"}, progress=UntilBlocked())
    blocked = next(why for why in notes.waits if "held by" in why)
    assert blocked.startswith("a lock on public.a, held by dashdb (backend ")
    assert "None" not in blocked
    assert "local" not in blocked


async def test_a_password_may_end_in_a_line_break(postgres: PostgresServer, database: Database) -> None:
    with_break = role(postgres, database=database)
    password = f"{secrets.token_hex(8)}\n"
    postgres.psql(postgres.superuser, sql=f"ALTER ROLE {quoted(with_break.user)} PASSWORD '{password}'")
    async with connected(target_to(replace(with_break, password=password))) as connection:
        assert await connection.fetchval("SELECT current_user::text") == with_break.user


async def test_a_line_break_that_an_editor_added_is_left_out_and_the_server_refuses_it_once(
    postgres: PostgresServer, database: Database
) -> None:
    edited = target_to(role(postgres, database=database))
    edited = replace(edited, password=f"{edited.password}\n")
    for _ in range(3):
        async with connected(edited) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    assert postgres.log.count(f'password authentication failed for user "{edited.user}"') == 1


async def test_a_wrong_password_with_a_line_break_is_refused_as_any_other(target: Target) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        await connect(replace(target, password="h0rse\n", ssl_mode=SslMode.DISABLE))
    assert caught.value.reason == "AuthenticationFailed"
    assert "h0rse" not in caught.value.message
