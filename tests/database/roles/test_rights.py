"""Each right of each role, tried really: what docs/reference/schema.md says a role may do, and nothing else."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from controller.database.connection import Connection, connected
from controller.roles.privileges import APPLICATION_FUNCTIONS, OWNER_FUNCTIONS, TABLES, Kind, table_privileges
from controller.roles.questions import PRIVILEGES
from controller.templates.seeding import seed
from controller.templates.shipped import shipped_templates
from tests.database.roles.conftest import Service
from tests.database.targets import target_to
from tests.support.database import quoted

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "schema.md"
QUICK_START = Path(__file__).parents[1] / "schema" / "quick-start.sql"
CELLS = {
    (kind, row[0]): tuple(re.findall(r"[A-Z]+", row[1 + at]))
    for row in re.findall(r"^\| `(\w+)` \| ([A-Z, ]+|none) \| ([A-Z, ]+|none) \|$", PAGE.read_text(), re.MULTILINE)
    for at, kind in enumerate(Kind)
}
"""Rights by role and table, as the page says them."""
NAMES = {
    "dashboard": ("updated_by", "varchar(256)"),
    "dashboard_template": ("created_by", "varchar(256)"),
    "user_preferences": ("user_id", "varchar(256)"),
    "share_token": ("created_by", "uuid"),
    "audit_log": ("user_id", "bigint"),
    "schema_version": ("version", "bigint"),
    "schema_version_detail": ("version", "bigint"),
}
"""A column of each table, and the type of its primary key."""
TRIES = {
    "SELECT": "SELECT count(*) FROM {table}",
    "INSERT": "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE": "UPDATE {table} SET {column} = {column} WHERE false",
    "DELETE": "DELETE FROM {table} WHERE false",
    "TRUNCATE": "TRUNCATE {table} CASCADE",
    "REFERENCES": "CREATE TABLE mine.child (of {key} REFERENCES {table})",
    "TRIGGER": "CREATE TRIGGER theirs BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION mine.fires()",
    "MAINTAIN": "REINDEX TABLE {table}",
}
FORBIDDEN = {
    "change a table": "ALTER TABLE dashboard ADD note text",
    "drop a table": "DROP TABLE user_preferences",
    "switch a trigger off": "ALTER TABLE audit_log DISABLE TRIGGER ALL",
    "switch triggers off for the session": "SET session_replication_role = replica",
    "make a table in the schema": "CREATE TABLE public.theirs ()",
    "make a function in the schema": "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql RETURN 1",
    "make a temporary table": "CREATE TEMPORARY TABLE theirs ()",
    "make a schema": "CREATE SCHEMA theirs",
    "read passwords": "SELECT rolpassword FROM pg_authid",
    "become the owner": "SET ROLE {owner}",
    "make a role": "CREATE ROLE theirs",
    "run programs": "COPY (SELECT 1) TO PROGRAM 'cat'",
    "number audit rows": "SELECT nextval('audit_log_id_seq')",
    "remove old tokens": "SELECT cleanup_expired_tokens()",
    "remove old audit rows": "SELECT purge_audit_log(1)",
    "count uses of tokens": "SELECT update_share_token_usage()",
    "count uses of templates": "SELECT update_template_usage_stats()",
}


@pytest_asyncio.fixture(params=Kind)
async def session(request: pytest.FixtureRequest, granted: Service) -> AsyncIterator[tuple[Kind, Connection]]:
    """A session of each role, which has a schema of its own for what it tries."""
    login = granted.as_role(request.param)
    own = f"CREATE SCHEMA mine AUTHORIZATION {quoted(login.user)}"
    granted.sql(own, user=granted.superuser)
    async with connected(target_to(login)) as connection:
        fires = "CREATE FUNCTION mine.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
        await connection.execute(fires)
        yield request.param, connection


async def may(connection: Connection, statement: str) -> bool:
    """Return True unless PostgreSQL refuses a statement for want of a right; nothing of it stays."""
    await connection.execute("BEGIN")
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return False
    except asyncpg.PostgresError:
        return True  # the right is looked at first: DEFAULT VALUES, for one, are missing a name
    finally:
        await connection.execute("ROLLBACK")
    return True


def test_the_page_says_what_is_granted() -> None:
    assert {(kind, table): table_privileges(kind, table) for kind in Kind for table in TABLES} == CELLS


async def test_a_role_may_do_what_its_cell_says_and_nothing_else(session: tuple[Kind, Connection]) -> None:
    kind, connection = session
    assert TRIES.keys() == set(PRIVILEGES)
    found = {}
    for table in TABLES:
        column, key = NAMES[table]
        names = {"table": table, "column": column, "key": key}
        tries = {privilege: statement.format(**names) for privilege, statement in TRIES.items()}
        found[kind, table] = tuple([privilege for privilege, tried in tries.items() if await may(connection, tried)])
    assert found == {cell: privileges for cell, privileges in CELLS.items() if cell[0] is kind}


async def test_a_role_may_do_nothing_that_is_forbidden(session: tuple[Kind, Connection], granted: Service) -> None:
    _, connection = session
    owner = quoted(granted.owner.user)
    tries = {what: statement.format(owner=owner) for what, statement in FORBIDDEN.items()}
    assert [what for what, statement in tries.items() if await may(connection, statement)] == []


async def test_a_role_cannot_give_its_rights_away(session: tuple[Kind, Connection], granted: Service) -> None:
    _, connection = session
    await connection.execute("GRANT SELECT ON dashboard TO PUBLIC")  # only a warning
    assert granted.sql("SELECT has_table_privilege('public', 'dashboard', 'SELECT')").strip() == "f"


async def test_the_owner_may_all_of_that_on_its_own_tables(granted: Service) -> None:
    """Otherwise the tries above would prove nothing."""
    granted.sql("CREATE SCHEMA mine; CREATE FUNCTION mine.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'")
    async with connected(target_to(granted.owner)) as connection:
        for privilege, statement in TRIES.items():
            tried = statement.format(table="user_preferences", column="user_id", key="varchar(256)")
            assert await may(connection, tried), privilege


async def test_the_read_only_role_reads_no_token_anywhere(granted: Service) -> None:
    async with connected(target_to(granted.reader)) as connection:
        for statement in (
            "SELECT token_id FROM share_token", "SELECT token_id FROM audit_log", "TABLE audit_log",
            "SELECT share_token_is_valid(gen_random_uuid(), '192.0.2.7')",
        ):  # fmt: skip
            assert not await may(connection, statement), statement


async def test_the_application_role_runs_the_users_everyday_statements(granted: Service) -> None:
    async with connected(target_to(granted.owner)) as connection:
        await seed(connection, "public.dashboard_template", shipped_templates())
    printed = granted.server.psql(granted.application, file=QUICK_START)
    assert "initial schema" in printed
    assert "(4 rows)" in printed


async def test_the_application_role_runs_every_statement_of_the_page(granted: Service) -> None:
    blocks = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    statements = "".join(block for block in blocks if not block.startswith("ALTER ROLE"))
    assert statements.count(";\n") > 30
    granted.sql(statements, user=granted.application)
    assert granted.sql("SELECT count(*) FROM audit_log").strip() == "1"


async def test_the_application_role_writes_and_deletes_what_triggers_guard(granted: Service) -> None:
    granted.sql(
        """
        INSERT INTO dashboard_template (id, name, category, doc, created_by) VALUES ('t', 'T', 'custom', '{}', 'ann');
        INSERT INTO dashboard (id, name, project, doc, created_by, updated_by, template_id)
        VALUES ('d', 'D', 'p', '{}', 'ann', 'ann', 't');
        INSERT INTO user_preferences (user_id, timezone) VALUES ('ann', 'Europe/Berlin');
        INSERT INTO share_token (dashboard_id, created_by) VALUES ('d', 'ann');
        INSERT INTO audit_log (user_id, action, resource_type, result) VALUES ('ann', 'a.b', 'Dashboard', 'success');
        UPDATE dashboard SET version = 2 WHERE id = 'd';
        UPDATE share_token SET revoked = true, revoked_at = now();
        DELETE FROM dashboard_template WHERE id = 't';
        DELETE FROM dashboard;
        DELETE FROM user_preferences""",
        user=granted.application,
    )
    assert granted.sql("SELECT count(*) FROM share_token").strip() == "0", "its dashboard is gone"


async def test_every_function_of_the_schema_is_the_services_or_the_owners(granted: Service) -> None:
    found = granted.sql("""
        SELECT format('%s(%s)', p.proname, oidvectortypes(p.proargtypes)) FROM pg_proc AS p
         WHERE p.pronamespace = 'public'::regnamespace AND p.prorettype <> 'trigger'::regtype
           AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')""")
    named = {*APPLICATION_FUNCTIONS, *OWNER_FUNCTIONS}
    assert set(found.split("\n")) - {""} == named - {"stamp_audit_row()"}
