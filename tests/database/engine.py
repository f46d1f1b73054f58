"""The engine as the tests of it use it."""

from typing import Any

from controller.database.connection import Connection, connected
from controller.database.target import Target
from controller.migrate.plan import Plan
from controller.migrate.runner import Runner, RunSettings
from tests.database.silence import Silence
from tests.unit.migrate.folders import pairs

IMPATIENT = RunSettings(runner_wait=0.3, lock_timeout_ms=50, lock_budget=0.3)


async def run(
    connection: Connection,
    contents: dict[str, str],
    to: int | None = None,
    settings: RunSettings | None = None,
    progress: Silence | None = None,
) -> Plan:
    """Brings the database to version TO of the files in CONTENTS."""
    return await Runner(connection, settings or RunSettings(), progress or Silence()).run(pairs(contents), to)


async def run_alone(target: Target, contents: dict[str, str], **options: Any) -> Plan:
    """As a program of its own would, over its own connection."""
    async with connected(target) as connection:
        return await run(connection, contents, **options)


async def tables(connection: Connection) -> list[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
    return [row[0] for row in rows]


async def history(connection: Connection) -> list[tuple[int, str]]:
    """Version and direction of each row."""
    if "schema_version" not in await tables(connection):
        return []
    return [tuple(row) for row in await connection.fetch("SELECT version, direction FROM schema_version ORDER BY 1")]
