"""The proof that a way back is true, and what is told where it is not."""

import pytest

from controller.database.connection import connected
from controller.database.target import Target
from controller.errors import MigrationFailed
from controller.migrate.files.folder import packaged_folder, parse, read_folder
from controller.migrate.verify.check import Check
from controller.migrate.verify.verify import verify
from tests.database.engine import tables
from tests.database.silence import Notes, Silence
from tests.database.targets import target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.unit.migrate.folders import pairs

TABLE = {"V1_t.up.sql": "CREATE TABLE t (n integer)", "V1_t.down.sql": "DROP TABLE t"}


async def check(target: Target, contents: dict[str, str], **options: str) -> tuple[Check, ...]:
    return await verify(target, pairs(TABLE | contents), Silence(), **options)


def said(checks: tuple[Check, ...]) -> list[tuple[int, list[str], list[str]]]:
    return [(c.migration.version, list(map(str, c.not_undone)), list(map(str, c.not_redone))) for c in checks]


async def test_the_packaged_migrations_lead_back(creator: Target) -> None:
    migrations = read_folder(packaged_folder())
    checks = await verify(creator, migrations, Silence())
    assert said(checks) == [(migration.version, [], []) for migration in migrations]


async def test_each_version_goes_up_down_and_up(creator: Target) -> None:
    notes = Notes()
    second = {"V2_u.up.sql": "CREATE TABLE u ()", "V2_u.down.sql": "DROP TABLE u"}
    checks = await verify(creator, pairs(TABLE | second), notes)
    assert [c.passed for c in checks] == [True, True]
    assert notes.done == [
        "V1_t.up.sql", "V2_u.up.sql", "V2_u.down.sql", "V1_t.down.sql", "V1_t.up.sql", "V2_u.up.sql",
    ]  # fmt: skip


async def test_the_real_database_stays_as_it_was(creator: Target, database: Database) -> None:
    await check(creator, {})
    async with connected(target_to(database)) as connection:
        assert await tables(connection) == []


async def test_what_a_way_back_leaves_behind_is_told_and_the_next_version_checked_nevertheless(
    creator: Target,
) -> None:
    checks = await check(creator, {
        "V2_u.up.sql": "ALTER TABLE t ADD note text DEFAULT 'x'; CREATE INDEX t_n ON t (n)",
        "V2_u.down.sql": "DROP INDEX t_n",
        "V3_v.up.sql": "CREATE TABLE v ()",
        "V3_v.down.sql": "DROP TABLE v",
    })  # fmt: skip
    assert said(checks) == [(1, [], []), (2, ["column t.note: added (text default 'x'::text)"], []), (3, [], [])]


async def test_what_a_way_back_takes_too_much_is_told(creator: Target) -> None:
    checks = await check(creator, {"V2_u.up.sql": "CREATE TABLE u ()", "V2_u.down.sql": "DROP TABLE t, u"})
    assert said(checks)[1] == (2, ["table t: missing"], [])


async def test_a_second_way_up_that_makes_something_else_is_told(creator: Target) -> None:
    random = "DO $$ BEGIN EXECUTE format('CREATE TABLE %I ()', 'u' || (random() * 1e9)::int); END $$"
    undo = "DO $$ BEGIN EXECUTE (SELECT 'DROP TABLE ' || tablename FROM pg_tables WHERE tablename LIKE 'u%'); END $$"
    checks = await check(creator, {"V2_u.up.sql": random, "V2_u.down.sql": undo})
    version, not_undone, not_redone = said(checks)[1]
    assert (version, not_undone) == (2, [])
    assert {line.rpartition(": ")[2] for line in not_redone} == {"missing", "added"}


async def test_tables_are_made_in_the_schema_asked_for(creator: Target) -> None:
    here = "DO $$ BEGIN ASSERT current_schema() = 'team a'; END $$"
    checks = await check(creator, {"V2_u.up.sql": here}, schema="team a")
    assert [c.passed for c in checks] == [True, True]


async def test_a_file_that_is_refused_is_told_and_nothing_is_left(
    each_postgres: PostgresServer, creator: Target
) -> None:
    with pytest.raises(MigrationFailed, match=r"V2_u\.down\.sql:1:.*undefined_table"):
        await check(creator, {"V2_u.up.sql": "SELECT 1", "V2_u.down.sql": "DROP TABLE u"})
    owned = f"SELECT count(*) FROM pg_database WHERE pg_get_userbyid(datdba) = '{creator.user}'"
    assert each_postgres.psql(each_postgres.superuser, sql=owned, args=("-At",)) == "0\n"


def many(count: int) -> dict[str, str]:
    up = {f"V{n}_t{n}.up.sql": f"CREATE TABLE t{n} ()" for n in range(2, count + 1)}
    return up | {f"V{n}_t{n}.down.sql": f"DROP TABLE t{n}" for n in range(2, count + 1)}


async def test_a_long_history_is_checked_in_parts_and_told_in_order(creator: Target) -> None:
    checks = await check(
        creator, many(60) | {"V45_t45.down.sql": "SELECT 1", "V50_t50.down.sql": "DROP TABLE t50, t49"}
    )
    assert [c.migration.version for c in checks] == list(range(1, 61))
    assert [(c.migration.version, list(map(str, c.not_undone))) for c in checks if not c.passed] == [
        (45, ["table t45: added"]),
        (50, ["table t49: missing"]),
    ]


async def test_of_several_files_that_are_refused_the_lowest_is_told(
    each_postgres: PostgresServer, creator: Target
) -> None:
    with pytest.raises(MigrationFailed, match=r"^V7_t7\.down\.sql"):
        await check(creator, many(60) | {"V7_t7.down.sql": "DROP TABLE no", "V55_t55.down.sql": "DROP TABLE no"})
    owned = f"SELECT count(*) FROM pg_database WHERE pg_get_userbyid(datdba) = '{creator.user}'"
    assert each_postgres.psql(each_postgres.superuser, sql=owned, args=("-At",)) == "0\n"


async def test_rows_that_a_way_back_leaves_are_met_by_the_second_way_up(creator: Target) -> None:
    keyed = {"V1_t.up.sql": "CREATE TABLE t (n integer PRIMARY KEY)"}
    with pytest.raises(MigrationFailed, match=r"^V2_row\.up\.sql.*unique_violation"):
        await check(creator, keyed | {"V2_row.up.sql": "INSERT INTO t VALUES (1)", "V2_row.down.sql": "SELECT 1"})


async def test_what_a_way_back_leaves_in_another_schema_is_met_by_the_second_way_up(creator: Target) -> None:
    schema = {"V2_s.up.sql": "CREATE SCHEMA x", "V2_s.down.sql": "DROP SCHEMA x CASCADE"}
    with pytest.raises(MigrationFailed, match=r"^V3_u\.up\.sql.*duplicate_table"):
        await check(creator, schema | {"V3_u.up.sql": "CREATE TABLE x.u ()", "V3_u.down.sql": "SELECT 1"})


async def test_of_files_that_are_refused_the_lowest_is_told_before_one_without_a_transaction(creator: Target) -> None:
    lasting = "-- dashdb:no-transaction\nCREATE INDEX CONCURRENTLY t_n ON t (n); SELECT 1 / 0"
    with pytest.raises(MigrationFailed, match=r"^V2_u\.down\.sql"):
        await check(creator, {
            "V2_u.up.sql": "CREATE TABLE u ()", "V2_u.down.sql": "DROP TABLE no",
            "V3_i.up.sql": lasting, "V3_i.down.sql": "DROP INDEX t_n",
        })  # fmt: skip


async def test_a_role_that_files_make_is_gone_after_a_later_version_failed(each_postgres: PostgresServer) -> None:
    name = f"made_{id(each_postgres)}_later"
    database = each_postgres.create_database()
    each_postgres.psql(each_postgres.superuser, sql=f'ALTER ROLE "{database.user}" CREATEDB CREATEROLE')
    files = {
        "V2_r.up.sql": f"CREATE ROLE {name}", "V2_r.down.sql": f"DROP ROLE {name}",
        "V3_u.up.sql": "CREATE TABLE u ()", "V3_u.down.sql": "SELECT 1",
        "V4_v.up.sql": "CREATE TABLE v ()", "V4_v.down.sql": "DROP TABLE v",
    }  # fmt: skip
    try:
        checks = await check(target_to(database), files)
        asked = f"SELECT count(*) FROM pg_roles WHERE rolname = '{name}'"
        assert each_postgres.psql(each_postgres.superuser, sql=asked, args=("-At",)) == "0\n"
    finally:
        each_postgres.psql(each_postgres.superuser, sql=f"DROP ROLE IF EXISTS {name}")
        each_postgres.drop_database(database)
    assert [(c.migration.version, c.passed) for c in checks] == [(1, True), (2, True), (3, False), (4, True)]


async def test_files_that_make_roles_are_checked_one_after_the_other(each_postgres: PostgresServer) -> None:
    """A role belongs to the whole server, so that a second scratch database could not make it as well."""
    name = f"made_{id(each_postgres)}"
    database = each_postgres.create_database()
    each_postgres.psql(each_postgres.superuser, sql=f'ALTER ROLE "{database.user}" CREATEDB CREATEROLE')
    role_files = {"V2_t2.up.sql": f"CREATE  ROLE {name}", "V2_t2.down.sql": f"DROP ROLE {name}"}
    try:
        checks = await check(target_to(database), many(60) | role_files)
    finally:
        each_postgres.psql(each_postgres.superuser, sql=f"DROP ROLE IF EXISTS {name}")
        each_postgres.drop_database(database)
    assert all(c.passed for c in checks)


async def test_a_version_without_a_down_migration_goes_up_alone(creator: Target) -> None:
    second = {"2_u.up.sql": b"CREATE TABLE u ()", "3_v.up.sql": b"CREATE TABLE v ()", "3_v.down.sql": b"DROP TABLE v"}
    notes = Notes()
    checks = await verify(creator, parse({"0_t.up.sql": b"CREATE TABLE t ()", **second}), notes)
    assert [(c.migration.version, c.migration.down is None, c.passed) for c in checks] == [
        (0, True, True), (2, True, True), (3, False, True),
    ]  # fmt: skip
    assert notes.done == ["0_t.up.sql", "2_u.up.sql", "3_v.up.sql", "3_v.down.sql", "3_v.up.sql"]
