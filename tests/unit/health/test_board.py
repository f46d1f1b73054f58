"""Where the latest results are kept."""

from controller.health.board import Board, Report
from controller.health.verdict import Health, Verdict


def report(health: Health = Health.HEALTHY) -> Report:
    return Report(Verdict(health, "Why"), None, ready=health is not Health.UNHEALTHY, reason="Why", message="why")


def test_looks_are_counted_by_how_they_ended() -> None:
    board = Board()
    for health in (Health.HEALTHY, Health.UNHEALTHY, Health.UNHEALTHY):
        board.put(("a", "one"), report(health))
    latest = board.get(("a", "one"))
    assert latest is not None
    assert (latest.succeeded, latest.failed) == (1, 2)


def test_what_is_removed_leaves_nothing_behind() -> None:
    board = Board()
    board.put(("a", "one"), report(Health.UNHEALTHY))
    board.remove(("a", "one"))
    board.remove(("a", "one"))
    assert board.reports == {}
    assert board.get(("a", "one")) is None


def test_reports_come_in_the_order_of_their_names() -> None:
    board = Board()
    for key in (("b", "x"), ("a", "z"), ("a", "y")):
        board.put(key, report())
    assert list(board.reports) == [("a", "y"), ("a", "z"), ("b", "x")]
