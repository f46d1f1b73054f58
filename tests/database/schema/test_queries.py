"""Each statement of docs/reference/schema.md finds rows as a service runs it, and uses the index that it names."""

import re
from pathlib import Path

import pytest_asyncio

from controller.database.connection import Connection, connected
from tests.database.programs import dashdb
from tests.database.targets import role, target_to
from tests.support.database import Database
from tests.support.postgres import PostgresServer

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "schema.md"
FILL = """
SET dashdb.maintenance = 'on';
INSERT INTO dashboard_template (id, name, category, doc, created_by, is_system, usage_count)
SELECT 'template-' || n, md5(n::text), (ARRAY['model_serving', 'training_job', 'notebook', 'data_pipeline', 'custom'])
           [1 + n % 5],
       '{}', 'ann', n % 1000 = 0, n % 700
  FROM generate_series(1, 12000) AS n;
INSERT INTO dashboard (id, name, project, doc, created_by, updated_by, created_at, updated_at, state, template_id)
SELECT 'dashboard-' || n, CASE WHEN n % 4000 = 3 THEN 'zq ' || n WHEN n % 4000 = 5 THEN 'A1B2C ' || n ELSE md5(n::text)
           END,
       'team-' || n % 100, '{}', 'user-' || n % 500, 'user-' || n % 499,
       now() - n * interval '1 minute', now() - n * interval '1 minute',
       CASE WHEN n % 500 = 1 THEN 'archived' WHEN n / 100 % 5 = 0 THEN 'draft' ELSE 'active' END,
       CASE WHEN n % 10 = 0 THEN 'template-' || (7 + n % 4000) END
  FROM generate_series(1, 20000) AS n;
UPDATE dashboard SET version = 2 WHERE id = 'dashboard-7';
UPDATE dashboard SET version = 3, doc = '{"spec": {"panels": {"one": {"spec": {
    "display": {"name": "Load"}, "queries": [{"spec": {"plugin": {"spec": {"query": "up"}}}}]}}}}}'
 WHERE id = 'dashboard-7';
INSERT INTO user_preferences (user_id, favorite_dashboards, recent_dashboards)
SELECT 'user-' || n, jsonb_build_array('dashboard-' || n, 'dashboard-' || n + 1), jsonb_build_array('dashboard-' || n)
  FROM generate_series(1, 4000) AS n;
INSERT INTO share_token (token_id, dashboard_id, created_by, created_at, expires_at, revoked, revoked_at)
SELECT CASE WHEN n = 7 THEN 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' ELSE gen_random_uuid() END,
       'dashboard-' || n, 'user-' || n % 500, t, t + interval '1 day', n % 9 = 0, CASE WHEN n % 9 = 0 THEN t END
  FROM generate_series(1, 10000) AS n, LATERAL (SELECT now() - n * interval '5 minutes' AS t) AS at;
INSERT INTO audit_log (id, timestamp, user_id, action, resource_type, resource_id, project_id, result, token_id)
SELECT n, now() - (60000 - n) * interval '10 minutes', 'user-' || n % 500,
       (ARRAY['dashboard.view', 'dashboard.update', 'template.view', 'token.create'])[1 + (n / 200) % 4],
       'Dashboard', 'dashboard-' || n % 5000, 'team-' || n % 200,
       CASE WHEN n % 101 = 0 THEN 'denied' ELSE 'success' END,
       CASE WHEN n % 10000 = 0 THEN 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' WHEN n % 20 = 0 THEN gen_random_uuid() END
  FROM generate_series(1, 60000) AS n;
SELECT setval('audit_log_id_seq', 60000);
RESET dashdb.maintenance;
"""
STATEMENTS = re.findall(r"^-- (.+) Index: (\w+)\n((?s:.+?);)$", PAGE.read_text(), re.MULTILINE)
"""Title, index and text of each statement of the page."""
ALL_STATEMENTS = re.findall(r"^-- (.+)\n((?s:.+?);)$", PAGE.read_text(), re.MULTILINE)
"""Title and text of each statement, also of those without an index."""


@pytest_asyncio.fixture
async def filled(migrated_connection: Connection) -> Connection:
    """Enough rows, spread widely enough, for the planner to choose as it would in production."""
    await migrated_connection.execute(FILL)
    await migrated_connection.execute("VACUUM (ANALYZE)")
    return migrated_connection


async def test_each_statement_uses_the_index_that_the_page_names(filled: Connection) -> None:
    made_of = dict(await filled.fetch("SELECT inhrelid::regclass::text, inhparent::regclass::text FROM pg_inherits"))
    others: dict[str, str] = {}
    for title, index, statement in STATEMENTS:
        if "share_token_is_valid" in statement:
            continue  # test_token.py looks into the function
        plan = "\n".join(row[0] for row in await filled.fetch(f"EXPLAIN (COSTS off) {statement}"))
        used = {made_of.get(word, word) for word in plan.split()}
        if index not in used or "Seq Scan" in plan:
            others[title] = plan
    assert others == {}, "\n".join(others)


async def test_each_statement_finds_or_changes_rows_as_the_service_runs_it(
    filled: Connection, postgres: PostgresServer, database: Database
) -> None:
    service = role(postgres, database=database)
    granted = dashdb(database.environ, "roles", "--application", service.user, "--apply")
    assert granted.returncode == 0, granted.stderr
    without_rows = []
    async with connected(target_to(service)) as connection:
        for title, statement in ALL_STATEMENTS:
            await connection.execute("BEGIN")
            status = await connection.execute(statement)  # such as SELECT 10 or UPDATE 1
            without_rows += [] if int(status.split()[-1]) else [title]
            await connection.execute("ROLLBACK")
        valid = next(text for _, text in ALL_STATEMENTS if "share_token_is_valid" in text)
        assert await connection.fetchval(valid) is True
    assert len(ALL_STATEMENTS) > len(STATEMENTS)
    assert without_rows == []


async def test_the_page_has_a_statement_for_every_index(migrated_connection: Connection) -> None:
    made = await migrated_connection.fetch(
        "SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relname LIKE '%\\_idx' AND NOT c.relispartition"
    )
    named = {index for _, index, _ in STATEMENTS}
    assert {row["relname"] for row in made} <= named
    assert len(STATEMENTS) > 30


async def test_the_page_lists_every_column_and_every_function(migrated_connection: Connection) -> None:
    names = await migrated_connection.fetch("""
        SELECT attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0
           AND NOT c.relispartition AND c.relname NOT LIKE 'schema%'
        UNION
        SELECT p.proname FROM pg_proc AS p
         WHERE p.pronamespace = current_schema()::regnamespace AND p.prorettype = 'bigint'::regtype
           AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
    """)
    page = PAGE.read_text()
    assert [name for (name,) in names if not re.search(rf"`{name}[`(]", page)] == []
