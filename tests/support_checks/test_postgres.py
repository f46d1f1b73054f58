"""The PostgreSQL servers that other tests rely on are real and behave as they promise."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from tests.support.database import Database
from tests.support.postgres import PostgresServer, PsqlError

BARE = ("-At",)


async def value(database: Database, sql: str) -> object:
    connection = await asyncpg.connect(database.dsn, timeout=5)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_a_server_of_the_asked_major_version_answers(server: PostgresServer) -> None:
    number = await value(server.create_database(), "SELECT current_setting('server_version_num')::int")
    assert isinstance(number, int)
    assert number // 10_000 == server.major


def test_a_database_belongs_to_a_role_that_may_do_nothing_more(server: PostgresServer) -> None:
    database = server.create_database()
    owner = "SELECT datdba::regrole::text = current_user FROM pg_database WHERE datname = current_database()"
    rights = "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls"
    mine = f"{rights} FROM pg_roles WHERE rolname = current_user"
    assert server.psql(database, sql=owner, args=BARE) == "t\n"
    assert server.psql(database, sql=mine, args=BARE) == "f\n"


def test_the_owner_can_create_the_trusted_extensions(server: PostgresServer) -> None:
    server.psql(server.create_database(), sql="CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gin;")


def test_two_databases_can_share_an_owner(server: PostgresServer) -> None:
    first = server.create_database()
    second = server.create_database(owner=first.user)
    assert (second.user, second.password) == (first.user, first.password)
    assert second.name != first.name


async def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    intruder = replace(server.create_database(), password="wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await value(intruder, "SELECT 1")
    with pytest.raises(PsqlError, match="password authentication failed"):
        server.psql(intruder, sql="SELECT 1")


async def test_a_dropped_database_is_gone_even_while_it_is_used(server: PostgresServer) -> None:
    database = server.create_database()
    connection = await asyncpg.connect(database.dsn)
    server.drop_database(database)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await value(database, "SELECT 1")
    connection.terminate()


def test_psql_stops_at_the_first_error_and_says_what_it_was(server: PostgresServer, tmp_path: Path) -> None:
    database = server.create_database()
    script = tmp_path / "script.sql"
    script.write_text("CREATE TABLE before (); SELECT 1/0; CREATE TABLE after ();")
    with pytest.raises(PsqlError, match="division by zero"):
        server.psql(database, file=script)
    tables = server.psql(database, sql="SELECT tablename FROM pg_tables WHERE schemaname = 'public'", args=BARE)
    assert tables == "before\n"


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_what_was_committed_survives_a_stop_and_start_on_the_same_port(server: PostgresServer, mode: str) -> None:
    database = server.create_database()
    server.psql(database, sql="CREATE TABLE kept AS SELECT 7 AS number")
    server.stop("fast" if mode == "fast" else "immediate")
    with pytest.raises(ConnectionRefusedError):
        await value(database, "SELECT 1")
    server.start()
    assert await value(database, "SELECT number FROM kept") == 7
    assert ("was not properly shut down" in server.log) or mode == "fast"


async def test_a_frozen_server_hangs_and_goes_on_when_thawed(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.create_database().dsn)
    server.freeze()
    answer = asyncio.create_task(connection.fetchval("SELECT 1"))
    done, _ = await asyncio.wait([answer], timeout=0.3)
    assert not done
    server.thaw()
    assert await answer == 1
    await connection.close()


def test_a_password_shows_in_no_representation(server: PostgresServer) -> None:
    database = server.create_database()
    assert database.password not in repr(database)


def test_the_environment_names_the_database_as_the_product_reads_it(server: PostgresServer) -> None:
    database = server.create_database()
    assert database.environ == {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(server.port),
        "DB_NAME": database.name,
        "DB_USER": database.user,
        "DB_PASSWORD": database.password,
        "DB_SSLMODE": "disable",
    }


def test_settings_reach_the_server() -> None:
    with PostgresServer(settings={"max_connections": "11"}) as small:
        assert small.psql(small.superuser, sql="SHOW max_connections", args=BARE) == "11\n"


@pytest.mark.parametrize("major", [18, 15])
async def test_tls_is_verified_and_nothing_else_is_taken(major: int) -> None:
    with PostgresServer(18 if major == 18 else 15, tls=True) as server:
        database = server.create_database()
        bare = database.dsn.partition("?")[0]
        trusting = ssl.create_default_context(cadata=server.ca_pem)
        for host in ("127.0.0.1", "localhost"):
            connection = await asyncpg.connect(bare.replace("127.0.0.1", host), ssl=trusting)
            used = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            assert await connection.fetchval(used) is True
            await connection.close()
        assert await value(database, "SELECT 1") == 1  # sslmode=require, as DB_SSLMODE says
        assert database.environ["DB_SSLMODE"] == "require"
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncpg.connect(bare, ssl=ssl.create_default_context())
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
            await asyncpg.connect(bare, ssl=False)
