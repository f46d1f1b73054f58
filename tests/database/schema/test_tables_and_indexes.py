"""Schema as psql shows it: its tables, named indexes, comments; and everyday statements that run as written."""

import re
from pathlib import Path

import pytest

from controller.database.connection import Connection
from controller.templates.seeding import seed
from controller.templates.shipped import shipped_templates
from tests.support.database import Database
from tests.support.postgres import PostgresServer

QUICK_START = Path(__file__).with_name("quick-start.sql")
TABLES = [
    "audit_log", "audit_log_from_start", "dashboard", "dashboard_template", "schema_version", "schema_version_detail",
    "share_token", "user_preferences",
]  # fmt: skip
# Columns whose name says all there is to say.
PLAIN = {"id", "name", "project", "description", "version", "theme", "user_id", "category", "result", "client_ip"}
PLAIN |= {"user_agent", "metadata", "timestamp", "resource_type", "resource_id", "project_id", "token_id"}
PLAIN |= {"dashboard_id", "default_time_range", "time_range_default", "usage_count", "engine_version", "duration_ms"}
PLAIN_ENDINGS = ("_at", "_by", "_ip")


async def test_psql_lists_the_six_tables_with_the_partition_and_the_details_of_two(
    postgres: PostgresServer, database: Database, migrated_connection: Connection
) -> None:
    listed = postgres.psql(database, sql=r"\dt", args=("-At", "-F", "|"))
    assert [line.split("|")[1] for line in listed.splitlines()] == TABLES


async def test_the_users_everyday_statements_run_as_written(
    postgres: PostgresServer, database: Database, migrated_connection: Connection
) -> None:
    await seed(migrated_connection, "public.dashboard_template", shipped_templates())
    printed = postgres.psql(database, file=QUICK_START)
    assert [int(count) for count in re.findall(r"^\((\d+) rows?\)$", printed, re.MULTILINE)] == [
        4,  # system templates
        1,  # dashboards of the project
        1,  # the active ones
        1,  # the token that was made
        1,  # tokens that are not revoked
        0,  # preferences of a user who has none
        0,  # audit of a user
        0,  # audit of a project
        1,  # schema_version
    ]
    assert "template-custom" not in printed
    assert "initial schema" in printed


async def test_there_are_twenty_indexes_with_names_of_their_own(migrated_connection: Connection) -> None:
    made_for_queries = await migrated_connection.fetch(
        "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND indexname LIKE '%\\_idx'"
    )
    assert len(made_for_queries) >= 20


async def test_no_index_doubles_another_one(migrated_connection: Connection) -> None:
    doubles = await migrated_connection.fetch(
        """
        SELECT a.indexrelid::regclass, b.indexrelid::regclass FROM pg_index AS a JOIN pg_index AS b
            ON a.indrelid = b.indrelid AND a.indexrelid < b.indexrelid
           AND (a.indkey, a.indclass, a.indoption, coalesce(a.indpred::text, ''))
             = (b.indkey, b.indclass, b.indoption, coalesce(b.indpred::text, ''))
         WHERE a.indrelid::regclass::text = ANY ($1)
        """,
        TABLES,
    )
    assert doubles == []


@pytest.mark.parametrize("table", [table for table in TABLES if table != "audit_log_from_start"])
async def test_tables_and_columns_that_need_one_have_a_comment(migrated_connection: Connection, table: str) -> None:
    assert await migrated_connection.fetchval("SELECT obj_description($1::regclass)", table)
    silent = await migrated_connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0"
        "   AND col_description(attrelid, attnum) IS NULL",
        table,
    )
    names = {row["attname"] for row in silent}
    assert {n for n in names - PLAIN if not n.endswith(PLAIN_ENDINGS)} - {"revoked"} == set()


async def test_every_function_has_a_comment(migrated_connection: Connection) -> None:
    silent = await migrated_connection.fetch(
        """
        SELECT p.oid::regprocedure FROM pg_proc AS p
         WHERE pronamespace = current_schema()::regnamespace AND obj_description(p.oid) IS NULL
           AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
        """
    )
    assert silent == []


async def test_every_time_knows_its_zone(migrated_connection: Connection) -> None:
    naive = await migrated_connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND data_type = 'timestamp without time zone'"
    )
    assert naive == []
