"""Health checks of real databases: each kind of trouble has a verdict of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from controller.database.connection import connected
from controller.database.pool.pool import Pool
from controller.database.pool.values import PoolSettings
from controller.database.questions import Answers, ask
from controller.database.target import Target
from controller.desired import Thresholds
from controller.health import check as health
from controller.health.check import check
from controller.health.verdict import Health, Verdict
from tests.database.targets import role, target_to
from tests.support.database import Database
from tests.support.hostile import fails_queries_with, hostile_server, mute_after_login, refuses_with
from tests.support.postgres import PostgresServer


@pytest_asyncio.fixture
async def pool(target: Target) -> AsyncIterator[Pool]:
    pool = Pool(target, PoolSettings(max_open=4))
    yield pool
    await pool.close()


async def checked(target: Target) -> Verdict:
    pool = Pool(replace(target, connect_timeout=0.5, query_timeout=0.5), PoolSettings())
    try:
        return (await check(pool, Thresholds(), None)).verdict
    finally:
        await pool.close()


async def test_a_database_that_answers_is_healthy(pool: Pool) -> None:
    found = await check(pool, Thresholds(), None)
    assert found.verdict == Verdict(Health.HEALTHY, "Healthy")
    assert found.sample.response_ms is not None
    assert found.sample.server_connection_limit is not None


async def test_connections_that_others_hold_count_and_our_own_does_not(pool: Pool) -> None:
    assert (await check(pool, Thresholds(), None)).sample.pool.in_use == 0
    async with pool.connection():
        assert (await check(pool, Thresholds(), None)).sample.pool.in_use == 1


async def test_a_pool_that_is_nearly_full_is_degraded(pool: Pool) -> None:
    async with pool.connection(), pool.connection(), pool.connection():
        found = await check(pool, Thresholds(utilization_percent=70), None)
    assert (found.verdict.health, found.verdict.reason) == (Health.DEGRADED, "HighUtilization")


async def test_a_role_that_is_nearly_at_its_limit_is_degraded_and_our_own_connection_does_not_count(
    postgres: PostgresServer, database: Database
) -> None:
    limited = target_to(role(postgres, options="CONNECTION LIMIT 2", database=database))
    pool = Pool(limited, PoolSettings())
    try:
        alone = await check(pool, Thresholds(), None)
        assert alone.verdict.reason == "Healthy"
        assert (alone.sample.server_connections, alone.sample.server_connection_limit) == (0, 2)
        async with connected(limited):
            beside = await check(pool, Thresholds(utilization_percent=49), None)
        assert beside.verdict.reason == "HighUtilization"
        assert beside.sample.server_connections == 1
    finally:
        await pool.close()


async def test_a_role_without_a_connection_left_is_told_as_that(postgres: PostgresServer, database: Database) -> None:
    limited = target_to(role(postgres, options="CONNECTION LIMIT 0", database=database))
    assert (await checked(limited)).reason == "TooManyConnections"


async def test_a_server_that_refuses_writes_is_unhealthy(
    postgres: PostgresServer, database: Database, target: Target
) -> None:
    postgres.psql(postgres.superuser, sql=f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
    assert (await checked(target)).reason == "ReadOnly"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (fails_queries_with("53100"), "DiskFull"),
        (refuses_with("53300"), "TooManyConnections"),
        (refuses_with("57P03"), "ServerNotReady"),
        (mute_after_login, "Timeout"),
    ],
    ids=["full disk", "too many connections", "recovery in progress", "no answer"],
)
async def test_each_trouble_has_a_verdict_of_its_own(target: Target, script: object, reason: str) -> None:
    async with hostile_server(script) as port:  # type: ignore[arg-type]
        verdict = await checked(replace(target, port=port))
    assert (verdict.health, verdict.reason) == (Health.UNHEALTHY, reason)


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (5.0, "No answer within 0.5 s. Look for what keeps the server busy, or raise spec.pool.queryTimeoutSeconds."),
        (0.1, "No answer within 0.1 s. Look for what keeps the server busy."),
    ],
)
async def test_a_check_ends_with_the_shorter_of_its_limit_and_the_query_timeout(
    target: Target, monkeypatch: pytest.MonkeyPatch, limit: float, told: str
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", limit)
    async with hostile_server(mute_after_login) as port:
        verdict = await checked(replace(target, port=port))
    assert verdict.warning is not None
    assert verdict.warning.endswith(told)


@pytest.mark.parametrize(
    ("taken", "previous", "reason"),
    [
        ([0.5, 0.02], None, "Healthy"),
        ([0.5, 0.4, 0.02], None, "Healthy"),
        ([0.5, 0.5, 0.5], None, "SlowResponse"),
        ([0.5, 0.5], Verdict(Health.DEGRADED, "SlowResponse"), "SlowResponse"),
        ([0.5, 0.02], Verdict(Health.DEGRADED, "SlowResponse"), "Healthy"),
        ([0.5, 0.5, 0.5], Verdict(Health.DEGRADED, "HighUtilization"), "SlowResponse"),
    ],
)
async def test_a_database_becomes_slow_only_if_it_is_so_each_time(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, taken: list[float], previous: Verdict | None, reason: str
) -> None:
    async def answer(*arguments: Any, **options: Any) -> Answers:
        return replace(await ask(*arguments, **options), seconds=taken.pop(0))

    monkeypatch.setattr(health, "ask", answer)
    monkeypatch.setattr(health, "PAUSES", (0.0, 0.0))
    found = await check(pool, Thresholds(), previous)
    assert (found.verdict.reason, taken) == (reason, [])


async def test_a_process_that_is_busy_does_not_make_a_database_slow(pool: Pool) -> None:
    async with pool.connection() as connection:
        asyncio.get_running_loop().call_later(0.02, time.sleep, 0.4)  # as other work of the process does
        answers = await ask(connection, "SELECT to_json(coalesce(pg_sleep(0.05)::text, ''))")
    assert 0.03 <= answers.seconds < 0.3, "the kernel counts in ticks"
