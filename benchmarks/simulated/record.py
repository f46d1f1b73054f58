"""Recording of all that the operator asks a database that is at the wanted schema."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from benchmarks.simulated.recording import Recorder, Recording
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.target import SslMode, Target
from controller.database.transaction import roll_back, transaction
from controller.desired import Desired, Thresholds
from controller.health.check import check
from controller.migrate.files.folder import packaged_folder, read_folder
from controller.reconcile.memory import Memory
from controller.reconcile.reconcile import Dependencies, reconcile
from controller.reconcile.turns import Turns
from controller.runtime.log_format import LogFormat
from controller.runtime.logs import configure_logs
from tests.support.database import Database
from tests.support.hostile import hostile_server
from tests.support.postgres import PostgresServer


def record() -> Recording:
    """Return the answers of a real PostgreSQL 18, with a database that the product's own code brought to Ready."""
    configure_logs(LogFormat.JSON, "warning")  # else what it does would stand between the figures
    with PostgresServer(18) as postgres:
        return asyncio.run(recorded(postgres.create_database()))


async def recorded(database: Database) -> Recording:
    """Bring `database` to Ready, and return its answers to all that the operator asks it then.

    Raises:
        RuntimeError: it was not ready, or refused a request.
    """
    target = Target(
        database.host, database.port, database.name, database.user, database.password, SslMode(database.sslmode)
    )
    await _reconciled(target, Memory())
    recorder = Recorder(database.port)
    async with hostile_server(recorder.relay) as port:
        identity = await _ask_everything(replace(target, port=port))
    if recorder.errors:
        raise RuntimeError(f"The server refuses: {recorder.errors}")
    return Recording(recorder.greeting, identity, recorder.answers)


async def _ask_everything(target: Target) -> str:
    """Ask whatever a database may be asked after it is ready; return its identity.

    The first two reconciles come first: the second one is short only while the rows are those that the first one saw.
    """
    memory = await _reconciled(target, Memory())
    memory = await _reconciled(target, memory)
    memory = await _reconciled(target, replace(memory, comparison_due=datetime.now(UTC)))
    memory = await _reconciled(target, replace(memory, maintenance_due=datetime.now(UTC)))
    pool = Pool(target, PoolSettings())
    try:
        await check(pool, Thresholds(response_ms=0), None)  # every answer is slow, so it is asked again
        async with pool.connection() as connection:
            await roll_back(connection, in_doubt=True)
            with suppress(KeyError):
                async with transaction(connection, read_only=True):
                    raise KeyError
    finally:
        await pool.close()
    return str(memory.identity)


async def _reconciled(target: Target, memory: Memory) -> Memory:
    """Reconcile once, over a connection of its own; return the memory of a database that is ready."""
    files = read_folder(packaged_folder())
    dependencies = Dependencies(lambda: files, Turns(), "team", lambda _: None)
    pool = Pool(target, PoolSettings())
    try:
        result = await reconcile(Desired(target), pool, dependencies, memory)
    finally:
        await pool.close()
    if not result.ready:
        raise RuntimeError(f"The database to record is not ready: {result.summary}")
    return result.memory
