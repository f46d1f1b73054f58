"""Each everyday query uses the index made for it, and each index is used by one; the planner chooses freely."""

import pytest_asyncio

from controller.database.connection import Connection

FILL = """
SET dashdb.maintenance = 'on';
INSERT INTO dashboard_template (id, name, category, doc, created_by, is_system, usage_count)
SELECT 't' || n, md5(n::text), (ARRAY['model_serving', 'training_job', 'notebook', 'data_pipeline', 'custom'])
           [1 + n % 5],
       '{}', 'ann', n % 1000 = 0, n % 700
  FROM generate_series(1, 12000) AS n;
INSERT INTO dashboard (id, name, project, doc, created_by, updated_by, created_at, updated_at, state, template_id)
SELECT 'd' || n, md5(n::text), 'p' || n % 100, '{}', 'user' || n % 500, 'user' || n % 499,
       now() - n * interval '1 minute', now() - n * interval '1 minute',
       CASE WHEN n % 500 = 1 THEN 'archived' WHEN n / 100 % 5 = 0 THEN 'draft' ELSE 'active' END,
       CASE WHEN n % 10 = 0 THEN 't' || (1 + n % 4000) END
  FROM generate_series(1, 20000) AS n;
INSERT INTO user_preferences (user_id, favorite_dashboards, recent_dashboards)
SELECT 'user' || n, jsonb_build_array('d' || n, 'd' || n + 1), jsonb_build_array('d' || n)
  FROM generate_series(1, 4000) AS n;
INSERT INTO share_token (dashboard_id, created_by, created_at, expires_at, revoked, revoked_at)
SELECT 'd' || n, 'user' || n % 500, t, t + interval '1 day', n % 9 = 0, CASE WHEN n % 9 = 0 THEN t END
  FROM generate_series(1, 10000) AS n, LATERAL (SELECT now() - n * interval '5 minutes' AS t) AS at;
INSERT INTO audit_log (timestamp, user_id, action, resource_type, resource_id, project_id, result, token_id)
SELECT now() - (60000 - n) * interval '10 minutes', 'user' || n % 500,
       (ARRAY['dashboard.view', 'dashboard.update', 'template.view', 'token.create'])[1 + (n / 200) % 4],
       'Dashboard', 'd' || n % 5000, 'p' || n % 200, CASE WHEN n % 100 = 0 THEN 'denied' ELSE 'success' END,
       CASE WHEN n % 20 = 0 THEN gen_random_uuid() END
  FROM generate_series(1, 60000) AS n;
"""
RECENT = "timestamp > now() - interval '7 days' ORDER BY timestamp DESC LIMIT 100"
LATEST = "ORDER BY updated_at DESC LIMIT 10"
QUERIES = {
    "templates of a category": (
        "SELECT id FROM dashboard_template WHERE category = 'custom' ORDER BY name LIMIT 20",
        "dashboard_template_by_category_idx",
    ),
    "dashboards of a project": (
        "SELECT id, name FROM dashboard WHERE project = 'p7' ORDER BY name LIMIT 50",
        "dashboard_project_name_key",
    ),
    "the next of them": (
        "SELECT id, name FROM dashboard WHERE project = 'p7' AND name > 'b' ORDER BY name LIMIT 50",
        "dashboard_project_name_key",
    ),
    "dashboards of a project in a state": (
        "SELECT id, name FROM dashboard WHERE project = 'p7' AND state = 'active' ORDER BY name LIMIT 10",
        "dashboard_list_by_state_idx",
    ),
    "recent dashboards of a project": (
        f"SELECT id, name FROM dashboard WHERE project = 'p7' {LATEST}",
        "dashboard_recent_in_project_idx",
    ),
    "the next of them by time": (
        "SELECT id, name FROM dashboard WHERE project = 'p7' AND (updated_at, id) < (now() - interval '9 days', 'd7')"
        " ORDER BY updated_at DESC, id DESC LIMIT 50",
        "dashboard_recent_in_project_idx",
    ),
    "recent dashboards of a project in a state": (
        "SELECT id, name, state, created_at, updated_at FROM dashboard"
        f" WHERE project = 'p7' AND state = 'active' {LATEST}",
        "dashboard_recent_by_state_idx",
    ),
    "recent dashboards of all": (
        f"SELECT id FROM dashboard {LATEST}",
        "dashboard_recent_idx",
    ),
    "recent dashboards of all in a state": (
        f"SELECT id FROM dashboard WHERE state = 'archived' {LATEST}",
        "dashboard_recent_in_state_idx",
    ),
    "dashboards that someone changed": (
        f"SELECT id FROM dashboard WHERE updated_by = 'user7' {LATEST}",
        "dashboard_by_editor_idx",
    ),
    "dashboards by a frequent part of their name": (
        "SELECT id, doc FROM dashboard WHERE name ILIKE '%a%' ORDER BY name LIMIT 20",
        "dashboard_by_name_idx",
    ),
    "dashboards by a rare part of their name": (
        "SELECT id FROM dashboard WHERE name ILIKE '%a1b2c%' ORDER BY name LIMIT 20",
        "dashboard_search_by_name_idx",
    ),
    "dashboards by two letters": (
        "SELECT id FROM dashboard WHERE name ILIKE 'zq%' OR name ILIKE '% zq%' ORDER BY name LIMIT 20",
        "dashboard_search_by_name_idx",
    ),
    "dashboards made from a template": (
        "SELECT id FROM dashboard WHERE template_id = 't7'",
        "dashboard_by_template_idx",
    ),
    "is this token good": (
        "SELECT FROM share_token WHERE token_id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' AND NOT revoked"
        " AND expires_at > now()",
        "share_token_pkey",
    ),
    "who has a dashboard as a favourite": (
        """SELECT user_id FROM user_preferences WHERE favorite_dashboards @> '["d7"]'""",
        "user_preferences_by_favorite_idx",
    ),
    "tokens that are about to expire": (
        "SELECT token_id FROM share_token WHERE NOT revoked AND expires_at > now() ORDER BY expires_at LIMIT 20",
        "share_token_by_expiry_idx",
    ),
    "tokens that expired long ago": (
        "SELECT token_id FROM share_token WHERE expires_at < now() - interval '30 days'",
        "share_token_by_expiry_idx",
    ),
    "tokens of a dashboard": (
        "SELECT token_id FROM share_token WHERE dashboard_id = 'd7' ORDER BY created_at DESC",
        "share_token_by_dashboard_idx",
    ),
    "tokens that someone made": (
        "SELECT token_id FROM share_token WHERE created_by = 'user7' ORDER BY created_at DESC",
        "share_token_by_creator_idx",
    ),
    "audit of a user": (
        "SELECT * FROM audit_log WHERE user_id = 'user7' ORDER BY timestamp DESC LIMIT 10",
        "audit_log_by_user_idx",
    ),
    "audit of a project": (
        f"SELECT * FROM audit_log WHERE project_id = 'p7' AND {RECENT}",
        "audit_log_by_project_idx",
    ),
    "actions of a kind in a project": (
        f"SELECT * FROM audit_log WHERE project_id = 'p7' AND action LIKE 'token.%' AND {RECENT}",
        "audit_log_by_project_idx",
    ),
    "audit of a resource": (
        "SELECT * FROM audit_log WHERE resource_type = 'Dashboard' AND resource_id = 'd7' ORDER BY timestamp DESC",
        "audit_log_by_resource_idx",
    ),
    "audit of a token": (
        "SELECT * FROM audit_log WHERE token_id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' ORDER BY timestamp DESC",
        "audit_log_by_token_idx",
    ),
    "the last of the audit": (
        "SELECT * FROM audit_log ORDER BY timestamp DESC LIMIT 100",
        "audit_log_by_time_idx",
    ),
    "what failed": (
        f"SELECT * FROM audit_log WHERE result <> 'success' AND {RECENT}",
        "audit_log_failures_idx",
    ),
    "what failed in a project": (
        "SELECT * FROM audit_log WHERE project_id = 'p100' AND result <> 'success' ORDER BY timestamp DESC LIMIT 100",
        "audit_log_failures_in_project_idx",
    ),
    "what is too old": (
        "SELECT count(*) FROM audit_log WHERE timestamp < now() - interval '365 days'",
        "audit_log_by_time_idx",
    ),
}


@pytest_asyncio.fixture
async def filled(migrated_connection: Connection) -> Connection:
    """Enough rows, spread widely enough, for the planner to choose as it would in production."""
    await migrated_connection.execute(FILL)
    await migrated_connection.execute("VACUUM (ANALYZE)")
    return migrated_connection


async def test_each_everyday_query_uses_the_index_made_for_it(filled: Connection) -> None:
    others: dict[str, str] = {}
    for wanted, (query, index) in QUERIES.items():
        plan = "\n".join(row[0] for row in await filled.fetch(f"EXPLAIN (COSTS off) {query}"))
        if index not in plan.split() or "Seq Scan" in plan:
            others[wanted] = plan
    assert others == {}, "\n".join(others)


async def test_every_index_made_for_queries_is_the_choice_of_one(migrated_connection: Connection) -> None:
    made = await migrated_connection.fetch(
        "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND indexname LIKE '%\\_idx'"
    )
    names = {row["indexname"] for row in made}
    assert names - {index for _, index in QUERIES.values()} == set()
