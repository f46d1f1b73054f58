"""Healthy, degraded or unhealthy."""

from datetime import UTC, datetime
from typing import Any

import pytest

from controller.database.pool.values import PoolStatistics
from controller.desired import Thresholds
from controller.errors import DatabaseUnavailable
from controller.health.verdict import RECOVERY, Health, Sample, Verdict, judge

LIMITS = Thresholds(utilization_percent=80, response_ms=100)


def pool(in_use: int = 1, max_open: int = 50) -> PoolStatistics:
    return PoolStatistics(max_open, in_use, in_use, 0, wait_count=0, wait_seconds=0.0, opened=0, closed={})


def sample(**fields: Any) -> Sample:
    known: dict[str, Any] = {"taken_at": datetime(2026, 1, 31, tzinfo=UTC), "pool": pool(), "response_ms": 1.0}
    return Sample(**{**known, **fields})


def test_an_answer_in_time_is_healthy() -> None:
    assert judge(sample(), LIMITS, None) == Verdict(Health.HEALTHY, "Healthy")


def test_no_answer_is_unhealthy_for_its_own_reason() -> None:
    verdict = judge(sample(response_ms=None, reason="Timeout", error="No answer."), LIMITS, None)
    assert verdict == Verdict(Health.UNHEALTHY, "Timeout", "No answer.")
    assert verdict == Verdict.unhealthy(DatabaseUnavailable("No answer.", reason="Timeout"))


def test_a_server_that_refuses_writes_is_unhealthy() -> None:
    assert judge(sample(read_only=True), LIMITS, None).health is Health.UNHEALTHY


@pytest.mark.parametrize(("response_ms", "reason"), [(100.0, "Healthy"), (100.1, "SlowResponse")])
def test_slow_is_above_the_threshold(response_ms: float, reason: str) -> None:
    assert judge(sample(response_ms=response_ms), LIMITS, None).reason == reason


@pytest.mark.parametrize(("in_use", "reason"), [(40, "Healthy"), (41, "HighUtilization")])
def test_full_is_above_the_threshold_of_the_pool(in_use: int, reason: str) -> None:
    assert judge(sample(pool=pool(in_use)), LIMITS, None).reason == reason


def test_the_server_may_be_the_fuller_of_the_two() -> None:
    full = sample(server_connections=90, server_connection_limit=97)
    assert full.utilization_percent == pytest.approx(92.8, abs=0.1)
    assert judge(full, LIMITS, None).reason == "HighUtilization"


def test_a_server_without_a_limit_is_never_full() -> None:
    assert sample(server_connections=90, server_connection_limit=None).utilization_percent == 2


@pytest.mark.parametrize(
    ("before", "response_ms", "now"),
    [
        ("Healthy", 95.0, "Healthy"),
        ("SlowResponse", 95.0, "SlowResponse"),
        ("SlowResponse", 100 * RECOVERY, "Healthy"),
        ("HighUtilization", 95.0, "Healthy"),
    ],
)
def test_near_a_threshold_it_stays_as_it_was(before: str, response_ms: float, now: str) -> None:
    health = Health.HEALTHY if before == "Healthy" else Health.DEGRADED
    assert judge(sample(response_ms=response_ms), LIMITS, Verdict(health, before)).reason == now
