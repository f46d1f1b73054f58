"""A check of one database: does it answer, how fast, and what does it say of itself."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.database.connection import Connection
from controller.database.pool.pool import Pool
from controller.database.server_facts import SERVER_FACTS_QUERY, ServerFacts, parse_server_facts
from controller.database.target import Pooler
from controller.database.transaction import transaction
from controller.desired import Thresholds
from controller.errors import DashdbError
from controller.health.verdict import CheckResult, Sample, Verdict, judge

MOST_ROUND_TRIPS = 3
"""Round trips of a check, of which all have to be slow for the database to count as slow."""


def due_by(*, wait: float, connect_timeout: float, query_timeout: float) -> datetime:
    """Return when a check that begins in `wait` seconds is over, whatever the server does."""
    return datetime.now(UTC) + timedelta(seconds=wait + connect_timeout + 2 * query_timeout)


async def check(pool: Pool, thresholds: Thresholds, previous: Verdict | None) -> CheckResult:
    """Check the database over one of the pool's connections; `due_by` says how long that takes at most."""
    try:
        async with pool.connection() as connection:
            sample, _ = await measure(pool, connection, thresholds)
    except DashdbError as error:
        sample = failed_sample(pool, error)
    return CheckResult(sample, judge(sample, thresholds, previous))


async def measure(pool: Pool, connection: Connection, thresholds: Thresholds) -> tuple[Sample, ServerFacts]:
    """Measure a round trip on an open connection, so that a login does not count, and ask for the server's facts.

    A slow one is repeated, and the fastest counts: a process that is busy with other databases for a moment says
    nothing about this one.
    """
    response_ms = await _round_trip(connection)
    for _ in range(MOST_ROUND_TRIPS - 1):
        if response_ms <= thresholds.response_ms:
            break
        response_ms = min(response_ms, await _round_trip(connection))
    facts = await read_facts(connection)
    found = pool.statistics
    sample = Sample(
        taken_at=datetime.now(UTC),
        # Our own is free again in a moment: a pool of one connection is not full because it is being checked.
        pool=replace(found, in_use=found.in_use - 1, idle=found.idle + 1),
        response_ms=response_ms,
        server_connections=max(0, facts.connections - _own_connections(pool)),
        server_connection_limit=facts.connection_limit,
        read_only=facts.read_only,
    )
    return sample, facts


async def _round_trip(connection: Connection) -> float:
    """Return the milliseconds of one round trip."""
    started = time.perf_counter()
    await connection.fetchval("SELECT 1")
    return (time.perf_counter() - started) * 1000


def _own_connections(pool: Pool) -> int:
    """Return how many of the server's connections are the pool's; a pooler shares them with others."""
    return pool.statistics.open if pool.target.pooler is Pooler.NONE else 0


async def read_facts(connection: Connection) -> ServerFacts:
    """Ask the server for its facts, with names that no other role can take over."""
    async with transaction(connection, read_only=True):
        return parse_server_facts(await connection.fetchrow(SERVER_FACTS_QUERY))


def failed_sample(pool: Pool, error: DashdbError) -> Sample:
    """Return the sample of a check that got no answer."""
    return Sample(taken_at=datetime.now(UTC), pool=pool.statistics, reason=error.reason, error=error.message)
