"""Cost of each index for the writes of its table, and the share of updates that touch no index (HOT).

Each figure is that of one statement over many rows in a transaction that is rolled back; the index in question is
dropped in it, too.
"""

import time
from dataclasses import dataclass

import asyncpg

from benchmarks.queries.fill import Sizes

ROWS = 20_000
_INSERTS = {
    "dashboard": """
        INSERT INTO dashboard (id, name, project, doc, created_by, updated_by, template_id)
        SELECT 'dashboard-' || gen_random_uuid(), 'new ' || n, 'project-' || to_char(random() * 1999, 'FM0000'),
               '{"kind": "Dashboard"}', 'user-1', 'user-' || n % 1000, 'template-' || 1 + n % 200
          FROM generate_series(1, $1::bigint) AS n""",
    "share_token": """
        INSERT INTO share_token (dashboard_id, created_by)
        SELECT id, created_by FROM dashboard LIMIT $1::bigint""",
    "audit_log": """
        INSERT INTO audit_log (user_id, action, resource_type, resource_id, project_id, result, token_id)
        SELECT 'user-' || n % 1000, 'dashboard.view', 'Dashboard', 'dashboard-' || md5(n::text)::uuid,
               'project-' || to_char(random() * 1999, 'FM0000'), CASE WHEN n % 33 = 0 THEN 'denied' ELSE 'success' END,
               CASE WHEN n % 20 = 0 THEN gen_random_uuid() END
          FROM generate_series(1, $1::bigint) AS n""",
}
_SOME = "IN (SELECT {key} FROM {table} TABLESAMPLE SYSTEM (20) LIMIT $1::bigint)"
_UPDATES = {
    "dashboard": ("id", "doc = doc || '{\"edited\": true}'"),
    "dashboard_template": ("id", "usage_count = usage_count + 1"),
    "user_preferences": ("user_id", "recent_dashboards = '[\"dashboard-1\"]'"),
    "share_token": ("token_id", "usage_count = usage_count + 1, last_used_at = now()"),
}
_INDEXES = """
SELECT c.relname AS name, (SELECT coalesce(sum(pg_relation_size(t.relid)), pg_relation_size(c.oid))
                             FROM pg_partition_tree(c.oid) AS t) AS bytes
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
 WHERE i.indrelid = $1::text::regclass AND c.relname LIKE '%\\_idx' ORDER BY 1
"""
_COUNTS = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = $1"


@dataclass(frozen=True)
class IndexCost:
    """Milliseconds of an insert and an update of many rows with all indexes, as a multiple of those without this one.

    Attributes:
        index: name of the index; of a table, for all of its indexes but those of constraints.
        update: None where the table is never updated.
    """

    index: str
    megabytes: float
    insert: float
    update: float | None


async def measure_writes(connection: asyncpg.Connection, sizes: Sizes) -> tuple[list[IndexCost], dict[str, float]]:
    """Return the cost of each index, and the share of HOT updates by table."""
    rows = min(ROWS, sizes.dashboards // 10)
    costs: list[IndexCost] = []
    for table, insert in _INSERTS.items():
        indexes = await connection.fetch(_INDEXES, table)
        groups = {table: list(indexes)} | {index["name"]: [index] for index in indexes}
        statements = [insert, _update(table)] if table in _UPDATES else [insert]
        whole, without = [], []
        for group in groups.values():  # in turn, since all runs warm the caches for those after them
            whole.append([await _time(connection, statement, rows, []) for statement in statements])
            dropped = [index["name"] for index in group]
            without.append([await _time(connection, statement, rows, dropped) for statement in statements])
        best = [min(times) for times in zip(*whole, strict=True)]
        for (name, group), less in zip(groups.items(), without, strict=True):
            ratios = [everything / part for everything, part in zip(best, less, strict=True)]
            megabytes = float(sum(index["bytes"] for index in group)) / 2**20
            costs.append(IndexCost(name, megabytes, ratios[0], ratios[1] if len(ratios) > 1 else None))
    hot = {table: await _hot_share(connection, table, rows) for table in _UPDATES}
    return costs, hot


def _update(table: str) -> str:
    key, change = _UPDATES[table]
    return f"UPDATE {table} SET {change} WHERE {key} {_SOME.format(key=key, table=table)}"


async def _time(connection: asyncpg.Connection, statement: str, rows: int, dropped: list[str]) -> float:
    """Return the milliseconds of the best of three runs."""
    took = []
    for _ in range(3):
        transaction = connection.transaction()
        await transaction.start()
        if dropped:
            await connection.execute(f"DROP INDEX {', '.join(dropped)}")
        started = time.perf_counter()
        await connection.execute(statement, rows, timeout=600)
        took.append((time.perf_counter() - started) * 1000)
        await transaction.rollback()
    return min(took)


async def _hot_share(connection: asyncpg.Connection, table: str, rows: int) -> float:
    """Return the share of updates of rows here and there, each a statement of its own, that wrote to no index."""
    key, change = _UPDATES[table]
    await connection.execute(f"VACUUM {table}", timeout=600)
    keys = await connection.fetch(f"SELECT {key} FROM {table} ORDER BY random() LIMIT {rows // 10}")
    transaction = connection.transaction()
    await transaction.start()
    await connection.executemany(f"UPDATE {table} SET {change} WHERE {key} = $1", [tuple(row) for row in keys])
    updated, hot = await connection.fetchrow(_COUNTS, table)
    await transaction.rollback()
    return float(hot / updated)
