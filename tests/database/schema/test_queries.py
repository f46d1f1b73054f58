"""Each everyday query uses the index made for it, and each index is used by one; the planner chooses freely."""

import pytest_asyncio

from controller.database.connection import Connection

FILL = """
INSERT INTO dashboard_template (id, name, category, doc, created_by, is_system, usage_count)
SELECT 't' || n, md5(n::text), (ARRAY['model_serving', 'training_job', 'notebook', 'data_pipeline', 'custom'])
           [1 + n % 5],
       '{}', 'ann', n % 1000 = 0, n % 700
  FROM generate_series(1, 12000) AS n;
INSERT INTO dashboard (id, name, project, doc, created_by, updated_by, created_at, updated_at, state, template_id)
SELECT 'd' || n, md5(n::text), 'p' || n % 20, '{}', 'user' || n % 500, 'user' || n % 499,
       now() - n * interval '1 minute', now() - n * interval '1 minute',
       (ARRAY['draft', 'active', 'active', 'active', 'archived'])[1 + (n / 20) % 5],
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
QUERIES = {
    "templates of the system": (
        "SELECT id, name, category FROM dashboard_template WHERE is_system ORDER BY name",
        "dashboard_template_system_idx",
    ),
    "templates of a category": (
        "SELECT id FROM dashboard_template WHERE category = 'custom' ORDER BY name LIMIT 20",
        "dashboard_template_by_category_idx",
    ),
    "templates used most": (
        "SELECT id FROM dashboard_template ORDER BY usage_count DESC, name LIMIT 10",
        "dashboard_template_most_used_idx",
    ),
    "a template by part of its name": (
        "SELECT id FROM dashboard_template WHERE name ILIKE '%a1b2c%'",
        "dashboard_template_search_by_name_idx",
    ),
    "dashboards of a project": (
        "SELECT id, name FROM dashboard WHERE project = 'p7' AND state = 'active' ORDER BY name LIMIT 50",
        "dashboard_list_by_project_idx",
    ),
    "recent dashboards of a project": (
        "SELECT id, name, state, created_at, updated_at FROM dashboard"
        " WHERE project = 'p7' AND state = 'active' ORDER BY updated_at DESC LIMIT 10",
        "dashboard_recent",  # by the project, or by the time where a project has many of the latest
    ),
    "recent dashboards of all": (
        "SELECT id FROM dashboard WHERE state = 'active' ORDER BY updated_at DESC LIMIT 10",
        "dashboard_recent_idx",
    ),
    "dashboards by part of their name": (
        "SELECT id FROM dashboard WHERE name ILIKE '%a1b2c%'",
        "dashboard_search",  # by_name or in_project: a GIN index serves each of its columns as well as the first
    ),
    "dashboards of a project by part of their name": (
        "SELECT id FROM dashboard WHERE project = 'p7' AND name ILIKE '%a1b2c%'",
        "dashboard_search",
    ),
    "dashboards made from a template": (
        "SELECT id FROM dashboard WHERE template_id = 't7'",
        "dashboard_by_template_idx",
    ),
    "dashboards that someone made": (
        "SELECT id FROM dashboard WHERE created_by = 'user7' ORDER BY created_at DESC LIMIT 10",
        "dashboard_by_creator_idx",
    ),
    "dashboards that someone changed": (
        "SELECT id FROM dashboard WHERE updated_by = 'user7' ORDER BY updated_at DESC LIMIT 10",
        "dashboard_by_editor_idx",
    ),
    "someone's drafts": (
        "SELECT id FROM dashboard WHERE created_by = 'user7' AND state = 'draft' ORDER BY updated_at DESC LIMIT 10",
        "dashboard_drafts_by_author_idx",
    ),
    "archived dashboards of a project": (
        "SELECT id FROM dashboard WHERE project = 'p7' AND state = 'archived' ORDER BY updated_at DESC",
        "dashboard_archived_in_project_idx",
    ),
    "actions of a kind in a project": (
        f"SELECT * FROM audit_log WHERE project_id = 'p7' AND action LIKE 'token.%' AND {RECENT}",
        "audit_log_by_project_action_idx",
    ),
    "is this token good": (
        "SELECT FROM share_token WHERE token_id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' AND NOT revoked"
        " AND expires_at > now()",
        "share_token_check_idx",
    ),
    "who has a dashboard as a favourite": (
        """SELECT user_id FROM user_preferences WHERE favorite_dashboards @> '["d7"]'""",
        "user_preferences_by_favorite_idx",
    ),
    "who looked at a dashboard": (
        """SELECT user_id FROM user_preferences WHERE recent_dashboards @> '["d7"]'""",
        "user_preferences_by_recent_idx",
    ),
    "tokens that are about to expire": (
        "SELECT token_id FROM share_token WHERE NOT revoked AND expires_at > now() ORDER BY expires_at LIMIT 20",
        "share_token_active_idx",
    ),
    "tokens that expired long ago": (
        "SELECT token_id FROM share_token WHERE expires_at < now() - interval '30 days'",
        "share_token_cleanup_idx",
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
    "audit of a resource": (
        "SELECT * FROM audit_log WHERE resource_type = 'Dashboard' AND resource_id = 'd7' ORDER BY timestamp DESC",
        "audit_log_by_resource_idx",
    ),
    "audit of a token": (
        "SELECT * FROM audit_log WHERE token_id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' ORDER BY timestamp DESC",
        "audit_log_by_token_idx",
    ),
    "what failed": (
        f"SELECT * FROM audit_log WHERE result <> 'success' AND {RECENT}",
        "audit_log_failures_idx",
    ),
    "what is too old": (
        "SELECT count(*) FROM audit_log WHERE timestamp < now() - interval '365 days'",
        "audit_log_",  # any that holds the time, while the table is small
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
        if f" {index}" not in plan or "Seq Scan" in plan:
            others[wanted] = plan
    assert others == {}


async def test_every_index_made_for_queries_is_the_choice_of_one(migrated_connection: Connection) -> None:
    made = await migrated_connection.fetch(
        "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND indexname LIKE '%\\_idx'"
    )
    names = {row["indexname"] for row in made}
    assert {name for name in names if not any(name.startswith(index) for _, index in QUERIES.values())} == set()
