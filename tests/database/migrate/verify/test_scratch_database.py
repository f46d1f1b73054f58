"""A scratch database is there for a while, is like the real one where it matters, and is gone afterwards."""

import asyncio

import pytest

from controller.database.connection import connected
from controller.database.target import Pooler, Target
from controller.errors import ConfigurationError
from controller.migrate.verify.scratch_database import PREFIX, scratch_database
from tests.database.targets import target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer


def left_of(server: PostgresServer, creator: Target) -> list[str]:
    """Databases of that role."""
    owned = f"SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = '{creator.user}'"
    return server.psql(server.superuser, sql=owned, args=("-At",)).split()


async def test_it_is_empty_named_for_what_it_is_and_gone_at_the_end(
    each_postgres: PostgresServer, creator: Target
) -> None:
    async with scratch_database(creator) as scratch:
        assert left_of(each_postgres, creator) == [scratch.database]
        assert scratch.database.startswith(PREFIX)
        async with connected(scratch) as connection:
            assert await connection.fetchval("SELECT current_schema()") == "public"
            await connection.execute("CREATE TABLE t ()")
            comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
            assert "may be dropped" in await connection.fetchval(comment)
    assert left_of(each_postgres, creator) == []


async def test_two_at_the_same_time_are_two_databases(creator: Target) -> None:
    async with scratch_database(creator) as first, scratch_database(creator) as second:
        assert first.database != second.database


async def test_it_has_the_schema_asked_for(creator: Target) -> None:
    async with scratch_database(creator, schema='of "team" a') as scratch, connected(scratch) as connection:
        assert await connection.fetchval("SELECT 'of \"team\" a'::name IN (SELECT nspname FROM pg_namespace)")


async def test_its_sessions_stand_in_the_schema_in_which_those_of_the_real_one_stand(
    each_postgres: PostgresServer, database: Database, creator: Target
) -> None:
    async with connected(creator) as connection:
        await connection.execute("ALTER ROLE CURRENT_USER SET search_path = app")
    each_postgres.psql(database, sql=f'CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO "{creator.user}"')
    async with scratch_database(creator) as scratch, connected(scratch) as connection:
        assert await connection.fetchval("SELECT current_schema()") == "app"


async def test_it_is_gone_after_an_error_though_a_session_is_left_in_it(
    each_postgres: PostgresServer, creator: Target
) -> None:
    with pytest.raises(RuntimeError, match="of the work"):
        async with scratch_database(creator) as scratch, connected(scratch):
            raise RuntimeError("of the work")
    assert left_of(each_postgres, creator) == []


async def test_it_is_gone_after_a_cancellation_in_the_middle_of_a_statement(
    each_postgres: PostgresServer, creator: Target
) -> None:
    asleep = asyncio.Event()

    async def work() -> None:
        async with scratch_database(creator) as scratch, connected(scratch) as connection:
            asleep.set()
            await connection.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(work())
    await asleep.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_of(each_postgres, creator) == []


async def test_it_is_gone_though_the_server_restarted_in_between(
    each_postgres: PostgresServer, creator: Target
) -> None:
    async with scratch_database(creator):
        each_postgres.stop("immediate")
        each_postgres.start()
    assert left_of(each_postgres, creator) == []


async def test_without_the_right_to_create_one_the_error_says_how_to_give_it(database: Database) -> None:
    with pytest.raises(ConfigurationError, match=r'ALTER ROLE "owner_\w+" CREATEDB, or give the URL') as caught:
        async with scratch_database(target_to(database)):
            pass
    assert caught.value.reason == "ScratchForbidden"


async def test_behind_a_pooler_the_servers_own_address_is_asked_for(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="Give the address of the server itself") as caught:
        async with scratch_database(target_to(database, pooler=Pooler.PGBOUNCER)):
            pass
    assert caught.value.reason == "PoolerInTheWay"
