"""The packaged migration: up makes all of it, down leaves nothing, and up again makes the same."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from controller.database.connection import Connection, connected
from controller.errors import MigrationFailed
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.migrate.files.migration import Migrations
from controller.migrate.history.session import RunSettings
from controller.migrate.run.runner import Runner
from tests.database.catalog import snapshot
from tests.database.engine import none_left
from tests.database.silence import Silence
from tests.database.targets import role, target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer

SHIPPED: Migrations = read_folder(packaged_folder())


@pytest.fixture
def database(each_postgres: PostgresServer) -> Iterator[Database]:
    fresh = each_postgres.create_database()
    yield fresh
    each_postgres.drop_database(fresh)


async def go_to(connection: Connection, version: int) -> None:
    await Runner(connection, RunSettings(), Silence(), none_left).run(SHIPPED, version)


@pytest_asyncio.fixture
async def owner(database: Database) -> AsyncIterator[Connection]:
    async with connected(target_to(database)) as connection:
        yield connection


async def test_up_down_up_ends_where_up_ended_and_down_leaves_an_empty_schema(owner: Connection) -> None:
    assert await snapshot(owner) == {}
    await go_to(owner, 1)
    first = await snapshot(owner)
    assert {"relations", "columns", "constraints", "indexes", "functions", "triggers", "extensions"} <= first.keys()
    await go_to(owner, 0)
    assert await snapshot(owner) == {}
    await go_to(owner, 1)
    assert await snapshot(owner) == first


async def test_the_snapshot_notices_a_comment_a_default_and_a_privilege(owner: Connection) -> None:
    await go_to(owner, 1)
    first = await snapshot(owner)
    for change in (
        "COMMENT ON COLUMN dashboard.name IS 'new'",
        "ALTER TABLE dashboard ALTER COLUMN state SET DEFAULT 'draft'",
        "GRANT EXECUTE ON FUNCTION purge_audit_log(integer) TO PUBLIC",
    ):
        await owner.execute(change)
        second = await snapshot(owner)
        assert second != first
        first = second


async def test_down_with_rows_in_every_table_leaves_an_empty_schema(owner: Connection) -> None:
    await go_to(owner, 1)
    await owner.execute(
        """
        INSERT INTO dashboard_template (id, name, category, doc, created_by, is_system)
             VALUES ('t', 'T', 'custom', '{}', 'a', true);
        INSERT INTO dashboard (id, name, project, doc, created_by, updated_by, template_id)
             VALUES ('d', 'D', 'p', '{}', 'a', 'a', 't');
        INSERT INTO share_token (dashboard_id, created_by) VALUES ('d', 'a');
        INSERT INTO user_preferences (user_id) VALUES ('a');
        INSERT INTO audit_log (user_id, action, resource_type, result) VALUES ('a', 'x', 'Dashboard', 'success');
        """
    )
    await go_to(owner, 0)
    assert await snapshot(owner) == {}


async def test_down_leaves_extensions_that_someone_else_has_come_to_need(owner: Connection) -> None:
    await go_to(owner, 1)
    await owner.execute("CREATE TABLE theirs (name text); CREATE INDEX ON theirs USING gin (name gin_trgm_ops)")
    await go_to(owner, 0)
    left = await snapshot(owner)
    assert [line.split()[0] for line in left["extensions"]] == ["pg_trgm"]
    await owner.execute("DROP TABLE theirs")
    await go_to(owner, 1)


async def test_extensions_that_an_administrator_made_are_used_and_stay(
    each_postgres: PostgresServer, database: Database, owner: Connection
) -> None:
    each_postgres.psql(
        replace(each_postgres.superuser, name=database.name),
        sql="CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gin;",
    )
    before = await snapshot(owner)
    await go_to(owner, 1)
    await go_to(owner, 0)
    assert await snapshot(owner) == before


@pytest.mark.parametrize("schema", ["extensions", "a schema of its own", "public"])
async def test_search_uses_its_index_wherever_the_administrator_put_the_extension(
    each_postgres: PostgresServer, database: Database, owner: Connection, schema: str
) -> None:
    each_postgres.psql(
        replace(each_postgres.superuser, name=database.name),
        sql=f'CREATE SCHEMA IF NOT EXISTS "{schema}"; GRANT USAGE ON SCHEMA "{schema}" TO PUBLIC;'
        f'CREATE EXTENSION pg_trgm SCHEMA "{schema}"',
    )
    before = await snapshot(owner)
    await go_to(owner, 1)
    await owner.execute("SET enable_seqscan = off")
    plan = await owner.fetch("EXPLAIN SELECT id FROM dashboard WHERE name ILIKE '%abc%'")
    assert any("dashboard_search_by_name_idx" in row[0] for row in plan)
    await go_to(owner, 0)
    assert await snapshot(owner) == before


async def test_two_schemas_of_one_database_share_the_extension(database: Database, owner: Connection) -> None:
    await owner.execute("CREATE SCHEMA first; CREATE SCHEMA second")
    for schema in ("first", "second"):
        await Runner(owner, RunSettings(schema=schema), Silence(), none_left).run(SHIPPED, 1)
    await Runner(owner, RunSettings(schema="first"), Silence(), none_left).run(SHIPPED, 0)
    await owner.execute("SET enable_seqscan = off")
    plan = await owner.fetch("EXPLAIN SELECT id FROM second.dashboard WHERE name ILIKE '%abc%'")
    assert any("dashboard_search_by_name_idx" in row[0] for row in plan)


async def test_a_role_that_may_not_create_the_extension_is_told_which_one(
    each_postgres: PostgresServer, database: Database
) -> None:
    other = role(each_postgres, grants="GRANT CREATE ON SCHEMA public TO {role}", database=database)
    async with connected(target_to(other)) as connection:
        with pytest.raises(MigrationFailed, match='permission denied to create extension "pg_trgm"'):
            await go_to(connection, 1)
        assert await snapshot(connection) == {}


async def test_down_is_refused_as_a_whole_while_a_view_of_someone_else_needs_a_table(owner: Connection) -> None:
    await go_to(owner, 1)
    await owner.execute("CREATE VIEW theirs AS SELECT id FROM dashboard")
    before = await snapshot(owner)
    with pytest.raises(MigrationFailed, match="dependent_objects_still_exist"):
        await go_to(owner, 0)
    assert await snapshot(owner) == before
