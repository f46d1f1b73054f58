"""One check of one database."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from controller.database.connection import Connection
from controller.database.pool.pool import Pool
from controller.database.server_facts import SERVER_FACTS_QUERY, ServerFacts, parse_server_facts
from controller.errors import DashdbError
from controller.health.verdict import Sample, Thresholds, Verdict, judge


@dataclass(frozen=True, slots=True)
class Check:
    """What came of a check.

    Attributes:
        facts: None where there was no answer.
    """

    sample: Sample
    verdict: Verdict
    facts: ServerFacts | None


def due_by(*, wait: float, connect_timeout: float, query_timeout: float) -> datetime:
    """By when a check that begins in `wait` seconds is over, whatever the server does."""
    return datetime.now(UTC) + timedelta(seconds=wait + connect_timeout + 2 * query_timeout)


async def check(pool: Pool, thresholds: Thresholds, previous: Verdict | None, *, pool_alone: bool = False) -> Check:
    """Checks over one of the pool's connections; see `due_by` for how long that takes at most.

    Args:
        pool_alone: how full the server is does not count: in the sidecar its own pool is what is asked about.
    """
    try:
        async with pool.connection() as connection:
            sample, facts = await measure(pool, connection)
    except DashdbError as error:
        sample, facts = failed(pool, error), None
    if pool_alone:
        sample = replace(sample, server_connections=None, server_connection_limit=None)
    return Check(sample, judge(sample, thresholds, previous), facts)


async def measure(pool: Pool, connection: Connection) -> tuple[Sample, ServerFacts]:
    """Asks the server on a connection that is open already, so that a login does not count as its answer."""
    started = time.perf_counter()
    await connection.fetchval("SELECT 1")
    response_ms = (time.perf_counter() - started) * 1000
    facts = await read_facts(connection)
    found = pool.statistics
    sample = Sample(
        taken_at=datetime.now(UTC),
        # Our own is free again in a moment: a pool of one connection is not full because somebody looks.
        pool=replace(found, in_use=found.in_use - 1, idle=found.idle + 1),
        response_ms=response_ms,
        server_connections=facts.connections,
        server_connection_limit=facts.connection_limit,
        read_only=facts.read_only,
    )
    return sample, facts


async def read_facts(connection: Connection) -> ServerFacts:
    """Ask the server for its facts; one round trip."""
    return parse_server_facts(await connection.fetchrow(SERVER_FACTS_QUERY))


def failed(pool: Pool, error: DashdbError) -> Sample:
    """The sample that stands for no answer."""
    return Sample(taken_at=datetime.now(UTC), pool=pool.statistics, reason=error.reason, error=error.message)
