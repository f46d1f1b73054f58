"""Interval after a reconcile, checks for a changed input, and the result of a defect of this program."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.database.pool.pool import Pool
from controller.database.target import Target
from controller.desired import Desired
from controller.errors import ConfigurationError, DatabaseUnavailable, MigrationLocked, NotLeading
from controller.health.check import due_by
from controller.health.verdict import Verdict
from controller.reconcile import reconcile as module
from controller.reconcile.findings import Findings, find
from controller.reconcile.memory import Memory
from controller.reconcile.observed import Observed
from controller.reconcile.reconcile import (
    FIRST_RETRY_SECONDS,
    LONGEST_STEP_SECONDS,
    Dependencies,
    in_step,
    reconcile,
)
from controller.reconcile.result import ReconcileResult
from controller.reconcile.turns import Turns
from tests.unit.reconcile.observations import MANUAL, NOW, desired, observed, plan_of


def no_progress(_: object) -> None:
    raise AssertionError("nothing runs")


async def concluded(
    monkeypatch: pytest.MonkeyPatch,
    seen: Observed,
    wanted: Desired,
    *,
    failures: int = 0,
    chance: float = 0.0,
    seen_before: bool = False,
) -> ReconcileResult:
    """The result of a reconcile that observes SEEN."""

    async def observe(*_: Any, **__: Any) -> Observed:
        return seen

    monkeypatch.setattr(module, "observe", observe)
    monkeypatch.setattr(module, "_chance", lambda: chance)
    dependencies = Dependencies(lambda: (), Turns(), "team-a", no_progress)
    return await reconcile(
        wanted,
        cast("Pool", object()),
        dependencies,
        Memory(failures=failures, identity="7000/5" if seen_before else None),
    )


def scripted(monkeypatch: pytest.MonkeyPatch, seen: list[Observed], failure: Exception) -> Dependencies:
    """Dependencies of a reconcile that observes each of SEEN, the last first, and whose actions end in FAILURE."""

    async def observe(*_: Any, **__: Any) -> Observed:
        return seen.pop()

    async def act(*_: Any) -> NoReturn:
        raise failure

    monkeypatch.setattr(module, "observe", observe)
    monkeypatch.setattr(module, "act", act)
    return Dependencies(lambda: (), Turns(), "team-a", no_progress)


@pytest.mark.parametrize(
    ("memory", "can_wait", "waits"),
    [
        (Memory(identity="7000/5"), True, [("team-a", 30.0)]),
        (Memory(identity="7000/5"), False, []),  # something has changed
        (Memory(identity="7000/5", failures=1), True, []),
        (Memory(), True, []),
    ],
)
async def test_only_a_look_at_a_database_that_was_ready_lets_new_ones_pass(
    monkeypatch: pytest.MonkeyPatch, memory: Memory, can_wait: bool, waits: list[tuple[str, float]]
) -> None:
    waited: list[tuple[str, float]] = []

    class Noted(Turns):
        async def let_new_ones_pass(self, group: str, seconds: float) -> None:
            waited.append((group, seconds))

    async def observe(*_: Any, **__: Any) -> Observed:
        return observed(1, 2)

    monkeypatch.setattr(module, "observe", observe)
    dependencies = Dependencies(lambda: (), Noted(), "team-a", no_progress)
    wanted = desired(interval_seconds=30.0)
    await reconcile(wanted, cast("Pool", object()), dependencies, memory, can_wait=can_wait)
    assert waited == waits


@pytest.mark.parametrize(("interval", "connect", "query"), [(30.0, 1.0, 2.0), (30.0, 5.0, 0.5), (1.5, 1.0, 2.0)])
def test_a_look_is_late_by_an_interval_at_most_and_by_less_than_its_last_result_is_valid(
    interval: float, connect: float, query: float
) -> None:
    wanted = desired(interval_seconds=interval)
    assert isinstance(wanted.target, Target)
    limited = replace(wanted, target=replace(wanted.target, connect_timeout=connect, query_timeout=query))
    latest = datetime.now(UTC) + timedelta(seconds=module.longest_delay(limited))
    assert latest < due_by(wait=0, connect_timeout=connect, query_timeout=query)
    assert module.longest_delay(limited) == min(interval, connect + query)


async def test_the_wait_after_success_is_the_interval_less_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = desired(interval_seconds=30.0)
    seen = observed(1, 2)
    assert 29 < (await concluded(monkeypatch, seen, wanted, seen_before=True)).wait_seconds <= 30
    assert 26 < (await concluded(monkeypatch, seen, wanted, seen_before=True, chance=1.0)).wait_seconds <= 27


async def test_databases_that_begin_together_spread_over_the_first_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = desired(interval_seconds=30.0)
    waits = [(await concluded(monkeypatch, observed(1, 2), wanted, chance=c)).wait_seconds for c in (0.0, 0.5, 1.0)]
    for wait, unshortened in zip(waits, (30.0, 16.5, 3.0), strict=True):
        assert unshortened - LONGEST_STEP_SECONDS < wait <= unshortened


@given(
    interval=st.floats(min_value=0.1, max_value=3600),
    share=st.floats(min_value=0.1, max_value=1),
    now=st.floats(min_value=0, max_value=1e7),
)
def test_waits_that_end_within_a_step_end_together_and_none_gets_longer(
    interval: float, share: float, now: float
) -> None:
    step = min(LONGEST_STEP_SECONDS, interval / 16)
    wait = in_step(interval * share, now, interval)
    assert 0 < wait <= interval * share + 1e-6
    assert wait > interval * share - step - 1e-6
    later = in_step(interval * share, now + step / 1000, interval)
    moments = {round(now + wait, 4), round(now + step / 1000 + later, 4)}
    assert len(moments) == 1 or max(moments) - min(moments) >= step / 2.2


def test_looks_of_many_databases_begin_at_a_few_moments() -> None:
    due = [27 + number / 100 for number in range(300)]
    moments = {round(7.3 + in_step(wait, 7.3, 30.0), 6) for wait in due}
    assert moments == {34.0, 35.0, 36.0, 37.0}


async def test_waits_after_failures_double_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, refused = desired(longest_retry_seconds=5.0), observed(1, 2, target=1)

    async def wait(failures: int, chance: float = 0.0) -> float:
        return (await concluded(monkeypatch, refused, wanted, failures=failures, chance=chance)).wait_seconds

    assert [await wait(failures) for failures in range(6)] == [FIRST_RETRY_SECONDS, 1, 2, 4, 5, 5]
    assert await wait(10**6) == 5
    assert [await wait(9, chance) for chance in (0.5, 1.0)] == [3.75, 2.5]


async def test_a_success_ends_the_row_of_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await concluded(monkeypatch, observed(1, 2, target=1), desired(), failures=3)).memory.failures == 4
    assert (await concluded(monkeypatch, observed(1, 2), desired(), failures=3)).memory.failures == 0


async def test_inputs_are_watched_where_only_a_changed_one_can_help(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(error: ConfigurationError | DatabaseUnavailable) -> Observed:
        return Observed(now=NOW, verdict=Verdict.unhealthy(error), connection_error=error)

    missing = unreachable(ConfigurationError("no Secret", reason="SecretNotFound"))
    refused = unreachable(DatabaseUnavailable("Nothing listens there.", reason="ConnectionRefused"))
    assert (await concluded(monkeypatch, missing, desired())).watch_inputs
    assert not (await concluded(monkeypatch, refused, desired())).watch_inputs
    assert not (await concluded(monkeypatch, observed(1, 2), desired())).watch_inputs


async def test_without_an_address_the_reason_is_what_was_wrong_with_the_input() -> None:
    wanted = replace(desired(), target=ConfigurationError("no Secret", reason="SecretNotFound"))
    result = await reconcile(wanted, None, Dependencies(lambda: (), Turns(), "team-a", no_progress), Memory())
    assert (result.ready, result.summary.reason, result.watch_inputs) == (False, "SecretNotFound", True)


async def test_a_fault_of_ours_is_a_result_and_its_text_is_not_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "h0rse"

    async def broken(*_: Any, **__: Any) -> NoReturn:
        raise ValueError(text)

    monkeypatch.setattr(module, "observe", broken)
    dependencies = Dependencies(lambda: (), Turns(), "team-a", no_progress)
    with caplog.at_level(logging.DEBUG):
        result = await reconcile(desired(), cast("Pool", object()), dependencies, Memory())
    assert (result.ready, result.summary.reason) == (False, "InternalError")
    said = "".join(capsys.readouterr()) + caplog.text
    assert "ValueError" in said
    assert text not in said


async def test_the_next_reconcile_is_not_later_than_the_next_try_of_what_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def observe(*_: Any, **__: Any) -> Observed:
        return observed(1)

    async def act(*_: Any, **__: Any) -> NoReturn:
        raise MigrationLocked("held")

    monkeypatch.setattr(module, "observe", observe)
    monkeypatch.setattr(module, "act", act)
    monkeypatch.setattr(module, "_chance", lambda: 0.0)
    wanted, dependencies = (
        desired(longest_retry_seconds=30.0),
        Dependencies(lambda: (), Turns(), "team-a", no_progress),
    )
    result = await reconcile(wanted, cast("Pool", object()), dependencies, Memory(failures=9))
    assert (result.summary.reason, result.wait_seconds) == ("MigrationLocked", 1.0)


async def test_a_fault_keeps_what_the_reconcile_learned_and_is_not_repeated_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def observe(*_: Any, **__: Any) -> Observed:
        return observed(1, 2)

    async def act(*_: Any, **__: Any) -> NoReturn:
        raise ValueError

    monkeypatch.setattr(module, "observe", observe)
    monkeypatch.setattr(module, "act", act)
    dependencies = Dependencies(lambda: (), Turns(), "team-a", no_progress)
    result = await reconcile(desired(), cast("Pool", object()), dependencies, Memory(maintenance_due=NOW))
    assert (result.ready, result.summary.reason) == (False, "InternalError")
    assert result.memory.schema is not None
    assert result.memory.maintenance_due == NOW + timedelta(hours=1)


async def test_a_fault_in_the_findings_is_a_result_too(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [ValueError()]

    def broken(*arguments: Any) -> Findings:
        if faults:
            raise faults.pop()
        return find(*arguments)

    monkeypatch.setattr(module, "find", broken)
    result = await concluded(monkeypatch, observed(1, 2), desired())
    assert (result.ready, result.summary.reason) == (False, "InternalError")


@pytest.mark.parametrize(("after", "used"), [((1, 2), False), ((1,), True)], ids=["nothing done", "one step done"])
async def test_an_approval_is_used_by_a_plan_that_failed_after_its_first_step(
    after: tuple[int, ...], used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    seen = [observed(*after, target=0, now=now), observed(1, 2, target=0, now=now)]
    approved = plan_of(seen[-1]).sha256

    dependencies = scripted(monkeypatch, seen, MigrationLocked("another runner is at work"))
    result = await reconcile(desired(policy=MANUAL, approved=approved), cast("Pool", object()), dependencies, Memory())
    assert result.memory.used_approval == (approved if used else None)


async def test_what_was_seen_before_a_wait_for_a_turn_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [observed(1, 2), observed(1)]  # another runner was faster while it waited

    dependencies = scripted(monkeypatch, seen, AssertionError("nothing is left to do"))
    assert (await reconcile(desired(), cast("Pool", object()), dependencies, Memory())).ready
    assert seen == []


@pytest.mark.parametrize("seen", [observed(1), observed(1, 2)], ids=["a migration", "maintenance"])
async def test_what_a_replica_may_not_do_is_no_failure_and_as_due_as_before(
    seen: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def observe(*_: Any, **__: Any) -> Observed:
        return seen

    async def refuse() -> NoReturn:
        raise NotLeading("Another replica leads now.")

    async def act(*arguments: Any) -> None:
        await arguments[-1]()  # the fence

    monkeypatch.setattr(module, "observe", observe)
    monkeypatch.setattr(module, "act", act)
    dependencies = Dependencies(lambda: (), Turns(), "team-a", no_progress, fence=refuse)
    result = await reconcile(desired(), cast("Pool", object()), dependencies, Memory(maintenance_due=NOW))
    assert (result.events, result.memory.failed, result.memory.maintenance_due) == ((), (), NOW)
    assert result.summary.reason in ("MigrationPending", "Ready")
