"""One observation of a real database: drift, what a down migration would take with it, locked tables."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from controller.database.connection import Connection
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.quoting import literal
from controller.database.target import Target
from controller.errors import DatabaseUnavailable
from controller.migrate.files.folder import packaged_folder, sql_files
from controller.reconcile.memory import Memory
from controller.reconcile.observe import FRESH, observe
from controller.reconcile.observed import Observed, ObservedSchema
from tests.database.engine import run
from tests.database.targets import target_to
from tests.support.database import Database
from tests.unit.migrate.folders import pairs
from tests.unit.reconcile.observations import desired

RECORDED = """
SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint
 WHERE conrelid = 'schema_version'::regclass AND conname = 'schema_version_pkey'
"""
A = {"V1_a.up.sql": "CREATE TABLE a (n int, note text)", "V1_a.down.sql": "DROP TABLE a"}
B = {**A, "V2_b.up.sql": "CREATE TABLE b ()", "V2_b.down.sql": "ALTER TABLE a DROP COLUMN note; DROP TABLE b"}


class Observer:
    """Observes one database as the reconciler does, and remembers what it would."""

    def __init__(self, target: Target) -> None:
        self.pool = Pool(target, PoolSettings())
        self.desired = desired()
        self.memory = Memory(comparison_due=datetime.now(UTC) + timedelta(days=1))

    async def see(
        self, files: dict[str, str], *, version: int | None = None, before: Observed | None = None
    ) -> Observed:
        wanted = replace(self.desired, schema=replace(self.desired.schema, target_version=version))
        seen = await observe(wanted, self.pool, lambda: pairs(files), self.memory, before=before)
        self.memory = self.memory.observed(seen, wanted)
        return seen

    def make_comparison_due(self) -> None:
        self.memory = replace(self.memory, comparison_due=datetime.now(UTC) - timedelta(days=1))


def schema_of(seen: Observed) -> ObservedSchema:
    assert isinstance(seen.schema, ObservedSchema)
    return seen.schema


@pytest_asyncio.fixture
async def observer(target: Target) -> AsyncIterator[Observer]:
    observer = Observer(target)
    yield observer
    await observer.pool.close()


async def test_what_was_changed_by_hand_is_seen_when_a_comparison_is_due(
    observer: Observer, connection: Connection
) -> None:
    await run(connection, A)
    await connection.execute("CREATE INDEX by_hand ON a (n)")
    assert (await observer.see(A)).drift is None
    observer.make_comparison_due()
    assert (await observer.see(A)).drift == ("index by_hand on a added",)
    assert (await observer.see(A)).drift is None
    assert observer.memory.drift == ("index by_hand on a added",), "it is remembered between two comparisons"
    await connection.execute("DROP INDEX by_hand")
    observer.make_comparison_due()
    assert (await observer.see(A)).drift == ()


async def test_what_an_owner_grants_is_no_drift(observer: Observer, connection: Connection) -> None:
    await run(connection, A)
    await observer.see(A)
    await connection.execute("GRANT SELECT ON a TO PUBLIC; REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    await connection.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC")
    observer.make_comparison_due()
    assert (await observer.see(A)).drift == ()


async def test_what_is_missing_is_seen_at_once_and_so_is_that_it_came_back(
    observer: Observer, connection: Connection
) -> None:
    await run(connection, A)
    await connection.execute("ALTER TABLE a DROP COLUMN note")
    seen = await observer.see(A)
    assert (seen.drift, seen.damage) == (("column a.note missing",), ("column a.note",))
    assert (await observer.see(A)).drift is None, "nothing has changed since"
    assert observer.memory.damage == ("column a.note",)
    await connection.execute("ALTER TABLE a ADD COLUMN note text")
    repaired = await observer.see(A)
    assert (repaired.drift, repaired.damage) == ((), ())
    assert not observer.memory.damage


async def test_what_is_missing_is_seen_where_an_upgrade_keeps_definitions_from_being_compared(
    observer: Observer, connection: Connection
) -> None:
    await run(connection, A)
    comment = await connection.fetchval(RECORDED)
    other = re.sub(r'("format" : )"\w+"', r'\1"older"', comment)
    assert other != comment
    await connection.execute(f"COMMENT ON CONSTRAINT schema_version_pkey ON schema_version IS {literal(other)}")
    await connection.execute("ALTER TABLE a ALTER COLUMN n TYPE bigint")
    observer.make_comparison_due()
    assert (await observer.see(A)).damage == ()
    await connection.execute("ALTER TABLE a DROP COLUMN note")
    seen = await observer.see(A)
    assert (seen.drift, seen.damage) == (("column a.note missing",), ("column a.note",))


async def test_names_that_another_release_writes_otherwise_are_not_compared(
    observer: Observer, connection: Connection
) -> None:
    await run(connection, A)
    other = '{"version": 1, "format": "older", "names": "0", "postgresql": 9, "objects": {"Table a": ""}}'
    await connection.execute(f"COMMENT ON CONSTRAINT schema_version_pkey ON schema_version IS {literal(other)}")
    observer.make_comparison_due()
    assert (await observer.see(A)).damage == ()


async def test_what_was_added_is_compared_once(observer: Observer, connection: Connection) -> None:
    await run(connection, A)
    await connection.execute("CREATE TABLE by_hand ()")
    seen = await observer.see(A)
    assert (seen.drift, seen.damage) == (("table by_hand added",), ())
    assert (await observer.see(A)).drift is None


async def test_where_no_catalog_was_recorded_there_is_no_drift_to_tell(
    observer: Observer, connection: Connection
) -> None:
    await run(connection, A)
    await connection.execute(
        "COMMENT ON CONSTRAINT schema_version_pkey ON schema_version IS NULL; CREATE TABLE by_hand ()"
    )
    observer.make_comparison_due()
    seen = await observer.see(A)
    assert (seen.drift, seen.connection_error, len(schema_of(seen).history)) == ((), None, 1)


async def test_a_down_migration_says_what_it_would_take_with_it(observer: Observer, connection: Connection) -> None:
    await run(connection, B)
    await connection.execute("INSERT INTO a VALUES (1, NULL)")
    assert schema_of(await observer.see(B, version=1)).losses == ("a.note (empty)", "b (empty)")
    await connection.execute("UPDATE a SET note = 'something'")
    assert schema_of(await observer.see(B, version=1)).losses == ("a.note (holds data)", "b (empty)")
    assert schema_of(await observer.see(B)).losses == ()


async def test_a_second_observation_of_a_reconcile_reads_the_tables_and_does_not_ask_for_the_server_again(
    observer: Observer, connection: Connection
) -> None:
    first = await observer.see(A)
    await run(connection, A)
    assert first.located is not None
    unknown = replace(first.located, tables=frozenset())
    second = await observer.see(A, before=replace(first, located=unknown))
    assert second.sample is first.sample
    assert (len(schema_of(first).history), len(schema_of(second).history)) == (0, 1)


async def test_after_an_action_that_took_long_the_server_is_asked_again(observer: Observer) -> None:
    first = await observer.see(A)
    assert first.sample is not None
    stale = replace(first.sample, taken_at=first.sample.taken_at - FRESH)
    second = await observer.see(A, before=replace(first, sample=stale))
    assert second.sample is not stale
    assert second.sample is not first.sample


async def test_a_lock_on_the_templates_is_no_error_of_the_schema_and_the_other_way_round(
    observer: Observer, migrated_connection: Connection, database: Database
) -> None:
    await observer.pool.close()
    observer.pool = Pool(target_to(database, query_timeout=0.3), PoolSettings())
    files = {path.name: path.read_text() for path in sql_files(packaged_folder())}
    async with migrated_connection.transaction():
        await migrated_connection.execute("LOCK TABLE dashboard_template")
        seen = await observer.see(files)
        assert schema_of(seen).summary.version == 1
        assert isinstance(seen.templates, DatabaseUnavailable)
        assert seen.templates.reason == "Timeout"
    async with migrated_connection.transaction():
        await migrated_connection.execute("LOCK TABLE schema_version")
        seen = await observer.see(files)
        assert isinstance(seen.schema, DatabaseUnavailable)
        assert isinstance(seen.templates, tuple)


async def test_the_schema_that_was_checked_a_moment_ago_is_not_checked_again(
    observer: Observer, connection: Connection
) -> None:
    await run(connection, A)
    first = await observer.see(A)
    assert first.located is not None
    assert (await observer.see(A, before=first)).located is first.located
    assert (await observer.see(A, before=replace(first, located=None))).located is not first.located
