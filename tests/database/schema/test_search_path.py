"""No function of ours runs what another role has planted, whatever names that role makes."""

import asyncpg
import pytest

from controller.database.connection import connected
from controller.database.target import Target
from tests.database.rows import insert
from tests.database.targets import role, target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer

GRANTS = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};"
PLANT_TYPE = """
CREATE FUNCTION pg_temp.takes_over(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE public.taken_over_by_%I ()', current_user);
    RETURN true;
END $$;
CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.takes_over(VALUE));
"""


@pytest.fixture
def application(postgres: PostgresServer, database: Database, migrated_connection: asyncpg.Connection) -> Target:
    """A role of an application, with the rights to rows and to temporary objects."""
    return target_to(role(postgres, database=database, grants=GRANTS))


async def test_every_function_binds_its_names_when_it_is_made_or_sets_its_search_path(
    migrated_connection: asyncpg.Connection,
) -> None:
    functions = await migrated_connection.fetch("""
        SELECT p.proname, p.prosqlbody IS NOT NULL AS bound, p.proconfig AS settings
          FROM pg_proc AS p
         WHERE p.pronamespace = 'public'::regnamespace
           AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
    """)
    assert len(functions) >= 8
    for function in functions:
        pinned = "search_path=pg_catalog, pg_temp" in (function["settings"] or [])
        assert function["bound"] or pinned, function["proname"]


@pytest.mark.parametrize("attack", ["delete a template", "update a dashboard"])
async def test_a_temporary_type_of_an_application_runs_nothing_as_the_owner(
    attack: str, application: Target, migrated_connection: asyncpg.Connection
) -> None:
    await insert(migrated_connection, "dashboard_template")
    await insert(migrated_connection, "dashboard", template_id="t")
    async with connected(application) as connection:
        await connection.execute(PLANT_TYPE)
        if attack == "delete a template":
            await connection.execute("DELETE FROM dashboard_template WHERE id = 't'")
        else:
            await connection.execute("UPDATE dashboard SET state = 'archived' WHERE id = 'd'")
    taken = await migrated_connection.fetch("SELECT relname FROM pg_class WHERE relname LIKE 'taken_over_by_%'")
    assert taken == []
