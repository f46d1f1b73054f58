"""Rows for the benchmark: skewed over projects and users, made inside the server and the same in each run.

Rows come before indexes, which is many times faster, and without triggers and foreign keys (replication role replica):
the rows keep those rules by the way in which they are made. Numbers come from random() after setseed().
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from rich.progress import Progress

PROJECTS, TEMPLATES = 2000, 200
LARGEST = "project-0000"
BATCHES = 20
DAYS = 400
"""Age of the oldest audit row."""
WORDS = (
    "latency", "throughput", "memory", "gpu", "cpu", "queue", "cache", "errors", "requests", "inference",
    "training", "pipeline", "notebook", "cluster", "node", "storage", "network", "tokens", "batch", "model",
    "serving", "gateway", "quota", "budget", "alerts", "overview", "detail", "weekly", "nightly", "canary",
    "staging", "production", "fraud", "vision", "speech", "ranking", "search", "billing", "checkout", "Überwachung",
    "Café", "задержка", "очередь", "遅延監視",
)  # fmt: skip
RARE = "zqxjkvbpwm"
"""Word in ten names of all."""

_NUMBERS = f"""
SELECT n, random() AS a, random() AS b, random() AS c, random() AS d,
       'project-' || to_char(CASE WHEN random() < 0.1 THEN 0 ELSE 1 + floor({PROJECTS - 1} * power(random(), 3)) END,
                             'FM0000') AS project,
       'user-' || floor($3 * power(random(), 3))::text AS person
  FROM generate_series($1::bigint, $2::bigint) AS n OFFSET 0
"""

_TEMPLATES = f"""
INSERT INTO dashboard_template (id, name, category, doc, created_by, is_system)
SELECT 'template-' || n, 'Template ' || n, 'custom', '{{}}', 'user-0', n <= 4 FROM generate_series(1, {TEMPLATES}) AS n
"""

_DASHBOARDS = f"""
WITH words AS (SELECT '{{{",".join(WORDS)}}}'::text[] AS w)
INSERT INTO dashboard (id, name, project, doc, created_at, created_by, updated_at, updated_by, version, state,
                       template_id)
SELECT 'dashboard-' || md5(n::text)::uuid,
       CASE WHEN n % ($4 / 10) = 0 THEN '{RARE} ' ELSE '' END
       || w[1 + floor(a * {len(WORDS)})] || ' ' || w[1 + floor(b * {len(WORDS)})] || ' ' || n,
       project, '{{"kind": "Dashboard", "spec": {{"duration": "1h", "panels": {{}}}}}}',
       now() - c * interval '700 days', person, now() - c * d * interval '700 days', person, 1 + floor(d * 9),
       CASE WHEN b < 0.05 THEN 'draft' WHEN b < 0.9 THEN 'active' ELSE 'archived' END,
       CASE WHEN c < 0.3 THEN 'template-' || 1 + floor({TEMPLATES} * power(d, 3)) END
  FROM words, ({_NUMBERS}) AS n
"""

_USERS = f"""
INSERT INTO user_preferences (user_id, favorite_dashboards, recent_dashboards)
SELECT 'user-' || n - 1,
       (SELECT jsonb_agg('dashboard-' || md5((1 + (n * 7919 + k * 104729) % $4)::text)::uuid)
          FROM generate_series(0, (n % 8)::int) AS k),
       (SELECT jsonb_agg('dashboard-' || md5((1 + (n * 6007 + k * 1299709) % $4)::text)::uuid)
          FROM generate_series(0, 9) AS k)
  FROM ({_NUMBERS}) AS n
"""

_TOKENS = f"""
INSERT INTO share_token (token_id, dashboard_id, created_by, created_at, expires_at, ip_restrictions, revoked,
                         revoked_at)
SELECT md5('token' || n)::uuid, 'dashboard-' || md5((1 + floor(a * $4))::text)::uuid, person, t,
       t + interval '24 hours',
       CASE WHEN c < 0.2 THEN '{{10.0.0.0/8,2001:db8::/32}}'::cidr[] END, d < 0.1, CASE WHEN d < 0.1 THEN t END
  FROM ({_NUMBERS}) AS n, LATERAL (SELECT now() - b * interval '37 days' AS t) AS at
"""

_AUDIT = f"""
INSERT INTO audit_log (id, timestamp, recorded_on, user_id, action, resource_type, resource_id, project_id, result,
                       client_ip, user_agent, access_method, token_id)
SELECT n, at, (at AT TIME ZONE 'UTC')::date, person,
       (ARRAY['dashboard.view', 'dashboard.view', 'dashboard.view', 'dashboard.update', 'dashboard.create',
              'dashboard.delete', 'template.view', 'template.use', 'token.create', 'token.revoke'])[1 + floor(a * 10)],
       (ARRAY['Dashboard', 'Dashboard', 'DashboardTemplate', 'ShareToken'])[1 + floor(b * 4)],
       'dashboard-' || md5((1 + floor(power(c, 2) * $4))::text)::uuid, project,
       CASE WHEN d < 0.97 THEN 'success' WHEN d < 0.99 THEN 'denied' ELSE 'error' END,
       '10.0.0.0'::inet + floor(a * 65536)::int, 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101',
       CASE WHEN c < 0.05 THEN 'share_token' ELSE 'rbac' END,
       CASE WHEN c < 0.05 THEN md5('token' || 1 + floor(d * $6))::uuid END
  FROM ({_NUMBERS}) AS n, LATERAL (SELECT now() - ($5 - n)::float8 / $5 * interval '{DAYS} days' AS at) AS at
"""
_SPLIT = "SELECT partition_audit_log((now() AT TIME ZONE 'UTC')::date - 30 * $1::int)"


@dataclass(frozen=True)
class Sizes:
    """Numbers of rows."""

    dashboards: int
    users: int
    tokens: int
    audit: int

    @classmethod
    def of_scale(cls, scale: float) -> "Sizes":
        million = max(1000, round(1_000_000 * scale))
        return cls(dashboards=million, users=million // 10, tokens=million, audit=10 * million)


async def fill(dsn: str, sizes: Sizes, progress: Progress, *, months: bool) -> None:
    """Fill the tables of a migrated database in two sessions, then make its indexes again and analyze it.

    Args:
        dsn: URL of a superuser's connection, which alone may switch triggers off.
        months: whether audit rows have a partition for each month, as with a retention.
    """
    first, second = [await asyncpg.connect(dsn, server_settings=_SETTINGS) for _ in range(2)]
    try:
        if months:
            for back in range(DAYS // 30, -2, -1):
                while await first.fetchval(_SPLIT, back):
                    pass
        indexes = await first.fetch(INDEXES)
        await first.execute("".join(f"DROP INDEX {row['indexname']};" for row in indexes))
        await first.execute(_TEMPLATES)
        audit = [(_AUDIT, sizes.audit, "audit rows")]
        others = [
            (_DASHBOARDS, sizes.dashboards, "dashboards"),
            (_USERS, sizes.users, "users"),
            (_TOKENS, sizes.tokens, "tokens"),
        ]
        await asyncio.gather(_insert(first, audit, sizes, progress), _insert(second, others, sizes, progress))
        await first.execute(f"SELECT setval('audit_log_id_seq', {sizes.audit})")
        await _build((first, second), [row["indexdef"].replace(" ON ONLY ", " ON ") for row in indexes], progress)
        await first.execute("VACUUM (ANALYZE)", timeout=3600)
        await first.execute("CHECKPOINT")
    finally:
        await first.close()
        await second.close()


_SETTINGS = {"session_replication_role": "replica", "maintenance_work_mem": "512MB", "synchronous_commit": "off"}
INDEXES = """
SELECT c.relname AS indexname, pg_get_indexdef(c.oid) AS indexdef
  FROM pg_class AS c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('i', 'I') AND c.relname LIKE '%\\_idx'
   AND NOT c.relispartition
"""
"""Query for the indexes that serve queries, those of partitions left out."""


async def _insert(
    connection: asyncpg.Connection, statements: Sequence[tuple[str, int, str]], sizes: Sizes, progress: Progress
) -> None:
    """Run each statement in `BATCHES` parts."""
    numbers = {"$3": sizes.users, "$4": sizes.dashboards, "$5": sizes.audit, "$6": sizes.tokens}
    for number, (text, rows, what) in enumerate(statements):
        await connection.execute(f"SELECT setseed(0.{number + 1})")
        task = progress.add_task(f"{rows:,} {what}", total=BATCHES)
        statement = re.sub(r"\$[3-6]", lambda place: f"{numbers[place[0]]}::bigint", text)
        for batch in range(BATCHES):
            first, last = 1 + rows * batch // BATCHES, rows * (batch + 1) // BATCHES
            await connection.execute(statement, first, last, timeout=3600)
            progress.advance(task)


async def _build(connections: Sequence[asyncpg.Connection], definitions: Sequence[str], progress: Progress) -> None:
    """Make indexes in all sessions, those of the largest table first."""
    task = progress.add_task(f"{len(definitions)} indexes", total=len(definitions))
    left = sorted(definitions, key=lambda text: ("audit_log" not in text, text))

    async def build(connection: asyncpg.Connection) -> None:
        while left:
            await connection.execute(left.pop(0), timeout=3600)
            progress.advance(task)

    await asyncio.gather(*(build(connection) for connection in connections))
