"""Table audit_log is append-only, for its owner and for everybody else."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from controller.database.connection import Connection, connected
from tests.database.rows import insert, insert_as_it_was
from tests.database.targets import role, target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer

CHANGES = [
    "UPDATE audit_log SET user_id = 'nobody'",
    "UPDATE audit_log SET user_id = 'nobody' WHERE false",
    "DELETE FROM audit_log",
    "TRUNCATE audit_log",
    "INSERT INTO audit_log (id, user_id, action, resource_type, result)"
    " VALUES (1, 'nobody', 'x', 'Dashboard', 'error') ON CONFLICT (id, recorded_on) DO UPDATE SET user_id = 'nobody'",
    "MERGE INTO audit_log AS a USING (SELECT 1 AS id) AS s ON a.id = s.id WHEN MATCHED THEN DELETE",
    "DELETE FROM audit_log_from_start",
    "UPDATE audit_log_from_start SET user_id = 'nobody'",
    "TRUNCATE audit_log_from_start",
]
MAINTENANCE = "SET LOCAL dashdb.maintenance = 'on'"
OLD = "=now() - interval '40 days'"


@pytest_asyncio.fixture
async def application(
    postgres: PostgresServer, database: Database, migrated_connection: Connection
) -> AsyncIterator[Connection]:
    """A role that was granted everything and owns nothing."""
    grants = "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO {role}"
    async with connected(target_to(role(postgres, grants=grants, database=database))) as connection:
        yield connection


async def count(connection: Connection) -> int:
    number: int = await connection.fetchval("SELECT count(*) FROM audit_log WHERE user_id = 'ann'")
    return number


async def test_rows_can_be_added_and_read(application: Connection) -> None:
    row = await insert(application, "audit_log")
    assert (row["id"], row["access_method"], row["metadata"], row["token_id"]) == (1, "rbac", "{}", None)
    assert await count(application) == 1


@pytest.mark.parametrize("change", CHANGES)
async def test_the_owner_cannot_change_what_was_written(migrated_connection: Connection, change: str) -> None:
    await insert(migrated_connection, "audit_log")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await migrated_connection.execute(change)
    assert await count(migrated_connection) == 1


@pytest.mark.parametrize("change", CHANGES)
async def test_a_role_with_every_grant_cannot_even_in_maintenance(application: Connection, change: str) -> None:
    await insert(application, "audit_log")
    async with application.transaction():
        await application.execute(MAINTENANCE)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            async with application.transaction():
                await application.execute(change)
        assert await count(application) == 1


async def test_the_owner_in_maintenance_can_only_delete(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "audit_log")
    async with migrated_connection.transaction():
        await migrated_connection.execute(MAINTENANCE)
        for change in ("UPDATE audit_log SET user_id = 'nobody'", "TRUNCATE audit_log"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with migrated_connection.transaction():
                    await migrated_connection.execute(change)
        assert await migrated_connection.execute("DELETE FROM audit_log") == "DELETE 1"


@pytest.mark.parametrize(
    "column",
    [{"resource_type": "Panel"}, {"result": "maybe"}, {"access_method": "magic"}, {"action": ""}, {"metadata": "[]"}],
    ids=str,
)
async def test_what_is_out_of_bounds_is_refused(migrated_connection: Connection, column: dict[str, str]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await insert(migrated_connection, "audit_log", **column)


async def test_a_row_outlives_the_token_and_the_dashboard_that_it_names(migrated_connection: Connection) -> None:
    await insert(migrated_connection, "dashboard")
    token = (await insert(migrated_connection, "share_token"))["token_id"]
    await insert(migrated_connection, "audit_log", token_id=token, access_method="share_token", resource_id="d")
    await migrated_connection.execute("DELETE FROM dashboard")
    row = await migrated_connection.fetchrow("SELECT token_id, resource_id FROM audit_log")
    assert tuple(row) == (token, "d")


async def test_the_owner_purges_what_is_older_than_was_asked(migrated_connection: Connection) -> None:
    for age in ("=now() - interval '31 days'", "=now() - interval '29 days'", "=now()"):
        await insert_as_it_was(migrated_connection, "audit_log", timestamp=age)
    assert await migrated_connection.fetchval("SELECT purge_audit_log(30)") == 1
    assert await count(migrated_connection) == 2
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await migrated_connection.execute("DELETE FROM audit_log")


@pytest.mark.parametrize("days", [0, -1])
async def test_a_retention_below_one_day_keeps_the_last_day(migrated_connection: Connection, days: int) -> None:
    await insert(migrated_connection, "audit_log")
    await insert_as_it_was(migrated_connection, "audit_log", timestamp="=now() - interval '23 hours'")
    assert await migrated_connection.fetchval("SELECT purge_audit_log($1)", days) == 0
    assert await count(migrated_connection) == 2


async def test_no_retention_keeps_every_row(migrated_connection: Connection) -> None:
    await insert_as_it_was(migrated_connection, "audit_log", timestamp=OLD)
    assert await migrated_connection.fetchval("SELECT purge_audit_log(NULL)") is None
    assert await count(migrated_connection) == 1


async def test_nobody_else_may_purge(
    postgres: PostgresServer, database: Database, migrated_connection: Connection
) -> None:
    await insert_as_it_was(migrated_connection, "audit_log", timestamp=OLD)
    reader = role(postgres, grants="GRANT ALL ON audit_log TO {role}", database=database)
    async with connected(target_to(reader)) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for function"):
            await connection.fetchval("SELECT purge_audit_log(30)")
    assert await count(migrated_connection) == 1


async def test_a_role_that_was_granted_the_function_still_may_not(
    application: Connection, migrated_connection: Connection
) -> None:
    await insert_as_it_was(migrated_connection, "audit_log", timestamp=OLD)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await application.fetchval("SELECT purge_audit_log(30)")
    assert await count(application) == 1


@pytest.mark.parametrize("maintenance", ["off", "on"])
async def test_the_database_gives_a_row_its_id_and_time_whatever_an_application_writes(
    application: Connection, maintenance: str
) -> None:
    async with application.transaction():
        await application.execute(f"SET LOCAL dashdb.maintenance = '{maintenance}'")
        forgeries: list[dict[str, Any]] = [{"id": 77}, {"timestamp": "=now() - interval '1 year'"}, {}]
        for number, forged in enumerate(forgeries, start=1):
            row = await insert(application, "audit_log", "id, timestamp = now() AS is_now", **forged)
            assert tuple(row) == (number, True)


async def test_the_owner_in_maintenance_brings_a_row_back_as_it_was(migrated_connection: Connection) -> None:
    row = await insert_as_it_was(migrated_connection, "audit_log", id=77, timestamp=OLD)
    assert row["id"] == 77
    assert row["timestamp"] < datetime.now(UTC) - timedelta(days=39)


async def test_no_other_role_can_use_the_function_that_numbers_rows_on_a_table_of_its_own(
    postgres: PostgresServer, database: Database, migrated_connection: Connection
) -> None:
    other = role(postgres, grants="CREATE SCHEMA theirs AUTHORIZATION {role}", database=database)
    async with connected(target_to(other)) as connection:
        await connection.execute("CREATE TABLE theirs.t (id bigint, timestamp timestamptz)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="stamp_audit_row"):
            await connection.execute(
                "CREATE TRIGGER t BEFORE INSERT ON theirs.t FOR EACH ROW EXECUTE FUNCTION public.stamp_audit_row()"
            )
