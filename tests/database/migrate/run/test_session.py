"""Isolation of files: changes of one file to its session reach neither the next file nor the history row."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.errors import DatabaseUnavailable
from controller.migrate.history.location import HISTORY
from tests.database.engine import history, run, run_alone, tables
from tests.database.targets import role, target_to
from tests.support.database import Database, quoted
from tests.support.postgres import PostgresServer

STATE = """
CREATE TABLE seen AS
SELECT current_user::text AS who, session_user::text AS login, current_setting('search_path') AS path,
       current_setting('statement_timeout') AS statement_timeout, current_setting('lock_timeout') AS lock_timeout,
       coalesce(current_setting('dashdb.maintenance', true), '') AS maintenance,
       (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r') AS temporary,
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks
"""


async def seen_after(target: Target, text: str) -> dict[str, object]:
    """Return the session state that a file finds which runs after one with TEXT."""
    await run_alone(target, {"V1_before.up.sql": text, "V2_after.up.sql": STATE})
    async with connected(target) as connection:
        assert await history(connection) == [(1, "up"), (2, "up")]
        return dict(await connection.fetchrow("SELECT * FROM seen"))


@pytest_asyncio.fixture
async def untouched(postgres: PostgresServer) -> AsyncIterator[dict[str, object]]:
    database = postgres.create_database()
    found = await seen_after(target_to(database), "SELECT 1")
    postgres.drop_database(database)
    del found["who"], found["login"]
    yield found


@pytest.mark.parametrize(
    "text",
    [
        "SET search_path = pg_catalog",
        "SELECT set_config('search_path', '', false)",
        "SET statement_timeout = '1ms'; RESET lock_timeout",
        "SET LOCAL lock_timeout = 0",
        "SET dashdb.maintenance = 'on'",
        "CREATE TEMP TABLE schema_version (version int)",
        "SELECT pg_advisory_lock(1), pg_advisory_lock_shared(2)",
        "SET client_encoding = 'LATIN1'",
        "SET default_transaction_isolation = 'serializable'",
        "RESET ALL",
    ],
)
async def test_nothing_of_a_session_is_left_to_the_next_file(
    target: Target, untouched: dict[str, object], text: str
) -> None:
    found = await seen_after(target, text)
    assert found.pop("who") == found.pop("login") == target.user
    assert found == untouched


@pytest.mark.parametrize("command", ["SET ROLE {}", "SET LOCAL ROLE {}", "SET SESSION ROLE {}"])
async def test_a_role_that_a_file_takes_is_given_back(
    postgres: PostgresServer, database: Database, target: Target, command: str
) -> None:
    other = role(postgres, grants="GRANT CREATE ON SCHEMA public TO {role}", database=database)
    postgres.psql(postgres.superuser, sql=f"GRANT {quoted(other.user)} TO {quoted(database.user)}")
    found = await seen_after(target, f"{command.format(quoted(other.user))}; CREATE TABLE theirs ()")
    assert (found["who"], found["login"]) == (database.user, database.user)
    async with connected(target) as connection:
        owners = dict(await connection.fetch("SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'"))
    assert owners == {"theirs": other.user, "seen": database.user, **dict.fromkeys(HISTORY, database.user)}


async def test_a_role_that_the_login_takes_by_itself_stays_taken(
    each_postgres: PostgresServer,
) -> None:
    """Use ALTER ROLE login SET role = owner, as short-lived logins of a vault do."""
    database = each_postgres.create_database()
    login = role(each_postgres, database=database)
    each_postgres.psql(
        each_postgres.superuser,
        sql=f"GRANT {quoted(database.user)} TO {quoted(login.user)};"
        f"ALTER ROLE {quoted(login.user)} SET role = {quoted(database.user)};",
    )
    found = await seen_after(target_to(login), "SET search_path = public")
    assert (found["who"], found["login"]) == (database.user, login.user)
    async with connected(target_to(database)) as connection:
        owners = await connection.fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
        assert [row[0] for row in owners] == [database.user]
        who = await connection.fetch("SELECT DISTINCT applied_by FROM schema_version")
        assert [row[0] for row in who] == [login.user]
    each_postgres.drop_database(database)


async def test_limits_hold_again_after_the_reset_at_the_end_of_a_file(target: Target, connection: Connection) -> None:
    """The history row is written under the same limits as the file was run."""
    text = {
        "V1_a.up.sql": "CREATE TABLE limits (at_record text)",
        "V2_b.up.sql": """
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO public.limits VALUES (current_setting('lock_timeout')); RETURN NEW; END $$;
            CREATE TRIGGER note BEFORE INSERT ON schema_version FOR EACH ROW EXECUTE FUNCTION note();
        """,
    }
    await run(connection, text)
    assert await connection.fetchval("SELECT at_record FROM limits") == "1s"


async def test_a_schema_and_a_role_with_capitals_and_dashes(postgres: PostgresServer) -> None:
    database = postgres.create_database("Dash-Board DB", owner='Own"er-1')
    async with connected(target_to(database)) as connection:
        await connection.execute('CREATE SCHEMA "My-Schema"; ALTER ROLE CURRENT_USER SET search_path = "My-Schema"')
    files = {"V1_a.up.sql": "CREATE TABLE a ()", "V1_a.down.sql": "DROP TABLE a"}
    await run_alone(target_to(database), files)
    async with connected(target_to(database)) as connection:
        assert await connection.fetchval("SELECT applied_by FROM schema_version") == 'Own"er-1'
        assert await tables(connection) == ["a", "schema_version", "schema_version_detail"]
        await run(connection, files, 0)
        assert await tables(connection) == []
    postgres.drop_database(database)


async def test_a_role_that_may_create_nothing_is_told_so(postgres: PostgresServer, database: Database) -> None:
    reader = role(postgres, database=database)
    with pytest.raises(DatabaseUnavailable, match=r"denied for schema public\. .* CREATE on the") as caught:
        await run_alone(target_to(reader), {"V1_a.up.sql": "CREATE TABLE a ()"})
    assert caught.value.reason == "PermissionDenied"


@pytest.mark.parametrize("path", ["missing", ""])
async def test_a_search_path_without_a_schema_is_told(postgres: PostgresServer, database: Database, path: str) -> None:
    postgres.psql(postgres.superuser, sql=f"ALTER ROLE {quoted(database.user)} SET search_path = '{path}'")
    with pytest.raises(DatabaseUnavailable, match="No schema to create tables in") as caught:
        await run_alone(target_to(database), {"V1_a.up.sql": "CREATE TABLE a ()"})
    assert caught.value.reason == "SchemaMissing"


async def test_two_schemas_of_one_database_have_histories_of_their_own(target: Target, connection: Connection) -> None:
    await connection.execute("CREATE SCHEMA one; CREATE SCHEMA two")
    for schema, version in (("one", 1), ("two", 2)):
        await connection.execute(f"SET search_path = {schema}")
        # A search_path that only this session has would be gone with the first file: it has to be the role's.
        await connection.execute(f"ALTER ROLE CURRENT_USER SET search_path = {schema}")
        await run_alone(target, {"V1_a.up.sql": "CREATE TABLE a ()", "V2_b.up.sql": "SELECT 1"}, to=version)
        assert len(await history(connection)) == version
