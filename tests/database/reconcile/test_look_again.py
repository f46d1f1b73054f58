"""The observation of a database that was ready: one question whether anything has changed, and all again if so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from controller.database.connection import Connection
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.target import Target
from controller.errors import ForeignObject
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.migrate.files.migration import Migrations
from controller.reconcile.memory import Memory
from controller.reconcile.observe import observe
from controller.reconcile.observed import Observed, ObservedSchema
from controller.reconcile.reconcile import Dependencies, reconcile
from controller.reconcile.turns import Turns
from tests.database.targets import role, target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.trust.planting import plants
from tests.unit.migrate.folders import pairs
from tests.unit.reconcile.observations import desired

FILES = read_folder(packaged_folder())
DELETED = (
    "BEGIN; SET LOCAL dashdb.maintenance = 'on'; DELETE FROM dashboard_template WHERE id = 'template-notebook'; COMMIT"
)
EARLIER = datetime.now(UTC) - timedelta(days=1)


class Watched:
    """A ready database whose next observations can be made, and counted in messages."""

    def __init__(self, target: Target) -> None:
        self.desired = replace(desired(), target=target)
        self.pool = Pool(target, PoolSettings(max_open=1))
        self.memory = Memory()
        self.files: Migrations = FILES

    async def become_settled(self) -> Observed:
        for _ in range(2):  # the first one migrates and seeds
            await self.reconcile()
            async with self.pool.connection() as connection:
                await counted(connection)
        return await self.reconcile()

    async def reconcile(self) -> Observed:
        dependencies = Dependencies(lambda: FILES, Turns(), "team", lambda _: None)
        result = await reconcile(self.desired, self.pool, dependencies, self.memory)
        assert result.ready, result.summary
        self.memory = result.memory
        return result.observed

    async def look(self) -> tuple[Observed, int]:
        """Return an observation, and how many messages it took."""
        messages: list[Any] = []
        async with self.pool.connection() as connection:
            connection.add_query_logger(messages.append)
        seen = await observe(self.desired, self.pool, lambda: self.files, self.memory)
        await asyncio.sleep(0)  # the driver calls its loggers in the next round of the loop
        async with self.pool.connection() as connection:
            connection.remove_query_logger(messages.append)
        return seen, len(messages)


async def counted(connection: Connection) -> None:
    """Let the session add its counts of changes now, and not within ten seconds."""
    await connection.execute("SELECT pg_stat_force_next_flush()")


@pytest_asyncio.fixture
async def watched(target: Target) -> AsyncIterator[Watched]:
    watched = Watched(target)
    yield watched
    await watched.pool.close()


def templates_of(seen: Observed) -> dict[str, str]:
    assert isinstance(seen.templates, tuple)
    return {each.template_id: each.state.value for each in seen.templates}


async def test_a_database_in_which_nothing_changed_is_seen_in_one_message(watched: Watched) -> None:
    before = await watched.become_settled()
    seen, messages = await watched.look()
    assert messages == 1
    assert (seen.schema, seen.templates, seen.located) == (before.schema, before.templates, before.located)
    assert seen.sample is not before.sample
    assert seen.sample is not None
    assert seen.sample.response_ms is not None


async def test_the_first_look_of_a_process_takes_two_messages(watched: Watched) -> None:
    before = await watched.become_settled()
    watched.memory = Memory()
    seen, messages = await watched.look()
    assert messages == 2
    assert (seen.schema, seen.templates, seen.located) == (before.schema, before.templates, before.located)
    assert (seen.rows, seen.inventory) == (before.rows, before.inventory)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE dashboard_template SET usage_count = usage_count + 1 WHERE id = 'template-notebook'",
        DELETED,
        "UPDATE schema_version SET description = 'by hand'",
        "UPDATE schema_version_detail SET sha256 = reverse(sha256)",
        "INSERT INTO schema_version SELECT (v).* FROM (SELECT jsonb_populate_record(h, '{\"version\": 9}') AS v "
        "FROM schema_version AS h) AS forged",
        "CREATE TABLE schema_migrations (version bigint, dirty boolean)",
        "ALTER TABLE dashboard ENABLE ROW LEVEL SECURITY",
        "GRANT TRIGGER ON dashboard TO PUBLIC",
        "ALTER TABLE dashboard DISABLE TRIGGER USER",
        "ALTER TABLE dashboard RENAME COLUMN name TO title",
        "DROP FUNCTION cleanup_expired_tokens",
        "DROP TABLE audit_log_from_start",
        "COMMENT ON CONSTRAINT schema_version_pkey ON schema_version IS 'by hand'",
        "DROP TABLE share_token CASCADE",
        "DROP TABLE dashboard_template CASCADE",
        "DROP TABLE schema_version",
        "DROP TABLE schema_version_detail",
        "ALTER TABLE schema_version RENAME TO another",
        "CREATE SCHEMA AUTHORIZATION CURRENT_USER",
    ],
    ids=lambda statement: statement[:40],
)
async def test_any_change_that_may_matter_is_noticed(watched: Watched, connection: Connection, change: str) -> None:
    settled = await watched.become_settled()
    await connection.execute(change)
    await counted(connection)
    seen, messages = await watched.look()
    assert messages > 2
    assert seen.rows != settled.rows or seen.located != settled.located or seen.inventory != settled.inventory


@pytest.mark.parametrize(
    "change",
    ["CREATE TEMP TABLE scratch (n int)", "COMMENT ON TABLE dashboard IS 'ours'", "CREATE SCHEMA other"],
)
async def test_a_change_that_does_not_matter_costs_one_more_message_once(
    watched: Watched, connection: Connection, change: str
) -> None:
    settled = await watched.become_settled()
    await connection.execute(change)
    await counted(connection)
    seen, messages = await watched.look()
    assert messages == 2
    assert (seen.schema, seen.inventory) == (settled.schema, settled.inventory)
    await watched.reconcile()
    assert (await watched.look())[1] == 1


async def test_before_maintenance_a_change_is_noticed_whose_count_is_late(
    watched: Watched, connection: Connection
) -> None:
    await watched.become_settled()
    await counted(connection)
    await connection.execute("GRANT TRIGGER ON dashboard TO PUBLIC")  # counted in a second at the earliest
    watched.memory = replace(watched.memory, maintenance_due=EARLIER)
    seen, messages = await watched.look()
    assert messages > 2
    assert seen.located is not None
    assert seen.located.suspicious


async def test_where_a_superuser_has_switched_counting_off_each_look_reads_the_catalogs(
    watched: Watched, postgres: PostgresServer, database: Database
) -> None:
    settled = await watched.become_settled()
    postgres.psql(postgres.superuser, sql=f'ALTER DATABASE "{database.name}" SET track_counts = off;')
    for pooled in list(watched.pool._idle):
        pooled.connection.terminate()
    seen, messages = await watched.look()
    assert messages == 2
    assert (seen.schema, seen.catalog_changes) == (settled.schema, None)


async def test_a_template_that_a_user_deleted_is_missed(watched: Watched, connection: Connection) -> None:
    await watched.become_settled()
    await connection.execute(DELETED)
    seen, _ = await watched.look()
    assert templates_of(seen)["template-notebook"] == "Missing"


async def test_what_another_role_plants_later_is_found(
    watched: Watched, postgres: PostgresServer, database: Database
) -> None:
    await watched.become_settled()
    grants = "GRANT CREATE, USAGE ON SCHEMA public TO {role}; GRANT CREATE ON DATABASE CURRENT TO {role};"
    attacker = role(postgres, database=database, grants=grants.replace("CURRENT", f'"{database.name}"'))
    await plants(target_to(attacker), "CREATE FUNCTION public.planted() RETURNS int LANGUAGE sql RETURN 1")
    seen, _ = await watched.look()
    assert isinstance(seen.schema, ForeignObject)
    assert "planted()" in seen.schema.message


async def test_where_other_roles_own_objects_each_look_is_a_full_one(
    watched: Watched, postgres: PostgresServer, database: Database
) -> None:
    grants = "CREATE SCHEMA theirs AUTHORIZATION {role}; CREATE FUNCTION theirs.f() RETURNS int LANGUAGE sql RETURN 1;"
    role(postgres, database=database, grants=grants + " ALTER FUNCTION theirs.f() OWNER TO {role};")
    for _ in range(2):
        dependencies = Dependencies(lambda: FILES, Turns(), "team", lambda _: None)
        watched.memory = (await reconcile(watched.desired, watched.pool, dependencies, watched.memory)).memory
    assert watched.memory.settled is None
    postgres.psql(replace(postgres.superuser, name=database.name), sql="ALTER FUNCTION theirs.f() SET SCHEMA public;")
    seen, messages = await watched.look()
    assert messages > 1
    assert isinstance(seen.schema, ForeignObject)


async def test_a_new_file_and_another_target_are_plans_at_once(watched: Watched) -> None:
    await watched.become_settled()
    watched.files = (*FILES, *pairs({"V900_a.up.sql": "CREATE TABLE a ()", "V900_a.down.sql": "DROP TABLE a"}))
    seen, _ = await watched.look()
    assert isinstance(seen.schema, ObservedSchema)
    assert seen.schema.summary.pending == 1
    watched.files = FILES
    watched.desired = replace(watched.desired, schema=replace(watched.desired.schema, target_version=0))
    seen, _ = await watched.look()
    assert isinstance(seen.schema, ObservedSchema)
    assert seen.schema.losses


async def test_a_comparison_that_is_due_looks_at_everything(watched: Watched, connection: Connection) -> None:
    await watched.become_settled()
    await connection.execute("ALTER TABLE share_token ALTER COLUMN expires_at DROP NOT NULL, ADD COLUMN n int")
    watched.memory = replace(watched.memory, comparison_due=EARLIER)
    seen, _ = await watched.look()
    assert seen.drift == ("column share_token.expires_at changed", "column share_token.n added")


async def test_a_table_that_is_locked_does_not_make_the_server_slow(watched: Watched, connection: Connection) -> None:
    await watched.become_settled()
    locked = asyncio.Event()

    async def hold() -> None:
        async with connection.transaction():
            await connection.execute("LOCK TABLE dashboard_template")
            locked.set()
            await asyncio.sleep(0.5)

    holding = asyncio.create_task(hold())
    await locked.wait()
    seen, _ = await watched.look()
    await holding
    assert (seen.verdict.reason, templates_of(seen)["template-notebook"]) == ("Healthy", "Current")
    assert seen.sample is not None
    assert (seen.sample.response_ms or 0) < 500


async def test_a_database_that_is_restored_under_the_same_name_is_another_one(
    watched: Watched, postgres: PostgresServer, database: Database
) -> None:
    before = await watched.become_settled()
    await watched.pool.close()
    as_superuser = postgres.superuser
    postgres.psql(as_superuser, sql=f'ALTER DATABASE "{database.name}" RENAME TO "{database.name}_old";')
    postgres.psql(
        as_superuser,
        sql=f'CREATE DATABASE "{database.name}" TEMPLATE "{database.name}_old" OWNER "{database.user}";',
    )
    watched.pool = Pool(watched.pool.target, PoolSettings(max_open=1))
    seen, messages = await watched.look()
    assert messages > 1
    assert seen.facts is not None
    assert before.facts is not None
    assert seen.facts.identity != before.facts.identity
