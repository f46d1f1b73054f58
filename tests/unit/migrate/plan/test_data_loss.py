"""What data a way back takes with it, as its statements say."""

import pytest

from controller.migrate.plan.data_loss import MOST_COUNTED, Loss, Toll, expected_losses
from controller.migrate.plan.model import Direction, Step
from tests.unit.migrate.folders import migrations


def losses(down: str) -> list[str]:
    (migration,) = migrations("V1_a", V1_a_down=down)
    return [Toll(loss, None).subject for loss in expected_losses([Step(migration, Direction.DOWN)])]


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        ("DROP TABLE a", ["a"]),
        ('DROP TABLE IF EXISTS a, app.b, "C ""d""" CASCADE', ["a", "app.b", '"C ""d"""']),
        ("-- why\nDROP /* not b */ TABLE a; DROP INDEX a_n; DROP VIEW v", ["a"]),
        ("TRUNCATE a; TRUNCATE TABLE ONLY b, c RESTART IDENTITY", ["a", "b", "c"]),
        ("DELETE FROM a WHERE n > 3", ["a"]),
        ("ALTER TABLE a DROP COLUMN n, DROP IF EXISTS m CASCADE", ["a.n", "a.m"]),
        ("ALTER TABLE ONLY app.a DROP n, ADD COLUMN o int", ["app.a.n"]),
        ("ALTER TABLE a DROP CONSTRAINT c, ALTER COLUMN n DROP NOT NULL, ALTER n DROP DEFAULT", []),
        ("DROP TABLE a; DROP TABLE a", ["a"]),
        ("SELECT 'DROP TABLE a'", []),
    ],
)
def test_a_way_back_loses_what_its_statements_name(down: str, expected: list[str]) -> None:
    assert losses(down) == expected


def test_a_way_up_is_not_looked_at() -> None:
    (migration,) = migrations("V1_a", V1_a_up="DROP TABLE a")
    assert expected_losses([Step(migration, Direction.UP)]) == ()


@pytest.mark.parametrize(
    ("rows", "exact", "steady"),
    [
        (0, "a.n (0 rows)", "a.n (empty)"),
        (1, "a.n (1 row)", "a.n (holds data)"),
        (7, "a.n (7 rows)", "a.n (holds data)"),
        (MOST_COUNTED + 1, "a.n (more than 10000 rows)", "a.n (holds data)"),
        (None, "a.n (rows not counted: it is locked, or not ours to read)", "a.n (holds data)"),
    ],
)
def test_a_status_does_not_change_with_every_row(rows: int | None, exact: str, steady: str) -> None:
    toll = Toll(Loss("a", "n"), rows)
    assert (toll.text, toll.steady_text) == (exact, steady)
