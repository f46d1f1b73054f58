"""A check of one database: does it answer, how fast, and what does it say of itself."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.database.connection import Connection
from controller.database.failures import in_our_words
from controller.database.pool.pool import Pool
from controller.database.questions import Answers, ask
from controller.database.server_facts import SERVER_FACTS, ServerFacts, parse_server_facts
from controller.database.target import Pooler
from controller.desired import Thresholds
from controller.errors import DashdbError
from controller.health.verdict import SLOW, CheckResult, Health, Sample, Verdict, judge

PAUSES = (0.1, 0.3)
"""Seconds between the questions of a check that gets a slow answer; each of the answers has to be slow for the database
to count as slow. A checkpoint, or a moment in which the machine is busy, does not make it so."""
CHECK_SECONDS = 5.0
"""Seconds that the server may take for each answer to a check, and for a login if it answered before; less where the
query timeout or the connect timeout is shorter. A server that hangs is to be told within seconds, and the query timeout
is for queries of any kind."""
_SHORT_QUESTION = "SELECT to_json(true)"


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of a check, and the answers to further questions that were asked in the same round trip."""

    sample: Sample
    facts: ServerFacts
    answers: tuple[Any, ...] = ()


def due_by(*, wait: float, connect_timeout: float, query_timeout: float) -> datetime:
    """Return when a check that begins in `wait` seconds is over, whatever the server does."""
    return datetime.now(UTC) + timedelta(seconds=wait + connect_timeout + 2 * query_timeout)


async def check(pool: Pool, thresholds: Thresholds, previous: Verdict | None) -> CheckResult:
    """Check the database over one of the pool's connections; `due_by` says how long that takes at most."""
    try:
        async with pool.connection(seconds=login_seconds(previous)) as connection:
            sample = (await measure(pool, connection, thresholds, previous)).sample
    except DashdbError as error:
        sample = failed_sample(pool, error)
    return CheckResult(sample, judge(sample, thresholds, previous))


async def measure(
    pool: Pool,
    connection: Connection,
    thresholds: Thresholds,
    previous: Verdict | None,
    *questions: str,
    first: str = "",
) -> Measured:
    """Ask an open connection for the server's facts, so that a login does not count, and measure how long that takes.

    Args:
        previous: the verdict before; a database that was slow already is asked once more, and not twice.
        questions, first: see `ask`.

    Raises:
        DatabaseUnavailable: no answer within CHECK_SECONDS, or the query timeout if that is shorter.
        asyncpg.PostgresError, OSError, ProtocolViolation: see `ask`.
    """
    answers = await _ask(pool, connection, SERVER_FACTS, *questions, first=first)
    facts = parse_server_facts(answers.values[0])
    if pool.target.pooler is Pooler.NONE:  # else the connections are the pooler's
        pool.note_room(facts.room)
    seconds = answers.seconds
    was_slow = previous is not None and previous.reason == SLOW
    for pause in PAUSES[:1] if was_slow else PAUSES:
        if seconds * 1000 <= thresholds.response_ms:
            break
        await asyncio.sleep(pause)
        seconds = min(seconds, (await _ask(pool, connection, _SHORT_QUESTION)).seconds)
    found = pool.statistics
    sample = Sample(
        taken_at=datetime.now(UTC),
        # Our own is free again in a moment: a pool of one connection is not full because it is being checked.
        pool=replace(found, in_use=found.in_use - 1, idle=found.idle + 1),
        response_ms=seconds * 1000,
        server_connections=max(0, facts.connections - _own_connections(pool, facts)),
        server_connection_limit=facts.connection_limit,
        read_only=facts.read_only,
    )
    return Measured(sample, facts, answers.values[1:])


async def _ask(pool: Pool, connection: Connection, *questions: str, first: str = "") -> Answers:
    own_limit = pool.target.query_timeout >= CHECK_SECONDS
    seconds = CHECK_SECONDS if own_limit else pool.target.query_timeout
    try:
        return await ask(connection, *questions, first=first, seconds=seconds)
    except TimeoutError as error:
        raise in_our_words(error, pool.target, checked=CHECK_SECONDS if own_limit else None) from None


def login_seconds(previous: Verdict | None) -> float | None:
    """Return the time limit of a login for a check; None for the target's connect timeout.

    Args:
        previous: the verdict before; a server that does not answer, or was never seen, may be far away.
    """
    answered = previous is not None and previous.health is not Health.UNHEALTHY
    return CHECK_SECONDS if answered else None


def _own_connections(pool: Pool, facts: ServerFacts) -> int:
    """Return how many of the connections counted are this process's own; a pooler shares them with others."""
    if pool.target.pooler is not Pooler.NONE:
        return 0
    return pool.open_on_server if facts.of_server else pool.statistics.open


def failed_sample(pool: Pool, error: DashdbError) -> Sample:
    """Return the sample of a check that got no answer."""
    return Sample(taken_at=datetime.now(UTC), pool=pool.statistics, reason=error.reason, error=error.message)
