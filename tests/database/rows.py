"""Rows for the tests of the schema's rules: the least that each table takes, and what else a test wants."""

import secrets
from typing import Any

from controller.database.connection import Connection

_LEAST: dict[str, dict[str, Any]] = {
    "dashboard": {"id": "d", "name": "D", "project": "p", "doc": "{}", "created_by": "ann", "updated_by": "ann"},
    "dashboard_template": {"id": "t", "name": "T", "category": "custom", "doc": "{}", "created_by": "ann"},
    "user_preferences": {"user_id": "ann"},
    "share_token": {"dashboard_id": "d", "created_by": "ann"},
    "audit_log": {"user_id": "ann", "action": "dashboard.view", "resource_type": "Dashboard", "result": "success"},
}


async def insert(connection: Connection, table: str, returning: str = "*", **columns: Any) -> Any:
    """One row, with COLUMNS on top of the least; a value `=now()` is SQL, everything else a parameter."""
    wanted = _LEAST[table] | columns
    sql = {name: value[1:] for name, value in wanted.items() if isinstance(value, str) and value.startswith("=")}
    values = {name: value for name, value in wanted.items() if name not in sql}
    names = ", ".join([*values, *sql])
    places = ", ".join([*(f"${number}" for number in range(1, len(values) + 1)), *sql.values()])
    return await connection.fetchrow(
        f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING {returning}", *values.values()
    )


async def insert_as_it_was(connection: Connection, table: str, **columns: Any) -> Any:
    """Insert a row as the owner does from a dump, with the times that otherwise the database sets."""
    if table == "audit_log":
        columns.setdefault("id", secrets.randbits(62))
    async with connection.transaction():
        await connection.execute("SET LOCAL dashdb.maintenance = 'on'")
        return await insert(connection, table, **columns)
