"""One check of one database."""

import time
from datetime import UTC, datetime

from controller.database.connection import Connection
from controller.database.facts import read_facts
from controller.database.pool import Pool
from controller.database.values import ServerFacts
from controller.errors import DashdbError
from controller.health.verdict import Sample


async def measure(pool: Pool, connection: Connection) -> tuple[Sample, ServerFacts]:
    """Asks the server on a connection that is open already, so that a login does not count as its answer."""
    started = time.perf_counter()
    await connection.fetchval("SELECT 1")
    response_ms = (time.perf_counter() - started) * 1000
    facts = await read_facts(connection)
    sample = Sample(
        taken_at=datetime.now(UTC),
        pool=pool.statistics,
        response_ms=response_ms,
        server_connections=facts.connections,
        server_connection_limit=facts.connection_limit,
        read_only=facts.read_only,
    )
    return sample, facts


def failed(pool: Pool, error: DashdbError) -> Sample:
    """The sample that stands for no answer."""
    return Sample(taken_at=datetime.now(UTC), pool=pool.statistics, reason=error.reason, error=error.message)
