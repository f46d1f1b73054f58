"""Store of the latest reports."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.database.pool.values import PoolStatistics
from controller.health.report import MOST_CHANGES, Report, starting
from controller.health.store import ReportStore
from controller.health.verdict import Health, Sample, Verdict

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
POOL = PoolStatistics(
    max_open=50, open=1, in_use=0, idle=1, wait_count=0, wait_seconds=0.0, opened=1, closed={}
)  # fmt: skip


def report(health: Health = Health.HEALTHY, sample: Sample | None = None) -> Report:
    verdict = Verdict(health, "Why", "why")
    ready = health is not Health.UNHEALTHY
    return Report(verdict, sample, ready=ready, reason="Why", message="why", due_by=NOW)


def test_looks_are_counted_by_how_they_ended() -> None:
    store = ReportStore()
    for health in (Health.HEALTHY, Health.UNHEALTHY, Health.UNHEALTHY):
        store.put(("a", "one"), report(health))
    latest = store.get(("a", "one"), NOW)
    assert latest is not None
    assert (latest.succeeded, latest.failed) == (1, 2)


def test_what_is_removed_leaves_nothing_behind() -> None:
    store = ReportStore()
    store.put(("a", "one"), report(Health.UNHEALTHY))
    store.remove(("a", "one"))
    store.remove(("a", "one"))
    assert store.reports(NOW) == {}
    assert store.get(("a", "one"), NOW) is None


def test_reports_come_in_the_order_of_their_names() -> None:
    store = ReportStore()
    for key in (("b", "x"), ("a", "z"), ("a", "y")):
        store.put(key, report())
    assert list(store.reports(NOW)) == [("a", "y"), ("a", "z"), ("b", "x")]


def test_a_report_holds_until_the_next_one_is_due() -> None:
    assert report().as_of(NOW) == report()


def test_what_is_overdue_vouches_for_nothing() -> None:
    sample = Sample(taken_at=NOW - timedelta(minutes=1), pool=POOL, response_ms=1.0)
    shown = report(sample=sample).as_of(NOW + timedelta(seconds=1))
    message = "A check is overdue; the last one ended at 2026-01-31T02:59:00Z."
    assert (shown.ready, shown.reason, shown.message) == (False, "Stale", message)
    assert shown.verdict == Verdict(Health.DEGRADED, "Stale", message)


def test_what_was_never_checked_says_so_when_it_is_overdue() -> None:
    assert report().as_of(NOW + timedelta(seconds=1)).message == "A check is overdue; none has ended yet."


def test_bad_news_does_not_get_better_by_getting_old() -> None:
    shown = report(Health.UNHEALTHY).as_of(NOW + timedelta(seconds=1))
    assert (shown.verdict.health, shown.reason) == (Health.UNHEALTHY, "Why")
    assert shown.message == "why A check is overdue; none has ended yet."


def test_a_report_knows_since_when_it_is_ready_or_not() -> None:
    store, key = ReportStore(), ("a", "one")
    moments = [NOW + timedelta(minutes=minute) for minute in range(4)]
    for moment, health in zip(
        moments, (Health.HEALTHY, Health.HEALTHY, Health.UNHEALTHY, Health.UNHEALTHY), strict=True
    ):
        store.put(key, report(health, Sample(taken_at=moment, pool=POOL)))
    latest = store.latest(key)
    assert latest is not None
    assert latest.since == moments[2]
    assert [(change.at, change.ready) for change in latest.changes] == [(moments[0], True), (moments[2], False)]


def test_the_first_report_may_know_more_than_this_process() -> None:
    store, key, long_ago = ReportStore(), ("a", "one"), NOW - timedelta(days=3)
    store.announce(key, starting())
    store.put(key, replace(report(), since=long_ago))
    store.put(key, report())
    latest = store.latest(key)
    assert latest is not None
    assert latest.since == long_ago


def test_a_report_keeps_only_the_latest_changes() -> None:
    store, key = ReportStore(), ("a", "one")
    for number in range(MOST_CHANGES + 5):
        store.put(key, replace(report(Health.UNHEALTHY), reason=f"Reason{number}"))
    latest = store.latest(key)
    assert latest is not None
    assert [change.reason for change in latest.changes] == [f"Reason{n}" for n in range(5, MOST_CHANGES + 5)]
