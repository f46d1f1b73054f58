"""The engine as the tests of it use it."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from controller.database.connection import Connection, OpenConnection, connected
from controller.database.questions import ask
from controller.database.server_facts import SERVER_FACTS, ServerFacts, parse_server_facts
from controller.database.target import Target
from controller.errors import DatabaseUnavailable
from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.lock import lock_only
from controller.migrate.history.read import read_history
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Plan
from controller.migrate.run.attempt import Progress
from controller.migrate.run.runner import Runner
from tests.database.silence import Silence
from tests.unit.migrate.folders import pairs

IMPATIENT = RunSettings(runner_wait=0.3, lock_timeout_ms=50, lock_budget=0.3)


async def read_facts(connection: Connection) -> ServerFacts:
    """Ask the server for its facts, as a check does."""
    return parse_server_facts((await ask(connection, SERVER_FACTS)).values[0])


def none_left() -> AbstractAsyncContextManager[Connection]:
    """A server that has no second connection for the runner, which does its work all the same."""
    raise DatabaseUnavailable("no connection left", reason="TooManyConnections")


async def run(
    connection: Connection,
    contents: dict[str, str],
    to: int | None = None,
    settings: RunSettings | None = None,
    progress: Progress | None = None,
    open_connection: OpenConnection | None = None,
) -> Plan:
    """Bring the database to version TO of the files in CONTENTS."""
    runner = Runner(connection, settings or RunSettings(), progress or Silence(), open_connection or none_left)
    return await runner.run(pairs(contents), to)


async def run_alone(target: Target, contents: dict[str, str], **options: Any) -> Plan:
    """Run the migrations CONTENTS over a connection of their own, as a separate program would."""
    async with connected(target) as connection:
        return await run(connection, contents, open_connection=partial(connected, target), **options)


async def take_lock(connection: Connection, schema: str = "public") -> None:
    """Take the lock of a runner until the end of the transaction that CONNECTION is in."""
    await connection.execute(lock_only(HistoryLocation(schema, has_history=False, has_golang_migrate=False)))


async def tables(connection: Connection) -> list[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
    return [row[0] for row in rows]


async def history(connection: Connection) -> list[tuple[int, str]]:
    """Version and direction of each row."""
    if "schema_version" not in await tables(connection):
        return []
    return [(row.version, row.direction) for row in await read_history(connection)]
