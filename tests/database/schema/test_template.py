"""The rules of table dashboard_template: system templates are not lost by accident."""

import asyncpg
import pytest

from controller.database.connection import Connection, connected
from tests.database.rows import insert
from tests.database.targets import role, target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer

MAINTENANCE = "SET LOCAL dashdb.maintenance = 'on'"


@pytest.mark.parametrize("category", ["model_serving", "training_job", "notebook", "data_pipeline", "custom"])
async def test_the_five_categories_are_taken(migrated_connection: Connection, category: str) -> None:
    row = await insert(migrated_connection, "dashboard_template", category=category)
    assert (row["is_system"], row["usage_count"], row["version"]) == (False, 0, "1.0.0")


async def test_another_category_is_refused(migrated_connection: Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(migrated_connection, "dashboard_template", category="other")


@pytest.mark.parametrize("version", ["0.0.0", "1.2.3", "10.20.30", "1.0.0-rc.1", "1.0.0+build.5", "1.0.0-a+b"])
async def test_semantic_versions_are_taken(migrated_connection: Connection, version: str) -> None:
    await insert(migrated_connection, "dashboard_template", version=version)


@pytest.mark.parametrize("version", ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0 ", "1.0.0\n"])
async def test_what_is_no_semantic_version_is_refused(migrated_connection: Connection, version: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="dashboard_template_version_is_semver"):
        await insert(migrated_connection, "dashboard_template", version=version)


async def test_names_are_unique(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "dashboard_template")
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(migrated_connection, "dashboard_template", id="other")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM dashboard_template WHERE id = 't'",
        "DELETE FROM dashboard_template",
        "UPDATE dashboard_template SET is_system = false",
        "UPDATE dashboard_template SET id = 'mine'",
        "INSERT INTO dashboard_template (id, name, category, doc, created_by) VALUES ('t', 'N', 'custom', '{}', 'bob')"
        " ON CONFLICT (id) DO UPDATE SET is_system = false",
        "TRUNCATE dashboard_template CASCADE",
        "TRUNCATE dashboard, dashboard_template, share_token",
    ],
)
async def test_a_system_template_is_not_lost_by_accident(migrated_connection: Connection, statement: str) -> None:
    await insert(migrated_connection, "dashboard_template", is_system=True)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="system template"):
        await migrated_connection.execute(statement)
    assert await migrated_connection.fetchval("SELECT is_system FROM dashboard_template")


async def test_a_system_template_may_be_edited_and_counted(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "dashboard_template", is_system=True)
    await migrated_connection.execute("UPDATE dashboard_template SET description = 'x', usage_count = 3")
    row = await migrated_connection.fetchrow("SELECT description, usage_count FROM dashboard_template")
    assert tuple(row) == ("x", 3)


async def test_custom_templates_can_be_edited_promoted_and_deleted(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "dashboard_template")
    await migrated_connection.execute("UPDATE dashboard_template SET description = 'x'")
    assert await migrated_connection.execute("DELETE FROM dashboard_template") == "DELETE 1"
    await insert(migrated_connection, "dashboard_template")
    await migrated_connection.execute("UPDATE dashboard_template SET is_system = true")


async def test_in_maintenance_the_owner_can_demote_and_delete(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "dashboard_template", is_system=True)
    async with migrated_connection.transaction():
        await migrated_connection.execute(MAINTENANCE)
        await migrated_connection.execute("UPDATE dashboard_template SET is_system = false, description = 'mine'")
    row = await migrated_connection.fetchrow("SELECT is_system, description FROM dashboard_template")
    assert tuple(row) == (False, "mine")
    await migrated_connection.execute("UPDATE dashboard_template SET is_system = true")
    async with migrated_connection.transaction():
        await migrated_connection.execute(MAINTENANCE)
        assert await migrated_connection.execute("DELETE FROM dashboard_template") == "DELETE 1"


async def test_maintenance_ends_with_its_transaction(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "dashboard_template", is_system=True)
    async with migrated_connection.transaction():
        await migrated_connection.execute(MAINTENANCE)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await migrated_connection.execute("DELETE FROM dashboard_template")


async def test_an_application_role_has_no_maintenance(
    postgres: PostgresServer, database: Database, migrated_connection: Connection
) -> None:
    await insert(migrated_connection, "dashboard_template", is_system=True)
    application = role(postgres, grants="GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}", database=database)
    async with connected(target_to(application)) as connection, connection.transaction():
        await connection.execute(MAINTENANCE)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="system template"):
            await connection.execute("DELETE FROM dashboard_template")


async def test_usage_is_counted_and_a_second_run_changes_nothing(migrated_connection: Connection) -> None:
    for template in ("none", "one", "two"):
        await insert(migrated_connection, "dashboard_template", id=template, name=template, is_system=template == "two")
    for number, made_from in enumerate(["one", "two", "two", None]):
        await insert(migrated_connection, "dashboard", id=f"d{number}", name=f"d{number}", template_id=made_from)
    assert await migrated_connection.fetchval("SELECT update_template_usage_stats()") == 2
    read = "SELECT id, usage_count, xmin::text FROM dashboard_template ORDER BY id"
    counted = await migrated_connection.fetch(read)
    assert [(row["id"], row["usage_count"]) for row in counted] == [("none", 0), ("one", 1), ("two", 2)]
    assert await migrated_connection.fetchval("SELECT update_template_usage_stats()") == 0
    assert await migrated_connection.fetch(read) == counted
    await migrated_connection.execute("DELETE FROM dashboard")
    assert await migrated_connection.fetchval("SELECT update_template_usage_stats()") == 2
